"""What the client read of a small cluster: brest-1 and lyon-1 are accepted, paris-1 is refused, spare-1 is nowhere."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sovereign_operator.cli.answers.estate import Estate, Kept, NodeSeen
from sovereign_operator.cli.answers.placing import own_rules
from sovereign_operator.cli.answers.pod_seen import Owner, PodSeen
from sovereign_operator.cli.answers.scope import Scope
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.node_fit import Json, NodeTraits
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.workload.facts import WorkloadPod
from tests import builders

POLICY: Final = "secnumcloud"
LABEL: Final = names.node_policy_label(POLICY)
ALL: Final = frozenset(Kept)
SCOPE: Final = Scope(POLICY, "namespace hospital enforces it (label sovereignty.dev/enforce)")
FREE: Final = Scope(None, "nothing names a policy")
DEPLOYMENT: Final = Owner("Deployment", "records")

BREST: Final = builders.node("brest-1", "11111111-0000-4000-8000-000000000001", region="armor-brest-snc")
LYON: Final = builders.node("lyon-1", "22222222-0000-4000-8000-000000000002", region="armor-brest-snc")
PARIS: Final = builders.node("paris-1", "33333333-0000-4000-8000-000000000003", region="glx-west-3")
SPARE: Final = builders.node("spare-1", "44444444-0000-4000-8000-000000000004", region="armor-brest-snc", zone="a")

ARMOR: Final = builders.service(
    builders.qualification(decision="EX-101", called="snc"),
    provider="Armor Cloud",
    called="SNC Platform",
    regions=("armor-brest-snc",),
)
GLOBEX: Final = builders.service(provider="Globex", called="West Europe", laws=("US",), regions=("glx-west-3",))
FACTS: Final = builders.facts(
    BREST,
    LYON,
    PARIS,
    SPARE,
    services={"armor-snc": ARMOR, "globex-west": GLOBEX},
    datacentres={
        "brest": builders.datacentre(BREST, LYON, service="armor-snc"),
        "paris": builders.datacentre(PARIS, service="globex-west"),
    },
    policies={POLICY: builders.policy(builders.demand())},
)


def estate(
    facts: Facts = FACTS,
    *,
    known: Iterable[Kept] = ALL,
    taints: Mapping[str, tuple[Json, ...]] | None = None,
    labelled: Iterable[str] = ("brest-1", "lyon-1"),
    recorded: Mapping[str, Mapping[str, str]] | None = None,
) -> Estate:
    """Build an estate. ``labelled`` are the nodes that carry the policy's label."""
    labels = {name: {LABEL: names.ACCEPTED} for name in labelled}
    seen = {
        name: NodeSeen(
            NodeTraits(name, {**node.labels, **labels.get(name, {})}, (taints or {}).get(name, ())),
            (recorded or {}).get(name, {}),
        )
        for name, node in facts.nodes.items()
    }
    return Estate(facts, seen, frozenset(known))


def unjudged(recorded: Mapping[str, Mapping[str, str]] | None = None) -> Estate:
    """Build an estate of which the caller may read nodes alone."""
    return estate(
        builders.facts(*FACTS.nodes.values(), services={}, policies={}), known={Kept.NODES}, recorded=recorded
    )


def blind() -> Estate:
    """Build an estate of which the caller may read nothing, as a developer of one namespace."""
    return Estate()


def pod(
    node: str | None = None,
    *,
    name: str = "records-1",
    waiting: str = "",
    placed: Iterable[str] = (POLICY,),
    spec: Json | None = None,
    owner: Owner | None = DEPLOYMENT,
    **fields: Any,
) -> PodSeen:
    """Build a pod of the Deployment records."""
    unreadable = fields.pop("unreadable", False)
    return PodSeen(
        "hospital",
        WorkloadPod(name, f"uid-of-{name}", node, waiting, frozenset(placed), unreadable=unreadable),
        {},
        own_rules(spec or {}),
        fields.pop("recorded", {}),
        owner=owner,
        **fields,
    )


def without(*nodes: Node) -> Facts:
    """Return the facts of a cluster that lacks these nodes."""
    left = [node for node in FACTS.nodes.values() if node not in nodes]
    return builders.facts(*left, services=FACTS.services, datacentres=FACTS.datacentres, policies=FACTS.policies)
