"""What a pod says of itself, which may be no sidecar at all."""

import json
from typing import Any

import pytest

from sovereign_operator.controller.traffic import PLAIN, VERSION, Said, read_stats


def stats(**values: Any) -> bytes:
    named = {"version": VERSION, "open": f"{PLAIN}active", "total": f"{PLAIN}total"}
    return json.dumps({"stats": [{"name": named[name], "value": value} for name, value in values.items()]}).encode()


def test_a_sidecar_is_understood() -> None:
    assert read_stats(stats(version="v1", open=2, total=7)) == Said("v1", 2, 7)
    assert read_stats(stats(version="v1")) == Said("v1")


LIES = {
    "more than any number": b'{"stats": [{"name": "cluster.inbound-plain.upstream_cx_active", "value": 1e999}]}',
    "a number of 4,000 digits": stats(open=10**4000),
    "less than none": stats(total=-1),
    "words": stats(open="many"),
    "without end": b"[" * 60_000,
    "nothing": b"",
    "something else": b"[]",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_what_is_no_sidecar_is_no_number(lie: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError, RecursionError)):
        read_stats(lie)
