"""Drugs, problems and allergens whose codes no table knows: an alias of their code system, or a line of a map."""

from collections.abc import Iterable, Iterator, Mapping

from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect import aliases
from fhir_adapters.dialect.code_systems import key_code
from fhir_adapters.dialect.coding import canonical_system
from fhir_adapters.facts import Reading
from fhir_adapters.problem import problem_tables
from fhir_adapters.problem.problem_tables import UNDERSTOOD
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import medication_of, reference_of
from fhir_adapters.survey import lookalikes
from fhir_adapters.survey.suggestions import Sighting, shown
from fhir_adapters.terminology import Code

_UNKNOWN = frozenset({"code-unknown", "text-not-understood"})


def sightings(reading: Reading, adapted: Adapted) -> Iterator[Sighting]:
    """Yield the lines that the chart's drugs, problems and allergies suggest."""
    yield from _drugs(reading, adapted)
    yield from _problems(reading, adapted)
    yield from _allergies(reading, adapted)


def _drugs(reading: Reading, adapted: Adapted) -> Iterator[Sighting]:
    unknown = {one.source.reference for one in adapted.patient.medications if one.unresolved in _UNKNOWN}
    if not unknown:
        return
    named = _concepts(reading)
    for reference in sorted(unknown & named.keys()):
        yield from _drug(reading, named[reference], reference, "medications")


def _concepts(reading: Reading) -> Mapping[str, wire.CodeableConcept]:
    """Return what each drug entry names, by its reference: its own concept, else its Medication's."""
    chart, named = reading.chart, dict[str, wire.CodeableConcept]()
    for one in (*chart.medication_requests, *chart.medication_statements, *chart.dispenses, *chart.administrations):
        reference, concept = reference_of(one), one.medicationCodeableConcept
        if concept is None and one.medicationReference is not None:
            held = medication_of(chart, reference, one.medicationReference.reference or "")
            concept = held.code if held else None
        if concept is not None:
            named[reference] = concept
    return named


def _drug(reading: Reading, concept: wire.CodeableConcept, reference: str, key: str) -> Iterator[Sighting]:
    texts = [text for text in (concept.text, *(one.display for one in concept.coding)) if text]
    names = {names for text in texts if (names := lookalikes.drug(text))}
    meant = names.pop() if len(names) == 1 else None
    for coding in concept.coding:
        for target in aliases.drugs().get((coding.code or "").strip(), ()):
            ingredients = reading.terms.drug_codes[target].ingredients
            line = aliases.line(reading.profile, coding, target)
            if line and aliases.told(target[0], target[1], None if meant is None else meant == ingredients):
                yield Sighting(line, key, reference, f"{target[1]} {shown(coding.display or '')}".strip())
                return
    local = _local(reading, concept.coding)
    if local is None or meant is None:
        return
    # An ingredient's code beside an unknown one of the same system could be a part of a combination (drugs).
    codes = lookalikes.codes_of_drugs().get(meant, ())
    target = next((code for code in codes if code[0] != canonical_system(local.system, reading.profile)), None)
    line = aliases.mapped(reading.profile, local, target) if target else None
    if line:
        yield Sighting(line, key, reference, shown(f"{' + '.join(meant)} from {local.display or concept.text or ''}"))


def _local(reading: Reading, codings: Iterable[wire.Coding]) -> wire.Coding | None:
    """Return the coding to map: one of a local system, else any."""
    coded = [one for one in codings if one.code]
    known = aliases.known_systems()
    return min(coded, key=lambda one: canonical_system(one.system, reading.profile) in known, default=None)


def _problems(reading: Reading, adapted: Adapted) -> Iterator[Sighting]:
    unread = {one.reference for one in adapted.patient.refusals if one.reason == "problem-not-understood"}
    for condition in reading.chart.conditions if unread else ():
        if reference_of(condition) in unread and condition.code is not None:
            yield from _problem(reading, condition.code, reference_of(condition))


def _problem(reading: Reading, concept: wire.CodeableConcept, reference: str) -> Iterator[Sighting]:
    texts = [text for text in (concept.text, *(one.display for one in concept.coding)) if text]
    meant = next((code for text in texts if (code := lookalikes.problem(text))), None)
    for coding in concept.coding:
        targets = _known_problem(coding, meant)
        lines = [line for target in targets if (line := aliases.line(reading.profile, coding, target))]
        if lines:
            seen = shown(f"{coding.code} {coding.display or ''}")
            yield from (Sighting(line, "conditions", reference, seen) for line in lines)
            return
    local = _local(reading, concept.coding)
    line = aliases.mapped(reading.profile, local, meant) if local and meant else None
    if local and line:
        yield Sighting(line, "conditions", reference, shown(local.display or concept.text or ""))


def _known_problem(coding: wire.Coding, meant: Code | None) -> list[Code]:
    """Return what a coding may be in the tables: several where its code system's name does not tell which it is."""
    tables, code = problem_tables.load(), (coding.code or "").strip()
    wanted = tables.keys(meant) if meant else None
    held = {system: tables.keys((system, key_code(system, code))) for system in UNDERSTOOD} if code else {}
    fits = [
        system
        for system, keys in held.items()
        if keys and aliases.told(system, code, None if wanted is None else bool(wanted & keys))
    ]
    return [(system, code) for system in aliases.named(coding.system or "", fits)]


def _allergies(reading: Reading, adapted: Adapted) -> Iterator[Sighting]:
    unknown = {one.source.reference for one in adapted.patient.allergies if not (one.ingredients or one.classes)}
    for one in reading.chart.allergies if unknown else ():
        if reference_of(one) in unknown and one.code is not None:
            yield from _drug(reading, one.code, reference_of(one), "allergies")
