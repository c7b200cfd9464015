"""What a preview is made of: workloads as they are and as they would be, before and after a change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sovereign_operator.core.kubernetes.node_fit import NodeTraits, PodDemands
from sovereign_operator.core.kubernetes.requests import Amounts
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.verdicts import Verdicts


class Trigger(StrEnum):
    """When a workload meets what would change."""

    LABEL = "label"
    """A label puts it in the scope of the policy. That concerns new pods only."""
    CREATION = "creation"
    """It does not exist yet."""
    ROLL_OUT = "next roll-out"
    """It is in scope already."""
    WITHDRAWAL = "withdrawal"
    """The policy refuses nodes from then on on which its pods run."""


class Outcome(StrEnum):
    """What becomes of a workload, the best first."""

    RUNS = "runs"
    MOVES = "moves"
    HANGS = "hangs"
    REFUSED = "refused"
    CUT_OFF = "cut off"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Replica:
    """One pod that a workload has, or is to have."""

    rules: PodDemands
    """What it demands by itself, with what its volumes demand."""
    requests: Amounts
    """What it will request, with one of ``pods``."""
    node: str | None = None
    """Where it runs now."""
    held: Amounts = field(default_factory=dict)
    """What it takes there now."""
    unread: str = ""
    """What could not be read of its rules, as a part of a sentence."""
    stuck: str = ""
    """Why it gets no node wherever there is room, as a part of a sentence: a claim that cannot be bound."""


@dataclass(frozen=True)
class Previewed:
    """A workload: a top owner of pods, or a pod by itself."""

    namespace: str
    kind: str
    name: str
    replicas: tuple[Replica, ...]
    policy: str | None
    """The policy that would hold its pods; None: none would."""
    before: str | None
    """The policy that holds them now."""
    refused: str = ""
    """Why the API server would refuse new pods; empty if it would not."""
    template: PodDemands | None = None
    """Of a DaemonSet, what each of its pods demands. It runs on each node that meets that."""
    template_requests: Amounts = field(default_factory=dict)
    template_stuck: str = ""
    """Of a DaemonSet, why its pods get no node wherever there is room."""
    exists: bool = True
    """Whether it is in the cluster."""
    bare: bool = False
    """Whether nobody creates its pod again."""
    static: bool = False
    """Whether its pod comes from a file of its node."""
    needs_certificate: bool = False
    """Whether no peer connects to its pods without a certificate that the policy's pods trust."""
    starts_first: bool = False
    """Whether its label rolls it out, which needs room for one more pod than there are."""
    unjudged: str = ""
    """A rule of its pods that a preview does not judge, in words; empty if there is none."""

    @property
    def key(self) -> str:
        """What identifies it, and sorts it."""
        return f"{self.namespace}/{self.kind}/{self.name}"


@dataclass(frozen=True)
class Stage:
    """The nodes, and what policies say of them, before and after the change."""

    before: Verdicts
    after: Verdicts
    trusted: frozenset[Pair]
    """The pairs whose certificates are trusted after it."""
    traits: Mapping[str, NodeTraits]
    """The nodes after it."""
    free: Mapping[str, Amounts] | None
    """What each of them has left while all pods stay that run there; None: it is not known."""
    room_unknown: str = "you may not list all pods, so that it is not known how much room nodes have"
    """Why it is not known."""

    @property
    def facts(self) -> Facts:
        """What the verdicts after the change follow from."""
        return self.after.facts


@dataclass(frozen=True)
class PreviewRow:
    """What becomes of one workload."""

    namespace: str
    workload: str
    policy: str
    """Empty: none is in effect."""
    trigger: Trigger
    outcome: Outcome
    pods: int
    """The pods that it has, or is to have."""
    reason: str
    """One sentence."""
