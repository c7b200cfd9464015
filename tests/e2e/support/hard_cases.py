"""Workloads whose pods a policy keeps off nodes in one way or another, by the namespace that they are for."""

from collections.abc import Iterator
from typing import Any, Final

from hack import estate
from hack.estate import REGION
from hack.kubectl import Json
from tests.e2e.support.fake_nodes import BREST, DEDICATED, INSIDE, OUTSIDE, PARIS
from tests.e2e.support.manifests import IMAGE, pod, sovereign, workload

HOST: Final = "kubernetes.io/hostname"
BATCH: Final = {"key": "dedicated", "operator": "Equal", "value": "batch", "effect": "NoSchedule"}
REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
APP: Final = {"labelSelector": {"matchLabels": {"app": "app"}}, "topologyKey": HOST}


def hard_cases(batch: str) -> dict[str, list[Json]]:
    """Return objects by the name of their namespace. ``batch``: a suffix for what is in no namespace."""
    return {
        "pinned": [*_pinned()],
        "selects": [*_selects()],
        "daemons": [*_daemons()],
        "volumes": [*_volumes(batch)],
        "room": [*_room()],
        "alone": [*_alone()],
        "kinds": [*_kinds()],
        "labels": [*_labels()],
        "decoys": [*_decoys()],
        "quota": [*_short_of_quota()],
        "unknown": [*_unknown()],
    }


def encrypted_cases() -> list[Json]:
    """Return workloads for a namespace whose policy encrypts."""

    def with_context(name: str, **context: Any) -> Json:
        return workload("Deployment", name, 1, containers=[_container(securityContext=context)])

    def with_memory(name: str, limit: str) -> Json:
        made = workload("Deployment", name, 1)
        made["spec"]["template"]["metadata"]["annotations"] = {"sovereignty.dev/sidecar-memory-limit": limit}
        return made

    reserved = {"cpu": "100m", "memory": "64Mi"}
    strange = _container(livenessProbe={"grpc": {"port": 9000}}, ports=[{"containerPort": 9000}])
    return [
        workload("Deployment", "plain", 2),
        workload("StatefulSet", "stateful", 2),
        workload("Deployment", "host-network", 1, hostNetwork=True),
        workload("StatefulSet", "host-pid", 1, hostPID=True),
        workload("Deployment", "shared", 1, shareProcessNamespace=True),
        with_context("net-admin", capabilities={"add": ["NET_ADMIN"]}),
        with_context("privileged", privileged=True),
        with_context("harmless", capabilities={"drop": ["ALL"]}),
        workload("Deployment", "probed", 1, containers=[strange]),
        workload("Deployment", "pinned", 1, nodeName=OUTSIDE[0]),
        workload("Deployment", "selects", 1, nodeSelector={HOST: OUTSIDE[0]}),
        workload("Job", "job", 1),
        workload("Job", "job-host-network", 1, hostNetwork=True),
        workload("Deployment", "guaranteed", 1, containers=[_container(resources={"limits": reserved})]),
        with_memory("little-memory", "64Mi"),
        with_memory("much-memory", "1Gi"),
    ]


def _container(**fields: Any) -> Json:
    return {"name": "app", "image": IMAGE, "command": ["sleep", "1000000"], **fields}


def _node_affinity(key: str, operator: str, *values: str) -> Json:
    expression = {"key": key, "operator": operator, "values": [*values]}
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}


def _pinned() -> Iterator[Json]:
    for kind in ("Deployment", "StatefulSet", "Job", "CronJob"):
        yield workload(kind, f"{kind.lower()}-outside", 1, nodeName=OUTSIDE[0])
        yield workload(kind, f"{kind.lower()}-inside", 1, nodeName=INSIDE[0])


def _selects() -> Iterator[Json]:
    accepted = (*INSIDE, DEDICATED, *estate.ACCEPTED)
    preference = {"matchExpressions": [{"key": HOST, "operator": "In", "values": [*OUTSIDE]}]}
    rules: dict[str, Json] = {
        "host-outside": {"nodeSelector": {HOST: OUTSIDE[1]}},
        "host-inside": {"nodeSelector": {HOST: INSIDE[1]}},
        "region-outside": {"nodeSelector": {REGION: PARIS}},
        "region-inside": {"nodeSelector": {REGION: BREST}},
        "required-outside": {"affinity": _node_affinity(HOST, "In", *OUTSIDE)},
        "required-one-of": {"affinity": _node_affinity(HOST, "In", OUTSIDE[0], INSIDE[0])},
        "required-elsewhere": {"affinity": _node_affinity(HOST, "NotIn", *accepted)},
        "required-label": {"affinity": _node_affinity("no-such-label", "Exists")},
        "prefers-outside": {"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 100, "preference": preference}]}}},
        "dedicated-repelled": {"nodeSelector": {"dedicated": "batch"}},
        "dedicated": {"nodeSelector": {"dedicated": "batch"}, "tolerations": [BATCH]},
    }
    for name, spec in rules.items():
        yield workload("Deployment", name, 2, **spec)
    yield workload("StatefulSet", "stateful-outside", 2, nodeSelector={REGION: PARIS})
    yield workload("Job", "job-outside", 2, nodeSelector={REGION: PARIS})


def _daemons() -> Iterator[Json]:
    yield workload("DaemonSet", "everywhere")
    yield workload("DaemonSet", "outside", nodeSelector={REGION: PARIS})
    yield workload("DaemonSet", "inside", nodeSelector={REGION: BREST})
    yield workload("DaemonSet", "nowhere", nodeSelector={"no-such-label": "x"})


def _volumes(batch: str) -> Iterator[Json]:
    """Yield workloads with claims that are bound to a volume of one node, or to none."""

    def mounting(kind: str, name: str, **volume: Any) -> Json:
        return workload(kind, name, 1, volumes=[{"name": "data", **volume}])

    for place, node in (("outside", OUTSIDE[0]), ("inside", INSIDE[0])):
        terms = _node_affinity(HOST, "In", node)["nodeAffinity"][REQUIRED]
        local = {"local": {"path": "/mnt"}, "nodeAffinity": {"required": terms}}
        # The second claim has the name that a StatefulSet's controller gives to the first one of its template.
        for claim in (place, f"data-database-{place}-0"):
            volume = f"journey-{claim}-{batch}"
            yield _of_cluster("v1", "PersistentVolume", volume, spec=local | _storage("capacity", ""))
            yield _claim(claim, volumeName=volume, storageClassName="")
        yield mounting("Deployment", f"volume-{place}", persistentVolumeClaim={"claimName": place})
        # A database that was there before its namespace was labelled, with its data on a disk of one node.
        database = workload("StatefulSet", f"database-{place}", 1)
        spec = _claim("data", storageClassName="")["spec"]
        database["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": spec}]
        yield database
    later = f"journey-{batch}"
    yield _of_cluster(
        "storage.k8s.io/v1",
        "StorageClass",
        later,
        provisioner="kubernetes.io/no-provisioner",
        volumeBindingMode="WaitForFirstConsumer",
    )
    yield _claim("never", storageClassName="no-such-class")
    yield _claim("later", storageClassName=later)
    for name in ("never", "later", "missing"):
        yield mounting("Deployment", name, persistentVolumeClaim={"claimName": name})
    unbound = {"spec": _claim("x", storageClassName="no-such-class")["spec"]}
    yield mounting("Deployment", "ephemeral", ephemeral={"volumeClaimTemplate": unbound})
    stateful = workload("StatefulSet", "stateful", 2)
    stateful["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}} | unbound]
    yield stateful
    yield mounting("DaemonSet", "daemon", persistentVolumeClaim={"claimName": "missing"})


def _storage(field: str, storage_class: str) -> Json:
    return {field: {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": storage_class}


def _of_cluster(version: str, kind: str, name: str, **fields: Any) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def _claim(name: str, **spec: Any) -> Json:
    requests = {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": requests | spec,
    }


def _room() -> Iterator[Json]:
    def on_port(name: str, port: int, replicas: int) -> Json:
        ports = [{"containerPort": 80, "hostPort": port}]
        return workload("Deployment", name, replicas, containers=[_container(ports=ports)])

    def large(name: str, cpu: str, replicas: int) -> Json:
        return workload("Deployment", name, replicas, containers=[_container(resources={"requests": {"cpu": cpu}})])

    yield large("larger-than-nodes", "1000", 1)
    yield large("for-one", "40", 2)
    yield on_port("more-than-nodes", 18081, len(INSIDE) + 2)
    yield on_port("one", 18082, 1)
    yield workload("StatefulSet", "gpu", 2, containers=[_container(resources={"limits": {"example.org/gpu": "1"}})])
    yield workload(
        "Deployment", "host-network", 2, hostNetwork=True, containers=[_container(ports=[{"containerPort": 18083}])]
    )


def _alone() -> Iterator[Json]:
    """Yield pods that no controller creates again, among them one whose owner is of a kind that nobody knows."""
    yield pod("bare")
    yield pod("bare-outside", nodeSelector={REGION: PARIS})
    yield pod("bare-inside", nodeSelector={REGION: BREST})
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": OWNER}}


OWNER: Final = "postgres"
"""The ConfigMap that stands for an object of another operator."""


def owned(uid: str) -> Iterator[Json]:
    """Yield pods of the object of another operator, given its uid."""
    for name, spec in {f"{OWNER}-1": {}, f"{OWNER}-2": {"nodeSelector": {REGION: BREST}}}.items():
        made = pod(name, **spec)
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": OWNER, "uid": uid, "controller": True}
        made["metadata"]["ownerReferences"] = [reference]
        yield made


def _kinds() -> Iterator[Json]:
    yield workload("Deployment", "zero", 0)
    yield workload("StatefulSet", "parallel", 3)
    ordered = workload("StatefulSet", "ordered", 3)
    ordered["spec"]["podManagementPolicy"] = "OrderedReady"
    yield ordered
    yield workload("Job", "job", 2)
    suspended = workload("Job", "suspended", 2)
    suspended["spec"]["suspend"] = True
    yield suspended
    yield workload("CronJob", "cron", 2)
    yield workload("Deployment", "replica-set", 2) | {"kind": "ReplicaSet"}
    controller = workload("Deployment", "controller", 2) | {"apiVersion": "v1", "kind": "ReplicationController"}
    controller["spec"]["selector"] = {"app": "controller"}
    yield controller


def _labels() -> Iterator[Json]:
    """Yield workloads whose templates name a policy already."""
    for name, policy in (("other", "hds"), ("same", "secnumcloud")):
        made = workload("Deployment", name, 1)
        made["spec"]["template"]["metadata"]["labels"]["sovereignty.dev/policy"] = policy
        yield made
    yield workload("Deployment", "claimed", 1)
    yield sovereign("claimed", policy="secnumcloud", workloadRef={"kind": "Deployment", "name": "claimed"})


def _decoys() -> Iterator[Json]:
    """Yield a workload, and objects beside it that change nothing."""
    yield workload("Deployment", "app", 3)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}
    scaled = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
    budget = {"minAvailable": 3, "selector": {"matchLabels": {"app": "app"}}}
    limits = {"limits": [{"type": "Container", "defaultRequest": {"cpu": "50m"}, "default": {"cpu": "1"}}]}
    for version, kind, spec in (
        ("autoscaling/v2", "HorizontalPodAutoscaler", scaled),
        ("policy/v1", "PodDisruptionBudget", budget),
        ("v1", "ResourceQuota", {"hard": {"pods": "20"}}),
        ("v1", "LimitRange", limits),
    ):
        yield {"apiVersion": version, "kind": kind, "metadata": {"name": "app"}, "spec": spec}


def _short_of_quota() -> Iterator[Json]:
    yield {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "2"}}}
    yield workload("Deployment", "app", 3)


def _unknown() -> Iterator[Json]:
    """Yield workloads of which no preview can tell what becomes of them."""
    spread = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule"} | {
        "labelSelector": APP["labelSelector"]
    }
    yield workload("Deployment", "spread", 2, topologySpreadConstraints=[spread])
    yield workload("Deployment", "apart", 2, affinity={"podAntiAffinity": {REQUIRED: [APP]}})
    yield workload("Deployment", "gated", 1, schedulingGates=[{"name": "example.org/wait"}])
    yield workload("Deployment", "scheduled-by-others", 1, schedulerName="nobody")
