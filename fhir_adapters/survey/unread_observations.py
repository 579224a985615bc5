"""Observations that no table knows and that look like an analyte or a scale; units and values that are not known."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from fhir_adapters.canonical import Adapted, Refusal
from fhir_adapters.dialect import aliases
from fhir_adapters.dialect.code_systems import UCUM
from fhir_adapters.dialect.coding import canonical_system
from fhir_adapters.dialect.profile import plain_text
from fhir_adapters.facts import Reading, concept
from fhir_adapters.measuring import value_text
from fhir_adapters.measuring.elements import elements, refused_status
from fhir_adapters.measuring.observation_tables import Analyte
from fhir_adapters.measuring.unit_names import plain as plain_unit
from fhir_adapters.rating.scale_tables import plain as plain_name
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of
from fhir_adapters.survey import feeds, lookalikes
from fhir_adapters.survey.suggestions import NOTHING, Sighting, Suggestion, can_be_written, coded, shown

_ALIKE = 0.6  # of difflib's ratio: "mval/L" is like mmol/L; policy
_STEP = re.compile(r"(\w+)(?:\[(\d+)\])?")


def sightings(reading: Reading, adapted: Adapted) -> Iterator[Sighting]:
    """Yield the lines that the chart's Observations suggest."""
    held = {reference_of(one): one for one in reading.chart.observations}
    for refusal in adapted.patient.refusals:
        if refusal.key and refusal.reference in held and feeds.features_of(refusal.key):
            yield from _refused(reading, refusal, held[refusal.reference])
    known = {(id(one.of), one.path) for one in elements(reading)}
    for observation in reading.chart.observations:
        if refused_status(reading, observation.status) is None:
            for path, value in _values(observation):
                if (id(observation), path) not in known:
                    yield from _unknown(reading, reference_of(observation), value)


def at(resource: object, path: str) -> Any:
    """Return the element at a path such as ``component[0].valueQuantity``, None where there is none."""
    for name, index in _STEP.findall(path):
        resource = getattr(resource, name, None)
        if index and resource is not None:
            held = cast("tuple[object, ...]", resource)
            resource = held[int(index)] if int(index) < len(held) else None
    return resource


def _values(observation: wire.Observation) -> Iterator[tuple[str, wire.Observation | wire.Component]]:
    yield "", observation
    for index, component in enumerate(observation.component):
        yield f"component[{index}].", component


# ---- codes that no table knows


def _unknown(reading: Reading, reference: str, value: wire.Observation | wire.Component) -> Iterator[Sighting]:
    found = concept(reading.profile, value.code.coding)
    texts = [text for text in (value.code.text, *(one.display for one in value.code.coding)) if text]
    key = next((key for text in texts if (key := _key(reading, text))), None)
    for coding in value.code.coding:
        for target in aliases.measured().get((coding.code or "").strip(), ()):
            meant = _meaning(reading, target)
            told = aliases.told(target[0], target[1], None if key is None else key == meant)
            line = aliases.line(reading.profile, coding, target) if told and feeds.features_of(meant) else None
            if line:
                seen = f"{target[1]} {coding.display or next(iter(texts), '')}"
                yield Sighting(line, meant, reference, shown(seen))
                return
    if key is not None and not found.standard and feeds.features_of(key):
        yield from _named(reading, reference, value, key)


def _meaning(reading: Reading, code: tuple[str, str]) -> str:
    measured, scored = reading.terms.observation_codes.get(code), reading.terms.scale_codes.get(code)
    return measured.key if measured else scored.key if scored else ""


def _key(reading: Reading, text: str) -> str | None:
    """Return the analyte or the part of a scale that a text looks like."""
    named = reading.terms.scale_tables.names.get(plain_name(text))
    parts = {named.key} if named else lookalikes.scale_parts(text)
    return lookalikes.analyte(text) or (next(iter(parts)) if len(parts) == 1 else None)


def _named(reading: Reading, reference: str, value: wire.Observation | wire.Component, key: str) -> Iterator[Sighting]:
    """Yield the line for a local code, or a text without one, that looks like ``key``."""
    text = value.code.text or ""
    local = next((one for one in value.code.coding if one.code), None)
    unit = value.valueQuantity.unit or value.valueQuantity.code if value.valueQuantity else None
    target = lookalikes.code_of_analyte(key, unit)
    line: Suggestion | None = None
    if local is not None and target:
        line = aliases.mapped(reading.profile, local, target)
    elif local is not None and key in {part.key for part in reading.terms.scale_codes.values()}:
        line = _item_code(local, key)
    elif local is None and text and can_be_written(text) and key in reading.terms.analytes:
        line = Suggestion("observations.texts", text, key, "uncoded")
    if line is not None:
        yield Sighting(line, key, reference, shown((local and local.display) or text))


def _item_code(local: wire.Coding, key: str) -> Suggestion | None:
    system, code = (local.system or "").strip(), (local.code or "").strip()
    written = can_be_written(system, code)
    return Suggestion("instruments.codes", coded(system, code), key, "uncoded") if written else None


# ---- units and values that are not known


def _refused(reading: Reading, refusal: Refusal, observation: wire.Observation) -> Iterator[Sighting]:
    analyte = reading.terms.analytes.get(refusal.key or "")
    if analyte is None:
        return
    found = at(observation, refusal.path)
    if refusal.reason == "unit-unknown":
        yield from _unit(reading, refusal, analyte, found)
    elif refusal.reason == "value-code-unknown" and isinstance(found, wire.CodeableConcept):
        yield from _coded_value(reading, refusal, analyte, found)


def _unit(reading: Reading, refusal: Refusal, analyte: Analyte, found: object) -> Iterator[Sighting]:
    written = _written_unit(reading, found)
    if not written or not can_be_written(written):
        return
    for unit in _units_like(written, analyte):  # NOTHING too where a person decides: no line is then suggested
        line = Suggestion(f"units.{analyte.key}", written, unit, "wrong-unit")
        yield Sighting(line, analyte.key, refusal.reference, "")


def _written_unit(reading: Reading, found: object) -> str | None:
    """Return the unit that was not understood: the code where there is one, as reading asks it first."""
    if isinstance(found, str):
        amount = value_text.amount(found)
        return amount.unit if amount else None
    if not isinstance(found, wire.Quantity):
        return None
    is_code = found.code and canonical_system(found.system, reading.profile) in (UCUM, None)
    return (found.code if is_code else found.unit or "") or None


def _units_like(written: str, analyte: Analyte) -> Iterable[str]:
    """Return the one unit of the analyte that this is nearly written as, else one of each size and ``NOTHING``.

    Nearly written units must all be of one size: "mval/L" is like mmol/L, but calcium's meq/L is half of it. The
    first letter must be the same, since it may be the thousand between mmol and umol. A unit that is like none is not
    the analyte's only one either: what a pulse is counted in when it says "mval/L" is for a person to find out.
    """
    plain = plain_unit(written)
    known = {unit: plain_unit(unit) for unit in sorted(analyte.factors)}
    alike = {
        unit: difflib.SequenceMatcher(None, plain, one).ratio() for unit, one in known.items() if one[0] == plain[0]
    }
    near = sorted((unit for unit, ratio in alike.items() if ratio >= _ALIKE), key=lambda unit: (-alike[unit], unit))
    if len({analyte.factors[unit] for unit in near}) == 1:
        return near[:1]
    every: dict[tuple[float, float], str] = {}
    for unit, size in analyte.factors.items():
        every.setdefault(size, unit)
    return [*sorted(every.values()), NOTHING]


def _coded_value(
    reading: Reading, refusal: Refusal, analyte: Analyte, found: wire.CodeableConcept
) -> Iterator[Sighting]:
    tables = reading.terms.observation_tables
    texts = [text for text in (found.text, *(one.display for one in found.coding)) if text]
    results = {key for text in texts if (key := tables.value_texts.get((analyte.key, plain_text(text))))}
    local = next((one for one in found.coding if one.code), None)
    if local is None or len(results) != 1:
        return
    result = results.pop()
    targets = sorted(code for (of, code), key in tables.values.items() if of == analyte.key and key == result)
    line = aliases.mapped(reading.profile, local, targets[0]) if targets else None
    if line:
        yield Sighting(line, analyte.key, refusal.reference, shown(texts[0]))
