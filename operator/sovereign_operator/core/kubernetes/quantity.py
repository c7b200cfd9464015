"""Quantities of resources, as Kubernetes writes them: ``100m``, ``1.5``, ``64Mi``, ``1e3``."""

import re
from decimal import Decimal
from typing import Final

_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY: Final = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,3})|([KMGTPE]i|[numkMGTPE]?))")
_KIBI: Final = 1024

LARGEST: Final = Decimal(2**63)
"""Kubernetes has no larger ones, and yet its API server takes any exponent."""
LONGEST: Final = 1000
"""In characters: the API server takes a megabyte of digits, too."""


def parse(text: str | float) -> Decimal:
    """Return the number. JSON may hold one without quotation marks. Raises ValueError if it is no quantity."""
    found = _QUANTITY.fullmatch(str(text)[: LONGEST + 1])
    if not found or len(found[0]) > LONGEST:
        raise ValueError(f"not a quantity: {text!r:.60}")
    number, exponent, suffix = found.groups()
    if suffix in _BINARY:
        value = Decimal(number) * Decimal(_KIBI) ** _BINARY[suffix]
    else:
        value = Decimal(number).scaleb(int(exponent or _DECIMAL[suffix]))
    if not -LARGEST <= value <= LARGEST:
        raise ValueError(f"more than any quantity: {text!r:.60}")
    return value


def render(value: Decimal) -> str:
    """Return the number as a quantity, which the API server makes shorter: whole, or in thousandths, or finer."""
    if value % _KIBI == 0 and value:
        return f"{int(value) // _KIBI}Ki"
    for suffix in ("", "m"):
        scaled = value.scaleb(-_DECIMAL[suffix])
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return f"{int(value.scaleb(9).to_integral_value())}n"
