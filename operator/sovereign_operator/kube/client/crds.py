"""Whether the CRDs of our kinds exist. Controller and signer stop writing while one is missing or being deleted."""

from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import CRDS


async def kinds_going(api: Api, *kinds: Kind) -> list[str]:
    """Return the names of CRDs, by default of all our kinds, that are missing or being deleted.

    Deleting a CRD deletes all its objects. That must not change what is enforced, as no user deleted these objects.
    """
    return [name for name, uid in (await crd_uids(api, *kinds)).items() if uid is None]


async def crd_uids(api: Api, *kinds: Kind) -> dict[str, str | None]:
    """Return the uids of the CRDs of these kinds, by default all, by name; None if missing or being deleted."""
    return {(name := f"{kind.plural}.{GROUP}"): await _uid(api, name) for kind in kinds or KINDS}


async def _uid(api: Api, name: str) -> str | None:
    try:
        metadata = await api.metadata(CRDS, name)
    except NotFoundError:
        return None
    return None if "deletionTimestamp" in metadata else str(metadata["uid"])
