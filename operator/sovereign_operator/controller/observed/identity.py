"""What the controller observes of certificates and trust bundles, if the signer is installed."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

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
from sovereign_operator.runtime.trust_configs import TrustConfigs

logger = logging.getLogger(__name__)


class ObservedIdentity:
    """The certificates that were issued recently, and all trust bundles."""

    def __init__(
        self,
        api: Api,
        now: Callable[[], datetime],
        pod: Callable[[str, str], ObservedPod | None],
        certificate_changed: Callable[[str, str], None],
        bundle_changed: Callable[[str], None],
        *,
        trust: TrustConfigs | None,
    ) -> None:
        self._trust = trust
        self._now = now
        self._pod = pod
        self._repeated = RepeatedCertificates()
        self._certificate_changed = certificate_changed
        self._newest: dict[str, CertificateNote] = {}
        """By uid of the pod, the note of its certificate that ends last."""
        self._certificates: Mirror[Certificate] = Mirror(
            api,
            resource.CERTIFICATE_REQUESTS,
            see_certificate,
            self._take,
            field_selector=resource.FOR_OUR_SIGNER,
            optional=True,
        )
        self._bundles: Mirror[ObservedBundle] = Mirror(
            api,
            resource.TRUST_BUNDLES,
            see_bundle,
            lambda key, _old, _new: bundle_changed(key[1]),
            worst=worst_bundle,
            label_selector=names.TRUST_BUNDLE_LABEL,
            optional=True,
        )

    def mirrors(self) -> Iterator[Mirror[Any]]:
        """Yield the mirrors to run."""
        yield self._certificates
        yield self._bundles
        if self._trust:
            yield from self._trust.mirrors

    @property
    def kubelets_may_ask(self) -> bool:
        """Whether the API server has pod certificates."""
        return self._certificates.served and self._bundles.served

    def ready_namespaces(self, policy: str) -> frozenset[str]:
        """Return the namespaces in which sidecars that ask for certificates themselves find whom to trust."""
        return self._trust.ready_namespaces(policy) if self._trust else frozenset()

    def _take(self, key: ObjectKey, old: Certificate | None, new: Certificate | None) -> None:
        if new:
            pod = self._pod(key[0], new.pod)
            volumes = pod.pod.certificate_volumes if pod and pod.pod.uid == new.pod_uid else 0
            if old is None and self._repeated.is_repeated(new.pod_uid, volumes, new.not_before, new.refresh_at):
                metrics.CERTIFICATES_REPEATED.inc()
                logger.warning("pod %s/%s got one certificate more than it has volumes: %s", key[0], new.pod, new.note)
            self._newest[new.pod_uid] = max(new.note, self._newest.get(new.pod_uid, new.note))
            self._certificate_changed(key[0], new.pod)
        elif old and self._newest.get(old.pod_uid) == old.note:
            del self._newest[old.pod_uid]

    def annotations(self, pod: ObservedPod) -> dict[str, str]:
        """Return the annotations of a pod about its certificate and the trust bundles that it mounts.

        Kubernetes deletes PodCertificateRequests after some minutes. From then on the pod's own annotation is the only
        record of its certificate.
        """
        newest = self._newest.get(pod.pod.uid) or self._annotated(pod.pod.certificate)
        digest = self._digest(pod)
        found = {names.CERTIFICATE_ANNOTATION: str(newest or ""), names.TRUST_BUNDLE_ANNOTATION: digest}
        return {key: value for key, value in found.items() if value}

    def _annotated(self, note: CertificateNote | None) -> CertificateNote | None:
        """Return the note in a pod's annotation, unless it ends later than any certificate of the signer could."""
        return note if note and note.until <= self._now() + LEAF_LIFETIME else None

    def _digest(self, pod: ObservedPod) -> str:
        if not pod.bundles:
            return ""
        states: list[ObjectKey | str] = []
        if pod.trust:
            copy = self._trust.copy(pod.namespace, pod.trust) if self._trust else None
            states += [copy.digest] if copy else []
        else:
            for key, seen in sorted(self._bundles.items()):
                if key[1] in pod.bundles or ANY_BUNDLE in pod.bundles:
                    states += [key, seen.pem]
        return hashlib.sha256(repr(states).encode()).hexdigest()[:16]

    def distrusted(self, policy: str, pods: Iterable[ObservedPod]) -> frozenset[str]:
        """Return the uids of the pods whose certificate is valid, but whose issuer the policy does not trust."""
        now, trusted = self._now(), self.authorities(policy)
        notes = ((pod.pod.uid, pod.pod.certificate) for pod in pods)
        return frozenset(uid for uid, note in notes if note and note.is_distrusted(now, trusted))

    def authorities(self, policy: str) -> frozenset[str]:
        """Return the digits that identify the certificate authorities that the pods of a policy trust."""
        return frozenset(authority_digits(found.fingerprint) for found in self._anchors(policy))

    def _anchors(self, policy: str) -> tuple[bundle.TrustAnchor, ...]:
        seen = self._bundles.get(("", names.trust_bundle(policy)))
        if seen is None and self._trust and (record := self._trust.record(policy)):
            seen = record.bundle
        return seen.anchors if seen else ()

    def anchors_by_age(self, policy: str) -> tuple[TrustedAnchor, ...]:
        """Return the same certificate authorities from old to new, to decide which open connections must end."""
        found = sorted(self._anchors(policy), key=lambda anchor: anchor.not_before)
        return tuple(
            TrustedAnchor(
                f"{anchor.policy}/{anchor.datacentre}", authority_digits(anchor.fingerprint), anchor.not_after
            )
            for anchor in found
            if anchor.policy and anchor.datacentre
        )

    def trusted(self, policy: str) -> tuple[Trusted, ...]:
        """Return the certificate authorities that the pods of a policy trust, for the policy's status."""
        return tuple(
            Trusted(anchor.not_after, anchor.fingerprint, anchor.policy, anchor.datacentre)
            for anchor in self._anchors(policy)
            if anchor.policy and anchor.datacentre
        )
