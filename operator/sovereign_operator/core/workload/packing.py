"""Do pods that look for a node all find room? Judged for all of them together, and never guessed.

The scheduler takes pods in an order that nobody knows beforehand. So there is room only if every order that is tried
finds a place for each pod, or if a pod is sure of its place whatever the others take. There is none only if a pod finds
no place on nodes that are as empty as they can become. Anything between is not known.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import partial
from heapq import heapify, heappop, heapreplace
from itertools import chain, groupby
from typing import Final

from sovereign_operator.core.kubernetes.quantity import render
from sovereign_operator.core.kubernetes.requests import Amounts

ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class Need:
    """One pod that looks for a node."""

    nodes: frozenset[str]
    """Where its policy and its own rules let it run."""
    requests: Amounts
    """What it requests there, with one of ``pods``."""

    def order(self) -> tuple[object, ...]:
        """Return by what pods are sorted, so that the same facts have the same answer."""
        return tuple(sorted(self.nodes)), tuple(sorted(self.requests.items()))


class Room(Enum):
    """Whether the pods of a workload find room."""

    ENOUGH = "enough"
    NONE = "none"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Found:
    """Whether the pods of a workload find room, and why not, as a part of a sentence."""

    room: Room
    why: str = ""


ENOUGH: Final = Found(Room.ENOUGH)
UNSURE: Final = Found(
    Room.UNSURE,
    "the pods that look for a node may not all fit, and nobody knows which of them the scheduler takes first",
)


def find_room(
    wanted: Mapping[str, Sequence[Need]], free: Mapping[str, Amounts], at_most: Mapping[str, Amounts] | None = None
) -> dict[str, Found]:
    """Judge the room for all pods of all workloads, by workload.

    ``free``: what each node has left while all pods stay that run there. ``at_most``: what it has left once all pods
    have left it that may; as much as ``free`` if it is left out.
    """
    roomiest = free if at_most is None else at_most
    wanted = {name: sorted(wanted[name], key=Need.order) for name in sorted(wanted)}
    found = {name: Found(Room.NONE, why) for name in wanted if (why := _lacking(wanted[name], roomiest))}
    # A pod without any place takes no room from others.
    seeking = {name: [need for need in map(partial(_narrowed, free=roomiest), wanted[name]) if need] for name in wanted}
    for name in found:
        seeking[name] = _at_most_placed(seeking[name], roomiest)
    for group in _rivals(seeking):
        found |= _judge({name: seeking[name] for name in group}, free, found)
    return found


def _narrowed(need: Need, free: Mapping[str, Amounts]) -> Need | None:
    """Return a pod with the nodes on which there could be room for it alone; None if there are none."""
    nodes = frozenset(node for node in need.nodes if _fits(need.requests, free.get(node, {})))
    return Need(nodes, need.requests) if nodes else None


def _at_most_placed(needs: Sequence[Need], free: Mapping[str, Amounts]) -> list[Need]:
    """Leave out the pods of a workload beyond those that nodes could take. Only of equal ones it is known which."""
    if not needs or any(need != needs[0] for need in needs):
        return [*needs]
    return [*needs][: _places(needs, free)]


def _judge(
    wanted: Mapping[str, Sequence[Need]], free: Mapping[str, Amounts], known: Mapping[str, Found]
) -> dict[str, Found]:
    """Judge workloads that look for room on the same nodes, but for those of which it is known."""
    rest = [name for name in wanted if name not in known]
    if not rest or _all_fit(wanted, free):
        return dict.fromkeys(rest, ENOUGH)
    total = _taken(wanted.values())
    alike = [(key, [*group]) for key, group in groupby(sorted(chain(*wanted.values()), key=Need.order), Need.order)]
    counted = [(group[0], len(group)) for _, group in alike]
    # A node has room for it even if all that may come there do; or not all of its nodes can become full.
    sure = {
        key: any(_fits(total[node], free.get(node, {})) for node in group[0].nodes)
        or _some_node_stays(group[0], counted, free)
        for key, group in alike
    }
    return {name: ENOUGH if all(sure[need.order()] for need in wanted[name]) else UNSURE for name in rest}


def _some_node_stays(one: Need, everybody: Sequence[tuple[Need, int]], free: Mapping[str, Amounts]) -> bool:
    """Whether some node has room for a pod, wherever all others go.

    A node has none once others took more of a resource there than what the pod leaves of it. So of each resource it is
    counted how many nodes all others together could use up. ``everybody``: all pods, each with how many are equal.
    """
    rivals = [(need, number) for need, number in everybody if need.nodes & one.nodes]
    used_up = 0
    for resource, amount in one.requests.items():
        if amount <= 0:
            continue
        # The pod itself is among them, and takes nothing from itself.
        demand = sum((need.requests.get(resource, ZERO) * number for need, number in rivals), ZERO) - amount
        for spare in sorted(free.get(node, {}).get(resource, ZERO) - amount for node in one.nodes):
            if demand <= spare:
                break
            used_up += 1
            demand -= max(spare, ZERO)
    return used_up < len(one.nodes)


def _taken(workloads: Iterable[Sequence[Need]]) -> dict[str, Amounts]:
    """Return, by node, what would be taken there if each pod that may run there did."""
    taken: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for need in (need for needs in workloads for need in needs):
        for node in need.nodes:
            for resource, amount in need.requests.items():
                taken[node][resource] += amount
    return {node: dict(amounts) for node, amounts in taken.items()}


def _lacking(needs: Sequence[Need], free: Mapping[str, Amounts]) -> str:
    """Return what the pods of a workload lack even if nobody else takes anything; empty if nothing for certain."""
    for need in needs:
        if not any(_fits(need.requests, free.get(node, {})) for node in need.nodes):
            return _short_of(need, free)
    places = _places(needs, free)
    return f"there is room for {places} of its {len(needs)} pods that look for a node" if places < len(needs) else ""


def _places(needs: Sequence[Need], free: Mapping[str, Amounts]) -> int:
    """Return how many of these pods nodes can take at most."""
    nodes = frozenset[str]().union(*(need.nodes for need in needs))
    least = {name: min(need.requests.get(name, ZERO) for need in needs) for name in needs[0].requests} if needs else {}
    return sum(_how_many(least, free.get(node, {})) for node in nodes)


def _how_many(requests: Amounts, free: Amounts) -> int:
    """Return how many pods with these requests a node can take at most."""
    counts = [int(free.get(name, ZERO) // amount) for name, amount in requests.items() if amount > 0]
    return max(0, min(counts, default=2**31))


def _short_of(need: Need, free: Mapping[str, Amounts]) -> str:
    """Say what a pod lacks on the node that comes nearest."""

    def missing(node: str) -> list[str]:
        left = free.get(node, {})
        return sorted(name for name, amount in need.requests.items() if amount > max(left.get(name, ZERO), ZERO))

    nearest = min(sorted(need.nodes), key=lambda node: len(missing(node)))
    left = {name: max(free.get(nearest, {}).get(name, ZERO), ZERO) for name in missing(nearest)}
    words = [f"{render(need.requests[name])} {name}, of which {render(rest)} is left" for name, rest in left.items()]
    return f"on {nearest}, which comes nearest, a pod requests {' and '.join(words)}"


def _fits(requests: Amounts, free: Amounts) -> bool:
    return all(free.get(name, ZERO) >= amount for name, amount in requests.items() if amount > 0)


def _rivals(wanted: Mapping[str, Sequence[Need]]) -> Iterator[list[str]]:
    """Yield groups of workloads whose pods look for room on the same nodes. No two groups share a node."""
    groups: list[tuple[set[str], set[str]]] = []
    for name in sorted(wanted):
        members, nodes = {name}, set().union(*(need.nodes for need in wanted[name]))
        apart = []
        for group in groups:
            if group[1] & nodes:
                members |= group[0]
                nodes |= group[1]
            else:
                apart.append(group)
        groups = [*apart, (members, nodes)]
    yield from (sorted(members) for members, _ in groups)


def _all_fit(wanted: Mapping[str, Sequence[Need]], free: Mapping[str, Amounts]) -> bool:
    """Whether each way that is tried has a place for all pods: the largest first or last, close together or spread."""
    largest: defaultdict[str, Decimal] = defaultdict(lambda: Decimal(1))
    for amounts in free.values():
        for name, amount in amounts.items():
            largest[name] = max(largest[name], amount)

    def size(need: Need) -> Decimal:
        return max((amount / largest[name] for name, amount in need.requests.items()), default=ZERO)

    needs = [need for name in sorted(wanted) for need in wanted[name]]
    down = sorted(needs, key=lambda need: (-size(need), need.order()))
    return all(
        _place(order, free, largest, spread=spread) for order in (down, [*reversed(down)]) for spread in (False, True)
    )


def _place(needs: Sequence[Need], free: Mapping[str, Amounts], largest: Mapping[str, Decimal], *, spread: bool) -> bool:
    """Whether each pod in turn finds a place: on the first node with room for it; if ``spread``, where most is left."""
    left = {node: dict(free.get(node, {})) for need in needs for node in need.nodes}
    for _, alike in groupby(needs, key=lambda need: (need.nodes, tuple(sorted(need.requests.items())))):
        same = [*alike]
        if not _place_alike(same, left, largest if spread else {}):
            return False
    return True


def _place_alike(needs: Sequence[Need], left: dict[str, dict[str, Decimal]], largest: Mapping[str, Decimal]) -> bool:
    """Place equal pods. Without ``largest``, nodes are taken in their order."""
    first = needs[0]

    def entry(node: str) -> tuple[Decimal, str]:
        parts = (left[node].get(name, ZERO) / largest[name] for name in first.requests if name in largest)
        return -min(parts, default=ZERO), node

    places = [entry(node) for node in first.nodes if _fits(first.requests, left[node])]
    heapify(places)
    for _ in needs:
        if not places:
            return False
        _, node = places[0]
        for name, amount in first.requests.items():
            left[node][name] = left[node].get(name, ZERO) - amount
        if _fits(first.requests, left[node]):
            heapreplace(places, entry(node))
        else:
            heappop(places)
    return True
