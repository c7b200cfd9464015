"""The kinds of ``sovereignty.dev/v1alpha1``.

Each module holds one kind: its spec, its status, and the ``Kind`` that says how the API server
shows and checks it. ``KINDS`` lists them in the order in which a person meets them.
"""

from sovereign_operator.api.v1alpha1.cloud_service import CLOUD_SERVICE
from sovereign_operator.api.v1alpha1.datacentre import DATACENTRE
from sovereign_operator.api.v1alpha1.derogation import DEROGATION
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.api.v1alpha1.sovereign_workload import SOVEREIGN_WORKLOAD
from sovereign_operator.api.v1alpha1.sovereignty_policy import SOVEREIGNTY_POLICY

__all__ = [
    "CATEGORY",
    "CLOUD_SERVICE",
    "DATACENTRE",
    "DEROGATION",
    "GROUP",
    "KINDS",
    "SOVEREIGNTY_POLICY",
    "SOVEREIGN_WORKLOAD",
    "VERSION",
]

GROUP = "sovereignty.dev"
VERSION = "v1alpha1"
CATEGORY = "sovereignty"

KINDS: tuple[Kind, ...] = (CLOUD_SERVICE, DATACENTRE, SOVEREIGNTY_POLICY, DEROGATION, SOVEREIGN_WORKLOAD)
