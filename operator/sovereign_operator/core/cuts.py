"""When open connections have to end: as soon as somebody is trusted no more.

Who is trusted is asked for once, when a connection begins. So when a datacentre leaves a policy's trust, the sidecars
let go of what is open. They cannot tell whose it is, and end all of it; what is still trusted connects anew.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cuts:
    """How often that was done, and who was trusted then."""

    number: int = 0
    trusted: frozenset[str] = frozenset()
    """Policy and datacentre, with a slash between them."""


def next_cuts(before: Cuts, trusted: frozenset[str], *, settled: bool) -> Cuts:
    """Return one cut more if somebody is trusted no more, once that has reached all sidecars.

    ``settled``: whether it has. A cut before would let those be connected anew who must not be. An authority that is
    replaced by another one of the same datacentre takes nobody's trust away.
    """
    if before.trusted <= trusted:
        return Cuts(before.number, trusted)
    if not settled:
        return Cuts(before.number, before.trusted | trusted)
    return Cuts(before.number + 1, trusted)
