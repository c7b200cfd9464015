"""The injector's serving certificate: each replica signs its own, or the Secret provides one.

The kubelet mounts a Secret with the certificate, or with the CA that signs it. So the injector needs no permission to
read Secrets, nor to set the caBundle that API servers trust. Jobs of the chart do both (see webhook_ca).
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.injector import metrics
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.pki import certificates
from sovereign_operator.pki.serving import Serving, is_authority, read_authority
from sovereign_operator.runtime.tls import load, server_context

logger = logging.getLogger(__name__)

FOLDER: Final = Path("/etc/sovereign/tls")
CERTIFICATE, KEY = "tls.crt", "tls.key"
CHECK_SECONDS: Final = 10.0
NO_FILES: Final = (b"", b"")


class ServingCertificate:
    """The certificate of this replica."""

    def __init__(self, folder: Path, namespace: str, clock: ServerClock) -> None:
        self._folder = folder
        self._hosts = names.injector_hosts(namespace)
        self._clock = clock
        self._files = NO_FILES
        self._served: Serving | None = None
        self.fault = "the certificate is not read yet"
        """What is wrong with the present files; empty if nothing is."""
        self.context = server_context()
        """The context for new connections: ``check`` loads each certificate into it."""

    @property
    def ready(self) -> bool:
        """Whether a certificate is loaded. Whether API servers trust it is not known here."""
        return self._served is not None

    async def run(self) -> None:
        """Renew the certificate in time, until cancelled."""
        while True:
            self.check()
            await asyncio.sleep(CHECK_SECONDS)

    def check(self) -> None:
        """Read the files, and serve another certificate if they changed, or if the present one is due for renewal."""
        try:
            files = self._read()
            if files != self._files or self._served is None or self._served.is_due(self._clock.now()):
                serving = self._serving(*files)
                if serving != self._served:
                    self._serve(serving)
        except (OSError, ValueError) as error:
            # The present certificate stays in use.
            fault = f"{self._folder} holds no certificate that can be used: {error}"
            if fault != self.fault:
                logger.error("%s", fault)  # noqa: TRY400 - the message is enough, without a traceback
            self.fault = fault
            return
        self.fault, self._files = "", files

    def _serve(self, serving: Serving) -> None:
        load(self.context, serving)
        self._served = serving
        metrics.CERTIFICATE_END.set(serving.end.timestamp())
        logger.info("serving with a certificate until %s", serving.end.isoformat())

    def _read(self) -> tuple[bytes, bytes]:
        return (self._folder / CERTIFICATE).read_bytes(), (self._folder / KEY).read_bytes()

    def _serving(self, certificate: bytes, key: bytes) -> Serving:
        """Return the certificate in the files, or sign one if they hold a CA. Raises ValueError."""
        if not is_authority(certificates.read(certificate)[0]):
            metrics.AUTHORITY_END.set(0)
            return Serving.read(certificate, key)
        now = self._clock.now()
        authority = read_authority(certificate, key, now)
        metrics.AUTHORITY_END.set(authority.certificate.not_valid_after_utc.timestamp())
        return Serving.sign(authority, self._hosts, now)
