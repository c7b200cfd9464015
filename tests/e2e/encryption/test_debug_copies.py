"""What people do to pods with sidecars by kubectl: it works as before, or the refusal says what to do."""

import json
from collections.abc import Iterator
from itertools import product

import pytest

from hack import estate
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.sidecar.contract import TRANSIT_PREFIX, TRUST_PREFIX
from tests.e2e.support.manifests import IMAGE, pod
from tests.e2e.support.sidecars import as_written, encrypted, refusal, sidecar_of
from tests.e2e.support.spaces import Held, Space

DEBUGGER = (f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--quiet")
SLEEP = ("--", "sleep", "1000")
HTTP = {"httpGet": {"port": 8080, "path": "/up"}, "initialDelaySeconds": 1000}
POLICY = "sovereignty.dev/policy"
PLAIN = "secnumcloud"
"""A policy that does not encrypt."""
OFF = "hospital-off"


@pytest.fixture
def app(admin: Kubectl, space: Space, transit: str) -> str:
    """Create pod app in a namespace whose policy encrypts, and return the namespace once it runs."""
    namespace = space(transit)
    made = pod("app", labels={"app": "app"})
    made["spec"]["containers"][0]["livenessProbe"] = HTTP
    admin.create(made, namespace)
    admin.run("-n", namespace, "wait", "pod/app", "--for=condition=Ready", "--timeout=90s")
    return namespace


@pytest.fixture
def by_label(admin: Kubectl, roaming: Held) -> Iterator[Held]:
    """Create pod labelled, which names its policy, and return policy and namespace once it runs."""
    admin.create(pod("labelled", labels={POLICY: roaming.policy}), roaming.namespace)
    admin.run("-n", roaming.namespace, "wait", "pod/labelled", "--for=condition=Ready", "--timeout=90s")
    yield roaming
    admin.run("-n", roaming.namespace, "delete", "pods", "--all", "--wait=false")


def running(admin: Kubectl, namespace: str, name: str) -> Json:
    """Wait until all containers of a pod run, and return it."""

    def seen() -> Json:
        found = admin.get("pod", name, namespace)
        assert found["status"]["phase"] == "Running", found["status"]
        return found

    found = eventually(seen, seconds=90, what=f"pod {name} that runs")
    assert sidecar_of(found)
    return found


def test_kubectl_chooses_the_container_without_a_word(admin: Kubectl, app: str) -> None:
    for arguments in (("exec", "app", "--", "true"), ("logs", "app")):
        done = admin.attempt("-n", app, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments


def test_a_copy_that_shares_processes_is_told_the_option(admin: Kubectl, app: str) -> None:
    said = admin.refusal("-n", app, "debug", "app", "--copy-to=copy", *DEBUGGER, *SLEEP)
    assert "spec.shareProcessNamespace is true (kubectl debug: add --share-processes=false)" in said


def test_copies_run(admin: Kubectl, app: str) -> None:
    alone = "--share-processes=false"
    ways: dict[str, tuple[str, ...]] = {
        "copy": (alone, *DEBUGGER, *SLEEP),
        "without-initial": (alone, "--keep-init-containers=false", *DEBUGGER, *SLEEP),
        "other-image": (f"--set-image=*={IMAGE}",),
        "probed": (alone, "--keep-liveness=true", *DEBUGGER, *SLEEP),
        "restricted": (alone, "--profile=baseline", *DEBUGGER, *SLEEP),
    }
    for name, options in ways.items():
        admin.run("-n", app, "debug", "app", f"--copy-to={name}", *options)
    args = {name: (sidecar_of(running(admin, app, name)) or {}).get("args", []) for name in ways}
    probed = ["--probe=http://:8080/up"]
    assert args == {key: [] for key in ways} | {"probed": probed, "other-image": probed}


def test_a_copy_of_probes_without_the_sidecar_that_knows_them_is_refused(admin: Kubectl, app: str) -> None:
    options = ("--share-processes=false", "--keep-init-containers=false", "--keep-liveness=true")
    said = admin.refusal("-n", app, "debug", "app", "--copy-to=copy", *options, *DEBUGGER, *SLEEP)
    assert "leave the probes out, or copy the init containers, too" in said


def test_a_container_beside_it_sees_the_application_and_not_the_sidecar(admin: Kubectl, app: str) -> None:
    admin.run("-n", app, "debug", "app", "--target=idle", "--container=beside", *DEBUGGER, *SLEEP)

    def started() -> bool:
        statuses = admin.get("pod", "app", app)["status"].get("ephemeralContainerStatuses", ())
        return any("running" in each["state"] for each in statuses)

    eventually(started, what="a container for debugging")
    seen = admin.run("-n", app, "exec", "app", "-c", "beside", "--", "ps")
    assert "trap" in seen
    assert "envoy" not in seen
    said = admin.refusal("-n", app, "debug", "app", "--target=sovereignty-sidecar", *DEBUGGER, *SLEEP)
    assert "targetContainerName is sovereignty-sidecar" in said


def test_a_copy_that_no_policy_holds_is_refused_with_what_to_do(admin: Kubectl, by_label: Held) -> None:
    """Its sidecar would wait for a certificate without end."""
    options = ("debug", "labelled", "--share-processes=false", *DEBUGGER)
    said = admin.refusal("-n", by_label.namespace, *options, "--copy-to=lost", *SLEEP)
    assert "ValidatingAdmissionPolicy 'sovereignty-guard-every-pod'" in said
    assert "no policy holds this one" in said
    assert "kubectl debug --keep-labels" in said
    admin.run("-n", by_label.namespace, *options, "--copy-to=kept", "--keep-labels=true", *SLEEP)
    assert running(admin, by_label.namespace, "kept")["metadata"]["labels"][POLICY] == by_label.policy


def other_policy(made: Json, policy: str, other: str) -> Json:
    """Return a pod whose sidecar is as the injector writes it for another policy, as from another cluster."""
    text = json.dumps(made)
    for prefix in ("", TRUST_PREFIX, TRANSIT_PREFIX):
        text = text.replace(f'"{prefix}{policy}"', f'"{prefix}{other}"')
    found: Json = json.loads(text)
    found["spec"].pop("nodeSelector")
    return found


def test_a_pod_that_is_restored_where_its_policy_does_not_encrypt_is_refused_with_what_to_do(
    admin: Kubectl, space: Space, app: str, transit: str
) -> None:
    """No ConfigMap that its sidecar mounts comes there, so its kubelet would wait for them without end."""
    backed_up = as_written(admin.get("pod", "app", app))
    said = refusal(admin, other_policy(backed_up, transit, PLAIN), space(PLAIN))
    assert "ValidatingAdmissionPolicy 'sovereignty-guard-every-pod'" in said
    assert f"but policy {PLAIN}, which holds it here, does not" in said
    assert "restore its workload and not the pod" in said
    # Where the policy encrypts, it may come back under another name.
    again = backed_up | {"metadata": backed_up["metadata"] | {"name": "restored"}}
    assert not refusal(admin, again, app)


@pytest.fixture
def off(admin: Kubectl) -> Iterator[str]:
    """A policy whose encryption is Off: new pods get no sidecar, and those that have one are served."""
    admin.apply(estate.policy(admin, OFF, encryptionInTransit={"mode": "Off"}))
    eventually(lambda: encrypted(admin, OFF)["reason"] == "NotEncrypted", what="a policy in Off")
    yield OFF
    admin.delete("sovereigntypolicy", OFF)


def test_a_pod_that_is_restored_where_encryption_is_off_runs(
    admin: Kubectl, space: Space, app: str, transit: str, off: str
) -> None:
    """Its sidecar gets what it needs there."""
    namespace = space(off)
    admin.create(other_policy(as_written(admin.get("pod", "app", app)), transit, off), namespace)
    running(admin, namespace, "app")


def test_nobody_else_is_concerned(admin: Kubectl, space: Space, app: str) -> None:
    """Only a pod with the sidecar's container and volume is refused, and only where no policy holds it."""
    plain = space(None)
    first = {"name": "other", "image": IMAGE, "command": ["true"]}
    for name, volume in product(("other", "sovereignty-sidecar"), ("other", "sovereignty-identity")):
        made = pod("app", initContainers=[first | {"name": name}], volumes=[{"name": volume, "emptyDir": {}}])
        done = admin.attempt("-n", plain, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(made))
        refused = (name, volume) == ("sovereignty-sidecar", "sovereignty-identity")
        assert ("not in scope: pod" in done.stderr) is refused
    assert sidecar_of(admin.get("pod", "app", app))
