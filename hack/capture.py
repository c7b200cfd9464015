"""Capture the frames between a cluster's nodes, as an eavesdropper on their network would. Local backend only."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hack.cluster import Cluster
from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster

TLS_DATA = b"\x17\x03\x03"
"""The first bytes of a TLS 1.3 record, whatever its content."""

_PROGRAM = """
import json, signal, socket, sys
frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
# As much as it may be, so that nothing is lost while others compute.
frames.setsockopt(socket.SOL_SOCKET, 33, 1 << 28)
frames.settimeout(0.2)
word, tls, over = sys.argv[1].encode(), bytes.fromhex(sys.argv[2]), []
seen = {"word": [], "tls": []}
signal.signal(signal.SIGTERM, lambda *_: over.append(True))
print("ready", flush=True)
while not over:
    try:
        frame, (interface, *_) = frames.recvfrom(65536)
    except TimeoutError:
        continue
    if interface == "lo":
        # The control plane talks to itself there.
        continue
    for name, mark in (("word", word), ("tls", tls)):
        if (found := frame.find(mark)) >= 0:
            seen[name].append(frame[found:found + 40].hex())
lost = frames.getsockopt(263, 6, 8)[4:]
counts = {name: [len(found), found[:3]] for name, found in seen.items()}
print(json.dumps(counts | {"lost": int.from_bytes(lost, sys.byteorder)}))
"""


@dataclass
class Seen:
    """The result of a capture. It is filled in when the capture ends."""

    bare: int = 0
    """Frames in which the word is readable."""
    encrypted: int = 0
    """Frames with TLS data."""
    bare_bytes: list[bytes] = field(default_factory=list)
    """From the first three: the word, and the bytes after it."""
    encrypted_bytes: list[bytes] = field(default_factory=list)
    """From the first three: the beginning of a TLS record."""


@contextmanager
def captured(cluster: Cluster, word: str) -> Iterator[Seen]:
    """Search all frames between nodes for a word, in the namespace of the bridge that connects the nodes.

    Raises ClusterError if another backend runs the cluster, or if frames were lost.
    """
    holder = cluster.find_process("holder") if isinstance(cluster, LocalCluster) else None
    if holder is None:
        raise ClusterError("only a running cluster of the local backend has a bridge to look at")
    command = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", sys.executable, "-c", _PROGRAM, word, TLS_DATA.hex()]
    seen = Seen()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise ClusterError("nobody could look at the cluster's bridge")
        try:
            yield seen
        finally:
            process.terminate()
            said = json.loads(process.stdout.read())
    if said["lost"]:
        raise ClusterError(f"{said['lost']} frames passed unseen: more came than could be looked at")
    seen.bare, bare = said["word"]
    seen.encrypted, encrypted = said["tls"]
    seen.bare_bytes, seen.encrypted_bytes = list(map(bytes.fromhex, bare)), list(map(bytes.fromhex, encrypted))
