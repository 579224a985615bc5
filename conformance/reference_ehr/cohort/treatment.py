"""The orders of one simulated person: what was tried before, and the drug that was begun."""

from collections.abc import Iterator
from datetime import date, timedelta

from conformance.reference_ehr.cohort.person import Person, Product, earlier_drugs, products
from conformance.reference_ehr.dialects.elements import RXNORM, SNOMED, UCUM, Resource, coding, concept

_SYSTEMS = {"rxnorm": RXNORM, "atc": "http://www.whocc.no/atc"}
_REASON = "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason"
_TRIAL, _PAUSE = 60, 10  # days of an earlier drug, and between two


def orders(person: Person) -> Iterator[Resource]:
    """Yield the earlier orders, and that of the drug begun.

    When it is not known what was tried, one earlier order was stopped and nobody wrote when.
    """
    number = 1 if person.trials is None else person.trials
    for i, product in enumerate(earlier_drugs(person, number)):
        end = person.day - timedelta(days=_PAUSE + i * (_TRIAL + _PAUSE))
        stopped = None if person.trials is None else end
        order = _order(person, f"earlier-{i + 1}", product, end - timedelta(days=_TRIAL), stopped)
        yield {**order, "status": "stopped"}
    yield _begun(person)


def _begun(person: Person) -> Resource:
    ended = None if person.stopped is None else person.day + timedelta(days=7 * person.stopped)
    order = _order(person, "order", products()[person.drug], person.day, ended)
    if ended is None:
        return order
    why = coding(_REASON, "sintol", "Suspected intolerance") if person.adverse else None
    return {**order, "status": "stopped", **({"statusReason": concept(why)} if why else {})}


def _order(person: Person, name: str, product: Product, start: date, end: date | None) -> Resource:
    drug = concept(coding(_SYSTEMS[product.system], product.code, product.display), text=product.display)
    return {
        "resourceType": "MedicationRequest",
        "id": f"{person.id}-{name}",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": drug,
        "subject": {"reference": f"Patient/{person.id}"},
        "authoredOn": start.isoformat(),
        "requester": {"display": "Prescriber of a simulated site"},
        "dosageInstruction": [_dosage(product, start, end)],
    }


def _dosage(product: Product, start: date, end: date | None) -> Resource:
    bounds = {"start": start.isoformat(), **({"end": end.isoformat()} if end else {})}
    timing = {"repeat": {"boundsPeriod": bounds, "frequency": 1, "period": 1, "periodUnit": "d"}}
    route = concept(coding(SNOMED, "26643006", "Oral route"))
    if product.mg is None:
        return {"text": "Take by mouth once a day", "timing": timing, "route": route}
    amount = {"value": int(product.mg), "unit": "mg", "system": UCUM, "code": "mg"}
    return {
        "text": f"Take {product.mg:g} mg by mouth once a day",
        "timing": timing,
        "route": route,
        "doseAndRate": [{"doseQuantity": amount}],
    }
