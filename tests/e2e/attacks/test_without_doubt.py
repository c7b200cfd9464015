"""Most pods end at the condition ``in-doubt`` of a guard. It lets nothing pass that the guard itself would refuse."""

import copy
import json
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.sidecar.contract import UID
from tests.e2e.support.guards import VALIDATING
from tests.e2e.support.sidecars import exposed_to
from tests.e2e.support.spaces import Held

DOUBT = "in-doubt"
PAIRS = 300
"""How many pods with two changes are generated in each namespace."""
SOME = 60
"""How many pods with one change are on an older Kubernetes, where time is short, and how many with two."""

FIELDS: Json = {
    "args": ["--probe=http://evil/up"],
    "capabilities": {"add": ["NET_ADMIN"]},
    "claims": [{"name": "card"}],
    "command": ["sh"],
    "env": [{"name": "A", "value": "b"}],
    "hostNetwork": True,
    "hostPID": True,
    "image": "evil",
    "limits": {"memory": "512Mi", "cpu": "1", "example.org/card": "1"},
    "lifecycle": {"postStart": {"exec": {"command": ["sh"]}}},
    "medium": "",
    "name": "sovereignty-sidecar",
    "optional": True,
    "ports": [{"containerPort": 80}],
    "privileged": True,
    "readOnly": False,
    "resizePolicy": [{"resourceName": "memory", "restartPolicy": "NotRequired"}],
    "resources": {"limits": {"memory": "64Mi"}},
    "restartPolicy": "Never",
    "runAsUser": UID,
    "shareProcessNamespace": True,
    "sources": [{"serviceAccountToken": {"audience": "sovereignty.dev/signer", "path": "token"}}],
    "stdin": True,
    "subPath": "x",
    "sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "0"}],
    "terminationMessagePath": "/run/sovereignty/transit/listeners.json",
    "volumeMounts": [{"name": "sovereignty-run", "mountPath": "/x"}],
    "workingDir": "/x",
}
"""Fields that mean something somewhere in a pod. Where they mean nothing, the API server drops them."""

METADATA: tuple[tuple[str, str, str], ...] = (
    ("annotations", "audit.sovereignty.dev/policy", "hds"),
    ("annotations", "example.org/note", "n" * 1200),
    ("annotations", "verdict.sovereignty.dev/place", "brest"),
    ("labels", "sovereignty.dev/placed-for", "hds"),
    ("labels", "sovereignty.dev/policy", "hds"),
)


class Change(NamedTuple):
    """One change of a pod."""

    kind: str
    """``less``: a field less; ``twice``: a list's first element twice; ``more``: a field more."""
    place: int
    """The number of the field, or of the object."""
    field: str = ""
    """For ``more``: one of FIELDS."""


def objects(value: object) -> Iterator[Json]:
    """Yield each object within a value."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from objects(inner)


def fields(spec: Json) -> list[tuple[Json, str]]:
    """Return each field of each object: the object, and the field's name."""
    return [(each, key) for each in objects(spec) for key in each]


def all_changes(spec: Json) -> Iterator[Change]:
    """Yield every change of the spec of a pod."""
    for place in range(len(fields(spec))):
        yield from (Change("less", place), Change("twice", place))
    for place in range(sum(1 for _ in objects(spec))):
        yield from (Change("more", place, field) for field in FIELDS)


def changed(pristine: Json, *changes: Change) -> Json:
    """Return a pod with these changes, each of what the one before left."""
    made = copy.deepcopy(pristine)
    for change in changes:
        if change.kind == "more":
            found = list(objects(made["spec"]))
            found[change.place % len(found)][change.field] = copy.deepcopy(FIELDS[change.field])
            continue
        places = fields(made["spec"])
        where, key = places[change.place % len(places)]
        if change.kind == "less":
            del where[key]
        elif isinstance(where[key], list) and where[key]:
            where[key].append(copy.deepcopy(where[key][0]))
    return made


@pytest.fixture(scope="module")
def in_full(admin: Kubectl) -> Iterator[list[str]]:
    """For each guard with such a condition, install a copy without it that only warns. Return the guards' names."""
    guards = [
        found
        for found in admin.list(VALIDATING)
        if DOUBT in {entry["name"] for entry in found["spec"].get("matchConditions", ())}
    ]
    with ExitStack() as stack:
        for guard in guards:
            name = f"{guard['metadata']['name']}-in-full"
            conditions = [entry for entry in guard["spec"]["matchConditions"] if entry["name"] != DOUBT]
            kinds = (
                ("ValidatingAdmissionPolicy", guard["spec"] | {"matchConditions": conditions}),
                ("ValidatingAdmissionPolicyBinding", {"policyName": name, "validationActions": ["Warn"]}),
            )
            for kind, spec in kinds:
                metadata = {"name": name}
                made = {"apiVersion": guard["apiVersion"], "kind": kind, "metadata": metadata, "spec": spec}
                admin.create(made)
                stack.callback(admin.delete, kind.lower(), name)
        yield [guard["metadata"]["name"] for guard in guards]


@pytest.fixture(scope="module")
def spaces(admin: Kubectl, transit: str, roaming: Held) -> Iterator[dict[str, Json]]:
    """By namespace, a pod as the injector returned it, while the injector's webhook is deleted."""
    with exposed_to(admin, transit, roaming) as found:
        yield {found.namespace: found.injected, found.elsewhere: found.by_label}


def warned(said: str, guard: str) -> set[str]:
    """Return the pods about which the copy of a guard warns."""
    return set(re.findall(rf"ValidatingAdmissionPolicy '{guard}-in-full'.*? pod \S+/(p-[0-9]+)\b", said))


def attempt(
    admin: Kubectl, namespace: str, made: list[Json], guards: list[str]
) -> tuple[set[str], dict[str, set[str]]]:
    """Try to create pods; return those that pass, and by guard those about which its copy warns.

    Raises AssertionError while a copy is not in effect yet: one of the two for sidecars is for other namespaces.
    """
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    done = admin.attempt(
        *("-n", namespace, "create", "--dry-run=server", "--validate=false", "-f", "-"),
        stdin=text,
    )
    assert "resulted in error" not in done.stderr, done.stderr
    warnings = {guard: warned(done.stderr, guard) for guard in guards}
    assert sum(map(bool, warnings.values())) == len(guards) - 1, done.stderr
    return set(re.findall(r"^pod/(p-[0-9]+) created", done.stdout, re.MULTILINE)), warnings


@pytest.mark.every_kubernetes
def test_no_pod_passes_that_the_guard_in_full_would_refuse(
    admin: Kubectl, spaces: dict[str, Json], in_full: list[str], kubernetes: str | None
) -> None:
    ways = ("by-label", "by-namespace")
    assert in_full == ["sovereignty-guard-every-pod", *(f"sovereignty-guard-sidecars-{way}" for way in ways)]
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    for namespace, pristine in spaces.items():
        changes = list(all_changes(pristine["spec"]))
        singles = chance.sample(changes, SOME) if kubernetes else changes
        made = [changed(pristine), *(changed(pristine, change) for change in singles)]
        made += [changed(pristine, *chance.choices(changes, k=2)) for _ in range(SOME if kubernetes else PAIRS)]
        made.append(changed(pristine))
        for number, each in enumerate(made):
            each["metadata"] |= {"name": f"p-{number}"}
            if number % 5 == 1 and number < len(made) - 1:
                kind, key, value = chance.choice(METADATA)
                each["metadata"].setdefault(kind, {})[key] = value
        crowd = {f"example.org/{number}": "" for number in range(2001)}
        made[-1]["metadata"] |= {"annotations": crowd, "labels": made[-1]["metadata"].get("labels", {}) | crowd}
        passed, warnings = eventually(
            lambda namespace=namespace, made=made: attempt(admin, namespace, made, in_full),  # type: ignore[misc]
            what="warnings of each copy",
        )
        assert "p-0" in passed
        assert len(passed) > len(made) / (8 if kubernetes else 4), f"seed {seed}"
        for guard, names in warnings.items():
            assert not passed & names, f"seed {seed}: {guard}"
