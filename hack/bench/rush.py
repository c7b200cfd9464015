"""A thousand sidecars that start at once and ask the signers by token: how long the first and the last one waits.

Run ``python -m hack.bench.rush --name CLUSTER`` on a cluster where the demo or the tests have run. A hundred pods are
created on each of ten nodes that exist only as objects, so none of them starts. A pod then asks for the certificates of
all at the same time, with the program of a sidecar, which waits and asks again as a sidecar does. A few seconds later,
another pod asks for the certificate of a single pod on a node of its own: it must not wait until all others are served.

The asking program shares the cores with the signers, as a thousand sidecars would not. As it asks from another address
than the pods have, the signers are told to accept any address meanwhile.
"""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from ssl import create_default_context
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from hack import estate
from hack.bench import peers
from hack.bench.away import there
from hack.bench.certificates import Signers
from hack.bench.dry_runs import Server
from hack.bench.tokens import any_address
from hack.cluster import Cluster
from hack.install import NAMESPACE, find
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.names import SIGNER_AUDIENCE, host_role
from sovereign_operator.core.sidecar.contract import SIGNER_ADDRESSES, SIGNER_CA, trust_config_map

NAME: Final = "bench-rush"
"""Of the policy, the Datacentre, and the namespace of the pods."""
ASKERS: Final = "bench-rush-askers"
LATE: Final = "late"
"""The node of the one pod that asks when all others have begun."""
LATER_SECONDS: Final = 5.0
BETWEEN_SAMPLES: Final = 1.0
"""Seconds."""

PROGRAM: Final = """
import json, random, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sovereign_operator.sidecar.certificate import request
from sovereign_operator.sidecar.outcome import Kind
from sovereign_operator.sidecar.renewal import Progress, next_step
asked = json.load(sys.stdin)
base = Path("/scratch") / asked["name"]
for number, token in enumerate(asked["tokens"]):
    for folder in ("identity", "own"):
        (base / str(number) / folder).mkdir(parents=True)
    for name, content in {"token": token, **asked["files"]}.items():
        (base / str(number) / "identity" / name).write_text(content)

def certified(number):
    begun, progress, outcomes = time.perf_counter(), Progress(), []
    while True:
        outcome = request(base / str(number) / "identity", base / str(number) / "own")
        outcomes.append(outcome.kind.name + (": " + outcome.message[:60] if outcome.kind is not Kind.ISSUED else ""))
        progress, step = next_step(progress, outcome, random.random())
        if outcome.kind is Kind.ISSUED or step.gives_up:
            return time.perf_counter() - begun, outcomes
        time.sleep(step.pause)

with ThreadPoolExecutor(len(asked["tokens"])) as threads:
    print(json.dumps(list(threads.map(certified, range(len(asked["tokens"]))))))
"""
"""Asks for the certificates of pods, given their tokens, as their sidecars would."""


def nodes(count: int) -> list[Json]:
    """Return nodes without a kubelet, in the form of an accepted one."""
    like = next(node for node in estate.NODES if node.name == estate.ACCEPTED[0])
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"{NAME}-{which}", "labels": dict(like.labels)},
            "spec": {"providerID": f"{like.provider_id}-{which}"},
        }
        for which in (*map(str, range(count)), LATE)
    ]


def datacentre(admin: Kubectl, names: Sequence[str]) -> Json:
    """Return the Datacentre that the nodes are in."""
    service, city, _ = estate.DATACENTRES["brest"]
    uids = [{"name": name, "uid": admin.get("node", name)["metadata"]["uid"]} for name in names]
    spec = {"serviceRef": {"name": service}, "country": "FR", "city": city, "nodes": uids}
    return {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "Datacentre", "metadata": {"name": NAME}, "spec": spec}


def pods(names: Sequence[str], each: int) -> Iterator[Json]:
    """Yield the pods of nodes: as many of each, but one of the last."""
    for node in names:
        for number in range(1 if node.endswith(LATE) else each):
            made = {"containers": [{"name": "idle", "image": "none"}], "nodeName": node}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{node}-{number}"}, "spec": made}


class Tokens:
    """Asks the API server for tokens of pods, as their kubelets do."""

    def __init__(self, server: Server) -> None:
        credentials = server.credentials
        context = create_default_context(cafile=credentials.authority)
        context.load_cert_chain(credentials.certificate, credentials.key)
        self._connection = HTTPSConnection(urlsplit(server.url).netloc, context=context)

    def of(self, pod: Json) -> str:
        """Return a token for the signer that is bound to a pod."""
        metadata, spec = pod["metadata"], pod["spec"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        wanted = {"audiences": [SIGNER_AUDIENCE], "boundObjectRef": bound, "expirationSeconds": 3600}
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{spec['serviceAccountName']}/token"
        kubelet = {"Impersonate-User": f"system:node:{spec['nodeName']}", "Impersonate-Group": "system:nodes"}
        self._connection.request(
            "POST", path, json.dumps({"spec": wanted}), kubelet | {"Content-Type": "application/json"}
        )
        answer = json.loads(self._connection.getresponse().read())
        assert "token" in answer.get("status", {}), answer
        token: str = answer["status"]["token"]
        return token


@contextmanager
def watched(signers: Signers) -> Iterator[None]:
    """Print what each signer uses meanwhile: its CPU, and the most memory."""
    over, most = threading.Event(), dict[str, float]()
    before = signers.used()

    def look() -> None:
        while not over.wait(BETWEEN_SAMPLES):
            for name, used in signers.used().items():
                most[name] = max(most.get(name, 0.0), used.memory)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
    for name, used in signers.used().items():
        begun = before[name]
        print(
            f"{name}: {used.cpu - begun.cpu:.1f} s of CPU; resident {begun.memory / 2**20:.0f} MiB before, "
            f"at most {most.get(name, used.memory) / 2**20:.0f} MiB"
        )


def ask(admin: Kubectl, asker: str, tokens: Sequence[str]) -> list[tuple[float, list[str]]]:
    """Have a pod ask with these tokens at once. Return for each how many seconds it took, and all outcomes."""
    data = admin.get("configmap", trust_config_map(NAME), NAMESPACE)["data"]
    files = {name: data[name] for name in (SIGNER_CA, SIGNER_ADDRESSES)}
    where = ("-n", ASKERS, "exec", "-i", asker, "--", "python", "-c", PROGRAM)
    answers = json.loads(admin.run(*where, stdin=json.dumps({"name": asker, "tokens": tokens, "files": files})))
    return [(seconds, outcomes) for seconds, outcomes in answers]


def measure(cluster: Cluster, admin: Kubectl, tokens: Sequence[str], late: str) -> None:
    """Print how long all sidecars and the late one waited, and what the signers used."""
    found: list[tuple[float, list[str]]] = []
    with watched(Signers(cluster, admin)):
        rush = threading.Thread(target=lambda: found.extend(ask(admin, "all", tokens)))
        rush.start()
        time.sleep(LATER_SECONDS)
        ((alone, outcomes),) = ask(admin, "one", [late])
        rushing = rush.is_alive()
        rush.join()
    assert len(found) == len(tokens)
    seconds = sorted(waited for waited, _ in found)
    issued = sum(ended[-1] == "ISSUED" for _, ended in found)
    half, most = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
    print(
        f"{issued} of {len(tokens)} got a certificate: half within {half:.1f} s, 99 % within {most:.1f} s, "
        f"the last after {seconds[-1]:.1f} s"
    )
    print(f"requests for each: {statistics.mean(len(ended) for _, ended in found):.2f}")
    others = "while others waited" if rushing else "after all others"
    print(
        f"the late one: {alone:.1f} s ({', '.join(outcomes)}), {others}; "
        f"ratio {alone / seconds[-1]:.2f} to the last of the others"
    )
    for outcome in sorted({each for _, ended in found for each in ended[:-1]}):
        print(f"had to ask again: {sum(outcome in ended for _, ended in found)} ({outcome})")


def main() -> None:
    """Make nodes and pods on the chosen cluster, and measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.rush", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--each", type=int, default=100, help="pods of a node")
    given = parser.parse_args()
    cluster = find(given.name)
    admin = Kubectl(cluster.kubeconfig)
    with ExitStack() as stack:
        stack.enter_context(any_address(cluster, admin))
        made = nodes(given.nodes)
        names = [node["metadata"]["name"] for node in made]
        stack.enter_context(there(admin, *made))
        stack.enter_context(there(admin, datacentre(admin, names)))
        stack.enter_context(there(admin, estate.policy(admin, NAME, encryptionInTransit={"mode": "Permissive"})))
        eventually(lambda: {*names} <= _hosts(admin), what="the nodes accepted")
        askers = stack.enter_context(peers.space(admin, ASKERS))
        for asker in ("all", "one"):
            admin.apply(_asker(admin, asker), namespace=askers)
        admin.run("-n", askers, "wait", "pod", "--all", "--for=condition=Ready", "--timeout=120s")
        space = stack.enter_context(peers.space(admin, NAME, NAME))
        stack.callback(
            admin.attempt, "-n", space, "delete", "pod", "--all", "--grace-period=0", "--force", "--wait=false"
        )
        wanted = [*pods(names, given.each)]
        admin.apply(*wanted, namespace=space)
        folder = Path(stack.enter_context(TemporaryDirectory()))
        tokens = Tokens(Server.of(cluster.kubeconfig, folder))
        *rest, late = map(tokens.of, sorted(admin.list("pods", space), key=lambda pod: _node_of(pod).endswith(LATE)))
        measure(cluster, admin, rest, late)


def _node_of(pod: Json) -> str:
    return str(pod["spec"]["nodeName"])


def _hosts(admin: Kubectl) -> set[str]:
    return {
        name for rule in admin.get("clusterrole", host_role(NAME))["rules"] for name in rule.get("resourceNames", ())
    }


def _asker(admin: Kubectl, name: str) -> Json:
    """Return a pod with the program of a sidecar, and a folder to write to."""
    (controller,) = admin.get("deployment", "sovereign-controller", NAMESPACE)["spec"]["template"]["spec"]["containers"]
    container = {
        "name": "asker",
        "image": controller["image"],
        "command": ["sleep", "86400"],
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": estate.ACCEPTED[0]},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


if __name__ == "__main__":
    main()
