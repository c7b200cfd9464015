"""An API server that refuses some writes."""

from types import SimpleNamespace
from typing import Any

from sovereign_operator.kube.client.resource import Resource
from tests.builders import NOW
from tests.unit.states import Json


class FullServer:
    """An API server that refuses every ConfigMap in the namespace ``full``."""

    clock = SimpleNamespace(now=lambda: NOW)

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked: list[str] = []
        self.events: list[Json] = []
        self.patches: list[tuple[str, Json, str]] = []

    async def apply(self, _kind: Resource, body: Json, **_how: str) -> None:
        self.asked.append(body["metadata"]["namespace"])
        if self.asked[-1] == "full":
            raise self.error

    async def patch(self, _kind: Resource, name: str, body: Json, **how: Any) -> None:
        self.patches.append((name, body, how["subresource"]))

    async def create(self, _kind: Resource, body: Json, _namespace: str) -> None:
        self.events.append(body)
