"""Objects with all that admission reads or writes when it places them, to be sent as dry runs again and again."""

import json
import random
from collections.abc import Iterator
from itertools import product
from typing import Any

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.derogations import derogation
from tests.e2e.support.guards import STAMP, without_bindings
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.refused_nodes import HOST, prefers

PODS, DAEMON_SETS = 160, 50
LONGEST = "x" * 63
LABELS: tuple[dict[str, str] | None, ...] = (
    {},
    {},
    {names.POLICY_LABEL: "secnumcloud"},
    {names.POLICY_LABEL: "secnumcloud"},
    {names.POLICY_LABEL: "hds"},
    {names.POLICY_LABEL: ""},
    {names.PLACED_LABEL: "secnumcloud"},
    {names.PLACED_LABEL: "hds"},
    {names.POLICY_LABEL: "secnumcloud", names.PLACED_LABEL: "hds"},
    # Odd, but legal.
    None,
    {names.PLACED_LABEL: ""},
    {names.POLICY_LABEL: "No_Policy.can-have_this-Name"},
    {f"example.org/{LONGEST}": LONGEST, "a.b_c-D": ""},
)
STORED_LABELS = LABELS[2:6]
ANNOTATIONS: tuple[dict[str, str] | None, ...] = (
    {},
    {},
    {"note.example.org/a": "b"},
    {names.audit_annotation("policy"): "hds"},
    {names.audit_annotation("policy"): "secnumcloud", names.audit_annotation("node"): "lyon-1"},
    {names.verdict_annotation("hds"): "accepted", "note.example.org/a": "b"},
    # Odd, but legal.
    None,
    {names.audit_annotation("Any.name_is-legal"): "", "note.example.org/text": 'a\n"b"\\ ~1/~0 \u00e9\u2028\U0001f512'},
)
SELECTORS: tuple[dict[str, str] | None, ...] = (
    {},
    {},
    {"kubernetes.io/os": "linux"},
    {names.node_policy_label("secnumcloud"): "accepted"},
    {names.node_policy_label("hds"): "accepted", "kubernetes.io/os": "linux"},
    {names.node_policy_label("secnumcloud"): "no"},
    # Odd, but legal.
    None,
    {names.node_policy_label("secnumcloud"): "", f"example.org/{LONGEST}": ""},
)
_BY_HOST = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
_OURS = {"maxSkew": 3, "topologyKey": HOST, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
_APART = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "a"}}}
SPECS: tuple[Json, ...] = (
    {},
    {},
    {"affinity": prefers("lyon-1")},
    {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_APART]}}},
    {"tolerations": [{"operator": "Exists"}]},
    {"tolerations": [{"key": names.NOT_ACCEPTED_TAINT, "operator": "Exists", "effect": "PreferNoSchedule"}]},
    {"topologySpreadConstraints": [_BY_HOST | {"labelSelector": {}}]},
    {"topologySpreadConstraints": [_BY_HOST | {"labelSelector": {}}, _OURS], "affinity": prefers("brest-1")},
    {"topologySpreadConstraints": [_OURS, _OURS | {"whenUnsatisfiable": "DoNotSchedule"}]},
    # Odd, but legal.
    {"topologySpreadConstraints": []},
    {"topologySpreadConstraints": None, "affinity": None, "tolerations": None},
    {"affinity": {"nodeAffinity": {}}, "tolerations": [], "schedulerName": "nobody"},
)
WRITTEN_BY_OTHERS = ("uid", "creationTimestamp", "managedFields", "resourceVersion", "generation")


class Tried:
    """The same requests, to be sent again: dry runs alone."""

    def __init__(self, admin: Kubectl, other: Kubectl, spaces: list[str]) -> None:
        self._admin = admin
        self._other = other
        """Another user."""
        self._spaces = spaces
        choose = random.Random(16)
        self._pods = [self._varied(choose, pod(f"pod-{number}")) for number in range(PODS)]
        self._daemon_sets = [self._varied(choose, workload("DaemonSet", f"set-{n}")) for n in range(DAEMON_SETS)]
        self._changes = [
            self._varied(choose, workload("DaemonSet", f"set-{number % len(STORED_LABELS)}"))
            for number in range(DAEMON_SETS)
        ]
        asked = sovereign("touched", workloadRef={"kind": "Deployment", "name": "none"})
        self._stamped = [
            (asked, {"policyRef": {"name": "secnumcloud"}}),
            (derogation("touched", "secnumcloud"), {"reason": "another"}),
        ]
        """Objects that are stored with a stamp and, under another name, without; each with a change of its spec."""

    def _varied(self, choose: random.Random, obj: Json) -> tuple[str, Json]:
        """Return a namespace, and an object with all that means something to us, and some that does not."""
        labels, annotations, selector = choose.choice(LABELS), choose.choice(ANNOTATIONS), choose.choice(SELECTORS)
        metadata = obj["metadata"] | {"labels": labels, "annotations": annotations}
        spec = obj["spec"]["template"]["spec"] if "template" in obj["spec"] else obj["spec"]
        spec |= {"automountServiceAccountToken": False} | ({} if selector == {} else {"nodeSelector": selector})
        spec |= choose.choice(SPECS)
        return choose.choice(self._spaces), obj | {"metadata": metadata}

    def store(self) -> None:
        """Store what dry runs are to change: DaemonSets in each namespace, and objects with and without a stamp.

        While those without are stored, nothing is stamped, and no guard looks for stamps.
        """
        for (number, labels), space in product(enumerate(STORED_LABELS), self._spaces):
            made = workload("DaemonSet", f"set-{number}")
            self._admin.create(made | {"metadata": made["metadata"] | {"labels": labels}}, space)
        for obj, _ in self._stamped:
            self._admin.create(obj, self._spaces[0])
        with without_bindings(self._admin, STAMP, "sovereignty-guard-derogations"):
            for obj, _ in self._stamped:
                self._store_unstamped(_called(obj, "unstamped"))

    def _store_unstamped(self, obj: Json) -> None:
        """Store an object without a stamp. A deleted binding stays in effect for some moments."""

        def is_stored() -> bool:
            self._admin.create(obj, self._spaces[0])
            if names.REQUESTED_BY_ANNOTATION not in _annotations(self._stored(obj)):
                return True
            self._delete(obj)
            return False

        eventually(is_stored, seconds=20, what="an object without a stamp")

    def _stored(self, obj: Json) -> Json:
        return self._admin.get(obj["kind"].lower(), obj["metadata"]["name"], self._spaces[0])

    def _delete(self, obj: Json) -> None:
        self._admin.delete(obj["kind"].lower(), obj["metadata"]["name"], namespace=self._spaces[0])

    def remove(self) -> None:
        """Remove what does not go with the namespaces."""
        derogations = [obj["metadata"]["name"] for obj, _ in self._stamped if obj["kind"] == "Derogation"]
        self._admin.run("delete", "derogation", *derogations, "unstamped", "--ignore-not-found")

    def outcomes(self) -> list[Any]:
        """Return what becomes of each: the object as it would be stored; None if it is refused."""
        made = [self._send("create", space, obj) for space, obj in (*self._pods, *self._daemon_sets)]
        changed = [self._send("replace", space, obj) for space, obj in self._changes]
        return [*made, *changed, *self.stamps()]

    def stamps(self) -> list[Any]:
        """Return what becomes of objects that are stamped: new ones, and those that two users change."""
        return [
            self._send(verb, self._spaces[0], obj, person)
            for verb, obj in self._stamped_requests()
            for person in (self._admin, self._other)
        ]

    def _stamped_requests(self) -> Iterator[tuple[str, Json]]:
        """Yield verbs and objects: with a stamp that somebody forged, without one, and with the one that was read."""
        forged = {names.REQUESTED_BY_ANNOTATION: "somebody-else"}
        for obj, change in self._stamped:
            for annotations in ({}, forged):
                yield "create", _annotated(_called(obj, "asked"), annotations)
            for name in ("touched", "unstamped"):
                found = _annotations(self._stored(_called(obj, name)))
                for annotations in (found | {"note.example.org/a": "b"}, forged):
                    for spec in (obj["spec"], obj["spec"] | change):
                        yield "replace", _annotated(_called(obj, name), annotations) | {"spec": spec}

    def _send(self, verb: str, space: str, obj: Json, person: Kubectl | None = None) -> Json | None:
        words = ("-n", space, verb, "-f", "-", "--dry-run=server", "-o", "json")
        done = (person or self._admin).attempt(*words, stdin=json.dumps(obj))
        if done.returncode:
            return None
        found: Json = json.loads(done.stdout)
        # Controllers write statuses meanwhile.
        found.pop("status", None)
        for field in WRITTEN_BY_OTHERS:
            found["metadata"].pop(field, None)
        return found


def _called(obj: Json, name: str) -> Json:
    return obj | {"metadata": obj["metadata"] | {"name": name}}


def _annotated(obj: Json, annotations: dict[str, str]) -> Json:
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations}}


def _annotations(obj: Json) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})
