"""What would become of workloads if a policy, the facts, the nodes or the day were others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sovereign_operator.cli.answers.answer import Answer, plural
from sovereign_operator.cli.answers.scope import why_never
from sovereign_operator.core.encryption.api_server import REMEDY
from sovereign_operator.core.workload.preview import preview
from sovereign_operator.core.workload.previewed import Outcome, Previewed, PreviewRow, Stage

NOT_KNOWN: Final = (
    "preemption, and pods that others create in the meantime",
    "other schedulers, and what plugins of the scheduler decide",
    "nodes that an autoscaler adds or removes, and replicas that one changes",
    "devices that pods claim (DRA), and how many volumes a CSI driver attaches to a node",
    "what other webhooks and admission policies, quotas and LimitRanges do to new pods",
    "objects that you may not read",
)
"""What no preview knows."""
UNJUDGED: Final = "you may not read all that verdicts rest on: ask somebody who may list nodes and Datacentres"


@dataclass(frozen=True)
class PreviewSeen:
    """What was read for a preview."""

    change: tuple[str, ...]
    """What would be otherwise, as sentences."""
    workloads: tuple[Previewed, ...]
    stage: Stage
    judged: bool
    """Whether all was read that verdicts rest on."""
    unreadable: tuple[PreviewRow, ...] = ()
    """Workloads that cannot be read."""
    ignored: tuple[str, ...] = ()
    """The kinds of objects in files from which nothing follows here."""
    called: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By namespace and name of a pod: where the API server calls it, which Strict would refuse, and for what."""
    elsewhere: tuple[str, ...] = ()
    """The namespaces of objects in files that were not looked at."""
    scope: str = ""
    """The one namespace that was looked at; empty: all."""
    never_in_scope: bool = False
    """Whether that namespace is the cluster's or the operator's own, so that no policy holds its pods."""
    complete: bool = True
    """Whether all workloads and pods there could be read."""


@dataclass(frozen=True, kw_only=True)
class Preview(Answer):
    """The answer to ``preview``."""

    scope: str
    """The one namespace that was looked at; empty: all."""
    never_in_scope: bool
    """Whether that namespace is the cluster's or the operator's own, so that no policy holds its pods."""
    complete: bool
    """Whether all workloads and pods there could be read."""
    change: tuple[str, ...]
    rows: tuple[PreviewRow, ...]
    totals: Mapping[str, int]
    """The number of workloads by outcome, of those that there are."""
    not_known: tuple[str, ...]
    """What a preview cannot know."""
    ignored: tuple[str, ...]
    """The kinds of objects in files from which nothing follows here."""
    called: tuple[str, ...] = ()
    """A sentence for each pod that the API server calls, and that would refuse it in Strict."""
    elsewhere: tuple[str, ...] = ()
    """The namespaces of objects in files that were not looked at."""

    @property
    def findings(self) -> tuple[str, ...]:
        """A sentence for each workload that does not simply run, and those of ``called``."""
        rows = (row for row in self.rows if row.outcome is not Outcome.RUNS)
        said = (f"{row.namespace} {row.workload} {_verb(row.outcome)}: {row.reason}" for row in rows)
        return (*said, *self.called)

    @property
    def summary(self) -> str:
        """The totals in words, with what they are of."""
        if self.never_in_scope:
            return f"No policy holds pods there: {why_never(self.scope)}"
        counted = ", ".join(f"{outcome} {count}" for outcome, count in self.totals.items())
        found = f"{plural(len(self.rows), 'workload')}{'' if self.complete else ' that you may read'}"
        where = f"namespace {self.scope}" if self.scope else "all namespaces"
        return f"{found} in {where}{': ' if counted else ''}{counted}"


def _verb(outcome: Outcome) -> str:
    """Return an outcome as part of a sentence."""
    return f"is {outcome}" if outcome in {Outcome.REFUSED, Outcome.CUT_OFF} else outcome.value


def report_preview(seen: PreviewSeen) -> Preview:
    """Say what would become of each workload."""
    rows = preview(seen.workloads, seen.stage)
    if not seen.judged:
        rows = tuple(replace(row, outcome=Outcome.CANNOT_TELL, reason=UNJUDGED) if row.policy else row for row in rows)
    rows = tuple(sorted((*rows, *seen.unreadable), key=lambda row: (row.namespace, row.workload)))
    counts = Counter(row.outcome for row in rows)
    return Preview(
        scope=seen.scope,
        never_in_scope=seen.never_in_scope,
        complete=seen.complete,
        change=seen.change,
        rows=rows,
        totals={outcome.value: counts[outcome] for outcome in Outcome if counts[outcome]},
        not_known=NOT_KNOWN,
        ignored=seen.ignored,
        elsewhere=seen.elsewhere,
        called=tuple(
            f"pod {namespace}/{name} would refuse the API server in Strict, which calls it ({phrase}): {REMEDY}"
            for (namespace, name), phrase in sorted(seen.called.items())
        ),
    )
