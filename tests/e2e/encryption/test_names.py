"""Pods in Strict can always resolve names, even when the policy or the Service of DNS is deleted."""

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.guards import bare
from tests.e2e.support.sidecars import encrypted
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import change, encrypting_policy, knows_names, python, ready


def test_without_the_service_of_dns_nobody_comes_to_where_it_would_be_missed(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    with encrypting_policy(admin, cluster, "hospital-names", "Permissive") as policy:
        namespace = space(policy)
        admin.apply(python("client", "lyon-1"), namespace=namespace)
        ready(admin, namespace, "client")
        eventually(lambda: encrypted(admin, policy)["reason"] == "PlaintextAccepted", what="Permissive")
        service = admin.get("service", "kube-dns", "kube-system")
        admin.delete("service", "kube-dns", namespace="kube-system")
        try:
            change(admin, policy, mode="Strict")
            said = "Permissive on the way to Strict: no Service kube-system/kube-dns answers for DNS by TCP"
            eventually(lambda: said in encrypted(admin, policy)["message"], what="word that DNS is missing")
        finally:
            admin.create(bare(service), "kube-system")
        eventually(lambda: encrypted(admin, policy)["status"] == "True", seconds=60, what="Strict, with DNS")
        eventually(lambda: knows_names(admin, namespace, "client"), what="names")


def test_a_policy_that_is_gone_takes_no_names_along(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    name, voice = "hospital-gone", {"network": "192.0.2.0/24", "port": 5004, "reason": "a test"}
    with encrypting_policy(admin, cluster, name, plainDatagrams=[voice]):
        namespace = space(name)
        admin.apply(python("client", "lyon-1"), namespace=namespace)
        ready(admin, namespace, "client")
        eventually(lambda: encrypted(admin, name)["status"] == "True", what="Strict")
        assert knows_names(admin, namespace, "client")

        def loaded() -> int:
            """Return how often the agents have loaded rules for the pod."""
            said = admin.run("-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/component=agent", "--tail=-1")
            return said.count(f"the traffic of pod {namespace}/client goes through its sidecar")

        before = loaded()
    # Without its transit config, the policy's plainDatagrams are dropped.
    eventually(lambda: loaded() > before, what="rules without a policy")
    assert knows_names(admin, namespace, "client")
