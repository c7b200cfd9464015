"""The page about ``kubectl sovereign`` shows what the program prints, and names only commands that exist."""

import re
import shlex
from pathlib import Path

import pytest

from sovereign_operator.api.v1alpha1 import KINDS
from sovereign_operator.cli import __main__ as program
from sovereign_operator.cli.answers.check import LeaseSeen, OperatorSeen, ProcessSeen, check_operator
from sovereign_operator.cli.answers.declaration import declare
from sovereign_operator.cli.answers.node import explain_node
from sovereign_operator.cli.answers.nodes import list_nodes
from sovereign_operator.cli.answers.pod import explain_pod
from sovereign_operator.cli.answers.preview import report_preview
from sovereign_operator.cli.answers.status import CountedPod, StatusSeen, report_status
from sovereign_operator.cli.answers.version import CrdVersion
from sovereign_operator.cli.show.blocks import Block, render
from sovereign_operator.cli.show.declarations import declaration_text
from sovereign_operator.cli.show.explanations import show_node, show_pod
from sovereign_operator.cli.show.overviews import show_check, show_nodes, show_status
from sovereign_operator.cli.show.preview import show_preview
from sovereign_operator.cli.show.report_text import show_report
from sovereign_operator.core.admission.guards import GuardFinding
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.readiness import CURRENT
from sovereign_operator.core.workload.scope import Judge, Mode
from tests.builders import NOW
from tests.documents import CHART, README, REFERENCE, command_blocks
from tests.unit.cli.clusters import FACTS, POLICY, SCOPE, SPARE, estate, pod
from tests.unit.cli.previews import hospital
from tests.unit.cli.reports import hospital as hospital_report
from tests.unit.cli.signing import write_key

PAGE = REFERENCE / "kubectl-sovereign.md"
NOTES = CHART / "templates" / "NOTES.txt"
BLOCK = re.compile(r"^```\n\$ kubectl sovereign (?P<command>.*)\n(?P<output>(?:.*\n)*?)```$", re.MULTILINE)
COMMAND = re.compile(r"kubectl sovereign ((?:[a-z-]|<)[^`\n]*)")

TAINTED = {"lyon-1": ({"key": "maintenance", "effect": "NoSchedule"},)}
KEEPS_OFF = {"nodeSelector": {"disk": "ssd"}}
SAID = "0/4 nodes are available: 4 node(s) didn't match Pod's node affinity/selector."
GUARD = GuardFinding("ValidatingAdmissionPolicyBinding", "sovereignty-guard-bindings", "is missing", "run helm upgrade")


def answers() -> dict[str, list[Block] | str]:
    """Return what the program prints for the commands of the page, of the small cluster that it shows."""
    waiting = pod(name="records-7d9f8-x2x7k", waiting=SAID, spec=KEEPS_OFF)
    written = {name: {POLICY: Verdicts(FACTS).nodes[name, POLICY].sentence} for name in FACTS.nodes}
    pods = tuple(
        CountedPod("hospital", POLICY, node, name=name)
        for name, node in (("a", "brest-1"), ("b", "lyon-1"), ("archive-2", "paris-1"), ("c", None))
    )
    pods += tuple(CountedPod("radiology", POLICY, node, Mode.WARN) for node in ("brest-1", "paris-1", "paris-1"))
    counted = StatusSeen({"hospital": POLICY}, pods, (), {}, tried=(("radiology", Judge(POLICY, Mode.WARN)),))
    version = "0.1.0"
    seen = OperatorSeen(
        client=version,
        namespace="sovereign-system",
        crds=tuple(
            CrdVersion(f"{kind.plural}.sovereignty.dev", found=True, served=("v1alpha1",), version=version)
            for kind in KINDS
        ),
        processes=(ProcessSeen("sovereign-controller", "Deployment", CURRENT, 2, 2, version),),
        leases=(LeaseSeen("sovereign-controller", "sovereign-controller-6c5f4-qk2lm", NOW, 15),),
        guards=(GUARD,),
        hosts={POLICY: frozenset({"brest-1", "lyon-1"})},
        now=NOW,
    )
    return {
        "explain pod/records-7d9f8-x2x7k -n hospital": show_pod(
            explain_pod(waiting, SCOPE, estate(taints=TAINTED), None), wide=False
        ),
        "explain node/spare-1": show_node(explain_node("spare-1", SPARE.uid, estate(recorded=written)), wide=False),
        f"preview --policy {POLICY} -n hospital": show_preview(report_preview(hospital()), wide=False),
        "nodes": show_nodes(list_nodes(estate()), wide=False),
        "nodes declare spare-1": declaration_text(declare(["spare-1"], estate())),
        "status": show_status(report_status(counted, estate(), NOW), wide=False),
        "report -n hospital": show_report(hospital_report()),
        "check": show_check(check_operator(seen, estate()), wide=False),
    }


SHOWN = {match["command"]: match["output"] for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("command", answers())
def test_the_page_shows_what_the_program_prints(command: str) -> None:
    printed = answers()[command]
    assert SHOWN[command] == (printed if isinstance(printed, str) else render(printed))


def test_the_page_shows_nothing_else() -> None:
    assert SHOWN.keys() == answers().keys()


def test_the_readme_shows_lines_of_what_the_program_prints() -> None:
    (block,) = (text for text in command_blocks(README) if text.startswith("$ kubectl sovereign "))
    command, *shown = block.splitlines()
    printed = SHOWN[command.removeprefix("$ kubectl sovereign ")].splitlines()
    assert shown
    for line in shown:
        begun, dots, _ = line.partition("...")
        assert [text for text in printed if text == line or (dots and text.startswith(begun))], line


def test_the_notes_of_the_chart_send_people_to_a_preview_before_the_label() -> None:
    notes = NOTES.read_text(encoding="utf-8")
    first = [notes.index(words) for words in ("kubectl sovereign preview", "sovereignty.dev/warn=")]
    assert max(first) < notes.index("sovereignty.dev/enforce=")


WRITTEN = "\n".join(page.read_text(encoding="utf-8") for page in (PAGE, README, NOTES))


@pytest.mark.parametrize("command", sorted({*COMMAND.findall(WRITTEN)}))
def test_each_command_of_the_page_exists(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of README and of the chart's notes, too. It is understood: without a cluster it can say nothing else."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.chdir(tmp_path)
    write_key(tmp_path)
    with pytest.raises(SystemExit) as end:
        program.run(shlex.split(command.partition(" | ")[0].partition(" > ")[0]))
    said = capsys.readouterr().err
    assert end.value.code == 0 or "there is no kubeconfig" in said, said
