"""Serves certificates to sidecars over TLS: POST /certificate, with the token of the pod and a PKCS#10 request (DER).

Any pod in the cluster can connect. So a token is first checked without the API server, and work is limited for each
address, pod and node. Answers are JSON:

- 200 ``{"certificateChain": PEM, "refreshInSeconds": N}``
- 403 ``{"reason", "message"}``: denied for good
- 503 or 429, the same, with Retry-After: not yet
- 401, the same: the token is not accepted
"""

import asyncio
import ipaddress
import logging
import math
import ssl
import time
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from http import HTTPStatus
from typing import Final, assert_never

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from sovereign_operator.core import names
from sovereign_operator.core.identity.certificate_note import CertificateNote
from sovereign_operator.core.identity.request import Deny, Issue, Request, WaitForFacts, decide_request
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.sidecar.contract import CERTIFICATE_PATH
from sovereign_operator.kube.client.api import MERGE, Json
from sovereign_operator.kube.client.errors import ApiError
from sovereign_operator.kube.client.resource import PODS
from sovereign_operator.runtime.connections import SECONDS
from sovereign_operator.runtime.listening import listening
from sovereign_operator.runtime.log_budget import LogBudget
from sovereign_operator.signer import metrics
from sovereign_operator.signer.issuing import public_key_of, record, sign
from sovereign_operator.signer.log_fields import log_fields
from sovereign_operator.signer.reconcile.live import gather
from sovereign_operator.signer.reconcile.requests import pause_of
from sovereign_operator.signer.state import SignerState
from sovereign_operator.signer.tokens.keys import BoundPod, InvalidTokenError, TokenKeys
from sovereign_operator.signer.tokens.review import review_token

logger = logging.getLogger(__name__)

LARGEST_BODY: Final = 3072
"""In bytes. With the largest key that is allowed, a PKCS#10 request has some 1,200."""
BEARER: Final = "Bearer "
UNAVAILABLE_SECONDS: Final = 5.0
"""After how long to ask again if the API server does not answer."""


class Endpoint:
    """The HTTP handler of one replica."""

    def __init__(self, state: SignerState) -> None:
        self._state = state
        self._keys = TokenKeys(state.api)
        self._log = LogBudget(time.monotonic)

    async def certify(self, asked: web.Request) -> web.Response:
        """Answer a request."""
        if asked.content_length is None:
            return web.Response(status=HTTPStatus.LENGTH_REQUIRED)
        if asked.content_length > LARGEST_BODY:
            return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        token = asked.headers.get("Authorization", "").removeprefix(BEARER)
        try:
            async with asyncio.timeout(SECONDS):
                body = await asked.read()
            return self._hold_up(await self._keys.verify(token)) or await self._answer(
                token, _address(asked.remote), public_key_of(body)
            )
        except TimeoutError:
            return web.Response(status=HTTPStatus.REQUEST_TIMEOUT, headers={"Connection": "close"})
        except InvalidTokenError as error:
            metrics.TOKENS_REFUSED.inc()
            address = _address(asked.remote)
            if self._log.take(address):
                logger.warning("%s sent a token that is not accepted: %s", address, line(str(error)))
            return _refusal(HTTPStatus.UNAUTHORIZED, "InvalidToken", str(error))
        except ApiError as error:
            logger.warning("a request by token is not answered, its sidecar asks again: %s", error)
            message = "the API server does not answer the signer"
            return _wait(HTTPStatus.SERVICE_UNAVAILABLE, "Unavailable", message, UNAVAILABLE_SECONDS)

    def _hold_up(self, bound: BoundPod) -> web.Response | None:
        """Return an answer that has a pod wait, if it is not its turn yet."""
        now, uid = asyncio.get_running_loop().time(), f"token of {bound.pod_uid}"
        pause = self._state.pod_budgets.pause(bound.pod_uid, uid, now) or self._state.budgets.pause(
            bound.node, uid, now
        )
        if pause:
            return _wait(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", "its node or pod asks too often", pause)
        if not self._state.complete:
            message = "the signer has only just started"
            return _wait(HTTPStatus.SERVICE_UNAVAILABLE, "Starting", message, UNAVAILABLE_SECONDS)
        return None

    async def _answer(
        self, token: str, address: str | None, public_key: CertificatePublicKeyTypes | None
    ) -> web.Response:
        state, checked = self._state, self._state.settings.check_address
        request = await review_token(state.api, token, address if checked else None)
        facts, pod = await gather(state, request, supported_key=public_key is not None)
        decision = decide_request(facts)
        match decision:
            case Issue():
                assert public_key is not None
                return await self._issue(request, decision, public_key, pod, facts.now)
            case Deny(reason, message):
                metrics.DENIED.labels(reason.value).inc()
                if self._log.take(address, request.namespace):
                    logger.warning("denied: %s", message, extra=log_fields(request) | {"reason": reason.value})
                return _refusal(HTTPStatus.FORBIDDEN, reason.value, message)
            case WaitForFacts(reason, message):
                now = asyncio.get_running_loop().time()
                waited = await state.waits.announce(request.pod_uid, request, pod, decision, now)
                return _wait(HTTPStatus.SERVICE_UNAVAILABLE, reason.value, message, pause_of(waited))
            case _:
                assert_never(decision)

    async def _issue(
        self, request: Request, issue: Issue, public_key: CertificatePublicKeyTypes, pod: Json | None, now: datetime
    ) -> web.Response:
        signed = sign(self._state, request, issue, public_key)
        # No object but the pod records it. What is not recorded is not handed out.
        note = str(CertificateNote(issue.not_after, signed.note))
        metadata = {"uid": request.pod_uid, "annotations": {names.CERTIFICATE_ANNOTATION: note}}
        await self._state.api.patch(
            PODS, request.pod, {"metadata": metadata}, content_type=MERGE, namespace=request.namespace
        )
        record(self._state, request, issue, signed, pod=pod, since=now)
        refresh = max(1, int((issue.refresh_at - now).total_seconds()))
        return web.json_response({"certificateChain": signed.chain.decode(), "refreshInSeconds": refresh})


def _address(remote: str | None) -> str | None:
    """Return the address of a client. A socket for both families shows IPv4 as IPv6."""
    if remote is None:
        return None
    found = ipaddress.ip_address(remote)
    return str((found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None) or found)


def _refusal(status: HTTPStatus, reason: str, message: str) -> web.Response:
    return web.json_response({"reason": reason, "message": message}, status=status)


def _wait(status: HTTPStatus, reason: str, message: str, seconds: float) -> web.Response:
    answer = _refusal(status, reason, message)
    answer.headers["Retry-After"] = str(math.ceil(seconds))
    return answer


def application_of(endpoint: Endpoint) -> web.Application:
    """Return the HTTP application of a handler."""
    application = web.Application(client_max_size=LARGEST_BODY)
    application.router.add_post(CERTIFICATE_PATH, endpoint.certify)
    return application


def serving(port: int, endpoint: Endpoint, tls: ssl.SSLContext) -> AbstractAsyncContextManager[None]:
    """Return the context within which requests of sidecars are answered."""
    return listening(application_of(endpoint), port, tls)
