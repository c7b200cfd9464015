"""Layers that are built from packages hold the packages, and nothing from the machine that built them."""

import fcntl
import tarfile
from pathlib import Path
from typing import IO

import pytest

from hack.images import apt, debian, public
from hack.images.errors import ImageBuildError
from hack.images.oci import Image
from hack.images.standin import LABEL
from hack.kubectl import eventually
from tests.needs import AS_ROOT, needing

pytestmark = needing(AS_ROOT, "debootstrap")


@pytest.fixture(scope="module")
def image() -> Image:
    return public.build("redis:7.2")


def _list_mounts() -> list[str]:
    return [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]


def test_a_stand_in_says_so_and_names_version_and_package(image: Image) -> None:
    assert image.config.labels[LABEL].startswith(
        "not the image of this name: made from Debian 12 packages: redis-server 5:"
    )


def test_all_images_of_packages_share_the_base(image: Image) -> None:
    assert image.layers[0] == debian.build_base().layers[0]


def test_no_layer_keeps_what_only_the_build_needed(image: Image) -> None:
    for layer in image.layers:
        with tarfile.open(layer.path) as tar:
            names = tar.getnames()
        assert not [
            name
            for name in names
            if name.startswith(("var/lib/apt/lists/", "var/cache/apt/archives/", "var/log/", "tmp/"))
            or name in {"etc/apt/sources.list", "etc/hostname", "etc/machine-id"}
        ]


def test_no_file_below_etc_names_the_mirror() -> None:
    mirror = apt.find_mirrors().main.encode()
    for folder in debian.install("redis-server").folders:
        for path in (folder / "etc").rglob("*"):
            assert not path.is_file() or path.is_symlink() or mirror not in path.read_bytes()


def test_what_runs_in_a_context_ends_with_it(tmp_path: Path) -> None:
    script = "exec 9>/mnt/lock; flock 9; touch /mnt/began; exec sleep 1000"
    with debian.running(debian.build_base(), tmp_path, script):
        eventually((tmp_path / "began").exists, what="the script")
    with (tmp_path / "lock").open() as lock:
        eventually(lambda: is_free(lock), what="its end")


def is_free(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_script_sees_the_root_folder_and_changes_only_the_tree(tmp_path: Path) -> None:
    root = debian.install("redis-server")
    debian.run(root, tmp_path, "redis-server --version >/mnt/version; touch /changed")
    assert "v=7.0" in (tmp_path / "version").read_text()
    assert not any((folder / "changed").exists() for folder in root.folders)


def test_a_failing_script_is_shown_and_leaves_no_mount(tmp_path: Path) -> None:
    before = _list_mounts()
    with pytest.raises(ImageBuildError, match="the reason"):
        debian.run(debian.build_base(), tmp_path, "echo the reason; exit 3")
    assert _list_mounts() == before
