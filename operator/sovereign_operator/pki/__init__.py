"""How certificates are made and read: no Kubernetes, no clock. Times are arguments."""
