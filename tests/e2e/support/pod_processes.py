"""The processes of pods, as the machine sees them."""

from collections.abc import Iterator
from pathlib import Path


def processes_of(pod_uid: str, program: str) -> Iterator[Path]:
    """Yield the folder in /proc of each process of a pod that runs this program."""
    for found in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"pod{pod_uid}" in (found / "cgroup").read_text()
            if ours and (found / "comm").read_text().strip() == program:
                yield found
        except (FileNotFoundError, ProcessLookupError):
            # It has ended meanwhile.
            continue
