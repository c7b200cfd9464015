"""Rules for frames: in Strict none leaves a pod or enters it but those of IP, and those that find neighbours.

Of other frames the rules of redirect.py hear nothing, and not all of them take a capability: where the kernel has PPP
over Ethernet, any process may open a socket of it, and say anything to who is on the link. These rules belong to
interfaces by name, so that others are needed where one comes later. Linux has known the way out since 5.16.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

TABLE: Final = "sovereignty"
"""Name of our table, of family netdev."""

_PASSING: Final = "{ ip, ip6, arp, vlan }"
"""Within a VLAN it is the VLAN's own interface that is looked at."""
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.@-]+")


def rules_of(interfaces: Iterable[str]) -> str:
    """Return the rules for these interfaces, as one transaction for ``nft -f -``; none for none.

    Raises ValueError if a name could be read as something else.
    """
    named = sorted(interfaces)
    for name in named:
        if not _PLAIN_NAME.fullmatch(name):
            raise ValueError(f"no frame is looked at of an interface with the name {name!r}")
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
