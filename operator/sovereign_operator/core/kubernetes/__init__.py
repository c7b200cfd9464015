"""Rules of Kubernetes that decisions rest on: label selectors, quantities, and which nodes a pod fits."""
