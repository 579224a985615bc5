"""Where a dialect puts the drug of an order: inline, in a Medication of its own, or contained."""

import re
from collections.abc import Sequence
from typing import Any

from conformance.reference_ehr.dialects.elements import (
    RXNORM,
    Concept,
    Resource,
    code_in,
    concept,
    present,
    rewritten,
    without,
    words,
)

ORDERS = ("MedicationRequest", "MedicationStatement")
_SLUG = 40
_STRENGTH = re.compile(r"(\d+(?:\.\d+)?) ?mg\b", re.IGNORECASE)


def inlined(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart with every order naming its drug in itself; the Medications are gone.

    From there each dialect puts the drug where it keeps it. A reference to a Medication that is not in the
    chart stays as it is.
    """
    held = {f"Medication/{one.get('id')}": one for one in resources if one["resourceType"] == "Medication"}

    def inline(order: Resource) -> list[Resource]:
        return [_inlined(order, held)]

    def passed(medication: Resource) -> tuple[Resource, ...]:
        return ()

    return rewritten(resources, {"Medication": passed, **dict.fromkeys(ORDERS, inline)})


def _inlined(order: Resource, held: dict[str, Resource]) -> Resource:
    reference = order.get("medicationReference", {}).get("reference", "")
    within = {f"#{one.get('id')}": one for one in order.get("contained", ()) if one["resourceType"] == "Medication"}
    medication = within.get(reference) or held.get(reference)
    if medication is None:
        return order
    kept = [one for one in order["contained"] if one is not medication] if "contained" in order else []
    plain = {**without(order, "contained", "medicationReference"), "medicationCodeableConcept": _named(medication)}
    return {**plain, "contained": kept} if kept else plain


def _named(medication: Resource) -> Concept:
    named = medication.get("code")
    if named:
        return named
    parts = [words(one.get("itemCodeableConcept")) for one in medication.get("ingredient", ())]
    return concept(text=" / ".join(part for part in parts if part))


def drug_of(order: Resource) -> Concept:
    """Return the drug of an order that names it in itself."""
    return order.get("medicationCodeableConcept", {})


def with_drug(order: Resource, drug: Concept) -> Resource:
    """Return the order with another concept as its drug."""
    return {**order, "medicationCodeableConcept": drug}


def external(order: Resource, drug: Concept, *, display: bool, **elements: Any) -> list[Resource]:
    """Return the order with a reference to a Medication of its own, and that Medication.

    ``elements`` are further elements of the Medication.
    """
    if "medicationCodeableConcept" not in order:
        return [order]
    name = medication_id(drug)
    medication = {"resourceType": "Medication", "id": name, "code": drug, **elements}
    reference = present({"reference": f"Medication/{name}", "display": words(drug) if display else None})
    return [{**without(order, "medicationCodeableConcept"), "medicationReference": reference}, medication]


def contained(order: Resource, drug: Concept) -> Resource:
    """Return the order with its drug as a contained Medication."""
    if "medicationCodeableConcept" not in order:
        return order
    medication = {"resourceType": "Medication", "id": "drug", "code": drug}
    plain = without(order, "medicationCodeableConcept", "contained")
    return {
        **plain,
        "contained": [medication, *order.get("contained", ())],
        "medicationReference": {"reference": "#drug", "display": words(drug)},
    }


def medication_id(drug: Concept) -> str:
    """Return the id of the Medication of a drug: the same drug has the same one."""
    code, text = code_in(drug, RXNORM), words(drug)
    letters = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in text.lower())
    return f"drug-{code}" if code else f"drug-{letters[:_SLUG].strip('-') or 'unnamed'}"


def as_reported_order(statement: Resource) -> Resource:
    """Return a MedicationStatement as the MedicationRequest in which EHRs without statements keep it.

    Intent ``plan`` and ``reportedBoolean``: US Core "Medication List", and Oracle's home medications
    (fhir.cerner.com, medication-request.md).
    """
    period = statement.get("effectivePeriod", {})
    begun = statement.get("effectiveDateTime") or period.get("start")
    dosages = [_bounded(one, period) for one in statement.get("dosage", ())]
    if not dosages and period.get("end"):
        dosages = [_bounded({}, period)]
    status = {"intended": "active", "not-taken": "cancelled"}.get(statement["status"], statement["status"])
    kept = without(statement, "effectivePeriod", "effectiveDateTime", "dateAsserted", "dosage", "informationSource")
    return present(
        {
            **kept,
            "resourceType": "MedicationRequest",
            "status": status,
            "intent": "plan",
            "reportedBoolean": True,
            "authoredOn": begun,
            "dosageInstruction": dosages or None,
        }
    )


def pieces(dosage: Resource, drug: Concept) -> float | None:
    """Return how many pieces the dose of a dosage is, by the one strength in the drug's name; halves at the least.

    None where dose or strength is not in milligrams, or the dose is no such number of pieces.
    """
    strengths = _STRENGTH.findall(words(drug))
    rates = dosage.get("doseAndRate", [])
    quantity: Resource = rates[0].get("doseQuantity", {}) if len(rates) == 1 else {}
    if len(strengths) != 1 or quantity.get("code") != "mg" or "value" not in quantity:
        return None
    count = float(quantity["value"]) / float(strengths[0])
    return count if count * 2 == int(count * 2) and count else None


def piece_quantity(count: float, **unit: str) -> Resource:
    """Return that many pieces as a Quantity in the words of a dialect."""
    return {"value": int(count) if count == int(count) else count, **unit}


def period_of(order: Resource) -> Resource | None:
    """Return when the drug of an R4 order is or was taken, as its statement says it; None when it does not say.

    From ``authoredOn`` to the end of the one dosage's bounds, or of what may be dispensed when it has ended.
    """
    dosages = order.get("dosageInstruction", [])
    repeat: Resource = dosages[0].get("timing", {}).get("repeat", {}) if len(dosages) == 1 else {}
    bounds: Resource = repeat.get("boundsPeriod", {})
    ended = order["status"] in ("completed", "stopped")
    valid: Resource = order.get("dispenseRequest", {}).get("validityPeriod", {}) if ended else {}
    ends = [end for end in (bounds.get("end"), valid.get("end")) if end]
    return present({"start": order.get("authoredOn"), "end": max(ends, default=None)}) or None


def _bounded(dosage: Resource, period: Resource) -> Resource:
    timing = dosage.get("timing", {})
    repeat = {**timing.get("repeat", {}), **({"boundsPeriod": period} if period else {})}
    return {**dosage, "timing": {**timing, "repeat": repeat}} if repeat else dosage
