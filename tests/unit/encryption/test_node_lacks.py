"""What a node lacks is read as its agent wrote it, and nothing that a node may write ends up in messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.encryption.node_lacks import (
    LACKS,
    Lack,
    NodeLack,
    NodeLacks,
    notice_of,
    parse,
    pod_notice,
    sentence,
    text_of,
)
from sovereign_operator.dataplane.needs import FRAME_PARTS, PARTS, SOCKET_PARTS

RULES = NodeLack(Lack.RULES, ("nft_redir", "nft_fib_inet"))
FRAMES = NodeLack(Lack.FRAMES, ("NETFILTER_EGRESS",))

lacks = st.lists(
    st.builds(
        NodeLack, st.sampled_from(Lack), st.lists(st.sampled_from([*PARTS, *SOCKET_PARTS, *FRAME_PARTS])).map(tuple)
    ),
    max_size=len(Lack),
).map(tuple)


@given(lacks.filter(lambda found: all(len(lack.parts) <= 16 for lack in found)))
def test_it_is_read_as_it_was_written(found: NodeLacks) -> None:
    assert parse(text_of(found)) == found


@given(st.text())
def test_nonsense_says_nothing(text: str) -> None:
    for lack in parse(f"{text}\nrules {text}"):
        assert all(part.isascii() and part.isidentifier() | part[0].isdigit() for part in lack.parts)


@pytest.mark.parametrize("text", ["rules <b>x</b>", "rules x y", "Rules nft_redir", "other nft_redir", "x" * 100_000])
def test_words_that_no_agent_writes_are_left_out(text: str) -> None:
    assert not [part for lack in parse(text) for part in lack.parts]


def test_there_is_an_end_to_it() -> None:
    assert len(parse("rules\n" * 1000)) == 16
    (lack,) = parse(f"rules {'x,' * 1000}")
    assert len(lack.parts) == 16
    assert len(str(lack)) < 1000


def test_who_reads_it_knows_what_follows_and_what_to_do() -> None:
    assert str(RULES) == (
        "the kernel refuses the rules of the redirect: no pod with a sidecar starts there (it lacks nft_redir, "
        "nft_fib_inet); have the node load the modules that encryption.md lists when it boots (/etc/modules-load.d), "
        "or give it a kernel with them"
    )
    notice = notice_of((RULES, FRAMES), ["shop/web-1", "shop/web-0"])
    assert (notice.type, notice.reason) == ("Warning", LACKS)
    assert notice.message.startswith(str(RULES))
    assert notice.message.endswith("Pods with a sidecar there: shop/web-0, shop/web-1")
    assert len(notice_of((RULES,), []).message) < 1024
    said = sentence({"lyon-2": (FRAMES,), "lyon-1": (RULES,)})
    assert said.startswith(f"nodes lack what encryption needs (lyon-1: {RULES}, lyon-2: ")


def test_a_pod_is_told_what_keeps_it_from_starting_and_nothing_else() -> None:
    told = pod_notice("lyon-1", (RULES, FRAMES))
    assert told
    assert (told.reason, told.message.count("lyon-1")) == (LACKS, 1)
    assert told.message.endswith(str(RULES))
    assert pod_notice("lyon-1", (FRAMES,)) is None
    assert pod_notice("lyon-1", ()) is None


@pytest.mark.parametrize("kind", Lack)
def test_each_kind_says_whether_pods_start(kind: Lack) -> None:
    assert NodeLack(kind).starts_none == (kind not in {Lack.STRICT, Lack.SOCKETS, Lack.FRAMES, Lack.WATCHERS})
    assert "; " in str(NodeLack(kind))
