"""Answers one PodCertificateRequest: reads live what it names, has the core decide, and writes the answer."""

import asyncio
import base64
import binascii
import logging
from datetime import datetime
from typing import assert_never

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from sovereign_operator.core.identity.request import Deny, Issue, WaitForFacts, decide_request
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.kube.client.api import MERGE, Json
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError
from sovereign_operator.kube.client.resource import CERTIFICATE_REQUESTS
from sovereign_operator.signer import metrics
from sovereign_operator.signer.issuing import public_key_of, record, sign
from sovereign_operator.signer.log_fields import log_fields
from sovereign_operator.signer.reconcile.live import gather
from sovereign_operator.signer.state import RequestKey, SignerState
from sovereign_operator.signer.waiting import ObservedRequest

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 15.0
"""Seconds until a waiting request is decided again, at most."""


async def answer_request(state: SignerState, key: RequestKey) -> float | None:
    """Answer a request. Return in how many seconds to decide again if it has to wait."""
    seen = state.requests.get((key.namespace, key.name))
    if seen is None:
        return None
    if pause := state.budgets.pause(seen.request.node, seen.request.uid, asyncio.get_running_loop().time()):
        return pause
    public_key = _public_key(seen)
    facts, pod = await gather(state, seen.request, supported_key=public_key is not None)
    decision = decide_request(facts)
    match decision:
        case Issue():
            assert public_key is not None
            await _issue(state, seen, decision, public_key, pod)
            return None
        case Deny(reason, message):
            if await _write(state, seen, _condition("Denied", reason.value, message, facts.now)):
                metrics.DENIED.labels(reason.value).inc()
                logger.warning("denied: %s", message, extra=log_fields(seen.request) | {"reason": reason.value})
            return None
        case WaitForFacts():
            if state.is_first(seen):
                now = asyncio.get_running_loop().time()
                await state.waits.announce(seen.request.uid, seen.request, pod, decision, now)
            return pause_of((facts.now - seen.created).total_seconds())
        case _:
            assert_never(decision)


def pause_of(waited: float) -> float:
    """Return in how many seconds to decide again about what has waited for so many seconds."""
    return min(LONGEST_PAUSE, max(1.0, waited / 4))


def _public_key(seen: ObservedRequest) -> CertificatePublicKeyTypes | None:
    try:
        return public_key_of(base64.b64decode(seen.stub))
    except binascii.Error:
        return None


async def _issue(
    state: SignerState, seen: ObservedRequest, issue: Issue, public_key: CertificatePublicKeyTypes, pod: Json | None
) -> None:
    signed = sign(state, seen.request, issue, public_key)
    status = _condition("Issued", "Issued", str(signed.note), state.api.clock.now()) | {
        "certificateChain": signed.chain.decode(),
        "notBefore": timestamp(issue.not_before),
        "notAfter": timestamp(issue.not_after),
        "beginRefreshAt": timestamp(issue.refresh_at),
    }
    if await _write(state, seen, status):
        record(state, seen.request, issue, signed, pod=pod, since=seen.created)


def _condition(kind: str, reason: str, message: str, now: datetime) -> Json:
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(now),
    }
    return {"conditions": [condition]}


async def _write(state: SignerState, seen: ObservedRequest, status: Json) -> bool:
    """Write an answer, unless another replica has. Return whether this call wrote it."""
    body = {"metadata": {"resourceVersion": seen.version}, "status": status}
    request = seen.request
    try:
        await state.api.patch(
            CERTIFICATE_REQUESTS,
            request.name,
            body,
            content_type=MERGE,
            namespace=request.namespace,
            subresource="status",
        )
    except (ConflictError, NotFoundError):
        state.requests.drop((request.namespace, request.name), seen)
        return False
    return True
