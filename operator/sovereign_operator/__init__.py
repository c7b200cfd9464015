"""Sovereign workload placement for Kubernetes.

Four layers, each importing only the ones above it in this list:

- ``api``: what a user may write, as frozen models, one module per API version;
- ``core``: what we decide, pure functions of facts, time among them;
- ``kube``: how we read and write Kubernetes;
- ``controller``: the process that gathers facts, asks the core, and applies the answer.
"""
