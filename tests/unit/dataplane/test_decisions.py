"""Nothing of Envoy by accident: each field, runtime guard and option is set, or listed with the reason why not."""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.envoy import program
from hack.envoy.settings import Use, uses
from sovereign_operator.dataplane.envoy import Json
from sovereign_operator.dataplane.guards import guards
from sovereign_operator.sidecar.envoy_files import command
from tests.unit.dataplane.envoy_samples import samples

TABLE = Path(program.__file__).with_name("decisions.yaml")


@cache
def decisions() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return found


@cache
def written() -> tuple[Use, ...]:
    return tuple(use for message, content in samples() for use in uses(message, content))


def listed(groups: dict[str, list[str]]) -> set[str]:
    """Return what is listed, by reasons. Nothing may be listed twice."""
    names = [name for group in groups.values() for name in group]
    assert all(reason.strip() for reason in groups)
    assert len(names) == len(set(names)), f"listed twice: {sorted(name for name in names if names.count(name) > 1)}"
    return set(names)


def test_the_table_has_the_values_that_are_set() -> None:
    values: defaultdict[str, set[str]] = defaultdict(set)
    for use in written():
        for name, value in use.content.items():
            values[f"{use.message}.{name}"].add(json.dumps(value))
    for setting, decision in decisions()["chosen"].items():
        assert decision["because"]
        assert {json.dumps(value) for value in decision["values"]} == values[setting], setting


def test_every_field_is_set_or_left_for_a_reason() -> None:
    left: defaultdict[str, set[str]] = defaultdict(set)
    for use in written():
        left[use.message] |= use.left
    listing = {message: listed(groups) for message, groups in decisions()["fields"].items()}
    undecided = {message: sorted(names - listing.get(message, set())) for message, names in left.items()}
    assert not {message: names for message, names in undecided.items() if names}, "set these fields, or list why not"
    outdated = {message: sorted(names - left[message]) for message, names in listing.items()}
    assert not {message: names for message, names in outdated.items() if names}, "these are set, or do not exist"


def test_no_deprecated_field_is_set() -> None:
    assert not {(use.message, use.deprecated) for use in written() if use.deprecated}


def test_every_runtime_guard_is_set_or_left_for_a_reason() -> None:
    known, groups = program.guards(), decisions()["guards"]
    left = {f"envoy.{name if '.' in name else f'reloadable_features.{name}'}" for name in listed(groups)}
    given = set(guards()["static_layer"])
    assert not known - left - given, "set these guards, or list why not"
    assert not (left | given) - known, "Envoy does not know these guards"
    assert not left & given, "these are set"


def test_every_option_is_set_or_left_for_a_reason() -> None:
    known, left = program.options(), listed(decisions()["options"])
    given = {word.removeprefix("--") for word in command() if word.startswith("--")}
    assert not known - left - given, "set these options, or list why not"
    assert not (left | given) - known, "Envoy does not know these options"
    assert not left & given, "these are set"


@pytest.mark.parametrize(
    ("message", "field", "held"),
    [
        ("envoy.config.cluster.v3.Cluster", "circuit_breakers", "envoy.config.cluster.v3.CircuitBreakers"),
        ("envoy.config.listener.v3.Listener", "tcp_keepalive", "envoy.config.core.v3.TcpKeepalive"),
        ("xds.type.matcher.v3.Matcher", "on_no_match", "xds.type.matcher.v3.Matcher.OnMatch"),
    ],
)
def test_the_program_contains_its_descriptors(message: str, field: str, held: str) -> None:
    assert program.messages()[message].fields[field].message == held
    assert len(program.messages()) > 1500
    assert len(program.guards()) > 100


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ({}, {"name", "type", "cluster_type", "connect_timeout"}),
        ({"name": "x", "type": "STATIC"}, {"connect_timeout"}),
        ({"cluster_type": {}, "dns_refresh_rate": "1s"}, {"name", "connect_timeout"}),
    ],
)
def test_what_is_not_set_is_left_unless_something_else_is_set_in_its_place(content: Json, left: set[str]) -> None:
    use = Use("envoy.config.cluster.v3.Cluster", content)
    assert use.left & {"name", "type", "cluster_type", "connect_timeout", "dns_refresh_rate"} == left
    assert use.deprecated == content.keys() & {"dns_refresh_rate"}


def test_messages_are_found_in_lists_in_maps_and_behind_their_types() -> None:
    tls = {"@type": "type.googleapis.com/envoy.config.core.v3.Pipe", "path": "/x"}
    cluster = {
        "transport_socket": {"typed_config": tls},
        "typed_extension_protocol_options": {"x": tls},
        "circuit_breakers": {"thresholds": [{}, {}]},
    }
    found = [use.message.rpartition(".")[2] for use in uses("envoy.config.cluster.v3.Cluster", cluster)]
    assert found == ["Cluster", "TransportSocket", "Pipe", "Pipe", "CircuitBreakers", "Thresholds", "Thresholds"]


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(KeyError, match="speed"):
        list(uses("envoy.config.cluster.v3.Cluster", {"name": "x", "speed": 9}))
