"""Errors of requests to the API server, classified by what the caller should do next."""


class ApiError(Exception):
    """A request failed. ``status`` is the HTTP status of the response; 0 if there was no response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} (HTTP {self.status})" if self.status else self.message


class NotFoundError(ApiError):
    """The object does not exist, or its kind is not served."""


class ConflictError(ApiError):
    """Another client wrote the object since it was read, or created it first: read it again, decide again."""


class RefusedError(ApiError):
    """The API server refuses the request, and will until the object, a guard, a quota or RBAC changes."""


class SlowError(RefusedError):
    """The API server takes too long to write one object, as happens if it has thousands of labels or annotations.

    This counts as a refusal, so that the object does not hold up others and the caller can try a smaller write.
    """


class GoneError(ApiError):
    """The API server no longer has the resourceVersion from which to watch: list again."""


class AheadError(GoneError):
    """The API server's store has not reached the resourceVersion, as it was restored from a backup: list again."""


class UnavailableError(ApiError):
    """The API server does not respond, or is overloaded: try again later."""

    @property
    def no_answer(self) -> bool:
        """Whether no API server answered, as far as this client and what stands between the two can tell."""
        return self.status in _NO_SERVER


INTERNAL_ERROR = 500
TIMEOUT = 504
_AHEAD = "Too large resource version"
"""What API servers say of a resourceVersion that they have not reached, with a status that can mean other things."""
_NO_SERVER = frozenset({0, 502, 503})
"""No response, and what load balancers answer that find no server."""
_REFUSED_ALL_THE_SAME = (
    # The applied object has a field that its kind does not have.
    "failed to create typed patch object",
    # With our addition, the object is larger than etcd stores: another client has filled it.
    "etcdserver: request is too large",
    # The object is so large that the API server does not even send it to etcd.
    "trying to send message larger than max",
)
"""Fragments of messages that the API server sends as internal errors (500) although the object is the cause."""

_BY_STATUS: dict[int, type[ApiError]] = {
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    400: RefusedError,
    403: RefusedError,
    405: RefusedError,
    413: RefusedError,
    415: RefusedError,
    422: RefusedError,
}


def from_status(status: int, message: str) -> ApiError:
    """Return the error for the HTTP status and message of a response."""
    if status == INTERNAL_ERROR and any(fragment in message for fragment in _REFUSED_ALL_THE_SAME):
        return RefusedError(status, message)
    if status == TIMEOUT and _AHEAD in message:
        return AheadError(status, message)
    return _BY_STATUS.get(status, UnavailableError)(status, message)
