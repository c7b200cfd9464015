"""Removing or changing the operator's admission policies, as only a cluster admin may, and restoring them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hack.kubectl import Json, Kubectl, eventually

BY_NAMESPACE, BY_LABEL = "sovereignty-guard-pods-by-namespace", "sovereignty-guard-pods-by-label"
NODES = "sovereignty-guard-nodes"
VALIDATING, MUTATING = "validatingadmissionpolicy", "mutatingadmissionpolicy"
WEBHOOKS, WEBHOOKS_KIND = "sovereign-injector", "mutatingwebhookconfiguration"
PLACE, STAMP = "sovereignty-place-pods-by-namespace", "sovereignty-stamp-requester"
"""What the API server itself writes into objects, unless the injector does."""


def bare(obj: Json) -> Json:
    """Return an object as a client would send it to create it again."""
    kept = {key: obj["metadata"][key] for key in ("name", "labels", "annotations") if key in obj["metadata"]}
    return {key: value for key, value in obj.items() if key != "status"} | {"metadata": kept}


def put_back(admin: Kubectl, obj: Json) -> None:
    """Create an object again. A binding, as Helm does: it would find a conflict in the fields of another manager."""
    if obj["kind"].endswith("Binding"):
        admin.apply(bare(obj), options=("--server-side", "--field-manager=helm"))
    else:
        admin.create(bare(obj))


@contextmanager
def without_bindings(admin: Kubectl, *names: str) -> Iterator[None]:
    """Delete bindings of admission policies by name, and create them again at the end."""
    kinds = [f"{VALIDATING if '-guard-' in name else MUTATING}binding" for name in names]
    found = [admin.get(kind, name) for kind, name in zip(kinds, names, strict=True)]
    for kind, name in zip(kinds, names, strict=True):
        admin.delete(kind, name)
    try:
        yield
    finally:
        for binding in found:
            put_back(admin, binding)


@contextmanager
def without_webhooks(admin: Kubectl) -> Iterator[None]:
    """Delete the injector's webhooks, and create them again at the end."""
    found = admin.get(WEBHOOKS_KIND, WEBHOOKS)
    admin.delete(WEBHOOKS_KIND, WEBHOOKS)
    try:
        yield
    finally:
        admin.create(bare(found))


@contextmanager
def restored(admin: Kubectl, *which: tuple[str, str]) -> Iterator[None]:
    """Create objects again at the end that are gone then. ``which``: their kinds, each with a label selector."""
    found = [(kind, obj) for kind, selector in which for obj in admin.list(kind, "", selector)]
    try:
        yield
    finally:
        for kind, obj in found:
            if obj["metadata"]["name"] not in {left["metadata"]["name"] for left in admin.list(kind)}:
                put_back(admin, obj)


def injector_places(admin: Kubectl) -> bool:
    """Return whether the injector writes what places objects, as on a Kubernetes without MutatingAdmissionPolicy."""
    webhooks = [webhook for found in admin.list(WEBHOOKS_KIND) for webhook in found["webhooks"]]
    return any(webhook["name"].endswith(".placement.sovereignty.dev") for webhook in webhooks)


@contextmanager
def without_placement(admin: Kubectl) -> Iterator[str]:
    """Have nothing written into pods of namespaces with a policy. Yield how the guard calls what is missing."""
    if injector_places(admin):
        with without_webhooks(admin):
            yield f"MutatingWebhookConfiguration {WEBHOOKS}"
    else:
        with without_bindings(admin, PLACE):
            yield PLACE


@contextmanager
def without_stamp(admin: Kubectl) -> Iterator[None]:
    """Have nobody write who requested a SovereignWorkload, nor look whether it was written."""
    with ExitStack() as stack:
        if injector_places(admin):
            stack.enter_context(without_webhooks(admin))
            stack.enter_context(without_bindings(admin, "sovereignty-guard-requester"))
        else:
            stack.enter_context(without_bindings(admin, STAMP))
        yield


@contextmanager
def changed_policy(admin: Kubectl, kind: str, name: str, **spec: object) -> Iterator[None]:
    """Change fields of an admission policy's spec, and restore them at the end."""
    before = bare(admin.get(kind, name))
    _replace(admin, before | {"spec": before["spec"] | spec})
    try:
        yield
    finally:
        _replace(admin, before)


def _replace(admin: Kubectl, policy: Json) -> None:
    """Replace an admission policy. The API server writes its status after each change, which conflicts."""
    words = ("replace", "-f", "-")
    eventually(lambda: admin.run(*words, stdin=json.dumps(policy)), what=f"{policy['metadata']['name']} replaced")


def refused_change(person: Kubectl, namespace: str, thing: str, change: Json, *way: str) -> str:
    """Try a change to an object (``pod/name``) as a dry run, and return why it was refused; empty if it was not."""
    words = ("patch", thing, "--type=merge", "--dry-run=server", "-p", json.dumps(change), *way)
    done = person.attempt("-n", namespace, *words)
    return done.stderr.strip() if done.returncode else ""


def force(admin: Kubectl, pod: Json, namespace: str) -> None:
    """Create a pod exactly as given, with the placement and guard bindings removed."""
    manifest = json.dumps(pod)
    attempt = ("-n", namespace, "create", "-f", "-")
    with without_placement(admin):
        # A deleted binding stays in effect for some moments.
        eventually(
            lambda: "not placed" in admin.attempt(*attempt, "--dry-run=server", stdin=manifest).stderr,
            what="refusal of a pod that is not placed",
        )
        with without_bindings(admin, BY_NAMESPACE):
            eventually(lambda: admin.run(*attempt, stdin=manifest), seconds=20, what="the pod without guards")
