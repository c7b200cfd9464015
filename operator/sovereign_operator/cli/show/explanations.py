"""The texts of ``explain``."""

from sovereign_operator.cli.answers.claim import Claim, ClaimExplanation
from sovereign_operator.cli.answers.node import NodeExplanation
from sovereign_operator.cli.answers.pod import PodExplanation
from sovereign_operator.cli.answers.workload import WorkloadExplanation
from sovereign_operator.cli.show.blocks import Block, Lines, Table, lines, table
from sovereign_operator.cli.show.common import next_line, node_table, unread_lines


def show_pod(answer: PodExplanation, *, wide: bool) -> list[Block]:
    """Return the text of ``explain pod``."""
    return [
        lines(
            f"Pod {answer.namespace}/{answer.pod}: {answer.state}",
            f"Policy: {answer.policy or 'none'}: {answer.policy_source}",
            f"Why: {answer.why}",
            *(f"Encryption: {sentence}" for sentence in answer.encryption),
        ),
        *node_table(answer.nodes, wide=wide),
        _claim_lines(answer.claim),
        next_line(answer.next),
        unread_lines(answer),
    ]


def show_workload(answer: WorkloadExplanation, *, wide: bool) -> list[Block]:
    """Return the text of ``explain deployment`` and the other kinds."""
    pods = tuple((row.pod, row.state, row.node or "", row.why) for row in answer.pods)
    return [
        lines(
            f"{answer.workload.replace('/', f' {answer.namespace}/')}: {answer.why}",
            f"Policy: {answer.policy or 'none'}: {answer.policy_source}",
            *(f"The API server refused: {message}" for message in answer.refused),
        ),
        Table(("POD", "STATE", "NODE", "WHY"), pods),
        *node_table(answer.nodes, wide=wide),
        _claim_lines(answer.claim),
        next_line(answer.next),
        unread_lines(answer),
    ]


def show_claim(answer: ClaimExplanation) -> list[Block]:
    """Return the text of ``explain sovereignworkload`` where the object puts no workload in scope."""
    return [
        lines(f"SovereignWorkload {answer.namespace}/{answer.claim.name}: {answer.why}"),
        _claim_lines(answer.claim),
        next_line(answer.next),
        unread_lines(answer),
    ]


def show_node(answer: NodeExplanation, *, wide: bool) -> list[Block]:
    """Return the text of ``explain node``."""
    evidence = f", evidence {answer.evidence}" if answer.evidence else ""
    place = f"{answer.datacentre} of service {answer.service}{evidence}" if answer.datacentre else "none"
    rows = [(row.policy, row.verdict, row.why, ",".join(row.reasons)) for row in answer.policies]
    return [
        lines(f"Node {answer.node} (uid {answer.uid})", f"Datacentre: {place}", f"Why: {answer.place}"),
        table(("POLICY", "VERDICT", "WHY", "REASONS"), rows, narrow=3, wide=wide),
        next_line(answer.next),
        unread_lines(answer),
    ]


def _claim_lines(claim: Claim | None) -> Lines:
    """Show what the operator reports of the SovereignWorkload, where something is not as it should be."""
    if claim is None:
        return lines()
    wrong = [entry for entry in claim.conditions if entry.status == "False"]
    shown = [f"  {entry.type} {entry.status}, {entry.reason}: {entry.message}" for entry in wrong]
    summary = "the operator reports of it" if shown else "all that the operator reports of it is as it should be"
    return lines(f"SovereignWorkload {claim.name}: {summary}", *shown)
