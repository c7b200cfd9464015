"""Changes that an attacker makes to a pod with a sidecar."""

import copy
from collections.abc import Callable

from hack.kubectl import Json
from sovereign_operator.core.sidecar.contract import IDENTITY_VOLUME, transit_policy
from sovereign_operator.core.sidecar.injection import SidecarSettings, inject

Change = Callable[[Json], object]


def sidecar(**fields: object) -> Change:
    """Change fields of the sidecar."""
    return lambda spec: spec["initContainers"][0].update(fields)


def context(**fields: object) -> Change:
    """Change fields of the sidecar's security context."""
    return lambda spec: spec["initContainers"][0]["securityContext"].update(fields)


def app(**fields: object) -> Change:
    """Change fields of the user's container."""
    return lambda spec: spec["containers"][0].update(fields)


def secure(**fields: object) -> Change:
    """Give the user's container a security context."""
    return app(securityContext=fields)


def volume(name: str, **content: object) -> Change:
    """Replace one of the sidecar's volumes."""

    def change(spec: Json) -> None:
        for position, found in enumerate(spec["volumes"]):
            if found["name"] == name:
                spec["volumes"][position] = {"name": name, **content}

    return change


def form(*, by_token: bool) -> Change:
    """Have the sidecar get its certificate in one of both ways, as the injector writes it."""

    def change(spec: Json) -> None:
        settings = SidecarSettings("", "", {}, by_token=by_token)
        written = inject({"metadata": {}, "spec": {"containers": []}}, transit_policy({"spec": spec}), settings)
        (identity,) = [found for found in written["spec"]["volumes"] if found["name"] == IDENTITY_VOLUME]
        volume(IDENTITY_VOLUME, projected=identity["projected"])(spec)

    return change


def source(kind: str, **fields: object) -> Change:
    """Change a source of the sidecar's identity volume, in the form that has such a source."""

    def change(spec: Json) -> None:
        form(by_token=kind in {"serviceAccountToken", "configMap"})(spec)
        (identity,) = [each for each in spec["volumes"] if each["name"] == IDENTITY_VOLUME]
        (found,) = [each[kind] for each in identity["projected"]["sources"] if kind in each]
        found.update(fields)

    return change


def mount(position: int, **fields: object) -> Change:
    return lambda spec: spec["initContainers"][0]["volumeMounts"][position].update(fields)


def spec_of(**fields: object) -> Change:
    return lambda spec: spec.update(fields)


def attack(pristine: Json, change: Change) -> Json:
    """Return a pod with one change."""
    made = copy.deepcopy(pristine)
    change(made["spec"])
    return made
