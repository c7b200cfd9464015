"""What the chart tells the controller, as command-line options."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sovereign_operator.core.guards import Guards
from sovereign_operator.runtime.replica import Replica, options, replica


@dataclass(frozen=True)
class Settings:
    """How this replica runs."""

    replica: Replica
    guards: Guards
    """Our admission policies and their bindings, as the chart installed them."""
    with_signer: bool
    """Whether the signer is installed."""
    dns: tuple[str, str] | None
    """Namespace and name of the Service that answers for DNS, where encryption is installed."""


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    parser = options("sovereign-controller", __doc__)
    parser.add_argument("--guards", type=read_guards, required=True, help="file with the chart's admission policies")
    parser.add_argument("--with-signer", action="store_true", help="the signer is installed: report its certificates")
    parser.add_argument(
        "--with-encryption", type=_namespaced, metavar="NAMESPACE/SERVICE", help="sidecars are installed: where DNS is"
    )
    given = parser.parse_args(arguments)
    return Settings(replica(parser, given), given.guards, given.with_signer, given.with_encryption)


def _namespaced(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not namespace or not name:
        raise ValueError(f"{text!r} is not a namespace and a name with a slash between them")
    return namespace, name


def read_guards(path: str) -> Guards:
    """Read the admission policies and bindings that the chart installed: a JSON list of them."""
    objects = json.loads(Path(path).read_text(encoding="utf-8"))
    return {(obj["kind"], obj["metadata"]["name"]): obj["spec"] for obj in objects}
