"""Conditions to diagnoses: keys by SNOMED CT and ICD-10-CM, active or not, wrong ones refused by name.

A Condition that no table knows stays as a diagnosis without keys: it was seen, and no rule reads it.
"""

from collections.abc import Mapping

from fhir_adapters import dates, wire
from fhir_adapters.canonical import Diagnosis, Original, Refusal
from fhir_adapters.facts import Reading, codes, display, newest_first, source, status_code, written
from fhir_adapters.reader import reference_of
from fhir_adapters.terminology import Code

# http://hl7.org/fhir/R4/valueset-condition-clinical.html and valueset-condition-ver-status.html
_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_INACTIVE = frozenset({"inactive", "remission", "resolved"})
_WRONG = frozenset({"refuted", "entered-in-error"})


def read(reading: Reading) -> tuple[tuple[Diagnosis, ...], tuple[Refusal, ...]]:
    """Return the diagnoses, newest onset first, and the Conditions that are none."""
    diagnoses: list[Diagnosis] = []
    refusals: list[Refusal] = []
    for condition in reading.chart.conditions:
        read_one = _read(reading, condition)
        if isinstance(read_one, Diagnosis):
            diagnoses.append(read_one)
        elif read_one is not None:
            refusals.append(read_one)
    ordered = newest_first(diagnoses, lambda one: (one.onset, None), lambda one: (one.source.reference,))
    return ordered, tuple(refusals)


def _read(reading: Reading, condition: wire.Condition) -> Diagnosis | Refusal | None:
    """Return what a Condition says; None for one that only says that there are none."""
    reference = reference_of(condition)
    concept = condition.code or wire.CodeableConcept()
    found = codes(reading, concept.coding)
    wrong = status_code(condition.verificationStatus, _WRONG)
    if wrong:
        return Refusal(reference, "verificationStatus", wrong)
    if not (found or display(concept)):
        return Refusal(reference, "code", "no-code")
    meanings = {reading.terms.none_known[code] for code in found if code in reading.terms.none_known}
    if meanings:
        return Refusal(reference, "code", "not-asked") if "not-asked" in meanings else None
    return _diagnosis(reading, condition, concept, found)


def _diagnosis(
    reading: Reading,
    condition: wire.Condition,
    concept: wire.CodeableConcept,
    found: Mapping[Code, tuple[str, ...]],
) -> Diagnosis:
    table = reading.terms.condition_codes
    code = next((one for one in found if one in table), next(iter(found), None))
    active, repairs = _activity(condition)
    onset = dates.parse(condition.onsetDateTime or (condition.onsetPeriod and condition.onsetPeriod.start))
    made = {*repairs, *(repair for each in found.values() for repair in each)}
    made |= {"onset-not-exact"} if onset and not onset.exact else set[str]()
    original = Original(display(concept) or None, code=written(concept.coding))
    path = "code.coding" if found else "code.text"
    return Diagnosis(
        keys=tuple(sorted({key for one in found for key in table.get(one, ())})),
        active=active,
        onset=onset.first if onset else None,
        text=display(concept),
        code="|".join(code) if code else None,
        source=source(reading, reference_of(condition), path, "conditions.code", original, made),
    )


def _activity(condition: wire.Condition) -> tuple[bool, tuple[str, ...]]:
    """Return whether the problem is active; one without a readable status is, unless it has an end."""
    if status_code(condition.clinicalStatus, _ACTIVE):
        return True, ()
    if status_code(condition.clinicalStatus, _INACTIVE):
        return False, ()
    if condition.abatementDateTime or condition.abatementPeriod:
        return False, ("clinical-status-from-abatement",)
    return True, ("clinical-status-unknown" if condition.clinicalStatus else "clinical-status-missing",)
