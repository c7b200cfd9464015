"""Debian's Prometheus, with the chart's rules, on a loopback address."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hack.dashboard.prometheus import Prometheus
from hack.images import debian
from hack.install import NAMESPACE
from hack.kubectl import TimedOutError, eventually

Json = dict[str, Any]


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path, scrapes: Sequence[Json] = (), rules: Json | None = None) -> Iterator[Prometheus]:
    """Run a server that keeps its data in a folder; ``scrapes`` and ``rules`` as in its configuration."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": list(scrapes),
        "rule_files": ["rules.json"] if rules else [],
    }
    (folder / "prometheus.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    options = {
        "config.file": "/mnt/prometheus.json",
        "storage.tsdb.path": "/mnt/data",
        # What is shown may have any date.
        "storage.tsdb.retention.time": "100y",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    command = " ".join(f"--{name}={value}" for name, value in options.items())
    server = Prometheus(f"http://127.0.0.1:{port}")
    with debian.running(debian.install("prometheus"), folder, f"exec prometheus {command} >/mnt/log 2>&1"):
        try:
            eventually(lambda: is_ready(server), what="Prometheus")
        except TimedOutError as error:
            raise AssertionError((folder / "log").read_text(encoding="utf-8")) from error
        yield server


def is_ready(server: Prometheus) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def promtool(folder: Path, *arguments: str) -> None:
    """Run promtool in a folder. Raises ImageBuildError if it fails."""
    debian.run(debian.install("prometheus"), folder, f"cd /mnt; promtool {' '.join(arguments)}")


def scrape(name: str, ports: Mapping[str, int], labels: Mapping[str, str]) -> Json:
    """Return a scrape configuration for the processes of one kind, by pod, with the labels that all of them have."""
    return {
        "job_name": name,
        # As in the chart's PodMonitor.
        "honor_labels": True,
        "static_configs": [
            {"targets": [f"127.0.0.1:{port}"], "labels": {**labels, "namespace": NAMESPACE, "pod": pod}}
            for pod, port in ports.items()
        ],
    }
