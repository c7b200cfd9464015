"""Applications as operators run them, in Strict: they find others, replicate, fail over, and answer from outside."""

from collections.abc import Iterator
from functools import partial

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from tests.asking import ask
from tests.e2e.support.observed import living_pods
from tests.e2e.support.sidecars import encrypted, sidecar_of
from tests.e2e.support.spaces import Space
from tests.e2e.support.stateful import IMAGES, MASTER, nginx, postgres, redis
from tests.e2e.support.strict_pods import encrypting_policy
from tests.workloads import Get

pytestmark = pytest.mark.field

POLICY = "hospital-operators"


@pytest.fixture
def strict(admin: Kubectl, cluster: Cluster, space: Space) -> Iterator[str]:
    """Yield a namespace in Strict. The machine of the tests may ask in plaintext."""
    cluster.load_image(public.archive_all(IMAGES))
    outside = [{"network": f"{cluster.machine}/32", "reason": "asks from outside"}]
    with encrypting_policy(admin, cluster, POLICY, plainPeers=outside) as policy:
        yield space(policy)


def running(admin: Kubectl, namespace: str, app: str, count: int) -> list[Json]:
    """Wait until an application has so many ready pods, each with a sidecar, and return them."""

    def look() -> list[Json]:
        pods = living_pods(admin, namespace, f"app={app}")
        assert len(pods) == count
        for found in pods:
            conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
            assert conditions["Ready"] == "True", found["status"]
            assert sidecar_of(found)
        return pods

    return eventually(look, seconds=180, what=f"{count} of {app}")


def said(admin: Kubectl, namespace: str, pod: str, *command: str) -> str:
    """Run a command in the first container of a pod, and return what it prints."""
    return admin.run("-n", namespace, "exec", pod, "--", *command).strip()


def replicas(admin: Kubectl, namespace: str, master: str) -> set[str]:
    """Return the addresses of the replicas that a Redis has, and that have all it wrote."""
    lines = said(admin, namespace, master, "redis-cli", "info", "replication").splitlines()
    fields = [dict(part.split("=", 1) for part in line.partition(":")[2].split(",")) for line in lines if _lists(line)]
    return {found["ip"] for found in fields if found["state"] == "online"}


def _lists(line: str) -> bool:
    return line.startswith("slave") and "ip=" in line


def chosen(admin: Kubectl, namespace: str) -> set[str]:
    """Return which addresses the Sentinels name as the master's."""
    asked = ("redis-cli", "-p", "26379", "sentinel", "get-master-addr-by-name", MASTER)
    watchers = living_pods(admin, namespace, "app=sentinel")
    return {said(admin, namespace, each["metadata"]["name"], *asked).splitlines()[0] for each in watchers}


def test_sentinels_find_replicas_and_choose_another_master(admin: Kubectl, strict: str) -> None:
    admin.apply(*redis(), namespace=strict)
    address = {each["metadata"]["name"]: each["status"]["podIP"] for each in running(admin, strict, "redis", 3)}
    (watcher, *_) = running(admin, strict, "sentinel", 3)
    others = {address["redis-1"], address["redis-2"]}
    eventually(lambda: replicas(admin, strict, "redis-0") == others, what="both replicas")
    asked = ("redis-cli", "-p", "26379", "sentinel", "master", MASTER)

    def knows_all() -> bool:
        words = said(admin, strict, watcher["metadata"]["name"], *asked).splitlines()
        found = dict(zip(words[::2], words[1::2], strict=True))
        return (found["num-slaves"], found["num-other-sentinels"]) == ("2", "2")

    eventually(knows_all, seconds=60, what="a Sentinel that knows all")
    assert said(admin, strict, "redis-0", "redis-cli", "set", "before", "1") == "OK"

    admin.run("-n", strict, "delete", "pod", "redis-0", "--force", "--grace-period=0")
    (now,) = eventually(
        lambda: len(found := chosen(admin, strict)) == 1 and found <= others and found,
        seconds=120,
        what="another master",
    )
    master = next(name for name, each in address.items() if each == now)
    assert said(admin, strict, master, "redis-cli", "get", "before") == "1"
    assert said(admin, strict, master, "redis-cli", "set", "after", "2") == "OK"
    # The one that comes again has another address, and asks the Sentinels whom to follow.
    eventually(lambda: len(replicas(admin, strict, master)) == 2, seconds=120, what="two replicas again")
    eventually(lambda: said(admin, strict, "redis-0", "redis-cli", "get", "after") == "2", what="the same on all")
    assert encrypted(admin, POLICY)["status"] == "True"


def test_a_standby_streams_and_takes_over(admin: Kubectl, strict: str) -> None:
    admin.apply(*postgres(), namespace=strict)
    running(admin, strict, "postgres", 2)

    def query(pod: str, words: str) -> str:
        return said(admin, strict, pod, "psql", "-U", "postgres", "-tAc", words)

    eventually(lambda: query("postgres-0", "select state from pg_stat_replication") == "streaming", what="a standby")
    query("postgres-0", "create table seen (n int)")
    query("postgres-0", "insert into seen select generate_series(1, 100000)")
    eventually(lambda: query("postgres-1", "select count(*) from seen") == "100000", what="all rows on the standby")
    assert query("postgres-1", "select pg_is_in_recovery()") == "t"
    admin.run("-n", strict, "delete", "pod", "postgres-0", "--force", "--grace-period=0")
    assert query("postgres-1", "select pg_promote()") == "t"
    assert query("postgres-1", "insert into seen values (0) returning n").splitlines()[0] == "0"


def test_a_server_in_front_answers_clients_from_outside(admin: Kubectl, strict: str) -> None:
    admin.apply(*nginx(), namespace=strict)
    running(admin, strict, "behind", 1)
    (front,) = running(admin, strict, "front", 1)
    question = Get(80, "/", text="Welcome to nginx")
    eventually(partial(_answers, front["status"]["podIP"], question), what="a page of the server behind")
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict")


def _answers(address: str, question: Get) -> bool:
    instead = ask(address, question)
    assert not instead, instead
    return True
