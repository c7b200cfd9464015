"""Keeps a copy of Envoy's listeners that uses IPv4 alone, for nodes whose kernel has no IPv6.

The listeners in the ConfigMap listen on all addresses of both families, and are the same for all pods of a policy. On
such a node Envoy could not open their sockets, and refuses ranges of IPv6. So the sidecar starts this process beside
Envoy, which writes the copy again whenever the kubelet replaces the file:
``python -m sovereign_operator.sidecar.ipv4 SOURCE TARGET``.

The process takes memory from connections, so it imports little, and replaces text instead of parsing JSON.
"""

import json
import os
import re
import sys
import time
from typing import Final

_BOTH: Final = re.compile(r'"address": "::"(,\s*"port_value": [0-9]+),\s*"ipv4_compat": true')
"""How ``dataplane.envoy.dual_stack`` is written as JSON. Within a string of JSON, the quotes would be escaped."""
_RANGE: Final = re.compile(r'"address_prefix": "[0-9a-f.]*:[0-9a-f:.]*"(,\s*"prefix_len": )[0-9]+')
"""A range of IPv6."""
NOBODY: Final = "255.255.255.255"
"""An address that no connection has: it stands for ranges of IPv6, as Envoy refuses these where there is none."""

PAUSE_SECONDS: Final = 1.0
"""How often the file is looked at. A kubelet takes up to a minute to replace it."""


def by_ipv4(text: str) -> str:
    """Return JSON of Envoy's configuration without IPv6: each listener for both families listens by IPv4 alone."""
    text = _BOTH.sub(r'"address": "0.0.0.0"\1', text)
    return _RANGE.sub(rf'"address_prefix": "{NOBODY}"\g<1>32', text)


def copy(source: str, target: str) -> None:
    """Write the copy of a file, and put it in place at once. Raises OSError or UnicodeError."""
    with open(source, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes memory
        text = by_ipv4(file.read())
    new = f"{target}.new"
    with open(new, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    os.replace(new, target)  # noqa: PTH105


class Follower:
    """Copies a file whenever it is replaced."""

    def __init__(self, source: str, target: str) -> None:
        self._source = source
        self._target = target
        self._copied: tuple[int, int, int] | None = None
        """Of the file that was copied last: its device, inode and time of change."""
        self._failed = False

    def look(self) -> None:
        """Copy the file if it was replaced. A failure is logged once, and the file is tried again the next time."""
        try:
            found = os.stat(self._source)  # noqa: PTH116
            this = found.st_dev, found.st_ino, found.st_mtime_ns
            if this != self._copied:
                copy(self._source, self._target)
                self._copied = this
            self._failed = False
        except Exception as error:  # noqa: BLE001 - nobody starts this process again
            if not self._failed:
                _log(f"the settings of the policy could not be copied, and will be tried again: {error}")
            self._failed = True


def _log(message: str) -> None:
    """Log a line of JSON as Envoy does here, see envoy_files.py."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    line = {"time": at, "level": "warning", "logger": "sidecar", "message": message}
    sys.stderr.write(f"{json.dumps(line)}\n")


def main() -> None:
    """Follow until the process that started this one ends."""
    source, target = sys.argv[1:]
    follower, parent = Follower(source, target), os.getppid()
    # In a pod whose containers share processes, the kernel does not end this process together with Envoy.
    while os.getppid() == parent:
        follower.look()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
