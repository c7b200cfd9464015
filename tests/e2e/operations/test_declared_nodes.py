"""A declared node that is gone, or registered again, is reported once, with a command that puts it right."""

import re
import shlex
from collections.abc import Iterator

import pytest

from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.observed import condition

NODE, SITE = "spare-1", "spare"


def register(admin: Kubectl) -> str:
    """Register a node that no kubelet runs, and return its uid."""
    admin.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    uid: str = admin.get("node", NODE)["metadata"]["uid"]
    return uid


@pytest.fixture
def declared(admin: Kubectl) -> Iterator[None]:
    """Have a datacentre with one node that is declared, beside another one that never comes."""
    nodes = [{"name": NODE, "uid": register(admin)}]
    admin.apply(
        {
            "apiVersion": "sovereignty.dev/v1alpha1",
            "kind": "Datacentre",
            "metadata": {"name": SITE},
            "spec": {"serviceRef": {"name": "armor-snc"}, "country": "FR", "nodes": nodes},
        }
    )
    eventually(lambda: status(admin).get("nodes") == 1, what="a datacentre with its node")
    yield
    admin.delete("datacentre", SITE)
    admin.delete("node", NODE)


def status(admin: Kubectl) -> Json:
    """Return the status of the datacentre."""
    found: Json = admin.get("datacentre", SITE).get("status", {})
    return found


def told(admin: Kubectl, reason: str) -> list[str]:
    """Return the messages of the Events of this reason about the datacentre."""
    return [
        event["note"]
        for event in admin.list("events.events.k8s.io", "default")
        if event["regarding"].get("name") == SITE and event["reason"] == reason
    ]


@pytest.mark.usefixtures("declared")
def test_it_is_told_once_with_what_to_do(admin: Kubectl) -> None:
    admin.delete("node", NODE)
    (lost,) = eventually(lambda: told(admin, "NodeLost"), what="an Event")
    assert f"1 node(s) that spec.nodes declares are gone: {NODE}" in lost
    assert (status(admin)["nodesLost"], status(admin)["lost"]) == (1, [NODE])
    assert condition(admin, "datacentre", SITE, "Ready")["reason"] == "NoNodes"
    uid = register(admin)
    (replaced,) = eventually(lambda: told(admin, "NodeReplaced"), what="an Event")
    assert status(admin)["replaced"] == [{"node": NODE, "uid": uid}]
    assert status(admin)["nodesLost"] == 0
    found = re.search(r"kubectl (patch datacentre .*)$", replaced)
    assert found
    admin.run(*shlex.split(found[1]))
    eventually(lambda: status(admin)["nodes"] == 1, what="the node in its datacentre again")
    assert (status(admin)["nodesReplaced"], status(admin)["replaced"]) == (0, [])
    assert (len(told(admin, "NodeLost")), len(told(admin, "NodeReplaced"))) == (1, 1)
