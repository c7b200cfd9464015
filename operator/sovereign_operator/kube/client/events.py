"""Events: messages to people, which `kubectl describe` shows under the object that they concern."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sovereign_operator.core.names import FIELD_MANAGER
from sovereign_operator.core.report.conditions import Notice, timestamp
from sovereign_operator.kube.client.api import MERGE, Api, Json
from sovereign_operator.kube.client.errors import ApiError, ConflictError, NotFoundError
from sovereign_operator.kube.client.resource import EVENTS

logger = logging.getLogger(__name__)

MAX_MESSAGE = 1024
"""The API server refuses longer messages."""


async def post(api: Api, about: Json, notice: Notice) -> None:
    """Post an Event about an object. If the same Event exists, increase its count instead.

    No decision depends on Events, so a failure is only logged.
    """
    event = _event(api, about, notice)
    name, namespace = event["metadata"]["name"], event["metadata"]["namespace"]
    with _failures_logged(event):
        try:
            await api.create(EVENTS, event, namespace)
        except ConflictError:
            known = await api.get(EVENTS, name, namespace)
            body = {"count": known.get("count", 1) + 1, "lastTimestamp": event["lastTimestamp"]}
            await api.patch(EVENTS, name, body, content_type=MERGE, namespace=namespace)


async def post_once(api: Api, about: Json, notice: Notice, situation: str) -> None:
    """Post an Event about an object unless there is one about the same situation. A failure is only logged."""
    event = _event(api, about, notice, situation)
    name, namespace = event["metadata"]["name"], event["metadata"]["namespace"]
    # A conflict: another replica was as quick.
    with _failures_logged(event), suppress(ConflictError):
        try:
            await api.get(EVENTS, name, namespace)
        except NotFoundError:
            await api.create(EVENTS, event, namespace)


def _event(api: Api, about: Json, notice: Notice, situation: str = "") -> dict[str, Any]:
    """Return an Event whose name stands for its message, or for the situation that it is about, if given."""
    reference = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": about["metadata"]["name"],
        "uid": about["metadata"]["uid"],
    }
    namespace = about["metadata"].get("namespace", "default")
    if "namespace" in about["metadata"]:
        reference["namespace"] = namespace
    content = "|".join((reference["uid"], notice.type, notice.reason, situation or notice.message))
    name = f"{reference['name'][:200].rstrip('.-')}.{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    now = timestamp(api.clock.now())
    return EVENTS.header | {
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": reference,
        "type": notice.type,
        "reason": notice.reason,
        "message": notice.message.encode()[:MAX_MESSAGE].decode(errors="ignore"),
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


@contextmanager
def _failures_logged(event: Json) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        about = event["involvedObject"]["name"]
        logger.warning("Event %s about %s was not posted: %s", event["reason"], about, error)
