"""Pods of operators and of Kubernetes' documentation, as a real API server takes them with and without a sidecar."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hack.kubectl import Json, Kubectl
from sovereign_operator.core import names
from sovereign_operator.core.sidecar import contract as sidecar
from tests.e2e.support.spaces import Space
from tests.pods_of_others import REFUSED, as_pod, list_pods, without_targets

REMEDY = "run the pod where no policy with encryption is in effect"
ELSEWHERE = {"documentation/pods/pod-nginx-specific-node.yaml": "leave spec.nodeName out and let the scheduler choose"}
"""What else the message advises."""


def named_pods() -> dict[str, Json]:
    """Return all pods by name of a test, without what only their own cluster has."""
    made = {}
    for number, spec in enumerate(list_pods().values()):
        kept = {key: value for key, value in spec.items() if key not in {"serviceAccountName", "hostname", "subdomain"}}
        # Otherwise each would get a volume for its token, with a name that nobody knows beforehand.
        kept["automountServiceAccountToken"] = False
        for container in [*kept["containers"], *kept.get("initContainers", ())]:
            container.setdefault("image", "app")
        made[f"p-{number}"] = as_pod(kept, f"p-{number}")
    return made


def created(admin: Kubectl, pods: dict[str, Json], namespace: str) -> dict[str, Json]:
    """Return the pods as they would be created, without those that are refused."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(pods.values())})
    done = admin.attempt("-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=listed)
    return {found["metadata"]["name"]: found for found in one_by_one(done.stdout)}


def one_by_one(text: str) -> Iterator[Json]:
    """Yield the objects of a text in which one follows the other."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].lstrip()


def refusal(admin: Kubectl, pod: Json, namespace: str) -> str:
    """Return why one pod would be refused."""
    done = admin.attempt("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    assert done.returncode
    return done.stderr


def of_its_own(pod: Json) -> Any:
    """Return the spec of a pod without what the policy and the sidecar add and change."""
    spec = copy.deepcopy(pod["spec"])
    for field, ours in (("initContainers", (sidecar.CONTAINER,)), ("volumes", sidecar.VOLUMES)):
        spec[field] = [each for each in spec.get(field, ()) if each["name"] not in ours]
    selector = spec.get("nodeSelector", {})
    spec["nodeSelector"] = {key: value for key, value in selector.items() if not key.startswith(PREFIX)}
    # Room for the sidecar; another test compares how much.
    spec.pop("resources", None)
    return without_targets(spec)


PREFIX = names.node_policy_label("")


def test_they_are_as_before_with_a_sidecar_or_are_told_what_to_change(
    admin: Kubectl, space: Space, transit: str
) -> None:
    pods, encrypting = named_pods(), space(transit)
    called = dict(zip(pods, list_pods(), strict=True))
    before = created(admin, pods, space(None))
    assert {called[name] for name in pods.keys() - before.keys()} == set()
    after = created(admin, pods, encrypting)
    assert {called[name] for name in pods.keys() - after.keys()} == set(REFUSED)
    for name, found in after.items():
        assert sidecar.container_of(found), called[name]
        assert of_its_own(found) == of_its_own(before[name]), called[name]
        usual = before[name]["status"]["qosClass"]
        assert found["status"]["qosClass"] == {"BestEffort": "Burstable"}.get(usual, usual), called[name]
    for name in pods.keys() - after.keys():
        said = refusal(admin, pods[name], encrypting)
        assert REFUSED[called[name]] in said, said
        assert ELSEWHERE.get(called[name], REMEDY) in said, said
