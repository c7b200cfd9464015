"""Which mode of encryption a policy takes next: one step at a time, and none that would disconnect a pod.

A policy may set Strict at once. Its sidecars go there through every mode in between, because only neighbouring modes
can talk to each other, and only pods that have loaded one mode are ready for the next.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_network
from typing import Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.agent_report import NO_SILENT_AGENTS, SilentAgents
from sovereign_operator.core.encryption.api_server import REMEDY
from sovereign_operator.core.encryption.node_lacks import NodeLacks
from sovereign_operator.core.encryption.traffic_rules import Network, cluster_networks, is_within_any
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.core.sidecar.contract import REDIRECTED_PORT, SIGNER_PORT, UID

LADDER: Final = tuple(EncryptionMode)

OUTSIDE: Final = "outside of clusterNetworks: name their networks there"

SERVICE_NETWORKS: Final = "name the networks of Services there (kubectl get servicecidrs)"

OTHER_DNS: Final = "have the chart's encryption.dnsService name the one that does"

CLAIMED: Final = (
    "Services claim their addresses (spec.externalIPs, status.loadBalancer): remove the addresses from these Services, "
    "and have the API server refuse such Services (DenyServiceExternalIPs)"
)

CLOSED: Final = f"NetworkPolicies do not admit the controller to TCP port {REDIRECTED_PORT}"
ADMIT: Final = "add one that does: encryption.md shows it"
CLOSED_TO_CONTROLLER: Final = f"{CLOSED}: {ADMIT}"

CUT_OFF: Final = f"NetworkPolicies admit no connection to TCP port {SIGNER_PORT} of the signers"
CUT_OFF_FROM_SIGNERS: Final = f"{CUT_OFF}: {ADMIT}"

OTHER_USER: Final = f"it runs as the sidecar's user {UID}: build the image with another user"


@dataclass(frozen=True)
class PodTraffic:
    """The state of one running pod in scope."""

    name: str
    """Namespace and name, with a slash between them."""
    addresses: tuple[str, ...]
    sidecar: bool
    untrusted: bool = False
    """Whether its certificate is from a CA that the policy does not trust."""
    bypass: str = ""
    """A container that bypasses the sidecar; empty if none does."""
    loaded: str = ""
    """The version of the settings that its sidecar has loaded; empty if it has not answered yet."""
    plain_open: int = 0
    """Open plaintext connections that it has accepted, except those that the policy allows."""
    plain_seen: datetime | None = None
    """When it was last seen to accept one."""
    refused_seen: datetime | None = None
    """When it was last seen to refuse a connection, because it carries as many as its memory takes."""
    claimant: str = ""
    """A Service that claims its address, so that answers of its sidecar do not count; empty if none does."""
    answered: bool = False
    """Whether it has answered since the policy has its present mode: earlier answers may be outdated."""
    closed_by: str = ""
    """The NetworkPolicies that keep the controller from its sidecar; empty if none does."""
    cut_off_by: str = ""
    """Those that keep its sidecar from the signers; empty if none does, or if the sidecar does not ask them."""
    called: str = ""
    """On which ports the API server calls it, which Strict would refuse, and for what; empty if on none."""


@dataclass(frozen=True)
class StepFacts:
    """All that the next step depends on."""

    wanted: EncryptionInTransit
    current: EncryptionMode
    """The mode in the transit config now."""
    version: str
    """The version of that transit config; empty if there is none."""
    watched_since: datetime
    """Since when plaintext connections would have been observed."""
    pods: tuple[PodTraffic, ...]
    now: datetime
    services: tuple[Network, ...] = ()
    """Addresses that Services have."""
    silence: SilentAgents = NO_SILENT_AGENTS
    """The pods whose agents have not reported the rules of the transit config as loaded."""
    ahead: bool = False
    """Whether these are already the rules of Strict, in the mode before it."""
    missing_dns: str = ""
    """The Service that does not answer for DNS by TCP, as namespace and name with a slash between them."""
    calls_known: bool = True
    """Whether it is known which pods the API server calls."""


@dataclass(frozen=True)
class Step:
    """The mode to go to."""

    mode: EncryptionMode
    waits_for: tuple[str, ...]
    """Why that is not the mode that the policy asks for, as sentences that say what to do; empty if it is."""
    ahead: bool = False
    """Whether agents are to load the rules of Strict already, in the mode before it."""

    @property
    def rules(self) -> EncryptionMode:
        """The mode whose rules agents are to load."""
        return EncryptionMode.STRICT if self.ahead else self.mode


@dataclass(frozen=True)
class ObservedEncryption:
    """How far a policy's encryption has come."""

    step: Step
    wanted: EncryptionMode
    pods: int
    """In scope, running."""
    sidecars: int
    """Of these, with a sidecar."""
    loaded: int
    """Of these, those that have loaded the transit config."""
    bypassed: tuple[str, ...] = ()
    """Those with a container that bypasses the sidecar, in order."""
    untrusted: tuple[str, ...] = ()
    """Those whose certificates the policy does not trust, so that no pod connects to them, in order."""
    talking: tuple[str, ...] = ()
    """In Strict, those with open plaintext connections, except those that the policy allows, in order."""
    beyond: tuple[str, ...] = ()
    """Those with an address to which other pods send plaintext, in order."""
    silence: SilentAgents = NO_SILENT_AGENTS
    """Those for which no agent has reported that it loaded the rules."""
    claimed: tuple[str, ...] = ()
    """Those whose address a Service claims, each with the Service, in order."""
    static: tuple[str, ...] = ()
    """Beside them all, the static pods in scope, each with its node, in order."""
    lacks: Mapping[str, NodeLacks] = field(default_factory=dict)
    """What nodes of pods with a sidecar lack, by node."""
    closed: tuple[str, ...] = ()
    """Those whose sidecars the controller cannot poll, each with the NetworkPolicies that close it, in order."""
    cut_off: tuple[str, ...] = ()
    """Those whose sidecars cannot ask the signers, each with the NetworkPolicies that keep it from them, in order."""
    called: tuple[str, ...] = ()
    """Those that the API server calls, each with the ports that Strict refuses it, and for what, in order."""

    refusing: tuple[str, ...] = ()
    """Those whose sidecars refused connections lately, in order."""

    @property
    def needs_sidecar(self) -> bool:
        """Whether pods need a sidecar."""
        return needs_sidecar(self.wanted, self.step.mode)


def needs_sidecar(wanted: EncryptionMode | None, configured: EncryptionMode | None) -> bool:
    """Whether pods of a policy need a sidecar: until the policy is set to Off, and Off is reached.

    ``wanted`` is the mode in the policy, ``configured`` the mode in its transit config; None: none.
    """
    return not {wanted, configured} <= {EncryptionMode.OFF, None}


def next_step(facts: StepFacts) -> Step:
    """Return the mode to be in now: the current one or a neighbour of it."""
    if not facts.version and not facts.missing_dns and all(pod.sidecar for pod in facts.pods):
        # No sidecar has a config yet, so all of them start with the same mode.
        return Step(facts.wanted.mode, ())
    here, there = LADDER.index(facts.current), LADDER.index(facts.wanted.mode)
    if here == there:
        return Step(facts.current, ())
    up = there > here
    following = LADDER[here + 1 if up else here - 1]
    waits = tuple(_waits(facts, following, up=up))
    if not (up and _forced(facts.wanted, following)):
        if up and following is EncryptionMode.STRICT:
            return _last_step(facts, waits)
        if waits:
            return Step(facts.current, waits)
    if following is facts.wanted.mode:
        return Step(following, ())
    return Step(following, (f"pods load {following}", *(_bare(facts) if up else ())))


def _last_step(facts: StepFacts, waits: tuple[str, ...]) -> Step:
    """Decide about the step to Strict: once it would disconnect no pod, agents load its rules, and then it is taken.

    Agents keep these rules, even if the step then has to wait for something else.
    """
    if facts.silence:
        waits = (*waits, str(facts.silence))
    if waits:
        return Step(facts.current, waits, facts.ahead)
    if not facts.ahead:
        return Step(facts.current, ("agents are loading the rules of Strict, which takes seconds",), ahead=True)
    return Step(EncryptionMode.STRICT, ())


def _forced(wanted: EncryptionInTransit, following: EncryptionMode) -> bool:
    return wanted.forced is not None and LADDER.index(following) <= LADDER.index(wanted.forced.to)


def _waits(facts: StepFacts, following: EncryptionMode, *, up: bool) -> Iterator[str]:
    """Yield why a step cannot be taken yet."""
    if facts.current is not EncryptionMode.OFF:
        claimed = [claim(pod.name, pod.claimant) for pod in facts.pods if pod.claimant]
        yield from _named(claimed, f"cannot be polled reliably, because {CLAIMED}")
        credible = (pod for pod in facts.pods if pod.sidecar and not pod.claimant)
        late = [pod for pod in credible if pod.loaded != facts.version]
        yield from _named(closed(late), f"cannot be asked what they have loaded, because {CLOSED_TO_CONTROLLER}")
        yield from _named(cut_off(late), f"wait for their certificates, because {CUT_OFF_FROM_SIGNERS}")
        yield from _named(
            (pod.name for pod in late if not (pod.closed_by or pod.cut_off_by)),
            f"have not loaded {facts.current} yet, which takes them seconds; if it takes longer, find out what keeps "
            f"the controller from their TCP port {REDIRECTED_PORT}, which it polls",
        )
    if not up:
        return
    if following in (EncryptionMode.PREFERRED, EncryptionMode.STRICT):
        yield from _bare(facts)
        past = [f"{pod.name} ({pod.bypass})" for pod in facts.pods if pod.bypass]
        yield from _named(past, f"have a container that bypasses the sidecar because {OTHER_USER}")
        yield from _named(beyond(facts), f"have addresses {OUTSIDE}")
        networks = cluster_networks(facts.wanted)
        apart = [service for service in facts.services if not is_within_any(service, networks)]
        if apart:
            yield f"Services have addresses outside of clusterNetworks, {apart[0]} for one: {SERVICE_NETWORKS}"
        if facts.missing_dns:
            yield f"no Service {facts.missing_dns} answers for DNS by TCP: {OTHER_DNS}"
    if following is EncryptionMode.STRICT:
        if not facts.calls_known:
            yield "it is not known yet which pods the API server calls: if this lasts, see the controller's log"
        yield from _named(called(facts.pods), f"are called by the API server, which has no certificate: {REMEDY}")
        talking = [pod.name for pod in facts.pods if pod.plain_open]
        unanswered = [pod.name for pod in facts.pods if pod.loaded == facts.version and not pod.answered]
        yield from _named(unanswered, "have not reported yet whether they take plaintext, which takes seconds")
        yield from _named(
            talking,
            "have open plaintext connections, maybe from before Preferred: have these end (roll their clients out "
            "again) or name them in plainPorts or plainPeers",
        )
        yield from _plaintext_seen(facts)


def closed(pods: Iterable[PodTraffic]) -> list[str]:
    """Return the pods that the controller cannot poll, each with the NetworkPolicies that keep it from them."""
    return [f"{pod.name} ({pod.closed_by})" for pod in pods if pod.closed_by]


def cut_off(pods: Iterable[PodTraffic]) -> list[str]:
    """Return the pods whose sidecars cannot ask the signers, each with the NetworkPolicies that keep it from them."""
    return [f"{pod.name} ({pod.cut_off_by})" for pod in pods if pod.cut_off_by]


def called(pods: Iterable[PodTraffic]) -> list[str]:
    """Return the pods that the API server calls, each with the ports that Strict refuses it, and for what."""
    return [f"{pod.name} ({pod.called})" for pod in pods if pod.called]


def beyond(facts: StepFacts) -> list[str]:
    """Return the pods to which others send plaintext by one of their addresses, whatever the mode."""
    networks = facts.wanted.cluster_networks
    return [pod.name for pod in facts.pods if not all(_is_inside(address, networks) for address in pod.addresses)]


# All pods of a policy are asked about whenever one of them changes.
@lru_cache(maxsize=65536)
def _is_inside(address: str, networks: tuple[str, ...]) -> bool:
    return is_within_any(ip_network(address), map(ip_network, networks))


def claim(pod: str, service: str) -> str:
    """Return a phrase that names a pod and the Service that claims its address."""
    return f"{pod} (Service {service})"


def _bare(facts: StepFacts) -> Iterator[str]:
    bare = [pod.name for pod in facts.pods if not pod.sidecar]
    return _named(bare, "run without a sidecar: roll them out again (kubectl rollout restart)")


def _plaintext_seen(facts: StepFacts) -> Iterator[str]:
    """Yield which pods accepted plaintext recently, and whether they were observed for long enough to know."""
    quiet = timedelta(seconds=facts.wanted.quiet_seconds)
    receiving = [pod.name for pod in facts.pods if pod.plain_seen and facts.now - pod.plain_seen < quiet]
    yield from _named(receiving, f"took plaintext in the last {quiet.total_seconds():.0f} s: find out from whom")
    if (left := quiet - (facts.now - facts.watched_since)) > timedelta(0) and not receiving:
        yield f"no plaintext has been seen so far: watched for {left.total_seconds():.0f} s more (quietSeconds)"


def _named(pods: Iterable[str], what: str) -> Iterator[str]:
    if found := sorted(pods):
        yield f"{len(found)} pod(s) {what}: {examples(found)}"
