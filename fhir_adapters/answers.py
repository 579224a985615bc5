"""Answers to rating scales from Observations, components and QuestionnaireResponses, one shape for all.

Which item an answer answers is read from its code alone, never from its place. A QuestionnaireResponse has no
item codes in R4: ``linkId`` holds the LOINC code in its last part ("/44260-8", "http://loinc.org/44260-8").
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from dataclasses import replace as replaced

from msgspec.structs import replace

from fhir_adapters import wire
from fhir_adapters.canonical import Original, Refusal, ScaleScore
from fhir_adapters.coding import LOINC
from fhir_adapters.facts import Reading, codes, first_day, moment, source, written
from fhir_adapters.observations import Element, absent_reason, refused_status
from fhir_adapters.reader import reference_of
from fhir_adapters.terminology import ScalePart

_ANSWERED = frozenset({"completed", "amended"})
_UNANSWERED = frozenset({"in-progress", "entered-in-error", "stopped"})
_SCORE_UNITS = frozenset({"", "1", "{score}", "score", "points", "{points}"})
_LOINC_CODE = re.compile(r"\d{1,7}-\d", re.ASCII)
_NUMBER = re.compile(r"\d{1,3}(?:\.0+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """One score and the administration that it belongs to; None for one that stands alone."""

    score: ScaleScore
    administration: str | None


@dataclass(frozen=True, slots=True)
class _Value:
    """What was answered, in whatever shape; ``path`` is the value element."""

    path: str
    number: float | None = None
    text: str | None = None
    flag: bool | None = None
    codings: tuple[wire.Coding, ...] = ()
    quantity: wire.Quantity | None = None


def answers(reading: Reading, coded: Iterable[Element]) -> Iterator[Answer | Refusal]:
    """Yield every answer and total of a known scale, and those that cannot be read.

    ``coded`` are the ``elements`` of the chart's Observations; its QuestionnaireResponses follow.
    """
    panels = _panels(reading)
    for element in coded:
        parts = _parts(reading, element)
        if len(parts) > 1:
            yield from (element.refuse(_key(part), "code", "codes-disagree") for part in parts)
        for part in parts[:1] if len(parts) == 1 else ():
            yield from _observed(reading, element, part, panels)
    for response in reading.chart.questionnaire_responses:
        yield from _responded(reading, response)


def _parts(reading: Reading, element: Element) -> list[ScalePart]:
    table = reading.terms.scale_codes
    return sorted({table[code] for code in element.codes if code in table}, key=_key)


def _panels(reading: Reading) -> dict[str, str]:
    """Return the panel of each member Observation, by the member's id."""
    members: dict[str, str] = {}
    panels = (observation for observation in reading.chart.observations if observation.hasMember)
    for observation in sorted(panels, key=reference_of):
        for member in observation.hasMember:
            members.setdefault(_id(member.reference), reference_of(observation))
    return members


def _id(reference: str | None) -> str:
    whole = (reference or "").split("/_history/")[0]
    return whole.rsplit("/", 1)[-1].removeprefix("urn:uuid:")


def _observed(
    reading: Reading, element: Element, part: ScalePart, panels: dict[str, str]
) -> Iterator[Answer | Refusal]:
    values = _values(element.value)
    if reason := refused_status(reading, element.of.status):
        yield element.refuse(_key(part), "status", reason)
    elif reason := absent_reason(element.value.dataAbsentReason):
        yield element.refuse(_key(part), "dataAbsentReason", reason)
    elif not values:
        if part.part != "panel":
            yield element.refuse(_key(part), "value", "value-missing")
    else:
        part, repairs = _as_total(reading, part)
        result = _score(reading, part, values[0])
        if isinstance(result, str):
            yield element.refuse(_key(part), values[0].path, result)
            return
        number, made = result
        shown = Original(_shown(values[0]), None, written(element.value.code.coding))
        origin = source(
            reading,
            element.reference,
            element.path + values[0].path,
            "scales.answer",
            shown,
            {*repairs, *made},
        )
        score = ScaleScore(part.scale, part.part, number, element.effective, origin, element.moment)
        yield Answer(score, _administration(element, panels))


def _administration(element: Element, panels: dict[str, str]) -> str | None:
    for origin in element.of.derivedFrom:
        if "QuestionnaireResponse/" in (origin.reference or ""):
            return f"QuestionnaireResponse/{_id(origin.reference)}"
    own = element.of.component or element.of.hasMember
    return panels.get(element.of.id or "", element.reference if own else None)


def _as_total(reading: Reading, part: ScalePart) -> tuple[ScalePart, tuple[str, ...]]:
    """Return the total for a panel code that carries a number.

    Seen in published guides: 44249-1, the PHQ-9 panel, with the total as its value.
    """
    total = reading.terms.scales[part.scale].get("total")
    if part.part == "panel" and total is not None:
        return total, ("panel-code-for-total",)
    return part, ()


def _responded(reading: Reading, response: wire.QuestionnaireResponse) -> Iterator[Answer | Refusal]:
    reference = reference_of(response)
    day, instant = first_day(response.authored), moment(response.authored)
    reason = None
    if response.status not in reading.profile.statuses.get("questionnaire_response", _ANSWERED):
        reason = response.status if response.status in _UNANSWERED else "status-unknown"
    for item, path in _items(response.item, "item"):
        part = _linked(reading, item.linkId)
        if part is None or part.part == "panel":
            continue
        key = _key(part)
        if reason:
            yield Refusal(reference, "status", reason, key, day)
            continue
        result = _answered(reading, part, item)
        if isinstance(result, Refusal):
            yield replace(result, reference=reference, path=f"{path}.{result.path}", effective=day)
        elif result is not None:
            value, number, made = result
            shown = Original(_shown(value), None, item.linkId)
            origin = source(reading, reference, f"{path}.{value.path}", "scales.answer", shown, made)
            yield Answer(ScaleScore(part.scale, part.part, number, day, origin, instant), reference)


def _items(items: list[wire.Item], path: str) -> Iterator[tuple[wire.Item, str]]:
    for index, item in enumerate(items):
        here = f"{path}[{index}]"
        yield item, here
        yield from _items(item.item, f"{here}.item")
        for place, answer in enumerate(item.answer):
            yield from _items(answer.item, f"{here}.answer[{place}].item")


def _linked(reading: Reading, link: str | None) -> ScalePart | None:
    last = (link or "").strip().rsplit("/", 1)[-1]
    return reading.terms.scale_codes.get((LOINC, last)) if _LOINC_CODE.fullmatch(last) else None


def _answered(
    reading: Reading, part: ScalePart, item: wire.Item
) -> tuple[_Value, float, tuple[str, ...]] | Refusal | None:
    """Return the score of an item; None for one that was not answered, a refusal without its reference."""
    values = [
        replaced(value, path=f"answer[{index}].{value.path}")
        for index, answer in enumerate(item.answer)
        for value in _values(answer)
    ]
    if not values:
        return None
    results = [_score(reading, part, value) for value in values]
    if len({result if isinstance(result, str) else result[0] for result in results}) > 1:
        return Refusal("", "answer", "answers-disagree", _key(part))
    if isinstance(results[0], str):
        return Refusal("", values[0].path, results[0], _key(part))
    return values[0], *results[0]


def _values(of: wire.Observation | wire.Component | wire.Answer) -> list[_Value]:
    """Return the value of an element as a list of none or one."""
    if isinstance(of, wire.Answer):
        if of.valueCoding is not None:
            return [_Value("valueCoding", codings=(of.valueCoding,))]
        if of.valueDecimal is not None:
            return [_Value("valueDecimal", of.valueDecimal)]
    elif of.valueQuantity is not None:
        return [_Value("valueQuantity", of.valueQuantity.value, quantity=of.valueQuantity)]
    elif of.valueCodeableConcept is not None:
        concept = of.valueCodeableConcept
        return [_Value("valueCodeableConcept", text=concept.text, codings=tuple(concept.coding))]
    if of.valueInteger is not None:
        return [_Value("valueInteger", float(of.valueInteger))]
    if of.valueString is not None:
        return [_Value("valueString", text=of.valueString)]
    return [] if of.valueBoolean is None else [_Value("valueBoolean", flag=of.valueBoolean)]


def _shown(value: _Value) -> float | str | bool | None:
    return next((one for one in (value.number, value.text, value.flag) if one is not None), written(value.codings))


def _score(reading: Reading, part: ScalePart, value: _Value) -> tuple[float, tuple[str, ...]] | str:
    """Return the score in the part's range and the repairs made, or why there is none."""
    found = _number(reading, part, value)
    return found if isinstance(found, str) else _out_of_range(part, found[0]) or found


def _number(reading: Reading, part: ScalePart, value: _Value) -> tuple[float, tuple[str, ...]] | str:
    if value.codings:
        return _ordinal(reading, part, value.codings)
    if value.flag is not None:
        return (float(value.flag), ()) if "yes_no" in part.answer_lists else "value-type"
    if value.text is not None:
        text = value.text.strip()
        return (float(text), ("number-from-text",)) if _NUMBER.fullmatch(text) else "value-is-text"
    if value.quantity is not None and (reason := _not_a_score(value.quantity)):
        return reason
    return "value-missing" if value.number is None else (value.number, ())


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


def _ordinal(
    reading: Reading, part: ScalePart, codings: tuple[wire.Coding, ...]
) -> tuple[float, tuple[str, ...]] | str:
    """Return the score that the answer codes stand for, among the answer lists of this part."""
    scores: dict[float, set[str]] = {}
    for coding in codings:
        bare = not (coding.system or "").strip()
        found = codes(reading, [wire.Coding(LOINC, coding.code) if bare else coding])
        for code, repairs in found.items():
            answer = reading.terms.answer_codes.get(code)
            if answer is not None and answer.answer_list in part.answer_lists:
                scores.setdefault(answer.ordinal, set()).update(repairs, {"system-missing"} if bare else ())
    if len(scores) != 1:
        return "codes-disagree" if scores else "answer-unknown"
    ordinal, made = scores.popitem()
    return ordinal, tuple(sorted(made))


def _key(part: ScalePart) -> str:
    return f"{part.scale}.{part.part}"
