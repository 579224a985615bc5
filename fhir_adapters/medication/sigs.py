"""A dosage in words, read only in a grammar in which every word is understood: amount, route, times, as needed.

"Take 1 tablet by mouth twice daily" and "50 mg PO qhs prn" are read; "1-2 tablets daily" has no one amount,
and "then 40 mg" or "taper as directed" is not understood. What is not understood says nothing.
"""

import re
from typing import NamedTuple

from fhir_adapters import remember
from fhir_adapters.medication import timings
from fhir_adapters.medication.strengths import MILLIGRAMS, PIECES, number_of

_WORDS = {"half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "a": 1.0, "an": 1.0}
_UNITS = {*MILLIGRAMS, *PIECES, "ml", "milliliter", "millilitre"} - {"1"}
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_HEAD = re.compile(
    r"(?:(?:please )?(?:takes?|give|swallow|use|inject) )?"
    rf"(?P<low>1/2|\d+(?:[.,]\d+)?|{'|'.join(_WORDS)})(?: ?(?:-|to|or) ?(?P<high>\d+|two|three|four))?"
    rf"(?: ?(?:an? |of )?(?P<unit>{_UNIT})(?:\(s\))?)?(?![\w.])"
)
_ROUTE = r"by mouth|po|p\.o\.|orally|oral route|oral|im|sc|subcut|sl|sublingually"
_LEADING = re.compile(rf"^[ ,.-]*(?:(?:to be )?(?:taken|given)\b|(?:{_ROUTE})(?![\w.]))")
_TRAILING = re.compile(
    rf"(?:[ ,-]*\b(?:{_ROUTE})"
    r"| (?:with|after|before) (?:food|meals?|a meal|breakfast|lunch|dinner|water)"
    r"| for (?:\d+|one|two|three|four) (?:days?|weeks?|months?)"
    r"|[ ,]*\b(?:only )?(?:as needed|as required|if needed|when required|when needed|prn)(?: for [a-z ]+| [a-z]+)?"
    r")[ .,]*$"
)
_NEEDED = re.compile(r"\b(?:prn|as needed|as required|when required|if needed|when needed)\b")
_LONGEST = 200


class Sig(NamedTuple):
    """What a text says: ``amount`` (None for a range) in ``unit`` (empty where it stands alone), times a day."""

    amount: float | None
    unit: str
    times: float | None
    ranged: bool = False


@remember.by_text(_LONGEST)
def needed(text: str) -> bool:
    """Say whether a text says that the drug is taken as needed."""
    return _NEEDED.search(text.lower()) is not None


@remember.by_text(_LONGEST)
def read(text: str) -> Sig | None:
    """Return what a text says, None unless every word of it is understood."""
    plain = " ".join(text.lower().split())
    if not plain or len(plain) > _LONGEST:
        return None
    found = _HEAD.match(plain)
    amount, unit, rest = _head(found) if found else (None, "", plain)
    words = _without(rest)
    times = timings.of_words(words) if words else None
    if (words and times is None) or (not words and found is None):
        return None
    return Sig(amount, unit, times, ranged=found is not None and found["high"] is not None)


def _head(found: re.Match[str]) -> tuple[float | None, str, str]:
    """Return amount, unit and what stands behind them; "5 times a day" and "2 hours" begin with no amount."""
    rest = found.string[found.end() :]
    if not found["unit"] and re.match(r" ?(?:times?|x|hours?|days?)\b", rest):
        return None, "", found.string
    amount = None if found["high"] else 0.5 if found["low"] == "1/2" else _number(found["low"])
    return amount, found["unit"] or "", rest


def _number(text: str) -> float | None:
    return _WORDS.get(text) or number_of(text)


def _without(text: str) -> str:
    """Return a text without the route, the meal, the duration and "as needed" around the times."""
    before = None
    while text != before:
        before = text
        text = _LEADING.sub("", _TRAILING.sub("", text)).strip(" ,.-")
    return text
