"""The API server's own admission policies and the injector write the same into the same objects."""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE, install
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.derogations import derogation
from tests.e2e.support.installation import OPTIONS, upgrade
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.spaces import Space

PODS, DAEMON_SETS = 200, 60
LABELS: tuple[dict[str, str], ...] = (
    {},
    {},
    {names.POLICY_LABEL: "secnumcloud"},
    {names.POLICY_LABEL: "hds"},
    {names.POLICY_LABEL: ""},
    {names.PLACED_LABEL: "secnumcloud"},
    {names.PLACED_LABEL: "hds"},
    {names.POLICY_LABEL: "secnumcloud", names.PLACED_LABEL: "hds"},
)
ANNOTATIONS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"note.example.org/a": "b"},
    {names.audit_annotation("policy"): "hds"},
    {names.audit_annotation("policy"): "secnumcloud", names.audit_annotation("node"): "lyon-1"},
    {names.verdict_annotation("hds"): "accepted", "note.example.org/a": "b"},
)
SELECTORS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"kubernetes.io/os": "linux"},
    {names.node_policy_label("secnumcloud"): "accepted"},
    {names.node_policy_label("hds"): "accepted", "kubernetes.io/os": "linux"},
    {names.node_policy_label("secnumcloud"): "no"},
)
WRITTEN_BY_NOBODY = ("uid", "creationTimestamp", "managedFields", "resourceVersion", "generation")


class Tried:
    """The same requests, to be sent again: dry runs alone."""

    def __init__(self, admin: Kubectl, spaces: list[str]) -> None:
        self._admin = admin
        self._spaces = spaces
        choose = random.Random(16)
        self._pods = [self._varied(choose, pod(f"pod-{number}")) for number in range(PODS)]
        self._daemon_sets = [self._varied(choose, workload("DaemonSet", f"set-{n}")) for n in range(DAEMON_SETS)]
        self._changes = [
            self._varied(choose, workload("DaemonSet", f"set-{number % 4}")) for number in range(DAEMON_SETS)
        ]

    def _varied(self, choose: random.Random, obj: Json) -> tuple[str, Json]:
        """Return a namespace, and an object with labels, annotations and a nodeSelector that mean something to us."""
        labels, annotations, selector = choose.choice(LABELS), choose.choice(ANNOTATIONS), choose.choice(SELECTORS)
        metadata = obj["metadata"] | {"labels": labels, "annotations": annotations}
        spec = obj["spec"]["template"]["spec"] if "template" in obj["spec"] else obj["spec"]
        spec |= {"automountServiceAccountToken": False} | ({"nodeSelector": selector} if selector else {})
        return choose.choice(self._spaces), obj | {"metadata": metadata}

    def store(self) -> None:
        """Store a DaemonSet of each kind in each namespace, to be changed by dry runs."""
        for (number, labels), space in itertools.product(enumerate(LABELS[1:5]), self._spaces):
            made = workload("DaemonSet", f"set-{number}")
            self._admin.create(made | {"metadata": made["metadata"] | {"labels": labels}}, space)

    def outcomes(self) -> list[Any]:
        """Return what becomes of each: the object as it would be stored; None if it is refused."""
        made = [self._send("create", space, obj) for space, obj in (*self._pods, *self._daemon_sets)]
        return [*made, *(self._send("replace", space, obj) for space, obj in self._changes), *self._stamps()]

    def _stamps(self) -> Iterator[Any]:
        forged = {names.REQUESTED_BY_ANNOTATION: "somebody-else"}
        for annotations in ({}, forged):
            made = sovereign("asked", workloadRef={"kind": "Deployment", "name": "none"})
            yield self._send(
                "create", self._spaces[0], made | {"metadata": made["metadata"] | {"annotations": annotations}}
            )
            asked = derogation("asked", "secnumcloud")
            yield self._send(
                "create", self._spaces[0], asked | {"metadata": asked["metadata"] | {"annotations": annotations}}
            )

    def _send(self, verb: str, space: str, obj: Json) -> Json | None:
        words = ("-n", space, verb, "-f", "-", "--dry-run=server", "-o", "json")
        done = self._admin.attempt(*words, stdin=json.dumps(obj))
        if done.returncode:
            return None
        found: Json = json.loads(done.stdout)
        for field in WRITTEN_BY_NOBODY:
            found["metadata"].pop(field, None)
        return found


@pytest.fixture
def by_webhook(admin: Kubectl, cluster: Cluster) -> Iterator[Any]:
    """Return a function that has the injector place pods; the API server does again at the end."""

    def switch() -> None:
        upgrade(cluster, "--set", "placement.by=Webhook")
        admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-injector", "--timeout=90s")

    yield switch
    install(cluster, *OPTIONS)


def test_both_ways_write_the_same(admin: Kubectl, space: Space, by_webhook: Any) -> None:
    enforcing, other, free = space("secnumcloud"), space("hds"), space(None)
    tried = Tried(admin, [enforcing, other, free])
    tried.store()
    by_policy = tried.outcomes()
    by_webhook()
    assert not admin.list("mutatingadmissionpolicies", selector=names.GUARD_SELECTOR)
    one = json.dumps(pod("asks"))
    eventually(
        lambda: not admin.attempt("-n", enforcing, "create", "--dry-run=server", "-f", "-", stdin=one).returncode,
        what="an injector that places",
    )
    again = tried.outcomes()
    assert len(again) == len(by_policy)
    differing = [pair for pair in zip(by_policy, again, strict=True) if pair[0] != pair[1]]
    assert not differing, differing[:3]
    accepted = Counter(found["kind"] for found in again if found)
    assert accepted["Pod"] > PODS / 4
    assert accepted["DaemonSet"] > DAEMON_SETS
    assert accepted["SovereignWorkload"]
