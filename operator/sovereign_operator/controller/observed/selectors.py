"""Which SovereignWorkloads a pod belongs to, kept up to date as they are reconciled."""

from collections.abc import Mapping, Sequence

from sovereign_operator.controller.observed.multimap import Multimap
from sovereign_operator.core.kubernetes.selector import Selector
from sovereign_operator.kube.mirror import ObjectKey


class Selectors:
    """The selectors of the workloads to which SovereignWorkloads refer."""

    def __init__(self) -> None:
        self._known: dict[ObjectKey, tuple[Selector, ...] | None] = {}
        self._by_label: Multimap[tuple[str, str, str], ObjectKey] = Multimap()
        """By namespace and a label that a selector demands; the empty label stands for all pods of the namespace."""

    def record(self, key: ObjectKey, selectors: Sequence[Selector] | None) -> None:
        """Record how the pods of a SovereignWorkload are found. None: any pod of its namespace may become one."""
        self.forget(key)
        self._known[key] = None if selectors is None else tuple(selectors)
        for term in self._terms(key):
            self._by_label.add(term, key)

    def forget(self, key: ObjectKey) -> None:
        """Forget a SovereignWorkload that was deleted."""
        for term in self._terms(key):
            self._by_label.discard(term, key)
        self._known.pop(key, None)

    def referring_to_pod(self, namespace: str, labels: Mapping[str, str]) -> set[ObjectKey]:
        """Return the SovereignWorkloads of which a pod with these labels may be a pod."""
        terms = [(namespace, "", ""), *((namespace, *pair) for pair in labels.items())]
        candidates = {key for term in terms for key in self._by_label.of(term)}
        return {key for key in candidates if self._may_select(key, labels)}

    def _may_select(self, key: ObjectKey, labels: Mapping[str, str]) -> bool:
        selectors = self._known[key]
        return selectors is None or any(selector.selects(labels) for selector in selectors)

    def _terms(self, key: ObjectKey) -> set[tuple[str, str, str]]:
        if key not in self._known:
            return set()
        selectors = self._known[key]
        if selectors is None:
            return {(key[0], "", "")}
        return {(key[0], *min(selector.labels.items(), default=("", ""))) for selector in selectors}
