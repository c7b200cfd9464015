"""Why a certificate request is denied or has to wait."""

from sovereign_operator.core.report.reason import REQUEST, Reason


class Denial(Reason):
    """Why a request can never be granted. The kubelet uses it as a format string: no percent sign."""

    POD_GONE = ("PodGone", REQUEST("denied: the pod does not exist"))
    POD_ENDING = ("PodEnding", REQUEST("denied: the pod has ended or is about to"))
    MIRROR_POD = (
        "MirrorPod",
        REQUEST("denied: a static pod, which its node runs without the API server", "make it a DaemonSet"),
    )
    NOT_ON_NODE = ("NotOnNode", REQUEST("denied: the pod does not run on the node that sent the request"))
    NOT_ITS_SERVICE_ACCOUNT = ("NotItsServiceAccount", REQUEST("denied: the pod does not run as that service account"))
    NOT_MOUNTED = ("SignerNotMounted", REQUEST("denied: no volume of the pod requests a certificate of this signer"))
    UNKNOWN_USER_ANNOTATION = (
        "UnknownUserAnnotation",
        REQUEST("denied: the volume has `userAnnotations`", "leave them out"),
    )
    UNSUPPORTED_KEY = (
        "UnsupportedKeyType",
        REQUEST(
            "denied: the type of the key is not supported",
            "use ECDSAP256, ECDSAP384, ECDSAP521, ED25519, RSA3072 or RSA4096",
        ),
    )


class Delay(Reason):
    """Why a request cannot be granted yet. An Event about the pod has this reason."""

    NOT_IN_SCOPE = (
        "NotInScope",
        REQUEST(
            "neither the namespace's label nor the pod's names a policy",
            "label the namespace, or take the workload into scope",
        ),
    )
    UNKNOWN_POLICY = (
        "UnknownPolicy",
        REQUEST("the SovereigntyPolicy does not exist", "correct the label, or create it"),
    )
    MEANINGLESS_ROLES = (
        "MeaninglessRoles",
        REQUEST(
            "RBAC grants the policy every node, so acceptance cannot be checked",
            "find and remove the rule that grants it",
        ),
    )
    NAMESPACE_NOT_TRUSTED = (
        "NamespaceNotTrusted",
        REQUEST(
            "the policy gives no certificates to the pod's namespace",
            "name the namespace in `spec.certificateNamespaces` of the policy, or label the namespace",
        ),
    )
    SERVICE_ACCOUNT_REPLACED = (
        "ServiceAccountReplaced",
        REQUEST("the pod's service account was deleted, or deleted and created again", "delete the pod"),
    )
    NOT_ITS_ADDRESS = (
        "NotItsAddress",
        REQUEST(
            "a sidecar asks from an address that its pod does not have",
            (
                "if the network hides the addresses of pods, set `identity.checkAddress=false`; otherwise look for who "
                "uses the pod's token"
            ),
        ),
    )
    NODE_REPLACED = ("NodeReplaced", REQUEST("the node registered again", "delete the pod"))
    NODE_NOT_ACCEPTED = (
        "NodeNotAccepted",
        REQUEST(
            "the policy does not accept the node on which the pod runs",
            "read the verdict on the node (`kubectl describe node`); delete the pod once another node is accepted",
        ),
    )
    NODE_MARKED_WRONGLY = (
        "NodeMarkedWrongly",
        REQUEST(
            (
                "labels and RBAC accept the node for the policy, but its Datacentre, its service or the policy "
                "refuses it"
            ),
            "if it lasts, check the controller: it does not keep up, or its token was stolen",
        ),
    )
    NO_AUTHORITY = (
        "NoAuthority",
        REQUEST(
            "the policy has no certificate authority for the datacentre yet",
            "wait some seconds; if it lasts, read the signer's log, which also says why an imported CA is not used",
        ),
    )
    AUTHORITY_ENDS = (
        "AuthorityEnds",
        REQUEST(
            "the certificate authority expires within the hour, as the qualification that it rests on ends",
            "record the renewal of the qualification; if you brought the authority, bring its successor",
        ),
    )
