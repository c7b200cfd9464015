"""The cache: its entries are complete, and none is built twice."""

import fcntl
import threading
from pathlib import Path

import pytest

from hack.images import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_the_cache_is_where_the_user_keeps_caches(tmp_path: Path) -> None:
    assert cache.locate_root() == tmp_path / "sovereign-operator" / "images"


def test_equal_parts_have_one_key() -> None:
    assert cache.make_key({"a": 1, "b": 2}) == cache.make_key({"b": 2, "a": 1}) != cache.make_key("a")


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def fail(made: Path) -> None:
        made.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.produce(tmp_path / "entry", fail)
    assert not (tmp_path / "entry").exists()
    assert list((cache.locate_root() / "scratch").iterdir()) == []


def test_two_that_want_one_entry_make_it_once(tmp_path: Path) -> None:
    made: list[str] = []
    barrier = threading.Barrier(4)

    def make(path: Path) -> None:
        made.append(threading.current_thread().name)
        path.write_text("whole")

    def want() -> None:
        barrier.wait()
        cache.produce(tmp_path / "entry", make)

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_folders_of_killed_processes_are_removed_and_those_in_use_are_not() -> None:
    scratch = cache.locate_root() / "scratch"
    for name in ("killed", "running"):
        (scratch / name).mkdir(parents=True)
        (scratch / f"{name}.lock").touch()
    with (scratch / "running.lock").open() as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        with cache.make_scratch() as own:
            assert {path.name for path in scratch.iterdir() if path.is_dir()} == {"running", own.name}


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file"
    with cache.replace_file(target) as made:
        made.write_text("first")
    with pytest.raises(FileNotFoundError), cache.replace_file(target):
        pass  # nothing was written
    with pytest.raises(ZeroDivisionError), cache.replace_file(target) as made:
        made.write_bytes(bytes(1 // 0))
    assert target.read_text() == "first"
    assert list(target.parent.iterdir()) == [target]
