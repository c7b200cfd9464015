"""When the chart's alerts fire and what they then say, as Prometheus itself judges them (promtool).

Every case changes some series of one healthy estate and names all alerts that fire; each other one must not.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from hack.images import debian
from tests.chart.conftest import Json, Render
from tests.chart.test_chart import ENCRYPTION, IDENTITY, of_kind

ALERTS = ("--set", "alerts.enabled=true")
ALL_ALERTS = (*ENCRYPTION, *ALERTS)

needs_promtool = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("debootstrap") is None, reason="root folders are made by root, with debootstrap"
)

MINUTES = 80
"""How long a case lasts: longer than any rule looks back. It is judged at its end, and time begins at 0."""
NOW = MINUTES * 60
DAY = 86400

Series = Mapping[str, Mapping[str, str]]
"""By pod and metric, a sample a minute, in promtool's notation."""


def always(value: float) -> str:
    return f"{value}x{MINUTES}"


def since(minutes: int, value: float, before: float | None = 0) -> str:
    """Change so many minutes ago. ``None``: there was no such series before."""
    earlier = MINUTES - minutes
    # In promtool's notation 0x9 are ten samples, but _x9 are nine.
    return f"{f'_x{earlier}' if before is None else f'{before}x{earlier - 1}'} {value}x{minutes}"


def gone(minutes: int, value: float) -> str:
    """End so many minutes ago, as when Prometheus finds no such pod any more."""
    return f"{value}x{MINUTES - minutes - 1} stale"


def ends_in(days: float) -> str:
    return always(NOW + days * DAY)


LEADING = "sovereign_leading"
FROZEN = "sovereign_frozen"
GUARDS = "sovereign_guards_broken"
REPEATED = "sovereign_certificates_repeated_total"
REFUSED = "sovereign_authorities_refused"
OLDEST = "sovereign_certificate_requests_oldest_timestamp_seconds"
STARTED = "process_start_time_seconds"
FORMER = 'sovereign_qualification_end_timestamp_seconds{service="armor-snc",scheme="SecNumCloud",id="snc-2023"}'
CURRENT = 'sovereign_qualification_end_timestamp_seconds{service="armor-snc",scheme="SecNumCloud",id="snc-2026"}'
OTHER = 'sovereign_qualification_end_timestamp_seconds{service="armor-snc",scheme="HDS",id="hds"}'
AUTHORITY = 'sovereign_authority_end_timestamp_seconds{policy="secnumcloud",datacentre="brest"}'
SERVES = "sovereign_injector_certificate_end_timestamp_seconds"
SILENCE = "sovereign_agent_silence_seconds"
FAILURES = 'sovereign_redirect_failures_total{reason="rules"}'
STRICT = 'sovereign_encryption_mode{policy="secnumcloud",mode="Strict"}'
BARE = 'sovereign_encryption_pods{policy="secnumcloud",state="bare"}'
LATE = 'sovereign_encryption_pods{policy="secnumcloud",state="late"}'
OTHER_AUTHORITY = 'sovereign_authority_end_timestamp_seconds{policy="hds",datacentre="brest"}'

CONTROLLER = {GUARDS: always(0), FROZEN: always(0), STARTED: always(0)}
SIGNER = {FROZEN: always(0), OLDEST: always(0), REFUSED: always(0), STARTED: always(0)}
BOTH_SIGN = {AUTHORITY: ends_in(200), OTHER_AUTHORITY: ends_in(200)}
HEALTHY: Series = {
    "controller-a": {
        **CONTROLLER,
        LEADING: always(1),
        REPEATED: always(2),  # long ago
        FORMER: ends_in(-200),
        CURRENT: ends_in(900),
        OTHER: ends_in(900),
        STRICT: always(1),
        BARE: always(0),
        LATE: always(0),
    },
    "controller-b": {**CONTROLLER, LEADING: always(0), REPEATED: always(0)},
    "signer-a": {**SIGNER, LEADING: always(1), **BOTH_SIGN},
    "signer-b": {**SIGNER, LEADING: always(0), **BOTH_SIGN},
    "injector-a": {SERVES: ends_in(20)},
    "injector-b": {SERVES: ends_in(20)},
    "agent-a": {SILENCE: always(60), FAILURES: always(0)},
    "agent-b": {SILENCE: always(60), FAILURES: always(3)},  # long ago
}


@dataclass(frozen=True)
class Case:
    """What differs from the healthy estate, and what must then fire.

    ``fires`` are names of alerts without ``Sovereign``, ``labels`` what they have besides the rule's own, and ``says``
    is a part of what they say.
    """

    change: Series
    fires: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    says: str = ""


QUALIFIED = {"service": "armor-snc", "scheme": "SecNumCloud"}
CERTIFIED = {"policy": "secnumcloud", "datacentre": "brest"}
POD_A = {"app_kubernetes_io_component": "controller", "pod": "controller-a"}
POD_C = {"app_kubernetes_io_component": "controller", "pod": "controller-c"}


def qualification(days: float, *fires: str, former: float = -200) -> Case:
    change = {"controller-a": {CURRENT: ends_in(days), FORMER: ends_in(former)}}
    names = tuple(f"QualificationEndsIn{end}Days" for end in fires)
    return Case(change, names, QUALIFIED, "SecNumCloud of armor-snc: record its renewal")


def authority(days: float, *fires: str) -> Case:
    change = {pod: {AUTHORITY: ends_in(days)} for pod in ("signer-a", "signer-b")}
    names = tuple(f"AuthorityEndsIn{end}Days" for end in fires)
    return Case(change, names, CERTIFIED, "Policy secnumcloud, datacentre brest: its pods get no")


def repeated(values: str, started: str, *, fires: bool = True, pod: Mapping[str, str] = POD_A) -> Case:
    names = ("CertificatesRepeated",) if fires else ()
    return Case({pod["pod"]: {REPEATED: values, STARTED: started}}, names, pod, "more certificates than it has volumes")


def absent(component: str, **leading: str) -> Case:
    """Let the pods of one process say this of who leads; one that says nothing is not there."""
    change = {f"{component}-{pod}": {LEADING: leading[pod]} if pod in leading else {} for pod in "ab"}
    return Case(change, (f"{component.title()}Absent",), says=f"No replica of the {component} is active")


def injectors(a: str | None, b: str | None, *, fires: bool = True) -> Case:
    """Let injectors say this of their certificates; one that says nothing is not there."""
    change = {f"injector-{pod}": {SERVES: end} if end else {} for pod, end in (("a", a), ("b", b))}
    return Case(change, ("InjectorAbsent",) if fires else (), says="New pods of policies that encrypt are refused")


AGENT = {"app_kubernetes_io_component": "agent", "pod": "agent-a"}
POLICY = {"policy": "secnumcloud", "app_kubernetes_io_component": "controller", "pod": "controller-a"}


def agent(metric: str, values: str, *, fires: bool = True) -> Case:
    labels = AGENT | ({"reason": "rules"} if metric == FAILURES else {})
    return Case(
        {"agent-a": {metric: values}}, ("AgentFails",) if fires else (), labels, "Agent agent-a: its log says why"
    )


def pods(state: str, metric: str, values: str, *, fires: tuple[str, ...], **more: str) -> Case:
    return Case({"controller-a": {metric: values, **more}}, fires, POLICY | {"state": state}, "Policy secnumcloud")


def quiet(case: Case) -> Case:
    return Case(case.change)


CASES: dict[str, Case] = {
    "all is well": Case({}),
    "guards that a chart's upgrade replaces": Case({"controller-a": {GUARDS: since(1, 2)}}),
    "guards are broken": Case({"controller-a": {GUARDS: since(2, 2)}}, ("GuardsBroken",), says="were changed"),
    **{
        f"{component}: {what}": case
        for component in ("controller", "signer")
        for what, case in {
            "never there": absent(component),
            "there, but none leads": absent(component, a=always(0), b=always(0)),
            "led until six minutes ago": absent(component, a=gone(6, 1), b=always(0)),
            "led until four minutes ago": quiet(absent(component, a=gone(4, 1), b=always(0))),
            "handed over": quiet(absent(component, a=gone(32, 1), b=since(30, 1))),
            "frozen for five minutes": Case({f"{component}-a": {FROZEN: since(5, 1)}}, ("Frozen",), says="CRDs"),
            "frozen for four minutes": Case({f"{component}-a": {FROZEN: since(4, 1)}}),
        }.items()
    },
    "31 days are left": qualification(31),
    "29 days are left": qualification(29, "30"),
    "8 days are left": qualification(8, "30"),
    "6 days are left": qualification(6, "30", "7"),
    "2 days are left": qualification(2, "30", "7"),
    "hours are left": qualification(0.5, "30", "7", "1"),
    "a qualification has ended": qualification(-0.5),
    "the renewal is recorded, and the former decision ends in hours": qualification(900, former=0.5),
    "the renewal is recorded, and it ends soon, too": qualification(20, "30", former=2),
    "an authority with 31 days left": authority(31),
    "an authority with 29 days left": authority(29, "30"),
    "an authority with 8 days left": authority(8, "30"),
    "an authority with 6 days left": authority(6, "30", "7"),
    "an authority with 2 days left": authority(2, "30", "7"),
    "an authority with hours left": authority(0.5, "30", "7", "1"),
    "a request has waited for nine minutes": Case({"signer-a": {OLDEST: since(9, NOW - 540)}}),
    "a request has waited for eleven minutes": Case(
        {"signer-a": {OLDEST: since(11, NOW - 660)}, "signer-b": {OLDEST: since(11, NOW - 660)}},
        ("CertificateRequestsPending",),
        says="waited for more than five minutes",
    ),
    "some request always waits, but none for long": Case({"signer-a": {OLDEST: f"-240+60x{MINUTES}"}}),
    "a certificate was repeated": repeated(since(30, 3, before=2), always(0)),
    "a certificate was repeated over an hour ago": repeated(since(70, 3, before=2), always(0), fires=False),
    # A process reads all requests as it begins, so Prometheus may never see its 0.
    "a new pod's first sample is 1": repeated(since(30, 1, before=None), since(30, NOW - 1800, before=None), pod=POD_C),
    "a new pod's first sample is 0": repeated(
        since(30, 0, before=None), since(30, NOW - 1800, before=None), pod=POD_C, fires=False
    ),
    "it began anew at 0": repeated(since(30, 0, before=2), since(30, NOW - 1800), fires=False),
    "it began anew, and its first sample is lower": repeated(since(30, 1, before=2), since(30, NOW - 1800)),
    "it began anew, and its first sample is the last one": repeated(since(30, 2, before=2), since(30, NOW - 1800)),
    "it began anew over an hour ago": repeated(since(70, 2, before=1), since(70, NOW - 4200), fires=False),
    "Prometheus is new, and what it counts is old": repeated(
        since(30, 2, before=None), since(30, 0, before=None), fires=False
    ),
    "Prometheus did not reach it for a while": repeated("2x5 _x30 2x44", "0x5 _x30 0x44", fires=False),
    "no injector": injectors(None, None),
    "no injector has a certificate yet": injectors(always(0), always(0)),
    "one injector": injectors(None, ends_in(20), fires=False),
    "injectors that went four minutes ago": injectors(gone(4, NOW * 2), gone(4, NOW * 2), fires=False),
    "no agent": Case(
        {"agent-a": {}, "agent-b": {}}, ("AgentAbsent",), says="do not start until one runs on their node"
    ),
    "an agent on one node only": Case({"agent-a": {}}),
    "an agent that has heard nothing for long": agent(SILENCE, since(8, 400, before=60)),
    "an agent that has heard nothing for a while": agent(SILENCE, since(3, 400, before=60), fires=False),
    "rules cannot be loaded": agent(FAILURES, f"0x{MINUTES - 10} 1+1x10"),
    "rules could not be loaded once": agent(FAILURES, since(40, 1), fires=False),
    "a pod without a sidecar in Strict": pods("bare", BARE, since(8, 2), fires=("PodsWithoutSidecar",)),
    "a pod without a sidecar before Strict": pods("bare", BARE, since(8, 2), fires=(), **{STRICT: always(0)}),
    "a sidecar that starts": pods("late", LATE, since(10, 1), fires=()),
    "a sidecar that does not get on": pods("late", LATE, since(20, 1), fires=("SidecarsLate",)),
    "an authority cannot be used": Case(
        {"signer-a": {REFUSED: always(1)}}, ("AuthorityRefused",), says="that was brought cannot be used"
    ),
}


def read_rules(objects: list[Json]) -> dict[str, Json]:
    (found,) = of_kind(objects, "PrometheusRule").values()
    rules = [rule for group in found["spec"]["groups"] for rule in group["rules"]]
    named = {rule["alert"]: rule for rule in rules}
    assert len(named) == len(rules)
    return named


def read_targets(objects: list[Json]) -> dict[str, Json]:
    """Return what the PodMonitor makes of the labels of each process's pods."""
    (monitor,) = of_kind(objects, "PodMonitor").values()
    return {
        name.removeprefix("sovereign-"): {
            re.sub(r"\W", "_", label): deployment["spec"]["template"]["metadata"]["labels"][label]
            for label in monitor["spec"]["podTargetLabels"]
        }
        for name, deployment in (of_kind(objects, "Deployment") | of_kind(objects, "DaemonSet")).items()
    }


def write_series(change: Series, targets: Mapping[str, Json]) -> list[Json]:
    written = []
    for pod in sorted(HEALTHY.keys() | change.keys()):
        if change.get(pod) == {}:
            continue  # it is not there
        metrics = {**HEALTHY.get(pod, {}), **change.get(pod, {})}
        target = {**targets[pod.rpartition("-")[0]], "pod": pod}
        labels = ",".join(f'{label}="{value}"' for label, value in target.items())
        for metric, values in metrics.items():
            name, _, own = metric.rstrip("}").partition("{")
            written.append({"series": f"{name}{{{labels}{',' * bool(own)}{own}}}", "values": values})
    return written


def expect(case: Case, rule: Json) -> list[Json]:
    """Return what promtool must find of one alert in one case."""
    if rule["alert"].removeprefix("Sovereign") not in case.fires:
        return []
    # Stays as it is if it uses anything but the labels that the case names; then it is no readable text.
    texts = {
        key: re.sub(r"{{ \$labels\.(\w+) }}", lambda found: case.labels.get(found[1], found[0]), text)
        for key, text in rule["annotations"].items()
    }
    return [{"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": texts}]


def write_tests(objects: list[Json]) -> Json:
    rules, targets = read_rules(objects), read_targets(objects)
    return {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": name,
                "interval": "1m",
                "input_series": write_series(case.change, targets),
                "alert_rule_test": [
                    {"eval_time": f"{MINUTES}m", "alertname": alert, "exp_alerts": expect(case, rule)}
                    for alert, rule in rules.items()
                ],
            }
            for name, case in CASES.items()
        ],
    }


def ask_promtool(folder: Path, *arguments: str) -> tuple[bool, str]:
    """Return whether promtool is content, and what it says."""
    command = f"cd /mnt; if promtool {' '.join(arguments)} >said 2>&1; then echo yes >content; fi"
    debian.run(debian.install("prometheus"), folder, command)
    return (folder / "content").exists(), (folder / "said").read_text(encoding="utf-8")


@needs_promtool
@pytest.mark.parametrize(
    "options", [ALERTS, (*IDENTITY, *ALERTS), ALL_ALERTS], ids=["controller alone", "with identity", "with encryption"]
)
def test_prometheus_takes_the_rules(render: Render, options: tuple[str, ...], tmp_path: Path) -> None:
    (rules,) = of_kind(render(*options), "PrometheusRule").values()
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules["spec"]), encoding="utf-8")
    content, said = ask_promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    assert content, said


@needs_promtool
def test_each_alert_fires_when_it_should_and_only_then(render: Render, tmp_path: Path) -> None:
    objects = render(*ALL_ALERTS)
    (rules,) = of_kind(objects, "PrometheusRule").values()
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules["spec"]), encoding="utf-8")
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(write_tests(objects)), encoding="utf-8")
    content, said = ask_promtool(tmp_path, "test", "rules", "tests.yaml")
    assert content, said


def test_each_alert_has_a_case_and_a_readable_text(render: Render) -> None:
    rules = read_rules(render(*ALL_ALERTS))
    assert {f"Sovereign{name}" for case in CASES.values() for name in case.fires} == set(rules)
    for name, case in CASES.items():
        for alert in (rules[f"Sovereign{short}"] for short in case.fires):
            ((found),) = expect(case, alert)
            texts = found["exp_annotations"]
            assert set(texts) == {"summary", "description"}, name
            assert case.says, name
            assert any(case.says in text for text in texts.values()), name
            for text in texts.values():
                assert not re.search(r"[{}<>%$\n]|  |\(s\)|^$", text), text


def test_the_text_says_how_many_days_are_left(render: Render) -> None:
    rules = read_rules(render(*ALL_ALERTS))
    for what in ("Qualification", "Authority"):
        for days in ("30 days", "7 days", "1 day"):
            summary = rules[f"Sovereign{what}EndsIn{days.split()[0]}Days"]["annotations"]["summary"]
            assert re.search(rf"within {days}\b", summary)


def test_the_pod_monitor_finds_the_pods_and_their_port(render: Render) -> None:
    objects = render(*ALL_ALERTS)
    (monitor,) = of_kind(objects, "PodMonitor").values()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    processes = of_kind(objects, "Deployment") | of_kind(objects, "DaemonSet")
    assert set(processes) == {f"sovereign-{name}" for name in ("controller", "signer", "injector", "agent")}
    for deployment in processes.values():
        template = deployment["spec"]["template"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        ports = {port["name"] for container in template["spec"]["containers"] for port in container["ports"]}
        assert endpoint["port"] in ports


def test_a_process_says_when_it_started() -> None:
    """An alert asks for it; it is the Prometheus client's own metric."""
    assert REGISTRY.get_sample_value(STARTED)
