"""The command-line options that the chart passes to the controller."""

from collections.abc import Sequence
from dataclasses import dataclass

from sovereign_operator.runtime.replica import Replica, options, replica


@dataclass(frozen=True)
class Settings:
    """How this replica runs."""

    replica: Replica
    guards: str
    """The digest of the guards in this version of the chart, which names the ConfigMap that lists them."""
    with_signer: bool
    """Whether the signer is installed."""
    dns: tuple[str, str] | None
    """Namespace and name of the DNS Service, if encryption is installed."""
    by_token: bool = False
    """Whether the sidecars of new pods ask for their certificates themselves."""
    with_reports: bool = False
    """Whether to write a report into each namespace whose pods policies judge."""


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    parser = options("sovereign-controller", __doc__)
    parser.add_argument("--guards", required=True, help="digits that stand for the chart's admission policies")
    parser.add_argument("--with-signer", action="store_true", help="the signer is installed: report its certificates")
    parser.add_argument(
        "--with-encryption", type=_namespaced, metavar="NAMESPACE/SERVICE", help="sidecars are installed: where DNS is"
    )
    parser.add_argument(
        "--by-token", action="store_true", help="the sidecars of new pods ask for their certificates with a token"
    )
    parser.add_argument(
        "--with-reports", action="store_true", help="write a Report into each namespace whose pods policies judge"
    )
    given = parser.parse_args(arguments)
    return Settings(
        replica(parser, given),
        given.guards,
        given.with_signer,
        given.with_encryption,
        given.by_token,
        given.with_reports,
    )


def _namespaced(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not namespace or not name:
        raise ValueError(f"{text!r} is not a namespace and a name with a slash between them")
    return namespace, name
