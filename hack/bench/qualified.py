"""A service's qualification, set by hand."""

import json
from collections.abc import Sequence

from hack.kubectl import Json, Kubectl


def set_status(admin: Kubectl, service: str, status: str) -> None:
    """Set the status of a service's first qualification."""
    patch(admin, service, [{"op": "replace", "path": "/spec/qualifications/0/status", "value": status}])


def patch(admin: Kubectl, service: str, body: Sequence[Json]) -> None:
    """Apply a JSON patch to a service."""
    admin.run("patch", "cloudservice", service, "--type=json", "-p", json.dumps(body))
