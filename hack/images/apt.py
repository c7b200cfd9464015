"""The machine's own apt settings, as far as a build needs them.

No mirror is named here: a build uses the machine's mirrors, through the machine's proxy.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.images.errors import ImageBuildError

SUITE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

_AUTHORITIES = "ca-certificates.crt"
_UNWANTED = ("Acquire::IndexTargets", "Acquire::Changelogs", "Acquire::cdrom")
"""Settings that would fetch indexes that no build reads."""


@dataclass(frozen=True)
class Mirrors:
    """Addresses of Debian's archives; ``security`` is None if the machine's settings name none."""

    main: str
    security: str | None


def find_mirrors(apt: Path = Path("/etc/apt")) -> Mirrors:
    """Return the mirrors in an apt configuration. Raises ImageBuildError if it names no mirror of Debian."""
    uris = list(_list_uris(apt))
    main = next((uri for uri in uris if uri.rstrip("/").endswith("/debian")), None)
    if main is None:
        raise ImageBuildError(f"no mirror of Debian in {apt}: images are made from Debian's packages")
    return Mirrors(main, next((uri for uri in uris if uri.rstrip("/").endswith("/debian-security")), None))


def write_settings(folder: Path) -> None:
    """Write the folder that replaces ``/etc/apt`` during a build: sources, fetch settings, credentials."""
    mirrors = find_mirrors()
    (folder / "apt.conf.d").mkdir(parents=True)
    (folder / "preferences.d").mkdir()
    signed = f"[signed-by={KEYRING}]"
    lines = [f"deb {signed} {mirrors.main} {suite} main" for suite in (SUITE, f"{SUITE}-updates")]
    if mirrors.security:
        lines.append(f"deb {signed} {mirrors.security} {SUITE}-security main")
    (folder / "sources.list").write_text("\n".join(lines) + "\n")
    for name in ("auth.conf", "auth.conf.d"):
        source = Path("/etc/apt") / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.exists():
            shutil.copy2(source, folder / name)
    settings = ['APT::Install-Recommends "false";', *_read_fetch_settings()]
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, folder / _AUTHORITIES)
        settings.append(f'Acquire::https::CAInfo "/etc/apt/{_AUTHORITIES}";')
    (folder / "apt.conf.d" / "build").write_text("\n".join(settings) + "\n")


def list_proxies() -> dict[str, str]:
    """Return the environment variables that name proxies, the only variables that a build inherits."""
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def _read_fetch_settings() -> list[str]:
    """Return the machine's ``Acquire`` settings. A build does not use others, such as hooks."""
    dump = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    return [line for line in dump.splitlines() if line.startswith("Acquire::") and not line.startswith(_UNWANTED)]


def _list_uris(apt: Path) -> Iterator[str]:
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.suffix == ".list" and path.exists():
            yield from _parse_one_line(path.read_text().splitlines())
        elif path.suffix == ".sources":
            yield from _parse_stanzas(path.read_text().splitlines())


def _parse_one_line(lines: Iterable[str]) -> Iterator[str]:
    """Yield the addresses of ``deb [options] URI suite component...`` lines."""
    for line in lines:
        words = line.split("#")[0].split()
        if words[:1] == ["deb"]:
            end = next((i for i, word in enumerate(words) if word.endswith("]")), 0)
            yield from words[end + 1 : end + 2]


def _parse_stanzas(lines: Iterable[str]) -> Iterator[str]:
    """Yield the addresses in ``URIs:`` fields of deb822 files."""
    for line in lines:
        field, _, value = line.partition(":")
        if field.lower() == "uris":
            yield from value.split()
