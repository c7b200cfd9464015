"""The control plane: its components, their certificates, a client for its API, and the registry."""
