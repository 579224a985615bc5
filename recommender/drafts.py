"""Proposal → draft MedicationRequest: R4, ``status draft``, ``intent proposal``, requested by a Device.

R4 lets a device propose and only a practitioner order (MedicationRequest.intent), so nothing here can be an
order; ``AIAST`` is the label of HL7's AI Transparency guide for content that an AI asserted. A draft has the labels
of what it was made from too: it is as confidential as the chart is.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from fhir_adapters.canonical import CanonicalPatient, Label
from recommender.assessment import Candidate, Dose, Supply
from recommender.dose.dosing import units_per_dose
from recommender.step.focus import DEPRESSION, Focus

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ORAL = {"system": "http://snomed.info/sct", "code": "26643006", "display": "Oral route"}
UCUM = "http://unitsofmeasure.org"
AI_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
DEVICE: Mapping[str, Any] = {"type": "Device", "display": "Undersign"}
_TIMES = {1: "once a day", 2: "twice a day", 3: "three times a day", 4: "four times a day"}


def build(
    candidate: Candidate,
    patient: CanonicalPatient,
    *,
    replaces: Sequence[str],
    authored_on: str,
    facts: Sequence[str],
    requester: Mapping[str, Any] | None,
    warnings: Sequence[str] = (),
    supply: Supply | None = None,
    focus: Focus | None = None,
    before: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the draft of an offered candidate; ``facts`` are references of the chart it rests on.

    ``warnings`` are the gate's, said first in the note; ``supply`` limits what is dispensed at a time. ``focus``
    is the condition that it is for, depression without one; ``before`` says what the guidelines put before a drug.
    """
    dose = candidate.dose
    if dose is None:
        msg = f"{candidate.ingredient} has no dose: it cannot be drafted"
        raise ValueError(msg)
    what, problems = _indication(focus, patient)
    draft: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "meta": {"security": [dict(AI_ASSERTED), *map(_label, patient.labels)]},
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": _medication(candidate, dose),
        "subject": {"reference": patient.reference},
        "authoredOn": authored_on,
        "requester": dict(requester or DEVICE),
        "reasonCode": [{"text": what}],
        "reasonReference": [{"reference": r} for r in sorted(problems)],
        "supportingInformation": [{"reference": r} for r in facts],
        "note": [{"text": _note(candidate, replaces, (*before, *warnings))}],
        "dosageInstruction": [_dosage(dose)],
        "dispenseRequest": _supply(dose, supply),
    }
    return {name: value for name, value in draft.items() if value}


def _label(label: Label) -> dict[str, str]:
    told = {"system": label.system, "code": label.code, "display": label.display}
    return {name: value for name, value in told.items() if value}


def _indication(focus: Focus | None, patient: CanonicalPatient) -> tuple[str, set[str]]:
    """Return what the drug is for in words, and the problems that say so."""
    if focus is None or focus.name == DEPRESSION:
        depressions = (d for d in patient.diagnoses if d.active and d.certain and "mdd" in d.keys)
        return "Major depressive disorder", {one.source.reference for one in depressions}
    return focus.words[:1].upper() + focus.words[1:], {one.source.reference for one in focus.diagnoses}


def amount(value: float) -> str:
    """Return a number as people write it: 50, 37.5."""
    return f"{value:g}"


def times_a_day(count: int) -> str:
    """Return ``once a day``, ``twice a day``, …"""
    return _TIMES.get(count, f"{count} times a day")


def _medication(candidate: Candidate, dose: Dose) -> dict[str, Any]:
    coding = [{"system": RXNORM, "code": dose.orderable, "display": dose.orderable_name}]
    if candidate.rxnorm:
        coding.append({"system": RXNORM, "code": candidate.rxnorm, "display": candidate.ingredient})
    return {"coding": coding, "text": dose.orderable_name}


def _dosage(dose: Dose) -> dict[str, Any]:
    each = dose.start_mg_per_day / dose.doses_per_day
    return {
        "text": f"{amount(each)} mg by mouth {times_a_day(dose.doses_per_day)}",
        "timing": {"repeat": {"frequency": dose.doses_per_day, "period": 1, "periodUnit": "d"}},
        "route": {"coding": [dict(ORAL)], "text": "by mouth"},
        "doseAndRate": [
            {"doseQuantity": {"value": _plain(each), "unit": "mg", "system": UCUM, "code": "mg"}},
        ],
    }


def _supply(dose: Dose, limit: Supply | None) -> dict[str, Any] | None:
    """Return how much of the starting dose to dispense; None where the quantity is left to the signer."""
    if limit is None:
        return None
    units = ceil(units_per_dose(dose) * dose.doses_per_day * limit.days)
    quantity = {"value": units, "unit": dose.form or "unit"}
    duration = {"value": limit.days, "unit": "days", "system": UCUM, "code": "d"}
    return {"numberOfRepeatsAllowed": limit.repeats, "quantity": quantity, "expectedSupplyDuration": duration}


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _note(candidate: Candidate, replaces: Sequence[str], warnings: Sequence[str]) -> str:
    parts = ["AI draft, not an order: a practitioner decides.", *warnings]
    if replaces:
        parts.append(f"Meant to replace {', '.join(replaces)}: plan the taper before both are ordered.")
    known = [r.message for r in candidate.reasons if not r.unknown and r.severity != "none"]
    asked = sorted({r.missing for r in candidate.reasons if r.unknown and r.missing})
    if known:
        parts.append("Watch: " + " ".join(known[:4]))
    if asked:
        parts.append("Not known: " + ", ".join(asked) + ".")
    return " ".join(parts)
