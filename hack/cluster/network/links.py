"""The network links between this machine, the cluster's own network namespace and the nodes.

The cluster's namespace has no default route, so nothing leaves it. This machine's namespace gets one interface and a
route to the cluster's addresses, and an ``unreachable`` route that takes over when the link is gone. Packets to an
unused address of the cluster, from either side, end at once in another ``unreachable`` route. This takes no packet
filter and changes none of this machine's settings.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, ip_interface
from pathlib import Path

from hack.cluster.engine.processes import Process
from hack.cluster.errors import ClusterError
from hack.cluster.network.addresses import Addresses

BRIDGE = "nodes"
UPLINK = "uplink"
LAST_METRIC = 2**32 - 1


def read_routes() -> list[tuple[IPv4Network, str]]:
    """Return this machine's IPv4 routes, as (destination, device)."""
    routes = []
    for route in json.loads(_ip("-json", "-4", "route", "show", "table", "all")):
        destination = "0.0.0.0/0" if route["dst"] == "default" else route["dst"]
        routes.append((IPv4Network(destination, strict=False), str(route.get("dev", ""))))
    return routes


def connect_cluster(addresses: Addresses, holder: Process, folder: Path) -> None:
    """Link this machine to a cluster's namespace, and create the bridge for its nodes."""
    remove_link(addresses)  # left by a holder that has just gone
    _batch(render_machine(addresses, holder.pid, folder), None)
    _batch(render_cluster(addresses), holder)


def connect_node(addresses: Addresses, number: int, count: int, cluster: Process, node: Process) -> None:
    """Link a node (counted from 0) to its cluster's bridge; ``count`` is the number of nodes."""
    with contextlib.suppress(ClusterError):  # left by a node's holder that has just gone
        _ip("link", "delete", f"node{number}", inside=cluster)
    _batch(render_bridge_port(addresses, number, node.pid), cluster)
    _batch(render_node(addresses, number, count), node)


def render_machine(addresses: Addresses, holder: int, folder: Path) -> list[str]:
    """Return the ``ip`` commands for this machine's namespace. The alias shows whose link it is."""
    return [
        f"link add {addresses.link} type veth peer name {UPLINK} netns {holder}",
        f"link set {addresses.link} alias {str(folder)[-200:]}",
        f"address add {addresses.machine}/30 dev {addresses.link}",
        f"link set {addresses.link} up",
        f"route replace {addresses.block} via {addresses.uplink} dev {addresses.link}",
        # Lowest priority: it only applies when the link is gone, when traffic must not take the default route.
        f"route replace unreachable {addresses.block} metric {LAST_METRIC}",
    ]


def render_cluster(addresses: Addresses) -> list[str]:
    """Return the ``ip`` commands for the cluster's own namespace."""
    return [
        "link set lo up",
        f"address add {addresses.uplink}/30 dev {UPLINK}",
        f"link set {UPLINK} up",
        f"link add {BRIDGE} type bridge",
        *(_add_address(f"{family.control_plane}/{family.nodes.prefixlen}", BRIDGE) for family in addresses.families),
        f"link set {BRIDGE} up",
        *(f"route add unreachable {family.block}" for family in addresses.families),
    ]


def render_bridge_port(addresses: Addresses, number: int, holder: int) -> list[str]:
    """Return the ``ip`` commands, in the cluster's namespace, that connect one node."""
    port = f"node{number}"
    return [
        f"link add {port} type veth peer name eth0 netns {holder}",
        f"link set {port} master {BRIDGE}",
        f"link set {port} up",
        *(f"route replace {family.pods_of(number)} via {family.node(number)}" for family in addresses.families),
    ]


def render_node(addresses: Addresses, number: int, count: int) -> list[str]:
    """Return the ``ip`` commands for a node's namespace: addresses, default route, routes to other nodes' pods."""
    others = [other for other in range(count) if other != number]
    return [
        "link set lo up",
        *(_add_address(f"{family.node(number)}/{family.nodes.prefixlen}", "eth0") for family in addresses.families),
        "link set eth0 up",
        *(f"route add default via {family.control_plane}" for family in addresses.families),
        *(
            f"route add {family.pods_of(other)} via {family.node(other)}"
            for family in addresses.families
            for other in others
        ),
    ]


def _add_address(address: str, device: str) -> str:
    # No other interface can have the address, so duplicate address detection is unnecessary.
    unasked = " nodad" if ip_interface(address).version == 6 else ""  # noqa: PLR2004 - the version of IP
    return f"address add {address} dev {device}{unasked}"


def has_link(addresses: Addresses) -> bool:
    """Return whether a cluster's link exists."""
    return Path("/sys/class/net", addresses.link).exists()


def disconnect_cluster(addresses: Addresses) -> None:
    """Remove what connecting a cluster added to this machine's own namespace, if it is there."""
    remove_link(addresses)
    if any(network == addresses.block for network, _ in read_routes()):
        _ip("route", "delete", "unreachable", str(addresses.block), "metric", str(LAST_METRIC))


def remove_link(addresses: Addresses) -> None:
    """Remove a cluster's link, and the routes over it, if it exists."""
    if has_link(addresses):
        with contextlib.suppress(ClusterError):  # the kernel may be removing it already
            _ip("link", "delete", addresses.link)
        if has_link(addresses):
            raise ClusterError(f"cannot remove the network interface {addresses.link}")


def run_inside(holder: Process, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program of this machine in a holder's network namespace."""
    return subprocess.run([*_reach(holder), *argv], capture_output=True, text=True, check=False)


def _reach(holder: Process | None) -> list[str]:
    # Not ip netns exec, which mounts another /sys, without the cgroups.
    return ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"] if holder else []


def _ip(*arguments: str, inside: Process | None = None) -> str:
    return _run([*_reach(inside), "ip", *arguments])


def _batch(commands: Iterable[str], inside: Process | None) -> None:
    _run([*_reach(inside), "ip", "-batch", "-"], "\n".join(commands))


def _run(argv: Sequence[str], given: str = "") -> str:
    try:
        done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ClusterError(f"{error.filename} is missing; run: python -m hack.cluster prerequisites") from error
    if done.returncode:
        raise ClusterError(f"{' '.join(argv)} failed: {done.stderr.strip()}")
    return done.stdout
