"""The few machine-wide settings that nodes need, changed only while there are clusters.

A cluster changes no other settings outside its namespaces. The previous values are saved below /run, which like the
settings does not outlast a reboot, next to one claim file per cluster. Releasing the last claim restores the settings,
wherever that cluster's folder is.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.engine import cgroups
from hack.cluster.paths import hold_lock, replace_text

RAISED = {
    # A kubelet and a containerd take a dozen inotify instances; many machines allow a user 128.
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
}


@dataclass(frozen=True)
class Host:
    """The machine's settings, in ``sysctls``, and the record of their previous values, in ``folder``."""

    folder: Path = Path("/run/sovereign-operator")
    sysctls: Path = Path("/proc/sys")

    def claim(self, link: str, cluster: Path) -> None:
        """Change the settings for a cluster; its claim is named after its network interface and holds its folder."""
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
        """Release a cluster's claim; if it was the last, restore the settings."""
        with hold_lock(self.folder):
            (self.folder / f"{link}.claim").unlink(missing_ok=True)
            claims = list(self.folder.glob("*.claim"))
            # A cluster whose folder was removed by hand never releases its claim.
            if any(Path(path.read_text()).exists() for path in claims):
                return
            for name, value in self._read_record().items():
                if name not in RAISED:
                    cgroups.take_back_controllers(Path(name), value)
                elif int((self.sysctls / name).read_text()) == RAISED[name]:  # else it was changed by other software
                    (self.sysctls / name).write_text(str(value))
            for path in (*claims, self.folder / "record.json"):
                path.unlink(missing_ok=True)
            self.folder.rmdir()

    def _remember(self, name: str, value: Any) -> None:
        """Record a setting before it is changed, since this process may be killed right afterwards."""
        record = self._read_record()
        record.setdefault(name, value)
        replace_text(self.folder / "record.json", json.dumps(record))

    def _read_record(self) -> dict[str, Any]:
        path = self.folder / "record.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}
