"""What the kernel's tables say about data that the sidecar has to pass on."""

from pathlib import Path

import pytest

from sovereign_operator.sidecar.delivery import TABLES, holds_data

USER = "65533"


def line(state: str, queues: str, user: str = USER, inode: int = 12345) -> str:
    """Return a line as the kernel writes it."""
    ends = "0200A8C0:1F90 0300A8C0:C350"
    return f"   1: {ends} {state} {queues} 00:00000000 00000000 {user:>5}        0 {inode} 1 00000000 20 4 30 10 -1"


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (line("01", "00000000:00000000"), False),
        (line("01", "00000400:00000000"), True),
        (line("08", "00000000:00000001"), True),
        (line("04", "00000001:00000000", inode=0), True),
        (line("09", "00010000:00000000", user="0", inode=0), True),
        # Of an application that runs.
        (line("01", "00000400:00000400", user="1000"), False),
        (line("0A", "00000000:00000080"), False),
        (line("06", "00000000:00000000", user="0", inode=0), False),
        (line("03", "00000001:00000000", user="0", inode=0), False),
        ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", False),
        ("", False),
    ],
)
def test_data_that_has_not_arrived_is_recognised(found: str, *, holds: bool) -> None:
    assert holds_data(found, USER) is holds


def test_the_tables_of_this_kernel_have_the_columns() -> None:
    for table in TABLES:
        with Path(table).open(encoding="ascii") as file:
            assert file.readline().split()[3:6] == ["st", "tx_queue", "rx_queue"]
