"""What injection adds to a pod, where it stands, and what stays as it is."""

from sovereign_operator.core.sidecar.contract import VOLUMES, transit_policy
from sovereign_operator.core.sidecar.injection import inject
from tests.unit.sidecar.injected_pods import BY_REQUEST, app, injected, pod, sidecar_of, stripped


def test_the_sidecar_and_its_volumes() -> None:
    made = injected(pod())
    assert transit_policy(made) == "hds"
    assert made["spec"]["initContainers"] == [
        {
            "name": "sovereignty-sidecar",
            "image": "localhost/sovereign-sidecar:1",
            "imagePullPolicy": "IfNotPresent",
            "restartPolicy": "Always",
            "args": [],
            "resources": {"requests": {"cpu": "20m"}},
            "resizePolicy": [
                {"resourceName": "cpu", "restartPolicy": "NotRequired"},
                {"resourceName": "memory", "restartPolicy": "RestartContainer"},
            ],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "runAsGroup": 65533,
                "runAsNonRoot": True,
                "runAsUser": 65533,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "startupProbe": {
                "httpGet": {"path": "/ready", "port": 15022, "scheme": "HTTP"},
                "periodSeconds": 1,
                "failureThreshold": 600,
                "successThreshold": 1,
                "timeoutSeconds": 1,
            },
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "volumeMounts": [
                {"name": "sovereignty-identity", "mountPath": "/run/sovereignty/identity", "readOnly": True},
                {"name": "sovereignty-transit", "mountPath": "/run/sovereignty/transit", "readOnly": True},
                {"name": "sovereignty-run", "mountPath": "/run/sovereignty/run"},
                {
                    "name": "sovereignty-run",
                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                    "readOnly": True,
                },
            ],
        }
    ]
    assert made["spec"]["volumes"] == [
        {
            "name": "sovereignty-identity",
            "projected": {
                "defaultMode": 0o444,
                "sources": [
                    {
                        "serviceAccountToken": {
                            "audience": "sovereignty.dev/signer",
                            "expirationSeconds": 3600,
                            "path": "token",
                        }
                    },
                    {
                        "configMap": {
                            "name": "sovereignty-trust.hds",
                            "items": [
                                {"key": "trusted.pem", "path": "trusted.pem"},
                                {"key": "signer-ca.pem", "path": "signer-ca.pem"},
                                {"key": "signer.json", "path": "signer.json"},
                            ],
                        }
                    },
                ],
            },
        },
        {
            "name": "sovereignty-transit",
            "projected": {
                "defaultMode": 0o444,
                "sources": [
                    {
                        "configMap": {
                            "name": "sovereignty-transit.hds",
                            "items": [{"key": "listeners-after-handshake.json", "path": "listeners.json"}],
                        }
                    }
                ],
            },
        },
        {"name": "sovereignty-run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]


def test_where_kubelets_ask_for_certificates_only_one_volume_differs() -> None:
    by_token, by_request = injected(pod()), inject(pod(), "hds", BY_REQUEST)
    identity = by_request["spec"]["volumes"][0]
    signer = "sovereignty.dev/workload-identity"
    assert identity == {
        "name": "sovereignty-identity",
        "projected": {
            "defaultMode": 0o444,
            "sources": [
                {
                    "podCertificate": {
                        "signerName": signer,
                        "keyType": "ECDSAP256",
                        "credentialBundlePath": "credentials.pem",
                        "maxExpirationSeconds": 86400,
                    }
                },
                {
                    "clusterTrustBundle": {
                        "signerName": signer,
                        "labelSelector": {"matchLabels": {"sovereignty.dev/trust-of": "hds"}},
                        "path": "trusted.pem",
                    }
                },
            ],
        },
    }
    by_token["spec"]["volumes"][0] = identity
    assert by_request == by_token


def test_it_is_the_first_of_the_init_containers_and_nothing_else_changes() -> None:
    before = pod(app(), app("other"), initContainers=[app("first")], volumes=[{"name": "data", "emptyDir": {}}])
    made = injected(before)
    assert [each["name"] for each in made["spec"]["initContainers"]] == ["sovereignty-sidecar", "first"]
    assert [each["name"] for each in made["spec"]["volumes"]] == ["data", *VOLUMES]
    assert stripped(made) == before


def test_where_nothing_may_restart_the_sidecar_does_not_either() -> None:
    """The API server accepts no other resizePolicy there."""
    policies = {
        restart: sidecar_of(injected(pod(restartPolicy=restart)))["resizePolicy"][1]["restartPolicy"]
        for restart in ("Always", "OnFailure", "Never")
    }
    assert policies == {"Always": "RestartContainer", "OnFailure": "RestartContainer", "Never": "NotRequired"}
