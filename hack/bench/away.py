"""Objects that are deleted, or created, for a while."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import yaml

from hack.kubectl import Json, Kubectl


@contextmanager
def away(admin: Kubectl, kind: str, *names: str) -> Iterator[None]:
    """Delete cluster-scoped objects, and create those that are missing again at the end; both in this order.

    Their fields are Helm's again, so that the next upgrade meets no conflict.
    """
    kept = {name: _essence(admin.get(kind, name)) for name in names}
    try:
        admin.delete(kind, *kept)
        yield
    finally:
        there = {found["metadata"]["name"] for found in admin.list(kind)}
        if missing := [obj for name, obj in kept.items() if name not in there]:
            admin.apply(_together(missing), options=["--server-side", "--field-manager=helm"])


@contextmanager
def there(admin: Kubectl, *objects: Json) -> Iterator[None]:
    """Create objects, or take over those that are there, and delete them at the end."""
    try:
        admin.apply(*objects, options=["--server-side", "--force-conflicts"])
        yield
    finally:
        together = yaml.safe_dump(_together(objects))
        admin.run("delete", "--ignore-not-found", "--filename", "-", stdin=together)


def _essence(found: Json) -> Json:
    """Return what a client says of an object, without what the API server adds."""
    kept = {key: found["metadata"][key] for key in ("name", "labels", "annotations") if key in found["metadata"]}
    return found | {"metadata": kept}


def _together(objects: Sequence[Json]) -> Json:
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}
