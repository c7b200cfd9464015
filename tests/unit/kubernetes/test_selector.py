"""Label selectors have the same meaning as in Kubernetes."""

from typing import Any

import pytest

from sovereign_operator.core.kubernetes.selector import Selector

LABELS = {"app": "a", "tier": "web"}


def term(operator: str, key: str, *values: str) -> dict[str, Any]:
    """Build an expression."""
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        (Selector({}), False),
        (Selector({"app": "a"}), True),
        (Selector({"app": "a", "tier": "db"}), False),
        (Selector({}, (term("In", "app", "a", "b"),)), True),
        (Selector({}, (term("In", "none", "a"),)), False),
        (Selector({}, (term("NotIn", "app", "b"),)), True),
        (Selector({}, (term("NotIn", "none", "b"),)), True),
        (Selector({}, (term("NotIn", "app", "a"),)), False),
        (Selector({}, (term("Exists", "tier"),)), True),
        (Selector({}, (term("DoesNotExist", "tier"),)), False),
        (Selector({"app": "a"}, (term("DoesNotExist", "none"),)), True),
    ],
)
def test_all_terms_hold(selector: Selector, selects: bool) -> None:
    assert selector.selects(LABELS) is selects


def test_an_operator_that_is_new_to_us_is_an_error() -> None:
    with pytest.raises(ValueError, match="Near"):
        Selector({}, (term("Near", "app"),)).selects(LABELS)
