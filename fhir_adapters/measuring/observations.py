"""Observations to measurements: laboratory values, vital signs, ECG, coded social history.

A value is taken in its analyte's canonical unit or refused by name: a status that is no result, a unit that
is not known, a reason for absence, a value that cannot be. Observations that no table knows are passed over;
what a wearable tells of a day is read in ``wearables``.
"""

from collections.abc import Iterable
from operator import itemgetter

from fhir_adapters import dates
from fhir_adapters.canonical import Measurement, Original, Refusal, Source
from fhir_adapters.dialect.profile import plain_text
from fhir_adapters.facts import Reading, codes, newest_first, source, written
from fhir_adapters.measuring import units, value_text
from fhir_adapters.measuring.elements import Element, absent_reason, elements, refused_status
from fhir_adapters.measuring.observation_tables import Analyte, ObservationTables
from fhir_adapters.measuring.unit_names import plain
from fhir_adapters.reading import wire

__all__ = ["Element", "absent_reason", "elements", "quantity", "read", "refused_status"]

_COMPARATORS = frozenset({"<", "<=", ">=", ">"})
# http://hl7.org/fhir/R4/valueset-observation-status.html: what comes after a final result, and in place of it.
_CORRECTED = frozenset({"corrected", "amended"})

Ranked = tuple[int, Measurement]


def read(reading: Reading, coded: Iterable[Element]) -> tuple[tuple[Measurement, ...], tuple[Refusal, ...]]:
    """Return the measurements among ``elements``, newest first and the preferred code first, and what is none."""
    measurements: list[Ranked] = []
    refusals: list[Refusal] = []
    corrected: set[tuple[str, str]] = set()
    for element in coded:
        known = element.concept.measured
        if len(known) > 1 and len({one.key for one in known}) > 1:
            refusals.extend(element.refuse(one.key, "code", "codes-disagree") for one in known)
        elif known:
            result = _measure(reading, element)
            if isinstance(result, Measurement):
                measurements.append((known[0].preference, result))
                if element.of.status in _CORRECTED and result.moment:
                    corrected.add((result.key, result.moment))
            elif result is not None:
                refusals.append(result)
    if corrected:
        measurements, superseded = _without_superseded(measurements, corrected, reading)
        refusals.extend(superseded)
    ordered = newest_first(
        measurements,
        lambda one: (one[1].effective, one[1].moment),
        lambda one: (one[1].source.reference, one[1].source.path),
        itemgetter(0),
    )
    return tuple([measurement for _, measurement in ordered]), tuple(refusals)


def _without_superseded(
    measurements: list[Ranked], corrected: set[tuple[str, str]], reading: Reading
) -> tuple[list[Ranked], list[Refusal]]:
    """Leave out a final result of the very instant that a corrected one of the same analyte holds for."""
    of = {one.id: one.status for one in reading.chart.observations}
    kept: list[Ranked] = []
    refusals: list[Refusal] = []
    for rank, one in measurements:
        final = of.get(one.source.reference.removeprefix("Observation/")) == "final"
        if final and (one.key, one.moment or "") in corrected:
            refusals.append(Refusal(one.source.reference, "status", "superseded", one.key, one.effective))
        else:
            kept.append((rank, one))
    return kept, refusals


def _measure(reading: Reading, element: Element) -> Measurement | Refusal | None:
    """Return the value under its analyte's key.

    None for a panel, whose members carry the values, and for what is read day by day (``wearables``).
    """
    known = element.concept.measured[0]
    analyte = reading.terms.analytes[known.key]
    of = element.of
    if analyte.kind == "panel" or analyte.group == "daily" or (analyte.kind == "date" and not element.of.valueDateTime):
        return None
    if (of.component or of.hasMember) and _is_heading(element):
        return None
    if reason := refused_status(reading, of.status):
        return element.refuse(analyte.key, "status", reason)
    if element.value.dataAbsentReason is not None:
        return element.refuse(analyte.key, "dataAbsentReason", absent_reason(element.value.dataAbsentReason) or "")
    if known.refused:
        return element.refuse(analyte.key, "code", known.refused)
    if analyte.kind == "date":
        return _date(reading, element, analyte)
    return _coded(reading, element, analyte) if analyte.kind == "coded" else quantity(reading, element, analyte)


def _date(reading: Reading, element: Element, analyte: Analyte) -> Measurement | Refusal:
    """Return the last day that a date of an Observation can mean, as ISO text."""
    found = dates.parse(element.of.valueDateTime)
    if found is None:
        return element.refuse(analyte.key, "valueDateTime", "value-is-no-date")
    original = Original(element.of.valueDateTime, code=element.concept.told)
    origin = _source(reading, element, "valueDateTime", original, ())
    return Measurement(analyte.key, found.last.isoformat(), None, element.effective, origin, moment=element.moment)


def _is_heading(element: Element) -> bool:
    """Return whether an Observation with components or members has no value of its own because they have them."""
    of = element.of
    if element.path or of.dataAbsentReason is not None:
        return False
    values = (of.valueQuantity, of.valueCodeableConcept, of.valueString, of.valueInteger, of.valueBoolean)
    return values == (None, None, None, None, None)


def quantity(reading: Reading, element: Element, analyte: Analyte) -> Measurement | Refusal:
    """Return the number of an element in the analyte's canonical unit, or why there is none."""
    value = element.value
    given = value.valueQuantity
    if given is not None and given.value is not None:
        repairs = ("unit-from-text",) if given.unit and not given.code else ()
        return _converted(reading, element, analyte, given, "valueQuantity", repairs)
    if value.valueString is not None:
        return _text(reading, element, analyte, value.valueString)
    if value.valueInteger is not None and plain(analyte.unit or "") == "1":
        count = wire.Quantity(value=float(value.valueInteger), unit=analyte.unit)
        return _converted(reading, element, analyte, count, "valueInteger", ())
    if value.valueCodeableConcept is not None and _says_unknown(reading, value.valueCodeableConcept):
        return element.refuse(analyte.key, "valueCodeableConcept", "data-absent-unknown")
    return element.refuse(analyte.key, "value", _other_value(value))


def _text(reading: Reading, element: Element, analyte: Analyte, text: str) -> Measurement | Refusal:
    """Return a number that is written as text, with its unit."""
    found = value_text.amount(text)
    if found is None:
        return element.refuse(analyte.key, "valueString", value_text.no_result(text) or "value-is-text")
    given = wire.Quantity(value=found.value, unit=found.unit, comparator=found.comparator)
    return _converted(reading, element, analyte, given, "valueString", ("value-from-text",), text)


def _converted(
    reading: Reading,
    element: Element,
    analyte: Analyte,
    given: wire.Quantity,
    path: str,
    repairs: tuple[str, ...],
    text: str | None = None,
) -> Measurement | Refusal:
    if given.comparator is not None and given.comparator not in _COMPARATORS:
        return element.refuse(analyte.key, f"{path}.comparator", "comparator-unknown")
    value = given.value or 0.0
    converted = units.convert(value, given, analyte.key, reading.profile)
    if isinstance(converted, units.UnitRefusal):
        reason = "implausible" if converted.reason == "value-implausible" else converted.reason
        return element.refuse(analyte.key, path, reason)
    original = Original(text or value, None if text else given.code or given.unit, element.concept.told)
    origin = _source(reading, element, path, original, repairs)
    return Measurement(
        analyte.key, converted, analyte.unit, element.effective, origin, given.comparator, element.moment
    )


def _coded(reading: Reading, element: Element, analyte: Analyte) -> Measurement | Refusal:
    value, tables = element.value, reading.terms.observation_tables
    if value.valueCodeableConcept is not None:
        path, shown = "valueCodeableConcept", value.valueCodeableConcept
        meaning = _meaning(reading, analyte.key, shown)
    elif value.valueString is not None:
        path, shown = "valueString", wire.CodeableConcept(text=value.valueString)
        meaning = _worded(tables, analyte.key, value.valueString)
    else:
        return element.refuse(analyte.key, "value", _other_value(value))
    if isinstance(meaning, str):
        return element.refuse(analyte.key, path, meaning)
    result, repairs = meaning
    original = Original(shown.text or written(shown.coding), code=element.concept.told)
    origin = _source(reading, element, path, original, repairs)
    return Measurement(analyte.key, result, None, element.effective, origin, moment=element.moment)


def _meaning(reading: Reading, key: str, concept: wire.CodeableConcept) -> tuple[str, tuple[str, ...]] | str:
    """Return the result that a concept's codes mean for an analyte and the repairs, or why there is none."""
    tables = reading.terms.observation_tables
    found = codes(reading, concept.coding)
    results = {tables.values[key, code] for code in found if (key, code) in tables.values}
    if len(results) > 1:
        return "codes-disagree"
    if results:
        return results.pop(), tuple([repair for made in found.values() for repair in made])
    if not tables.unknown.isdisjoint(found):
        return "data-absent-unknown"
    if found or not concept.text:
        return "value-code-unknown"
    return _worded(tables, key, concept.text)


def _worded(tables: ObservationTables, key: str, text: str) -> tuple[str, tuple[str, ...]] | str:
    """Return the result that a text names word for word, as a repair, or why there is none."""
    result = tables.value_texts.get((key, plain_text(text)))
    return (result, ("value-from-text",)) if result else value_text.no_result(text) or "value-is-text"


def _says_unknown(reading: Reading, concept: wire.CodeableConcept) -> bool:
    return not reading.terms.observation_tables.unknown.isdisjoint(codes(reading, concept.coding))


def _other_value(value: wire.Observation | wire.Component) -> str:
    """Return why an element without the value that its analyte wants cannot be read."""
    if value.valueString is not None:
        return "value-is-text"
    if value.valueInteger is not None:
        return "unit-missing"
    others = (value.valueQuantity, value.valueCodeableConcept, value.valueBoolean)
    return "value-missing" if others == (None, None, None) else "value-type"


def _source(reading: Reading, element: Element, path: str, original: Original, repairs: tuple[str, ...]) -> Source:
    concept, dated = element.concept, element.dated
    if concept.repairs or dated:
        repairs = (*repairs, *concept.repairs, *dated)
    return source(reading, element.reference, element.path + path, "observations.value", original, repairs)
