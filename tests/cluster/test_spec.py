import re

import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.spec import (
    LARGEST_CLUSTER,
    ClusterSpec,
    NodeSpec,
    check_spec,
    list_admin_labels,
    may_kubelet_set,
    name_nodes,
    parse_nodes,
    parse_taint,
    render_node,
)


@pytest.mark.parametrize("name", ["a", "demo", "a-1", "0", "a" * 40])
def test_good_names(name: str) -> None:
    check_spec(ClusterSpec(name, (NodeSpec(name),)))


def test_an_unknown_version_of_kubernetes_is_refused() -> None:
    with pytest.raises(ClusterError, match=re.escape("Kubernetes 1.12: there are 1.33, ")):
        check_spec(ClusterSpec("demo", name_nodes(1), kubernetes="1.12"))


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", "a" * 41, "é", "a\n"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="1 to 40 lower-case letters"):
        check_spec(ClusterSpec(name, name_nodes(1)))
    with pytest.raises(ClusterError, match="node name"):
        check_spec(ClusterSpec("demo", (NodeSpec(name),)))


def test_node_names_are_unique() -> None:
    with pytest.raises(ClusterError, match="given twice: b"):
        check_spec(ClusterSpec("demo", (NodeSpec("a"), NodeSpec("b"), NodeSpec("b"))))


@pytest.mark.parametrize("count", [-1, 0, LARGEST_CLUSTER + 1])
def test_node_counts_out_of_range_are_refused(count: int) -> None:
    with pytest.raises(ClusterError, match="1 to 64 nodes"):
        name_nodes(count)


def test_a_cluster_without_nodes_is_refused() -> None:
    with pytest.raises(ClusterError, match="1 to 64 nodes"):
        check_spec(ClusterSpec("demo"))


@pytest.mark.parametrize(
    ("label", "allowed"),
    [
        ("team", True),
        ("example.com/team", True),
        ("topology.kubernetes.io/region", True),
        ("topology.kubernetes.io/zone", True),
        ("node.kubernetes.io/instance-type", True),
        ("node.kubernetes.io/anything", True),
        ("x.node.kubernetes.io/anything", True),
        ("kubernetes.io/hostname", True),
        ("topology.kubernetes.io/rack", False),
        ("kubernetes.io/anything", False),
        ("node-restriction.kubernetes.io/datacentre", False),
        ("example.node-restriction.kubernetes.io/x", False),
        ("node-role.kubernetes.io/worker", False),
        ("x.k8s.io/y", False),
        ("notkubernetes.io/x", True),
    ],
)
def test_which_labels_a_kubelet_may_set(label: str, allowed: bool) -> None:
    assert may_kubelet_set(label) is allowed
    assert list_admin_labels(NodeSpec("a", labels={label: "x"})) == ({} if allowed else {label: "x"})


@pytest.mark.parametrize(
    ("text", "taint"),
    [
        ("a=b:NoSchedule", {"key": "a", "value": "b", "effect": "NoSchedule"}),
        ("example.com/a:NoExecute", {"key": "example.com/a", "effect": "NoExecute"}),
        ("a=:PreferNoSchedule", {"key": "a", "effect": "PreferNoSchedule"}),
    ],
)
def test_taints(text: str, taint: dict[str, str]) -> None:
    assert parse_taint(text) == taint


@pytest.mark.parametrize("text", ["", "a", "a=b", "a=b:Never", ":NoSchedule", "a:b:NoSchedule"])
def test_bad_taints_are_refused(text: str) -> None:
    with pytest.raises(ClusterError, match="key=value:Effect"):
        check_spec(ClusterSpec("demo", (NodeSpec("a", taints=(text,)),)))


def test_a_nodes_file() -> None:
    text = """
    - name: paris
      labels: {topology.kubernetes.io/region: eu-fr, level: "3"}
      providerID: sim:///paris
      taints: ["sovereign=true:NoSchedule"]
    -
    - {labels: }
    """
    nodes = parse_nodes(text)
    assert nodes == (
        NodeSpec(
            "paris",
            labels={"topology.kubernetes.io/region": "eu-fr", "level": "3"},
            provider_id="sim:///paris",
            taints=("sovereign=true:NoSchedule",),
        ),
        NodeSpec("node-2"),
        NodeSpec("node-3"),
    )
    assert parse_nodes(str([render_node(node) for node in nodes])) == nodes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "YAML list"),
        ("[]", "YAML list"),
        ("name: a", "YAML list"),
        ("[", "not YAML"),
        ("- a", "node 1 of the nodes file has to be a mapping"),
        ("- {}\n- {zone: a}", "node 2 of the nodes file has unknown fields: zone"),
        ("- {labels: [a]}", "labels have to be a mapping"),
        ("- {labels: {a: 1}}", "quote numbers"),
        ("- {labels: {a: true}}", "quote numbers"),
        ("- {taints: a}", "taints have to be a list"),
    ],
)
def test_a_bad_nodes_file_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ClusterError, match=reason):
        parse_nodes(text)
