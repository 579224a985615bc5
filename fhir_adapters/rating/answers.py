"""Answers to rating scales from Observations and their components, those inside reports too.

Which item an answer answers is read from its code alone, never from its place; words count only where they are
an item's or an instrument's own name (``uncoded_answers``).
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from fhir_adapters.canonical import Original, Refusal, ScaleScore
from fhir_adapters.facts import Reading, source, written
from fhir_adapters.measuring.elements import Element, absent_reason, refused_status
from fhir_adapters.rating import uncoded_answers
from fhir_adapters.rating.answer_values import Scored, Value, score, shown, value_of
from fhir_adapters.rating.scale_tables import ScalePart
from fhir_adapters.rating.uncoded_answers import coded_parts, named_parts
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of


class Answer(msgspec.Struct, frozen=True, gc=False):
    """One score and the administration that it belongs to; None for one that stands alone."""

    score: ScaleScore
    administration: str | None


class _Found(msgspec.Struct, frozen=True, gc=False):
    """An element, the part that it answers, the repairs made so far, and the administrations of members."""

    reading: Reading
    element: Element
    part: ScalePart
    repairs: tuple[str, ...]
    members: Mapping[str, str]


def answers(reading: Reading, coded: Iterable[Element]) -> list[Answer | Refusal]:
    """Return every answer and total of a known scale in the chart's Observations, and those that cannot be read.

    ``coded`` are the ``elements`` of the chart's Observations.
    """
    seen = tuple(coded)
    held = [(one, one.concept.parts) for one in seen if one.concept.parts]
    others = uncoded_answers.others(reading, seen)
    members = _members(reading) if held or others else {}
    found: list[Answer | Refusal] = []
    for element, parts in held:
        found += _answer(reading, element, parts, members)
    for element in others:
        parts = coded_parts(reading, element.value.code) or named_parts(reading, element.value.code)
        found += _answer(reading, element, parts, members)
    return found


def declared(reading: Reading) -> dict[str, str]:
    """Return the scale that an administration says it is: ``Type/id`` of a panel or report → scale."""
    found: dict[str, str] = {}
    for observation in reading.chart.observations:
        if observation.hasMember or observation.component:
            _declare(reading, found, reference_of(observation), observation.code)
    for report in reading.chart.diagnostic_reports:
        _declare(reading, found, reference_of(report), report.code)
    return found


def _declare(reading: Reading, found: dict[str, str], reference: str, concept: wire.CodeableConcept) -> None:
    parts = coded_parts(reading, concept) or named_parts(reading, concept)
    scales = {part.scale for part in parts}
    if len(scales) == 1:
        found[reference] = scales.pop()


def _answer(
    reading: Reading, element: Element, parts: Mapping[ScalePart, tuple[str, ...]], members: Mapping[str, str]
) -> list[Answer | Refusal]:
    if len(parts) > 1:
        return [element.refuse(key, "code", "codes-disagree") for key in sorted(part.key for part in parts)]
    for part, repairs in parts.items():
        answer = _observed(_Found(reading, element, part, repairs, members))
        return [] if answer is None else [answer]
    if element.path or refused_status(reading, element.of.status) is not None:
        return []
    return [
        _made(_Found(reading, element, told.part, (), members), told.path, told.result, told.text)
        for told in uncoded_answers.told(reading, element.of)
    ]


def _members(reading: Reading) -> dict[str, str]:
    """Return the panel or report of each member Observation, by the member's id."""
    members: dict[str, str] = {}
    panels = [observation for observation in reading.chart.observations if observation.hasMember]
    for observation in sorted(panels, key=reference_of):
        for member in observation.hasMember:
            members.setdefault(_id(member.reference), reference_of(observation))
    for report in sorted(reading.chart.diagnostic_reports, key=reference_of):
        for result in report.result:
            if not (result.reference or "#").startswith("#"):
                members.setdefault(_id(result.reference), reference_of(report))
    return members


def _id(reference: str | None) -> str:
    whole = (reference or "").split("/_history/")[0]
    return whole.rsplit("/", 1)[-1].removeprefix("urn:uuid:")


def _administration(element: Element, members: Mapping[str, str]) -> str | None:
    for origin in element.of.derivedFrom:
        if "QuestionnaireResponse/" in (origin.reference or ""):
            return f"QuestionnaireResponse/{_id(origin.reference)}"
    report, contained, _ = element.reference.partition("#")
    if contained:
        return report
    own = element.of.component or element.of.hasMember
    return members.get(element.of.id or "", element.reference if own else None)


def _observed(found: _Found) -> Answer | Refusal | None:
    element, part = found.element, found.part
    if reason := refused_status(found.reading, element.of.status):
        return element.refuse(part.key, "status", reason)
    if reason := absent_reason(element.value.dataAbsentReason):
        return element.refuse(part.key, "dataAbsentReason", reason)
    held = value_of(element.value)
    if part.part == "panel":
        return _panel(found, held)
    if held is None:
        return element.refuse(part.key, "value", "value-missing")
    return _made(found, held.path, score(found.reading, part, held), shown(held))


def _panel(found: _Found, held: Value | None) -> Answer | Refusal | None:
    """Return the total that a panel's code carries as a number; its other values (a band, a note) are none.

    Seen in published guides: 44249-1, the PHQ-9 panel, with the total as its value.
    """
    total = found.reading.terms.scales[found.part.scale].get("total")
    if total is None or held is None or held.codings or held.flag is not None:
        return None
    result = score(found.reading, total, held)
    if result == "value-is-text":
        return None
    renamed = replace(found, part=total, repairs=(*found.repairs, "panel-code-for-total"))
    return _made(renamed, held.path, result, shown(held))


def _made(found: _Found, path: str, result: Scored | str, written_as: float | str | bool | None) -> Answer | Refusal:
    element, part = found.element, found.part
    if isinstance(result, str):
        return element.refuse(part.key, path, result)
    original = Original(written_as, None, element.concept.written or written(element.value.code.coding))
    repairs = (*found.repairs, *element.dated, *result.repairs)
    origin = source(found.reading, element.reference, element.path + path, "scales.answer", original, repairs)
    scored = ScaleScore(part.scale, part.part, result.score, element.effective, origin, element.moment)
    return Answer(scored, _administration(element, found.members))
