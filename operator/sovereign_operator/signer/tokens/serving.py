"""The signer's serving certificate for sidecars: each replica signs its own, with an authority from the key store.

This authority signs for the names of the signer's Service alone, and for no pod: no sidecar accepts it of a peer.
"""

import asyncio
import logging
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.pki.authority import Authority
from sovereign_operator.pki.serving import Serving
from sovereign_operator.runtime.tls import load, server_context
from sovereign_operator.signer.state import SignerState

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 1.0


class ServingCertificate:
    """The certificate of this replica."""

    def __init__(self, state: SignerState) -> None:
        self._state = state
        self._clock: ServerClock = state.api.clock
        self._authority: Authority | None = None
        self._served: Serving | None = None
        self.context = server_context()
        """The context for new connections: each certificate is loaded into it."""

    @property
    def ready(self) -> bool:
        """Whether there is a certificate."""
        return self._served is not None

    async def run(self) -> None:
        """Sign a certificate once the authority is there, and again in time; until cancelled."""
        hosts = names.signer_hosts(self._state.settings.replica.namespace)
        while True:
            authority, now = self._state.serving_authority, self._clock.now()
            if authority and (authority != self._authority or self._served is None or self._served.is_due(now)):
                self._authority, self._served = authority, Serving.sign(authority, hosts, now)
                load(self.context, self._served)
                logger.info("serving with a certificate until %s", self._served.end.isoformat())
            await asyncio.sleep(CHECK_SECONDS)
