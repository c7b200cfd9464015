"""Runs a command as on a kernel without IPv6: ``python no_ipv6.py COMMAND ...``.

A seccomp filter answers each ``socket(AF_INET6, ...)`` as a kernel does that was booted with ``ipv6.disable=1``. The
filter is inherited by all processes that the command starts.
"""

import ctypes
import os
import platform
import struct
import sys
from typing import Final

SOCKET: Final = {"x86_64": 41, "aarch64": 198}
"""By machine, the number of the system call ``socket``."""
AF_INET6: Final = 10
EAFNOSUPPORT: Final = 97

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_FILTER: Final = 2
# linux/bpf_common.h: load a word, compare with a constant, return a constant.
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16
"""Offsets in struct seccomp_data; of the argument, its lower half on a little-endian machine."""
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def take_ipv6_away() -> None:
    """Install the filter in this process. Raises OSError."""
    steps = (
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 3, SOCKET[platform.machine()]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, AF_INET6),
        (_RETURN, 0, 0, _ERROR | EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(steps), code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    take_ipv6_away()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is the point
