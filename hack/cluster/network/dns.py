"""DNS for Services and pods: CoreDNS, as a Deployment in kube-system behind the Service kube-dns.

It is what kubeadm's clusters have, but forwards nothing to outside servers, which this cluster cannot reach. Other
names get the answer NXDOMAIN at once, instead of a timeout.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from hack.cluster import binaries, waiting
from hack.cluster.control_plane.api import Api
from hack.cluster.engine.processes import Process
from hack.cluster.errors import ClusterError
from hack.cluster.network import links
from hack.cluster.nodes import images
from hack.cluster.nodes.node_components import DOMAIN
from hack.cluster.spec import NodeSpec, parse_taint
from hack.cluster.state import State
from hack.images.oci import ImageConfig

NAME = "coredns"
ROLE = "system:coredns"
NAMESPACE = "kube-system"
LABELS = {"k8s-app": "kube-dns"}
"""The usual labels of a cluster's DNS pods, whichever program they run."""

PROBE = f"kubernetes.default.svc.{DOMAIN}"
REPLICAS = 2
USER = 65532

APPLY_PATIENCE = 30.0
ANSWER_PATIENCE = 120.0
SECONDS_PER_QUESTION = "1"

CONFIG = f"""\
{DOMAIN} in-addr.arpa ip6.arpa {{
    errors
    health
    ready
    kubernetes
    loadbalance
}}
. {{
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def name_image(program: Path) -> str:
    """Return the image's name, which differs for each build of the program."""
    return f"localhost/{program.parent.name.replace('-', ':')}"


def add_image(store: Path) -> None:
    """Put the image into a cluster's store, unless it is already there; build the program first if needed."""
    program = binaries.path(NAME)
    config = ImageConfig(entrypoint=(f"/bin/{NAME}", "-conf", "/etc/coredns/Corefile"), user=f"{USER}:{USER}")
    images.add_program(store, name_image(program), program, config)


def install(state: State, api: Api) -> None:
    """Apply all objects. Raises ClusterError, with the API server's answer, if it refuses one."""
    for path, wanted in render_objects(state, name_image(binaries.path(NAME))):
        _apply(api, path, wanted)


def wait_for_answer(server: IPv4Address, holder: Process) -> None:
    """Return once a name resolves on the node whose holder this is. Raises ClusterError if none does in time."""
    question = ["timeout", SECONDS_PER_QUESTION, "busybox", "nslookup", PROBE, str(server)]
    waiting.wait_until(
        lambda: links.run_inside(holder, question).returncode == 0,
        f"deployment/{NAME} in {NAMESPACE} does not answer at {server}",
        seconds=ANSWER_PATIENCE,
    )


def _apply(api: Api, path: str, wanted: Mapping[str, Any]) -> None:
    """Apply an object, with retries: namespaces and ClusterIPs exist a moment after the API server is ready."""
    refusal = ""

    def is_taken() -> bool:
        nonlocal refusal
        refusal = api.apply(path, wanted)
        return not refusal

    try:
        waiting.wait_until(is_taken, f"the API server does not take {path}", seconds=APPLY_PATIENCE)
    except ClusterError as error:
        raise ClusterError(f"{error}: {refusal}") from error


def render_objects(state: State, image: str) -> list[tuple[str, dict[str, Any]]]:
    """Return all objects, each with its path on the API server."""
    core, rbac = "/api/v1", "/apis/rbac.authorization.k8s.io/v1"
    here = f"namespaces/{NAMESPACE}"
    return [
        (f"{core}/{here}/serviceaccounts/{NAME}", _render("v1", "ServiceAccount", NAME)),
        (f"{rbac}/clusterroles/{ROLE}", _render_role()),
        (f"{rbac}/clusterrolebindings/{ROLE}", _render_binding()),
        (f"{core}/{here}/configmaps/{NAME}", _render("v1", "ConfigMap", NAME, data={"Corefile": CONFIG})),
        (f"{core}/{here}/services/kube-dns", _render_service(state)),
        (f"/apis/apps/v1/{here}/deployments/{NAME}", render_deployment(state.nodes, image)),
    ]


def _render_role() -> dict[str, Any]:
    watch = ["list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["namespaces", "services"], "verbs": watch},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": watch},
    ]
    return _render("rbac.authorization.k8s.io/v1", "ClusterRole", ROLE, "", rules=rules)


def _render_binding() -> dict[str, Any]:
    return _render(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        ROLE,
        "",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    )


def _render_service(state: State) -> dict[str, Any]:
    ports = [
        {"name": name, "protocol": protocol, "port": 53, "targetPort": name}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    spec = {"clusterIP": str(state.addresses.dns_service), "selector": LABELS, "ports": ports}
    return _render("v1", "Service", "kube-dns", spec=spec)


def render_deployment(nodes: Sequence[NodeSpec], image: str) -> dict[str, Any]:
    """Return the Deployment: one pod on each of two nodes, whatever their taints."""
    elsewhere = {"labelSelector": {"matchLabels": LABELS}, "topologyKey": "kubernetes.io/hostname"}
    pod = {
        "serviceAccountName": NAME,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "tolerations": list(_list_tolerations(nodes)),
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [elsewhere]}},
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_render_container(image)],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}],
    }
    spec = {
        "replicas": min(REPLICAS, len(nodes)),
        "selector": {"matchLabels": LABELS},
        # No surge: on two nodes there is no room for a third pod.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        "template": {"metadata": {"labels": LABELS}, "spec": pod},
    }
    return _render("apps/v1", "Deployment", NAME, spec=spec)


def _render_container(image: str) -> dict[str, Any]:
    return {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [
            {"name": "dns", "protocol": "UDP", "containerPort": 53},
            {"name": "dns-tcp", "protocol": "TCP", "containerPort": 53},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        # Probed often, because bringing up the cluster waits for it.
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 30},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }


def _list_tolerations(nodes: Sequence[NodeSpec]) -> Iterator[dict[str, str]]:
    taints = {(taint["key"], taint["effect"]) for node in nodes for taint in map(parse_taint, node.taints)}
    for key, effect in sorted(taints):
        yield {"key": key, "operator": "Exists", "effect": effect}


def _render(version: str, kind: str, name: str, namespace: str = NAMESPACE, **content: Any) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}, **content}
