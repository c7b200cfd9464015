"""The figures of connections and memory in the reference are those that follow from the budget of a sidecar."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from sovereign_operator.core.sidecar.contract import LEAST_MEMORY
from sovereign_operator.dataplane.memory import (
    BASE,
    BESIDE_ENVOY,
    CONNECTION,
    FAR,
    FOLLOWER,
    KIB,
    KUBELET_CONNECTION,
    KUBELET_CONNECTIONS,
    LEAST_KUBELET_CONNECTIONS,
    MIB,
    ONE_WAY_SHARE,
    Budget,
)
from tests.documents import CHART, README, REFERENCE

GIB: Final = 1024 * MIB
DEFAULT: Final = 512 * MIB
MANY: Final = 20_000
UNITS: Final = {"Mi": MIB, "Gi": GIB}


def text_of(page: Path) -> str:
    """Return a page as one line, without emphasis."""
    return " ".join(page.read_text(encoding="utf-8").replace("**", "").split())


ENCRYPTION, TCP = text_of(REFERENCE / "encryption.md"), text_of(REFERENCE / "tcp.md")


def by_token(memory: int) -> Budget:
    """Return the budget of a sidecar that asks for its certificate itself, which is the default."""
    return Budget(memory, reserved=BESIDE_ENVOY)


def table() -> Iterator[tuple[int, int, int]]:
    """Yield the rows of tcp.md: the memory limit in bytes, and the connections in each direction, either way."""
    for number, unit, token, request in re.findall(r"\| (\d+)([MG]i)[^|]*\| ([\d,]+) \| ([\d,]+) \|", TCP):
        yield int(number) * UNITS[unit], int(token.replace(",", "")), int(request.replace(",", ""))


def test_the_table_says_how_many_connections_each_limit_allows() -> None:
    rows = list(table())
    assert {LEAST_MEMORY, DEFAULT} < {memory for memory, _, _ in rows}
    assert rows == [(memory, by_token(memory).one_way, Budget(memory).one_way) for memory, _, _ in rows]


def test_the_default_is_that_of_the_chart() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert values["sidecar"]["resources"]["limits"]["memory"] == f"{DEFAULT // MIB}Mi"


PLACES: Final = {
    "encryption.md, resources": (ENCRYPTION, "{} in each direction"),
    "encryption.md, other connections": (ENCRYPTION, "one client that keeps {} connections open locks out all others"),
    "encryption.md, what it cannot stop": (ENCRYPTION, "(#resources-and-memory), {} by default"),
    "tcp.md, table": (TCP, "there are {} in each direction by default"),
    "tcp.md, many connections": (TCP, "with the chart's 512Mi, {} in each direction"),
    "limits.md": (text_of(REFERENCE / "limits.md"), "{} in each direction by default"),
    "README.md": (text_of(README), "By default each carries [{} connections]"),
}


@pytest.mark.parametrize(("page", "words"), PLACES.values(), ids=PLACES)
def test_everybody_reads_how_many_the_default_allows(page: str, words: str) -> None:
    assert words.format(by_token(DEFAULT).one_way) in page


def test_the_page_says_how_the_number_comes_about() -> None:
    assert BASE == 96 * MIB
    assert CONNECTION == MIB
    assert KUBELET_CONNECTIONS * KUBELET_CONNECTION == 12.5 * MIB
    assert BESIDE_ENVOY == 20 * MIB
    assert ONE_WAY_SHARE == 0.75
    assert (
        "one for each Mi beyond the first 96, less 12.5 Mi for the ports that kubelets probe, less 20 Mi if the "
        "sidecar asks for its certificate itself, and at most three quarters of them in each direction"
    ) in ENCRYPTION
    usual = by_token(DEFAULT)
    assert f"these are {usual.connections} connections, {usual.one_way} in each direction" in ENCRYPTION
    assert by_token(LEAST_MEMORY).connections == 1
    assert "with 128Mi, a sidecar that asks itself has one." in ENCRYPTION
    fewer = usual.connections - Budget(DEFAULT, reserved=BESIDE_ENVOY + FOLLOWER).connections
    assert f"accept {fewer} fewer connections" in ENCRYPTION
    share = f"share {KUBELET_CONNECTIONS} connections, with at least eight for each port"
    assert LEAST_KUBELET_CONNECTIONS == 8
    assert share in ENCRYPTION
    assert f"at most {FAR // KIB} KiB for each connection, which allows {round(FAR / 0.01 / 1e6)} MB/s" in ENCRYPTION


def test_twenty_thousand_connections_need_what_the_page_calculates() -> None:
    """Whole Gi: nobody sets a limit of 26,796Mi."""
    needed = next(gib for gib in range(1, 100) if by_token(gib * GIB).one_way >= MANY)
    annotation = f"the annotation `sovereignty.dev/sidecar-memory-limit: {needed}Gi`"
    assert f"{MANY:,} connections of a pod in one direction need, at both ends, {annotation}" in TCP
    assert f"counts all {needed}Gi for each such pod" in TCP
    # Two sockets for each: Envoy opens no other files.
    assert f"{2 * MANY:,} open files" in TCP
    assert "These figures are calculated" in TCP


def test_the_memory_of_twenty_thousand_is_that_of_the_measured_ones() -> None:
    rows = dict(re.findall(r"\| (plaintext|mutual TLS) \|(?:[^|]*\|)*? ([\d.]+) KB \|", TCP))
    plain, encrypted = (float(rows[mode]) for mode in ("plaintext", "mutual TLS"))
    assert f"takes {encrypted:.0f} KB of Envoy's memory with mutual TLS, and {plain:.0f} KB without" in TCP
    assert f"about {round(MANY * encrypted / 1000, -2):.0f} MB while everybody reads" in TCP
