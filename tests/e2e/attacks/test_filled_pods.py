"""A pod keeps room for what the operator says of it, however many labels and annotations others write."""

import json

from hack.kubectl import Kubectl
from tests.e2e.support.guards import refused_change
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import run_one
from tests.e2e.support.spaces import Chief, Space


def test_a_pod_in_scope_leaves_room_for_what_the_operator_says(mallory: Kubectl, space: Space) -> None:
    def attempt(namespace: str, size: int, *options: str) -> str:
        filled = pod("full")
        filled["metadata"]["annotations"] = {"example.org/x": "x" * size}
        return mallory.attempt("-n", namespace, "create", "-f", "-", *options, stdin=json.dumps(filled)).stderr

    inside, outside = space(), space(None)
    assert "those of pod " in (said := attempt(inside, 241 * 1024)), said
    assert "may have 240 KiB where a policy holds" in said
    assert not attempt(outside, 241 * 1024, "--dry-run=server")
    assert not attempt(inside, 239 * 1024)
    more = {"metadata": {"annotations": {"example.org/y": "y" * 2048}}}
    assert "may have 240 KiB" in refused_change(mallory, inside, "pod/full", more)
    less = {"metadata": {"annotations": {"example.org/x": "x"}}}
    assert not refused_change(mallory, inside, "pod/full", less)


def test_no_crowd_of_labels_keeps_the_operator_from_a_pod(admin: Kubectl, chief: Chief) -> None:
    """If a write could take longer than its time limit, the annotations would stay whatever happened to the node."""
    person, namespace = chief()
    run_one(admin, namespace)
    crowd = {f"{number}": "" for number in range(5000)}
    assert "too many labels" in refused_change(person, namespace, "pod/one", {"metadata": {"labels": crowd}})
    assert not refused_change(person, namespace, "pod/one", {"metadata": {"labels": dict(list(crowd.items())[:1990])}})
    create = ("-n", namespace, "create", "--dry-run=server", "-f", "-")
    assert "leave some out" in person.attempt(*create, stdin=json.dumps(pod("two", labels=crowd))).stderr
