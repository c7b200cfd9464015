"""Guards: our admission policies, their bindings and webhooks, as they are and as the chart installed them.

Each version of the chart installs a ConfigMap that lists its guards with their specs. Its name contains a digest of the
list. The controller compares the guards in the cluster with these lists.
"""

import hashlib
import logging
from datetime import UTC, datetime
from typing import Any, Final

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core import names
from sovereign_operator.core.admission.guards import Guard, Guards, Versions
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
"""The data key of a list: a JSON array of objects, each with kind, metadata.name and spec."""
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def see_guard(obj: Json) -> Guard:
    """Read the spec of an admission policy, a binding or a webhook configuration, and its last writer."""
    manager, time = last_write(obj)
    spec = obj["spec"] if "spec" in obj else {"webhooks": obj.get("webhooks") or []}
    return Guard(spec, f"{manager} at {timestamp(time)}" if manager else "")


def last_write(obj: Json) -> tuple[str, datetime]:
    """Return the field manager that wrote an object last, and when. Writes of subresources do not count.

    Clients choose the names of their field managers. Without managedFields: an empty name, and the creation time.
    """
    return latest_writer(obj["metadata"]) or ("", created(obj))


def created(obj: Json) -> datetime:
    """Return when an object was created, in UTC."""
    return datetime.fromisoformat(obj["metadata"]["creationTimestamp"]).astimezone(UTC)


async def read_versions(
    api: Api, namespace: str, digest: str, deployment: Json | None, *, installed: Guards | None = None
) -> Versions:
    """Return the lists of guards that count now, for the version of the chart that this digest stands for.

    Call it before you look at the guards: the list of a version is deleted after the last of them. ``deployment`` is
    the controller's. ``installed`` is the version's own list as it was read before, for the case that its ConfigMap is
    gone. Raises ApiError.
    """
    lists = await read_lists(api, namespace)
    own = lists.pop(digest, installed)
    return Versions(
        name=names.guards_config_map(digest),
        own=own,
        others=tuple(lists.values()),
        installed=created(deployment) if deployment else LONG_AGO,
        changed=last_write(deployment)[1] if deployment else LONG_AGO,
        now=api.clock.now(),
        published=await read_published(api, namespace),
    )


async def read_lists(api: Api, namespace: str) -> dict[str, Guards]:
    """Return all valid lists of guards in the operator's namespace, by digest."""
    pages = api.pages(resource.CONFIG_MAPS, namespace, names.GUARDS_LABEL)
    config_maps = [config_map async for page, _ in pages for config_map in page]
    return {digest: guards for config_map in config_maps for digest, guards in read_list(config_map).items()}


def read_list(config_map: Json) -> dict[str, Guards]:
    """Return the list of guards in a ConfigMap, by its digest; empty if it is invalid or its name has another digest.

    The digest is the first 16 hexadecimal digits of the SHA-256 of the list.
    """
    text = config_map.get("data", {}).get(LIST, "")
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    if config_map["metadata"]["name"] != names.guards_config_map(digest):
        logger.warning(
            "ConfigMap %s is ignored: its content does not match the digest in its name",
            config_map["metadata"]["name"],
        )
        return {}
    try:
        objects: list[dict[str, Any]] = read_json(text.encode())
        return {digest: {(obj["kind"], obj["metadata"]["name"]): obj["spec"] for obj in objects}}
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("ConfigMap %s cannot be read: %r", config_map["metadata"]["name"], error)
        return {}


async def read_published(api: Api, namespace: str) -> frozenset[str] | None:
    """Return the certificates by which the API server may trust our webhooks; None if they are not published.

    The Jobs of ``webhook_ca`` publish them in a ConfigMap.
    """
    pages = api.pages(resource.CONFIG_MAPS, namespace, field_selector=f"metadata.name={names.INJECTOR_CA}")
    config_maps = [config_map async for page, _ in pages for config_map in page]
    texts = [config_map.get("data", {}).get(names.CA_BUNDLE, "") for config_map in config_maps]
    return read_certificates("".join(texts)) if texts else None


async def read_deployment(api: Api, namespace: str) -> Json | None:
    """Return the controller's Deployment, which Helm writes before the guards; None if it does not exist."""
    try:
        return await api.get(resource.WORKLOADS[WorkloadKind.DEPLOYMENT], DEPLOYMENT, namespace)
    except NotFoundError:
        return None
