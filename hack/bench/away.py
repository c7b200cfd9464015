"""Delete an object for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from hack.kubectl import Kubectl


@contextmanager
def away(admin: Kubectl, kind: str, name: str) -> Iterator[None]:
    """Delete a cluster-scoped object, and create it again at the end."""
    found = admin.get(kind, name)
    kept = {key: found["metadata"][key] for key in ("name", "labels", "annotations") if key in found["metadata"]}
    admin.delete(kind, name)
    try:
        yield
    finally:
        admin.create(found | {"metadata": kept})
