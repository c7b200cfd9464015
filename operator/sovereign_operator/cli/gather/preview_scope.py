"""Which policy would hold the pods of a preview, and what admission would ask about them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.gather.installation import Installation, option
from sovereign_operator.cli.gather.namespaces import Labels
from sovereign_operator.cli.gather.preview_namespaces import FactsByNamespace
from sovereign_operator.cli.gather.preview_workloads import Subject
from sovereign_operator.core import names
from sovereign_operator.core.encryption.rollout import needs_sidecar
from sovereign_operator.core.identity.grant import is_granted
from sovereign_operator.core.sidecar.injection import SidecarSettings
from sovereign_operator.core.sidecar.resources import USUAL
from sovereign_operator.core.workload.refusal import SETTINGS, Hold
from sovereign_operator.core.workload.scope import enforced_policy, policy_of_pod
from sovereign_operator.kube.client.api import Json

RESOURCES_OPTION: Final = "--sidecar-resources="
SANDBOXES_OPTION: Final = "--sandboxes="


@dataclass(frozen=True)
class Holder:
    """The namespaces and policies, as they are and as they would be."""

    installation: Installation
    estate: Estate
    """As it would be."""
    before: Labels
    after: Labels
    around: FactsByNamespace

    def policies(self, subject: Subject) -> tuple[str | None, str | None]:
        """Return the policies that would hold, and that hold, new pods of a workload."""
        new = self._policy(self.after, subject, subject.new_labels)
        return new, self._policy(self.before, subject, subject.labels)

    def hold(self, policy: str | None, subject: Subject) -> Hold | None:
        """Return what admission asks about new pods of a workload; None: no policy holds them."""
        if policy is None:
            return None
        facts, labels = self.estate.facts, self.after.get(subject.namespace, {})
        spec = facts.policies.get(policy)
        wanted = spec.encryption_in_transit if spec else None
        return Hold(
            policy,
            enforced=enforced_policy(labels) is not None,
            known=not self.estate.judged or policy in facts.policies or policy in facts.unread.policies,
            encrypts=self._injects and needs_sidecar(wanted.mode if wanted else None, None),
            granted=spec is None or is_granted(policy, spec, subject.namespace, labels),
            accepts=lambda node: self.estate.verdicts.accepts(policy, node),
            settings=self._settings,
            around=self.around.of(subject.namespace),
        )

    def _policy(self, labels: Labels, subject: Subject, own: Mapping[str, str]) -> str | None:
        enforced = enforced_policy(labels.get(subject.namespace, {}))
        return policy_of_pod(subject.namespace, enforced, own, self.installation.system_namespaces)

    @property
    def _injector(self) -> Json | None:
        found = self.installation.processes or ()
        return next((obj for _, obj in found if obj["metadata"]["name"] == names.INJECTOR), None)

    @property
    def _injects(self) -> bool:
        """Whether there are sidecars: so if it is not known how the operator is installed."""
        return not self.installation.processes or self._injector is not None

    @property
    def _settings(self) -> SidecarSettings:
        told, sandboxes = (option(self._injector, prefix) for prefix in (RESOURCES_OPTION, SANDBOXES_OPTION))
        resources = json.loads(told) if told else USUAL
        return replace(SETTINGS, resources=resources, sandboxes=frozenset(sandboxes.split(",")) - {""})


def enforcing(labels: Labels, policy: str, never_in_scope: frozenset[str]) -> dict[str, Mapping[str, str]]:
    """Return the labels of namespaces if all that can be in scope enforced a policy."""
    return {
        name: found if name in never_in_scope else {**found, names.ENFORCE_LABEL: policy}
        for name, found in labels.items()
    }
