"""The agent process, one on each node: it has the traffic of pods with a sidecar go through it."""
