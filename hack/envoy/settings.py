"""Which fields a configuration of Envoy sets and which it leaves, for each message in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hack.envoy.program import Message, messages

_ANY: Final = "google.protobuf.Any"
_PREFIX: Final = "type.googleapis.com/"
_WELL_KNOWN: Final = "google.protobuf."
"""Messages with a JSON form of their own, such as durations: they have no fields to decide on."""


@dataclass(frozen=True)
class Use:
    """A message in a configuration."""

    message: str
    """Its full name."""
    content: Mapping[str, Any]
    """The fields that are set."""

    @property
    def left(self) -> frozenset[str]:
        """The fields that are not set, and that could be.

        Deprecated fields do not count, as Envoy warns of them, nor do alternatives to a field that is set.
        """
        fields = messages()[self.message].fields
        chosen = {fields[name].choice for name in self.content} - {None}
        return frozenset(
            name
            for name, field in fields.items()
            if name not in self.content and not field.deprecated and field.choice not in chosen
        )

    @property
    def deprecated(self) -> frozenset[str]:
        """The deprecated fields that are set."""
        fields = messages()[self.message].fields
        return frozenset(name for name in self.content if fields[name].deprecated)


def uses(message: str, content: Any) -> Iterator[Use]:
    """Yield each message in a configuration, which is one of the given kind. Raises KeyError for an unknown field."""
    if message == _ANY:
        message = content["@type"].removeprefix(_PREFIX)
        content = {name: value for name, value in content.items() if name != "@type"}
    if message.startswith(_WELL_KNOWN):
        return
    yield Use(message, content)
    for name, value in content.items():
        field = messages()[message].fields[name]
        if field.message:
            for part in _held(messages().get(field.message), value, repeated=field.repeated):
                yield from uses(_kind(field.message), part)


def _held(message: Message | None, value: Any, *, repeated: bool) -> Iterator[Any]:
    """Yield the messages in a field with this value."""
    if message and message.is_map_entry:
        yield from value.values() if message.fields["value"].message else ()
    elif repeated:
        yield from value
    else:
        yield value


def _kind(message: str) -> str:
    """Return the kind of the messages in a field: of a map, that of its values."""
    found = messages().get(message)
    return found.fields["value"].message if found and found.is_map_entry else message
