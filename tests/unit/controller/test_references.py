"""Which SovereignWorkloads refer to which workload, after any changes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.observed.references import WorkloadReferences

KEYS = st.tuples(st.sampled_from(["cardio", "lab"]), st.sampled_from("ab"))
SPECS: list[Any] = [
    {"workloadRef": {"kind": "Deployment", "name": "a"}},
    {"workloadRef": {"kind": "Deployment", "name": "b"}},
    {"template": {"kind": "Deployment", "spec": {}}},
    {"podSelector": {"matchLabels": {"app": "a"}}},
    {"workloadRef": "nonsense"},
]
OBJECTS = st.one_of(
    st.none(), st.sampled_from(SPECS).map(lambda spec: {"kind": "x", "metadata": {"name": "x"}, "spec": spec})
)


def referenced(key: tuple[str, str], obj: Any) -> tuple[WorkloadKind, str, str] | None:
    """Return the workload that an object refers to, by independent code."""
    if obj is None or "podSelector" in obj["spec"] or obj["spec"].get("workloadRef") == "nonsense":
        return None
    name = key[1] if "template" in obj["spec"] else obj["spec"]["workloadRef"]["name"]
    return WorkloadKind.DEPLOYMENT, key[0], name


@given(st.lists(st.tuples(KEYS, OBJECTS), max_size=20))
def test_it_knows_who_speaks_of_what_now_and_what_a_change_concerns(changes: list[tuple[tuple[str, str], Any]]) -> None:
    references, there = WorkloadReferences(), dict[tuple[str, str], Any]()
    for key, obj in changes:
        concerned = references.update(key, obj)
        assert set(concerned) == {referenced(key, there.get(key)), referenced(key, obj)} - {None}
        there[key] = obj
        for namespace in ("cardio", "lab"):
            for name in "ab":
                spoken = (WorkloadKind.DEPLOYMENT, namespace, name)
                wanted = {key for key, obj in there.items() if referenced(key, obj) == spoken}
                assert set(references.referring_to(spoken)) == wanted
    again = WorkloadReferences({key: obj for key, obj in there.items() if obj})
    for key, obj in there.items():
        if said := referenced(key, obj):
            assert set(again.referring_to(said)) == set(references.referring_to(said))
