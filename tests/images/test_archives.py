"""Layers and archives: the same input gives the same bytes, and nothing is lost on the way."""

import json
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hack.images.layers import EPOCH, Entry, File, Folder, Layer, Link
from hack.images.oci import Image, ImageConfig, digest, identify, write_archive, write_images
from tests.needs import AS_ROOT, needing

_CONFIG = ImageConfig(cmd=["/bin/sh"], env={"B": "2", "A": "1"}, labels={"l": "m"}, ports=["80/tcp"])

_FILES = st.dictionaries(
    st.from_regex(r"[a-c]{1,2}(/[x-z]{1,2}){0,2}", fullmatch=True),
    st.binary(max_size=20) | st.builds(File, st.binary(max_size=5), st.sampled_from([0o600, 0o4755])),
    max_size=6,
).filter(lambda files: not any(f"{a}/" in f"{b}/" for a in files for b in files if a != b))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def _list_entries(layer: Layer) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(layer.path) as tar:
        return {entry.name: entry for entry in tar}


def _read_json(archive: Path, name: str) -> Iterator[object]:
    with tarfile.open(archive) as tar:
        content = tar.extractfile(name)
        assert content
        yield json.load(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(_FILES)
def test_the_order_of_files_does_not_matter(files: dict[str, Entry]) -> None:
    assert Layer.from_files(files) == Layer.from_files(dict(reversed(files.items())))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(_FILES)
def test_folders_stand_before_what_is_in_them(files: dict[str, Entry]) -> None:
    seen: set[str] = set()
    for name in _list_entries(Layer.from_files(files)):
        assert str(Path(name).parent) in {".", *seen}
        seen.add(name)
    assert set(files) <= seen


def test_a_layer_is_named_by_its_bytes() -> None:
    layer = Layer.from_files({"/a": b"x"})
    content = layer.path.read_bytes()
    assert (layer.digest, layer.size) == (digest(content), len(content))
    assert Layer.load(layer.digest) == layer
    assert Layer.load(digest(b"")) is None


def test_files_links_and_folders_keep_what_was_asked() -> None:
    entries = _list_entries(
        Layer.from_files({"/bin/x": File(b"#!", 0o755, 1, 2), "bin/y": Link("x"), "tmp": Folder(0o1777, 3, 4)})
    )
    assert list(entries) == ["bin", "bin/x", "bin/y", "tmp"]
    assert (entries["bin/x"].mode, entries["bin/x"].uid, entries["bin/x"].gid) == (0o755, 1, 2)
    assert (entries["bin/y"].type, entries["bin/y"].linkname) == (tarfile.SYMTYPE, "x")
    assert (entries["tmp"].mode, entries["tmp"].uid, entries["tmp"].gid) == (0o1777, 3, 4)
    assert {entry.mtime for entry in entries.values()} == {EPOCH}


@pytest.mark.parametrize("path", ["/", "", "../x", "a/../../x"])
def test_a_path_outside_the_image_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside an image"):
        Layer.from_files({path: b""})


def _make_tree(root: Path) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "b").write_text("b")
    (root / "etc" / "b").chmod(0o640)
    (root / "etc" / "a").hardlink_to(root / "etc" / "b")
    (root / "link").symlink_to("./etc/../gone")
    os.mkfifo(root / "pipe")


def test_a_tree_gives_the_same_layer_wherever_and_whenever_it_is(tmp_path: Path) -> None:
    for name in ("one", "two"):
        _make_tree(tmp_path / name)
    os.utime(tmp_path / "two" / "etc" / "b", (1, 1))
    one, two = (Layer.from_tree(tmp_path / name) for name in ("one", "two"))
    assert one == two


def test_a_tree_keeps_links_and_modes_but_no_pipes(tmp_path: Path) -> None:
    _make_tree(tmp_path)
    entries = _list_entries(Layer.from_tree(tmp_path))
    assert list(entries) == ["etc", "etc/a", "etc/b", "link"]
    assert (entries["etc/a"].type, entries["etc/a"].mode) == (tarfile.REGTYPE, 0o640)
    assert (entries["etc/b"].type, entries["etc/b"].linkname) == (tarfile.LNKTYPE, "etc/a")
    assert entries["link"].linkname == "./etc/../gone"


@needing(AS_ROOT)
def test_overlayfs_marks_become_marks_of_the_image_format(tmp_path: Path) -> None:
    os.mknod(tmp_path / "gone", stat.S_IFCHR, os.makedev(0, 0))
    (tmp_path / "new").mkdir()
    os.setxattr(tmp_path / "new", "trusted.overlay.opaque", b"y")
    os.setxattr(tmp_path / "new", "trusted.overlay.origin", b"\x00")
    entries = _list_entries(Layer.from_tree(tmp_path))
    assert list(entries) == [".wh.gone", "new", "new/.wh..wh..opq"]
    assert all(not entry.pax_headers for entry in entries.values())


@needing(AS_ROOT)
def test_file_capabilities_are_kept(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    (tmp_path / "ping").write_bytes(b"x")
    os.setxattr(tmp_path / "ping", "security.capability", capability)
    with tarfile.open(Layer.from_tree(tmp_path).path, errors="surrogateescape") as tar:
        value = tar.getmember("ping").pax_headers["SCHILY.xattr.security.capability"]
    assert os.fsencode(value) == capability


def test_archives_of_the_same_input_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        layer = Layer.from_files({"a": b"x"})
        write_archive(tmp_path / name, "nginx", [layer], _CONFIG)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_archive_holds_what_its_index_says(tmp_path: Path) -> None:
    layer = Layer.from_files({"a": b"x"})
    archive = tmp_path / "image.tar"
    write_archive(archive, "nginx", [layer], _CONFIG)
    with tarfile.open(archive) as tar:
        blobs = {f"sha256:{Path(e.name).name}": tar.extractfile(e) for e in tar if "blobs" in e.name}
        content = {name: stream.read() for name, stream in blobs.items() if stream}
        index_file = tar.extractfile("index.json")
        assert index_file
        (entry,) = json.load(index_file)["manifests"]
    assert all(digest(value) == name for name, value in content.items())
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/library/nginx:latest"
    manifest = json.loads(content[entry["digest"]])
    config = json.loads(content[manifest["config"]["digest"]])
    assert [part["digest"] for part in manifest["layers"]] == config["rootfs"]["diff_ids"] == [layer.digest]
    assert config["config"]["Env"] == ["A=1", "B=2"]
    assert manifest["annotations"] == config["config"]["Labels"] == {"l": "m"}


def test_images_on_one_base_share_it_in_an_archive(tmp_path: Path) -> None:
    base = Layer.from_files({"base": bytes(1_000_000)})
    images = [Image([name], [base, Layer.from_files({name: b""})], _CONFIG) for name in ("a", "b", "c")]
    write_images(tmp_path / "three.tar", images)
    assert (tmp_path / "three.tar").stat().st_size < 2 * base.size


def test_an_image_is_identified_by_its_content_and_not_its_names() -> None:
    layer = Layer.from_files({"a": b""})
    assert identify(Image(["a"], [layer], _CONFIG)) == identify(Image(["b"], [layer], _CONFIG))
    assert identify(Image(["a"], [layer], _CONFIG)) != identify(Image(["a"], [layer], ImageConfig()))


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    lost = Layer("sha256:" + "0" * 64, 1, tmp_path / "lost")
    with pytest.raises(FileNotFoundError):
        write_archive(tmp_path / "image.tar", "a", [lost], _CONFIG)
    assert list(tmp_path.iterdir()) == []
