"""Pods that run in a sandbox with a network stack of its own, which the redirect to a sidecar does not reach.

The agent loads the redirect into the network namespace that the runtime makes for a pod on the node. gVisor's network
stack is a process that takes packets from the pod's interface before the node's kernel filters them, and Kata
Containers bridges that interface into a virtual machine. A sidecar there would wait for the redirect without end. See
https://github.com/kata-containers/kata-containers/issues/4080 and https://github.com/istio/istio/issues/58573.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

Json = Mapping[str, Any]

SANDBOXES: Final = frozenset({"edera", "firecracker", "gvisor", "kata", "katacontainers", "kuasar", "quark", "runsc"})
"""Words in the names of handlers, such as kata-qemu, kata-cc-isolation and io.containerd.runsc.v1."""
_WORD: Final = re.compile(r"[a-z0-9]+")


def sandbox_of(spec: Json, handlers: Mapping[str, str], listed: Collection[str]) -> str:
    """Return why a pod would run in a sandbox, as the subject of a sentence; empty if it would not.

    ``handlers``: those of RuntimeClasses, by name. ``listed``: the RuntimeClasses that an admin lists as sandboxes.
    """
    name = spec.get("runtimeClassName") or ""
    if name in listed:
        return f"spec.runtimeClassName is {name}, which is a sandbox (encryption.sandboxes in the chart's values)"
    # The name tells as much if the RuntimeClass is not known here.
    handler = handlers.get(name, name)
    if SANDBOXES & {*_WORD.findall(handler.lower())}:
        return f"spec.runtimeClassName is {name}, whose handler {handler} is a sandbox"
    return ""
