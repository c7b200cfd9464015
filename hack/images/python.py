"""Debian's Python as a root folder, with modules compiled for images."""

from hack.images import debian

PACKAGES = ("python3",)

VERSION = "3.11"
"""What ``python3`` is in Debian 12."""

SITE = f"usr/local/lib/python{VERSION}/dist-packages"
"""Where Debian's Python looks for modules that are not Debian's."""

COMPILE = "python3 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash"
"""Compiles modules so that Python takes the result unseen.

Usually it compares times with the source's, which images do not keep; it would compile at every start.
"""

SCRIPT = f"{COMPILE} /usr/lib/python3 /usr/lib/python{VERSION}"


def install_python() -> debian.Root:
    """Return a minimal Debian with Python, made on first use. Raises ImageBuildError."""
    return debian.install(*PACKAGES, script=SCRIPT)
