"""Nodes of a pool stand in a datacentre by the label of its owner and by their providerID, whatever their uids."""

import json
from collections.abc import Iterator

import pytest

from hack import estate
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.api.v1alpha1 import DATACENTRE
from sovereign_operator.core import names
from tests.e2e.support.estate import host_names, labelled
from tests.e2e.support.observed import condition

pytestmark = pytest.mark.every_kubernetes

POLICY, SITE, NODE = "pooled", "quimper", "pool-1"
LABEL = "pool.node-restriction.kubernetes.io/name"
POOL: Json = {"name": "general", "nodeSelector": {LABEL: "general"}, "providerIDs": ["openstack:///"]}


def datacentre(name: str = SITE, **spec: object) -> Json:
    """Return a Datacentre of a qualified service."""
    whole = {"serviceRef": {"name": "armor-snc"}, "country": "FR", **spec}
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": DATACENTRE.name,
        "metadata": {"name": name},
        "spec": whole,
    }


def node(provider_id: str = "openstack:///1", **labels: str) -> Json:
    """Return a node of the pool, which nothing runs."""
    metadata = {"name": NODE, "labels": {LABEL: "general", **labels}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"providerID": provider_id}}


@pytest.fixture(scope="module")
def pooled(admin: Kubectl) -> Iterator[str]:
    """A policy that accepts the evidence of a pool, and a datacentre with one."""
    admin.apply(estate.policy(admin, POLICY, nodeEvidence="PoolDeclared"), datacentre(nodePools=[POOL]))
    eventually(lambda: host_names(admin, POLICY) == list(estate.ACCEPTED), what="the policy's nodes")
    yield SITE
    admin.delete("datacentre", SITE)
    admin.delete("sovereigntypolicy", POLICY)


@pytest.fixture
def joined(admin: Kubectl, pooled: str) -> Iterator[str]:
    """A node that joined the pool."""
    assert admin.get("datacentre", pooled)
    admin.create(node())
    yield NODE
    admin.run("delete", "node", NODE, "--ignore-not-found")


def verdict(admin: Kubectl, policy: str) -> str:
    """Return what a policy says of the node."""
    return str(admin.get("node", NODE)["metadata"]["annotations"][f"verdict.sovereignty.dev/{policy}"])


def test_a_node_that_joins_a_pool_is_accepted_where_that_is_enough(admin: Kubectl, joined: str) -> None:
    eventually(
        lambda: joined in labelled(admin, POLICY) and joined in host_names(admin, POLICY), what="an accepted node"
    )
    assert verdict(admin, POLICY).startswith(f"accepted: {SITE}, SecNumCloud 3.2")
    assert verdict(admin, "secnumcloud") == (
        f"refused: {joined} is in {SITE} only as a node of pool general (PoolDeclared); policy secnumcloud demands "
        "Declared: name the node with its present uid in the Datacentre, or have whoever answers for the policy set "
        "spec.nodeEvidence to PoolDeclared"
    )
    assert joined not in labelled(admin)
    eventually(lambda: condition(admin, "datacentre", SITE, "Ready")["status"] == "True", what="a ready datacentre")


def test_a_node_that_the_pool_replaces_is_accepted_again(admin: Kubectl, joined: str) -> None:
    eventually(lambda: joined in labelled(admin, POLICY), what="an accepted node")
    before = admin.get("node", joined)["metadata"]["uid"]
    admin.delete("node", joined)
    admin.create(node("openstack:///2"))
    eventually(lambda: joined in labelled(admin, POLICY), what="the new node accepted")
    metadata = admin.get("node", joined)["metadata"]
    assert metadata["uid"] != before
    assert metadata["labels"][names.NODE_UID_LABEL] == metadata["uid"]
    assert verdict(admin, POLICY).startswith("accepted")


@pytest.mark.usefixtures("pooled")
@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(node("aws:///glx-west-3a/i-1"), "has the labels of pool general of quimper, but", id="another-id"),
        pytest.param(node("openstack:///1", **{LABEL: "other"}), "is in no datacentre", id="another-pool"),
        pytest.param(
            node("openstack:///1", **{"topology.kubernetes.io/region": "glx-west-3"}),
            "has region glx-west-3, but",
            id="another-region",
        ),
    ],
)
def test_any_other_node_is_refused(admin: Kubectl, seen: Json, reason: str) -> None:
    admin.create(seen)
    try:
        said = eventually(lambda: verdict(admin, POLICY), what="a verdict")
        assert said.startswith("refused")
        assert reason in said
    finally:
        admin.delete("node", NODE)


OWN = {"policy.sovereignty.node-restriction.kubernetes.io/pooled": "accepted"}


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        pytest.param({"nodeSelector": {"nodepool": "x"}}, "a label that a kubelet may write", id="a-weak-label"),
        pytest.param(
            {"nodeSelector": {LABEL: "general", "nodepool": "x"}},
            "a label that a kubelet may write",
            id="and-a-weak-one",
        ),
        pytest.param(
            {"nodeSelector": {"node-restriction.kubernetes.io.example.org/x": "y"}},
            "a label that a kubelet may write",
            id="a-label-that-looks-alike",
        ),
        pytest.param({"nodeSelector": OWN}, "a label that the operator writes itself", id="a-label-of-the-operator"),
        pytest.param({"nodeSelector": {}}, "should have at least 1 properties", id="no-label"),
        pytest.param({"providerIDs": []}, "should have at least 1 items", id="no-provider-id"),
        pytest.param({"providerIDs": ["gce://acme"]}, "end with a separator", id="an-id-without-an-end"),
        pytest.param({"providerIDs": ["gce://acme-"]}, "end with a separator", id="an-id-that-ends-within-a-name"),
        pytest.param({"providerIDs": ["/"]}, "begin with the provider's scheme", id="an-id-without-a-scheme"),
        pytest.param({"providerIDs": ["openstack:///", "i-"]}, "begin with the provider's scheme", id="one-of-two"),
        pytest.param({"providerIDs": ["openstack:// /"]}, "begin with the provider's scheme", id="a-space"),
    ],
)
def test_the_api_server_refuses_a_weaker_pool(admin: Kubectl, pool: Json, says: str) -> None:
    body = json.dumps(datacentre("other", nodePools=[POOL | pool]))
    refused = admin.attempt("create", "--dry-run=server", "-f", "-", stdin=body)
    assert refused.returncode
    assert says in refused.stderr


@pytest.mark.parametrize(
    "forms",
    [["aws:///cloudgouv-eu-west-1a/"], ["gce://acme/fr-1/gke-c-general-1a2b-"], ["ocid1.instance.oc1."], ["gce://"]],
)
def test_and_takes_the_forms_of_real_clouds(admin: Kubectl, forms: list[str]) -> None:
    body = json.dumps(datacentre("other", nodePools=[POOL | {"providerIDs": forms}]))
    admin.run("create", "--dry-run=server", "-f", "-", stdin=body)


def test_a_datacentre_without_any_claim_is_refused(admin: Kubectl) -> None:
    refused = admin.attempt(
        "create", "--dry-run=server", "-f", "-", stdin=json.dumps(datacentre("other", nodePools=[]))
    )
    assert "say which nodes stand here" in refused.stderr
