"""Two days of an invented hospital: what the controller observes at a given time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from sovereign_operator.core import names
from sovereign_operator.core.placement.calendar import PARIS
from tests.unit.states import Objects

Json = dict[str, Any]

SUSPENDED: Final = 120
"""The minute of the morning at which the qualification of hexa-gouv is suspended."""
REPLACED: Final = 290
"""The minute at which the node brest-3, on which no pod runs, registers again."""

PROVIDERS: Final = {
    "armor-snc": ("Armor Cloud", "EU", []),
    "hexa-gouv": ("Hexa", "LicensedNonEU", []),
    "globex-west": ("Globex", "NonEU", ["US"]),
}
SITES: Final = {"brest": ("armor-snc", 3), "lyon": ("hexa-gouv", 3), "paris": ("globex-west", 2)}
"""By datacentre, the service and the number of nodes."""


@dataclass(frozen=True)
class Application:
    """A Deployment in a namespace. ``moves``: the minute at which its team rolls it out to another datacentre."""

    namespace: str
    name: str
    replicas: int
    moves: int = 10_000
    declared: bool = True
    """Whether there is a SovereignWorkload for it."""


POLICIES: Final = {"cardiology": "secnumcloud", "emergency": "secnumcloud", "laboratory": "hds"} | dict.fromkeys(
    ("pharmacy", "radiology", "records"), "secnumcloud"
)
"""By namespace, the policy that it enforces."""
APPLICATIONS: Final = (
    Application("cardiology", "ecg-archive", 4, moves=150),
    Application("cardiology", "monitor-gateway", 4, moves=155, declared=False),
    Application("emergency", "triage", 4, moves=165),
    Application("laboratory", "results", 3),
    Application("pharmacy", "prescriptions", 4, moves=260),
    Application("radiology", "pacs", 6),
    Application("radiology", "viewer", 3, moves=345),
    Application("records", "patient-api", 6, moves=200),
    Application("records", "patient-db", 2, moves=230, declared=False),
)


@dataclass(frozen=True)
class Day:
    """What the controller observes."""

    now: datetime
    objects: Objects
    deployments: dict[tuple[str, str], Json] = field(default_factory=dict)
    own_pods: tuple[Json, ...] = ()


def today(now: datetime) -> date:
    """Return the day on which qualifications end that hold until today: in Paris it ends before it does by UTC."""
    return now.astimezone(PARIS).date()


def morning(now: datetime, minute: int) -> Day:
    """Return the morning on which a provider loses its qualification, so many minutes after its beginning."""
    snc = qualification("snc", "SecNumCloud", "3.2", today(now) + timedelta(days=412))
    hds = qualification("hds", "HDS", "2", today(now) + timedelta(days=23))
    suspended = {"status": "Suspended"} if minute >= SUSPENDED else {}
    services = {
        "armor-snc": [snc, hds],
        "hexa-gouv": [snc | suspended],
        "globex-west": [qualification("hds", "HDS", "2", None)],
    }
    uids: dict[str, str | None] = {"brest-3": "uid-of-another"} if minute >= REPLACED else {}
    pods = [pod for application in APPLICATIONS for pod in pods_of(application, minute)]
    return Day(now, cluster(services, pods, uids), {(one.namespace, one.name): deployment(one) for one in APPLICATIONS})


def bad_day(now: datetime) -> Day:
    """Return a day on which everything goes wrong that an alert is about."""
    services = {
        "armor-snc": [
            qualification("snc", "SecNumCloud", "3.2", today(now) - timedelta(days=2)),
            qualification("hds", "HDS", "2", today(now)),
        ],
        "hexa-gouv": [],
        "globex-west": [],
    }
    pods = [pod for application in APPLICATIONS for pod in pods_of(application, 0)]
    stray = pod_on("brest-1", Application("anywhere", "stray", 1), "stray-0", "hds")
    source = {"podCertificate": {"signerName": names.SIGNER}}
    stray["spec"]["volumes"] = [{"name": "v", "projected": {"sources": [source]}}]
    stray["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    signer = pod_on("paris-1", Application("sovereign-system", "sovereign-signer", 1), "sovereign-signer-0", "")
    signer["metadata"]["labels"] = {names.COMPONENT_LABEL: "signer"}
    # The first is of a scheme that its policy does not demand: no node is accepted on this day.
    derogations = [
        derogation("ends", "secnumcloud", "HDS", today(now)),
        derogation("ended", "hds", "HDS", today(now) - timedelta(days=2)),
    ]
    found = cluster(services, [*pods, stray], {"brest-3": "uid-of-another", "brest-2": None})
    objects = {**found, "derogations": derogations}
    return Day(now, objects, {(one.namespace, one.name): deployment(one) for one in APPLICATIONS}, (signer,))


def qualification(name: str, scheme: str, version: str, until: date | None) -> Json:
    end = {"validUntil": until.isoformat()} if until else {}
    return {"id": name, "scheme": scheme, "version": version, "status": "Qualified"} | end


def derogation(name: str, policy: str, scheme: str, until: date) -> Json:
    """Return one for hexa-gouv that one person asked for, and another approved."""
    service = {"name": "hexa-gouv"}
    asked = {"scheme": scheme, "reason": "pilot", "until": until.isoformat()}
    obj = made(name, policyRef={"name": policy}, serviceRef=service, **asked)
    obj["metadata"]["annotations"] = {names.REQUESTED_BY_ANNOTATION: "ann"}
    obj["status"] = {"approvedBy": "bob", "approvedGeneration": 1, "approvedUID": obj["metadata"]["uid"]}
    return obj


def cluster(services: dict[str, list[Json]], pods: list[Json], uids: dict[str, str | None]) -> Objects:
    """Return all objects. ``uids`` are those that nodes have instead of the declared ones; None: the node is gone."""
    declared = {site: [f"{site}-{number}" for number in range(1, count + 1)] for site, (_, count) in SITES.items()}
    return {
        "cloudservices": [
            made(
                name,
                provider=provider,
                service=name,
                countries=["FR"],
                technologyOrigin=origin,
                foreignLaws=laws,
                qualifications=services[name],
            )
            for name, (provider, origin, laws) in PROVIDERS.items()
        ],
        "datacentres": [
            made(
                site,
                serviceRef={"name": SITES[site][0]},
                country="FR",
                nodes=[{"name": node, "uid": f"uid-of-{node}"} for node in nodes],
            )
            for site, nodes in declared.items()
        ],
        "sovereigntypolicies": [
            made("hds", countries=["FR"], qualifications=[{"scheme": "HDS"}]),
            made("secnumcloud", countries=["FR"], qualifications=[{"scheme": "SecNumCloud", "minimumVersion": "3.2"}]),
        ],
        "namespaces": [
            {"metadata": metadata(name, labels={names.ENFORCE_LABEL: policy})} for name, policy in POLICIES.items()
        ],
        "sovereignworkloads": [
            made(one.name, one.namespace, workloadRef={"kind": "Deployment", "name": one.name})
            for one in APPLICATIONS
            if one.declared
        ],
        "nodes": [
            {"metadata": metadata(node) | {"uid": uid}, "spec": {}}
            for nodes in declared.values()
            for node in nodes
            if (uid := uids.get(node, f"uid-of-{node}"))
        ],
        "pods": pods,
    }


def metadata(name: str, namespace: str = "", **more: Any) -> Json:
    where = {"namespace": namespace} if namespace else {}
    fixed = {"resourceVersion": "7", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"name": name, "uid": f"uid-of-{name}", **fixed, **where, **more}


def made(name: str, namespace: str = "", **spec: Any) -> Json:
    return {"metadata": metadata(name, namespace), "spec": spec}


def node_of(application: Application, number: int, minute: int) -> str:
    """Return the node of one pod; empty if it waits for one: brest has no room for more than one viewer."""
    policy = POLICIES[application.namespace]
    if policy == "secnumcloud" and number % 2 and minute < application.moves:
        return f"lyon-{number // 2 % 3 + 1}"
    if application.name == "viewer" and minute >= application.moves and number:
        return ""
    return f"brest-{number % 2 + 1}"


def pods_of(application: Application, minute: int) -> Iterator[Json]:
    policy = POLICIES[application.namespace]
    for number in range(application.replicas):
        node = node_of(application, number, minute)
        yield pod_on(node, application, f"{application.name}-{number}", policy)


def pod_on(node: str, application: Application, name: str, policy: str) -> Json:
    labels = {"app": application.name, names.POLICY_LABEL: policy, names.PLACED_LABEL: policy}
    selector = {names.node_policy_label(policy): names.ACCEPTED}
    spec: Json = {"nodeName": node, "nodeSelector": selector, "containers": [{"name": "app"}]}
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {
        "metadata": metadata(name, application.namespace, labels=labels),
        "spec": spec,
        "status": ready if node else {"phase": "Pending"},
    }


def deployment(application: Application) -> Json:
    """Return the Deployment as its controller has it: complete."""
    count = application.replicas
    return {
        "metadata": metadata(application.name, application.namespace, labels={}),
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": {"app": application.name}},
            "template": {"metadata": {"labels": {"app": application.name}}, "spec": {"containers": []}},
        },
        "status": {
            "observedGeneration": 1,
            **dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), count),
            "conditions": [{"type": "Available", "status": "True"}],
        },
    }
