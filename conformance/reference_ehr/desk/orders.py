"""Order entry: what can be ordered here, an order while it is written, and what signing makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import uuid4

from conformance import plain_words as words
from conformance.reference_ehr.cohort.person import Product, products
from conformance.reference_ehr.dialects.elements import RXNORM, SNOMED, UCUM, coding, concept
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.patients import Account
from conformance.reference_ehr.refusals import Json, Refusal, invalid
from conformance.reference_ehr.search import search, values
from conformance.reference_ehr.validate import check_shape

MOST_MG, MOST_DAYS, DAYS = 1000, 365, 28
TIMES: Mapping[int, str] = {1: "once a day", 2: "twice a day", 3: "three times a day"}


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An order that nobody has signed: a MedicationRequest with status draft. ``of`` names the card it came from."""

    id: str
    order: Json
    of: str = ""

    @property
    def reference(self) -> str:
        """``MedicationRequest/id``, as the hooks' context has it."""
        return f"MedicationRequest/{self.id}"

    @property
    def drug(self) -> str:
        """The drug in words."""
        return words.drug(self.order)

    @property
    def dose(self) -> str:
        """The instruction in words."""
        return "; ".join(str(line.get("text", "")) for line in self.order.get("dosageInstruction", []))


def formulary() -> Mapping[str, Product]:
    """Return what can be ordered, by RxNorm code; see cohort/products.csv for the sources."""
    return {one.code: one for one in products().values() if one.system == "rxnorm" and one.mg is not None}


def begun(product: str, patient: str, reason: str | None, today: date) -> Unsigned:
    """Return a new order of a product of the formulary, one a day for four weeks until it is changed."""
    found = formulary().get(product)
    if found is None or found.mg is None:
        raise invalid("That drug cannot be ordered here.")
    drug = concept(coding(RXNORM, found.code, found.display), text=found.display)
    order: Json = {
        "resourceType": "MedicationRequest",
        "id": str(uuid4()),
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": drug,
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": today.isoformat(),
        **({"reasonReference": [{"reference": reason}]} if reason else {}),
    }
    return Unsigned(order["id"], _dosed(order, found.mg, 1, DAYS))


def accepted(resource: Json, patient: str, card: str) -> Unsigned:
    """Return a suggestion's resource as an unsigned order; refuses what is no order for this patient."""
    whose = resource.get("subject", {}).get("reference")
    if resource.get("resourceType") != "MedicationRequest" or whose != f"Patient/{patient}":
        raise Refusal(422, "processing", "U-REF-RESOURCE", "The suggestion is no drug order for this patient.")
    check_shape(resource, "MedicationRequest")
    return Unsigned(str(uuid4()), {**resource, "status": "draft"}, card)


def changed(held: Unsigned, mg: float, times: int, days: int) -> Unsigned:
    """Return the order with another dose: mg each time, times a day, days of supply."""
    if not (0 < mg <= MOST_MG and times in TIMES and 0 < days <= MOST_DAYS):
        raise invalid(f"A dose is up to {MOST_MG} mg, one to three times a day, for up to {MOST_DAYS} days.")
    return replace(held, order=_dosed(held.order, mg, times, days))


def _dosed(order: Json, mg: float, times: int, days: int) -> Json:
    amount = {"value": _whole(mg), "unit": "mg", "system": UCUM, "code": "mg"}
    dosage: Json = {
        "text": f"{mg:g} mg by mouth {TIMES[times]}",
        "timing": {"repeat": {"frequency": times, "period": 1, "periodUnit": "d"}},
        "route": concept(coding(SNOMED, "26643006", "Oral route")),
        "doseAndRate": [{"doseQuantity": amount}],
    }
    supply = {"value": days, "unit": "days", "system": UCUM, "code": "d"}
    kept = {name: value for name, value in order.items() if name != "dispenseRequest"}
    return {**kept, "dosageInstruction": [dosage], "dispenseRequest": {"expectedSupplyDuration": supply}}


def _whole(mg: float) -> int | float:
    return int(mg) if mg == int(mg) else mg


def present(held: Unsigned) -> tuple[str, int, int]:
    """Return mg each time, times a day and days of supply as a form shows them."""
    mg = _first(held, "dosageInstruction.doseAndRate.doseQuantity.value", 0)
    times = _first(held, "dosageInstruction.timing.repeat.frequency", 1)
    days = _first(held, "dispenseRequest.expectedSupplyDuration.value", DAYS)
    return f"{float(mg):g}", int(times), int(days)


def _first(held: Unsigned, path: str, otherwise: int) -> Any:
    return next(values(held.order, path), otherwise)


def drafts(unsigned: list[Unsigned]) -> Json:
    """Return the Bundle that the order hooks take as ``draftOrders``."""
    entries = [{"resource": {**one.order, "id": one.id}} for one in unsigned]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def may_sign(ehr: ReferenceEhr, account: Account, today: date) -> bool:
    """Say whether the registry has an active role of this user, in force today, that prescribes: a doctor's."""
    who = [("practitioner", account.fhir_user)]
    roles = [one.body for one in search(ehr.store, ehr.base, "PractitionerRole", who).matches]
    return any(role.get("active") and _in_force(role, today) and _is_doctor(role) for role in roles)


def _in_force(role: Json, today: date) -> bool:
    period = role.get("period", {})
    return period.get("start", "") <= today.isoformat() <= period.get("end", "9999")


def _is_doctor(role: Json) -> bool:
    return any(one.get("code") == "doctor" for code in role.get("code", []) for one in code.get("coding", []))


def sign(ehr: ReferenceEhr, held: Unsigned, account: Account, today: date) -> None:
    """Put the order into the record: active, an order, requested by the user."""
    order: Json = {
        **{name: value for name, value in held.order.items() if name != "id"},
        "status": "active",
        "intent": "order",
        "authoredOn": today.isoformat(),
        "requester": {"reference": account.fhir_user, "display": account.display},
    }
    check_shape(order, "MedicationRequest")
    ehr.store.create(order)
