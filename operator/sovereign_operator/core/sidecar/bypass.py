"""What in a pod goes past its sidecar. The API server refuses such pods where the policy encrypts.

The guard has the same rule as CEL: ``podFaults`` in the chart's ``guard-sidecars.yaml``, ``pastSidecar`` in its
``_admission.tpl``. A preview needs it before there is a pod.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from sovereign_operator.core.sidecar import contract as sidecar

Json = Mapping[str, Any]

_NAME: Final = re.compile("[A-Za-z_]+")
CAPABILITIES: Final = frozenset({"ALL", "BPF", "DAC_READ_SEARCH", "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_MODULE"})
SYSCTL: Final = "net.ipv4.tcp_syncookies"
DEBUGGED: Final = " (kubectl debug: add --share-processes=false)"
"""A copy that kubectl makes shares processes, unless it is told not to."""


def goes_past_sidecar(spec: Json) -> str:
    """Return the first thing in the spec of a pod that goes past its sidecar, in words; empty if there is none."""
    for field, how in (("hostNetwork", ""), ("hostPID", ""), ("shareProcessNamespace", DEBUGGED)):
        if spec.get(field):
            return f"spec.{field} is true{how}"
    context = spec.get("securityContext") or {}
    if context.get("runAsUser") == sidecar.UID:
        return f"spec.securityContext.runAsUser is that of the sidecar, {sidecar.UID}, so choose another"
    if any(sysctl["name"].replace("/", ".") == SYSCTL for sysctl in context.get("sysctls") or ()):
        return f"spec.securityContext.sysctls has {SYSCTL}, which lets packets bypass the sidecar"
    users = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    faults = (_of_container(user) for user in users if user["name"] != sidecar.CONTAINER)
    return next(filter(None, faults), "")


def _of_container(container: Json) -> str:
    context, name = container.get("securityContext") or {}, container["name"]
    if context.get("runAsUser") == sidecar.UID:
        return f"container {name} runs as the user of the sidecar, {sidecar.UID}, so choose another"
    if context.get("privileged"):
        return f"container {name} is privileged"
    if (context.get("procMount") or "Default") != "Default":
        return f"container {name} has a procMount of its own"
    added = (context.get("capabilities") or {}).get("add") or ()
    if powers := [each for each in added if _is_power(each)]:
        return f"container {name} adds {', '.join(powers)}, with which it could bypass the sidecar"
    if any(mount["name"] in sidecar.VOLUMES for mount in container.get("volumeMounts") or ()):
        return f"container {name} mounts a volume of the sidecar"
    return ""


def _is_power(capability: str) -> bool:
    """Whether a container could bypass the sidecar with a capability, as far as its name says.

    Runtimes make the name upper case by Unicode, where several letters become one of ASCII. No capability has others.
    """
    return not _NAME.fullmatch(capability) or capability.upper().replace("CAP_", "") in CAPABILITIES
