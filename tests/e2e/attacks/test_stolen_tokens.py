"""What a thief can do with the token of a process: only this process's own work, without any privilege escalation."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest
import yaml

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar.contract import LISTENERS_KEY
from sovereign_operator.kube.objects.agent_report import report_of
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import NOBODY, pod, workload
from tests.e2e.support.spaces import Space
from tests.orders import FORGED, largest, told

INSIDE = "brest-1"

OWNER = {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "SovereignWorkload", "controller": True} | {
    key: NOBODY[key] for key in ("name", "uid")
}
TAINT = {"key": "example.org/x", "effect": "NoExecute"}
OUR_TAINT = "sovereignty.dev/not-accepted"
NOWHERE = {"example.org/x": "nowhere"}
NODE_LABEL = "policy.sovereignty.node-restriction.kubernetes.io/"


def part(kind: str, name: str, version: str = "v1", **fields: Any) -> Json:
    """Return a partial object for a server-side apply. ``metadata`` contains its fields other than the name."""
    metadata = {"name": name} | fields.pop("metadata", {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def role(name: str, *rules: Json, **labels: str) -> Json:
    """Return a ClusterRole."""
    rbac = "rbac.authorization.k8s.io/v1"
    metadata = {"labels": {key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()}}
    return part("ClusterRole", name, rbac, metadata=metadata, rules=list(rules))


def may(verb: str, resource: str, *, group: str = "sovereignty.dev", names: tuple[str, ...] = ()) -> Json:
    """Return a rule of a ClusterRole."""
    rule: Json = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    return rule | ({"resourceNames": list(names)} if names else {})


def role_binding(name: str, role: str, subject: str) -> Json:
    """Return a ClusterRoleBinding to a service account of the operator's namespace."""
    rbac = "rbac.authorization.k8s.io"
    ref = {"apiGroup": rbac, "kind": "ClusterRole", "name": role}
    subjects = [{"kind": "ServiceAccount", "name": subject, "namespace": NAMESPACE}]
    return part("ClusterRoleBinding", name, f"{rbac}/v1", roleRef=ref, subjects=subjects)


OURS = "sovereignty:host:secnumcloud"
HOST = may("host", "nodes", names=(INSIDE,))
EXISTS = may("enforce", "sovereigntypolicies", names=("evil",))


def deployment(**metadata: Any) -> Json:
    """Return a Deployment with forged metadata."""
    made = workload("Deployment", "made")
    return made | {"metadata": made["metadata"] | metadata}


def changed(kind: str, **pod_spec: Any) -> Json:
    """Return a part of an existing workload, with a change in its pod template."""
    template = {"spec": pod_spec}
    spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    return part(kind, "others", "batch/v1" if kind == "CronJob" else "apps/v1", spec=spec)


def labelled(kind: str, on_object: str | None, on_pods: str | None) -> Json:
    """Return a part of an existing workload with policy labels on the workload and on its pods."""
    found = [{"labels": {"sovereignty.dev/policy": policy}} if policy else {} for policy in (on_object, on_pods)]
    return part(kind, "others", "apps/v1", metadata=found[0], spec={"template": {"metadata": found[1]}})


EVIL = {"containers": [{"name": "idle", "image": "example.org/evil"}]}


@dataclass(frozen=True)
class Theft:
    """A request that RBAC cannot tell from the controller's own work, and that ``guard`` refuses."""

    guard: str
    body: Json
    namespace: str = "{enforced}"
    """Which of the test's namespaces; by default the one with the existing pods and workloads."""
    verb: str = "apply"

    def words(self, space: str) -> tuple[str, ...]:
        """Return the arguments of kubectl. Only a server-side apply works without the right to get."""
        apply = ("apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-")
        verb = apply if self.verb == "apply" else ("delete", "-f", "-")
        return ("-n", space, *verb, "--dry-run=server", f"--as=system:serviceaccount:{NAMESPACE}:sovereign-controller")


ROLES, MARKS, WORKLOADS = (f"sovereignty-guard-controller-{part}" for part in ("roles", "marks", "workloads"))

THEFTS = {
    "write another role": Theft(ROLES, role("evil")),
    "delete another role": Theft(ROLES, role("view"), verb="delete"),
    "have a policy's role say something else": Theft(ROLES, role(OURS, may("patch", "nodes", group=""))),
    "have a policy accept every node": Theft(ROLES, role("sovereignty:host:evil", EXISTS, may("host", "nodes"))),
    "have a role speak for another policy": Theft(ROLES, role("sovereignty:host:other", EXISTS)),
    "hide a rule among many": Theft(
        ROLES, role("sovereignty:host:evil", EXISTS, *[HOST] * 9000, may("patch", "nodes", group=""))
    ),
    "have a role aggregated into those of people": Theft(
        ROLES, role("sovereignty:host:evil", EXISTS, rbac_authorization_k8s_io__aggregate_to_view="true")
    ),
    "give a policy's role to a process": Theft(ROLES, role_binding(OURS, OURS, "sovereign-injector")),
    "give another role by that name": Theft(ROLES, role_binding("sovereignty:host:evil", OURS, "policy-evil")),
    "write a workload that runs the cluster": Theft(WORKLOADS, workload("DaemonSet", "evil"), "kube-system"),
    "write a workload that nobody asked for": Theft(WORKLOADS, deployment()),
    "write one where nobody said so": Theft(WORKLOADS, deployment(ownerReferences=[OWNER]), "{free}"),
    "keep one from ending": Theft(WORKLOADS, deployment(ownerReferences=[OWNER], finalizers=["example.org/x"])),
    "change what others run": Theft(WORKLOADS, changed("Deployment", **EVIL)),
    "change as whom others run": Theft(WORKLOADS, changed("CronJob", serviceAccountName="more")),
    "change where others run": Theft(WORKLOADS, changed("Deployment", nodeSelector={"example.org/x": "y"})),
    "have a DaemonSet of others run nowhere": Theft(
        WORKLOADS, changed("DaemonSet", nodeSelector=NOWHERE | {f"{NODE_LABEL}hds": "none"}), "{free}"
    ),
    "have it run nowhere where a policy holds": Theft(
        WORKLOADS, changed("DaemonSet", nodeSelector=NOWHERE | {f"{NODE_LABEL}hds": "accepted"})
    ),
    "hold what others run to a policy that is not theirs": Theft(WORKLOADS, labelled("Deployment", "hds", "hds")),
    "hold pods to it in secret": Theft(WORKLOADS, labelled("Deployment", None, "secnumcloud"), "{free}"),
    "say of pods that they are held to another": Theft(
        WORKLOADS, labelled("DaemonSet", "secnumcloud", "hds"), "{free}"
    ),
    "keep pods of others from ending": Theft(
        WORKLOADS,
        part(
            "Deployment",
            "others",
            "apps/v1",
            spec={"template": {"metadata": {"finalizers": ["example.org/stay"]}}},
        ),
    ),
    "scale what others run": Theft(WORKLOADS, part("Deployment", "others", "apps/v1", spec={"replicas": 5})),
    "own what others run": Theft(
        WORKLOADS, part("Deployment", "others", "apps/v1", metadata={"ownerReferences": [OWNER]})
    ),
    "change what a pod runs": Theft(MARKS, part("Pod", "waiting", spec=EVIL)),
    "label a pod": Theft(MARKS, part("Pod", "waiting", metadata={"labels": {"example.org/x": "y"}})),
    "have a node collected": Theft(MARKS, part("Node", INSIDE, metadata={"ownerReferences": [NOBODY]})),
    "annotate a node for others": Theft(MARKS, part("Node", INSIDE, metadata={"annotations": {"example.org/x": "y"}})),
    "label a node for others": Theft(MARKS, part("Node", INSIDE, metadata={"labels": {"example.org/x": "y"}})),
    "keep pods from a node": Theft(MARKS, part("Node", INSIDE, spec={"unschedulable": True})),
    "taint a node": Theft(MARKS, part("Node", INSIDE, spec={"taints": [TAINT]})),
    "evict everybody from a node": Theft(
        MARKS, part("Node", INSIDE, spec={"taints": [{"key": OUR_TAINT, "effect": "NoExecute"}]})
    ),
    "keep new pods from a node": Theft(
        MARKS, part("Node", INSIDE, spec={"taints": [{"key": OUR_TAINT, "effect": "NoSchedule"}]})
    ),
    "say something by a taint": Theft(
        MARKS, part("Node", INSIDE, spec={"taints": [{"key": OUR_TAINT, "effect": "PreferNoSchedule", "value": "x"}]})
    ),
    "tell applications": Theft(MARKS, part("ConfigMap", "app", data={"x": "y"})),
    "tell the cluster": Theft(MARKS, part("ConfigMap", "sovereignty-transit.x", data={}), "kube-system"),
    # All others are tried in tests/chart/test_orders.py.
    **{
        f"have sidecars {what}": Theft(
            MARKS, part("ConfigMap", "sovereignty-transit.x", data={LISTENERS_KEY: FORGED[what]})
        )
        for what in ("fetch a filter", "log the keys of TLS", "read another file", "spell it without quotes")
    },
}


Attempt = tuple[tuple[str, ...], str]
"""The arguments of kubectl, and its standard input."""


@pytest.mark.parametrize("guard", [ROLES, MARKS, WORKLOADS])
def test_who_has_the_controllers_token_can_do_no_more_than_it_does(admin: Kubectl, space: Space, guard: str) -> None:
    """RBAC allows all of these: without the guard they succeed."""
    spaces = {"enforced": space(), "free": space(None)}
    admin.create(pod("waiting", schedulerName="nobody"), spaces["enforced"])
    for kind, where in (("Deployment", "enforced"), ("CronJob", "enforced"), ("Deployment", "free")):
        admin.create(workload(kind, "others", replicas=0), spaces[where])
    for namespace in spaces.values():
        admin.create(workload("DaemonSet", "others", nodeSelector=NOWHERE), namespace)
    attempts = {
        name: (theft.words(theft.namespace.format(**spaces)), json.dumps(theft.body))
        for name, theft in THEFTS.items()
        if theft.guard == guard
    }
    for name, attempt in attempts.items():
        assert f"ValidatingAdmissionPolicy '{guard}'" in refused(admin, attempt), name
    with without_bindings(admin, guard):
        for attempt in attempts.values():
            allowed(admin, attempt)


def test_the_largest_orders_that_a_policy_can_need_are_no_theft(admin: Kubectl, space: Space) -> None:
    """The guard would refuse a transit config that is too large for it to check."""
    orders = told(EncryptionMode.STRICT, 12345, **largest())
    theft = Theft(MARKS, part("ConfigMap", "sovereignty-transit.x", data=orders))
    admin.run(*theft.words(space()), stdin=json.dumps(theft.body))


def refused(admin: Kubectl, attempt: Attempt) -> str:
    """Return why a request is refused. A guard that a test removed takes effect again a moment after its binding."""
    words, stdin = attempt
    return eventually(lambda: admin.refusal(*words, stdin=stdin), seconds=20, what="a refusal")


def allowed(admin: Kubectl, attempt: Attempt) -> None:
    """Check that a request succeeds, at the latest when the API server has noticed that the guard is gone."""
    words, stdin = attempt
    eventually(lambda: admin.run(*words, stdin=stdin), seconds=20, what="success without the guard")


@dataclass(frozen=True)
class Request:
    """A request to the API server. RBAC checks it before anything checks that the object exists."""

    method: str
    path: str
    body: Json | None = None


ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CERTIFICATES = "/apis/certificates.k8s.io/v1"
OURS_API = "/apis/sovereignty.dev/v1alpha1"
GUARDS = tuple(
    f"{way}{kind}"
    for way in ("mutating", "validating")
    for kind in ("webhookconfigurations", "admissionpolicies", "admissionpolicybindings")
)
SYSTEM, OWN, USER = ("/api/v1/namespaces/" + name for name in ("kube-system", NAMESPACE, "default"))
ESCALATION = role("sovereignty:host:x", may("escalate", "clusterroles", group="rbac.authorization.k8s.io"))

WAYS_UP = {
    "read a Secret": Request("GET", f"{SYSTEM}/secrets/x"),
    "read every Secret": Request("GET", "/api/v1/secrets"),
    "get a token": Request("POST", f"{SYSTEM}/serviceaccounts/default/token", {}),
    "get a token of another process": Request("POST", f"{OWN}/serviceaccounts/sovereign-migration/token", {}),
    "make an account": Request("POST", f"{OWN}/serviceaccounts", part("ServiceAccount", "x")),
    "write a role": Request("POST", f"{RBAC}/namespaces/{NAMESPACE}/roles", {}),
    "bind a role": Request("POST", f"{RBAC}/namespaces/kube-system/rolebindings", {}),
    "bind more than it has": Request("POST", f"{RBAC}/clusterrolebindings", role_binding(OURS, "cluster-admin", "x")),
    "grant more than it has": Request("POST", f"{RBAC}/clusterroles", ESCALATION),
    "run a pod": Request("POST", f"{SYSTEM}/pods", pod("x")),
    "enter a container": Request("POST", f"{USER}/pods/x/exec"),
    "attach to a container": Request("POST", f"{USER}/pods/x/attach"),
    "forward a port": Request("POST", f"{USER}/pods/x/portforward"),
    "add a container to a pod": Request("PATCH", f"{USER}/pods/x/ephemeralcontainers", {}),
    "resize a pod": Request("PATCH", f"{USER}/pods/x/resize", {}),
    "say how a pod does": Request("PATCH", f"{USER}/pods/x/status", {}),
    "bind a pod to a node": Request("POST", f"{USER}/pods/x/binding", {}),
    "evict a pod": Request("POST", f"{USER}/pods/x/eviction", {}),
    "delete a pod": Request("DELETE", f"{USER}/pods/x"),
    "delete pods": Request("DELETE", f"{USER}/pods"),
    "make a node": Request("POST", "/api/v1/nodes", part("Node", "x")),
    "delete a node": Request("DELETE", f"/api/v1/nodes/{INSIDE}"),
    "say how a node does": Request("PATCH", f"/api/v1/nodes/{INSIDE}/status", {}),
    "ask a kubelet": Request("GET", f"/api/v1/nodes/{INSIDE}/proxy/pods"),
    "put a namespace out of scope": Request("PATCH", USER, {}),
    "delete a namespace": Request("DELETE", USER),
    "delete a workload": Request("DELETE", "/apis/apps/v1/namespaces/default/deployments/x"),
    "approve a certificate": Request("PATCH", f"{CERTIFICATES}/certificatesigningrequests/x/approval", {}),
    "issue a certificate": Request("PATCH", f"{CERTIFICATES}/certificatesigningrequests/x/status", {}),
    "change a kind": Request("PATCH", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x", {}),
    "change what people ask for": Request("PATCH", f"{OURS_API}/namespaces/default/sovereignworkloads/x", {}),
    "change what people create from": Request("PATCH", f"{OWN}/configmaps/sovereign-seed", {}),
    "answer for the API server": Request("POST", "/apis/apiregistration.k8s.io/v1/apiservices", {}),
    "read what the API server does": Request("GET", "/debug/pprof/"),
    **{f"change {kind}": Request("PATCH", f"{ADMISSION}/{kind}/x", {}) for kind in GUARDS},
    **{f"delete {kind}": Request("DELETE", f"{ADMISSION}/{kind}/x") for kind in GUARDS},
    **{
        f"change {kind}": Request("PATCH", f"{OURS_API}/{kind}/x", {})
        for kind in ("cloudservices", "datacentres", "sovereigntypolicies")
    },
}


@pytest.mark.parametrize("process", ["controller", "signer", "injector", "agent", "seed"])
def test_no_process_holds_a_right_that_leads_further(cluster: Cluster, admin: Kubectl, process: str) -> None:
    token = admin.run("-n", NAMESPACE, "create", "token", f"sovereign-{process}").strip()
    ask = asking(cluster, token)
    assert ask(Request("GET", "/version")) == HTTPStatus.OK
    assert {way for way, request in WAYS_UP.items() if ask(request) != HTTPStatus.FORBIDDEN} == set()
    everybody = {"Impersonate-User": "x", "Impersonate-Group": "system:masters"}
    assert ask(Request("GET", "/api/v1/nodes"), everybody) == HTTPStatus.FORBIDDEN


MINE, THEIRS = "lyon-1", "brest-1"
CONFIG_MAPS = f"{OWN}/configmaps"


def report(uid: str, name: str = f"agent.{MINE}", node: str = MINE, **changes: Any) -> Request:
    """Return the request with which a node's agent writes its report, with changes. ``uid`` is the node's."""
    body = report_of(NAMESPACE, node, uid, "x hds 1 10.0.0.1")
    body["metadata"] |= {"name": name} | changes.pop("metadata", {})
    return Request("APPLY", f"{CONFIG_MAPS}/{name}", body | changes)


def made(uid: str, **metadata: Any) -> Request:
    """Return the request with which a node's agent creates its report, with changed metadata. The report may exist
    already.
    """
    body = report_of(NAMESPACE, MINE, uid, "x hds 1 10.0.0.1")
    return Request("POST", CONFIG_MAPS, body | {"metadata": body["metadata"] | metadata})


def test_an_agents_token_writes_nothing_but_what_this_agent_says(cluster: Cluster, admin: Kubectl) -> None:
    """RBAC allows all of these: without the guard they succeed."""
    agents = admin.list("pods", NAMESPACE, "app.kubernetes.io/component=agent")
    (agent,) = (pod["metadata"]["name"] for pod in agents if pod["spec"]["nodeName"] == MINE)
    secrets = "/var/run/secrets/kubernetes.io/serviceaccount"
    ask = asking(cluster, admin.run("-n", NAMESPACE, "exec", agent, "--", "cat", f"{secrets}/token").strip())
    mine, theirs = (str(admin.get("node", node)["metadata"]["uid"]) for node in (MINE, THEIRS))
    thefts = {
        "speak for another node": report(theirs, f"agent.{THEIRS}", THEIRS),
        "speak for another node under its own name": report(theirs, node=THEIRS, name=f"agent.{MINE}"),
        "speak for a node that was here before": report("another-uid"),
        "write elsewhere what it says": report(mine, f"agent.{THEIRS}"),
        "say whom the API server trusts": report(mine, "sovereign-injector-ca"),
        "say it by a label": report(mine, metadata={"labels": {"sovereignty.dev/transit-of": "x"}}),
        "list other guards": report(mine, "sovereign-guards-x", metadata={"labels": {"sovereignty.dev/guards": "x"}}),
        "belong to nobody": made(mine, ownerReferences=[]),
        "a finalizer": report(mine, metadata={"finalizers": ["example.org/stay"]}),
        "be fixed": report(mine, immutable=True),
        "carry something else": report(mine, data={"ca.crt": "x"}),
        "be too large": report(mine, data={"pods": "x" * 300_000}),
        "have its name made": made(mine, name=None, generateName=f"agent.{MINE}"),
    }
    done = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.CONFLICT}
    assert ask(report(mine)) in done
    assert {name for name, theft in thefts.items() if ask(theft) != HTTPStatus.FORBIDDEN} == set()
    # A token that is not bound to a pod does not name a node, so it may not write any report.
    unbound = asking(cluster, admin.run("-n", NAMESPACE, "create", "token", "sovereign-agent").strip())
    assert unbound(report(mine)) == HTTPStatus.FORBIDDEN
    with without_bindings(admin, "sovereignty-guard-agent", "sovereignty-guard-transit"):
        for name, theft in thefts.items():
            eventually(lambda theft=theft: ask(theft) in done, seconds=20, what=name)  # type: ignore[misc]


def shipped(admin: Kubectl, name: str, **changes: Any) -> Request:
    """Return the request that creates an object of the chart, with changes of its spec."""
    text = admin.get("configmap", "sovereign-seed", NAMESPACE)["data"]["objects.json"]
    body = next(obj for obj in json.loads(text)["items"] if obj["metadata"]["name"] == name)
    return Request("POST", f"{OURS_API}/sovereigntypolicies", body | {"spec": body["spec"] | changes})


def test_the_seeds_token_creates_nothing_but_what_the_chart_ships(cluster: Cluster, admin: Kubectl) -> None:
    """The kubelet of the node on which the seed's pod ended can get this token. RBAC allows all of these."""
    ask = asking(cluster, admin.run("-n", NAMESPACE, "create", "token", "sovereign-seed").strip())
    policy = shipped(admin, "hds")
    record, before = f"{CONFIG_MAPS}/sovereign-seed-created", "SovereigntyPolicy/hds"

    def named(**metadata: Any) -> Request:
        return Request("POST", policy.path, (policy.body or {}) | {"metadata": {"name": "hds"} | metadata})

    thefts = {
        "a policy of its own": named(name="evil"),
        "one that is owned": named(ownerReferences=[NOBODY]),
        "one that stays": named(finalizers=["example.org/stay"]),
        "one that is full": named(annotations={"example.org/x": "x" * 200_000}),
        "one that takes more": shipped(admin, "hds", acceptedForeignLaws=["US"]),
        "one that certifies others": shipped(admin, "hds", certificateNamespaces={"names": ["tenant-b"]}),
        "one that asks for less": shipped(admin, "hds", qualifications=[]),
        "forget what there was": Request("PATCH", record, {"data": {"created": before}}),
        "say that there was another": Request("PATCH", record, {"data": {"created": "SovereigntyPolicy/next"}}),
        "say something else": Request("PATCH", record, {"data": {"objects.json": "x"}}),
        "say it by a label": Request("PATCH", record, {"metadata": {"labels": {"sovereignty.dev/guards": "x"}}}),
        "fix the record": Request("PATCH", record, {"immutable": True}),
    }
    done = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.CONFLICT}
    assert ask(policy) in done
    assert {name for name, theft in thefts.items() if ask(theft) != HTTPStatus.FORBIDDEN} == set()
    with without_bindings(admin, "sovereignty-guard-seed"):
        for name, theft in thefts.items():
            eventually(lambda theft=theft: ask(theft) in done, seconds=20, what=name)  # type: ignore[misc]


def asking(cluster: Cluster, token: str) -> Callable[..., int]:
    """Return a function that sends a request with a token as a dry run, and returns the HTTP status."""
    config = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(config["certificate-authority-data"]).decode())

    def ask(request: Request, more: dict[str, str] | None = None) -> int:
        content = {"PATCH": "application/merge-patch+json", "APPLY": "application/apply-patch+yaml"}.get(
            request.method, "application/json"
        )
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content, **(more or {})}
        data = None if request.body is None else json.dumps(request.body).encode()
        query = "?dryRun=All" if request.method != "GET" else ""
        query += "&force=true&fieldManager=thief" if request.method == "APPLY" else ""
        method = "PATCH" if request.method == "APPLY" else request.method
        url = config["server"] + request.path + query
        asked = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    return ask
