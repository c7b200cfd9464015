"""Whether all kubelets support pod certificates, so that kubelets may ask for all certificates.

A kubelet may be three minor versions older than its API server. One that is too old leaves pods with such a volume
hanging without end. So nothing but a value of the chart has kubelets ask.
"""

import re
from collections.abc import Collection
from typing import Final

from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import Observation, examples
from sovereign_operator.core.report.report import Report

CONDITION: Final = "PodCertificates"
_NEEDED: Final = (1, 37)
"""The first version in which they are on by default."""
_VERSION: Final = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?![0-9])")


def supports_pod_certificates(kubelet: str) -> bool:
    """Whether a kubelet of this version (``v1.36.3``) supports pod certificates. One that cannot be read does not."""
    found = _VERSION.match(kubelet)
    return found is not None and (int(found[1]), int(found[2])) >= _NEEDED


def report_pod_certificates(former: Collection[str]) -> Report:
    """Report whether kubelets may ask for the certificates of sidecars. ``former``: the nodes whose kubelets cannot."""
    if former:
        message = (
            f"the kubelets of {len(former)} node(s) are older than Kubernetes 1.37: {examples(sorted(former))}; "
            "sidecars ask for certificates themselves until these are upgraded (identity.certificates=Token)"
        )
        return Report({}, (Observation(CONDITION, "False", ConditionReason.FORMER_KUBELETS, message),))
    message = (
        "the API server and all kubelets support pod certificates: set identity.certificates=Request in the chart, so "
        "that kubelets ask for the certificates of new pods"
    )
    return Report({}, (Observation(CONDITION, "True", ConditionReason.KUBELETS_SUPPORT_THEM, message),))
