"""Our admission policies and webhooks as they are, and what the chart's versions in the cluster have them say."""

import hashlib
import logging
from datetime import UTC, datetime
from typing import Any, Final

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core import names
from sovereign_operator.core.admission.guards import Guard, Guards
from sovereign_operator.core.admission.webhooks import read_certificates
from sovereign_operator.core.bounded_json import read_json
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.managed_fields import latest_writer

logger = logging.getLogger(__name__)

DEPLOYMENT: Final = "sovereign-controller"
LIST: Final = "guards.json"


def see_guard(obj: Json) -> Guard:
    """Keep what an admission policy, a binding or a webhook configuration says, and who wrote it."""
    manager, time = last_write(obj)
    spec = obj["spec"] if "spec" in obj else {"webhooks": obj.get("webhooks") or []}
    return Guard(spec, f"{manager} at {timestamp(time)}" if manager else "")


def last_write(obj: Json) -> tuple[str, datetime]:
    """Return which client wrote an object last, by its own word, and when; no status, and no scale.

    Without a trace of anybody it is nobody, when the object was made.
    """
    return latest_writer(obj["metadata"]) or ("", created(obj))


def created(obj: Json) -> datetime:
    """Return when an object was made."""
    return datetime.fromisoformat(obj["metadata"]["creationTimestamp"]).astimezone(UTC)


async def read_lists(api: Api, namespace: str) -> dict[str, Guards]:
    """Return what there is of lists, by the digits that stand for them."""
    pages = api.pages(resource.CONFIG_MAPS, namespace, names.GUARDS_LABEL)
    found = [config_map async for page, _ in pages for config_map in page]
    return {digest: guards for config_map in found for digest, guards in read_list(config_map).items()}


def read_list(config_map: Json) -> dict[str, Guards]:
    """Read a list, by the digits that stand for it. One that is not what its name stands for is none."""
    text = config_map.get("data", {}).get(LIST, "")
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    if config_map["metadata"]["name"] != names.guards_config_map(digest):
        logger.warning(
            "ConfigMap %s counts for nothing: it is not what the chart wrote", config_map["metadata"]["name"]
        )
        return {}
    try:
        objects: list[dict[str, Any]] = read_json(text.encode())
        return {digest: {(obj["kind"], obj["metadata"]["name"]): obj["spec"] for obj in objects}}
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("ConfigMap %s cannot be read: %r", config_map["metadata"]["name"], error)
        return {}


async def read_published(api: Api, namespace: str) -> frozenset[str] | None:
    """Return the certificates of those who may be trusted to be our webhooks; None if nobody has published them."""
    pages = api.pages(resource.CONFIG_MAPS, namespace, field_selector=f"metadata.name={names.INJECTOR_CA}")
    found = [config_map async for page, _ in pages for config_map in page]
    texts = [config_map.get("data", {}).get(names.CA_BUNDLE, "") for config_map in found]
    return read_certificates("".join(texts)) if texts else None


async def read_deployment(api: Api, namespace: str) -> Json | None:
    """Return the controller's Deployment, which Helm writes before the guards."""
    try:
        return await api.get(resource.WORKLOADS[WorkloadKind.DEPLOYMENT], DEPLOYMENT, namespace)
    except NotFoundError:
        return None
