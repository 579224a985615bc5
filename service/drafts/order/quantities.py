"""Numbers and quantities of an order: possible ones, whose unit says in words what its code says."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from service.errors import Unprocessable

UCUM: Final = "http://unitsofmeasure.org"
# Wider than any dose, supply or time of an order, in whichever unit; what is wider is a slip or an attack.
_MOST: Final = Decimal(1_000_000)
_PLACES: Final = 6
# The words that stand for a unit of time (ucum.org, customary units of time), its code first.
TIMES: Final[Mapping[str, tuple[str, ...]]] = {
    "min": ("min", "minute", "minutes"),
    "h": ("h", "hour", "hours"),
    "d": ("d", "day", "days"),
    "wk": ("wk", "week", "weeks"),
    "mo": ("mo", "month", "months"),
    "a": ("a", "year", "years"),
}


def positive(value: object, name: str) -> Decimal:
    """Return a number above zero and below a million, of six decimals at most.

    U-ORDER-DOSE naming the element, never the value.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unprocessable("U-ORDER-DOSE", f"{name} must be a number; change it")
    number = Decimal(value)
    if not number.is_finite() or number <= 0:
        raise Unprocessable("U-ORDER-DOSE", f"{name} must be a number above zero; change it")
    if number >= _MOST or int(number.as_tuple().exponent) < -_PLACES:
        msg = f"{name} must be below a million, with {_PLACES} decimals at most; change it"
        raise Unprocessable("U-ORDER-DOSE", msg)
    return number


def whole(value: object, name: str, least: int = 1) -> int:
    """Return a whole number from ``least`` to a million; U-ORDER-DOSE naming the element."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _MOST:
        raise Unprocessable("U-ORDER-DOSE", f"{name} must be a whole number from {least} to a million; change it")
    return value


def check_duration(quantity: Mapping[str, Any], name: str) -> None:
    """Refuse a time that is not a number of one of UCUM's units: U-ORDER-DOSE."""
    positive(quantity.get("value"), name)
    if not is_time(quantity):
        raise Unprocessable("U-ORDER-DOSE", f"{name} must be in one unit of time of UCUM, as its code says; change it")


def is_time(quantity: Mapping[str, Any]) -> bool:
    """Say whether a quantity is in a unit of time of UCUM, without comparator, and its words say the same unit."""
    code = quantity.get("code")
    names = TIMES.get(code, ()) if isinstance(code, str) else ()
    return quantity.get("system") == UCUM and quantity.get("unit", code) in names and "comparator" not in quantity


def amount(quantity: Mapping[str, Any]) -> str:
    """Return a quantity as it is written: its figures as typed, its unit, else its code."""
    return f"{figures(quantity.get('value'))} {quantity.get('unit') or quantity.get('code') or ''}".strip()


def figures(value: object) -> str:
    """Return a number as it stands in the bytes that are signed."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def quoted(text: object) -> str:
    """Return a signer's own words in quotes that they cannot end: nothing of them reads as part of the dose."""
    return f"“{str(text).replace('“', '‘').replace('”', '’')}”"
