"""The error of building images."""


class ImageBuildError(Exception):
    """An image cannot be built; the message says what to do about it."""
