"""The sidecar: how it is configured, and how it is written into a pod."""
