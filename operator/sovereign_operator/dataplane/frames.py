"""Rules for frames: in Strict, only frames of IP, ARP and VLANs enter or leave a pod.

The rules of redirect.py see only IP, and not all other frames take a capability to send: if the kernel has PPP over
Ethernet, any process may open such a socket, and send anything to hosts on the link. The rules name the interfaces that
they apply to, so the agent loads new rules when an interface is added. Filtering outgoing frames needs Linux 5.16.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

TABLE: Final = "sovereignty"
"""The name of our table, of family netdev."""

_PASSING: Final = "{ ip, ip6, arp, vlan }"
"""The frames within a VLAN are filtered on the VLAN's own interface."""
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.@-]+")


def rules_of(interfaces: Iterable[str]) -> str:
    """Return the rules for these interfaces, as one transaction for ``nft -f -``. No interfaces: it removes the table.

    Raises ValueError if the name of an interface is no plain word to nft.
    """
    named = sorted(interfaces)
    for name in named:
        if not _PLAIN_NAME.fullmatch(name):
            raise ValueError(f"frames cannot be filtered on an interface with the name {name!r}")
    lines = [f"add table netdev {TABLE}", f"delete table netdev {TABLE}"]
    if named:
        lines += [f"table netdev {TABLE} {{", *_chains(", ".join(f'"{name}"' for name in named)), "}"]
    return "\n".join((*lines, ""))


def _chains(devices: str) -> Iterator[str]:
    for chain, hook in (("entering", "ingress"), ("leaving", "egress")):
        yield f"\tchain {chain} {{"
        yield f"\t\ttype filter hook {hook} devices = {{ {devices} }} priority filter; policy accept;"
        yield f"\t\tmeta protocol != {_PASSING} drop"
        yield "\t}"
