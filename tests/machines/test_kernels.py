"""On kernels that nodes have, the agent names what is missing, and nothing else is missing.

Each test boots a kernel of Debian in a virtual machine.
"""

import json
import re
import shlex
import sys
from typing import Any, Final

import pytest

from hack.vm import machine, packages
from hack.vm.initramfs import ROOT, packages_of
from sovereign_operator.dataplane.needs import PARTS
from tests.dataplane.roads import SECRET

pytestmark = pytest.mark.field

CURRENT, OLD = "bookworm", "bullseye"
"""Releases of Debian with Linux 6.1 and 5.10."""
NO_IPV6: Final = "ipv6.disable=1"
LOOK, SERVE = "tests.machines.look", "tests.machines.serve"


def on(suite: str, module: str, *arguments: str, before: str = "true", without: tuple[str, ...] = ()) -> str:
    """Run a module of this repository on a kernel, and return what it prints."""
    program = shlex.join([sys.executable, "-m", module])
    script = f"{before}\ncd {ROOT} && PYTHONPATH={ROOT}/operator:{ROOT} {program}"
    found = packages.kernel(suite)
    with_packages = packages_of(module, *(["envoy", "sovereign_operator.sidecar.__main__"] if module == SERVE else []))
    code, said = machine.run(found, script, arguments=arguments, without=without, packages=with_packages)
    assert code == 0, said[-8000:]
    return said


def seen(suite: str, *arguments: str, before: str = "true", without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what the agent finds on a kernel."""
    said = on(suite, LOOK, *arguments, before=before, without=without)
    # The firmware's last words may stand before it on its line.
    printed = re.search(r"\{.*\}", said)
    assert printed, said
    found: dict[str, Any] = json.loads(printed[0])
    return found


def test_a_usual_kernel_lacks_nothing() -> None:
    assert seen(CURRENT) == {"ipv6": True, "lacks": {}}


def test_a_kernel_that_was_booted_without_ipv6_lacks_nothing_else() -> None:
    """Rules for both families are loaded all the same."""
    assert seen(CURRENT, NO_IPV6) == {"ipv6": False, "lacks": {}}


def test_a_kernel_that_cannot_filter_leaving_frames_lacks_that() -> None:
    assert seen(OLD) == {"ipv6": True, "lacks": {"frames": ["NETFILTER_EGRESS"]}}


@pytest.mark.parametrize(
    "module", ["nft_chain_nat", "nft_redir", "nft_nat", "nft_fib_inet", "nft_ct", "nft_reject_inet"]
)
def test_a_module_that_is_not_installed_is_named(module: str) -> None:
    assert module in seen(CURRENT, without=(module,))["lacks"]["rules"]


def test_a_kernel_that_cannot_look_who_listens_lacks_that() -> None:
    assert seen(CURRENT, without=("nft_socket",)) == {"ipv6": True, "lacks": {"sockets": ["nft_socket"]}}


def test_without_nf_tables_there_is_nothing() -> None:
    assert seen(CURRENT, without=("nf_tables",))["lacks"]["rules"] == [*PARTS]


def test_where_modules_are_locked_those_are_named_that_were_not_loaded_before() -> None:
    lock = "modprobe nf_tables; modprobe nft_ct; sysctl -w kernel.modules_disabled=1"
    missing = set(seen(CURRENT, before=lock)["lacks"]["rules"])
    assert {"nft_redir", "nft_fib_inet"} <= missing
    assert not {"nf_tables", "nft_ct"} & missing


@pytest.mark.parametrize("suite", [CURRENT, OLD])
def test_sidecars_work_without_ipv6(suite: str) -> None:
    (line,) = (line for line in on(suite, SERVE, NO_IPV6).splitlines() if SECRET.decode() in line)
    assert int(line.split()[1]) > 0
