"""The connections that encryption cannot do without. NetworkPolicies may forbid them."""

from typing import Final

from sovereign_operator.core.kubernetes.network_policy import Connection, Direction
from sovereign_operator.core.sidecar.contract import REDIRECTED_PORT, SIGNER_PORT, SIGNER_PORT_NAME

POLLED: Final = Connection(Direction.INGRESS, REDIRECTED_PORT)
"""How the controller reaches a sidecar."""
ASKS: Final = Connection(Direction.EGRESS, SIGNER_PORT, SIGNER_PORT_NAME)
"""How a sidecar reaches the signers."""
