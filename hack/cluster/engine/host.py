"""The few settings of the whole machine that nodes need changed, for as long as there are clusters.

This is all that a cluster changes outside its namespaces. What was there before is written down below /run, which
ends with the machine's uptime as the settings themselves do, next to one claim per cluster: with the last claim
the settings are put back, wherever that cluster has its folder.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.engine import cgroups
from hack.cluster.paths import hold_lock, replace_text

RAISED = {
    # A kubelet and a containerd take a dozen of them; many machines allow a user 128.
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
}


@dataclass(frozen=True)
class Host:
    """The machine's settings, in ``sysctls``, and what is on record about them, in ``folder``."""

    folder: Path = Path("/run/sovereign-operator")
    sysctls: Path = Path("/proc/sys")

    def claim(self, link: str, cluster: Path) -> None:
        """Change the settings for a cluster, known by its network interface, that has this folder."""
        with hold_lock(self.folder):
            replace_text(self.folder / f"{link}.claim", str(cluster))
            for name, wanted in RAISED.items():
                found = int((self.sysctls / name).read_text())
                if found < wanted:
                    self._remember(name, found)
                    (self.sysctls / name).write_text(str(wanted))
            root = cgroups.find_unified_root()
            if root and (new := cgroups.list_new_controllers(root)):
                self._remember(str(root), new)
                cgroups.hand_on_controllers(root)

    def release(self, link: str) -> None:
        """Give up a cluster's claim; if it was the last, put the settings back."""
        with hold_lock(self.folder):
            (self.folder / f"{link}.claim").unlink(missing_ok=True)
            claims = list(self.folder.glob("*.claim"))
            # A folder that somebody removed by hand will never be taken down.
            if any(Path(path.read_text()).exists() for path in claims):
                return
            for name, value in self._read_record().items():
                if name not in RAISED:
                    cgroups.take_back_controllers(Path(name), value)
                elif int((self.sysctls / name).read_text()) == RAISED[name]:  # else somebody changed it since
                    (self.sysctls / name).write_text(str(value))
            for path in (*claims, self.folder / "record.json"):
                path.unlink(missing_ok=True)
            self.folder.rmdir()

    def _remember(self, name: str, value: Any) -> None:
        """Write down a setting before it is changed, which may be the last thing that we do."""
        record = self._read_record()
        record.setdefault(name, value)
        replace_text(self.folder / "record.json", json.dumps(record))

    def _read_record(self) -> dict[str, Any]:
        path = self.folder / "record.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}
