"""The program without a cluster: one sentence that says what to do, no traceback, and exit codes as kubectl diff."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from sovereign_operator.cli import __main__ as program

MISSING = "typer"
FAILING: dict[str, Any] = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": sys.executable,
    "args": ["-c", "import sys; sys.exit('no session: log in')"],
}


class Done(NamedTuple):
    """How a program ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the program, or the one that completes it, where there is no kubeconfig."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")

    def start(*arguments: str, completing: bool = False) -> Done:
        code = 0
        monkeypatch.setattr("sys.argv", ["kubectl-sovereign", *arguments])
        monkeypatch.setattr("os.environ", {**os.environ})
        try:
            if completing:
                program.offer(arguments or [""])
            else:
                program.run(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        return Done(code, *capsys.readouterr())

    return start


def kubeconfig(folder: Path, user: Mapping[str, Any] | None = None, **fields: Any) -> Path:
    """Write a kubeconfig of a cluster that does not answer: nobody listens on this port."""
    cluster = {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster | fields.pop("cluster", {})}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [{"name": "there", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "there",
    } | fields
    path = folder / "config"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def error_of(done: Done) -> str:
    """Return the sentence of a program that gave no answer."""
    assert (done.returncode, done.stdout) == (2, ""), done
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("error: ")
    return sentence


@pytest.mark.parametrize(
    "command",
    [("status",), ("version",), ("check",), ("check", "--pre"), ("nodes",), ("explain", "pod/x"), ("report",)],
)
def test_a_cluster_that_does_not_answer_is_an_error(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    sentence = error_of(run(*command, "--kubeconfig", str(kubeconfig(tmp_path))))
    assert "the API server https://127.0.0.1:1 does not answer" in sentence
    assert "check --context, the network" in sentence


BROKEN: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "another context": ({}, ("--context", "here"), "has no context here: correct --context; there are: there"),
    "no context": ({"current-context": ""}, (), "has no current context: give one with --context"),
    "a context without a cluster": ({"clusters": []}, (), "the kubeconfig cannot be used:"),
    "a certificate that is missing": (
        {"cluster": {"certificate-authority": "/nonexistent"}},
        (),
        "the kubeconfig cannot be used:",
    ),
    "a plugin that fails": ({"user": {"exec": FAILING}}, (), "credential plugin failed: exec: process returned 1"),
    "a plugin that is missing": (
        {"user": {"exec": FAILING | {"command": "/nonexistent"}}},
        (),
        "credential plugin failed",
    ),
}


@pytest.mark.parametrize(("fields", "options", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_kubeconfig_that_cannot_be_used(
    run: Run, tmp_path: Path, fields: dict[str, Any], options: tuple[str, ...], words: str
) -> None:
    path = kubeconfig(tmp_path, **fields)
    assert words in error_of(run("status", "--kubeconfig", str(path), *options))


@pytest.mark.parametrize("text", ["", "[]", "a: b", "{", "clusters: 3", "\x00"])
def test_a_file_that_is_no_kubeconfig(run: Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    assert "kubeconfig" in error_of(run("status", "--kubeconfig", str(path)))


def test_a_file_that_is_missing(run: Run) -> None:
    assert "there is no file /nonexistent/x: correct --kubeconfig" in error_of(
        run("nodes", "--kubeconfig=/nonexistent/x")
    )
    assert "there is no kubeconfig: give one" in error_of(run("nodes"))


def test_the_environment_may_name_several_files(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(("/nonexistent/x", str(kubeconfig(tmp_path)))))
    assert "does not answer" in error_of(run("nodes"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("explain", "pod"), "pod is not a KIND/NAME: the kinds are pod, node, deployment"),
        (("explain", "service/x"), "service/x is not a KIND/NAME"),
        (("explain", "pod/"), "pod/ is not a KIND/NAME"),
        (("explain", "pod", "a", "b"), "pod a b is not a KIND/NAME"),
        (("status", "-n", "a", "-A"), "-n and -A contradict each other"),
        (("report", "-n", "a", "-A"), "-n and -A contradict each other"),
        (("report", "--sign", "x"), "a signature is of a file: name the report's with --output-file"),
        (("report", "--output-file", "x", "--sign", "/nonexistent/x"), "the key /nonexistent/x cannot be read"),
        (("report", "-o", "html", "--output-file", "r.csv"), "r.csv stands for csv, and -o asks for html"),
        (("catalogue", "show", "nowhere"), "the catalogue has no service nowhere"),
        (("catalogue", "diff", "nowhere"), "the catalogue has no service nowhere"),
    ],
)
def test_a_question_that_makes_no_sense(run: Run, command: tuple[str, ...], words: str) -> None:
    assert words in error_of(run(*command))


@pytest.mark.parametrize(
    "command",
    [("nosuch",), ("status", "--nosuch"), ("nodes", "declare"), ("nodes", "-o", "xml"), ("report", "-o", "xml")],
)
def test_a_command_line_that_does_not_exist_is_an_error(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_shipped_facts_need_no_cluster(run: Run) -> None:
    listed = run("catalogue", "list", "-o", "json")
    assert (listed.returncode, listed.stderr) == (0, "")
    names = [row["name"] for row in json.loads(listed.stdout)["services"]]
    shown = run("catalogue", "show", names[0])
    assert (shown.returncode, yaml.safe_load(shown.stdout)["metadata"]["name"]) == (0, names[0])


def test_the_version_of_the_client_needs_no_cluster(run: Run) -> None:
    done = run("version", "--client", "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["kind"] == "Version"


def test_help_names_every_command(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("check", "status", "explain", "nodes", "catalogue", "version", "Exit codes: 0 nothing is wrong"):
        assert word in done.stdout


def test_an_error_of_its_own_is_one_sentence_that_says_where(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sovereign_operator.cli.gather.catalogue.FILE", "gone.json")
    sentence = error_of(run("catalogue", "list"))
    assert sentence.startswith("error: this program has an error: FileNotFoundError")
    assert " at catalogue.py:" in sentence
    assert sentence.endswith("Please report this sentence and what you asked")


@pytest.mark.parametrize("unread", [False, True], ids=["read", "closed"])
def test_as_a_process_it_prints_no_traceback(*, unread: bool) -> None:
    """Also if nobody reads its output."""
    command = [sys.executable, "-m", "sovereign_operator.cli", "catalogue", "list", "-o", "wide"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout
        assert started.stderr
        if unread:
            started.stdout.close()
        else:
            assert started.stdout.readline().startswith("NAME ")
        assert started.stderr.read() == ""


def test_without_its_extra_it_says_what_to_install() -> None:
    code = (
        f"import sys; sys.modules['{MISSING}'] = None; from sovereign_operator.cli.__main__ import run; run(['status'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    sentence = error_of(Done(done.returncode, done.stdout, done.stderr))
    assert f"{MISSING} is missing: install this program with its extra, sovereign-operator[cli]" in sentence


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ((), {"check", "status", "explain", "nodes", "catalogue", "version"}),
        (("ca",), {"catalogue"}),
        (("explain", "dep"), {"deployment/"}),
        (("explain", "pod/x", "--op"), {"--operator-namespace"}),
        (("catalogue", ""), {"list", "show", "diff"}),
        (("catalogue", "show", "ov"), {"ovhcloud-snc", "ovhcloud-hpc-vmware"}),
        (("status", "-o", ""), {"text", "wide", "json", "yaml"}),
        (("nosuch", ""), set()),
        (("--",), set()),
    ],
)
def test_a_shell_is_offered_what_can_follow(run: Run, words: tuple[str, ...], offered: set[str]) -> None:
    done = run(*words, completing=True)
    assert done.returncode == 0
    *candidates, directive = done.stdout.splitlines()
    assert directive == ":4"
    found = {candidate.partition("\t")[0] for candidate in candidates}
    assert offered <= found
    assert offered or not {name for name in found if "completion" in name}


class Interrupting(MetaPathFinder):
    """Has the user press Ctrl-C while a module is imported."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """Interrupt the import of the commands."""
        if fullname == "sovereign_operator.cli.app":
            raise KeyboardInterrupt


def test_who_interrupts_it_before_it_has_begun_sees_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sovereign_operator.cli.app", raising=False)
    monkeypatch.setattr("sys.meta_path", [Interrupting(), *sys.meta_path])
    assert run("status") == (130, "", "")


@pytest.mark.parametrize("option", ["-n", "--context=a", "-A"])
def test_options_before_the_command_are_told_where_they_belong(run: Run, option: str) -> None:
    assert f"options such as {option} come after the command" in error_of(run(option, "status"))
