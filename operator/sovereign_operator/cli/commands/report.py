"""``report``: where all sovereign workloads run and on what basis, as a file for an auditor."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from sovereign_operator.cli.answers.answer import plural
from sovereign_operator.cli.answers.report import AuditReport, make_report
from sovereign_operator.cli.connection import Access
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.filing import SUFFIX, Key, read_key, remove_signature, sign, write_file
from sovereign_operator.cli.gather.estate import read_estate
from sovereign_operator.cli.gather.installation import ALL_KINDS, find_installation
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.cli.gather.report import read_report
from sovereign_operator.cli.options import (
    AllNamespacesOption,
    NamespaceOrAllOption,
    OperatorNamespaceOption,
    check_namespaces,
)
from sovereign_operator.cli.running import ask, with_access
from sovereign_operator.cli.show.blocks import lines, print_blocks, render
from sovereign_operator.cli.show.document import as_json
from sovereign_operator.cli.show.report_csv import as_csv
from sovereign_operator.cli.show.report_html import as_html
from sovereign_operator.cli.show.report_text import show_report


class ReportOutput(StrEnum):
    """The form of a report."""

    TEXT = "text"
    HTML = "html"
    CSV = "csv"
    JSON = "json"


ENDINGS: Final = {
    "": ReportOutput.TEXT,
    ".txt": ReportOutput.TEXT,
    ".htm": ReportOutput.HTML,
    **{f".{form.value}": form for form in ReportOutput},
}
"""The form of a report by how its file's name ends, in small letters."""


FormOption = Annotated[
    ReportOutput | None,
    typer.Option(
        "--output",
        "-o",
        help="html for people, csv for spreadsheets, json for programs; default: by the ending of the file's name, or "
        "a short text",
    ),
]
FileOption = Annotated[
    str, typer.Option("--output-file", metavar="FILE", help="the file to write; default: standard output")
]
SignOption = Annotated[
    str,
    typer.Option(
        "--sign",
        metavar="KEY",
        help=f"sign the file with this private key (PEM), and write the signature to FILE{SUFFIX}",
    ),
]


@with_access
def report(
    *,
    output: FormOption = None,
    output_file: FileOption = "",
    sign_with: SignOption = "",
    namespace: NamespaceOrAllOption = "",
    all_namespaces: AllNamespacesOption = False,
    access: Access,
    operator_namespace: OperatorNamespaceOption = "",
) -> None:
    """Report to auditors where workloads run, and on what basis.

    It has places, legal basis, evidence, derogations, encryption, guards, what is not covered, and what you may not
    read. It looks at all namespaces if you may list them, otherwise at that of your context.
    """

    async def question(reader: Reader, own: str) -> AuditReport:
        estate = await read_estate(reader)
        installation = await find_installation(reader, operator_namespace, ALL_KINDS)
        seen = await read_report(reader, installation, namespace)
        if not namespace and not all_namespaces and seen.namespaces is None:
            seen = await read_report(reader, installation, own)
        answer = make_report(seen, estate)
        if answer.is_empty:
            raise CliError(
                "you may read nothing that a report is made of: ask an admin of your namespace for `view`, or name a "
                "namespace of yours with -n"
            )
        return answer

    check_namespaces(namespace, all_namespaces=all_namespaces)
    if sign_with and not output_file:
        raise CliError("a signature is of a file: name the report's with --output-file")
    key = read_key(sign_with) if sign_with else None
    form = form_of(output_file, output)
    answer = ask(access, question)
    if output_file:
        signature = _file(_form(answer, form).encode(), output_file, key)
        print_blocks([lines(f"{output_file}: {plural(len(answer.findings), 'finding')}", signature)])
    elif form is ReportOutput.TEXT:
        print_blocks(show_report(answer))
    else:
        sys.stdout.write(_form(answer, form))
    raise typer.Exit(answer.exit_code)


def form_of(path: str, asked: ReportOutput | None = None) -> ReportOutput:
    """Return the form that is asked for, or that the name of a file stands for; TEXT if it has no ending.

    Raises CliError if nothing says the form, or if the name stands for another one than is asked for.
    """
    ending = Path(path).suffix.casefold()
    named = ENDINGS.get(ending)
    if asked is None:
        if named is None:
            raise CliError(f"the name {path} does not say which form the report should have: give it with -o")
        return named
    if ending and named not in {None, asked}:
        raise CliError(f"the name {path} stands for {named}, and -o asks for {asked}: correct one of them")
    return asked


def _form(answer: AuditReport, output: ReportOutput) -> str:
    match output:
        case ReportOutput.HTML:
            return as_html(answer)
        case ReportOutput.CSV:
            return as_csv(answer)
        case ReportOutput.JSON:
            return as_json(answer)
        case ReportOutput.TEXT:
            return render(show_report(answer))


def _file(content: bytes, path: str, key: Key | None) -> str:
    """Write the report, and its signature if there is a key. Both are made before either is written.

    Return a sentence about the signature; empty if there is and was none.
    """
    signature = sign(key, content) if key else None
    removed = remove_signature(path)
    write_file(path, content)
    if signature is not None:
        write_file(f"{path}{SUFFIX}", signature)
        return f"{path}{SUFFIX}: its signature"
    return f"{path}{SUFFIX}: removed, as it was the signature of a former report" if removed else ""
