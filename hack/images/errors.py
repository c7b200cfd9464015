"""What can go wrong when images are built."""


class ImageBuildError(Exception):
    """An image cannot be built; the message says what to do about it."""
