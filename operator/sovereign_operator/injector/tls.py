"""The injector's serving certificate: each replica signs its own, or the Secret provides one.

Both come as files of a Secret, which the kubelet writes: the injector needs no right to read Secrets, and none to tell
the API server whom to trust. Jobs of the chart do that, and end (see webhook_ca).
"""

import asyncio
import logging
import os
import ssl
from pathlib import Path
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.injector import metrics
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.pki import certificates
from sovereign_operator.pki.serving import Serving, is_authority, read_authority

logger = logging.getLogger(__name__)

FOLDER: Final = Path("/etc/sovereign/tls")
CERTIFICATE, KEY = "tls.crt", "tls.key"
LOOK_SECONDS: Final = 10.0
NOTHING: Final = (b"", b"")


class ServingCertificate:
    """The certificate of this replica."""

    def __init__(self, folder: Path, namespace: str, clock: ServerClock) -> None:
        self._folder = folder
        self._hosts = names.injector_hosts(namespace)
        self._clock = clock
        self._files = NOTHING
        self._served: Serving | None = None
        self.fault = "nobody has looked for a certificate yet"
        """What is wrong with the files as they are now; empty if nothing is."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """Has the certificate for new connections as soon as there is one."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3

    @property
    def ready(self) -> bool:
        """Whether there is a certificate to serve with. Whether the API server trusts it is not known here."""
        return self._served is not None

    async def run(self) -> None:
        """Renew the certificate in time, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Take what the files hold, if that is new; sign another certificate in time."""
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
                logger.error("%s", fault)  # noqa: TRY400 - a person needs no trace
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
        """Return what to serve with. Raises ValueError."""
        if not is_authority(certificates.read(certificate)[0]):
            metrics.AUTHORITY_END.set(0)
            return Serving.read(certificate, key)
        now = self._clock.now()
        authority = read_authority(certificate, key, now)
        metrics.AUTHORITY_END.set(authority.certificate.not_valid_after_utc.timestamp())
        return Serving.sign(authority, self._hosts, now)


def load(context: ssl.SSLContext, serving: Serving) -> None:
    """Have new connections use a certificate. OpenSSL reads files, and there is no disk: so, a file in memory."""
    descriptor = os.memfd_create("tls")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(serving.key_pem + serving.chain_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
