"""The machine's apt configuration says where Debian's packages come from."""

from pathlib import Path

import pytest

from hack.images.apt import Mirrors, find_mirrors
from hack.images.errors import ImageBuildError

_DEB822 = """\
Types: deb
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security/
Suites: trixie-security
Components: main
"""
_ONE_LINE = """\
# deb http://old.example/debian bullseye main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://other.example/tools stable main
deb [ arch=amd64 ] http://mirror.example/debian/ bookworm main # trailing
"""


@pytest.mark.parametrize(
    ("files", "mirrors"),
    [
        (
            {"sources.list.d/debian.sources": _DEB822},
            Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security/"),
        ),
        ({"sources.list": _ONE_LINE}, Mirrors("http://mirror.example/debian/", None)),
        (
            {"sources.list.d/a.list": _ONE_LINE, "sources.list.d/b.sources.disabled": _DEB822},
            Mirrors("http://mirror.example/debian/", None),
        ),
    ],
)
def test_mirrors_are_read_from_both_formats(tmp_path: Path, files: dict[str, str], mirrors: Mirrors) -> None:
    (tmp_path / "sources.list.d").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert find_mirrors(tmp_path) == mirrors


def test_a_machine_that_knows_no_mirror_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ImageBuildError, match="no mirror of Debian"):
        find_mirrors(tmp_path)
