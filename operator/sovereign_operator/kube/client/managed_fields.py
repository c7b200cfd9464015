"""What an object's managedFields tell of who wrote it.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from collections.abc import Container
from datetime import datetime

from sovereign_operator.kube.client.api import Json


def latest_writer(metadata: Json, besides: Container[str] = ()) -> tuple[str, datetime] | None:
    """Return which field manager wrote an object last, a name that a client gives itself, and when; None if none did.

    Writes of subresources do not count, nor do the managers in ``besides``.
    """
    found = [
        (datetime.fromisoformat(entry["time"]), str(entry.get("manager", "")))
        for entry in metadata.get("managedFields", ())
        if "time" in entry and not entry.get("subresource") and entry.get("manager", "") not in besides
    ]
    if not found:
        return None
    time, manager = max(found)
    return manager, time
