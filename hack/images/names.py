"""Image names, completed the way Docker and containerd complete them."""

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"


def qualify(name: str) -> str:
    """Return the fully qualified form of an image name.

    ``nginx`` is ``docker.io/library/nginx:latest``, ``minio/minio`` is ``docker.io/minio/minio:latest``,
    ``localhost/x:dev`` stays. The first part is a registry if it has a dot or a port or is ``localhost``.
    A digest (``name@sha256:...``) counts as a tag. Raises ValueError for an empty name.
    """
    if not name or name != name.strip():
        raise ValueError(f"not an image name: {name!r}")
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = DEFAULT_REGISTRY, name
    if first == "index.docker.io":
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"library/{rest}"
    if "@" not in rest and ":" not in rest.rpartition("/")[2]:
        rest = f"{rest}:{DEFAULT_TAG}"
    return f"{first}/{rest}"


def make_file_name(name: str) -> str:
    """Return a file name (no folder, no extension) for a fully qualified image name."""
    return name.replace("/", "_").replace(":", "_").replace("@", "_")
