"""The first row of the dashboard: numbers that are zero, or large, while all is well."""

from typing import Final

from hack.dashboard.description import BAD_IF_ANY, DAYS_LEFT, WARNING_IF_ANY, Kind, Levels, Panel, Query
from hack.dashboard.queries import READY, SECONDS_TO_END, SECONDS_TO_END_OF_DEROGATION, encryption_pods, latest, pods_at


def number(title: str, about: str, expression: str, levels: Levels, *runbook: str, empty: str = "no data") -> Panel:
    """Return a panel that shows one number."""
    return Panel(title, about, Kind.NUMBER, 3, 3, (Query(expression, levels=levels),), runbook=runbook, empty=empty)


TOTALS: Final = (
    number(
        "Guards broken",
        "Admission policies, bindings and webhooks of the chart that are missing or were changed so that they guard "
        "less, now or within five minutes.",
        "max(max_over_time(sovereign_guards_broken[5m]))",
        BAD_IF_ANY,
        "SovereignGuardsBroken",
    ),
    number(
        "Pods outside",
        "Pods that are held to a policy and run on a node that it does not accept. The operator does not move them.",
        f"sum({pods_at('outside')})",
        BAD_IF_ANY,
        "SovereignPodsOutside",
    ),
    number(
        "No accepted node",
        "Policies to which pods are held and that accept no node: their new pods wait.",
        f"sum(({latest('sovereign_nodes_accepted', 'policy')} < bool 1) * on (policy) "
        "(sum by (policy) (last_over_time(sovereign_pods_in_scope[5m])) > bool 0))",
        BAD_IF_ANY,
        "SovereignPolicyWithoutNode",
        empty="no policy in use",
    ),
    number(
        "Not ready",
        "SovereignWorkloads whose condition Ready is not True. The table below names them.",
        f"sum(1 - {READY})",
        WARNING_IF_ANY,
        empty="none declared",
    ),
    number(
        "Days to next end",
        "Days until the first end of a derogation, or of a qualification of a service in which you have a datacentre.",
        f"min({SECONDS_TO_END} or {SECONDS_TO_END_OF_DEROGATION}) / 86400",
        DAYS_LEFT,
        "SovereignQualificationEnds",
        "SovereignQualificationEnded",
        "SovereignDerogationEnds",
        "SovereignDerogationEnded",
        empty="none recorded",
    ),
    number(
        "Requests waiting",
        "Requests for certificates that are not answered yet. Their pods do not start.",
        "max(sovereign_certificate_requests_waiting)",
        WARNING_IF_ANY,
        "SovereignCertificateRequestsPending",
        empty="no signer",
    ),
    number(
        "Without sidecar",
        "Pods that run without a sidecar although their policy encrypts. In Strict, no pod connects to them.",
        f"sum({encryption_pods('bare')})",
        WARNING_IF_ANY,
        "SovereignPodsWithoutSidecar",
        empty="no encryption",
    ),
    number(
        "Processes frozen",
        "Replicas that change nothing, as CRDs, all objects of a kind or all keys are missing or being deleted.",
        "sum(sovereign_frozen)",
        BAD_IF_ANY,
        "SovereignFrozen",
    ),
)
