"""No tool holds on to the files of the sidecar: backups leave them out, and no container of a restored pod gets them.

Cluster Autoscaler: https://github.com/linkerd/linkerd2/issues/4067, https://github.com/istio/istio/issues/19395
"""

import copy
from typing import Any

import pytest

from sovereign_operator.core.sidecar.probes import CannotInjectError
from tests.unit.sidecar.injected_pods import DEFAULT, EVICTS, EXCLUDES, Json, app, injected, pod


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "sovereignty-run"),
        ("", "sovereignty-run"),
        ("cache", "cache,sovereignty-run"),
        ("sovereignty-run,cache", "sovereignty-run,cache"),
        ("not-sovereignty-run", "not-sovereignty-run,sovereignty-run"),
    ],
)
@pytest.mark.parametrize(("key", "other"), [(EXCLUDES, EVICTS), (EVICTS, EXCLUDES)])
def test_tools_are_told_to_ignore_the_sidecars_files(before: str | None, after: str, key: str, other: str) -> None:
    made = pod()
    made["metadata"]["annotations"] = {"a": "b"} | ({} if before is None else {key: before})
    alone = {other: "sovereignty-run", DEFAULT: "app"}
    assert injected(made)["metadata"]["annotations"] == {"a": "b", key: after} | alone
    made["metadata"]["annotations"] = None
    assert injected(made)["metadata"]["annotations"] == {key: "sovereignty-run"} | alone


def restored(name: str, *volumes: str, **fields: Any) -> tuple[Json, Json]:
    """Return a pod with a sidecar, and the pod that a tool creates to restore these volumes."""
    made = injected(pod(volumes=[{"name": "data", "emptyDir": {}}]))
    mounts = [{"name": volume, "mountPath": f"/restores/{volume}"} for volume in volumes]
    waiting = app(name, volumeMounts=mounts, **fields)
    again = copy.deepcopy(made)
    again["spec"]["initContainers"].insert(0, waiting)
    return made, again


@pytest.mark.parametrize("name", ["restore-wait", "restic-wait"])
def test_a_backup_that_holds_the_sidecars_files_is_restored_without_them(name: str) -> None:
    before, again = restored(name, "data", "sovereignty-run", securityContext={"runAsUser": 1000})
    mounts = [{"name": "data", "mountPath": "/restores/data"}]
    before["spec"]["initContainers"].append(app(name, volumeMounts=mounts, securityContext={"runAsUser": 1000}))
    assert injected(again) == before
    assert injected(before) == before


def test_who_would_wait_for_nothing_but_the_sidecars_files_does_not_wait() -> None:
    before, again = restored("restore-wait", "sovereignty-run")
    again["spec"]["initContainers"][0]["volumeMounts"].append({"name": "token", "mountPath": "/var/run/secrets"})
    assert injected(again) == before


def test_a_restored_pod_without_files_of_the_sidecar_stays_as_it_is() -> None:
    before, again = restored("restore-wait", "data")
    before["spec"]["initContainers"].append(again["spec"]["initContainers"][0])
    assert injected(again) == before


def test_nobody_else_gets_at_the_sidecars_files() -> None:
    _, again = restored("restore-wait-too", "data", "sovereignty-run")
    with pytest.raises(CannotInjectError, match="container restore-wait-too mounts volume sovereignty-run"):
        injected(again)
