"""Certificate requests and trust bundles on the cluster."""

import base64
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl
from hack.signer_requests import pkcs10
from sovereign_operator.core.sidecar.contract import TRUSTED, trust_config_map
from sovereign_operator.pki import bundle
from tests.e2e.support.peers import SIGNER

POLICY = "secnumcloud"


def trusted(admin: Kubectl, policy: str = POLICY) -> dict[str, list[int]]:
    """Return the datacentres whose authorities a policy trusts, with the authorities' numbers, oldest first."""
    found: dict[str, list[int]] = {}
    for anchor in bundle.read(bundle_text(admin, policy)):
        if anchor.policy == policy and anchor.datacentre and anchor.number:
            found[anchor.datacentre] = sorted([*found.get(anchor.datacentre, ()), int(anchor.number)])
    return found


FORGE = """
cd $(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=lyon -keyout k -out c
cat k c
"""


def requests(admin: Kubectl, namespace: str, pod_name: str) -> list[Json]:
    """Return the certificate requests of a pod."""
    found = admin.list("podcertificaterequests", namespace)
    return [request for request in found if request["spec"]["podName"] == pod_name]


def signed_by(admin: Kubectl, namespace: str) -> dict[str, int]:
    """Return, for each pod of a namespace, the number of the authority that signed its newest certificate, or 0."""
    found = {}
    for request in sorted(
        admin.list("podcertificaterequests", namespace), key=lambda seen: str(seen["metadata"]["creationTimestamp"])
    ):
        chain = request.get("status", {}).get("certificateChain")
        found[request["spec"]["podName"]] = _signer(chain) if chain else 0
    return found


def _signer(chain: str) -> int:
    (number,) = x509.load_pem_x509_certificate(chain.encode()).issuer.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return int(str(number.value))


def bundle_text(admin: Kubectl, policy: str = POLICY) -> str:
    """Return the trust bundle of a policy, in the form that this Kubernetes has."""
    if "clustertrustbundles" not in admin.run("api-resources", "--api-group=certificates.k8s.io", "-o", "name"):
        record: str = admin.get("configmap", trust_config_map(policy), NAMESPACE)["data"][TRUSTED]
        return record
    text: str = admin.get("clustertrustbundle", f"sovereignty.dev:workload-identity:{policy}")["spec"]["trustBundle"]
    return text


def asking(admin: Kubectl, namespace: str, name: str) -> dict[str, Any]:
    """Return the spec of a certificate request for a pod, with a key that the test made."""
    found = admin.get("pod", name, namespace)
    node = found["spec"]["nodeName"]
    account = found["spec"]["serviceAccountName"]
    return {
        "signerName": SIGNER,
        "podName": name,
        "podUID": found["metadata"]["uid"],
        "serviceAccountName": account,
        "serviceAccountUID": admin.get("serviceaccount", account, namespace)["metadata"]["uid"],
        "nodeName": node,
        "nodeUID": admin.get("node", node)["metadata"]["uid"],
        "maxExpirationSeconds": 86400,
        "stubPKCS10Request": base64.b64encode(pkcs10()).decode(),
    }
