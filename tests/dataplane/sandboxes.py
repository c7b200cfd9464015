"""Pods' sandboxes, as the runtime records them for the agent."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from sovereign_operator.agent.sandboxes import Sandbox
from tests.dataplane.links import V4, V6, Link

FOLDER: Final = Path("/run/netns")


def sandbox_of(link: Link, **changed: str | frozenset[str]) -> Sandbox:
    made = Sandbox(
        id="sandbox-1",
        pod_uid="uid-1",
        namespace="app",
        name="web-0",
        netns=f"/run/netns/{link.pod.name}",
        interface="eth0",
        addresses=frozenset({V4.pod, V6.pod}),
    )
    return replace(made, **changed)  # type: ignore[arg-type]
