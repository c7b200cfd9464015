"""Why a condition of one of our objects has its status."""

from typing import Final

from sovereign_operator.core.report.reason import (
    CERTIFICATES,
    CLOUD_SERVICE,
    DATACENTRE,
    GUARD_EVENT,
    POLICY,
    WORKLOAD,
    Reason,
)

PUT_BACK: Final = "`helm upgrade` restores it"


class ConditionReason(Reason):
    """Why a condition of one of our objects has its status."""

    # CloudService, condition Qualified
    IN_FORCE = ("InForce", CLOUD_SERVICE("Qualified True", "at least one qualification is in force today"))
    NONE_IN_FORCE = (
        "NoneInForce",
        CLOUD_SERVICE(
            "Qualified False",
            "no qualification is in force: not recorded, not begun, ended, suspended, withdrawn or in process",
            "read ANSSI's catalogue again, and correct `spec.qualifications`",
        ),
    )
    # Datacentre, condition Ready
    NODES_PRESENT = ("NodesPresent", DATACENTRE("Ready True", "nodes of this cluster stand here"))
    NO_NODES = (
        "NoNodes",
        DATACENTRE(
            "Ready False",
            "no node of this cluster stands here",
            "correct `spec.nodes` (name and uid) or `spec.nodeSelector`",
        ),
    )
    # SovereigntyPolicy, condition Ready
    NODES_ACCEPTED = ("NodesAccepted", POLICY("Ready True", "nodes may host its pods"))
    NO_NODE_ACCEPTED = (
        "NoNodeAccepted",
        POLICY(
            "Ready False",
            "no node may host its pods; the message says why, datacentre by datacentre",
            "`status.refused` lists each; see the next table",
        ),
        WORKLOAD(
            "Accepted False",
            "the policy accepts no node now, and a roll-out would stop the workload's pods",
            "have a node accepted; the workload is taken then",
        ),
    )
    # SovereigntyPolicy, condition CertificatesGranted
    ALL_GRANTED = (
        "AllGranted",
        POLICY(
            "CertificatesGranted True", "all pods that mount its certificates are in namespaces to which it gives them"
        ),
    )
    NAMESPACE_NOT_TRUSTED = (
        "NamespaceNotTrusted",
        POLICY(
            "CertificatesGranted False",
            "some pods mount them in other namespaces: the certificates that these have run out within a day",
            "name their namespaces in `spec.certificateNamespaces`, or label them",
        ),
    )
    # SovereignWorkload, condition Accepted
    ACCEPTED = ("Accepted", WORKLOAD("Accepted True", "the workload is in scope of the policy"))
    NO_POLICY = (
        "NoPolicy",
        WORKLOAD("Accepted False", "neither the namespace nor `spec.policyRef` names a policy", "name a policy"),
    )
    POLICY_CONFLICT = (
        "PolicyConflict",
        WORKLOAD(
            "Accepted False",
            "the namespace enforces another policy",
            "leave `spec.policyRef` out, or use another namespace",
        ),
    )
    UNKNOWN_POLICY = (
        "UnknownPolicy",
        WORKLOAD("Accepted False", "the SovereigntyPolicy does not exist", "correct the name, or create it"),
    )
    SYSTEM_NAMESPACE = (
        "SystemNamespace",
        WORKLOAD("Accepted False", "this namespace runs the cluster and is never in scope", "use one of your own"),
    )
    WORKLOAD_NOT_FOUND = (
        "WorkloadNotFound",
        WORKLOAD("Accepted False", "the workload does not exist yet", "create it; it is taken into scope then"),
    )
    ALREADY_TAKEN = (
        "AlreadyTaken",
        WORKLOAD("Accepted False", "an older SovereignWorkload refers to the same workload", "delete one of the two"),
    )
    NAME_TAKEN = (
        "NameTaken",
        WORKLOAD(
            "Accepted False",
            "a workload of that name exists, and this object does not own it",
            "use `workloadRef`, or another name",
        ),
    )
    TEMPLATE_TOO_LARGE = (
        "TemplateTooLarge",
        WORKLOAD(
            "Accepted False",
            "`spec.template.spec` has more than 256 KiB of JSON, or more than 100 levels",
            "move what is large into a ConfigMap",
        ),
    )
    WORKLOAD_TOO_LARGE = (
        "WorkloadTooLarge",
        WORKLOAD(
            "Accepted False",
            (
                "the workload has more than 2000 labels, annotations, labels in its pod template or entries "
                "in its nodeSelector, which the API server takes too long to write"
            ),
            "remove some",
        ),
    )
    JOB_IMMUTABLE = (
        "JobImmutable",
        WORKLOAD(
            "Accepted False",
            "the Job's pod template cannot change",
            "label the namespace, or create the Job again with the label",
        ),
    )
    WOULD_STOP = (
        "WouldStop",
        WORKLOAD(
            "Accepted False",
            "a roll-out would stop pods, and no accepted node can run their successors",
            (
                "the message says what stands in the way: move the volume's data or change the workload, or "
                "set `spec.adoption: Force`"
            ),
        ),
    )
    CONTESTED = (
        "Contested",
        WORKLOAD(
            "Accepted False",
            "another client reverts what the operator writes into the workload; the message names it",
            "have that client write the label, or label the namespace",
        ),
    )
    REFUSED_BY_SERVER = (
        "RefusedByServer",
        WORKLOAD(
            "Accepted False", "the API server refused the write; the message quotes it", "correct `spec.template`"
        ),
    )
    # SovereignWorkload, condition Placed
    ALL_INSIDE = (
        "AllInside",
        WORKLOAD("Placed True", "all pods run on nodes that the policy accepts"),
        WORKLOAD("Ready True", "all pods run on nodes that the policy accepts, and the workload is current"),
    )
    PODS_OUTSIDE = (
        "PodsOutside",
        WORKLOAD(
            "Placed False",
            "some pods do not; `status.outsideExamples` says which and why",
            "the message has the command",
        ),
    )
    PODS_PENDING = (
        "PodsPending",
        WORKLOAD(
            "Placed False",
            "some pods wait for a node; `status.pendingExamples` says why",
            "add room, or see the policy",
        ),
    )
    NO_PODS = ("NoPods", WORKLOAD("Placed Unknown", "the workload has no pods"))
    NOT_IN_SCOPE = (
        "NotInScope",
        WORKLOAD("Placed Unknown", "see `Accepted`"),
        WORKLOAD("Enforced Unknown", "see `Accepted`"),
    )
    # SovereignWorkload, condition Ready
    WORKLOAD_IN_PROGRESS = (
        "WorkloadInProgress",
        WORKLOAD(
            "Ready False",
            "the workload has not reached its spec yet, or its pods crash; the message has the counts",
            "`kubectl describe` the workload and its pods",
        ),
    )
    WORKLOAD_FAILED = (
        "WorkloadFailed",
        WORKLOAD(
            "Ready False", "its roll-out made no progress in time", "`kubectl describe` the workload and its pods"
        ),
    )
    WORKLOAD_CURRENT = ("WorkloadCurrent", WORKLOAD("Ready True", "the workload is current and needs no pods now"))
    JOB_COMPLETE = ("JobComplete", WORKLOAD("Ready True", "the Job ran and completed"))
    JOB_FAILED = (
        "JobFailed",
        WORKLOAD(
            "Ready False", "the Job ran and failed", "read its pods' logs; to run it again, change `spec.template`"
        ),
    )
    JOB_GONE = (
        "JobGone",
        WORKLOAD(
            "Ready Unknown",
            "the Job was created and is gone, and the operator did not observe its end",
            "find out whether it ran; to run it again, change `spec.template`",
        ),
    )
    # SovereignWorkload, condition Enforced
    NAMESPACE_ENFORCES = (
        "NamespaceEnforces",
        WORKLOAD("Enforced True", "the API server refuses every way to start a pod on a node that is not accepted"),
    )
    NAMESPACE_NOT_LABELLED = (
        "NamespaceNotLabelled",
        WORKLOAD(
            "Enforced False",
            "pods are placed, but a Binding made by hand is not refused",
            "the message has the command",
        ),
    )
    GUARDS_BROKEN = (
        "GuardsBroken",
        WORKLOAD(
            "Enforced False",
            "admission policies or webhooks of the chart are missing, or differ from what the chart installed",
            "a cluster admin restores them: see [Events about guards](#events-about-guards)",
        ),
        GUARD_EVENT("a guard is missing: the API server does not check what it guards", PUT_BACK),
        GUARD_EVENT(
            "a guard was changed",
            "`kubectl delete` it, then `helm upgrade` at once: an upgrade alone leaves what other clients added, and "
            "fails where they changed a field",
        ),
        GUARD_EVENT("a webhook trusts another certificate authority than the injector's", PUT_BACK),
        GUARD_EVENT(
            "more than ten minutes after an upgrade, a webhook trusts no certificate authority: no pod gets a sidecar",
            "`helm upgrade`, with its hooks",
        ),
        GUARD_EVENT(
            "over ten minutes after an upgrade or a rollback began, a guard is that of another version of the chart",
            "run the upgrade or the rollback again",
        ),
    )
    # An Event beside that, about the controller's Deployment
    GUARDS_DRIFTED = (
        "GuardsDrifted",
        GUARD_EVENT(
            "a binding also audits; it guards as before",
            "run the `kubectl patch` in the Event: `helm upgrade` does not revert this change",
        ),
    )
    # SovereignWorkload, condition Identity
    CERTIFICATES_IN_FORCE = (
        "CertificatesInForce",
        CERTIFICATES("Identity True", "each pod that asks for a certificate has one"),
    )
    CERTIFICATES_PENDING = (
        "CertificatesPending",
        CERTIFICATES(
            "Identity False",
            (
                "some pods have no certificate, or one whose certificate authority is not trusted; Events on "
                "the pod give a reason of the next table"
            ),
            "act on that reason; if a pod has a certificate, roll it out again",
        ),
    )
    NO_CERTIFICATES = ("NoCertificates", CERTIFICATES("Identity Unknown", "no pod asks for one"))
    SIGNER_NOT_INSTALLED = (
        "SignerNotInstalled",
        CERTIFICATES(
            "Identity False",
            "pods ask for certificates, and the signer is not installed",
            "set `identity.enabled=true` in the chart",
        ),
    )
