"""What a thief can do with the token of an agent or of the seed: write what this process itself would write."""

import json
from http import HTTPStatus
from typing import Any

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from sovereign_operator.kube.objects.agent_report import report_of
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import NOBODY
from tests.e2e.support.tokens import CONFIG_MAPS, OURS_API, Request, asking

MINE, THEIRS = "lyon-1", "brest-1"


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
        "lack too much": report(mine, data={"lacks": "x" * 5_000}),
        "have its name made": made(mine, name=None, generateName=f"agent.{MINE}"),
    }
    done = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.CONFLICT}
    assert ask(report(mine)) in done
    assert ask(report(mine, data={"pods": "x hds 1 10.0.0.1", "lacks": "frames NETFILTER_EGRESS"})) in done
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
