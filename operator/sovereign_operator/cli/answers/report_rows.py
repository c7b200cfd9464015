"""The rows of ``report``."""

from collections import Counter
from dataclasses import dataclass
from datetime import date

from sovereign_operator.api.v1alpha1.cloud_service import QualificationStatus, TechnologyOrigin
from sovereign_operator.cli.answers.placing import Judged
from sovereign_operator.cli.answers.version import ProcessVersion
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.workload.scope import Mode


@dataclass(frozen=True)
class AskedBy:
    """Who asked, as the API server knows them."""

    user: str
    """Empty: the API server did not say."""
    groups: tuple[str, ...]


@dataclass(frozen=True)
class ReportedVersions:
    """Which versions there are. What is empty could not be read, or is not there."""

    client: str
    kubernetes: str
    chart: str
    processes: tuple[ProcessVersion, ...]


@dataclass(frozen=True)
class GuardRow:
    """An admission policy or a webhook that is not as the chart installed it."""

    guard: str
    """Its kind and name."""
    found: str
    """What is wrong with it."""
    drifted: bool
    """Whether it still enforces all that it should."""


@dataclass(frozen=True)
class ReportedPod:
    """One pod, as one policy judges it."""

    pod: str
    uid: str
    node: str
    """Empty: none yet."""
    node_uid: str
    place: str
    """inside, outside, pending or unknown."""
    datacentre: str
    evidence: str
    """How strongly it is known that the node stands there; empty if the node stands nowhere, or it is not known."""
    why: str
    """The verdict on its node, in words."""
    decision_id: str
    """What stands for this verdict in the annotations of pods and in the log of the operator."""
    older: bool
    """Whether it is older than the label, so that admission did not place it."""
    without_sidecar: bool | None
    """Whether it has no sidecar, although the policy demands one; None if it is not known what the policy demands."""


@dataclass(frozen=True)
class PlaceRow:
    """Pods of one workload that run at one place, and what their acceptance rests on."""

    place: str
    """inside, outside, pending or unknown: for the policy that judges them."""
    datacentre: str
    service: str
    provider: str
    country: str
    evidence: str
    basis: tuple[str, ...]
    """Qualifications and derogations, each with version, decision and last day; none if the place is refused."""
    decisions: tuple[str, ...]
    """The numbers of the authority's decisions among them."""
    until: date | None
    """The last day of the first of them to end; None: no end is recorded."""
    derogations: tuple[str, ...]
    foreign_laws: tuple[str, ...] | None
    """Laws outside the EU that reach the service, as recorded. None: not known."""
    why: str
    """Of pods outside: why the policy refuses the node of the first one."""
    facts_read: bool
    """Whether Datacentres and CloudServices could be read, which say country, provider and laws."""
    basis_read: bool
    """Whether all could be read that says decisions, dates and derogations."""
    pods: tuple[ReportedPod, ...]


@dataclass(frozen=True)
class ReportedWorkload:
    """The pods of one owner, as one policy judges them."""

    namespace: str
    workload: str
    """Kind and name of the top owner, or of a pod that no object controls."""
    sovereign_workload: str
    """The SovereignWorkload that refers to it; empty if none does."""
    policy: str
    mode: str
    """enforce: they are held to the policy. warn, audit: it is only tried on them."""
    judged_by: str
    """Which label has the policy judge them."""
    result: str
    """pass, fail, warn, error (there is no such policy), skip (they wait for a node), or unknown."""
    message: str
    places: tuple[PlaceRow, ...]

    @property
    def pods(self) -> int:
        """How many pods there are."""
        return sum(len(place.pods) for place in self.places)

    def in_place(self, place: str) -> int:
        """Return how many pods are inside, outside, pending or unknown."""
        return sum(len(row.pods) for row in self.places if row.place == place)

    def why_at(self, place: PlaceRow) -> str:
        """Say what there is to say of the pods at one place: what is wrong at another one has a row of its own."""
        return place.why or (self.message if len(self.places) == 1 else "")


@dataclass(frozen=True)
class BasisRow:
    """A qualification or a derogation on which an acceptance rests."""

    scheme: str
    version: str
    decision: str
    valid_from: date | None
    valid_until: date | None
    derogation: str
    """The name of the Derogation, if it is one."""
    text: str


@dataclass(frozen=True)
class AcceptanceRow:
    """What one policy says of one datacentre."""

    policy: str
    datacentre: str
    accepted: bool
    nodes: int
    """How many nodes there may host pods of the policy."""
    reasons: tuple[str, ...]
    why: str
    basis: tuple[BasisRow, ...]
    foreign_laws: tuple[str, ...] | None
    """Those that reach the service. None: not known."""
    accepted_foreign_laws: tuple[str, ...]
    """Those that the policy accepts."""


@dataclass(frozen=True)
class ReportedPolicy:
    """What one policy demands, and how far its encryption has come."""

    policy: str
    ready: str
    reason: str
    message: str
    demands: tuple[str, ...]
    """All that a place has to meet, as sentences. Empty: the policy cannot be read."""
    encryption_demanded: str
    """The mode in its spec; empty: none."""
    encryption: str
    """The mode in effect, as the operator reports it; empty: it reports none."""
    running: int | None
    """How many of its pods run, of all namespaces. None, as for the other numbers: the operator reports none."""
    plaintext: int | None
    """How many of these have no sidecar, so that their traffic is not encrypted."""
    encrypted: str
    """True, False or Unknown, as its condition Encrypted; empty: it has none."""
    encryption_message: str


@dataclass(frozen=True)
class QualificationRow:
    """A qualification of a service, as it was recorded."""

    scheme: str
    version: str
    status: QualificationStatus
    in_force: bool
    decision: str
    valid_from: date | None
    valid_until: date | None
    source: str
    """Where somebody read it; empty: not recorded."""
    read_on: date | None
    read_by: str


@dataclass(frozen=True)
class ServiceRow:
    """A cloud service that a datacentre belongs to."""

    service: str
    provider: str
    legal_entity: str
    called: str
    """Its name, as the authority lists it."""
    technology_origin: TechnologyOrigin | None
    foreign_laws: tuple[str, ...] | None
    """None: not known. Empty: checked, and none is known."""
    qualifications: tuple[QualificationRow, ...]


@dataclass(frozen=True)
class ReportedNode:
    """A node on which pods of the report run."""

    node: str
    uid: str
    datacentre: str
    evidence: str
    how: str
    """Why it counts as standing there, or why it stands nowhere."""
    accepted_by: tuple[str, ...]


@dataclass(frozen=True)
class ReportedDerogation:
    """A Derogation, and what rests on it."""

    name: str
    policy: str
    service: str
    scheme: str
    standing: str
    """Approved, if it is in force; else why it is not."""
    asked_by: str
    approved_by: str
    until: date
    reason: str
    datacentres: tuple[str, ...]
    """Those that are accepted only because of it."""


def count_places(workloads: tuple[ReportedWorkload, ...]) -> dict[str, int]:
    """Return how many pods that are held to policies are inside, outside, pending or unknown."""
    counts: Counter[str] = Counter()
    for row in workloads:
        if row.mode == Mode.ENFORCE.value:
            counts.update({place.place: len(place.pods) for place in row.places})
    return {word: counts[word] for word in (*map(str, Place), Judged.UNKNOWN.value)}
