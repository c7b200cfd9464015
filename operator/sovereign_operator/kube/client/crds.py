"""Are our kinds there, and there to stay?"""

from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.resource import CRDS


async def kinds_going(api: Api, *kinds: Kind) -> list[str]:
    """Return which CRDs of ours, by default of all our kinds, are missing or being deleted.

    Then objects vanish that nobody deleted, and deleting our CRDs must not change what is enforced.
    """
    return [name for name, uid in (await crd_uids(api, *kinds)).items() if uid is None]


async def crd_uids(api: Api, *kinds: Kind) -> dict[str, str | None]:
    """Return the uids of these CRDs by name, None for one that is missing or being deleted."""
    names = [f"{kind.plural}.{GROUP}" for kind in kinds or KINDS]
    found = {name: await api.lasting(CRDS, name) for name in names}
    return {name: crd["metadata"]["uid"] if crd else None for name, crd in found.items()}
