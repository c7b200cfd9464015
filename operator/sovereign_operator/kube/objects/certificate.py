"""What the controller keeps of a PodCertificateRequest for which our signer issued a certificate."""

from dataclasses import dataclass
from datetime import datetime

from sovereign_operator.core import names
from sovereign_operator.core.identity.certificate_note import CertificateNote, IssuedNote
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.kube.client.api import Json


@dataclass(frozen=True)
class Certificate:
    """A certificate that our signer issued to a pod."""

    pod: str
    pod_uid: str
    not_before: str
    refresh_at: str
    """When the kubelet requests the next one. Like ``not_before``, RFC 3339, UTC."""
    note: CertificateNote
    """The value of the annotation that the controller writes on the pod."""


def see_certificate(obj: Json) -> Certificate | None:
    """Read an issued certificate; None if the request is for another signer, or none is issued yet."""
    spec, status = obj["spec"], obj.get("status", {})
    issued = condition_of(status, "Issued")
    if spec["signerName"] != names.SIGNER or not issued:
        return None
    note = CertificateNote(datetime.fromisoformat(status["notAfter"]), IssuedNote.parse(issued["message"]))
    return Certificate(spec["podName"], spec["podUID"], status["notBefore"], status["beginRefreshAt"], note)
