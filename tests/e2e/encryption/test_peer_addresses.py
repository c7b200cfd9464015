"""Redis with a Sentinel in Strict: who knows others by the addresses that they come from finds them behind sidecars."""

from collections.abc import Iterator

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import workload
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import encrypting_policy

POLICY = "hospital-redis"
IMAGE = "redis:7.2"
PORT, SENTINEL_PORT = 6379, 26379
MEMBERS = ("redis-0", "redis-1", "redis-2")
FIRST = f"{MEMBERS[0]}.redis"

SERVE = f"""
test "$(hostname)" = {MEMBERS[0]} && exec redis-server --protected-mode no
exec redis-server --protected-mode no --replicaof {FIRST} {PORT}
"""
WATCH = f"""
printf 'sentinel resolve-hostnames yes\\nsentinel monitor records {FIRST} {PORT} 1\\n' > /data/sentinel.conf
exec redis-server /data/sentinel.conf --sentinel --protected-mode no
"""


def redis() -> list[Json]:
    """Return a Service, three members of which the first is the master, and a Sentinel."""
    service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": "redis"}}
    service |= {"ports": [{"port": PORT}]}
    made = [workload("StatefulSet", "redis", 3), workload("Deployment", "sentinel", 1)]
    for one, script in zip(made, (SERVE, WATCH), strict=True):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        container |= {"image": IMAGE, "command": ["sh", "-c", script], "name": "redis"}
    return [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "redis"}, "spec": service}, *made]


@pytest.fixture
def namespace(admin: Kubectl, cluster: Cluster, space: Space) -> Iterator[str]:
    """A namespace in Strict with these."""
    cluster.load_image(public.archive(IMAGE))
    with encrypting_policy(admin, cluster, POLICY) as policy:
        made = space(policy)
        admin.apply(*redis(), namespace=made)
        yield made


def asked(admin: Kubectl, namespace: str, where: str, port: int, *words: str) -> str:
    """Return what Redis answers in a pod."""
    line = ("-c", "redis", "--", "redis-cli", "-p", str(port), *words)
    return admin.attempt("-n", namespace, "exec", where, *line).stdout


def test_a_sentinel_finds_the_replicas_and_fails_over(admin: Kubectl, namespace: str) -> None:
    """The master names its replicas to the Sentinel by their addresses, which all used to be its own."""
    admin.run("-n", namespace, "rollout", "status", "statefulset/redis", "--timeout=120s")
    admin.run("-n", namespace, "rollout", "status", "deployment/sentinel", "--timeout=120s")
    addresses = {name: str(admin.get("pod", name, namespace)["status"]["podIP"]) for name in MEMBERS}

    def follow(master: str) -> bool:
        listed = asked(admin, namespace, master, PORT, "info", "replication")
        return all(f"ip={addresses[name]},port={PORT},state=online" in listed for name in MEMBERS if name != master)

    eventually(lambda: follow(MEMBERS[0]), seconds=60, what="two replicas, each by its own address")

    def sentinel(*words: str) -> str:
        return asked(admin, namespace, "deployment/sentinel", SENTINEL_PORT, "sentinel", *words)

    eventually(
        lambda: all(addresses[name] in sentinel("replicas", "records") for name in MEMBERS[1:]),
        seconds=60,
        what="a Sentinel that knows both",
    )
    eventually(lambda: sentinel("failover", "records").strip() == "OK", seconds=60, what="a fail-over")

    def successor() -> str:
        address = sentinel("get-master-addr-by-name", "records").partition("\n")[0]
        return next((name for name in MEMBERS[1:] if addresses[name] == address), "")

    eventually(successor, seconds=60, what="a new master")
    eventually(lambda: follow(successor()), seconds=60, what="all others following it")
