"""Asks a Prometheus by its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SECONDS: Final = 30.0


class QueryError(Exception):
    """Prometheus does not answer a query. The text says why, and which."""


@dataclass(frozen=True)
class Sample:
    """A result of a query: its labels without the metric's name, and its value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Line:
    """A result over time: its labels, and points as Unix time and value."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Prometheus:
    """A server, by its URL."""

    url: str

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """Return the results of a query at a Unix time (default: now). Raises QueryError."""
        found = self.get("query", query=expression, **({} if at is None else {"time": str(at)}))
        if found["resultType"] == "scalar":
            return [Sample({}, float(found["result"][1]))]
        return [Sample(_labels(one), float(one["value"][1])) for one in found["result"]]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Line]:
        """Return the results of a query over time. Raises QueryError."""
        found = self.get("query_range", query=expression, start=str(start), end=str(end), step=str(step))
        return [
            Line(_labels(one), tuple((float(when), float(value)) for when, value in one["values"]))
            for one in found["result"]
        ]

    def targets(self) -> list[dict[str, Any]]:
        """Return what it scrapes, with the outcome of the last time. Raises QueryError."""
        found: list[dict[str, Any]] = self.get("targets")["activeTargets"]
        return found

    def get(self, what: str, **parameters: str) -> Any:
        """Return the data of an answer, given the last part of the path. Raises QueryError."""
        address = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 - the caller's URL
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(f"{parameters.get('query', what)}: {error.read().decode(errors='replace')}") from error
        except OSError as error:
            raise QueryError(f"{self.url} does not answer: {error}") from error


def _labels(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in found["metric"].items() if name != "__name__"}
