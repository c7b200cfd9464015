"""Random clusters whose objects refer to each other and contain much junk."""

from copy import deepcopy
from random import Random
from typing import Any

from sovereign_operator.api.v1alpha1 import DEROGATION, KINDS, SOVEREIGN_WORKLOAD
from sovereign_operator.core import names
from tests.schema import schema_of
from tests.schema_values import some_value
from tests.unit import states

Json = dict[str, Any]

JUNK: tuple[Any, ...] = (
    *(None, 5, -1, 1e300, True, "", "x" * 300, "0000-01-01"),
    *([], {}, [None], [5], {"a": None}, {"a": {"b": []}}),
)
NAMES = ("a", "b")
NAMESPACE = "ns"
POLICY_LABELS = {names.POLICY_LABEL: "a", names.PLACED_LABEL: "a"}
POD_SPEC = {
    "nodeName": "a",
    "nodeSelector": {names.node_policy_label("a"): names.ACCEPTED},
    "containers": [{"name": "app", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
    "volumes": [{"name": "v", "projected": {"sources": [{"podCertificate": {"signerName": names.SIGNER}}]}}],
}
POD_STATUS = {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "Ready", "status": "True"}]}
OWNERS = ({"kind": "StatefulSet", "name": "db"}, {"kind": "ReplicaSet", "name": "records-77"})
APPROVAL = {"approvedBy": "bob", "approvedGeneration": 1}
RULE = {"apiGroups": [names.GROUP], "resources": ["nodes"], "verbs": ["host"], "resourceNames": ["a"]}


def metadata(name: str, **more: Any) -> Json:
    return {
        "name": name,
        "uid": f"uid-of-{name}",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    } | more


def spoilt(value: Any, random: Random) -> Any:
    """Return a value with random parts replaced by junk."""
    if random.random() < 0.04:
        return deepcopy(random.choice(JUNK))
    if isinstance(value, dict):
        return {key: spoilt(inner, random) for key, inner in value.items() if random.random() > 0.02}
    return [spoilt(inner, random) for inner in value] if isinstance(value, list) else value


def some_cluster(random: Random) -> states.Objects:
    """Return objects that refer to each other, with much junk. Their metadata are as an API server writes them."""
    found: dict[str, list[Json]] = {}
    for kind in KINDS:
        where = {"namespace": NAMESPACE} if kind is SOVEREIGN_WORKLOAD else {}
        found[kind.plural] = [
            {"metadata": metadata(name, **where), "spec": spoilt(some_value(schema_of(kind, "spec"), random), random)}
            for name in NAMES
        ]
    for one in found["datacentres"]:
        if isinstance(one["spec"], dict):
            one["spec"] |= {"serviceRef": {"name": "a"}, "nodes": spoilt([{"name": "a", "uid": "uid-of-a"}], random)}
    for one in found[DEROGATION.plural]:
        one["metadata"]["annotations"] = spoilt({names.REQUESTED_BY_ANNOTATION: "ann"}, random)
        one["status"] = spoilt(APPROVAL | {"approvedUID": f"uid-of-{one['metadata']['name']}"}, random)
        if isinstance(one["spec"], dict):
            one["spec"] |= {"policyRef": {"name": "a"}, "serviceRef": {"name": "a"}}
    for one in found[SOVEREIGN_WORKLOAD.plural]:
        one["status"] = {"conditions": [], **{part: spoilt({"uid": "u"}, random) for part in ("run", "lastWrite")}}
        if isinstance(one["spec"], dict):
            one["spec"] |= {"policyRef": spoilt({"name": "a"}, random)}
    built_in: dict[str, Json] = {
        "nodes": {"spec": {"providerID": "aws:///a", "taints": [{"key": "a", "effect": "NoSchedule"}]}},
        "pods": {"spec": POD_SPEC, "status": POD_STATUS},
        "clusterroles": {"rules": [RULE]},
    }
    labels = {"clusterroles": {names.HOST_ROLE_LABEL: "a"}, "pods": POLICY_LABELS, "nodes": {names.NODE_UID_LABEL: "a"}}
    for plural, content in built_in.items():
        where = {"namespace": NAMESPACE} if plural == "pods" else {}
        found[plural] = [
            {part: spoilt(inner, random) for part, inner in content.items()}
            | {"metadata": metadata(name, labels=labels.get(plural, {}), **where)}
            for name in NAMES
        ]
    judging = (names.ENFORCE_LABEL, names.WARN_LABEL, names.AUDIT_LABEL)
    named = {label: "a" for label in judging if random.random() < 0.5}
    found["namespaces"] = [{"metadata": metadata(NAMESPACE, labels=named)}]
    return found


POOL = {"nodeSelector": {"pool.node-restriction.kubernetes.io/name": "x"}, "providerIDs": ["aws:///a/"]}


def some_workload(name: str, random: Random) -> Json:
    """Return a workload with the types that an API server enforces; fields without a schema may contain anything."""
    labels = {"app": random.choice(("a", "")), names.POLICY_LABEL: random.choice(("a", "b", ""))}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    if random.random() < 0.3:
        spec = {"jobTemplate": {"spec": spec}, "schedule": "@daily"}
    return {"metadata": metadata(name, namespace=NAMESPACE, labels=labels), "spec": spec, "status": {}}


def sound_object(plural: str, name: str, random: Random) -> Json:
    """Return an object of a cluster in which nodes are accepted, pods run and workloads are in scope, more or less."""

    def some(*values: Any) -> Any:
        return random.choice(values)

    labels: dict[str, Json] = {
        "namespaces": some({}, {names.ENFORCE_LABEL: "a"}, {names.ENFORCE_LABEL: "b"})
        | some({}, {}, {names.WARN_LABEL: "b"}, {names.WARN_LABEL: "a", names.AUDIT_LABEL: "c"}),
        "clusterroles": {names.HOST_ROLE_LABEL: name},
        "pods": {"app": some("a", "b")} | some({}, {names.PLACED_LABEL: "a"}) | some({}, {names.POLICY_LABEL: "a"}),
        "nodes": some({}, {"zone": "x"}, {"zone": "x", names.NODE_UID_LABEL: f"uid-of-{name}"})
        | some({}, {}, POOL["nodeSelector"]),
    }
    qualification = {
        "id": "q",
        "scheme": "SecNumCloud",
        "version": "3.2",
        "status": some("Qualified", "Qualified", "Suspended"),
        "validUntil": some("2030-07-01", "2031-06-15"),
    }
    declared = [{"name": node, "uid": f"uid-of-{node}"} for node in NAMES if random.random() < 0.6]
    demand = {"scheme": "SecNumCloud", "minimumVersion": "3.2"}
    specs: dict[str, Json] = {
        "cloudservices": {
            "provider": some("Acme", "Hexa"),
            "service": name,
            "countries": ["FR"],
            "foreignLaws": some([], [], ["US"]),
            "qualifications": [qualification],
        },
        "datacentres": {"serviceRef": {"name": some(*NAMES)}, "country": "FR"}
        | ({"nodes": declared} if declared else {"nodeSelector": {"zone": "x"}})
        | some({}, {}, {"nodePools": [POOL | {"name": name}]}),
        "sovereigntypolicies": some({}, {"countries": ["FR"]}, {"qualifications": [demand]})
        | some({}, {"nodeEvidence": some("SelfAsserted", "PoolDeclared")}, {"certificateNamespaces": {"names": ["ns"]}})
        | some({}, {}, {}, {"encryptionInTransit": {"mode": "Permissive"}}),
        "derogations": {
            "policyRef": {"name": some(*NAMES)},
            "serviceRef": {"name": some(*NAMES)},
            "scheme": some("SecNumCloud", "SecNumCloud", "HDS"),
            "reason": "pilot",
            "until": some("2030-07-01", "2031-06-15"),
        },
        "sovereignworkloads": some(
            {"workloadRef": {"kind": some("Deployment", "Job"), "name": some(*NAMES)}},
            {"workloadRef": {"kind": some("Deployment", "Job"), "name": some(*NAMES)}},
            {"podSelector": {"matchLabels": {names.POLICY_LABEL: some(*NAMES)}}},
        )
        | some({}, {"policyRef": {"name": "a"}}, {"policyRef": {"name": "b"}}),
        "nodes": some({}, {"providerID": "aws:///a/i-1"}),
        "pods": POD_SPEC | {"nodeName": some("a", "b", "")},
    }
    where: Json = {"namespace": NAMESPACE} if plural in {"pods", "sovereignworkloads"} else {}
    if plural == "pods":
        where |= some({}, {"ownerReferences": [{"apiVersion": "apps/v1", "controller": True} | some(*OWNERS)]})
    found: Json = {"metadata": metadata(name, labels=labels.get(plural, {}), **where)}
    if plural == "clusterroles":
        return found | {"rules": [RULE]}
    if plural == "derogations":
        found["metadata"]["annotations"] = {names.REQUESTED_BY_ANNOTATION: "ann"}
        found["status"] = some(APPROVAL, APPROVAL | {"approvedBy": "ann"}, {}) | {"approvedUID": f"uid-of-{name}"}
    if plural == "pods":
        found["status"] = POD_STATUS | {"phase": some("Running", "Running", "Succeeded")}
    return found | ({"spec": specs[plural]} if plural in specs else {})
