"""``preview``: what would become of workloads, before anything is changed."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Final

import typer

from sovereign_operator.cli.answers.preview import Preview, report_preview
from sovereign_operator.cli.completing import complete_policy, complete_without
from sovereign_operator.cli.connection import Access
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.gather.installation import find_installation
from sovereign_operator.cli.gather.overlay import Key, LaidReader, Overlay, parse_without, read_files
from sovereign_operator.cli.gather.preview import Asked, read_preview
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.cli.gather.workloads import get_existing
from sovereign_operator.cli.options import (
    AllNamespacesOption,
    OperatorNamespaceOption,
    Output,
    OutputOption,
    check_namespaces,
    namespace_option,
)
from sovereign_operator.cli.running import ask, finish, with_access
from sovereign_operator.cli.show.preview import show_preview
from sovereign_operator.core.placement.calendar import first_instant
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import NAMESPACES, NODES, OURS, Resource

DEFAULT: Final = "default"
PolicyOption = Annotated[
    str,
    typer.Option(
        "--policy",
        metavar="NAME",
        help="as if the namespace (-n), or each one (-A), enforced this policy",
        autocompletion=complete_policy,
    ),
]
FileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filename",
        "-f",
        metavar="FILE",
        help="as if this file or folder were applied; - is standard input; may be repeated",
    ),
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="KIND/NAME",
        help="as if this node, datacentre, service, policy or derogation were gone; may be repeated",
        autocompletion=complete_without,
    ),
]
AtOption = Annotated[str, typer.Option("--at", metavar="DATE", help="as if it were this day, such as 2031-06-15")]
NamespaceOption = Annotated[str, namespace_option("that of the context with --policy, all namespaces without it")]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="as if there were nothing but the files: ask no cluster")
]


@with_access
def preview(
    *,
    policy: PolicyOption = "",
    filename: FileOption = None,
    without: WithoutOption = None,
    at: AtOption = "",
    offline: OfflineOption = False,
    namespace: NamespaceOption = "",
    all_namespaces: AllNamespacesOption = False,
    output: OutputOption = Output.TEXT,
    access: Access,
    operator_namespace: OperatorNamespaceOption = "",
) -> None:
    """Show what a change would do to workloads, without making it.

    The change: namespaces enforce a policy, files are applied, a node or datacentre is gone, or it is another day. The
    options combine; without any, pods are created again as things are. The outcome of a workload: it runs on accepted
    nodes, moves there once its pods are created again, hangs because no accepted node can take it, is refused, is cut
    off from its peers, or cannot be told.
    """
    check_namespaces(namespace, all_namespaces=all_namespaces)
    if offline and not filename:
        raise CliError("without a cluster there is nothing to look at: name files with -f")
    wish = _Wish(policy, filename or [], parse_without(without or []), _day(at), offline=offline)

    async def question(reader: Reader, own: str) -> Preview:
        where = namespace or ("" if all_namespaces or not policy else own)
        return await wish.answer(reader, where, own, operator_namespace)

    if offline:
        answer = asyncio.run(wish.answer(None, namespace, namespace or DEFAULT, operator_namespace))
    else:
        answer = ask(access, question)
    finish(answer, output, lambda found: show_preview(found, wide=output is Output.WIDE))


class _Wish:
    """What would be otherwise."""

    def __init__(
        self, policy: str, files: Sequence[str], without: Mapping[Key, str], at: datetime | None, *, offline: bool
    ) -> None:
        self._policy, self._files, self._without, self._at, self._offline = policy, files, without, at, offline

    async def answer(self, reader: Reader | None, where: str, own: str, operator_namespace: str) -> Preview:
        """Return the preview of one namespace, or of all if ``where`` is empty. ``own``: for files that name none."""
        files = read_files(self._files, where or own)
        before = LaidReader(reader, Overlay(files if self._offline else {}))
        after = LaidReader(before, Overlay(files, frozenset(self._without), self._at))
        installation = await find_installation(before, operator_namespace)
        await self._check(LaidReader(before, Overlay(files)))
        if not where and await before.list(NAMESPACES, str) is None:
            where = own
        if where and where not in installation.system_namespaces:
            await self._check_namespace(LaidReader(before, Overlay(files)), where, files)
        asked = Asked(self._policy, where, tuple(self._change(where)), files, offline=self._offline)
        return report_preview(await read_preview(before, after, installation, asked))

    async def _check(self, reader: Reader) -> None:
        """Raise CliError if there is no such policy, or nothing to leave out."""
        wanted = {(key[1], key[3]): word for key, word in self._without.items()}
        resources: list[Resource] = [NODES, *OURS.values()]
        if self._policy:
            wanted["SovereigntyPolicy", self._policy] = self._policy
        for (kind, name), word in wanted.items():
            resource = next(one for one in resources if one.kind == kind)
            found = await reader.list(resource, lambda obj: obj["metadata"]["name"])
            if found is not None and name not in found:
                where = "no file of -f has it" if self._offline else f"kubectl get {resource.plural} lists them"
                raise CliError(f"there is no {kind} {name}: correct {word}; {where}")

    async def _check_namespace(self, reader: Reader, where: str, files: Mapping[Key, Json]) -> None:
        """Raise CliError if there is no such namespace, and no file has it or puts an object into it.

        Without a cluster, objects that name no namespace are in it, too.
        """
        named = {key[2] if self._offline else obj["metadata"].get("namespace") for key, obj in files.items()}
        if where in named:
            return
        if self._offline and await reader.find(NAMESPACES, where) is None:
            raise CliError(f"there is no Namespace {where}: no file of -f has it, or an object in it; correct -n")
        await get_existing(reader, NAMESPACES, where)

    def _change(self, where: str) -> list[str]:
        """Return what would be otherwise, as sentences."""
        said = []
        if self._policy:
            said.append(f"{f'namespace {where}' if where else 'each namespace'} enforced policy {self._policy}")
        said += [f"{'standard input' if path == '-' else path} were applied" for path in self._files]
        said += [f"{word} were gone" for word in self._without.values()]
        if self._at:
            said.append(f"it were {self._at.date().isoformat()}")
        return said or ["all pods were created again"]


def _day(text: str) -> datetime | None:
    """Return the first instant of a day; None if none is given. Raises CliError."""
    if not text:
        return None
    try:
        return first_instant(date.fromisoformat(text))
    except ValueError as error:
        raise CliError(f"--at {text} is no day: write it as 2031-06-15") from error
