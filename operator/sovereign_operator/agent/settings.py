"""What the chart tells the agent, as command-line options."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from sovereign_operator.core.transit import Datagrams
from sovereign_operator.runtime.replica import Replica, options, replica

DNS_PORT: Final = 53


@dataclass(frozen=True)
class Settings:
    """How the agent of a node runs."""

    replica: Replica
    node: str
    cni_results: Path
    """Folder in which CNI's library remembers what it did."""
    netns: Path
    """Folder in which the node's network namespaces are seen."""
    dns: tuple[Datagrams, ...]
    """What asks for names, and answers."""


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    parser = options("sovereign-agent", __doc__)
    parser.add_argument("--node", default=os.environ.get("NODE_NAME"), help="default: $NODE_NAME")
    parser.add_argument("--cni-results", type=Path, default=Path("/var/lib/cni/results"), help="folder")
    parser.add_argument("--netns", type=Path, default=Path("/run/netns"), help="folder")
    parser.add_argument("--resolv-conf", type=Path, default=Path("/etc/resolv.conf"), help="who is asked for names")
    given = parser.parse_args(arguments)
    common = replica(parser, given)
    if not given.node:
        parser.error("say which node this is: --node or $NODE_NAME")
    return Settings(common, given.node, given.cni_results, given.netns, read_dns(given.resolv_conf.read_text("utf-8")))


def read_dns(resolv_conf: str) -> tuple[Datagrams, ...]:
    """Return the datagrams between a pod and its name servers, from what its kubelet wrote down for it.

    The agent reads its own: any other pod of the node has the same ones, unless it asks for its own (``dnsPolicy``).
    """
    words = (line.split() for line in resolv_conf.splitlines())
    addresses = [found[1].partition("%")[0] for found in words if len(found) > 1 and found[0] == "nameserver"]
    return tuple(Datagrams(ip_network(address), range(DNS_PORT, DNS_PORT + 1)) for address in addresses)
