"""Which client wrote an object, according to its managedFields.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from collections.abc import Container
from datetime import datetime

from sovereign_operator.kube.client.api import Json


def latest_writer(metadata: Json, besides: Container[str] = ()) -> tuple[str, datetime] | None:
    """Return which field manager wrote an object last, and when; None if no manager did.

    Clients choose the names of their field managers. Writes of subresources do not count, nor do the managers in
    ``besides``.
    """
    writes = [
        (datetime.fromisoformat(entry["time"]), str(entry.get("manager", "")))
        for entry in metadata.get("managedFields", ())
        if "time" in entry and not entry.get("subresource") and entry.get("manager", "") not in besides
    ]
    if not writes:
        return None
    time, manager = max(writes)
    return manager, time
