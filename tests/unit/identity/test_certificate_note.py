"""A pod's certificate annotation is read as it was written, also in the forms of earlier versions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.identity.certificate_note import CertificateNote, IssuedNote, authority_digits

NOON = datetime(2030, 6, 15, 12, tzinfo=UTC)
A_SECOND = timedelta(seconds=1)
TEXT = "serial 1f, policy hds, datacentre gra, by authority.hds.gra.1"
DIGITS = "0123456789abcdef"
NOTE = CertificateNote(NOON, IssuedNote(TEXT, DIGITS))

# Lines, and their parsed notes.
LINES: dict[str, tuple[str, CertificateNote]] = {
    "as it is written": (f"until 2030-06-15T12:00:00Z, {TEXT}, authority sha256 {DIGITS}", NOTE),
    "by a version that knew no digits": (
        "until 2030-06-15T12:00:00Z, serial 1f, policy hds, datacentre gra, authority authority.hds.gra.1",
        CertificateNote(NOON, IssuedNote("serial 1f, policy hds, datacentre gra, authority authority.hds.gra.1")),
    ),
    "with nothing but its end": ("until 2030-06-15T12:00:00Z", CertificateNote(NOON, IssuedNote(""))),
}

NONE = {
    "nothing": "",
    "no end": TEXT,
    "an end in words": "until tomorrow, serial 1f",
    "an end without a time zone": "until 2030-06-15T12:00:00, serial 1f",
    "a month that does not exist": "until 2030-13-15T12:00:00Z, serial 1f",
    "a line break in front": f"\nuntil 2030-06-15T12:00:00Z, {TEXT}",
}


@pytest.mark.parametrize(("line", "note"), LINES.values(), ids=LINES)
def test_a_line_is_read_and_written_again_as_it_was(line: str, note: CertificateNote) -> None:
    assert CertificateNote.parse(line) == note
    assert str(note) == line


@pytest.mark.parametrize("line", NONE.values(), ids=NONE)
def test_what_is_no_note_says_of_no_certificate(line: str) -> None:
    assert CertificateNote.parse(line) is None


texts = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]))


@given(st.datetimes(timezones=st.just(UTC)), texts, st.text("0123456789abcdef", max_size=16))
def test_any_note_is_read_as_it_was_written(until: datetime, text: str, digits: str) -> None:
    note = CertificateNote(until.replace(microsecond=0), IssuedNote(text, digits))
    if note.until.year >= 1000:
        assert CertificateNote.parse(str(note)) == note


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert IssuedNote.parse(text) is not None
    for line in (text, f"until 2030-06-15T12:00:00Z, {text}"):
        note = CertificateNote.parse(line)
        assert note is None or CertificateNote.parse(str(note)) == note


def test_the_greatest_is_the_one_that_ends_last() -> None:
    later = CertificateNote(NOON + A_SECOND, IssuedNote("a", ""))
    assert max(NOTE, later) == later


@pytest.mark.parametrize(
    ("now", "trusted", "counts", "distrusted"),
    [
        (NOON - A_SECOND, {DIGITS, "other"}, True, False),
        (NOON - A_SECOND, {"other"}, False, True),
        (NOON - A_SECOND, set[str](), False, True),
        (NOON, {DIGITS}, False, False),
        (NOON, {"other"}, False, False),
        (NOON - timedelta(microseconds=1), {DIGITS}, True, False),
    ],
)
def test_it_counts_while_it_is_in_force_by_an_authority_that_is_trusted(
    now: datetime, trusted: set[str], *, counts: bool, distrusted: bool
) -> None:
    assert NOTE.counts(now, trusted) is counts
    assert NOTE.is_distrusted(now, trusted) is distrusted


def test_one_of_which_a_former_version_said_no_digits_is_of_no_authority_that_is_trusted() -> None:
    former = CertificateNote(NOON, IssuedNote(TEXT))
    assert former.is_distrusted(NOON - A_SECOND, {DIGITS})


def test_digits_stand_for_an_authority() -> None:
    assert authority_digits("ab" * 32) == "ab" * 8
