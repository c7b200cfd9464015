"""Hypothesis strategies for variants of facts: hostile, crowded, stricter, or in another order."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.cloud_service import NodeForm, TechnologyOrigin
from sovereign_operator.api.v1alpha1.datacentre import DeclaredNode
from sovereign_operator.api.v1alpha1.derogation import DerogationSpec
from sovereign_operator.api.v1alpha1.kind import Model
from sovereign_operator.api.v1alpha1.sovereign_workload import PolicyRef
from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence, QualificationDemand, SovereigntyPolicySpec
from sovereign_operator.core.placement.derogation import Approval, Derogation, Derogations
from sovereign_operator.core.placement.facts import Facts, Node
from tests.strategies import COUNTRIES, SCHEMES, facts

HOSTILE: Final = ("two\nlines", "\x1b[31mred\x1b[0m", "\u2028", "\x00", "é" * 250, "\U0001f5fa" * 250, "; " * 125)
"""Text that people and kubelets may write where a schema bounds its length."""

UNBOUNDED: Final = (*HOSTILE, "x://" + "y" * 300_000, "\n" * 300_000)
"""Text that nothing bounds, such as a kubelet's providerID."""


def hostile() -> st.SearchStrategy[Facts]:
    """Facts in which all free text is hostile."""
    return st.builds(
        _hostile, facts(), st.sampled_from(HOSTILE), st.sampled_from(UNBOUNDED), st.sampled_from(UNBOUNDED)
    )


def _hostile(told: Facts, text: str, seen: str, known: str) -> Facts:
    form = NodeForm(regions=(known, text), zones=(known,), provider_ids=(known,))
    services = {
        name: spec.model_copy(
            update={
                "provider": text,
                "service": text,
                "node_form": form,
                "qualifications": tuple(entry.model_copy(update={"decision": text}) for entry in spec.qualifications),
            }
        )
        for name, spec in told.services.items()
    }
    derogations = {
        name: Derogation(name, one.spec.model_copy(update={"reason": text * 4}), Approval(1, text, text + "!", 1))
        for name, one in told.derogations.items()
    }
    nodes = {name: Node(name, node.uid, node.labels, seen) for name, node in told.nodes.items()}
    return Facts(services, told.datacentres, told.policies, nodes, told.now, Derogations(derogations))


def crowded() -> st.SearchStrategy[Facts]:
    """Facts with more datacentres, policies and nodes than a status lists."""
    return facts().map(_crowd)


def _crowd(told: Facts, times: int = 12) -> Facts:
    """Repeat each datacentre, policy and node under other names."""
    copies = range(times)
    return Facts(
        services=told.services,
        datacentres={
            f"{name}-{copy}": spec.model_copy(
                update={
                    "nodes": tuple(DeclaredNode(name=f"{node.name}-{copy}", uid=node.uid) for node in spec.nodes),
                }
            )
            for name, spec in told.datacentres.items()
            for copy in copies
        },
        policies={f"{name}-{copy}": spec for name, spec in told.policies.items() for copy in copies},
        nodes={
            f"{name}-{copy}": Node(f"{name}-{copy}", node.uid, node.labels, node.provider_id)
            for name, node in told.nodes.items()
            for copy in copies
        },
        now=told.now,
        derogations=Derogations(
            {
                f"{name}-{copy}": replace(one, name=f"{name}-{copy}", spec=_for_policy(one.spec, copy))
                for name, one in told.derogations.items()
                for copy in copies
            }
        ),
    )


def _for_policy(spec: DerogationSpec, copy: int) -> DerogationSpec:
    return spec.model_copy(update={"policy_ref": PolicyRef(name=f"{spec.policy_ref.name}-{copy}")})


def waiving_less(told: Facts) -> st.SearchStrategy[Facts]:
    """Draw facts in which one derogation less is in force, or for a day less; as they are if there is none."""
    changes: list[Facts] = [told]
    for name, one in told.derogations.items():
        others = {other: told.derogations[other] for other in told.derogations if other != name}
        changed = [{}, {name: replace(one, approval=replace(one.approval, generation=99))}]
        if one.spec.until > date.min:
            earlier = one.spec.model_copy(update={"until": one.spec.until - timedelta(days=1)})
            changed.append({name: replace(one, spec=earlier)})
        changes += [replace(told, derogations=Derogations(others | change)) for change in changed]
    return st.sampled_from(changes)


def stricter(policy: SovereigntyPolicySpec) -> st.SearchStrategy[SovereigntyPolicySpec]:
    """Policies that demand more than this one, by at most one change."""
    return st.sampled_from(_stricter_changes(policy)).map(lambda change: policy.model_copy(update=change))


def _stricter_changes(policy: SovereigntyPolicySpec) -> list[dict[str, Any]]:
    held = policy.qualifications
    demanded = {demand.scheme for demand in held}
    changes: list[dict[str, Any]] = [{"node_evidence": NodeEvidence.DECLARED}]
    changes += [
        {"qualifications": (*held, QualificationDemand(scheme=scheme))} for scheme in SCHEMES if scheme not in demanded
    ]
    for index, demand in enumerate(held):
        harder = (
            {"activities": (*demand.activities, 6)},
            {"minimum_version": (demand.minimum_version and f"1{demand.minimum_version}") or "3.2"},
        )
        changes += [
            {"qualifications": (*held[:index], demand.model_copy(update=update), *held[index + 1 :])}
            for update in harder
        ]
    changes += [{"countries": (country,)} for country in policy.countries or COUNTRIES]
    changes += [{"technology_origins": (origin,)} for origin in policy.technology_origins or tuple(TechnologyOrigin)]
    laws = policy.accepted_foreign_laws
    changes += [{"accepted_foreign_laws": laws[:index] + laws[index + 1 :]} for index in range(len(laws))]
    return changes


def reordered(told: Facts) -> st.SearchStrategy[Facts]:
    """Build the same facts with every list, set and map in another order."""
    return st.randoms(use_true_random=False).map(
        lambda order: Facts(
            services=_shuffled(told.services, order),
            datacentres=_shuffled(told.datacentres, order),
            policies=_shuffled(told.policies, order),
            nodes=_shuffled(told.nodes, order),
            now=told.now,
            derogations=Derogations(_shuffled(told.derogations, order)),
        )
    )


def _shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, Model):
        fields = type(value).model_fields
        return value.model_copy(update={name: _shuffled(getattr(value, name), order) for name in fields})
    if isinstance(value, Node):
        return Node(value.name, value.uid, _shuffled(value.labels, order), value.provider_id)
    if isinstance(value, Mapping):
        keys = order.sample(list(value), len(value))
        return {key: _shuffled(value[key], order) for key in keys}
    if isinstance(value, tuple):
        return tuple(_shuffled(item, order) for item in order.sample(value, len(value)))
    return value
