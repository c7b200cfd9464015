"""States of processes, built from raw objects: gathering and deciding need no API server."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from sovereign_operator.controller import settings as controller_settings
from sovereign_operator.controller import state as controller_state
from sovereign_operator.core.names import SYSTEM_NAMESPACES
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror
from sovereign_operator.runtime.replica import Replica
from sovereign_operator.signer import settings as signer_settings
from sovereign_operator.signer import state as signer_state
from tests.builders import NOW

Json = dict[str, Any]
Objects = Mapping[str, Iterable[Json]]
"""Raw objects by plural."""

CLOCK_ALONE = cast("Api", SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW)))
NO_QUEUE = cast("Any", SimpleNamespace(add=lambda _key, _delay=0.0: None))
REPLICA = Replica("sovereign-system", "replica", SYSTEM_NAMESPACES, 15, 8080, "info")
SIGNER_SETTINGS = signer_settings.Settings(
    REPLICA, "example.org", timedelta(minutes=5), "keys", move_keys=False, certificate_port=8443, check_address=True
)


def key_of(obj: Json) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def show(mirror: Mirror[Any], objects: Iterable[Json]) -> None:
    """Give objects to a mirror, as if its watch had received them."""
    for obj in objects:
        mirror._take("ADDED", obj)  # noqa: SLF001 - called by its watch
    mirror.synced.set()


def controller(objects: Objects) -> controller_state.ControllerState:
    """Return the state of a controller that has observed these objects."""
    settings = controller_settings.Settings(
        REPLICA, "0", with_signer=True, dns=("kube-system", "kube-dns"), with_reports=True
    )
    state = controller_state.ControllerState(CLOCK_ALONE, NO_QUEUE, settings)
    state.mirrors.kinds = {plural: {key_of(obj): [obj] for obj in found} for plural, found in objects.items()}
    for mirror, plural in (
        (state.mirrors.nodes, "nodes"),
        (state.mirrors.roles, "clusterroles"),
        (state.mirrors.placed_pods, "pods"),
    ):
        show(mirror, objects.get(plural, ()))
    for mirror in state.view.sidecars.obstacles.mirrors if state.view.sidecars else ():
        show(mirror, ())
    return state


def decide(state: controller_state.ControllerState) -> Verdicts:
    """Publish the verdicts on all that the controller has observed, and return them."""
    verdicts = Verdicts(state.view.facts())
    verdicts.update(verdicts.facts, state.view.observed_nodes(name for _, name in state.mirrors.nodes))
    state.published.verdicts = verdicts
    return verdicts


def signer(objects: Objects) -> signer_state.SignerState:
    """Return the state of a signer that has observed these objects."""
    state = signer_state.SignerState(CLOCK_ALONE, NO_QUEUE, SIGNER_SETTINGS)
    for mirror, plural in (
        (state.services, "cloudservices"),
        (state.datacentres, "datacentres"),
        (state.policies, "sovereigntypolicies"),
        (state.derogations, "derogations"),
        (state.requests, "podcertificaterequests"),
        (state.bundles, "clustertrustbundles"),
    ):
        show(mirror, objects.get(plural, ()))
    return state
