"""Results written as text: a number with its unit, a bound, feet and inches, stones and pounds; nothing else.

A text that is not wholly one of these shapes is no number. A decimal comma counts only before one or two digits,
because "1,200" may be either.
"""

import re
from typing import NamedTuple

_NUMBER = r"\d{1,7}(?:\.\d{1,6}|,\d{1,2}(?!\d))?"
_UNIT = r"(?:[xX×]?\s?10\S{1,4}/[^\d\s<>=]{1,6}|(?![eE]\d|/\d)[^\d\s<>=.,;:+-][^;:<>=]{0,30})"
_SHAPE = re.compile(rf"(<=|>=|<|>|≤|≥)?\s*({_NUMBER})(?:\s*({_UNIT}))?", re.ASCII)
_PAIR = re.compile(
    rf"({_NUMBER})\s*('|ft|feet|foot|st|stones?|lbs?|pounds?)\.?\s*({_NUMBER})\s*(\"|''|in|inch|inches|lbs?|pounds?|oz|ounces?)?\.?",
    re.ASCII,
)
_BOUNDS = {"≤": "<=", "≥": ">="}
# The larger unit → the smaller one that may follow it, and how many of it make the larger one.
_PARTS = {
    "ft": ("in", 12),
    "st": ("lb", 14),
    "lb": ("oz", 16),
}
_NAMES = {
    **dict.fromkeys(("'", "ft", "feet", "foot"), "ft"),
    **dict.fromkeys(('"', "''", "in", "inch", "inches"), "in"),
    **dict.fromkeys(("st", "stone", "stones"), "st"),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), "lb"),
    **dict.fromkeys(("oz", "ounce", "ounces"), "oz"),
}
# Words that say that there is no result, and R4's reason for it; a unit may follow them.
_NO_RESULT = {
    "test not performed": "data-absent-not-performed",
    "not performed": "data-absent-not-performed",
    "not done": "data-absent-not-performed",
    "unknown": "data-absent-unknown",
    "not asked": "data-absent-not-asked",
}
_LONGEST = 60


class Amount(NamedTuple):
    """What a text says: ``unit`` is None where it has none."""

    value: float
    unit: str | None
    comparator: str | None


def amount(text: str) -> Amount | None:
    """Return the number, unit and comparator that a text is, None for any other text."""
    plain = text.strip()
    if len(plain) > _LONGEST:
        return None
    pair = _PAIR.fullmatch(plain.lower())
    if pair:
        return _joined(*pair.groups())
    found = _SHAPE.fullmatch(plain)
    if found is None:
        return None
    comparator, number, unit = found.groups()
    return Amount(_number(number), unit.strip() if unit else None, _BOUNDS.get(comparator, comparator))


def _joined(large: str, large_unit: str, small: str, small_unit: str | None) -> Amount | None:
    """Return two parts of one measure in the smaller unit; only a whole number of the larger one has parts."""
    name = _NAMES[large_unit]
    part, count = _PARTS[name]
    if (small_unit and _NAMES[small_unit] != part) or not large.isdigit() or _number(small) >= count:
        return None
    return Amount(_number(large) * count + _number(small), part, None)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def no_result(text: str) -> str | None:
    """Return why there is no result where a text says so in so many words."""
    plain = " ".join(text.lower().split())
    if len(plain) > _LONGEST:
        return None
    return next(
        (reason for words, reason in _NO_RESULT.items() if plain == words or plain.startswith(f"{words} ")), None
    )
