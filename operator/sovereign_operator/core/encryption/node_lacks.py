"""What a node lacks to redirect the traffic of its pods, as its agent has found out, and what follows from that.

The text comes from the node, so it consists of known words alone: kinds, and names of parts of a kernel.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sovereign_operator.core.report.conditions import Notice, examples

LACKS: Final = "NodeLacksEncryption"
"""The reason of the Event about a Node, and about pods that wait there."""

MOST_LINES: Final = 16
MOST_PARTS: Final = 16
_PART: Final = re.compile(r"[A-Za-z0-9_]{1,40}", re.ASCII)


class Lack(StrEnum):
    """A kind of lack."""

    RESULTS = "results"
    """The agent does not find its own pod in the folder of CNI results."""
    NAMESPACES = "namespaces"
    """The agent does not find its own network namespace in the folder where runtimes keep them."""
    ENTRY = "entry"
    """The agent cannot enter network namespaces, or load rules there."""
    RULES = "rules"
    """The kernel refuses the rules of the redirect."""
    STRICT = "strict"
    """The kernel refuses only what the rules of Strict have in addition."""
    SOCKETS = "sockets"
    """The kernel refuses only the rules that look whether an application listens."""
    FRAMES = "frames"
    """The kernel refuses the rules that drop frames which carry no IP."""
    WATCHERS = "watchers"
    """The kernel lets the sidecars of a node, which have one user, watch fewer files than those of a full node do."""


_MODULES: Final = (
    "have the node load the modules that encryption.md lists when it boots (/etc/modules-load.d), or give it a kernel "
    "with them"
)
_DOMAIN: Final = "with SELinux, the domain of agent.seLinuxOptions must be allowed to"

_MEANING: Final[Mapping[Lack, tuple[str, str]]] = {
    Lack.RESULTS: (
        "the agent does not find its own pod in the folder of CNI results",
        f"set agent.cniResults to the folder in which the node's container runtime caches these; {_DOMAIN} read it",
    ),
    Lack.NAMESPACES: (
        "the agent does not see the network namespaces of pods",
        f"have the node's container runtime keep them in /run/netns; {_DOMAIN} read that folder",
    ),
    Lack.ENTRY: (
        "the agent may not enter network namespaces, or load rules there",
        f"let the agent have the capabilities SYS_ADMIN and NET_ADMIN; {_DOMAIN} use them",
    ),
    Lack.RULES: ("the kernel refuses the rules of the redirect", _MODULES),
    Lack.STRICT: ("the kernel refuses the rules of Strict: no policy with pods there reaches Strict", _MODULES),
    Lack.SOCKETS: (
        "the kernel cannot look who listens: pods there accept connections to ports where nobody does, and end them",
        _MODULES,
    ),
    Lack.FRAMES: (
        "the kernel cannot filter frames that carry no IP: in Strict pods there can send and receive these",
        "give the node Linux 5.16 or newer",
    ),
    Lack.WATCHERS: (
        "the kernel gives all sidecars there together too few inotify instances: once many run, no further one starts",
        "set fs.inotify.max_user_instances to 1024 or more in the node's /etc/sysctl.d",
    ),
}

_STARTS_NONE: Final = frozenset({Lack.RESULTS, Lack.NAMESPACES, Lack.ENTRY, Lack.RULES})


@dataclass(frozen=True)
class NodeLack:
    """One thing that a node lacks."""

    kind: Lack
    parts: tuple[str, ...] = ()
    """The parts of a kernel that it lacks, as modules are called, or options of its configuration; empty if unknown."""

    @property
    def starts_none(self) -> bool:
        """Whether no pod with a sidecar starts on the node."""
        return self.kind in _STARTS_NONE

    @property
    def what(self) -> str:
        """What is missing, and what follows from that."""
        lacking = f" (it lacks {', '.join(self.parts)})" if self.parts else ""
        follows = ": no pod with a sidecar starts there" if self.starts_none else ""
        return f"{_MEANING[self.kind][0]}{follows}{lacking}"

    @property
    def advice(self) -> str:
        """What to do."""
        return _MEANING[self.kind][1]

    def __str__(self) -> str:
        return f"{self.what}; {self.advice}"


NodeLacks = tuple[NodeLack, ...]


def text_of(lacks: Iterable[NodeLack]) -> str:
    """Return what a report holds: a line for each, with its kind, and its parts with commas between them."""
    return "\n".join(f"{lack.kind} {','.join(lack.parts)}".rstrip() for lack in lacks)


def parse(text: str) -> NodeLacks:
    """Parse such a text. What no agent writes is ignored."""
    return tuple(_parse(text))


def _parse(text: str) -> Iterator[NodeLack]:
    for line in text.splitlines()[:MOST_LINES]:
        kind, _, parts = line.partition(" ")
        if kind in {*Lack}:
            known = (part for part in parts.split(",")[:MOST_PARTS] if _PART.fullmatch(part))
            yield NodeLack(Lack(kind), tuple(known))


def notice_of(lacks: NodeLacks, pods: Iterable[str]) -> Notice:
    """Return the Event about a Node that lacks something. ``pods``: those with a sidecar that run or wait there."""
    waiting = sorted(pods)
    touched = f". Pods with a sidecar there: {examples(waiting)}" if waiting else ""
    return Notice("Warning", LACKS, f"{'. '.join(map(str, lacks))}{touched}")


def pod_notice(node: str, lacks: NodeLacks) -> Notice | None:
    """Return the Event about a pod with a sidecar that is not ready, for people who may not read nodes.

    None if nothing of what its node lacks keeps it from starting.
    """
    found = [lack for lack in lacks if lack.starts_none]
    if not found:
        return None
    why = "; ".join(str(lack) for lack in found)
    message = f"if this pod has not started yet, its node {node} keeps it waiting. Tell the node's admin: {why}"
    return Notice("Warning", LACKS, message)


def sentence(lacks: Mapping[str, NodeLacks]) -> str:
    """Return a sentence about nodes that lack something."""
    nodes = (f"{node}: {'; '.join(map(str, found))}" for node, found in sorted(lacks.items()))
    return f"nodes lack what encryption needs ({examples(nodes)})"
