"""FHIR resources in plain words for a reader who prescribes: charts, orders and their parts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

Json = Mapping[str, Any]
Fact = tuple[str, str]
_UNITS = {"d": "day", "h": "hour", "wk": "week", "mo": "month", "min": "minute"}


def day(text: str | None) -> str:
    """Return a FHIR date as ``3 Nov 2026``; other precision as it stands."""
    if not text or len(text) < 10:
        return text or "no date"
    found = date.fromisoformat(text[:10])
    return f"{found.day} {found:%b %Y}"


def concept(value: Json) -> str:
    """Return the text of a CodeableConcept, else the display or code of its first coding."""
    codings: list[Json] = [*value.get("coding", []), {}]
    coding = codings[0]
    return str(value.get("text") or coding.get("display") or coding.get("code") or "no name")


def full_name(resource: Json) -> str:
    """Return the name of a Patient or Practitioner."""
    name = resource["name"][0]
    family: str | list[str] = name.get("family", "")
    families = [family] if isinstance(family, str) else family  # a list in DSTU2
    return " ".join([*name.get("prefix", []), *name.get("given", []), *families]).strip()


def age(patient: Json, on: date) -> int:
    """Return the age in whole years; the birth date has to be a full one."""
    born = date.fromisoformat(patient["birthDate"])
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def drug(resource: Json) -> str:
    """Return the drug of an order or statement, also a contained one; ``medication`` is R5's."""
    named: Json = resource.get("medicationCodeableConcept") or resource.get("medication", {}).get("concept", {})
    if named:
        return concept(named)
    reference = _medication_reference(resource)
    for contained in resource.get("contained", []):
        if reference.get("reference") == f"#{contained.get('id')}":
            return concept(contained.get("code", {}))
    return str(reference.get("display", "a drug without a name"))


def unnamed_medication(resource: Json) -> str | None:
    """Return ``Medication/id`` of an order that names its drug in that resource only, else None."""
    reference = _medication_reference(resource)
    address = str(reference.get("reference", ""))
    return address if address.startswith("Medication/") and "display" not in reference else None


def _medication_reference(resource: Json) -> Json:
    return resource.get("medicationReference") or resource.get("medication", {}).get("reference", {})


def result(observation: Json) -> str:
    """Return the value of an Observation with its unit; components joined by a stroke."""
    parts = [observation, *observation.get("component", [])]
    quantities = [part["valueQuantity"] for part in parts if "valueQuantity" in part]
    if not quantities:
        said = observation.get("valueString", observation.get("valueInteger"))
        return concept(observation.get("valueCodeableConcept", {})) if said is None else str(said)
    unit = quantities[0].get("unit", "")
    shown = "/".join(f"{quantity['value']:g}" for quantity in quantities)
    return shown if unit.startswith("{") else f"{shown} {unit}".strip()


def order_facts(order: Json) -> list[Fact]:
    """Return everything of an order that decides what the patient gets, element by element."""
    facts = [("drug", drug(order))]
    for dosage in order.get("dosageInstruction", []):
        facts += _dosage_facts(dosage)
    facts += _supply_facts(order.get("dispenseRequest", {}))
    facts.append(("for", listed(concept(reason) for reason in order.get("reasonCode", []))))
    problems = [str(r.get("display") or r.get("reference")) for r in order.get("reasonReference", [])]
    facts += [("problem on record", ", ".join(problems))] if problems else []
    facts.append(("kind of record", f"status {order.get('status')}, intent {order.get('intent')}"))
    requester = order.get("requester", {})
    facts.append(("ordered by", str(requester.get("display") or requester.get("reference"))))
    facts += [("note", note["text"]) for note in order.get("note", [])]
    return facts


def listed(texts: Iterable[str]) -> str:
    """Return texts joined by semicolons, or "none on record"."""
    return "; ".join(texts) or "none on record"


def _dosage_facts(dosage: Json) -> list[Fact]:
    facts = [("dose", str(dosage["text"]))] if "text" in dosage else []
    coded = [*_amounts(dosage.get("doseAndRate", [])), _timing(dosage.get("timing", {}))]
    if "route" in dosage:
        coded.append(concept(dosage["route"]).lower())
    if dosage.get("asNeededBoolean"):
        coded.append("as needed")
    facts.append(("dose as coded", ", ".join(filter(None, coded)) or "nothing coded"))
    if "patientInstruction" in dosage:
        facts.append(("to the patient", str(dosage["patientInstruction"])))
    return facts


def _amounts(rates: Sequence[Json]) -> list[str]:
    quantities = [rate["doseQuantity"] for rate in rates if "doseQuantity" in rate]
    return [f"{quantity['value']:g} {quantity.get('unit') or quantity.get('code')}" for quantity in quantities]


def _timing(timing: Json) -> str:
    repeat: Json = timing.get("repeat", {})
    if "frequency" not in repeat:
        return concept(timing["code"]) if "code" in timing else ""
    times = "once" if repeat["frequency"] == 1 else f"{repeat['frequency']} times"
    period, unit = repeat.get("period", 1), _UNITS.get(repeat.get("periodUnit", "d"), "period")
    return f"{times} every {unit}" if period == 1 else f"{times} every {period:g} {unit}s"


def _supply_facts(request: Json) -> list[Fact]:
    facts: list[Fact] = []
    if "quantity" in request:
        quantity = request["quantity"]
        facts.append(("quantity", f"{quantity['value']:g} {quantity.get('unit', '')}".strip()))
    if "expectedSupplyDuration" in request:
        supply = request["expectedSupplyDuration"]
        facts.append(("supply", f"{supply['value']:g} {supply.get('unit', '')}".strip()))
    if "numberOfRepeatsAllowed" in request:
        facts.append(("refills", str(request["numberOfRepeatsAllowed"])))
    return facts or [("supply", "not stated in the order")]
