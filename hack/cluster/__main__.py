"""The command line: ``python -m hack.cluster up|down|status|kubeconfig|load-image|prerequisites``."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hack.cluster import lifecycle, prerequisites
from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster
from hack.cluster.spec import (
    DEFAULT_NAME,
    DEFAULT_NODES,
    KUBERNETES_VERSIONS,
    ClusterSpec,
    NodeSpec,
    name_nodes,
    parse_nodes,
)
from hack.cluster.state import list_names, load


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line; exit if it is invalid."""
    parser = argparse.ArgumentParser(prog="python -m hack.cluster", description="A Kubernetes cluster on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--name", default=DEFAULT_NAME, help="the cluster's name (default: %(default)s)")
        return command

    command = add("up", "Start a cluster, or repair it; when it runs, say so.")
    nodes = command.add_mutually_exclusive_group()
    nodes.add_argument("--nodes", type=int, help=f"how many plain nodes (default: {DEFAULT_NODES})")
    nodes.add_argument("--nodes-file", type=Path, help="YAML list of nodes: name, labels, providerID, taints")
    command.add_argument(
        "--backend",
        choices=("kind", "local"),
        help="default: kind where it can run, else local; older Kubernetes is local",
    )
    command.add_argument("--dual-stack", action="store_true", help="have IPv6 addresses besides those of IPv4")
    command.add_argument("--kubernetes", choices=KUBERNETES_VERSIONS, help="its version (default: the newest)")
    add("down", "Remove a cluster and all that it made.")
    add("status", "Say whether a cluster runs, and what does not.")
    add("kubeconfig", "Print the path of the administrator's kubeconfig.")
    command = add("load-image", "Give all nodes the images of an OCI archive.")
    command.add_argument("archive", type=Path)
    commands.add_parser("prerequisites", help="Install the Debian packages that the local backend needs.")
    return parser.parse_args(argv)


def choose_nodes(count: int | None, file: Path | None, known: tuple[NodeSpec, ...]) -> tuple[NodeSpec, ...]:
    """Return the requested nodes; without a request those that the cluster has, or the default."""
    if file:
        try:
            return parse_nodes(file.read_text())
        except OSError as error:
            raise ClusterError(f"cannot read the nodes file: {error}") from error
    if count is not None:
        return name_nodes(count)
    return known or name_nodes(DEFAULT_NODES)


def main(argv: Sequence[str]) -> int:
    """Run one command; return the exit status."""
    arguments = parse_arguments(argv)
    try:
        return _run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "up":
            return _bring_up(arguments)
        case "down":
            begun = time.monotonic()
            removed = lifecycle.down(arguments.name)
            took = f"removed in {time.monotonic() - begun:.1f} s" if removed else "is not there"
            print(f"Cluster {arguments.name} {took}.")
        case "status":
            return _print_status(arguments.name)
        case "kubeconfig":
            print(_find(arguments.name).kubeconfig)
        case "load-image":
            for name in _find(arguments.name).load_image(arguments.archive):
                print(name)
        case "prerequisites":
            prerequisites.install()
    return 0


def _bring_up(arguments: argparse.Namespace) -> int:
    known = load(arguments.name)
    nodes = choose_nodes(arguments.nodes, arguments.nodes_file, known.nodes if known else ())
    dual_stack = arguments.dual_stack or bool(known and known.dual_stack)
    cluster = lifecycle.up(ClusterSpec(arguments.name, nodes, arguments.backend, dual_stack, arguments.kubernetes))
    print(f"Cluster {cluster.name} is up ({cluster.backend}): {', '.join(cluster.nodes)}")
    print(f"export KUBECONFIG={cluster.kubeconfig}")
    return 0


def _print_status(name: str) -> int:
    if not load(name):
        others = ", ".join(list_names()) or "none"
        print(f"Cluster {name} is not there. Clusters on this machine: {others}.")
        return 1
    cluster = _find(name)
    dead = cluster.list_dead() if isinstance(cluster, LocalCluster) else []
    print(f"Cluster {name} ({cluster.backend}): {', '.join(cluster.nodes)}")
    print(f"Not running: {', '.join(dead)}. Run up to repair it." if dead else "All of it runs.")
    return 1 if dead else 0


def _find(name: str) -> Cluster:
    cluster = lifecycle.get(name)
    if cluster is None:
        raise ClusterError(f"cluster {name} is not there; to start it: python -m hack.cluster up --name {name}")
    return cluster


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
