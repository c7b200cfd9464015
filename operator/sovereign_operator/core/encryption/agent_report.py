"""The report of a node's agent: which rules it has loaded for which pods. And which pods have no report.

What the node lacks is in node_lacks.py.

Without reports nothing would show whether the rules of Strict are in force: a sidecar observes TCP only, and a node may
have no agent.

Each version of a policy's rules has a number of its own, so a report about former rules does not count. Nor does a
report about a pod count for its successor, which has another uid, or for its next sandbox, which has other addresses.
If the next sandbox has the same addresses, its containers still wait for rules of their own, because the sidecar's
startup probe and the controller's polls pass through these.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sovereign_operator.core.encryption.node_lacks import NodeLacks
from sovereign_operator.core.report.conditions import examples

MOST_DIGITS: Final = 18
"""Of a number that somebody else may have written: Python makes none of more than 4,300."""

MOST_PODS: Final = 1_000
"""Of a node, several times what kubelets are made for. A node that says more of itself would fill the controller."""

_LINE_PARTS: Final = 4
_LONGEST_LINE: Final = 1_000


@dataclass(frozen=True)
class LoadedRules:
    """The rules that were loaded in the sandbox of a pod."""

    policy: str
    rules: int
    """Their number."""
    addresses: frozenset[str]
    """Those of the sandbox."""


@dataclass(frozen=True)
class AgentReport:
    """The report of one node's agent."""

    node: str
    pods: Mapping[str, LoadedRules]
    """By uid."""
    lacks: NodeLacks = ()

    def says(self, uid: str, wanted: LoadedRules) -> bool:
        """Whether these rules were loaded for a pod with one of these addresses. Rules without a number never were."""
        found = self.pods.get(uid)
        return (
            found is not None
            and wanted.rules > 0
            and (found.policy, found.rules) == (wanted.policy, wanted.rules)
            and not found.addresses.isdisjoint(wanted.addresses)
        )


@dataclass(frozen=True)
class SilentAgents:
    """The pods whose agents have not reported the present rules as loaded."""

    namespace: str
    """The operator's own, in which agents run."""
    pods: tuple[tuple[str, str], ...] = ()
    """Node and pod of each, in order; the pod as namespace and name with a slash between them."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes, in order."""
        return tuple(dict.fromkeys(node for node, _ in self.pods))

    def of(self, pods: Iterable[str]) -> "SilentAgents":
        """Return what of this is about these pods."""
        wanted = frozenset(pods)
        return SilentAgents(self.namespace, tuple(pair for pair in self.pods if pair[1] in wanted))

    def __bool__(self) -> bool:
        return bool(self.pods)

    def __str__(self) -> str:
        """Return a sentence that names nodes and pods, and says what to do."""
        parts = (f"{node} ({examples(pod for at, pod in self.pods if at == node)})" for node in self.nodes)
        return (
            f"the agents of {len(self.nodes)} node(s) have not reported that they loaded the rules of "
            f"{len(self.pods)} pod(s): {examples(parts)}: this takes them seconds; have one run on each of these nodes "
            f"(kubectl -n {self.namespace} get pods -o wide -l app.kubernetes.io/component=agent), and read its log"
        )


NO_SILENT_AGENTS: Final = SilentAgents("")
"""All agents have reported."""


def next_number(before: int, now: float, *, same: bool) -> int:
    """Return the number of rules. ``before``: that of the ones that held so far, 0 if they had none.

    ``same``: whether they are the same rules. The first number is a time, so that none comes twice if the record of
    numbers is lost.
    """
    if not before:
        return int(now)
    return before if same else before + 1


def text_of(pods: Mapping[str, LoadedRules]) -> str:
    """Return what a report holds, a line for each pod in order: its uid, policy, number of rules, and addresses."""
    return "\n".join(
        f"{uid} {pod.policy} {pod.rules} {','.join(sorted(pod.addresses))}" for uid, pod in sorted(pods.items())
    )


def parse(text: str) -> dict[str, LoadedRules]:
    """Parse such a text. Invalid lines, and lines beyond MOST_PODS, are ignored."""
    found = {}
    for line in text.splitlines()[:MOST_PODS]:
        parts = line.split(" ") if len(line) <= _LONGEST_LINE and line.isascii() else ()
        if len(parts) == _LINE_PARTS and is_number(parts[2]):
            uid, policy, number, addresses = parts
            found[uid] = LoadedRules(policy, int(number), frozenset(addresses.split(",")) - {""})
    return found


def is_number(text: str) -> bool:
    """Whether this is a number that one of us may have written."""
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
