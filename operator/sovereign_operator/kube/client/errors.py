"""What can go wrong when we ask the API server, named by what happens next."""


class ApiError(Exception):
    """The API server said no, or said nothing. ``status`` is the HTTP status, 0 without an answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} (HTTP {self.status})" if self.status else self.message


class NotFoundError(ApiError):
    """The object is not there, or its kind is not."""


class ConflictError(ApiError):
    """Somebody else wrote the object since it was read: read again, decide again."""


class RefusedError(ApiError):
    """The object or the request is wrong, and stays wrong until somebody changes something."""


class SlowError(RefusedError):
    """The API server takes longer for one object than we wait, as it does where somebody has filled it.

    Others are not held up, and what needs less of it may be tried instead, so that it counts as refused.
    """


class GoneError(ApiError):
    """A watch asks for a version that the API server has forgotten: list again."""


class UnavailableError(ApiError):
    """No answer, or too busy to give one: try again later."""


INTERNAL_ERROR = 500
_REFUSED_ALL_THE_SAME = (
    # The applied object has a field that its kind does not have.
    "failed to create typed patch object",
    # The object, as it would be with what we add, is larger than etcd stores: somebody has filled it.
    "etcdserver: request is too large",
    # The same, of one that is so large that the API server does not even send it to etcd.
    "trying to send message larger than max",
)
"""What the API server calls an internal error, though it lies in the object."""

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
    """Return the error that an HTTP status means."""
    if status == INTERNAL_ERROR and any(said in message for said in _REFUSED_ALL_THE_SAME):
        return RefusedError(status, message)
    return _BY_STATUS.get(status, UnavailableError)(status, message)
