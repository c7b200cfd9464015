"""``preview`` of pods that mount volumes."""

from typing import Any

from tests.unit.cli.preview_files import ENFORCES, Asker, Json, deployment


def test_a_volume_in_another_place_holds_its_pod(ask: Asker) -> None:
    stateful = deployment("db") | {"kind": "StatefulSet"}
    stateful["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-db-0", "namespace": "hospital"},
        "spec": {"volumeName": "pv-1"},
    }
    zone = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["paris"]}]}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-1"},
        "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [zone]}}},
    }
    (row,) = ask(stateful, claim, volume, options=ENFORCES)["rows"]
    assert row["outcome"] == "hangs"
    assert "PersistentVolume pv-1 of claim data-db-0" in row["reason"]


def mounting(name: str, **volume: Any) -> Json:
    return deployment(name, volumes=[{"name": "data", **volume}])


def claim(name: str, **spec: Any) -> Json:
    metadata = {"name": name, "namespace": "hospital"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def test_claims_that_are_not_bound(ask: Asker) -> None:
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}}
    ephemeral = {"volumeClaimTemplate": {"spec": {"storageClassName": "slow"}}}
    rows = ask(
        storage,
        claim("waits", storageClassName="fast"),
        claim("never", storageClassName="slow"),
        mounting("gone", persistentVolumeClaim={"claimName": "gone"}),
        mounting("later", persistentVolumeClaim={"claimName": "waits"}),
        mounting("never", persistentVolumeClaim={"claimName": "never"}),
        mounting("ephemeral", ephemeral=ephemeral),
        options=ENFORCES,
    )["rows"]
    found = {row["workload"]: (row["outcome"], row["reason"]) for row in rows}
    assert found["Deployment/gone"] == ("hangs", "claim gone does not exist: its pods wait until somebody creates it")
    assert found["Deployment/later"][0] == "cannot tell"
    assert found["Deployment/never"][0] == "hangs"
    assert "there is no StorageClass slow" in found["Deployment/never"][1]
    assert found["Deployment/ephemeral"][0] == "hangs"
    assert "claim of volume data cannot be bound" in found["Deployment/ephemeral"][1]


def test_without_a_storage_class_in_the_files_nothing_is_known_of_any(ask: Asker) -> None:
    made = claim("data", storageClassName="slow"), mounting("db", persistentVolumeClaim={"claimName": "data"})
    assert ask.outcomes(*made, options=ENFORCES)["Deployment/db"] == ("creation", "cannot tell")
