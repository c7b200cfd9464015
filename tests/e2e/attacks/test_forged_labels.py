"""The labels that put a pod in scope of a policy are set at creation: nobody may add, change or remove them later."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hack.kubectl import Kubectl, eventually
from tests.e2e.support.guards import refused_change, without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.spaces import Space

GUARD = "sovereignty-guard-every-pod"
POLICY, PLACED = "sovereignty.dev/policy", "sovereignty.dev/placed-for"

CHANGES: dict[str, tuple[str, dict[str, str | None]]] = {
    "it goes out of scope": ("held", {POLICY: None}),
    "it goes to another policy": ("held", {POLICY: "hds"}),
    "it is not found any more": ("held", {PLACED: None}),
    "it comes into scope where it could not be": ("free", {POLICY: "secnumcloud"}),
    "it is found among those of a policy": ("free", {PLACED: "secnumcloud"}),
}


@pytest.fixture(scope="module")
def elsewhere(admin: Kubectl) -> Iterator[str]:
    """A namespace without a policy, with one pod that names a policy and one that does not."""
    name = "forged-labels"
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: admin.get("serviceaccount", "default", name), what="a service account")
    admin.create(pod("held", labels={POLICY: "secnumcloud"}, schedulerName="nobody"), name)
    admin.create(pod("free", schedulerName="nobody"), name)
    yield name
    admin.run("delete", "namespace", name, "--wait=false")


def attempt(person: Kubectl, namespace: str, name: str, labels: dict[str, str | None], *way: str) -> str:
    """Change labels of a pod as a dry run, and return why that was refused; empty if it was not."""
    return refused_change(person, namespace, f"pod/{name}", {"metadata": {"labels": labels}}, *way)


@contextmanager
def unguarded(admin: Kubectl, mallory: Kubectl, namespace: str) -> Iterator[None]:
    """Remove the guard for a while."""
    with without_bindings(admin, GUARD):
        eventually(lambda: not attempt(mallory, namespace, "held", {POLICY: None}), what="no guard")
        yield
    eventually(lambda: GUARD in attempt(mallory, namespace, "held", {POLICY: None}), what="the guard")


@pytest.mark.every_kubernetes(only=["it goes out of scope-itself", "it is not found any more-itself"])
@pytest.mark.parametrize("way", [(), ("--subresource=status",)], ids=["itself", "its status"])
@pytest.mark.parametrize(("name", "labels"), CHANGES.values(), ids=CHANGES.keys())
def test_nobody_changes_what_holds_a_pod(
    mallory: Kubectl, elsewhere: str, name: str, labels: dict[str, str | None], way: tuple[str, ...]
) -> None:
    said = attempt(mallory, elsewhere, name, labels, *way)
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
    assert f"{PLACED} say which policy pod {elsewhere}/{name} is held to, and are set when it is created" in said
    assert not attempt(mallory, elsewhere, name, {"example.org/mine": "anything"}, *way)


def test_nothing_but_this_guard_stops_them(admin: Kubectl, mallory: Kubectl, elsewhere: str) -> None:
    with unguarded(admin, mallory, elsewhere):
        for name, labels in CHANGES.values():
            assert not attempt(mallory, elsewhere, name, labels)


@pytest.mark.every_kubernetes
def test_a_policys_own_pods_keep_their_labels_too(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    namespace = space()
    admin.create(pod("placed", schedulerName="nobody"), namespace)
    assert GUARD in attempt(mallory, namespace, "placed", {PLACED: None})
    mallory.run("-n", namespace, "delete", "pod", "placed", "--wait=false")
