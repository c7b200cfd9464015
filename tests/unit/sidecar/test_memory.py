"""How much memory a sidecar's own processes need beside Envoy: it is missing for connections."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from sovereign_operator.dataplane.memory import BESIDE_ENVOY, MIB
from tests.stand_in_signer import PATIENCE, Files, StandInSigner, issues
from tests.unit.sidecar.running import supervise

REQUEST: Final = """\
import json, sys
from pathlib import Path
from sovereign_operator.sidecar.certificate import request
request(Path(sys.argv[1]), Path(sys.argv[2]))
print(json.dumps(Path("/proc/self/status").read_text()))
"""

IMPORTS: Final = "import sys, sovereign_operator.sidecar.supervise; print(*sys.modules)"


def read(status: str, name: str) -> int:
    """Return a number of bytes in the status of a process."""
    (found,) = (line.split() for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(found[1]) * 1024


def test_what_is_reserved_is_what_they_need(tmp_path: Path) -> None:
    """A file that is mapped counts for whichever container read it first, and can be dropped; the rest cannot."""
    with (
        StandInSigner(issues(refresh_seconds=1)).serve() as address,
        supervise(Files.make(tmp_path, address)) as running,
    ):
        running.envoy_started()
        line = [sys.executable, "-c", REQUEST, str(running.files.identity), str(running.files.own)]
        done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=PATIENCE)
        stays, comes = Path(f"/proc/{running.process.pid}/status").read_text(), json.loads(done.stdout)
    assert read(stays, "VmRSS") < 15 * MIB
    needed = read(stays, "RssAnon") + read(comes, "RssAnon")
    assert BESIDE_ENVOY * 0.8 < needed < BESIDE_ENVOY


@pytest.mark.parametrize("module", ["cryptography", "ssl", "http", "socket", "subprocess", "dataclasses", "argparse"])
def test_what_stays_in_memory_imports_little(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert module not in done.stdout.split()
