"""The panels of the dashboard, in rows from left to right."""

from typing import Final

from hack.dashboard.description import (
    BAD_IF_ANY,
    BAD_IF_NONE,
    DAYS_LEFT,
    WARNING_IF_ANY,
    Kind,
    Panel,
    Query,
)
from hack.dashboard.queries import (
    COMPONENT,
    NOT_READY,
    SECONDS_TO_END,
    encryption_pods,
    latest,
    nodes_that_are,
    of_those_not_ready,
    pods_at,
)
from hack.dashboard.totals import TOTALS

PLACEMENT: Final = (
    Panel(
        "Policies",
        "The nodes that each policy accepts; those that it refuses and that keep its label for pods which still run "
        "there; and where the pods in scope are.",
        Kind.TABLE,
        12,
        6,
        (
            Query(latest("sovereign_nodes_accepted", "policy"), "Nodes accepted", BAD_IF_NONE),
            Query(latest("sovereign_nodes_retained", "policy"), "Nodes retained", WARNING_IF_ANY),
            Query(f"sum by (policy) ({pods_at('inside')})", "Pods inside"),
            Query(f"sum by (policy) ({pods_at('outside')})", "Pods outside", BAD_IF_ANY),
            Query(f"sum by (policy) ({pods_at('pending')})", "Pods pending", WARNING_IF_ANY),
        ),
        labels=(("policy", "Policy"),),
        worst="Pods outside",
        runbook=("SovereignPodsOutside", "SovereignPolicyWithoutNode", "SovereignPodsNotTrusted"),
        empty="no policy",
    ),
    Panel(
        "Datacentres",
        "The nodes of each datacentre, and the days until the first recorded qualification of its service ends; the "
        "days are empty if the service has none, and infinite if no end is recorded.",
        Kind.TABLE,
        12,
        6,
        (
            Query(latest("sovereign_datacentre_info", "datacentre", "service", "country"), shown=False),
            Query(nodes_that_are("present"), "Nodes"),
            Query(nodes_that_are("lost"), "Lost", WARNING_IF_ANY),
            Query(nodes_that_are("replaced"), "Replaced", WARNING_IF_ANY),
            Query(
                f"{latest('sovereign_datacentre_info', 'datacentre', 'service')} * on (service) group_left () "
                f"min by (service) ({SECONDS_TO_END}) / 86400",
                "Days left",
                DAYS_LEFT,
            ),
        ),
        labels=(("datacentre", "Datacentre"), ("service", "Service"), ("country", "Country")),
        runbook=("SovereignQualificationEnds", "SovereignNodesLost", "SovereignNodeReplaced"),
        empty="no datacentre",
    ),
    Panel(
        "Pods in scope",
        "All pods that are held to a policy, by where they are.",
        Kind.LINES,
        8,
        7,
        tuple(Query(f"sum({pods_at(place)})", place) for place in ("inside", "outside", "pending")),
        runbook=("SovereignPodsOutside",),
    ),
    Panel(
        "Namespaces",
        "Pods in scope by namespace and policy, those with most pods outside first.",
        Kind.TABLE,
        8,
        7,
        (
            Query(pods_at("inside"), "Inside"),
            Query(pods_at("outside"), "Outside", BAD_IF_ANY),
            Query(pods_at("pending"), "Pending", WARNING_IF_ANY),
        ),
        labels=(("namespace", "Namespace"), ("policy", "Policy")),
        worst="Outside",
        runbook=("SovereignPodsOutside",),
        empty="no pods in scope",
    ),
    Panel(
        "SovereignWorkloads that are not ready",
        "kubectl describe sovereignworkload says why, in the condition Ready.",
        Kind.TABLE,
        8,
        7,
        (
            Query(NOT_READY, shown=False),
            Query(of_those_not_ready("inside"), "Inside"),
            Query(of_those_not_ready("outside"), "Outside", BAD_IF_ANY),
            Query(of_those_not_ready("pending"), "Pending", WARNING_IF_ANY),
        ),
        labels=(("namespace", "Namespace"), ("workload", "SovereignWorkload")),
        worst="Outside",
        empty="all are ready",
    ),
)

TRUST: Final = (
    Panel(
        "Encryption",
        "The mode that each policy has reached; its pods whose sidecar has loaded the mode, is late, or is missing; "
        "nodes whose agent has not reported the rules; plaintext connections that the policy does not allow; and pods "
        "whose sidecar refuses connections, because it has as many as it may.",
        Kind.TABLE,
        10,
        6,
        (
            Query(f"{latest('sovereign_encryption_mode', 'policy', 'mode')} == 1", shown=False),
            Query(encryption_pods("loaded"), "Loaded"),
            Query(encryption_pods("late"), "Late", WARNING_IF_ANY),
            Query(encryption_pods("bare"), "No sidecar", WARNING_IF_ANY),
            Query(latest("sovereign_silent_agents", "policy"), "Agents silent", WARNING_IF_ANY),
            Query(latest("sovereign_plaintext_open_connections", "policy"), "Plaintext", WARNING_IF_ANY),
            Query(latest("sovereign_sidecars_refusing", "policy"), "Refusing", WARNING_IF_ANY),
        ),
        labels=(("policy", "Policy"), ("mode", "Mode")),
        runbook=(
            "SovereignPodsWithoutSidecar",
            "SovereignSidecarsLate",
            "SovereignAgentSilent",
            "SovereignPlaintextOpen",
            "SovereignConnectionsRefused",
        ),
        empty="no policy encrypts",
    ),
    Panel(
        "Certificates in an hour",
        "Certificates issued and requests denied for good within the hour before each moment, and requests that wait.",
        Kind.LINES,
        6,
        6,
        (
            Query("sum(increase(sovereign_certificates_total[1h]))", "issued"),
            Query("sum(increase(sovereign_certificate_requests_denied_total[1h]))", "denied"),
            Query("max(sovereign_certificate_requests_waiting)", "waiting"),
        ),
        runbook=("SovereignCertificateRequestsPending", "SovereignCertificatesRepeated"),
        empty="no signer",
    ),
    Panel(
        "Certificate authorities",
        "Days until each authority signs no more, unless the qualification that it rests on is renewed, and the "
        "certificates that it issued within a day.",
        Kind.TABLE,
        8,
        6,
        (
            Query(
                "(min by (policy, datacentre) (sovereign_authority_end_timestamp_seconds) - time()) / 86400",
                "Days left",
                DAYS_LEFT,
            ),
            Query("sum by (policy, datacentre) (increase(sovereign_certificates_total[1d]))", "Issued in 1 d"),
        ),
        labels=(("policy", "Policy"), ("datacentre", "Datacentre")),
        runbook=("SovereignAuthorityEnds", "SovereignAuthorityRefused"),
        empty="no authority",
    ),
)

OPERATOR: Final = (
    Panel(
        "Processes",
        "The replicas that Prometheus reaches, which of them leads, failed reconciliations within an hour, and objects "
        "that cannot be written or read. Injectors and agents have no leader.",
        Kind.TABLE,
        8,
        6,
        (
            Query(
                f"count by ({COMPONENT}) (sovereign_leading or sovereign_injector_certificate_end_timestamp_seconds "
                "or sovereign_agent_silence_seconds)",
                "Replicas",
                BAD_IF_NONE,
            ),
            Query(f"max by ({COMPONENT}, pod) (sovereign_leading) == 1", shown=False),
            Query(
                f'sum by ({COMPONENT}) (increase(sovereign_reconciles_total{{result="error"}}[1h]))',
                "Errors in 1 h",
                WARNING_IF_ANY,
            ),
            Query(f"sum by ({COMPONENT}) (sovereign_objects_not_written)", "Not written", WARNING_IF_ANY),
            Query(f"max by ({COMPONENT}) (sovereign_unreadable_objects)", "Unreadable", WARNING_IF_ANY),
        ),
        labels=((COMPONENT, "Process"), ("pod", "Leader")),
        runbook=(
            "SovereignControllerAbsent",
            "SovereignSignerAbsent",
            "SovereignInjectorAbsent",
            "SovereignAgentAbsent",
            "SovereignObjectsNotWritten",
            "SovereignObjectsUnreadable",
        ),
        empty="no process",
    ),
    Panel(
        "Errors",
        "Within 15 minutes: reconciliations that failed and are tried again, background tasks that failed, and rules "
        "that agents could not load.",
        Kind.LINES,
        5,
        6,
        (
            Query('sum(increase(sovereign_reconciles_total{result="error"}[15m]))', "reconciling"),
            Query("sum(increase(sovereign_tasks_failed_total[15m]))", "tasks"),
            Query("sum(increase(sovereign_redirect_failures_total[15m]))", "redirects"),
        ),
        runbook=("SovereignAgentFails",),
        empty="none",
    ),
    Panel(
        "Alerts that fire",
        "The chart's alerts and what each is about, if Prometheus has the chart's rules (alerts.enabled).",
        Kind.TABLE,
        11,
        6,
        (
            Query(
                'max by (severity, alertname, about) (label_join(ALERTS{alertname=~"Sovereign.+", '
                'alertstate="firing"}, "about", " ", "namespace", "policy", "datacentre", "service", "scheme", '
                '"component", "node", "resource", "pod"))',
                shown=False,
            ),
        ),
        labels=(("severity", "Severity"), ("alertname", "Alert"), ("about", "About")),
        empty="none fires",
    ),
)

PANELS: Final = (*TOTALS, *PLACEMENT, *TRUST, *OPERATOR)
