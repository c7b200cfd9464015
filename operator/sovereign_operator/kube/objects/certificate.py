"""What we keep of a PodCertificateRequest that our signer answered."""

from dataclasses import dataclass
from datetime import datetime

from sovereign_operator.core import names
from sovereign_operator.core.identity.certificate_note import CertificateNote, IssuedNote
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.kube.client.api import Json


@dataclass(frozen=True)
class Certificate:
    """What our signer issued to a pod."""

    pod: str
    pod_uid: str
    not_before: str
    refresh_at: str
    """RFC 3339, UTC, as the other: from when it counts, and when its kubelet asks for the next one."""
    note: CertificateNote
    """What the pod carries of it."""


def see_certificate(obj: Json) -> Certificate | None:
    """Keep what was issued to a pod by our signer."""
    spec, status = obj["spec"], obj.get("status", {})
    issued = condition_of(status, "Issued")
    if spec["signerName"] != names.SIGNER or not issued:
        return None
    note = CertificateNote(datetime.fromisoformat(status["notAfter"]), IssuedNote.parse(issued["message"]))
    return Certificate(spec["podName"], spec["podUID"], status["notBefore"], status["beginRefreshAt"], note)
