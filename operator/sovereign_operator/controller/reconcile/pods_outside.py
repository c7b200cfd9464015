"""Counts the pods that are outside for the policy that they are held to, by datacentre and service."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from sovereign_operator.controller import metrics
from sovereign_operator.controller.observed.judged_pods import CountedPod
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.judgement import PLACES
from sovereign_operator.core.workload.scope import Judge, Mode
from sovereign_operator.kube.mirror import ObjectKey

NO_PLACE: Final = "(none)"
"""What stands for the datacentre and service of nodes in none. No object has such a name."""


def measure_outside(
    state: ControllerState,
    verdicts: Verdicts,
    counted: Mapping[ObjectKey, CountedPod | None],
    changed: Iterable[tuple[str, Judge]],
) -> None:
    """Show what differs. ``counted``: the pods that were counted again. ``changed``: what judges pods otherwise."""
    # A refused node may have another datacentre now, for which its pods count the same.
    outside = {
        (namespace, judge)
        for (namespace, _), pod in counted.items()
        for judge, judgement in (pod.judged if pod else ())
        if judgement.place is Place.OUTSIDE
    }
    for namespace, judge in {*changed} | outside:
        if judge.mode is Mode.ENFORCE:
            _measure(state, verdicts, namespace, judge)


def _measure(state: ControllerState, verdicts: Verdicts, namespace: str, judge: Judge) -> None:
    """Show where pods of a namespace run that are outside for the policy that they are held to.

    What was shown is 0 afterwards: an alert that looks back would believe the last number otherwise.
    """
    judged, places = state.view.tally.judged, Counter[tuple[str, str]]()
    for node, number in judged.outside.get((namespace, judge), {}).items():
        verdict = verdicts.nodes.get((node, judge.policy))
        named = (verdict.datacentre, verdict.service) if verdict else (None, None)
        places[named[0] or NO_PLACE, named[1] or NO_PLACE] += number
    here = {"namespace": namespace, "policy": judge.policy}
    shown = state.published.outside.pop((namespace, judge.policy), set()) | places.keys()
    judges = any(judged.numbers[namespace, judge, count] for count in PLACES)
    for datacentre, service in shown:
        labels = here | {"datacentre": datacentre, "service": service}
        if judges:
            metrics.PODS_OUTSIDE.labels(**labels).set(places[datacentre, service])
        else:
            metrics.PODS_OUTSIDE.remove_by_labels(labels)
    if judges and shown:
        state.published.outside[namespace, judge.policy] = shown
