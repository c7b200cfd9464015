"""AdmissionReviews, as an API server sends them."""

from typing import Any

Json = dict[str, Any]

POD: Json = {"metadata": {"name": "app", "labels": {"a": "b"}}, "spec": {"containers": [{"name": "app"}]}}


def review_of(pod: Any = POD, **changes: Any) -> Json:
    """Return an AdmissionReview of a new pod. ``changes`` replace fields of its request."""
    request = {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": "ns",
        "userInfo": {"username": "somebody"},
        "object": pod,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | changes}
