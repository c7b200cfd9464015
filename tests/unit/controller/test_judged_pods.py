"""Whatever becomes of pods: what is counted by what changed is what a count of all pods finds."""

from collections import Counter
from collections.abc import Iterator

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sovereign_operator.controller.observed.judged_pods import CountedPod, Judged, JudgedPods, OwnedBy, shared
from sovereign_operator.controller.observed.pod_tally import PodTally
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.workload.judgement import Judgement
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.scope import Judge, Mode
from sovereign_operator.kube.mirror import ObjectKey

NAMESPACES, POLICIES = ("ward", "lab"), ("a", "b")
KEYS = st.tuples(st.sampled_from(NAMESPACES), st.sampled_from(("one", "two", "three")))
OWNERS = st.sampled_from((Owner("apps/v1", "Deployment", "app"), Owner("v1", "Pod", "one")))
JUDGEMENTS = st.builds(
    Judgement, st.none() | st.sampled_from(Place), st.sampled_from(("", "paris-1")), st.booleans(), st.booleans()
)
JUDGED = st.dictionaries(st.builds(Judge, st.sampled_from(POLICIES), st.sampled_from(Mode)), JUDGEMENTS).map(
    lambda judged: tuple(sorted(judged.items(), key=str))
)
PODS = st.builds(CountedPod, OWNERS, JUDGED, st.booleans())


class Tally(RuleBasedStateMachine):
    """A tally that is told of some pods at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.tally = PodTally()
        self.pods: dict[ObjectKey, CountedPod] = {}

    @rule(changes=st.dictionaries(KEYS, st.none() | PODS, max_size=3))
    def change(self, changes: dict[ObjectKey, CountedPod | None]) -> None:
        before = self.by_judge()
        self.pods = {key: pod for key, pod in (self.pods | changes).items() if pod}
        changed = self.tally.update(changes)
        now = self.by_judge()
        assert changed.judged == {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}

    def by_judge(self) -> dict[tuple[str, Judge], set[tuple[Owner, str, Judgement]]]:
        """Return all that is said of a namespace's pods by a policy."""
        found: dict[tuple[str, Judge], set[tuple[Owner, str, Judgement]]] = {}
        for (namespace, name), pod, judge, judgement in self.all():
            found.setdefault((namespace, judge), set()).add((pod.owner, name, judgement))
        return found

    def all(self) -> Iterator[tuple[ObjectKey, CountedPod, Judge, Judgement]]:
        for key, pod in self.pods.items():
            for judge, judgement in pod.judged:
                yield key, pod, judge, judgement

    @invariant()
    def all_counts_are_those_of_a_count(self) -> None:
        judged = self.tally.judged
        counted = [(key[0], judge, count) for key, _, judge, judgement in self.all() for count in judgement.counts()]
        assert judged.numbers == Counter(counted)
        assert judged.totals == Counter(
            (judge.policy, judge.mode is Mode.ENFORCE, count) for _, judge, count in counted
        )
        mounting: dict[tuple[str, str], set[str]] = {}
        for (namespace, name), pod in self.pods.items():
            if pod.mounts_certificates and pod.policy:
                mounting.setdefault((pod.policy, namespace), set()).add(name)
        assert self.tally.mounting == mounting

    @invariant()
    def the_groups_are_those_of_a_walk(self) -> None:
        judged = self.tally.judged
        groups: dict[OwnedBy, dict[str, Judgement]] = {}
        for (namespace, name), pod, judge, judgement in self.all():
            groups.setdefault(OwnedBy(namespace, judge, pod.owner), {})[name] = judgement
        assert {group: owned.pods for group, owned in judged.groups.items()} == groups
        for group, owned in judged.groups.items():
            assert owned.numbers == Counter(groups[group].values())
        for namespace in NAMESPACES:
            assert {*judged.within(namespace)} == {group for group in groups if group.namespace == namespace}
        assert {*judged.namespaces} == {group.namespace for group in groups}
        for policy in POLICIES:
            assert {*judged.troubled(policy)} == {
                group
                for group, pods in groups.items()
                if group.judge.policy == policy and not all(one.all_is_well for one in pods.values())
            }


def test_pods_that_are_judged_alike_share_the_answer() -> None:
    def judged() -> Judged:
        return ((Judge("a", Mode.ENFORCE), Judgement(Place.INSIDE)),)

    assert shared(judged()) is shared(judged())


def test_what_no_pod_counts_as_takes_no_memory() -> None:
    judged = JudgedPods()
    pod = CountedPod(Owner("v1", "Pod", "one"), ((Judge("a", Mode.AUDIT), Judgement(Place.OUTSIDE)),), False)
    for before, now in ((None, pod), (pod, None)):
        judged.move(("ward", "one"), before, now)
    assert not judged.numbers
    assert not judged.totals
    assert not judged.groups
    assert not [*judged.namespaces, *judged.troubled("a")]


TestTally = Tally.TestCase
TestTally.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
