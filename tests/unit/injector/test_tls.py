"""The certificate that a replica of the injector serves while the files of its Secret appear, change and vanish."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sovereign_operator.core import names
from sovereign_operator.injector import metrics, tls
from sovereign_operator.injector.tls import CERTIFICATE, KEY, ServingCertificate
from sovereign_operator.pki.authority import Authority
from sovereign_operator.pki.serving import AUTHORITY_LIFETIME, LIFETIME, Serving, make_authority
from tests.certificates import NOW

HOSTS = names.injector_hosts("ns")


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class Replica:
    """One replica, the files that its kubelet writes, and the certificates that it has served."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.clock = folder, Clock()
        self.certificate = ServingCertificate(folder, "ns", self.clock)  # type: ignore[arg-type]
        self.served: list[Serving] = []
        monkeypatch.setattr(tls, "load", lambda _, serving: self.served.append(serving))

    def write(self, certificate: bytes, key: bytes) -> None:
        (self.folder / CERTIFICATE).write_bytes(certificate)
        (self.folder / KEY).write_bytes(key)

    def give(self, authority: Authority) -> None:
        self.write(authority.certificate_pem, authority.key_pem)


@pytest.fixture
def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replica:
    return Replica(tmp_path, monkeypatch)


def test_it_signs_its_own_certificate_and_renews_it_in_time(replica: Replica) -> None:
    authority = make_authority(HOSTS, NOW)
    replica.give(authority)
    for later, count in ((timedelta(), 1), (LIFETIME / 2, 1), (LIFETIME * 0.7, 2)):
        replica.clock.time = NOW + later
        replica.certificate.check()
        assert len(replica.served) == count
    for serving in replica.served:
        serving.chain[0].verify_directly_issued_by(authority.certificate)
    assert replica.certificate.ready
    assert not replica.certificate.fault
    shown = metrics.AUTHORITY_END._value.get()  # noqa: SLF001
    assert shown == authority.certificate.not_valid_after_utc.timestamp()


def test_another_authority_is_used_as_soon_as_its_files_are_there(replica: Replica) -> None:
    for _ in range(2):
        replica.give(make_authority(HOSTS, NOW))
        replica.certificate.check()
    first, second = replica.served
    assert first.chain[0].issuer != second.chain[0].issuer


def test_a_certificate_that_is_given_is_served_as_it_is_and_never_renewed_here(replica: Replica) -> None:
    given = Serving.sign(make_authority(HOSTS, NOW), HOSTS, NOW)
    replica.write(given.chain_pem, given.key_pem)
    for later in (timedelta(), LIFETIME * 0.7, LIFETIME * 2):
        replica.clock.time = NOW + later
        replica.certificate.check()
    assert replica.served == [given]
    assert metrics.AUTHORITY_END._value.get() == 0  # noqa: SLF001


def test_without_files_it_is_not_ready_and_says_why(replica: Replica) -> None:
    replica.certificate.check()
    assert not replica.certificate.ready
    assert "No such file" in replica.certificate.fault


@pytest.mark.parametrize("spoilt", ["nothing", "another's key", "ended"])
def test_the_present_certificate_stays_in_use_if_the_files_are_spoilt(replica: Replica, spoilt: str) -> None:
    authority = make_authority(HOSTS, NOW)
    replica.give(authority)
    replica.certificate.check()
    match spoilt:
        case "nothing":
            replica.write(b"", b"")
        case "another's key":
            replica.write(make_authority(HOSTS, NOW).certificate_pem, authority.key_pem)
        case "ended":
            replica.give(make_authority(HOSTS, NOW - AUTHORITY_LIFETIME))
    replica.certificate.check()
    assert replica.certificate.ready
    assert "no certificate that can be used" in replica.certificate.fault
    replica.give(authority)
    replica.certificate.check()
    assert not replica.certificate.fault
