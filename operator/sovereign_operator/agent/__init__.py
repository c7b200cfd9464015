"""The agent process, one on each node: it redirects the traffic of pods with a sidecar through the sidecar."""
