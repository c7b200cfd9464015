"""Pods that are found by node, namespace, label or policy are those that a walk through all pods finds."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.controller.observed.pod_index import PodIndex, Use
from sovereign_operator.controller.observed.selectors import Selectors
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.selector import Selector
from sovereign_operator.kube.objects.pod import ObservedPod, see_pod

NAMESPACES = ("ward", "lab")
NODES = ("", "brest-1", "paris-1")
POLICIES = ("a", "b")
LABELS = st.dictionaries(
    st.sampled_from(("app", "tier", "zone", names.POLICY_LABEL)), st.sampled_from(POLICIES), max_size=3
)
EXPRESSIONS = st.builds(
    lambda key, operator, values: {"key": key, "operator": operator, "values": values},
    st.sampled_from(("app", "tier")),
    st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")),
    st.lists(st.sampled_from(("a", "b")), min_size=1),
)
SELECTORS = st.builds(Selector, LABELS, st.lists(EXPRESSIONS, max_size=2).map(tuple))
KEYS = st.tuples(st.sampled_from(NAMESPACES), st.sampled_from(("one", "two", "three")))
CONTENTS = st.tuples(
    st.sampled_from(NODES), LABELS, st.sampled_from(("", *POLICIES)), st.frozensets(st.sampled_from(POLICIES))
)
CHANGES = st.tuples(KEYS, st.none() | CONTENTS)


def pod(key: tuple[str, str], node: str, labels: dict[str, str], transit: str, bundles: frozenset[str]) -> ObservedPod:
    metadata = {"namespace": key[0], "name": key[1], "uid": "u"}
    seen = see_pod({"metadata": metadata, "spec": {"nodeName": node, "containers": []}})
    return replace(seen, labels=labels, transit=transit, bundles=bundles)


@given(st.lists(CHANGES, max_size=12), SELECTORS)
def test_the_index_finds_what_a_walk_finds(
    changes: list[tuple[tuple[str, str], tuple[str, dict[str, str], str, frozenset[str]] | None]], selector: Selector
) -> None:
    index, pods = PodIndex(), dict[tuple[str, str], ObservedPod]()
    for key, content in changes:
        pods.pop(key, None)
        if content:
            pods[key] = pod(key, *content)
        index.update(key, pods.get(key))

    def keys(found: Iterable[ObservedPod]) -> list[tuple[str, str]]:
        return sorted((one.namespace, one.pod.name) for one in found)

    assert keys(index.all()) == sorted(pods)
    for namespace in NAMESPACES:
        assert keys(index.all(namespace)) == sorted(key for key in pods if key[0] == namespace)
        selected = [key for key, one in sorted(pods.items()) if key[0] == namespace and selector.selects(one.labels)]
        assert [(one.namespace, one.pod.name) for one in index.selected(namespace, selector)] == selected
    for node in NODES[1:]:
        assert keys(index.on(node)) == sorted(key for key, one in pods.items() if one.pod.node == node)
    for policy in POLICIES:
        named = sorted(key for key, one in pods.items() if one.labels.get(names.POLICY_LABEL) == policy)
        assert keys(index.using(Use.NAMES, policy)) == named
        assert keys(index.using(Use.SIDECAR, policy)) == sorted(key for key in pods if pods[key].transit == policy)
        assert keys(index.using(Use.BUNDLE, policy)) == sorted(key for key in pods if policy in pods[key].bundles)


RECORDS = st.tuples(KEYS, st.sampled_from(("forget", "any")) | st.lists(SELECTORS, max_size=2))


@given(st.lists(RECORDS, max_size=8), LABELS)
def test_a_pod_finds_its_sovereign_workloads(
    records: list[tuple[tuple[str, str], str | list[Selector]]], labels: dict[str, str]
) -> None:
    selectors, known = Selectors(), dict[tuple[str, str], list[Selector] | None]()
    for key, what in records:
        if what == "forget":
            selectors.forget(key)
            known.pop(key, None)
        else:
            known[key] = None if isinstance(what, str) else what
            selectors.record(key, known[key])
    for namespace in NAMESPACES:
        assert selectors.referring_to_pod(namespace, labels) == {
            key
            for key, those in known.items()
            if key[0] == namespace and (those is None or any(one.selects(labels) for one in those))
        }
