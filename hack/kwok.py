"""KWOK, which simulates kubelets: fake nodes whose pods run at once, without any container."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hack.cluster import Cluster, binaries

FAKE: Final = "bench.example.org/fake"
"""The label of a fake node."""
LEASE_SECONDS: Final = 400
"""Fake nodes renew their leases every 100 s, and KWOK also writes a status every ten minutes. Kubelets renew every ten
seconds: for thousands of nodes on one machine, these writes would leave nothing to what is measured."""
NODE_STAGES: Final = ("node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease")
POD_STAGES: Final = ("pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete")
ENDLESS: Final = ("pod/fast/pod-ready", "pod/fast/pod-delete")
"""The same, but pods of Jobs never complete."""


@contextmanager
def kubelets(cluster: Cluster, log: Path, stages: Sequence[str] = POD_STAGES) -> Iterator[None]:
    """Keep the fake nodes and their pods alive. ``stages``: what pods go through."""
    command = [str(binaries.path("kwok")), f"--kubeconfig={cluster.kubeconfig}", "--server-address="]
    folder = binaries.folder_of_dependency(binaries.KWOK, "sigs.k8s.io/kwok") / "kustomize" / "stage"
    command += [f"--config={folder / stage}.yaml" for stage in (*NODE_STAGES, *stages)]
    command += [f"--manage-nodes-with-label-selector={FAKE}", f"--node-lease-duration-seconds={LEASE_SECONDS}"]
    with log.open("w", encoding="utf-8") as out, subprocess.Popen(command, stdout=out, stderr=out) as playing:
        try:
            yield
        finally:
            playing.terminate()
