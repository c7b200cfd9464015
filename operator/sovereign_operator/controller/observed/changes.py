"""What the view of the cluster tells ``triggers`` of."""

from typing import Protocol

from sovereign_operator.controller.observed.mirrors import Changes


class AllChanges(Changes, Protocol):
    """Receives changes of composite things (guards, certificates, sidecars) as well."""

    def guards_changed(self) -> None:
        """Handle a change of an admission policy or webhook of the chart."""

    def guard_findings_changed(self) -> None:
        """Handle a change of the findings about guards."""

    def certificate_changed(self, namespace: str, pod: str) -> None:
        """Handle a certificate that was issued to a pod."""

    def bundle_changed(self, name: str) -> None:
        """Handle a change of a trust bundle."""

    def trust_config_changed(self, namespace: str, policy: str) -> None:
        """Handle a change of a policy's trust ConfigMap in a namespace."""

    def sidecars_changed(self, policy: str) -> None:
        """Handle a new answer of a sidecar, or a new report of an agent, about a policy."""

    def services_changed(self) -> None:
        """Handle a change of the Services that pods reach in plaintext in every mode."""

    def transit_config_changed(self, namespace: str, policy: str) -> None:
        """Handle a change of a policy's transit config in a namespace."""

    def node_lacks_changed(self, node: str) -> None:
        """Handle a change of what an agent reports that its node lacks."""

    def report_changed(self, namespace: str) -> None:
        """Handle a change of a namespace's report."""

    def reports_served(self) -> None:
        """Handle a kind for reports that the cluster has now, or no longer."""
