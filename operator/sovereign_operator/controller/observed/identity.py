"""What the controller sees of certificates and trust bundles, where the signer is installed."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from sovereign_operator.controller import metrics
from sovereign_operator.controller.observed.repeated_certificates import RepeatedCertificates
from sovereign_operator.core import names
from sovereign_operator.core.encryption.disconnects import TrustedAnchor
from sovereign_operator.core.identity.authorities import LEAF_LIFETIME
from sovereign_operator.core.identity.certificate_note import CertificateNote, authority_digits
from sovereign_operator.core.placement.status import Trusted
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.certificate import Certificate, see_certificate
from sovereign_operator.kube.objects.pod import ANY_BUNDLE, ObservedPod
from sovereign_operator.pki import bundle
from sovereign_operator.runtime.bundles import ObservedBundle, see_bundle, worst_bundle

logger = logging.getLogger(__name__)


class ObservedIdentity:
    """Certificates that were issued lately, and all trust bundles."""

    def __init__(
        self,
        api: Api,
        now: Callable[[], datetime],
        pod: Callable[[str, str], ObservedPod | None],
        certificate_changed: Callable[[str, str], None],
        bundle_changed: Callable[[str], None],
    ) -> None:
        self._now = now
        self._pod = pod
        self._issued = RepeatedCertificates()
        self._certificate_changed = certificate_changed
        self._newest: dict[str, CertificateNote] = {}
        """By pod uid, the note of the certificate that ends last."""
        self._certificates: Mirror[Certificate] = Mirror(
            api,
            resource.CERTIFICATE_REQUESTS,
            see_certificate,
            self._take,
            field_selector=resource.FOR_OUR_SIGNER,
        )
        self._bundles: Mirror[ObservedBundle] = Mirror(
            api,
            resource.TRUST_BUNDLES,
            see_bundle,
            lambda key, _old, _new: bundle_changed(key[1]),
            worst=worst_bundle,
            label_selector=names.TRUST_BUNDLE_LABEL,
        )

    def mirrors(self) -> Iterator[Mirror[Certificate] | Mirror[ObservedBundle]]:
        """Yield what has to be kept up to date."""
        yield self._certificates
        yield self._bundles

    def _take(self, key: ObjectKey, old: Certificate | None, new: Certificate | None) -> None:
        if new:
            pod = self._pod(key[0], new.pod)
            volumes = pod.pod.certificate_volumes if pod and pod.pod.uid == new.pod_uid else 0
            if old is None and self._issued.again(new.pod_uid, volumes, new.not_before, new.refresh_at):
                metrics.CERTIFICATES_REPEATED.inc()
                logger.warning("pod %s/%s got one certificate more than it has volumes: %s", key[0], new.pod, new.note)
            self._newest[new.pod_uid] = max(new.note, self._newest.get(new.pod_uid, new.note))
            self._certificate_changed(key[0], new.pod)
        elif old and self._newest.get(old.pod_uid) == old.note:
            del self._newest[old.pod_uid]

    def annotations(self, pod: ObservedPod) -> dict[str, str]:
        """Return what a pod should carry: its certificate, and the state of the bundles that it mounts.

        Requests are deleted after some minutes. Then what the pod carries already is all that is left of them.
        """
        newest = self._newest.get(pod.pod.uid) or self._as_said(pod.pod.certificate)
        digest = self._digest(pod.bundles)
        found = {names.CERTIFICATE_ANNOTATION: str(newest or ""), names.TRUST_BUNDLE_ANNOTATION: digest}
        return {key: value for key, value in found.items() if value}

    def _as_said(self, note: CertificateNote | None) -> CertificateNote | None:
        """Return what a pod says of its certificate itself, unless that ends later than any of ours could."""
        return note if note and note.until <= self._now() + LEAF_LIFETIME else None

    def _digest(self, mounted: frozenset[str]) -> str:
        if not mounted:
            return ""
        states: list[ObjectKey | str] = []
        for key, seen in sorted(self._bundles.items()):
            if key[1] in mounted or ANY_BUNDLE in mounted:
                states += [key, seen.pem]
        return hashlib.sha256(repr(states).encode()).hexdigest()[:16]

    def distrusted(self, policy: str, pods: Iterable[ObservedPod]) -> frozenset[str]:
        """Return the uids of the pods whose certificate is in force and yet counts for nobody in scope of a policy."""
        now, trusted = self._now(), self.authorities(policy)
        notes = ((pod.pod.uid, pod.pod.certificate) for pod in pods)
        return frozenset(uid for uid, note in notes if note and note.is_distrusted(now, trusted))

    def authorities(self, policy: str) -> frozenset[str]:
        """Return what stands for the authorities that the pods of a policy trust."""
        return frozenset(authority_digits(found.fingerprint) for found in self._anchors(policy))

    def _anchors(self, policy: str) -> tuple[bundle.TrustAnchor, ...]:
        seen = self._bundles.get(("", names.trust_bundle(policy)))
        return seen.anchors if seen else ()

    def vouching(self, policy: str) -> tuple[TrustedAnchor, ...]:
        """Return the same authorities from old to new, for what becomes of connections that they vouched for."""
        found = sorted(self._anchors(policy), key=lambda anchor: anchor.not_before)
        return tuple(
            TrustedAnchor(
                f"{anchor.policy}/{anchor.datacentre}", authority_digits(anchor.fingerprint), anchor.not_after
            )
            for anchor in found
            if anchor.policy and anchor.datacentre
        )

    def trusted(self, policy: str) -> tuple[Trusted, ...]:
        """Return the authorities that the pods of a policy trust."""
        return tuple(
            Trusted(anchor.not_after, anchor.fingerprint, anchor.policy, anchor.datacentre)
            for anchor in self._anchors(policy)
            if anchor.policy and anchor.datacentre
        )
