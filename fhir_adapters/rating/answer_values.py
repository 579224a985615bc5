"""What an answer to a scale is worth, in whatever value it is written: number, quantity, code, ordinal, text.

An answer code scores as its list says, among the lists of that item only: "Never" of one form is no answer to
another. An ordinal written beside the code must agree with it.
"""

import re
from collections.abc import Iterable

import msgspec

from fhir_adapters.dialect.coding import LOINC, canonical_system
from fhir_adapters.dialect.profile import plain_text
from fhir_adapters.facts import Reading, codes, written
from fhir_adapters.rating.scale_tables import ScalePart, plain
from fhir_adapters.reading import wire

_SCORE_UNITS = frozenset({"", "1", "{score}", "score", "points", "{points}"})
_NUMBER = re.compile(r"\d{1,3}(?:\.0+)?", re.ASCII)
# http://hl7.org/fhir/R4/extension-ordinalvalue.html, and its name since R5.
_ORDINAL = frozenset(
    {"http://hl7.org/fhir/StructureDefinition/ordinalValue", "http://hl7.org/fhir/StructureDefinition/itemWeight"}
)
# "2 - Nearly every day", "(2) …", "… (2)": the number of a form's own answer, beside its words.
_NUMBERED = re.compile(r"\(?(\d)\)?\s*[-=.:)]?\s+(\D.*)|(\D.*?)\s*\((\d)\)", re.ASCII)
_TOTAL = re.compile(
    r"(?P<name>.+?)\s*(?:\btotal)?\s*(?:\bscore)?\s*(?:[:=]|\bis\b|\bof\b)?\s*"
    r"(?<![\w.-])(?P<score>\d{1,3})(?:\s*(?:/|out of)\s*(?P<highest>\d{1,3}))?\s*\.?",
    re.ASCII | re.IGNORECASE,
)


class Value(msgspec.Struct, frozen=True, gc=False):
    """What was answered; ``path`` is the value element, ``ordinals`` those written beside it."""

    path: str
    number: float | None = None
    text: str | None = None
    flag: bool | None = None
    codings: tuple[wire.Coding, ...] = ()
    quantity: wire.Quantity | None = None
    ordinals: tuple[float, ...] = ()


class Scored(msgspec.Struct, frozen=True, gc=False):
    """A score and the repairs made to read it."""

    score: float
    repairs: tuple[str, ...] = ()


def value_of(of: wire.Observation | wire.Component | wire.Answer) -> Value | None:
    """Return the value of an element, None where it has none."""
    if isinstance(of, wire.Answer):
        if of.valueCoding is not None:
            coding = of.valueCoding
            return Value("valueCoding", codings=(coding,), ordinals=_ordinals(of.extension, coding.extension))
        if of.valueDecimal is not None:
            return Value("valueDecimal", of.valueDecimal)
    if of.valueQuantity is not None:
        return Value("valueQuantity", of.valueQuantity.value, quantity=of.valueQuantity)
    if not isinstance(of, wire.Answer) and of.valueCodeableConcept is not None:
        concept = of.valueCodeableConcept
        ordinals = _ordinals(*(coding.extension for coding in concept.coding))
        return Value("valueCodeableConcept", None, concept.text, None, tuple(concept.coding), None, ordinals)
    if of.valueInteger is not None:
        return Value("valueInteger", float(of.valueInteger))
    if of.valueString is not None:
        return Value("valueString", text=of.valueString)
    return None if of.valueBoolean is None else Value("valueBoolean", flag=of.valueBoolean)


def _ordinals(*extensions: Iterable[wire.Extension]) -> tuple[float, ...]:
    found = (one for held in extensions for one in held if one.url in _ORDINAL)
    numbers = (one.valueDecimal if one.valueDecimal is not None else one.valueInteger for one in found)
    return tuple(sorted({float(number) for number in numbers if number is not None}))


def shown(value: Value) -> float | str | bool | None:
    """Return a value as the EHR wrote it."""
    for one in (value.number, value.text, value.flag):
        if one is not None:
            return one
    return written(value.codings)


def score(reading: Reading, part: ScalePart, value: Value) -> Scored | str:
    """Return the score in the part's range, or the stable phrase that says why there is none."""
    found = _read(reading, part, value)
    return found if isinstance(found, str) else _out_of_range(part, found.score) or found


def named_total(reading: Reading, text: str) -> tuple[ScalePart, Scored | str] | None:
    """Read a text that is a total and nothing else: ``PHQ-9 score: 14``, ``PHQ-9 = 14/27``; None for any other.

    The instrument's name must be one of terminology/scale_names.csv, whole.
    """
    found = _TOTAL.fullmatch(text.strip()) if len(text) < 120 else None
    part = reading.terms.scale_tables.names.get(plain(found["name"])) if found else None
    if found is None or part is None or part.part != "total":
        return None
    if found["highest"] is not None and float(found["highest"]) != part.high:
        return part, "maximum-disagrees"
    number = float(found["score"])
    return part, _out_of_range(part, number) or Scored(number, ("total-from-text",))


def _read(reading: Reading, part: ScalePart, value: Value) -> Scored | str:
    if value.codings or value.ordinals:
        return _coded(reading, part, value)
    if value.flag is not None:
        return Scored(float(value.flag)) if "yes_no" in part.answer_lists else "value-type"
    if value.text is not None:
        return _worded(reading, part, value.text)
    if value.quantity is not None and (reason := _not_a_score(value.quantity)):
        return reason
    return "value-missing" if value.number is None else Scored(value.number)


def _not_a_score(quantity: wire.Quantity) -> str | None:
    unit = (quantity.code or quantity.unit or "").strip().lower()
    if quantity.comparator is not None:
        return "bound-only"
    return None if unit in _SCORE_UNITS else "unit-unknown"


def _out_of_range(part: ScalePart, number: float) -> str | None:
    if not number.is_integer():
        return "not-a-whole-number"
    low = number if part.low is None else part.low
    high = number if part.high is None else part.high
    return None if low <= number <= high else "implausible"


def _coded(reading: Reading, part: ScalePart, value: Value) -> Scored | str:
    """Return the score that codes, ordinals and, for a site's own codes, words stand for; all must agree."""
    found: dict[float, set[str]] = {}
    for coding in value.codings:
        result = _code(reading, part, coding)
        if isinstance(result, str) and result != "answer-unknown":
            return result
        if isinstance(result, Scored):
            found.setdefault(result.score, set()).update(result.repairs)
    for ordinal in value.ordinals:
        found.setdefault(ordinal, {"ordinal-extension"})
    if not found and value.text is not None and not any(_is_loinc(reading, one) for one in value.codings):
        return _worded(reading, part, value.text, "answer-unknown")
    if len(found) != 1:
        return "codes-disagree" if found else "answer-unknown"
    ordinal, made = found.popitem()
    return Scored(ordinal, tuple(sorted(made)))


def _code(reading: Reading, part: ScalePart, coding: wire.Coding) -> Scored | str:
    """Return what one code is worth; one of another system that no table knows is read by its display."""
    tables = reading.terms.scale_tables
    bare = not (coding.system or "").strip()
    found = codes(reading, [wire.Coding(LOINC, coding.code) if bare else coding])
    for code, repairs in found.items():
        answer = tables.answers.get(code)
        if code in tables.unanswered:
            return "not-answered"
        if answer is not None and answer.answer_list in part.answer_lists:
            return Scored(answer.ordinal, (*repairs, *(("system-missing",) if bare else ())))
    known = any(code in tables.answers for code in found)
    if known or coding.display is None or _is_loinc(reading, coding):
        return "answer-unknown"
    return _worded(reading, part, coding.display, "answer-unknown")


def _is_loinc(reading: Reading, coding: wire.Coding) -> bool:
    return bool(coding.code) and canonical_system(coding.system, reading.profile) == LOINC


def _worded(reading: Reading, part: ScalePart, text: str, otherwise: str = "value-is-text") -> Scored | str:
    """Return the score of a number, of a list's exact words, or of both where they agree."""
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        return Scored(float(stripped), ("number-from-text",))
    numbered = _NUMBERED.fullmatch(stripped)
    words = stripped if numbered is None else numbered[2] or numbered[3]
    found = {*_by_words(reading, part, stripped), *_by_words(reading, part, words)}
    if numbered is not None and found and found != {float(numbered[1] or numbered[4])}:
        return "answers-disagree"
    if len(found) == 1:
        return Scored(found.pop(), ("answer-from-text",))
    named = named_total(reading, stripped) if part.part == "total" else None
    if named is None:
        return "codes-disagree" if found else otherwise
    return named[1] if named[0] == part else "codes-disagree"


def _by_words(reading: Reading, part: ScalePart, words: str) -> set[float]:
    tables, own = reading.terms.scale_tables.texts, reading.profile.answer_texts
    found = {tables.get(name, {}).get(plain(words)) for name in part.answer_lists}
    found |= {own.get(name, {}).get(plain_text(words)) for name in part.answer_lists}
    return {one for one in found if one is not None}
