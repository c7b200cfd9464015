"""Build images: ``python -m hack.images --help``."""

import argparse
import logging
import shutil
import sys
from pathlib import Path

from hack.images import cache, public
from hack.images.errors import ImageBuildError
from hack.images.names import qualify
from hack.images.own import agent_image, operator_image, sidecar_image

OWN = {"operator": operator_image, "sidecar": sidecar_image, "agent": agent_image}


def main() -> int:
    """Run the command line. Returns the exit status: 1 if an image cannot be built, 130 if interrupted."""
    parser = _make_parser()
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        options.run(options)
    except ImageBuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.images", description=__doc__)
    commands = parser.add_subparsers(required=True)
    public_ = commands.add_parser("public", help="build stand-ins for public images; print their archives")
    public_.add_argument("names", nargs="*", metavar="NAME", help="image name, short or full; none: all")
    public_.add_argument("-o", "--output", type=Path, metavar="DIR", help="copy the archives there")
    public_.set_defaults(run=_build_public)
    for name, build in OWN.items():
        own = commands.add_parser(name, help=f"build the image sovereign-{name}; print its name and archive")
        own.add_argument("-o", "--output", type=Path, metavar="FILE", help="copy the archive there")
        own.add_argument("--engine", choices=("docker", "podman"), help="build operator/Dockerfile with this")
        own.set_defaults(run=_build_own, build=build)
    list_ = commands.add_parser("list", help="list public images that can be had, and what is inside")
    list_.set_defaults(run=_list_public)
    clean = commands.add_parser("clean", help="remove everything built")
    clean.set_defaults(run=_clean)
    return parser


def _build_own(options: argparse.Namespace) -> None:
    name, path = options.build(options.engine)
    if options.output:
        path = Path(shutil.copy(path, options.output))
    print(name, path)


def _build_public(options: argparse.Namespace) -> None:
    names = options.names or [stand_in.names[0] for stand_in in public.list_stand_ins()]
    for name in names:
        path = public.archive(name)
        if options.output:
            options.output.mkdir(parents=True, exist_ok=True)
            path = Path(shutil.copy(path, options.output))
        print(path)


def _list_public(_: argparse.Namespace) -> None:
    for stand_in in public.list_stand_ins():
        for name in stand_in.names:
            print(f"{qualify(name):<55} {stand_in.summary}")


def _clean(_: argparse.Namespace) -> None:
    shutil.rmtree(cache.locate_root(), ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
