"""What a program of Envoy knows: its messages with their fields, its runtime guards, and its options.

The program contains the descriptors of all messages that it understands, serialized. They are read from the program
that the images contain, so no list of another version can be compared by mistake.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from hack.dataplane.pods import envoy
from hack.envoy.wire import Parts, end_of

_START: Final = re.compile(rb"\n(?P<length>[\x05-\x7f])(?P<name>[\w./-]+\.proto)(?=\x12)")
"""How a FileDescriptorProto begins: with its name, and then its package."""
_GUARD: Final = re.compile(rb"envoy_(reloadable|restart)_features_([a-z0-9_]+)")
_OPTION: Final = re.compile(r"^   (?:-\w [^-]*)?--([a-z][a-z-]+)", re.MULTILINE)

# The numbers of fields, and values of enumerations, in google/protobuf/descriptor.proto.
_FILE_PACKAGE, _FILE_MESSAGES = 2, 4
_MESSAGE_NAME, _MESSAGE_FIELDS, _MESSAGE_NESTED, _MESSAGE_OPTIONS = 1, 2, 3, 7
_IS_MAP_ENTRY: Final = 7
_FIELD_NAME, _FIELD_LABEL, _FIELD_TYPE, _FIELD_TYPE_NAME, _FIELD_OPTIONS = 1, 4, 5, 6, 8
_FIELD_ONEOF, _FIELD_IS_OPTIONAL = 9, 17
_IS_DEPRECATED: Final = 3
_REPEATED: Final = 3
_A_MESSAGE: Final = 11


@dataclass(frozen=True)
class Field:
    """A field of a message."""

    message: str
    """The message that it holds; empty for other types."""
    repeated: bool
    """A map is repeated, too: its message is the map's entry."""
    choice: int | None
    """The number of the ``oneof`` that it belongs to."""
    deprecated: bool


@dataclass(frozen=True)
class Message:
    """A message."""

    fields: dict[str, Field]
    is_map_entry: bool
    """Whether it has the fields ``key`` and ``value`` of a map."""


@cache
def messages() -> dict[str, Message]:
    """Return all messages by their full names. Raises ValueError if the program contains two that differ."""
    found: dict[str, Message] = {}
    program = _program()
    for start in _START.finditer(program):
        if start["length"][0] == len(start["name"]):
            file = Parts(program[start.start() : end_of(program, start.start())])
            for message in file.messages(_FILE_MESSAGES):
                for name, read in _message(file.text(_FILE_PACKAGE), message):
                    if found.setdefault(name, read) != read:
                        raise ValueError(f"the program contains two descriptors of {name}, which differ")
    return found


@cache
def guards() -> frozenset[str]:
    """Return the names of all runtime guards, as they are written in a runtime layer."""
    found = {f"envoy.{kind.decode()}_features.{name.decode()}" for kind, name in _GUARD.findall(_program())}
    return frozenset(name for name in found if ".test_feature_" not in name)


@cache
def options() -> frozenset[str]:
    """Return the long names of all options of its command line, without the dashes."""
    shown = subprocess.run([envoy() / "envoy", "--help"], capture_output=True, text=True, check=True)
    return frozenset(_OPTION.findall(shown.stdout)) - {"help", "version"}


@cache
def _program() -> bytes:
    return (envoy() / "envoy").read_bytes()


def _message(prefix: str, descriptor: Parts) -> Iterator[tuple[str, Message]]:
    """Yield a message and those that are defined within it."""
    name = f"{prefix}.{descriptor.text(_MESSAGE_NAME)}"
    fields = {field.text(_FIELD_NAME): _field(field) for field in descriptor.messages(_MESSAGE_FIELDS)}
    yield name, Message(fields, any(flags.number(_IS_MAP_ENTRY) for flags in descriptor.messages(_MESSAGE_OPTIONS)))
    for nested in descriptor.messages(_MESSAGE_NESTED):
        yield from _message(name, nested)


def _field(descriptor: Parts) -> Field:
    return Field(
        message=descriptor.text(_FIELD_TYPE_NAME)[1:] if descriptor.number(_FIELD_TYPE) == _A_MESSAGE else "",
        repeated=descriptor.number(_FIELD_LABEL) == _REPEATED,
        # An optional field has a oneof for itself alone.
        choice=None if descriptor.number(_FIELD_IS_OPTIONAL) else descriptor.number(_FIELD_ONEOF),
        deprecated=any(flags.number(_IS_DEPRECATED) for flags in descriptor.messages(_FIELD_OPTIONS)),
    )
