"""Envoy's admin interface in a pod."""

import socket
from http.client import HTTPConnection
from pathlib import Path

from hack.dataplane.pods import Pod
from sovereign_operator.dataplane.admin import ADMIN_SOCKET


class Admin(HTTPConnection):
    """A connection to the admin interface of a pod's Envoy."""

    def __init__(self, pod: Pod) -> None:
        super().__init__("admin")
        self._path = pod.folder / Path(ADMIN_SOCKET).relative_to("/run/sovereignty")

    def connect(self) -> None:
        """Connect to its socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def ask(pod: Pod, method: str, path: str) -> tuple[int, bytes]:
    """Send a request to the admin interface, and return status and content of the answer."""
    admin = Admin(pod)
    try:
        admin.request(method, path)
        answer = admin.getresponse()
        return answer.status, answer.read()
    finally:
        admin.close()
