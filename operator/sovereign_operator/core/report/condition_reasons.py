"""Why a condition of one of our objects has its status."""

from sovereign_operator.core.report.reason import (
    CERTIFICATES,
    CLOUD_SERVICE,
    DATACENTRE,
    DEROGATION,
    POLICY,
    WORKLOAD,
    Reason,
)


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
    NODES_PRESENT = ("NodesPresent", DATACENTRE("Ready True", "nodes of this cluster are in the datacentre"))
    NO_NODES = (
        "NoNodes",
        DATACENTRE(
            "Ready False",
            "no node of this cluster is in the datacentre",
            "correct `spec.nodes` (name and uid), `spec.nodePools` or `spec.nodeSelector`",
        ),
    )
    # SovereigntyPolicy, condition Ready
    NODES_ACCEPTED = ("NodesAccepted", POLICY("Ready True", "at least one node may host pods of the policy"))
    NO_NODE_ACCEPTED = (
        "NoNodeAccepted",
        POLICY(
            "Ready False",
            "no node may host pods of the policy; the message gives the reasons for each datacentre",
            "read `status.refused` and [the next table](#why-a-node-or-a-datacentre-is-refused)",
        ),
        WORKLOAD(
            "Accepted False",
            "the policy accepts no node now, and a roll-out would stop the workload's pods",
            "make a node acceptable; the operator then takes the workload into scope",
        ),
    )
    # SovereigntyPolicy, condition PodCertificates
    KUBELETS_SUPPORT_THEM = (
        "KubeletsSupportThem",
        POLICY(
            "PodCertificates True",
            "API server and kubelets support pod certificates, but sidecars still ask for certificates themselves",
            "set `identity.certificates=Request` in the chart",
        ),
    )
    FORMER_KUBELETS = (
        "FormerKubelets",
        POLICY(
            "PodCertificates False",
            "some kubelets are older than Kubernetes 1.37; sidecars ask for certificates themselves until then",
            "upgrade these nodes, at a time of your choice",
        ),
    )
    # SovereigntyPolicy, condition CertificatesGranted
    ALL_GRANTED = (
        "AllGranted",
        POLICY(
            "CertificatesGranted True",
            "each pod that mounts certificates of the policy is in a namespace to which the policy gives them",
        ),
    )
    NAMESPACE_NOT_TRUSTED = (
        "NamespaceNotTrusted",
        POLICY(
            "CertificatesGranted False",
            "some pods that mount certificates are in other namespaces; their certificates expire within a day",
            "name their namespaces in `spec.certificateNamespaces`, or label the namespaces",
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
        DEROGATION("InForce False", "the SovereigntyPolicy does not exist", "correct `spec.policyRef`, or create it"),
    )
    SYSTEM_NAMESPACE = (
        "SystemNamespace",
        WORKLOAD(
            "Accepted False",
            "this namespace belongs to the cluster's own components and is never in scope",
            "use another namespace",
        ),
    )
    WORKLOAD_NOT_FOUND = (
        "WorkloadNotFound",
        WORKLOAD(
            "Accepted False", "the workload does not exist yet", "create it; the operator then takes it into scope"
        ),
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
            "`spec.template.spec` is larger than 256 KiB of JSON, or has more than 100 levels",
            "move the large part into a ConfigMap",
        ),
    )
    WORKLOAD_TOO_LARGE = (
        "WorkloadTooLarge",
        WORKLOAD(
            "Accepted False",
            (
                "the workload has more than 2000 labels, annotations, labels in its pod template, or entries "
                "in its nodeSelector, so the API server takes too long to write it"
            ),
            "remove some of them",
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
                "the message names the obstacle: move the data of the volume, change the workload, or "
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
            "some pods run on nodes that the policy does not accept; `status.outsideExamples` has examples and reasons",
            "run the command in the message",
        ),
    )
    PODS_PENDING = (
        "PodsPending",
        WORKLOAD(
            "Placed False",
            "some pods wait for a node; `status.pendingExamples` has examples and reasons",
            "add capacity to accepted nodes, or read the condition `Ready` of the policy",
        ),
    )
    NO_PODS = (
        "NoPods",
        WORKLOAD("Placed Unknown", "the workload has no pods"),
        WORKLOAD(
            "Ready Unknown", "`spec.podSelector` selects no pod", "compare it with `kubectl get pods --show-labels`"
        ),
    )
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
            "Ready False",
            "the roll-out of the workload made no progress in time",
            "`kubectl describe` the workload and its pods",
        ),
    )
    WORKLOAD_CURRENT = ("WorkloadCurrent", WORKLOAD("Ready True", "the workload is current and needs no pods now"))
    JOB_COMPLETE = ("JobComplete", WORKLOAD("Ready True", "the Job ran and completed"))
    JOB_FAILED = (
        "JobFailed",
        WORKLOAD(
            "Ready False",
            "the Job ran and failed",
            "read the logs of its pods; to run it again, change `spec.template`",
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
            "pods are placed, but the API server does not refuse a Binding made by hand",
            "run the command in the message",
        ),
    )
    # SovereignWorkload, condition Identity
    CERTIFICATES_IN_FORCE = (
        "CertificatesInForce",
        CERTIFICATES("Identity True", "each pod that requests a certificate has one"),
    )
    CERTIFICATES_PENDING = (
        "CertificatesPending",
        CERTIFICATES(
            "Identity False",
            (
                "some pods have no certificate, or one whose certificate authority is not trusted; Events about "
                "the pod have a reason of the next table"
            ),
            "act on that reason; if the pod has a certificate, roll it out again",
        ),
    )
    NO_CERTIFICATES = ("NoCertificates", CERTIFICATES("Identity Unknown", "no pod requests a certificate"))
    SIGNER_NOT_INSTALLED = (
        "SignerNotInstalled",
        CERTIFICATES(
            "Identity False",
            "pods request certificates, and the signer is not installed",
            "set `identity.enabled=true` in the chart",
        ),
    )
