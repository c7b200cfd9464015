"""A read-only OCI registry over a cluster's image store. Run as a program; nodes/images.py fills the store.

Every node's containerd uses it as the only mirror of every registry. So ``image: nginx`` without a pull policy, which
means *always pull*, runs the image that ``load-image`` put there. A missing image is answered with 404 in a
millisecond; the node does not try to reach the internet.

``python -I -S registry.py STORE ADDRESS PORT``. The store contains ``index.json``, which maps fully qualified names to
descriptors, and ``blobs/sha256/HEX``.
"""

import http.server
import json
import re
import shutil
import sys
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PATH = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)")
DIGEST = re.compile(r"sha256:(?P<hex>[0-9a-f]{64})")
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD of the OCI distribution API."""

    protocol_version = "HTTP/1.1"
    store: Path

    def do_GET(self) -> None:
        """Answer with headers and content."""
        self._answer(send_content=True)

    def do_HEAD(self) -> None:
        """Answer with headers only."""
        self._answer(send_content=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
        """Log to standard output, which goes to the cluster's logs."""
        print(format % args, flush=True)

    def _answer(self, *, send_content: bool) -> None:
        url = urlsplit(self.path)
        if url.path in {"/v2", "/v2/"}:
            self._send_small(HTTPStatus.OK, {}, send_content=send_content)
            return
        match = PATH.fullmatch(url.path)
        host = parse_qs(url.query).get("ns", [""])[0]
        found = match and find(self.store, host, match["repository"], match["reference"])
        if not found:
            error = {"code": "MANIFEST_UNKNOWN", "message": "not loaded: python -m hack.cluster load-image"}
            self._send_small(HTTPStatus.NOT_FOUND, {"errors": [error]}, send_content=send_content)
            return
        path, media_type = found
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.send_header("Docker-Content-Digest", f"sha256:{path.name}")
        self.end_headers()
        if send_content:
            with path.open("rb") as content:
                shutil.copyfileobj(content, self.wfile, 1 << 20)

    def _send_small(self, status: HTTPStatus, answer: object, *, send_content: bool) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if send_content:
            self.wfile.write(content)


def find(store: Path, host: str, repository: str, reference: str) -> tuple[Path, str] | None:
    """Return the (blob, media type) that a tag or digest refers to, None if it is not in the store.

    ``host`` is the registry in the name of the image that the client pulls.
    """
    digest, media_type = reference, ""
    if not DIGEST.fullmatch(reference):
        index = store / "index.json"
        names = json.loads(index.read_text()) if index.exists() else {}
        descriptor = names.get(f"{host}/{repository}:{reference}")
        if descriptor is None:
            return None
        digest, media_type = descriptor["digest"], descriptor["mediaType"]
    path = store / "blobs" / "sha256" / digest.removeprefix("sha256:")
    if not path.is_file():
        return None
    return path, media_type or _read_media_type(path)


def _read_media_type(path: Path) -> str:
    """Return the media type that a manifest states. Clients only need the type of manifests."""
    if path.stat().st_size > 1 << 20:
        return "application/octet-stream"
    try:
        return str(json.loads(path.read_bytes()).get("mediaType", MANIFEST_TYPE))
    except (ValueError, AttributeError):
        return "application/octet-stream"


if __name__ == "__main__":
    Handler.store = Path(sys.argv[1])
    http.server.ThreadingHTTPServer((sys.argv[2], int(sys.argv[3])), Handler).serve_forever()
