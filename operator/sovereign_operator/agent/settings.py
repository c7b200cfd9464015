"""The command-line options that the chart passes to the agent."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sovereign_operator.runtime.replica import Replica, options, replica


@dataclass(frozen=True)
class Settings:
    """How the agent of a node runs."""

    replica: Replica
    node: str
    cni_results: Path
    """The folder in which libcni caches its results: see cni.py."""
    netns: Path
    """The folder in which the agent's container mounts the node's network namespaces."""
    resolv_conf: Path
    """The file in which the kubelet wrote the name servers of a pod."""


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    parser = options("sovereign-agent", __doc__)
    parser.add_argument("--node", default=os.environ.get("NODE_NAME"), help="default: $NODE_NAME")
    parser.add_argument("--cni-results", type=Path, default=Path("/var/lib/cni/results"), help="folder")
    parser.add_argument("--netns", type=Path, default=Path("/run/netns"), help="folder")
    parser.add_argument(
        "--resolv-conf", type=Path, default=Path("/etc/resolv.conf"), help="file with the name servers of pods"
    )
    given = parser.parse_args(arguments)
    common = replica(parser, given)
    if not given.node:
        parser.error("set the name of the node: --node or $NODE_NAME")
    return Settings(common, given.node, given.cni_results, given.netns, given.resolv_conf)
