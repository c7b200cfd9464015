"""The process that stays beside Envoy, as it runs: with a real signer, and a program in Envoy's place."""

import os
import signal
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hack.kubectl import eventually
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.sidecar import supervise as module
from tests.stand_in_signer import PATIENCE, Asked, Files, Reply, StandInSigner, certify, issues, refuses
from tests.unit.sidecar.running import FAILING, HURRIED, WAKING, supervise


def test_envoy_starts_once_there_is_a_certificate(tmp_path: Path) -> None:
    signer = StandInSigner(refuses(503, "UnknownPolicy", retry_after="1"), refuses(503, "UnknownPolicy"), issues())
    with signer.serve() as address, supervise(Files.make(tmp_path, address)) as running:
        running.envoy_started()
        assert signer.count == 3
        assert running.files.credentials.exists()
        assert running.logged() == "the signer issues no certificate yet: UnknownPolicy: see the runbook"
        assert running.logged().startswith("got a certificate"), "a message is logged when it changes"
        assert running.end() == 0
    assert running.log.rest() == []


def test_a_pod_that_is_denied_a_certificate_says_why_and_ends(tmp_path: Path) -> None:
    said = "the signer refuses this pod a certificate: NotOnNode: the pod does not run on the node"
    signer = StandInSigner(refuses(403, "NotOnNode", "the pod does not run on the node"))
    with signer.serve() as address, supervise(Files.make(tmp_path, address), ("-c", HURRIED)) as running:
        assert running.process.wait(PATIENCE) == 1
        assert running.logged() == running.termination_log.read_text() == said
    assert running.envoy.rest() == []
    assert signer.count == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_before_it_ends_so_that_it_does_not_ask_too_often(tmp_path: Path, number: int) -> None:
    signer = StandInSigner(refuses(403, "NotOnNode"))
    with signer.serve() as address, supervise(Files.make(tmp_path, address)) as running:
        assert "NotOnNode" in running.logged()
        assert running.end(number) == 0
    assert module.DENIED_SECONDS == 60


def test_a_termination_log_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "termination-log").symlink_to("/proc/no-such-folder/file")
    with StandInSigner(refuses(403, "NotOnNode")).serve() as address:
        files = Files.make(tmp_path, address)
        with supervise(files, ("-c", HURRIED)) as running:
            assert running.process.wait(PATIENCE) == 1
            assert "NotOnNode" in running.logged()
    assert running.log.rest() == []


def test_it_asks_with_the_token_that_the_kubelet_has_renewed(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        return (issues() if asked.token == "token-2" else refuses(401, "InvalidToken", "it has ended"))(asked)

    signer = StandInSigner(answer)
    with signer.serve() as address, supervise(Files.make(tmp_path, address)) as running:
        assert running.logged() == "the signer does not accept the pod's token: InvalidToken: it has ended"
        running.files.give(sidecar.TOKEN, "token-2")
        running.envoy_started()


def test_it_starts_when_the_signer_returns(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    signer = StandInSigner(issues())
    with supervise(Files.make(tmp_path, f"127.0.0.1:{port}")) as running:
        assert running.logged().startswith("no answer from the signer")
        with signer.serve(port=port):
            running.envoy_started()


def test_it_finds_a_signer_whose_address_and_authority_arrive_later(tmp_path: Path) -> None:
    with StandInSigner(issues()).serve() as address:
        files = Files.make(tmp_path, address)
        written = {name: (files.identity / name).read_text() for name in (sidecar.SIGNER_CA, sidecar.SIGNER_ADDRESSES)}
        for name in written:
            files.give(name, "")
        with supervise(files) as running:
            assert "signer-ca.pem holds no certificates" in running.logged()
            for name, content in written.items():
                files.give(name, content)
            running.envoy_started()


def test_it_renews_the_certificate_with_a_new_key_and_envoy_stays(tmp_path: Path) -> None:
    signer = StandInSigner(issues(refresh_seconds=1), issues(refresh_seconds=1), issues())
    with signer.serve() as address, supervise(Files.make(tmp_path, address)) as running:
        envoy = running.envoy_started()
        keys = [signer.next_request().public_key.public_numbers() for _ in range(3)]
        assert len(set(keys)) == 3
        assert running.end() == 0
        assert running.envoy.rest() == ["got SIGTERM"], f"{envoy} is the only one"


def test_it_renews_the_certificate_after_its_machine_was_suspended(tmp_path: Path) -> None:
    signer, woken = StandInSigner(issues(refresh_seconds=43200), issues()), tmp_path / "woken"
    with (
        signer.serve() as address,
        supervise(Files.make(tmp_path, address), ("-c", WAKING), WOKEN=str(woken)) as running,
    ):
        running.envoy_started()
        signer.next_request()
        woken.touch()
        signer.next_request()
        assert running.end() == 0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refuses(403, "PodEnding"), "the signer refuses this pod a certificate: PodEnding: see the runbook"),
        (refuses(503, "Starting", retry_after="1"), "the signer issues no certificate yet: Starting: see the runbook"),
        (refuses(500, "Bug"), "the signer answered with status 500 and content that this sidecar does not understand"),
    ],
)
def test_without_another_certificate_it_keeps_the_one_it_has(tmp_path: Path, answer: object, message: str) -> None:
    signer = StandInSigner(issues(refresh_seconds=1), answer)  # type: ignore[arg-type]
    with signer.serve() as address, supervise(Files.make(tmp_path, address)) as running:
        running.envoy_started()
        assert running.logged().startswith("got a certificate")
        before = running.files.credentials.read_bytes()
        assert running.logged() == message
        assert running.files.credentials.read_bytes() == before
        assert running.end() == 0
    assert not running.termination_log.exists()


def leave_credentials(files: Files, ends_in: timedelta) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    now = datetime.now(UTC).replace(microsecond=0)
    chain = certify(key.public_key(), now - timedelta(hours=20), now + ends_in)
    files.credentials.write_bytes(pem + chain.encode())


def test_it_starts_again_while_the_signer_is_down(tmp_path: Path) -> None:
    files = Files.make(tmp_path, "127.0.0.1:1")
    leave_credentials(files, timedelta(hours=1))
    with supervise(files) as running:
        running.envoy_started()
        assert running.logged().startswith("the certificate of an earlier start is valid until")
        assert running.logged().startswith("no answer from the signer"), "it asks for another one at once"
        assert running.end() == 0


def test_it_waits_for_a_certificate_if_that_of_an_earlier_start_has_ended(tmp_path: Path) -> None:
    signer = StandInSigner(issues())
    with signer.serve() as address:
        files = Files.make(tmp_path, address)
        leave_credentials(files, -timedelta(hours=1))
        with supervise(files) as running:
            running.envoy_started()
            assert signer.count == 1
            assert running.logged().startswith("the credentials of an earlier start cannot be used: the certificate is")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("status", [0, 7])
def test_it_forwards_signals_and_ends_as_envoy_ends(tmp_path: Path, number: signal.Signals, status: int) -> None:
    with (
        StandInSigner(issues()).serve() as address,
        supervise(Files.make(tmp_path, address), STATUS=str(status)) as running,
    ):
        running.envoy_started()
        assert running.end(number) == status
        assert running.envoy.rest() == [f"got {number.name}"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_ends_it_before_envoy_reacts_finds_no_failure(tmp_path: Path, number: int) -> None:
    with (
        StandInSigner(issues()).serve() as address,
        supervise(Files.make(tmp_path, address), EARLY="yes") as running,
    ):
        running.envoy_started()
        assert running.end(number) == 0


def test_it_ends_if_a_signal_ends_envoy(tmp_path: Path) -> None:
    with StandInSigner(issues()).serve() as address, supervise(Files.make(tmp_path, address)) as running:
        os.kill(running.envoy_started(), signal.SIGKILL)
        assert running.process.wait(PATIENCE) == 128 + signal.SIGKILL


def hanging(release: Event) -> StandInSigner:
    """Return a signer that issues a certificate once it is released."""

    def hang(asked: Asked) -> Reply:
        release.wait(PATIENCE)
        return issues()(asked)

    return StandInSigner(hang)


def test_a_request_under_way_does_not_delay_its_end(tmp_path: Path) -> None:
    release = Event()
    signer = hanging(release)
    with signer.serve() as address, supervise(Files.make(tmp_path, address)) as running:
        eventually(lambda: signer.count, seconds=PATIENCE, what="request")
        assert running.end() == 0
        release.set()
        signer.next_request()


def test_it_does_not_run_without_envoy(tmp_path: Path) -> None:
    with StandInSigner(issues()).serve() as address:
        files = Files.make(tmp_path, address)
        with supervise(files, ("-c", HURRIED.replace("sys.argv[4:]", "['no-such-program']"))) as running:
            assert running.process.wait(PATIENCE) == 1
        assert "no-such-program" in running.log.rest()[-1]


def test_if_it_fails_envoy_ends(tmp_path: Path) -> None:
    """Without it, nobody would renew the certificate."""
    with StandInSigner(issues()).serve() as address:
        files = Files.make(tmp_path, address)
        with supervise(files, ("-c", FAILING)) as running:
            assert running.process.wait(PATIENCE) == 1
            running.envoy.end()


def test_it_stays_when_nobody_reads_its_log(tmp_path: Path) -> None:
    code = f"import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 2)\n{HURRIED}"
    signer = StandInSigner(refuses(503, "Starting", retry_after="1"), issues())
    with signer.serve() as address, supervise(Files.make(tmp_path, address), ("-c", code)) as running:
        running.envoy_started()
        assert running.end() == 0


def test_it_knows_the_file_that_the_contract_names() -> None:
    assert module.CREDENTIALS == sidecar.CREDENTIALS


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGKILL, "the process that asks for a certificate ended with status -9"),
        (signal.SIGALRM, "the request took too long"),
    ],
)
def test_a_request_that_is_killed_is_sent_again(tmp_path: Path, number: int, message: str) -> None:
    """The kernel kills it if memory runs out, or if it hangs."""
    release = Event()
    signer = hanging(release)
    with signer.serve() as address, supervise(Files.make(tmp_path, address)) as running:
        eventually(lambda: signer.count, seconds=PATIENCE, what="request")
        (request,) = children(running.process.pid)
        os.kill(request, number)
        assert running.logged() == message
        release.set()
        running.envoy_started()


NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


@pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="no user namespaces here",
)
def test_as_the_first_process_of_a_container_it_reaps_what_others_leave_behind(tmp_path: Path) -> None:
    """It also gets signals: the kernel sends the first process none that it does not wait for."""
    signer = StandInSigner(issues())
    with signer.serve() as address, supervise(Files.make(tmp_path, address), within=NAMESPACE) as running:
        running.envoy_started()
        (first,) = children(running.process.pid)
        (envoy,) = children(first)
        os.kill(envoy, signal.SIGHUP)
        assert running.envoy.next() == "left an orphan"
        eventually(lambda: children(first) == [envoy], seconds=PATIENCE, what="a single child")
        os.kill(first, signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0
    assert running.envoy.rest() == ["got SIGTERM"]
