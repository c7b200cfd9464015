"""Signs a certificate that was decided on, and records in log and metrics that a pod has it."""

import logging
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from sovereign_operator.core import names
from sovereign_operator.core.identity.certificate_note import IssuedNote, authority_digits
from sovereign_operator.core.identity.request import Issue, Request
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.kube.client.api import Json
from sovereign_operator.pki import certificates, leaf, spiffe
from sovereign_operator.signer import metrics
from sovereign_operator.signer.log_fields import log_fields
from sovereign_operator.signer.state import SignerState

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignedCertificate:
    """A certificate, and how it is recorded."""

    chain: bytes
    """In PEM, without its authority's."""
    note: IssuedNote
    serial: int
    spiffe_id: str
    authority: str
    """The name of the authority."""


def public_key_of(pkcs10: bytes) -> CertificatePublicKeyTypes | None:
    """Return the key of a PKCS#10 request (DER); None if it cannot be read, or if its kind is not certified."""
    try:
        key = leaf.public_key_of(pkcs10)
        leaf.check_key(key)
    except ValueError:
        return None
    return key


def sign(
    state: SignerState, request: Request, issue: Issue, public_key: CertificatePublicKeyTypes
) -> SignedCertificate:
    """Sign a certificate with the authority of the policy and the datacentre."""
    signing = state.signing_authorities[Pair(issue.policy, issue.datacentre)]
    serial = leaf.serial_for(request.uid, signing.authority)
    spiffe_id = spiffe.workload_id(state.settings.trust_domain, request.namespace, request.service_account)
    chain = leaf.issue(
        signing.authority,
        public_key,
        spiffe_id,
        serial=serial,
        not_before=issue.not_before,
        not_after=issue.not_after,
    )
    fingerprint = certificates.fingerprint(signing.authority.certificate)
    text = f"serial {serial:x}, policy {issue.policy}, datacentre {issue.datacentre}, by {signing.name}"
    return SignedCertificate(chain, IssuedNote(text, authority_digits(fingerprint)), serial, spiffe_id, signing.name)


def record(
    state: SignerState, request: Request, issue: Issue, signed: SignedCertificate, *, pod: Json | None, since: datetime
) -> None:
    """Count and log a certificate that was issued. ``since``: when it was first asked for."""
    metrics.ISSUE_SECONDS.observe(max(0.0, (state.api.clock.now() - since).total_seconds()))
    metrics.CERTIFICATES.labels(issue.policy, issue.datacentre).inc()
    annotations = pod["metadata"].get("annotations", {}) if pod else {}
    logger.info(
        "issued to pod %s/%s: %s",
        request.namespace,
        request.pod,
        signed.note,
        extra=log_fields(request)
        | {
            "serial": f"{signed.serial:x}",
            "spiffeID": signed.spiffe_id,
            "policy": issue.policy,
            "datacentre": issue.datacentre,
            "authority": signed.authority,
            "notAfter": timestamp(issue.not_after),
            "decision": annotations.get(names.audit_annotation("decision-id"), ""),
        },
    )
