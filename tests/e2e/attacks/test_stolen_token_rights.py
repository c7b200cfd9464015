"""No process has a right that leads a thief of its token further."""

from http import HTTPStatus

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Kubectl
from tests.e2e.support.estate import INSIDE
from tests.e2e.support.manifests import pod
from tests.e2e.support.rbac import OURS, may, part, role, role_binding
from tests.e2e.support.tokens import OURS_API, OWN, SYSTEM, USER, Request, asking

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CERTIFICATES = "/apis/certificates.k8s.io/v1"
GUARDS = tuple(
    f"{way}{kind}"
    for way in ("mutating", "validating")
    for kind in ("webhookconfigurations", "admissionpolicies", "admissionpolicybindings")
)
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
        for kind in ("cloudservices", "datacentres", "derogations", "sovereigntypolicies")
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
