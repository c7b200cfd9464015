"""A shell is offered names in a short time, and hears nothing if there is no cluster that answers."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sovereign_operator.cli import __main__ as program
from sovereign_operator.cli import completing


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def kubeconfig(folder: Path, server: str) -> Path:
    """Write a kubeconfig with two contexts."""
    contexts = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("here", "there")]
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": contexts,
        "current-context": "here",
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def offered(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return what the program prints. Raises AssertionError if it complains."""
    program.offer(words)
    shown, complaints = capsys.readouterr()
    assert complaints == ""
    return shown.splitlines()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.environ", {**os.environ})
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "http://127.0.0.1:1")))


OF_THE_CLUSTER = [
    ("status", "-n", ""),
    ("report", "-n", ""),
    ("explain", "pod/"),
    ("explain", "pod", ""),
    ("explain", "swl/"),
    ("nodes", "declare", ""),
    ("preview", "--policy", ""),
    ("preview", "--without", "dctr/"),
    ("check", "--operator-namespace", ""),
]


@pytest.mark.parametrize("words", OF_THE_CLUSTER)
def test_a_cluster_that_does_not_answer_offers_nothing(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert offered(capsys, *words) == [":4"]


def test_a_cluster_that_hangs_is_not_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, silent: str
) -> None:
    monkeypatch.setattr(completing, "SECONDS", 0.2)
    began = time.monotonic()
    assert offered(capsys, "status", "--kubeconfig", str(kubeconfig(tmp_path, silent)), "-n", "") == [":4"]
    assert time.monotonic() - began < 2


def test_the_program_ends_although_a_cluster_hangs(tmp_path: Path, silent: str) -> None:
    """In a process of its own: nothing that still waits keeps it."""
    path = kubeconfig(tmp_path, silent)
    code = (
        "import sys; from sovereign_operator.cli import __main__, completing; completing.SECONDS = 0.2; "
        f"sys.argv = ['x', 'status', '--kubeconfig', {str(path)!r}, '-n', '']; __main__.complete()"
    )
    started = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", code],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, str(tmp_path / "shown"), os.O_WRONLY | os.O_CREAT, 0o600)],
    )
    _, status = os.waitpid(started, 0)
    assert (status, (tmp_path / "shown").read_text()) == (0, ":4\n")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("status", "--context", ""), {"here", "there"}),
        (("status", "--context", "th"), {"there"}),
        (("preview", "--without", ""), {"node/", "datacentre/", "cloudservice/", "sovereigntypolicy/", "derogation/"}),
        (("preview", "--without", "d"), {"datacentre/", "derogation/"}),
        (("explain", "s"), {"statefulset/", "sovereignworkload/"}),
        (("report", "-o", ""), {"text", "html", "csv", "json"}),
        (("explain", "service/"), set()),
        (("explain", "pod", "a", ""), set()),
    ],
)
def test_what_needs_no_cluster_is_offered(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], wanted: set[str]
) -> None:
    *candidates, directive = offered(capsys, *words)
    assert ({candidate.partition("\t")[0] for candidate in candidates}, directive) == (wanted, ":4")


@pytest.mark.parametrize("option", ["--output-file", "--sign", "--kubeconfig"])
def test_file_names_are_offered_after_options_that_take_one(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert offered(capsys, "report", option, "") == [":0"]


def test_a_kubeconfig_that_is_broken_offers_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("{", encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(broken))
    assert offered(capsys, "status", "--context", "") == [":4"]
    assert offered(capsys, "status", "-n", "") == [":4"]
