"""Missing packages are installed without apt's output; if that fails, the error says what to do."""

from pathlib import Path

import pytest

from hack.cluster import ClusterError, prerequisites

NOISY = """\
#!/bin/sh
echo "Reading package lists..."
echo "W: some warning" >&2
echo "$@" >>"$0.log"
[ "$2" != "$FAILS" ]
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get that prints on both streams, installs nothing, and fails at the command that $FAILS names."""
    program = tmp_path / "apt-get"
    program.write_text(NOISY, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(prerequisites, "PACKAGES", {"no-such-program": "no-such-package"})
    return program


def test_a_machine_that_has_everything_asks_apt_for_nothing(
    apt: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prerequisites, "PACKAGES", {"apt-get": "apt"})
    prerequisites.install()
    assert capfd.readouterr().out == "Nothing is missing.\n"
    assert not apt.with_name("apt-get.log").exists()


@pytest.mark.usefixtures("apt")
def test_what_apt_prints_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ClusterError, match="still missing: no-such-program"):
        prerequisites.install()
    said = "".join(capfd.readouterr())
    assert "Installing no-such-package" in said
    assert "Reading package lists" not in said
    assert "some warning" not in said


@pytest.mark.parametrize("command", ["update", "install"])
def test_where_apt_fails_all_of_it_is_shown_with_what_to_do(
    command: str, apt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", command)
    with pytest.raises(ClusterError) as failed:
        prerequisites.install()
    said = str(failed.value)
    assert said.startswith(f"apt-get --quiet {command}")
    assert "have it succeed by hand, then try again" in said
    assert "Reading package lists...\nW: some warning" in said
    assert apt.with_name("apt-get.log").read_text(encoding="utf-8").splitlines()[-1].startswith(f"--quiet {command}")
