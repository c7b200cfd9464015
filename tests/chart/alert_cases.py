"""When each alert must fire and when not, case by case."""

from tests.chart.alert_changes import (
    CARDIO,
    DATACENTRE,
    POD_C,
    POLICY,
    QUALIFIED,
    SCOPE,
    WAIVED,
    Case,
    absent,
    agent,
    authority,
    derogation,
    ended,
    handed_over,
    injector_authority,
    injectors,
    lacking,
    pods,
    qualification,
    quiet,
    repeated,
    said,
)
from tests.chart.alert_series import (
    BARE,
    CURRENT,
    DAY,
    DRIFTED,
    EXPOSED,
    FAILURES,
    FROZEN,
    GUARDS,
    INSIDE,
    LATE,
    LOST,
    MINUTES,
    NODES,
    NOT_WRITTEN,
    NOW,
    OLDEST,
    OPEN,
    OUTSIDE,
    PENDING,
    PILOT,
    REFUSED,
    REFUSING,
    REPLACED,
    SIGNED_BY,
    SILENCE,
    SILENT,
    STRAY,
    STRICT,
    UNREADABLE,
    always,
    ends_in,
    gone,
    since,
)

CASES: dict[str, Case] = {
    "all is well": Case({}),
    "guards are broken": said(GUARDS, since(1, 2), "GuardsBroken", labels={}, says="were changed"),
    "guards were broken for a minute, four ago": said(
        GUARDS, f"0x{MINUTES - 5} 2 0x3", "GuardsBroken", labels={}, says="were changed"
    ),
    "guards were broken six minutes ago": said(GUARDS, f"0x{MINUTES - 7} 2 0x5", labels={}, says=""),
    "guards are broken, and the controller began again": said(
        GUARDS, f"2x{MINUTES - 2} 0 0", "GuardsBroken", labels={}, says="were changed"
    ),
    "guards also audit": said(DRIFTED, since(5, 1), "GuardsDrifted", labels={}, says="They still guard"),
    "guards have audited for four minutes": said(DRIFTED, since(4, 1), labels={}, says=""),
    "pods have run outside for five minutes": said(OUTSIDE, since(5, 1), "PodsOutside", labels=SCOPE, says=CARDIO),
    "pods have run outside for four minutes": said(OUTSIDE, since(4, 1), labels=SCOPE, says=""),
    "the signer has run on a refused node": said(
        EXPOSED,
        since(20, 1, before=None),
        "ProcessOutside",
        labels={"component": "signer", "process": "signer-a", "node": "paris-1"},
        says="Pod signer-a on node paris-1: anyone who controls the node has its token",
    ),
    "the signer ran on a refused node until it was moved": said(EXPOSED, gone(6, 1), labels={}, says=""),
    "pods ran outside until a minute ago": said(OUTSIDE, f"0x20 2x{MINUTES - 22} 0", labels=SCOPE, says=""),
    "pods run outside, and another controller took over": handed_over(
        OUTSIDE, 1, 2, "PodsOutside", labels=SCOPE, says=CARDIO
    ),
    "pods are outside, and the controller has just gone": said(
        OUTSIDE, gone(3, 1), "PodsOutside", labels=SCOPE, says=CARDIO
    ),
    "pods in namespaces without trust": pods(STRAY, since(6, 2), fires=("PodsNotTrusted",)),
    "pods in namespaces without trust for four minutes": pods(STRAY, since(4, 2), fires=()),
    "a policy in use has had no node for five minutes": said(
        NODES,
        since(5, 0, before=2),
        "PolicyWithoutNode",
        labels=POLICY,
        says="Policy secnumcloud: new pods wait",
    ),
    "a policy in use has had no node for four minutes": said(NODES, since(4, 0, before=2), labels=POLICY, says=""),
    "a policy without a node to which no pod is held": Case({"controller-a": {NODES: always(0), INSIDE: always(0)}}),
    "its one pod waits": Case(
        {"controller-a": {NODES: always(0), INSIDE: always(0), PENDING: always(1)}},
        ("PolicyWithoutNode",),
        POLICY,
        "No node may host",
    ),
    "a policy without a node, and another controller took over": handed_over(
        NODES, 0, 2, "PolicyWithoutNode", labels=POLICY, says="No node may host"
    ),
    "a node has been lost for ten minutes": said(
        LOST, since(10, 1), "NodesLost", labels=DATACENTRE, says="Datacentre brest: its condition Ready names them"
    ),
    "a node has been lost for nine minutes": said(LOST, since(9, 1), labels=DATACENTRE, says=""),
    "a node is lost, and another controller took over": handed_over(
        LOST, 1, 3, "NodesLost", labels=DATACENTRE, says="are gone from the cluster"
    ),
    "a node registered again": said(
        REPLACED,
        since(1, 1),
        "NodeReplaced",
        labels=DATACENTRE,
        says="Datacentre brest: its condition Ready names the node",
    ),
    "its new uid is declared": said(REPLACED, f"1x{MINUTES - 2} 0", labels=DATACENTRE, says=""),
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
            "an object cannot be read": Case(
                {f"{component}-a": {UNREADABLE: since(5, 1, before=None)}},
                ("ObjectsUnreadable",),
                {"resource": "datacentres"},
                "Resource datacentres: the operator assumes the worst about it",
            ),
            "an object could not be read for a while": Case({f"{component}-a": {UNREADABLE: since(4, 1, before=None)}}),
        }.items()
    },
    "an object may not be written": Case(
        {"controller-a": {NOT_WRITTEN: since(15, 1, before=None)}},
        ("ObjectsNotWritten",),
        {"resource": "nodes"},
        "Resource nodes: an Event NotWritten of each such object",
    ),
    "an object could not be written for a while": Case({"controller-a": {NOT_WRITTEN: since(14, 1, before=None)}}),
    "31 days are left": qualification(31),
    "29 days are left": qualification(29, "30"),
    "8 days are left": qualification(8, "30"),
    "6 days are left": qualification(6, "30", "7"),
    "2 days are left": qualification(2, "30", "7"),
    "hours are left": qualification(0.5, "30", "7", "1"),
    "a qualification has ended": ended(-0.5),
    "a qualification ended long ago": ended(-100),
    "a qualification ended, and another controller took over": handed_over(
        CURRENT, NOW - DAY, 2, "QualificationEnded", labels=QUALIFIED, says="has ended"
    ),
    "the renewal is recorded, and the former decision ends in hours": qualification(900, former=0.5),
    "the renewal is recorded, and it ends soon, too": qualification(20, "30", former=2),
    "a derogation with 31 days left": derogation(31),
    "a derogation with 29 days left": derogation(29, "30"),
    "a derogation with 6 days left": derogation(6, "30", "7"),
    "a derogation with hours left": derogation(0.5, "30", "7", "1"),
    "a derogation with hours left, and another one is approved": derogation(0.5, other=100),
    "a derogation has ended": Case(
        {"controller-a": {PILOT: ends_in(-0.5)}}, ("DerogationEnded",), WAIVED, "unless the service is qualified by now"
    ),
    "a derogation ended and was deleted": said(PILOT, gone(6, NOW - DAY), labels=WAIVED, says=""),
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
    # A process reads all requests as it begins, so Prometheus may never scrape the value 0.
    "a new pod's first sample is 1": repeated(since(30, 1, before=None), since(30, NOW - 1800, before=None), pod=POD_C),
    "a new pod's first sample is 0": repeated(
        since(30, 0, before=None), since(30, NOW - 1800, before=None), pod=POD_C, fires=False
    ),
    "it started again at 0": repeated(since(30, 0, before=2), since(30, NOW - 1800), fires=False),
    "it started again, and its first sample is lower": repeated(since(30, 1, before=2), since(30, NOW - 1800)),
    "it started again, and its first sample is the last one": repeated(since(30, 2, before=2), since(30, NOW - 1800)),
    "it started again over an hour ago": repeated(since(70, 2, before=1), since(70, NOW - 4200), fires=False),
    "Prometheus is new, and what it counts is old": repeated(
        since(30, 2, before=None), since(30, 0, before=None), fires=False
    ),
    "Prometheus did not reach it for a while": repeated("2x5 _x30 2x44", "0x5 _x30 0x44", fires=False),
    "no injector": injectors(None, None),
    "no injector has a certificate yet": injectors(always(0), always(0)),
    "one injector": injectors(None, ends_in(20), fires=False),
    "injectors that went four minutes ago": injectors(gone(4, NOW * 2), gone(4, NOW * 2), fires=False),
    "the injector's authority ends in three months": injector_authority(89),
    "the injector's authority ends later": injector_authority(91, fires=False),
    "the injector's authority has ended": injector_authority(-1),
    "somebody gives the injector its certificates": Case({f"injector-{pod}": {SIGNED_BY: always(0)} for pod in "ab"}),
    "no agent": Case(
        {"agent-a": {}, "agent-b": {}}, ("AgentAbsent",), says="do not start until one runs on their node"
    ),
    "an agent on one node only": Case({"agent-a": {}}),
    "an agent that has heard nothing for long": agent(SILENCE, since(8, 400, before=60)),
    "an agent that has heard nothing for a while": agent(SILENCE, since(3, 400, before=60), fires=False),
    "rules cannot be loaded": agent(FAILURES, f"0x{MINUTES - 10} 1+1x10"),
    "rules could not be loaded once": agent(FAILURES, since(40, 1), fires=False),
    "a node whose kernel lacks a module": lacking(since(8, 1)),
    "a node that lacks nothing any more": lacking(since(2, 0, before=1), fires=False),
    "a pod without a sidecar in Strict": pods(BARE, since(8, 2), fires=("PodsWithoutSidecar",)),
    "a pod without a sidecar before Strict": pods(BARE, since(8, 2), fires=(), **{STRICT: always(0)}),
    "plaintext that is open in Strict": pods(OPEN, since(8, 2), fires=("PlaintextOpen",)),
    "plaintext that ends with the step to Strict": pods(OPEN, since(3, 2), fires=()),
    "plaintext that is open before Strict": pods(OPEN, since(8, 2), fires=(), **{STRICT: always(0)}),
    "a sidecar that starts": pods(LATE, since(10, 1), fires=()),
    "a sidecar that does not get on": pods(LATE, since(20, 1), fires=("SidecarsLate",)),
    "a sidecar that refuses connections": pods(REFUSING, since(1, 1), fires=("ConnectionsRefused",)),
    "a sidecar that refuses none any more": pods(REFUSING, since(2, 0, before=1), fires=()),
    "an agent that is being replaced": pods(SILENT, since(10, 1), fires=()),
    "an agent that says nothing": pods(SILENT, since(20, 1), fires=("AgentSilent",)),
    "an authority cannot be used": Case(
        {"signer-a": {REFUSED: always(1)}}, ("AuthorityRefused",), says="that was brought cannot be used"
    ),
}
