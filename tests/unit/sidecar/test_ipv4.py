"""The copy of Envoy's configuration for nodes whose kernel has no IPv6."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sovereign_operator.core.sidecar.contract import IPV4_FOLDER, TRANSIT_FOLDER, Probe, ProbeKind, probe_ports
from sovereign_operator.dataplane.bootstrap import bootstrap
from sovereign_operator.dataplane.memory import FOLLOWER, MIB
from sovereign_operator.sidecar.ipv4 import NOBODY, Follower, by_ipv4
from tests.orders import orders

IMPORTS = "import sys, sovereign_operator.sidecar.ipv4; print(*sys.modules)"
NEEDED = """\
import sys
from pathlib import Path
from sovereign_operator.sidecar.ipv4 import Follower
follower = Follower(*sys.argv[1:])
follower.look()
print(Path("/proc/self/status").read_text())
"""


def without_ipv6(config: Any) -> Any:
    """Replace each address and range of IPv6 in a parsed configuration."""
    match config:
        case {"address": "::", "ipv4_compat": True, **rest}:
            return {"address": "0.0.0.0"} | rest
        case {"address_prefix": str(prefix), "prefix_len": int()} if ":" in prefix:
            return {"address_prefix": NOBODY, "prefix_len": 32}
        case dict():
            return {key: without_ipv6(value) for key, value in config.items()}
        case list():
            return [without_ipv6(value) for value in config]
        case _:
            return config


def test_nothing_but_addresses_and_ranges_of_ipv6_differs() -> None:
    probes = probe_ports([Probe(ProbeKind.HTTP, 8080, '/"address": "::"'), Probe(ProbeKind.GRPC, 9000)])
    texts = [json.dumps(bootstrap("pod", probes)), *(text for order in orders() for text in order.values())]
    for text in texts:
        assert json.loads(by_ipv4(text)) == without_ipv6(json.loads(text))
        assert '"::"' not in by_ipv4(text).replace('\\"', "")
        assert by_ipv4(by_ipv4(text)) == by_ipv4(text)


def test_envoy_reads_the_copy() -> None:
    def path(transit: str = TRANSIT_FOLDER) -> str:
        config = bootstrap("pod", {}, transit=transit)["dynamic_resources"]["lds_config"]
        source = config["path_config_source"]
        assert source["path"].startswith(source["watched_directory"]["path"])
        found: str = source["watched_directory"]["path"]
        return found

    assert path() == TRANSIT_FOLDER
    assert path(IPV4_FOLDER) == IPV4_FOLDER


def test_the_copy_follows_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    follower = Follower(str(source), str(target))
    for _ in range(2):
        follower.look()
    assert not target.exists()
    (logged,) = capsys.readouterr().err.splitlines()
    assert "No such file" in json.loads(logged)["message"]
    for number in range(3):
        (tmp_path / "new").write_text(f'{{"address": "::", "port_value": {number}, "ipv4_compat": true}}')
        (tmp_path / "new").rename(source)
        follower.look()
        assert json.loads(target.read_text()) == {"address": "0.0.0.0", "port_value": number}
        # It does not have Envoy load the same again.
        before = target.stat().st_ino
        follower.look()
        assert target.stat().st_ino == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_a_file_that_cannot_be_read_leaves_the_copy_as_it_is(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    follower = Follower(str(source), str(target))
    source.write_text("{}")
    follower.look()
    source.unlink()
    source.write_bytes(b"\xff")
    follower.look()
    assert target.read_text() == "{}"


def test_what_is_reserved_is_what_it_needs(tmp_path: Path) -> None:
    """Also for the largest file: a ConfigMap holds a megabyte, and three of these files."""
    source = tmp_path / "source"
    source.write_text(max((text for order in orders() for text in order.values()), key=len))
    line = [sys.executable, "-c", NEEDED, str(source), str(tmp_path / "target")]
    status = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    (anonymous,) = (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))
    assert 0.5 * FOLLOWER < anonymous < FOLLOWER
    assert FOLLOWER % MIB == 0


@pytest.mark.parametrize("module", ["ssl", "socket", "subprocess", "dataclasses", "argparse"])
def test_it_imports_little(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert module not in done.stdout.split()
