"""A node that is gone, registered again, or claimed by another Datacentre, too, is reported once, with what to do."""

import re
import shlex
from collections.abc import Iterator
from functools import partial

import pytest

from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.client import Client
from tests.e2e.support.observed import condition

NODE, SITE, OTHER = "spare-1", "spare", "other"


def register(admin: Kubectl) -> str:
    """Register a node that no kubelet runs, and return its uid."""
    admin.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    uid: str = admin.get("node", NODE)["metadata"]["uid"]
    return uid


@pytest.fixture
def declared(admin: Kubectl) -> Iterator[None]:
    """Have a datacentre with one node that is declared, beside another one that never comes."""
    declare(admin, SITE, register(admin))
    eventually(lambda: status(admin).get("nodes") == 1, what="a datacentre with its node")
    yield
    admin.delete("datacentres", SITE, OTHER)
    admin.delete("node", NODE)


def declare(admin: Kubectl, site: str, uid: str) -> None:
    """Write a datacentre that declares the node."""
    nodes = [{"name": NODE, "uid": uid}]
    admin.apply(
        {
            "apiVersion": "sovereignty.dev/v1alpha1",
            "kind": "Datacentre",
            "metadata": {"name": site},
            "spec": {"serviceRef": {"name": "armor-snc"}, "country": "FR", "nodes": nodes},
        }
    )


def status(admin: Kubectl) -> Json:
    """Return the status of the datacentre."""
    found: Json = admin.get("datacentre", SITE).get("status", {})
    return found


def told(admin: Kubectl, reason: str, uid: str) -> list[str]:
    """Return the messages of the Events of this reason about the datacentre of this uid."""
    return [
        event["note"]
        for event in admin.list("events.events.k8s.io", "default")
        if event["regarding"].get("uid") == uid and event["reason"] == reason
    ]


@pytest.mark.usefixtures("declared")
def test_it_is_told_once_with_what_to_do(admin: Kubectl, client: Client) -> None:
    site = admin.get("datacentre", SITE)["metadata"]["uid"]
    admin.delete("node", NODE)
    (lost,) = eventually(lambda: told(admin, "NodeLost", site), what="an Event")
    assert f"1 node(s) that spec.nodes declares are gone: {NODE}" in lost
    assert (status(admin)["nodesLost"], status(admin)["lost"]) == (1, [NODE])
    assert condition(admin, "datacentre", SITE, "Ready")["reason"] == "NoNodes"
    assert NODE in {row["node"] for row in client.ask("nodes", code=1)["lost"]}
    uid = register(admin)
    (replaced,) = eventually(lambda: told(admin, "NodeReplaced", site), what="an Event")
    assert status(admin)["replaced"] == [{"node": NODE, "uid": uid}]
    assert status(admin)["nodesLost"] == 0
    found = re.search(r"kubectl (patch datacentre .*)$", replaced)
    assert found
    assert found[0] in client.ask("explain", f"node/{NODE}", code=1)["next"]
    assert found[0] in client.text("nodes", code=1)
    admin.run(*shlex.split(found[1]))
    eventually(lambda: status(admin)["nodes"] == 1, what="the node in its datacentre again")
    assert (status(admin)["nodesReplaced"], status(admin)["replaced"]) == (0, [])
    assert (len(told(admin, "NodeLost", site)), len(told(admin, "NodeReplaced", site))) == (1, 1)


@pytest.mark.usefixtures("declared")
def test_a_node_that_two_claim_is_told_of_both_and_stands_in_one_again(admin: Kubectl, client: Client) -> None:
    why = f"{NODE} is claimed by the datacentres {OTHER} and {SITE}, and stands in none of them until only one claims"
    declare(admin, OTHER, admin.get("node", NODE)["metadata"]["uid"])
    for site in (SITE, OTHER):
        uid = admin.get("datacentre", site)["metadata"]["uid"]
        (twice,) = eventually(partial(told, admin, "NodeClaimedTwice", uid), what="an Event")
        assert why in twice
        ready = condition(admin, "datacentre", site, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "ClaimedTwice")
        assert why in ready["message"]
    assert (status(admin)["nodesClaimedTwice"], status(admin)["claimedTwice"][0]["node"]) == (1, NODE)
    assert why in client.ask("explain", f"node/{NODE}", code=1)["place"]
    assert why in client.text("nodes", code=1)
    assert [
        text for text in client.ask("status", code=1)["findings"] if f"datacentre {OTHER}: " in text and why in text
    ]
    admin.delete("datacentre", OTHER)
    eventually(lambda: status(admin)["nodes"] == 1, what="the node in its datacentre again")
    assert status(admin)["nodesClaimedTwice"] == 0
    assert condition(admin, "datacentre", SITE, "Ready")["reason"] == "NodesPresent"
