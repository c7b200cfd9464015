"""A selector of pods by their labels, as SovereignWorkloads have it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from sovereign_operator.api.v1alpha1.kind import LIST_SET, Model, list_map, rules

LabelValue = Annotated[str, Field(max_length=63)]
"""A value of a label. Longer ones, which no pod carries, would take the operator's memory."""


class PodLabelOperator(StrEnum):
    """How a label of a pod is compared, as in a label selector of Kubernetes."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class PodLabelRequirement(Model):
    """What one label of a pod must be."""

    model_config = rules(
        (
            "(self.operator in ['In', 'NotIn']) == (size(self.?values.orValue([])) > 0)",
            "In and NotIn take values, Exists and DoesNotExist take none",
        ),
    )

    key: str = Field(description="The label's key. Example: cnpg.io/cluster.", min_length=1, max_length=317)
    operator: PodLabelOperator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[LabelValue, ...] = Field(
        default=(), description="For In and NotIn: the values.", json_schema_extra=LIST_SET, max_length=64
    )


class PodSelector(Model):
    """Pods by their labels: all terms must hold."""

    model_config = rules(
        (
            "!has(self.matchLabels) || self.matchLabels.all(key, size(key) <= 317)",
            "a label's key has 317 characters at most: no pod carries a longer one",
        ),
        (
            "size(self.?matchLabels.orValue({})) + size(self.?matchExpressions.orValue([])) > 0",
            "an empty selector would be every pod: give matchLabels or matchExpressions",
        ),
    )

    match_labels: Mapping[str, LabelValue] = Field(
        default={}, description="Labels, all of them. Example: {cnpg.io/cluster: records}.", max_length=16
    )
    match_expressions: tuple[PodLabelRequirement, ...] = Field(
        default=(),
        description="More terms, all of which must hold.",
        json_schema_extra=list_map("key", "operator"),
        max_length=16,
    )
