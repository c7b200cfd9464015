"""Reads objects with the caller's rights. What RBAC forbids is noted, and is not an error."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.errors import FORBIDDEN, CliError
from sovereign_operator.core.report.conditions import MAX_MESSAGE
from sovereign_operator.core.report.reasons import line
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import NotFoundError, RefusedError
from sovereign_operator.kube.client.resource import OURS, Resource

T = TypeVar("T")

NOT_IMPERSONATED: Final = " cannot impersonate"
"""In the API server's answer to somebody who may not act as another user: it says nothing of the objects.

Newer API servers name the verb that is missing, such as ``impersonate-on:user-info:list``. Source:
kubernetes/enhancements, keps/sig-auth/5284-constrained-impersonation.
"""


class Reader:
    """Reads objects, and remembers those that the caller may not read."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._unread: set[Unread] = set()

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read so far, sorted."""
        return tuple(sorted(self._unread))

    def now(self) -> datetime:
        """Return the API server's time, in UTC."""
        return self.api.clock.now()

    async def list(
        self,
        resource: Resource,
        see: Callable[[Json], T],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> list[T] | None:
        """Return what ``see`` keeps of all objects of a namespace, or of all; None if the caller may not list them.

        Raises ApiError, and CliError if the kind is one of ours and is not served.
        """
        try:
            pages = self.api.pages(resource, namespace, label_selector, field_selector)
            return [see(obj) async for page, _ in pages for obj in page]
        except NotFoundError as error:
            if resource in OURS.values():
                raise _not_installed(resource) from error
            raise
        except RefusedError as error:
            self.note(error, resource, namespace)
            return None

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Json | None:
        """Return an object; None if the caller may not read it. Raises NotFoundError, and other ApiErrors."""
        try:
            return await self.api.get(resource, name, namespace)
        except RefusedError as error:
            self.note(error, resource, namespace, name)
            return None

    async def find(self, resource: Resource, name: str, namespace: str = "") -> Json | None:
        """Return an object; None if the caller may not read it, or if it does not exist."""
        try:
            return await self.get(resource, name, namespace)
        except NotFoundError:
            return None

    async def peek(self, resource: Resource, name: str, namespace: str = "") -> Json | None:
        """Return an object that no answer rests on; None if there is none. It is not noted if it may not be read."""
        try:
            return await self.api.get(resource, name, namespace)
        except (NotFoundError, RefusedError):
            return None

    async def glance(self, resource: Resource, namespace: str, *, label_selector: str = "") -> Sequence[Json]:
        """Return objects that no answer rests on; none if they may not be listed, which is not noted."""
        try:
            return [obj async for page, _ in self.api.pages(resource, namespace, label_selector) for obj in page]
        except (NotFoundError, RefusedError):
            return []

    def note(self, error: RefusedError, resource: Resource, namespace: str, name: str = "") -> None:
        """Remember that RBAC keeps the caller from reading objects. Raises any other refusal."""
        if error.status != FORBIDDEN or NOT_IMPERSONATED in error.message:
            raise error
        why = line(error.message, MAX_MESSAGE)
        self._unread.add(Unread(called(resource), namespace if resource.namespaced else "", name, why))


def called(resource: Resource) -> str:
    """Return a resource's name as RBAC and kubectl have it: plural and group."""
    group = resource.api_version.rpartition("/")[0]
    return f"{resource.plural}.{group}" if group else resource.plural


def _not_installed(resource: Resource) -> CliError:
    return CliError(
        f"this cluster has no {called(resource)}: the operator is not installed, or its CRDs were deleted; install the "
        "chart, and see `kubectl sovereign check`"
    )


def whole(obj: Json) -> Json:
    """Keep all of an object, where ``Reader.list`` asks what to keep."""
    return obj


def seen_or_worst(see: Callable[[Json], T], worst: Callable[[Json], T]) -> Callable[[Json], T]:
    """Return a function that reads an object, and takes one that cannot be read for the worst, as the operator does."""

    def read(obj: Json) -> T:
        try:
            return see(obj)
        except Exception:  # noqa: BLE001 - anybody may have written it, so it may raise whatever it may
            return worst(obj)

    return read
