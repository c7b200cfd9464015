"""Would the API server refuse a pod that does not exist yet? For previews, with the rules of the guards.

The guards have these rules as CEL: ``guard-pods.yaml``, ``guard-sidecars.yaml`` and ``guard-certificates.yaml`` of the
chart.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sovereign_operator.core import names
from sovereign_operator.core.sidecar.bypass import goes_past_sidecar
from sovereign_operator.core.sidecar.injectable import PLAIN
from sovereign_operator.core.sidecar.injection import SidecarSettings, inject
from sovereign_operator.core.sidecar.namespace_facts import NO_NAMESPACE_FACTS, NamespaceFacts
from sovereign_operator.core.sidecar.probes import CannotInjectError

Json = dict[str, Any]

SETTINGS: Final = SidecarSettings("", "IfNotPresent", {}, by_token=True)
"""A sidecar that requests nothing, for where it is not known how it is configured."""


@dataclass(frozen=True)
class Hold:
    """A policy that is in effect for pods, and what admission asks about it."""

    policy: str
    enforced: bool
    """Whether their namespace enforces it; otherwise a label of each pod names it."""
    known: bool
    """Whether there is such a policy."""
    encrypts: bool = False
    granted: bool = True
    """Whether it gives certificates to their namespace."""
    accepts: Callable[[str], bool] = field(default=lambda _: False, compare=False)
    """Whether it accepts a node, by name."""
    settings: SidecarSettings = SETTINGS
    around: NamespaceFacts = field(default=NO_NAMESPACE_FACTS, compare=False)


@dataclass(frozen=True)
class Admitted:
    """What admission would do with a pod."""

    refused: str
    """Why it would be refused, and what to do; empty if it would not."""
    spec: Json
    """The spec of the pod, with its sidecar if it gets one."""


def admit(pod: Json, hold: Hold) -> Admitted:
    """Say what admission would do with a pod: metadata with its labels, and spec, as in a pod template."""
    spec: Json = pod["spec"]
    if fault := _fault(pod, hold):
        return Admitted(fault, spec)
    if not hold.encrypts:
        return Admitted("", spec)
    if not hold.granted:
        named = f"policy {hold.policy} encrypts, and gives no certificates to this namespace"
        return Admitted(f"{named}: name it in spec.certificateNamespaces of the policy", spec)
    try:
        made = inject(pod, hold.policy, hold.settings, hold.around)
    except CannotInjectError as error:
        return Admitted(f"policy {hold.policy} encrypts, and the sidecar cannot be added: {error}", spec)
    past = goes_past_sidecar(spec)
    advice = f"leave that out, or {PLAIN}"
    return Admitted(f"policy {hold.policy} encrypts, but {past}: {advice}" if past else "", made["spec"])


def _fault(pod: Json, hold: Hold) -> str:
    named = (pod["metadata"].get("labels") or {}).get(names.POLICY_LABEL)
    if hold.enforced and named not in (None, hold.policy):
        return f"two policies: its label names {named}, its namespace enforces {hold.policy}: remove the label"
    if not hold.known:
        return f"there is no SovereigntyPolicy {hold.policy}: create it, or correct the label"
    node = pod["spec"].get("nodeName")
    if node and not hold.accepts(node):
        return f"spec.nodeName names node {node}, which policy {hold.policy} does not accept: leave spec.nodeName out"
    return ""
