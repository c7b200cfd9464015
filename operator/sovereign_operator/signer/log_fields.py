"""What each line of the log says about a request for a certificate."""

from sovereign_operator.core.identity.request import Request


def log_fields(request: Request) -> dict[str, str]:
    """Return the fields of a request. A sidecar that asks has no object of its own."""
    return {
        "request": request.name or "by token",
        "namespace": request.namespace,
        "pod": request.pod,
        "podUID": request.pod_uid,
        "node": request.node,
        "nodeUID": request.node_uid,
    }
