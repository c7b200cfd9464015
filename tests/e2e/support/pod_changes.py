"""Changes that an attacker makes to a pod with a sidecar."""

import copy
from collections.abc import Callable

from hack.kubectl import Json

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


def source(position: int, kind: str, **fields: object) -> Change:
    """Change a source of the sidecar's identity volume."""

    def change(spec: Json) -> None:
        (found,) = [each for each in spec["volumes"] if each["name"] == "sovereignty-identity"]
        found["projected"]["sources"][position][kind].update(fields)

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
