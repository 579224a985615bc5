"""Observations to measurements: laboratory values, vital signs, ECG, coded social history.

A value is taken in its analyte's canonical unit or refused by name: a status that is no result, a unit that
is not known, a reason for absence, a value that cannot be. Observations that no table knows are passed over.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from typing import NamedTuple

from fhir_adapters import units, wire
from fhir_adapters.canonical import Measurement, Original, Refusal, Source
from fhir_adapters.facts import Reading, codes, first_day, moment, newest_first, source, written
from fhir_adapters.reader import reference_of
from fhir_adapters.terminology import Analyte, Code

# http://hl7.org/fhir/R4/valueset-observation-status.html
_RESULT = frozenset({"final", "amended", "corrected"})
_NO_RESULT = frozenset({"registered", "preliminary", "cancelled", "entered-in-error", "unknown"})
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})
# http://hl7.org/fhir/R4/valueset-data-absent-reason.html
_ABSENT = frozenset(
    {
        *(
            "unknown",
            "asked-unknown",
            "temp-unknown",
            "not-asked",
            "asked-declined",
            "masked",
            "not-applicable",
        ),
        *("unsupported", "as-text", "error", "not-a-number", "negative-infinity", "positive-infinity"),
        *("not-performed", "not-permitted"),
    }
)


class Element(NamedTuple):
    """One coded value: an Observation's own (``path`` is empty) or one of its components.

    ``codes`` are its codes in sorted order, each with the repairs made to read it.
    """

    of: wire.Observation
    value: wire.Observation | wire.Component
    codes: Mapping[Code, tuple[str, ...]]
    reference: str
    path: str
    effective: date | None
    moment: str | None

    def refuse(self, key: str, path: str, reason: str) -> Refusal:
        """Return the refusal of this element."""
        return Refusal(self.reference, self.path + path, reason, key, self.effective)


def elements(reading: Reading) -> Iterator[Element]:
    """Yield the values of the chart's Observations whose codes a table knows, components after their Observation."""
    measured, scored = reading.terms.observation_codes, reading.terms.scale_codes
    time = cache(_time)  # the Observations of one visit share theirs
    for observation in reading.chart.observations:
        for path, value in _values(observation):
            found = codes(reading, value.code.coding)
            if any(code in measured or code in scored for code in found):
                day, instant = time(_when(observation))
                yield Element(observation, value, found, reference_of(observation), path, day, instant)


def _values(observation: wire.Observation) -> Iterator[tuple[str, wire.Observation | wire.Component]]:
    yield "", observation
    for index, component in enumerate(observation.component):
        yield f"component[{index}].", component


def _time(when: str | None) -> tuple[date | None, str | None]:
    return first_day(when), moment(when)


def refused_status(reading: Reading, status: str | None) -> str | None:
    """Return why an Observation of this status is no result, None when it is one by the profile's list."""
    if status in reading.profile.statuses.get("observation", _RESULT):
        return None
    return status if status in _NO_RESULT else "status-unknown" if status else "status-missing"


def absent_reason(concept: wire.CodeableConcept | None) -> str | None:
    """Return ``data-absent-<code>`` for a dataAbsentReason, ``data-absent`` for one outside R4's list."""
    if concept is None:
        return None
    found = sorted({one.code for one in concept.coding if one.code} & _ABSENT)
    return f"data-absent-{found[0]}" if found else "data-absent"


def read(reading: Reading, coded: Iterable[Element]) -> tuple[tuple[Measurement, ...], tuple[Refusal, ...]]:
    """Return the measurements among ``elements``, newest first and the preferred code first, and what is none."""
    measurements: list[tuple[int, Measurement]] = []
    refusals: list[Refusal] = []
    for element in coded:
        found = _known(reading, element)
        if len({key for key, _ in found}) > 1:
            refusals.extend(element.refuse(key, "code", "codes-disagree") for key, _ in found)
        elif found and (result := _measure(reading, element, found[0][0])):
            if isinstance(result, Refusal):
                refusals.append(result)
            else:
                measurements.append((found[0][1], result))
    ordered = newest_first(
        measurements,
        lambda one: (one[1].effective, one[1].moment),
        lambda one: (f"{one[0]:09d}", one[1].source.reference, one[1].source.path),
    )
    return tuple(measurement for _, measurement in ordered), tuple(refusals)


def _when(observation: wire.Observation) -> str | None:
    period = observation.effectivePeriod or wire.Period()
    return observation.effectiveDateTime or observation.effectiveInstant or period.end or period.start


def _known(reading: Reading, element: Element) -> list[tuple[str, int]]:
    """Return the analytes that the codes name, each with its code's preference, the preferred first."""
    table = reading.terms.observation_codes
    known = (table[code] for code in element.codes if code in table)
    return sorted(((one.key, one.preference) for one in known), key=lambda pair: (pair[1], pair[0]))


def _measure(reading: Reading, element: Element, key: str) -> Measurement | Refusal | None:
    """Return the value under an analyte's key; None for a panel, whose members carry the values."""
    analyte = reading.terms.analytes[key]
    if analyte.kind in ("panel", "date"):
        return None
    if reason := refused_status(reading, element.of.status):
        return element.refuse(key, "status", reason)
    if reason := absent_reason(element.value.dataAbsentReason):
        return element.refuse(key, "dataAbsentReason", reason)
    if analyte.kind == "coded":
        return _coded(reading, element, key)
    return _quantity(reading, element, analyte)


def _quantity(reading: Reading, element: Element, analyte: Analyte) -> Measurement | Refusal:
    quantity = element.value.valueQuantity
    if quantity is None or quantity.value is None:
        return element.refuse(analyte.key, "value", _other_value(element.value))
    if quantity.comparator is not None and quantity.comparator not in _COMPARATORS:
        return element.refuse(analyte.key, "valueQuantity.comparator", "comparator-unknown")
    converted = units.convert(quantity.value, quantity, analyte.key, reading.profile)
    if isinstance(converted, units.UnitRefusal):
        reason = "implausible" if converted.reason == "value-implausible" else converted.reason
        return element.refuse(analyte.key, "valueQuantity", reason)
    original = Original(quantity.value, quantity.code or quantity.unit, written(element.value.code.coding))
    repairs = () if quantity.code else ("unit-from-text",)
    origin = _source(reading, element, "valueQuantity", original, repairs)
    return Measurement(
        analyte.key, converted, analyte.unit, element.effective, origin, quantity.comparator, element.moment
    )


def _coded(reading: Reading, element: Element, key: str) -> Measurement | Refusal:
    concept = element.value.valueCodeableConcept
    if concept is None:
        return element.refuse(key, "value", _other_value(element.value))
    table = reading.terms.status_codes
    found = codes(reading, concept.coding)
    meanings = sorted({table[code] for code in found if code in table})
    if len(meanings) != 1:
        return element.refuse(key, "valueCodeableConcept", "codes-disagree" if meanings else "value-code-unknown")
    original = Original(concept.text or written(concept.coding), code=written(element.value.code.coding))
    repairs = tuple(repair for made in found.values() for repair in made)
    origin = _source(reading, element, "valueCodeableConcept", original, repairs)
    return Measurement(key, meanings[0], None, element.effective, origin, moment=element.moment)


def _other_value(value: wire.Observation | wire.Component) -> str:
    """Return why an element without the value that its analyte wants cannot be read."""
    if value.valueString is not None:
        return "value-is-text"
    if value.valueInteger is not None:
        return "unit-missing"
    others = (value.valueQuantity, value.valueCodeableConcept, value.valueBoolean)
    return "value-missing" if others == (None, None, None) else "value-type"


def _source(reading: Reading, element: Element, path: str, original: Original, repairs: tuple[str, ...]) -> Source:
    made = (repair for one in element.codes.values() for repair in one)
    return source(reading, element.reference, element.path + path, "observations.value", original, (*repairs, *made))
