"""Reads the catalogue that this package ships, and the cluster's own CloudServices."""

import json
from datetime import date
from importlib import resources
from typing import Any, Final

from sovereign_operator.api.v1alpha1.cloud_service import CLOUD_SERVICE, CloudServiceSpec
from sovereign_operator.cli.answers.catalogue import Catalogue
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.kube.client.resource import OURS
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.unreadable import Unreadable

FILE: Final = "catalogue.json"
"""Beside the package's modules: ``asOf``, ``authority``, and ``items``, which are CloudServices."""


def read_shipped() -> tuple[Catalogue, dict[str, dict[str, Any]]]:
    """Return the catalogue that is shipped, and its manifests by name."""
    text = resources.files("sovereign_operator.cli").joinpath(FILE).read_text(encoding="utf-8")
    content = json.loads(text)
    manifests = {item["metadata"]["name"]: item for item in content["items"]}
    services = {name: CloudServiceSpec.model_validate(item["spec"]) for name, item in manifests.items()}
    return Catalogue(date.fromisoformat(content["asOf"]), content["authority"], services), manifests


async def read_services(reader: Reader) -> tuple[dict[str, CloudServiceSpec], list[str]] | None:
    """Return the cluster's CloudServices, and the names of those that cannot be read; None if the caller may not."""
    found = await reader.list(
        OURS[CLOUD_SERVICE.plural], lambda obj: (obj["metadata"]["name"], see_spec(obj, CloudServiceSpec))
    )
    if found is None:
        return None
    unreadable = [name for name, spec in found if isinstance(spec, Unreadable)]
    return {name: spec for name, spec in found if isinstance(spec, CloudServiceSpec)}, unreadable
