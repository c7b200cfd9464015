"""What is common to all kinds: the base model, conditions, and the description of a kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A frozen piece of an object, written in camelCase as Kubernetes does.

    Unknown fields are ignored here because the API server has already pruned or, with
    ``kubectl``'s strict validation, refused them.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_enum_values=False
    )


def rules(*pairs: tuple[str, str]) -> ConfigDict:
    """Attach CEL rules, as (rule, message) pairs, to a model's schema.

    A message says what to do, as the user who ran ``kubectl apply`` sees nothing else.
    """
    validations: list[JsonValue] = [{"rule": rule, "message": message} for rule, message in pairs]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": validations})


LIST_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}


def list_map(*keys: str) -> dict[str, Any]:
    """Return the schema keywords of a list whose items have these keys as their identity."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


CountryCode = Annotated[str, Field(pattern="^[A-Z]{2}$")]
"""Two capital letters, ISO 3166-1 alpha-2: FR, DE, US."""


def _without_year_zero(value: Any) -> Any:
    return date.min if isinstance(value, str) and value.startswith("0000-") else value


Day = Annotated[date, BeforeValidator(_without_year_zero)]
"""A day, YYYY-MM-DD. An API server takes the year 0, which Python does not have: it counts as the first day there is,
which is as long ago."""

NAME_PATTERN = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
"""The pattern of object names: a DNS-1123 subdomain, as far as one short expression can check it."""

ObjectName = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
"""The name of one of our cluster-scoped objects: short enough to be part of a label."""

NAME_FITS_A_LABEL = (
    "size(self.metadata.name) <= 63",
    "metadata.name becomes part of a node label and must have at most 63 characters: choose a shorter one",
)


class Condition(Model):
    """One observation about an object, in the form that ``kubectl wait`` understands."""

    type: str = Field(description="What is observed, in positive form. Example: Ready.", max_length=63)
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(
        description="Why, as one CamelCase word to match on. Every reason is on the page of its kind in crds/.",
        max_length=127,
    )
    message: str = Field(description="Why, and what to do next, as a sentence.", max_length=32768)
    last_transition_time: datetime = Field(description="When the status last changed, RFC 3339, UTC.")
    observed_generation: int = Field(description="The metadata.generation that was observed.", ge=0)


class Status(Model):
    """What the controller observed.

    Nothing in it is read back as a fact, but for what the controller did itself, and for what a kind leaves to people
    (``Kind.status_of_people``).
    """

    conditions: tuple[Condition, ...] = Field(
        default=(), description="The observations, one per type.", json_schema_extra=list_map("type")
    )
    observed_generation: int | None = Field(
        default=None, description="The metadata.generation of the spec that this status describes.", ge=0
    )


class Scope(StrEnum):
    """Whether objects of a kind live in a namespace."""

    CLUSTER = "Cluster"
    NAMESPACED = "Namespaced"


@dataclass(frozen=True)
class Column:
    """One column of ``kubectl get``. ``priority`` 1 shows it with ``-o wide`` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True)
class Kind:
    """A kind as the API server has to know it."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    scope: Scope
    description: str
    spec: type[Model]
    status: type[Status]
    columns: tuple[Column, ...]
    rules: tuple[tuple[str, str], ...] = ()
    status_of_people: frozenset[str] = frozenset()
    """The fields of the status that people write, and the controller never does."""

    @property
    def singular(self) -> str:
        """The lower-case singular name."""
        return self.name.lower()


def condition_column(
    name: str, condition: str, description: str, *, field: str = "status", priority: int = 0
) -> Column:
    """Make a column that shows one field of one condition."""
    path = f'.status.conditions[?(@.type=="{condition}")].{field}'
    return Column(name, path, description, priority=priority)


AGE = Column("Age", ".metadata.creationTimestamp", "Time since creation.", type="date")

LabelMap = Mapping[str, str]
