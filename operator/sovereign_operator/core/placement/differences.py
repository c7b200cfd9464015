"""What verdicts follow from, apart from nodes and time, so that two sets of facts can be compared."""

from collections.abc import Iterator, Mapping

from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence
from sovereign_operator.core.placement.facts import Facts, Node, Pair
from sovereign_operator.core.placement.membership import claims_by_labels, concerns


def basis_of(pair: Pair, facts: Facts) -> tuple[object, ...]:
    """Return what the verdict on a site follows from, apart from the time."""
    approved = facts.derogations.approved(pair.policy, service_of(pair.datacentre, facts))
    return facts.policies.get(pair.policy), approved, *_site(pair.datacentre, facts)


def same_bases(before: Facts, after: Facts) -> bool:
    """Whether the verdicts on sites follow from the same as before, apart from the time. Most changes are of nodes."""
    return _bases(before) == _bases(after)


def _bases(facts: Facts) -> tuple[object, ...]:
    return facts.policies, facts.datacentres, facts.services, facts.derogations, facts.unread.services


def _site(datacentre: str, facts: Facts) -> tuple[object, ...]:
    service = service_of(datacentre, facts)
    return facts.datacentres.get(datacentre), facts.services.get(service), service in facts.unread.services


def service_of(datacentre: str, facts: Facts) -> str:
    """Return the name of a datacentre's service; empty if there is no such datacentre."""
    spec = facts.datacentres.get(datacentre)
    return spec.service_ref.name if spec else ""


def revised_datacentres(before: Facts, after: Facts) -> set[str]:
    """Return the datacentres that are new, gone or changed, or whose service is."""
    datacentres = before.datacentres.keys() | after.datacentres.keys()
    return {name for name in datacentres if _site(name, before) != _site(name, after)}


def missing_others(
    before: Mapping[str, Node], seen: Mapping[str, Node | None], declared: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Yield the datacentres of whose declared nodes others may be lost or replaced, now that these have changed.

    ``seen``: those that have changed; None: gone. ``declared``: by node, the datacentres that declare it, with the uid.
    """
    for name, node in seen.items():
        former = before.get(name)
        for datacentre, uid in declared.get(name, {}).items():
            # One that stays there under its uid is neither, whatever else of it changes.
            if not (former and node and former.uid == node.uid == uid):
                yield datacentre


def relocated(before: DatacentreSpec | None, after: DatacentreSpec | None, nodes: Mapping[str, Node]) -> Iterator[str]:
    """Yield the nodes that a change of a datacentre may have moved; those that it names need not exist."""
    if before and after and _claims(before) == _claims(after):
        return
    for spec in filter(None, (before, after)):
        yield from (entry.name for entry in spec.nodes)
        if claims_by_labels(spec):
            yield from (name for name, node in nodes.items() if concerns(node, spec))


def _claims(spec: DatacentreSpec) -> tuple[object, ...]:
    return spec.nodes, spec.node_selector, spec.node_pools


def evidence_of(policy: str, facts: Facts) -> NodeEvidence | None:
    """Return the evidence that a policy demands for the place of a node; None if there is no such policy."""
    spec = facts.policies.get(policy)
    return spec.node_evidence if spec else None
