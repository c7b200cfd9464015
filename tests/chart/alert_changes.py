"""What a case is: how it changes a healthy installation's metrics, and which alerts must then fire."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.chart.alert_series import (
    AUTHORITY,
    CURRENT,
    FAILURES,
    FORMER,
    LACKS,
    LEADING,
    NEXT_PILOT,
    PILOT,
    REPEATED,
    SERVES,
    SIGNED_BY,
    STARTED,
    Series,
    ends_in,
    gone,
    since,
)


@dataclass(frozen=True)
class Case:
    """A change of the healthy installation, and the alerts that must then fire.

    ``fires`` are names of alerts without ``Sovereign``, ``labels`` those that they have besides the rule's own, and
    ``says`` is a part of their texts.
    """

    change: Series
    fires: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    says: str = ""


QUALIFIED = {"service": "armor-snc", "scheme": "SecNumCloud"}
WAIVED = {"policy": "secnumcloud", "service": "armor-public", "scheme": "SecNumCloud"}
CERTIFIED = {"policy": "secnumcloud", "datacentre": "brest"}
POD_A = {"app_kubernetes_io_component": "controller", "pod": "controller-a"}
POD_C = {"app_kubernetes_io_component": "controller", "pod": "controller-c"}


def qualification(days: float, *fires: str, former: float = -200) -> Case:
    change = {"controller-a": {CURRENT: ends_in(days), FORMER: ends_in(former)}}
    names = tuple(f"QualificationEndsIn{end}Days" for end in fires)
    return Case(change, names, QUALIFIED, "SecNumCloud of armor-snc: record its renewal")


def ended(days: float) -> Case:
    change = {"controller-a": {CURRENT: ends_in(days)}}
    return Case(change, ("QualificationEnded",), QUALIFIED, "SecNumCloud of armor-snc: policies that demand it accept")


def derogation(days: float, *fires: str, other: float = -200) -> Case:
    change = {"controller-a": {PILOT: ends_in(days), NEXT_PILOT: ends_in(other)}}
    names = tuple(f"DerogationEndsIn{end}Days" for end in fires)
    return Case(change, names, WAIVED, "Policy secnumcloud, SecNumCloud of armor-public: record the qualification")


def authority(days: float, *fires: str) -> Case:
    change = {pod: {AUTHORITY: ends_in(days)} for pod in ("signer-a", "signer-b")}
    names = tuple(f"AuthorityEndsIn{end}Days" for end in fires)
    return Case(change, names, CERTIFIED, "Policy secnumcloud, datacentre brest: from then on pods there get no")


def repeated(values: str, started: str, *, fires: bool = True, pod: Mapping[str, str] = POD_A) -> Case:
    names = ("CertificatesRepeated",) if fires else ()
    return Case({pod["pod"]: {REPEATED: values, STARTED: started}}, names, pod, "more certificates than it has volumes")


def absent(component: str, **leading: str) -> Case:
    """Set whether the pods of one process lead; a pod for which nothing is given does not exist."""
    change = {f"{component}-{pod}": {LEADING: leading[pod]} if pod in leading else {} for pod in "ab"}
    return Case(change, (f"{component.title()}Absent",), says=f"No replica of the {component} is active")


def injectors(a: str | None, b: str | None, *, fires: bool = True) -> Case:
    """Set when the injectors' certificates end; an injector for which None is given does not exist."""
    change = {f"injector-{pod}": {SERVES: end} if end else {} for pod, end in (("a", a), ("b", b))}
    return Case(change, ("InjectorAbsent",) if fires else (), says="New pods of policies that encrypt are refused")


def injector_authority(days: float, *, fires: bool = True) -> Case:
    change = {f"injector-{pod}": {SIGNED_BY: ends_in(days)} for pod in "ab"}
    return Case(change, ("InjectorAuthorityEnds",) if fires else (), says="policies that encrypt are refused")


AGENT = {"app_kubernetes_io_component": "agent", "pod": "agent-a"}
POLICY = {"policy": "secnumcloud"}
SCOPE = {"namespace": "cardio", **POLICY, "datacentre": "lyon", "service": "hexa-gouv"}
DATACENTRE = {"datacentre": "brest"}
CARDIO = "Namespace cardio, policy secnumcloud: pods run in datacentre lyon of service hexa-gouv. The operator moves no"


def agent(metric: str, values: str, *, fires: bool = True) -> Case:
    labels = AGENT | ({"reason": "rules"} if metric == FAILURES else {})
    return Case(
        {"agent-a": {metric: values}}, ("AgentFails",) if fires else (), labels, "Agent agent-a: its log says why"
    )


def lacking(values: str, *, fires: bool = True) -> Case:
    """Have the agent of one node report that the node lacks something."""
    labels, says = AGENT | {"what": "rules"}, "Agent agent-a reports rules"
    return Case({"agent-a": {LACKS: values}}, ("NodeLacks",) if fires else (), labels, says)


def pods(metric: str, values: str, *, fires: tuple[str, ...], **more: str) -> Case:
    return Case({"controller-a": {metric: values, **more}}, fires, POLICY, "Policy secnumcloud")


def said(metric: str, values: str, *fires: str, labels: Mapping[str, str], says: str) -> Case:
    """Change a metric of the active controller."""
    return Case({"controller-a": {metric: values}}, fires, labels, says)


def handed_over(metric: str, value: float, minutes: int, *fires: str, labels: Mapping[str, str], says: str) -> Case:
    """Set a metric of one controller until it ends, and of the next one from a minute later, ``minutes`` ago."""
    change = {
        "controller-a": {LEADING: gone(minutes + 1, 1), metric: gone(minutes + 1, value)},
        "controller-b": {LEADING: since(minutes, 1), metric: since(minutes, value, before=None)},
    }
    return Case(change, fires, labels, says)


def quiet(case: Case) -> Case:
    return Case(case.change)
