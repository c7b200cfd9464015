"""What we keep of a PodCertificateRequest that our signer answered."""

from dataclasses import dataclass

from sovereign_operator.core import names
from sovereign_operator.core.identity.certificate_note import certificate_line
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.kube.client.api import Json


@dataclass(frozen=True)
class Certificate:
    """What our signer issued to a pod."""

    pod: str
    pod_uid: str
    not_before: str
    refresh_at: str
    not_after: str
    """RFC 3339, UTC, as the other two: from when to when it counts, and when its kubelet asks for the next one."""
    said: str
    """Serial, policy, datacentre and authority, in words."""

    @property
    def line(self) -> str:
        """What the pod carries of it."""
        return certificate_line(self.not_after, self.said)


def see_certificate(obj: Json) -> Certificate | None:
    """Keep what was issued to a pod by our signer."""
    spec, status = obj["spec"], obj.get("status", {})
    issued = condition_of(status, "Issued")
    if spec["signerName"] != names.SIGNER or not issued:
        return None
    times = status["notBefore"], status["beginRefreshAt"], status["notAfter"]
    return Certificate(spec["podName"], spec["podUID"], *times, issued["message"])
