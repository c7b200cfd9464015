"""Are our kinds there, and there to stay?"""

from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.kube.api import Api
from sovereign_operator.kube.resource import CRDS


async def kinds_going(api: Api, *kinds: Kind) -> list[str]:
    """Return which CRDs of ours, by default of all our kinds, are missing or being deleted.

    Then objects vanish that nobody deleted, and deleting our CRDs must not change what is enforced.
    """
    crds = [f"{kind.plural}.{GROUP}" for kind in kinds or KINDS]
    return [name for name in crds if await api.lasting(CRDS, name) is None]
