"""The watched pods by node, label and policy, so that a change costs what it affects."""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from sovereign_operator.controller.observed.multimap import Multimap
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.selector import Selector
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.pod import ObservedPod

Term = tuple[str, str, str]
"""Namespace, key and value of a label. A term with an empty key holds all pods of the namespace."""


class Use(Enum):
    """What a pod uses of a policy, or of a trust bundle."""

    NAMES = auto()
    """The pod's own label names the policy."""
    SIDECAR = auto()
    """Its sidecar loads the policy's transit config."""
    BUNDLE = auto()
    """It mounts the trust bundle."""


class PodIndex:
    """All pods that are watched."""

    def __init__(self) -> None:
        self._pods: dict[ObjectKey, ObservedPod] = {}
        self._on: Multimap[str, ObjectKey] = Multimap()
        self._with: Multimap[Term, str] = Multimap()
        self._using: Multimap[tuple[Use, str], ObjectKey] = Multimap()

    def update(self, key: ObjectKey, pod: ObservedPod | None) -> None:
        """Record a pod as it is now. None: it is not watched any more."""
        before = self._pods.pop(key, None)
        if pod:
            self._pods[key] = pod
        self._on.move(key, _nodes(before), _nodes(pod))
        self._with.move(key[1], _terms(key, before), _terms(key, pod))
        self._using.move(key, {*_uses(before)}, {*_uses(pod)})

    def get(self, namespace: str, name: str) -> ObservedPod | None:
        """Return one pod, if it is watched."""
        return self._pods.get((namespace, name))

    def all(self, namespace: str | None = None) -> Iterable[ObservedPod]:
        """Return the pods of one namespace or all."""
        if namespace is None:
            return self._pods.values()
        return [self._pods[namespace, name] for name in self._with.of((namespace, "", ""))]

    def on(self, node: str) -> Iterator[ObservedPod]:
        """Yield the pods that are bound to a node."""
        return (self._pods[key] for key in self._on.of(node))

    def using(self, use: Use, name: str) -> Iterator[ObservedPod]:
        """Yield the pods that use the policy or bundle of this name."""
        return (self._pods[key] for key in self._using.of((use, name)))

    def selected(self, namespace: str, selector: Selector) -> Iterator[ObservedPod]:
        """Yield the pods of a namespace that a selector selects, by name."""
        terms = [(namespace, *pair) for pair in selector.labels.items()] or [(namespace, "", "")]
        candidates = min((self._with.of(term) for term in terms), key=len)
        pods = (self._pods[namespace, name] for name in sorted(candidates))
        return (pod for pod in pods if selector.selects(pod.labels))


def _nodes(pod: ObservedPod | None) -> set[str]:
    return {pod.pod.node} if pod and pod.pod.node else set()


def _terms(key: ObjectKey, pod: ObservedPod | None) -> set[Term]:
    if pod is None:
        return set()
    return {(key[0], "", ""), *((key[0], *pair) for pair in pod.labels.items())}


def _uses(pod: ObservedPod | None) -> Iterator[tuple[Use, str]]:
    if pod is None:
        return
    if policy := pod.labels.get(names.POLICY_LABEL):
        yield Use.NAMES, policy
    if pod.transit:
        yield Use.SIDECAR, pod.transit
    yield from ((Use.BUNDLE, bundle) for bundle in pod.bundles)
