"""Applications notice of TCP what crds/tcp.md says, without sidecars and in each mode."""

import ast
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from hack.dataplane.pods import Road, road
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.dataplane.clusters import CONNECT_TIMEOUT
from sovereign_operator.dataplane.keepalive import LOST_SECONDS, SILENT_SECONDS
from sovereign_operator.dataplane.listeners import DETECTION_SECONDS
from tests.dataplane.links import V4, V6
from tests.dataplane.roads import BREST, LYON, start
from tests.dataplane.tcp_cases import CASES
from tests.dataplane.tcp_connecting import LOOK, LOOK_BY_NC
from tests.dataplane.tcp_ends import Ends
from tests.needs import AS_ROOT, need

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "crds" / "tcp.md"
SAME, DIFFERENT, ELSEWHERE = "What is the same", "What differs", "What lasts longer"


def seconds(duration: str) -> int:
    """Return a duration of Envoy."""
    return int(duration.removesuffix("s"))


TRIED: Final = {
    "waits for a peer that vanishes: its node dies, say": "test_lost_peers.py:"
    "test_who_waits_for_a_dead_node_hears_of_it_and_who_is_silent_lives",
    "keeps a connection idle that a firewall on the way would forget": "test_lost_peers.py:"
    "test_who_waits_for_a_dead_node_hears_of_it_and_who_is_silent_lives",
    "waits for a destination that is away for a while": "test_patience.py:"
    "test_who_is_away_for_a_while_or_too_busy_to_accept_is_waited_for",
    "is silent for long after it has sent everything": "test_peer_addresses.py:"
    "test_a_client_that_has_sent_everything_may_wait_for_longer_than_conntrack_remembers",
    "says nothing at first, or fewer than five bytes, in plaintext": "test_sidecar.py:"
    "test_who_says_less_than_five_bytes_in_plaintext_reaches_the_server_after_a_while",
    "sends everything and closes its sending side at once, in plaintext (`nc -N`, say)": "test_half_closed.py:"
    "test_who_has_said_everything_at_once_gets_an_answer_by_mutual_tls_and_where_tls_is_not_looked_for",
    "is probed by a kubelet, by TCP": "test_redirect.py:test_a_tcp_probe_of_a_dead_port_is_refused",
    "has more connections open than the memory of its sidecar takes": "test_exhaustion.py:"
    "test_connections_that_read_nothing_do_not_take_the_sidecar_away",
}
"""By what an application does: the test that tries it, in this folder."""
LASTS: Final = {
    "waits for a peer that vanishes: its node dies, say": f"after {LOST_SECONDS} s",
    "says nothing at first, or fewer than five bytes, in plaintext": f"after {seconds(DETECTION_SECONDS)} s",
    "waits for a destination that is away for a while": {2: "for two minutes"}[seconds(CONNECT_TIMEOUT) // 60],
}
"""By what an application does: how long that takes with sidecars. The code has these times."""
SERVICE, SERVICE6 = "10.77.9.9", "fd77:0:9::9"
HAIRPIN: Final = """
table inet service {{
    chain there {{
        type nat hook prerouting priority dstnat
        ip daddr {service} dnat ip to {pod}
        ip6 daddr {service6} dnat ip6 to {pod6}
    }}
    chain back {{
        type nat hook postrouting priority srcnat
        ct status dnat masquerade
    }}
}}
"""
"""A Service whose only pod is the client, as kube-proxy writes it."""


class Row(NamedTuple):
    """What the page says of a case."""

    without: str
    having: str
    """With sidecars."""


def tables() -> dict[str, dict[str, list[str]]]:
    """Return the cells of the page's tables, by section and first cell."""
    found: dict[str, dict[str, list[str]]] = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, *lines = section.splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        found[title] = {first: others for first, *others in rows[2:]}
    return found


def expected() -> dict[str, Row]:
    page = tables()
    different = {what: Row(cells[0], cells[1]) for what, cells in page[DIFFERENT].items()}
    return different | {what: Row(cells[0], cells[0]) for what, cells in page[SAME].items()}


@pytest.fixture(scope="module", params=[None, *EncryptionMode], ids=lambda mode: mode or "without")
def mode(request: pytest.FixtureRequest) -> EncryptionMode | None:
    found: EncryptionMode | None = request.param
    return found


@pytest.fixture(scope="module")
def pods(mode: EncryptionMode | None) -> Iterator[Road]:
    """Two pods, with sidecars if there is a mode, and a Service. All cases of a mode share them."""
    need(AS_ROOT, "nft", "busybox")
    with tempfile.TemporaryDirectory() as folder, road(Path(folder)) as made:
        for found, bits in ((V4, 32), (V6, 128)):
            made.node.ip("address", "add", f"{found.remote}/{bits}", "dev", "lo")
        client = made.client
        made.node.nft(HAIRPIN.format(service=SERVICE, service6=SERVICE6, pod=client.address, pod6=client.address6))
        if mode:
            client.certify(BREST, [BREST, LYON])
            made.server.certify(LYON, [BREST, LYON])
            start(made, mode)
        yield made


PORTS: Final = count(20_000)


@pytest.fixture(params=[False, True], ids=["IPv4", "IPv6"])
def ends(request: pytest.FixtureRequest, pods: Road) -> Ends:
    nets = pods.client.net, pods.server.net, pods.node
    if request.param:
        return Ends(*nets, pods.client.address6, pods.server.address6, SERVICE6, V6.remote, next(PORTS))
    return Ends(*nets, pods.client.address, pods.server.address, SERVICE, V4.remote, next(PORTS))


@pytest.mark.parametrize("what", CASES)
def test_an_application_sees_what_the_page_says(ends: Ends, mode: EncryptionMode | None, what: str) -> None:
    row = expected()[what]
    assert CASES[what](ends) == (row.having if mode else row.without)


def test_each_row_is_tried_and_each_case_has_a_row() -> None:
    assert set(expected()) == set(CASES)
    assert set(tables()[ELSEWHERE]) == set(TRIED)


def test_what_differs_stands_where_it_belongs() -> None:
    for what, cells in tables()[DIFFERENT].items():
        without, having, why = cells
        assert without != having, what
        assert why, what


def test_the_page_has_the_commands_that_are_tried() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"`{LOOK}`" in page
    assert f"\n{LOOK_BY_NC}\n" in page


@pytest.mark.parametrize("name", sorted(set(TRIED.values())))
def test_what_is_tried_elsewhere_is_tried(name: str) -> None:
    file, _, function = name.partition(":")
    tree = ast.parse((Path(__file__).parent / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("what", "time"), LASTS.items())
def test_the_page_has_the_times_of_the_code(what: str, time: str) -> None:
    _, having, _ = tables()[ELSEWHERE][what]
    assert time in having


def test_the_other_page_has_them_too() -> None:
    text = " ".join((PAGE.parent / "encryption.md").read_text(encoding="utf-8").split())
    assert f"after {SILENT_SECONDS} s without traffic, and close the connection after {LOST_SECONDS} s" in text
    assert (
        f"it goes on trying for {LASTS['waits for a destination that is away for a while'].partition(' ')[2]}" in text
    )
