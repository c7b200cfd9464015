"""Files that say all that there is, as ``kubectl get -o yaml`` prints it, and what ``preview`` answers about them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sovereign_operator.cli import __main__ as program

Json = dict[str, Any]
DAY = "2030-06-15"
OURS = "sovereignty.dev/v1alpha1"


def ours(kind: str, name: str, **spec: Any) -> Json:
    return {"apiVersion": OURS, "kind": kind, "metadata": {"name": name}, "spec": spec}


def service(name: str, *qualifications: Json) -> Json:
    return ours(
        "CloudService",
        name,
        provider=name,
        service="Cloud",
        countries=["FR"],
        technologyOrigin="EU",
        foreignLaws=[],
        qualifications=[*qualifications],
    )


def datacentre(name: str, of: str) -> Json:
    nodes = [{"name": f"{name}-1", "uid": f"uid-of-{name}-1"}]
    return ours("Datacentre", name, serviceRef={"name": of}, country="FR", nodes=nodes)


def node(name: str, cpu: str = "4", **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-of-{name}", **metadata},
        "spec": {},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    }


def spec(cpu: str = "1", **fields: Any) -> Json:
    return {"containers": [{"name": "app", "image": "x", "resources": {"requests": {"cpu": cpu}}}], **fields}


def deployment(name: str, replicas: int = 1, *, uid: str = "", labels: Mapping[str, str] = {}, **fields: Any) -> Json:
    template = {"metadata": {"labels": {"app": name, **labels}}, "spec": spec(**fields)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "hospital", **({"uid": uid} if uid else {})},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def pod(name: str, on: str, *, owner: tuple[str, str] | None = None, hashed: str = "", **fields: Any) -> Json:
    references = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    labels = {"pod-template-hash": hashed} if hashed else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "hospital",
            "uid": f"uid-of-{name}",
            "labels": labels,
            "ownerReferences": references,
        },
        "spec": spec(nodeName=on, **fields),
        "status": {"phase": "Running"},
    }


QUALIFIED = {
    "id": "snc",
    "scheme": "SecNumCloud",
    "version": "3.2",
    "status": "Qualified",
    "decision": "EX-101",
    "validFrom": "2029-06-15",
    "validUntil": "2031-06-15",
}
POLICY = ours("SovereigntyPolicy", "secnumcloud", qualifications=[{"scheme": "SecNumCloud"}], gracePeriodSeconds=0)
ESTATE = (
    service("armor", QUALIFIED),
    service("globex"),
    datacentre("brest", "armor"),
    datacentre("paris", "globex"),
    node("brest-1"),
    node("paris-1"),
    POLICY,
)


class Asker:
    """Asks for previews."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def __call__(self, *objects: Json, options: tuple[str, ...] = (), day: str = DAY) -> Json:
        path = self._folder / "all.yaml"
        path.write_text(yaml.safe_dump_all([*ESTATE, *objects]), encoding="utf-8")
        words = ["preview", "--offline", "-f", str(path), "-o", "json", *options]
        words += ["--at", day] if day else []
        with pytest.raises(SystemExit) as end:
            program.run(words)
        printed = self._capsys.readouterr()
        assert not printed.err
        answer: Json = json.loads(printed.out)
        assert end.value.code == (1 if answer["findings"] else 0)
        return answer

    def outcomes(self, *objects: Json, options: tuple[str, ...] = (), day: str = DAY) -> dict[str, tuple[str, str]]:
        rows = self(*objects, options=options, day=day)["rows"]
        return {row["workload"]: (row["trigger"], row["outcome"]) for row in rows}


ENFORCES = ("--policy", "secnumcloud", "-n", "hospital")
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "hospital", "uid": "u", "labels": {"sovereignty.dev/enforce": "secnumcloud"}},
}
