"""Derogations as people ask for them and approve them."""

import json
from typing import Any

from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.observed import condition

SERVICE, SITE, NODE = "armor-public", "nantes", "nantes-1"
"""A service of the estate without a qualification, its datacentre, and the node there."""


def derogation(name: str, policy: str, **spec: Any) -> Json:
    """Return a Derogation from SecNumCloud for the service."""
    usual = {
        "policyRef": {"name": policy},
        "serviceRef": {"name": SERVICE},
        "scheme": "SecNumCloud",
        "reason": "pilot",
        "until": "2099-12-31",
    }
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "Derogation",
        "metadata": {"name": name},
        "spec": usual | spec,
    }


def approval(read: Json, by: str, **other: Any) -> Json:
    """Return the status that approves a Derogation as it was read."""
    metadata = read["metadata"]
    approved = {"approvedBy": by, "approvedGeneration": metadata["generation"], "approvedUID": metadata["uid"]}
    return approved | other


def patching(name: str, status: Json) -> tuple[str, ...]:
    """Return the arguments of kubectl that write into the status of a Derogation."""
    return ("patch", "derogation", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def approve(person: Kubectl, name: str, by: str) -> None:
    """Have a person approve a Derogation as it stands."""
    person.run(*patching(name, approval(person.get("derogation", name), by)))


def standing(admin: Kubectl, name: str) -> tuple[str, str]:
    """Return status and reason of the condition InForce. Raises AssertionError if it is not there yet."""
    found = condition(admin, "derogation", name, "InForce")
    return found["status"], found["reason"]


def bind(admin: Kubectl, user: str, *roles: str) -> None:
    """Bind ClusterRoles to a user."""
    for role in roles:
        admin.run("create", "clusterrolebinding", f"{user}-{role}", f"--clusterrole={role}", f"--user={user}")


def until_allowed(person: Kubectl, verb: str, *more: str) -> None:
    """Wait until RBAC knows that a person may do something to Derogations."""
    question = ("auth", "can-i", verb, "derogations.sovereignty.dev", *more)
    eventually(lambda: person.run(*question), seconds=20, what=f"the right to {verb}")


def unbind(admin: Kubectl, user: str, *roles: str) -> None:
    """Remove what `bind` made."""
    admin.delete("clusterrolebinding", *(f"{user}-{role}" for role in roles))
