"""The command-line options that the chart passes to the injector."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.core.kubernetes.quantity import parse as parse_quantity
from sovereign_operator.core.sidecar.contract import LEAST_MEMORY
from sovereign_operator.core.sidecar.injection import SidecarSettings
from sovereign_operator.runtime.replica import Replica, options, replica

TOKEN: Final = "Token"  # noqa: S105 - a word of the chart's values
REQUEST: Final = "Request"


@dataclass(frozen=True)
class Settings:
    """How this replica runs."""

    replica: Replica
    webhook_port: int
    """The port for reviews, over TLS."""
    sidecar: SidecarSettings


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    parser = options("sovereign-injector", __doc__)
    parser.add_argument("--webhook-port", type=int, default=8443, help="port for admission reviews, over TLS")
    parser.add_argument("--sidecar-image", required=True, help="the image of sidecars")
    parser.add_argument("--sidecar-pull-policy", choices=["Always", "IfNotPresent", "Never"], default="IfNotPresent")
    parser.add_argument(
        "--sidecar-resources", type=_resources, default={}, metavar="JSON", help='such as {"limits":{"memory":"512Mi"}}'
    )
    parser.add_argument(
        "--sandboxes",
        default="",
        metavar="NAMES",
        help="RuntimeClasses whose pods can have no sidecar, comma-separated",
    )
    parser.add_argument(
        "--certificates",
        choices=[TOKEN, REQUEST],
        default=TOKEN,
        help="how new sidecars get their certificates: Token, from the signer; Request, by their kubelets (1.37)",
    )
    given = parser.parse_args(arguments)
    common = replica(parser, given)
    sidecar = SidecarSettings(
        given.sidecar_image,
        given.sidecar_pull_policy,
        given.sidecar_resources,
        by_token=given.certificates == TOKEN,
        sandboxes=frozenset(given.sandboxes.split(",")) - {""},
    )
    return Settings(common, given.webhook_port, sidecar)


def _resources(text: str) -> dict[str, Any]:
    try:
        resources = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(resources, dict):
        raise argparse.ArgumentTypeError("write it as the resources of a container, in JSON")
    try:
        limit = parse_quantity((resources.get("limits") or {}).get("memory", LEAST_MEMORY))
    except (ValueError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"limits.memory is no quantity: {error}") from error
    if limit < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"limits.memory is less than a sidecar needs, which is {LEAST_MEMORY} bytes")
    return resources
