"""Why the condition Encrypted of a SovereigntyPolicy or a SovereignWorkload has its status."""

from sovereign_operator.core.report.reason import ENCRYPTION, Reason


class EncryptionReason(Reason):
    """Why the condition Encrypted has its status."""

    ALL_ENCRYPTED = ("AllEncrypted", ENCRYPTION("Encrypted True", "all pods are in Strict"))
    PLAINTEXT_ACCEPTED = (
        "PlaintextAccepted",
        ENCRYPTION("Encrypted False", "the mode in the policy accepts plaintext", "set the mode to Strict"),
    )
    STEP_PENDING = (
        "StepPending",
        ENCRYPTION(
            "Encrypted False",
            (
                "a step is under way, or a change of settings has not reached all sidecars yet; the message "
                "names what it waits for, and which pods"
            ),
            "do what the message says",
        ),
    )
    NOT_ENCRYPTED = ("NotEncrypted", ENCRYPTION("Encrypted False", "the mode is Off"))
    PODS_WITHOUT_SIDECAR = (
        "PodsWithoutSidecar",
        ENCRYPTION(
            "Encrypted False",
            "some pods were created before the policy encrypted; in Strict no pod connects to them",
            "roll them out again; if they are newer than that, find out which client created them past the guards",
        ),
    )
    STATIC_PODS = (
        "StaticPods",
        ENCRYPTION(
            "Encrypted False",
            (
                "all other pods are in Strict. A node runs a static pod without the API server, so it has no sidecar. "
                "No step waits for static pods: any kubelet can report one in any namespace, whether it runs it or "
                "not"
            ),
            "make it a DaemonSet; if no admin put it there, remove its node from the cluster",
        ),
    )
    ADDRESS_CLAIMED = (
        "AddressClaimed",
        ENCRYPTION(
            "Encrypted False",
            (
                "in Strict, Services claim addresses of pods (`spec.externalIPs`, `status.loadBalancer`), so "
                "other pods may answer for their sidecars; the message names pods and Services"
            ),
            (
                "remove the addresses from the Services, and have the API server refuse such Services "
                "(`DenyServiceExternalIPs`)"
            ),
        ),
    )
    SIDECAR_BYPASSED = (
        "SidecarBypassed",
        ENCRYPTION(
            "Encrypted False",
            (
                "a container bypasses the sidecar because its image runs as the sidecar's user; no pod spec "
                "may set that user, but an image can"
            ),
            "build the image with another user",
        ),
    )
    NETWORKS_MISSING = (
        "NetworksMissing",
        ENCRYPTION(
            "Encrypted False",
            (
                "in Strict, some pods have addresses outside `clusterNetworks`: other pods send no mutual "
                "TLS there, and get no answer"
            ),
            "name the networks of all pods and Services, IPv4 and IPv6",
        ),
    )
    PLAINTEXT_OPEN = (
        "PlaintextOpen",
        ENCRYPTION(
            "Encrypted False",
            (
                "in Strict, plaintext connections from before are still open; the message names the pods, "
                "whose sidecars end them within seconds"
            ),
            "restart a pod that stays in the message",
        ),
    )
    AGENTS_SILENT = (
        "AgentsSilent",
        ENCRYPTION(
            "Encrypted False",
            (
                "in Strict, the agents of some nodes have not reported the current rules as loaded, so UDP of "
                "pods there may leave in plaintext; the message names nodes and pods"
            ),
            "have an agent run on each of these nodes, and read its log",
        ),
    )
    CERTIFICATES_NOT_TRUSTED = (
        "CertificatesNotTrusted",
        ENCRYPTION(
            "Encrypted False",
            (
                "in Preferred or Strict, no pod connects to some pods, because the certificate authority of "
                "their certificates was withdrawn or lost"
            ),
            "roll them out again where their nodes are accepted",
        ),
    )
    ENCRYPTION_NOT_INSTALLED = (
        "EncryptionNotInstalled",
        ENCRYPTION(
            "Encrypted False",
            "the policy encrypts, and the chart is installed without encryption",
            "set `encryption.enabled=true`",
        ),
    )
