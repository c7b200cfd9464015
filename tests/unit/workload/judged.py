"""Pods of one owner, as a policy judges them, for tests."""

from collections import Counter
from typing import Any

from hypothesis import strategies as st

from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.workload.judged_owner import JudgedOwner, PolicyAnswers
from sovereign_operator.core.workload.judgement import Judgement
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.scope import Judge, Mode
from tests.unit.workload.builders import POLICY, VERDICTS

RECORDS = Owner("apps/v1", "Deployment", "records")
ANSWERS = PolicyAnswers(VERDICTS, 2, readable=True)
NONE_ACCEPTED = PolicyAnswers(VERDICTS, 0, readable=True)
UNREADABLE = PolicyAnswers({}, 0, readable=False)

INSIDE = Judgement(Place.INSIDE)
OUTSIDE = Judgement(Place.OUTSIDE, "bad")
PENDING = Judgement(Place.PENDING, "0/4 nodes fit")
UNKNOWN = Judgement(None)


def owned(*judgements: Judgement, mode: Mode = Mode.ENFORCE, owner: Owner = RECORDS, **more: Any) -> JudgedOwner:
    pods = {f"records-{number}": judgement for number, judgement in enumerate(judgements)}
    return JudgedOwner("hospital", Judge(POLICY, mode), owner, pods, Counter(judgements), **more)


NODES = ("good", "bad", "gone", "")
JUDGEMENTS = st.builds(Judgement, st.sampled_from(Place), st.sampled_from(NODES), st.booleans(), st.booleans())
OWNED = st.builds(
    lambda judgements, mode, kind: owned(*judgements, mode=mode, owner=Owner("v1", kind, "records")),
    st.lists(JUDGEMENTS, min_size=1, max_size=5) | st.just([UNKNOWN]),
    st.sampled_from(Mode),
    st.sampled_from(("Deployment", "Pod", "Node")),
)
ANY_ANSWERS = st.builds(PolicyAnswers, st.just(VERDICTS), st.integers(0, 2), readable=st.booleans())
