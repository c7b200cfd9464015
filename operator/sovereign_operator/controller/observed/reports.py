"""The reports that the controller wrote into namespaces, of the kinds for reports that the cluster has."""

from collections.abc import Callable, Iterator
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.mirror import Mirror
from sovereign_operator.kube.objects.report import ObservedReport, see_report

PREFERENCE: Final = (resource.REPORTS, resource.POLICY_REPORTS)
"""The kinds for reports. The first one that is served is written."""


class ObservedReports:
    """The reports of both kinds. ``changed`` is called with a namespace, ``served_changed`` if kinds come or go."""

    def __init__(self, api: Api, changed: Callable[[str], None], served_changed: Callable[[], None]) -> None:
        self._mirrors: dict[Resource, Mirror[ObservedReport]] = {
            kind: Mirror(
                api,
                kind,
                see_report,
                lambda key, _old, _new: changed(key[0]),
                label_selector=names.REPORT_LABEL,
                optional=True,
                served_changed=served_changed,
            )
            for kind in PREFERENCE
        }

    @property
    def mirrors(self) -> Iterator[Mirror[ObservedReport]]:
        """The mirrors to run."""
        yield from self._mirrors.values()

    @property
    def kind(self) -> Resource | None:
        """The kind to write; None if the cluster has none of them."""
        return next((kind for kind, mirror in self._mirrors.items() if mirror.served), None)

    def of(self, namespace: str) -> dict[Resource, ObservedReport]:
        """Return the reports of a namespace, by kind: more than one if another kind was served before."""
        found = {kind: mirror.get((namespace, names.REPORT)) for kind, mirror in self._mirrors.items()}
        return {kind: report for kind, report in found.items() if report}

    @property
    def namespaces(self) -> set[str]:
        """The namespaces that have one."""
        return {namespace for mirror in self._mirrors.values() for namespace, _ in mirror}
