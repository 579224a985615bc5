"""Answers that no code table finds: codes without a system, names, totals as text.

Only what is certain counts: a LOINC code that lost its system, the exact name of an item in a LOINC coding that
lost its code, the exact name of an instrument, a text that is a total and nothing else.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from fhir_adapters import facts
from fhir_adapters.dialect.coding import LOINC, canonical_system
from fhir_adapters.facts import Reading
from fhir_adapters.measuring.elements import Element, when_of
from fhir_adapters.rating.answer_values import Scored, named_total
from fhir_adapters.rating.scale_tables import ScalePart, plain
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

Parts = Mapping[ScalePart, tuple[str, ...]]  # each with the repairs made to know it

_LOINC_CODE = re.compile(r"\d{1,7}-\d", re.ASCII)


class Told(NamedTuple):
    """A text that is a total; ``path`` is the text's element, ``result`` the score or why it is none."""

    path: str
    text: str
    part: ScalePart
    result: Scored | str


def coded_parts(reading: Reading, concept: wire.CodeableConcept) -> Parts:
    """Return the parts that a concept's codes name."""
    return facts.concept(reading.profile, concept.coding).parts


def named_parts(reading: Reading, concept: wire.CodeableConcept) -> Parts:
    """Return the parts that a concept names without a whole code.

    A LOINC code without its system, a LOINC coding's display without its code, an instrument's name as text.
    """
    found: dict[ScalePart, tuple[str, ...]] = {}
    for coding in concept.coding:
        code = (coding.code or "").strip()
        if not (coding.system or "").strip() and _LOINC_CODE.fullmatch(code):
            part, repair = reading.terms.scale_codes.get((LOINC, code)), "system-missing"
        elif not code and canonical_system(coding.system, reading.profile) == LOINC:
            part, repair = _by_name(reading, coding.display), "code-from-display"
        else:
            continue
        if part is not None:
            found[part] = (repair,)
    if not concept.coding and (part := _by_name(reading, concept.text)) and part.part == "total":
        # An item's words alone may be any form's; an instrument's name is its own.
        found[part] = ("code-from-text",)
    return found


def _by_name(reading: Reading, name: str | None) -> ScalePart | None:
    return reading.terms.scale_tables.names.get(plain(name)) if name else None


def told(reading: Reading, observation: wire.Observation) -> Iterator[Told]:
    """Yield the totals that an Observation's text and notes are."""
    texts = [("valueString", observation.valueString)]
    texts += [(f"note[{place}].text", note.text) for place, note in enumerate(observation.note)]
    for path, text in texts:
        found = named_total(reading, text) if text else None
        if text and found:
            yield Told(path, text, *found)


def others(reading: Reading, coded: Iterable[Element]) -> list[Element]:
    """Return the values not among ``coded`` that may be answers: those without whole codes or with a text or note."""
    found: list[tuple[wire.Observation, str, wire.Observation | wire.Component]] = []
    for observation in reading.chart.observations:
        if observation.valueString or observation.note or not _is_whole(observation.code):
            found.append((observation, "", observation))
        if observation.component:
            for index, component in enumerate(observation.component):
                if not _is_whole(component.code):
                    found.append((observation, f"component[{index}].", component))
    known = {(id(element.of), element.path) for element in coded} if found else set[tuple[int, str]]()
    return [_uncoded(reading, *one) for one in found if (id(one[0]), one[1]) not in known]


def _uncoded(
    reading: Reading, observation: wire.Observation, path: str, value: wire.Observation | wire.Component
) -> Element:
    when = when_of(reading, observation)
    reference = reference_of(observation)
    return Element(observation, value, {}, reference, path, when.day, when.moment, dated=when.repairs)


def _is_whole(concept: wire.CodeableConcept) -> bool:
    """Say whether a concept has codings, each with its system and code, as most have."""
    for coding in concept.coding:
        if not (coding.system and coding.code):
            return False
    return bool(concept.coding)
