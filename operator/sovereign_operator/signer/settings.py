"""The command-line options that the chart passes to the signer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sovereign_operator.pki.spiffe import authority_id
from sovereign_operator.runtime.replica import Replica, options, replica


@dataclass(frozen=True)
class Settings:
    """How this replica runs."""

    replica: Replica
    trust_domain: str
    """The trust domain of SPIFFE IDs. Example: hospital.example.org."""
    propagation: timedelta
    """How long a changed trust bundle may take to reach all pods."""
    keys_namespace: str
    """The namespace that holds the keys, and nothing else."""
    move_keys: bool
    """Whether to move keys there that a former version kept in the operator's namespace."""
    certificate_port: int | None
    """The port for sidecars that ask with a token, over TLS. None: no sidecar does."""
    check_address: bool
    """Whether such a sidecar has to ask from an address of its pod. That proves nothing: addresses can be forged."""


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    parser = options("sovereign-signer", __doc__)
    parser.add_argument("--trust-domain", required=True, help="trust domain of SPIFFE IDs: hospital.example.org")
    parser.add_argument(
        "--propagation-seconds",
        type=int,
        default=300,
        help="how long a changed trust bundle may take to reach all pods",
    )
    parser.add_argument("--keys-namespace", required=True, help="the namespace of the keys, which holds nothing else")
    parser.add_argument(
        "--move-keys", action="store_true", help="move there the keys that former versions kept in this namespace"
    )
    parser.add_argument("--certificate-port", type=int, help="port for sidecars that ask with a token, over TLS")
    parser.add_argument(
        "--any-address", action="store_true", help="let them ask from addresses that are none of their pod's"
    )
    given = parser.parse_args(arguments)
    common = replica(parser, given)
    try:
        authority_id(given.trust_domain)
    except ValueError as error:
        parser.error(f"--trust-domain: {error}")
    propagation = timedelta(seconds=given.propagation_seconds)
    return Settings(
        common,
        given.trust_domain,
        propagation,
        given.keys_namespace,
        given.move_keys,
        given.certificate_port,
        not given.any_address,
    )
