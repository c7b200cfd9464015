"""The verdicts on all nodes by all policies, kept up to date: a change costs what it affects."""

from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Iterator, KeysView, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import TypeVar

from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.core.placement.changes import Changes
from sovereign_operator.core.placement.derogation_status import restated
from sovereign_operator.core.placement.differences import (
    basis_of,
    evidence_of,
    missing_others,
    relocated,
    revised_datacentres,
    same_bases,
    service_of,
)
from sovereign_operator.core.placement.facts import Facts, Node, Pair
from sovereign_operator.core.placement.membership import by_labels, declarations, locate
from sovereign_operator.core.placement.next_change import last_change_of, next_change_of
from sovereign_operator.core.placement.places import Places
from sovereign_operator.core.placement.site import SiteVerdict, judge_site
from sovereign_operator.core.placement.verdict import NodeVerdict, verdict_on


class NodeVerdicts(Mapping[tuple[str, str], NodeVerdict]):
    """All verdicts by (node, policy). Each is joined when it is read, as the nodes of a site share its verdict."""

    def __init__(self, verdicts: "Verdicts") -> None:
        self._verdicts = verdicts

    def __getitem__(self, key: tuple[str, str]) -> NodeVerdict:
        node, policy = key
        if policy not in self._verdicts.facts.policies:
            raise KeyError(key)
        return verdict_on(self._verdicts.members[node], policy, self._verdicts.facts, self._verdicts.sites)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return product(sorted(self._verdicts.members), sorted(self._verdicts.facts.policies))

    def __len__(self) -> int:
        return len(self._verdicts.members) * len(self._verdicts.facts.policies)

    def by(self, policy: str) -> Mapping[str, NodeVerdict]:
        """Return the verdicts of one policy by node, each joined when it is read."""
        return VerdictsOfPolicy(self._verdicts, policy)


class VerdictsOfPolicy(Mapping[str, NodeVerdict]):
    """The verdicts of one policy on all nodes."""

    def __init__(self, verdicts: "Verdicts", policy: str) -> None:
        self._verdicts, self._policy = verdicts, policy

    def __getitem__(self, node: str) -> NodeVerdict:
        return self._verdicts.nodes[node, self._policy]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._verdicts.members) if self._policy in self._verdicts.facts.policies else ())

    def __len__(self) -> int:
        return len(self._verdicts.members) if self._policy in self._verdicts.facts.policies else 0


class Verdicts:
    """Every answer at one instant."""

    def __init__(self, facts: Facts) -> None:
        self._nodes: dict[str, Node] = {}
        self.facts = Facts({}, {}, {}, self._nodes, facts.now)
        """What the verdicts follow from."""
        self.sites: dict[Pair, SiteVerdict] = {}
        self._places = Places()
        self.members = self._places.members
        """Where each node is, by its name."""
        self.nodes = NodeVerdicts(self)
        self._since: dict[Pair, datetime] = {}
        """When the verdict on a site last changed by itself: the clock may have been set back since."""
        self._change_at: dict[Pair, datetime] = {}
        """When the verdict on a site changes by itself."""
        self._declared: Mapping[str, Mapping[str, str]] = {}
        """By node, the datacentres that declare it, each with the uid."""
        self._selecting: Mapping[str, DatacentreSpec] = {}
        """The datacentres that select nodes by labels."""
        self._accepted: dict[str, set[str]] = {}
        """By policy, the nodes that may host its pods."""
        self._sorted: dict[str, tuple[str, ...]] = {}
        self.update(facts, facts.nodes)

    @property
    def policies(self) -> KeysView[str]:
        """The policies that could be read."""
        return self.facts.policies.keys()

    @property
    def next_change(self) -> datetime | None:
        """The first instant at which a verdict changes by itself; None: there is none."""
        return min(self._change_at.values(), default=None)

    def accepted_nodes(self, policy: str) -> tuple[str, ...]:
        """Return the names of the nodes that may host a policy's pods, sorted."""
        if policy not in self._sorted:
            self._sorted[policy] = tuple(sorted(self._accepted.get(policy, ())))
        return self._sorted[policy]

    def accepts(self, policy: str, node: str) -> bool:
        """Whether a policy accepts a node."""
        return node in self._accepted.get(policy, ())

    def accepted_at_all(self, node: str) -> bool:
        """Whether any policy accepts a node."""
        return any(node in nodes for nodes in self._accepted.values())

    @property
    def accept_none(self) -> bool:
        """Whether no policy accepts any node."""
        return not any(self._accepted.values())

    def nodes_in(self, datacentre: str) -> list[str]:
        """Return the names of the nodes in a datacentre, sorted."""
        return sorted(self._places.standing_in(datacentre))

    def claimed_twice_in(self, datacentre: str) -> list[str]:
        """Return the names of the nodes that a datacentre claims, and others as well, sorted."""
        return sorted(self._places.claimed_twice_in(datacentre))

    def node_count(self, datacentre: str) -> int:
        """Return how many nodes are in a datacentre."""
        return len(self._places.standing_in(datacentre))

    def update(self, facts: Facts, nodes: Mapping[str, Node | None]) -> Changes:
        """Take new facts, and return what they change.

        ``nodes``: those that may have changed since the last update; None: gone. Those of ``facts`` are not read.
        """
        after = replace(facts, nodes=self._nodes)
        seen = {name: node for name, node in nodes.items() if node != self._nodes.get(name)}
        revised = revised_datacentres(self.facts, after)
        declared, selecting = self._declared, self._selecting
        if revised:
            declared = declarations(after.datacentres)
            selecting = by_labels(after.datacentres)
        judged = {pair: _judge(pair, after) for pair in self._outdated(after)}
        sites = {pair: site for pair, site in judged.items() if site != self.sites.get(pair)}
        moved = {}
        for name in seen.keys() | self._to_locate(after, revised):
            node = seen.get(name, None if name in seen else self._nodes[name])
            member = locate(node, declared.get(name, {}), selecting, after) if node else None
            if member != self.members.get(name):
                moved[name] = member
        keys = set(self._touched(after, sites, moved, revised))
        former = self._former(moved, judged)
        renumbered = {*missing_others(self._nodes, seen, declared)} | {
            datacentre
            for name, now in moved.items()
            for member in filter(None, (self.members.get(name), now))
            for datacentre in member.concerned
        }

        resting = {name for site in (*map(self.sites.get, sites), *sites.values()) if site for name in site.derogations}
        derogations = restated(self.facts, after) | resting
        policies = frozenset(self.facts.policies.keys() ^ after.policies.keys())
        self.facts, self._declared, self._selecting = after, declared, selecting
        for name, node in seen.items():
            _put(self._nodes, name, node)
        for name, member in moved.items():
            self._places.move(name, member)
        for pair, site in judged.items():
            _put(self.sites, pair, site)
            _put(self._since, pair, last_change_of(pair, after) if site else None)
            _put(self._change_at, pair, next_change_of(pair, site, after) if site else None)
        # One by one: all of them together would take more memory than all else.
        changed: dict[tuple[str, str], bool | None] = {}
        for key in sorted(keys):
            verdict = self.nodes.get(key)
            if verdict != former(key):
                changed[key] = verdict.accepted if verdict else None
        return Changes(
            verdicts=tuple(key for key, accepted in changed.items() if accepted is not None),
            judging=frozenset(policy for _, policy in changed),
            nodes=frozenset({node for node, _ in changed} | moved.keys()),
            accepted=self._accept(changed, policies),
            policies=policies,
            sites=frozenset(sites),
            derogations=derogations,
            datacentres=frozenset(renumbered | revised),
        )

    def _former(self, moved: Iterable[str], judged: Iterable[Pair]) -> Callable[[tuple[str, str]], NodeVerdict | None]:
        """Return a function that returns a verdict as it is now, also after these nodes and sites have changed."""
        facts = self.facts
        members = {name: self.members.get(name) for name in moved}
        sites = ChainMap({pair: self.sites[pair] for pair in judged if pair in self.sites}, self.sites)

        def verdict(key: tuple[str, str]) -> NodeVerdict | None:
            node, policy = key
            member = members[node] if node in members else self.members.get(node)
            if member is None or policy not in facts.policies:
                return None
            return verdict_on(member, policy, facts, sites)

        return verdict

    def _outdated(self, after: Facts) -> Iterator[Pair]:
        """Yield the pairs whose site has to be judged, and those that are gone."""
        before, same = self.facts, same_bases(self.facts, after)
        pairs = {Pair(policy, datacentre) for policy, datacentre in product(after.policies, after.datacentres)}
        yield from self.sites.keys() - pairs
        for pair in pairs:
            since, due = self._since.get(pair), self._change_at.get(pair)
            if (
                pair not in self.sites
                or (since and after.now < since)
                or (due and due <= after.now)
                or not (same or basis_of(pair, before) == basis_of(pair, after))
            ):
                yield pair

    def _to_locate(self, after: Facts, revised: Collection[str]) -> set[str]:
        """Return the nodes that datacentres or services may have moved."""
        before = self.facts
        if before.unread.datacentres != after.unread.datacentres:
            return {*self._nodes}
        names = {name for datacentre in revised for name in self._places.standing_in(datacentre)}
        for datacentre in revised:
            names.update(relocated(before.datacentres.get(datacentre), after.datacentres.get(datacentre), self._nodes))
        return names & self._nodes.keys()

    def _touched(
        self,
        after: Facts,
        sites: Iterable[Pair],
        moved: Iterable[str],
        revised: Collection[str],
    ) -> Iterator[tuple[str, str]]:
        """Yield (node, policy) for each verdict that may differ."""
        before = self.facts
        policies = before.policies.keys() | after.policies.keys()
        # Verdicts name the service, whatever else stays as it is.
        restated = (
            name
            for datacentre in revised
            if service_of(datacentre, before) != service_of(datacentre, after)
            for name in self._places.standing_in(datacentre)
        )
        yield from product({*moved, *restated}, policies)
        for policy, datacentre in sites:
            yield from ((name, policy) for name in self._places.standing_in(datacentre))
        for policy in policies:
            if evidence_of(policy, before) != evidence_of(policy, after):
                yield from ((name, policy) for name in self.members)
            if self._places.in_doubt and before.hosts.get(policy) != after.hosts.get(policy):
                yield from ((name, policy) for name in self._places.in_doubt)

    def _accept(self, changed: Mapping[tuple[str, str], bool | None], policies: frozenset[str]) -> frozenset[str]:
        """Bring the accepted nodes up to date. Return the policies whose nodes are others, and those new or gone."""
        others = {*policies}
        for policy in self._accepted.keys() - self.facts.policies.keys():
            del self._accepted[policy]
        for policy in self.facts.policies:
            self._accepted.setdefault(policy, set())
        for (name, policy), accepted in changed.items():
            nodes = self._accepted.get(policy, set())
            if (name in nodes) is not bool(accepted):
                nodes ^= {name}
                others.add(policy)
        for policy in others:
            self._sorted.pop(policy, None)
        return frozenset(others)


K = TypeVar("K")
V = TypeVar("V")


def _put(mapping: dict[K, V], key: K, value: V | None) -> None:
    """Set a key, or remove it if the value is None."""
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value


def _judge(pair: Pair, facts: Facts) -> SiteVerdict | None:
    there = pair.policy in facts.policies and pair.datacentre in facts.datacentres
    return judge_site(pair.datacentre, pair.policy, facts) if there else None
