"""Which versions of the client, the chart, the images and the CRDs there are."""

from dataclasses import dataclass
from typing import Final

from sovereign_operator.cli.answers.answer import Answer

CHART_FROM: Final = "deployments.apps"
"""One of these says of which chart it is."""


@dataclass(frozen=True)
class ProcessVersion:
    """One process of the operator, with its image."""

    process: str
    image: str
    version: str
    """The chart's appVersion with which it was installed."""


@dataclass(frozen=True)
class CrdVersion:
    """One of the operator's CustomResourceDefinitions."""

    name: str
    found: bool
    served: tuple[str, ...]
    """The versions of its API that are served."""
    version: str
    """The chart's appVersion with which it was installed; empty if nobody says."""


@dataclass(frozen=True, kw_only=True)
class Version(Answer):
    """The answer to ``version``. What is None or empty could not be read, or is not there."""

    client: str
    server: str
    """The version of Kubernetes."""
    chart: str
    namespace: str
    """Where the operator is installed."""
    processes: tuple[ProcessVersion, ...]
    crds: tuple[CrdVersion, ...]
