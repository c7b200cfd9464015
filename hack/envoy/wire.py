"""Reads serialized messages of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS: Final = {_FIXED64: 8, _FIXED32: 4}
_MORE: Final = 0x80
"""The bit in a byte of a number that says that another byte follows."""


class _Part(NamedTuple):
    """A field in a serialized message."""

    start: int
    number: int
    kind: int
    value: int
    """Of a number; otherwise where its content begins."""
    end: int


class Parts:
    """The fields of a serialized message, by their numbers."""

    def __init__(self, message: bytes) -> None:
        self._numbers: dict[int, int] = {}
        self._texts: dict[int, list[bytes]] = {}
        for part in _parts(message):
            if part.kind == _VARINT:
                self._numbers[part.number] = part.value
            elif part.kind == _BYTES:
                self._texts.setdefault(part.number, []).append(message[part.value : part.end])

    def number(self, field: int) -> int | None:
        """Return a number; None if the field is absent."""
        return self._numbers.get(field)

    def text(self, field: int) -> str:
        """Return a text; empty if the field is absent."""
        return self._texts.get(field, [b""])[-1].decode()

    def messages(self, field: int) -> Iterator["Parts"]:
        """Yield the messages in a field."""
        yield from map(Parts, self._texts.get(field, ()))


def end_of(data: bytes, start: int) -> int:
    """Return where a message ends that begins at ``start`` with field 1, its fields in the order of their numbers.

    What follows must begin with a zero, or with field 1 of another message.
    """
    last = 0
    for part in _parts(data, start):
        if part.number < last or part.number == last == 1:
            return part.start
        last = part.number
    return len(data)


def _parts(data: bytes, start: int = 0) -> Iterator[_Part]:
    while start < len(data):
        key, begin = _varint(data, start)
        number, kind = key >> 3, key & 7
        if kind in _WIDTHS:
            value, end = begin, begin + _WIDTHS[kind]
        else:
            value, end = _varint(data, begin)
        if kind == _BYTES:
            value, end = end, end + value
        yield _Part(start, number, kind, value, end)
        start = end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at, number, shift = at + 1, number | (byte & ~_MORE) << shift, shift + 7
        if byte < _MORE:
            return number, at
