"""Faults of the charts: what lacks, contradicts, or is written in a way that nobody else knows."""

from collections.abc import Callable
from typing import Any

from conformance.reference_ehr.codec import is_list, is_object
from conformance.reference_ehr.faults.calls import Fault, each_resource
from conformance.reference_ehr.refusals import Json

_LOCAL = "urn:oid:1.2.3.4.5"
_DRUGS = ("MedicationRequest", "MedicationStatement")
_SODIUM = "2951-2"  # LOINC, as the reference charts have it


def _without(*names: str) -> Callable[[Json], Json]:
    return lambda one: {name: value for name, value in one.items() if name not in names}


def _broken(one: Json) -> Json:
    return {**one, "valueQuantity": "a text"} if "valueQuantity" in one else one


def _in_error(one: Json) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    return {**one, "verificationStatus": {"coding": [{"system": system, "code": "entered-in-error"}]}}


def _future(one: Json) -> Json:
    return {**one, "effectiveDateTime": "2099-01-01"} if "effectiveDateTime" in one else one


def _recoded(one: Json, change: Callable[[Json], Json]) -> Json:
    """Return the resource with each of its concepts changed that say what it is."""
    names = ("code", "medicationCodeableConcept")
    return {name: change(value) if name in names and is_object(value) else value for name, value in one.items()}


def _uncoded(one: Json) -> Json:
    def change(concept: Json) -> Json:
        return {"text": concept.get("text") or concept.get("coding", [{}])[0].get("display", "")}

    return _recoded(one, change)


def _local(one: Json) -> Json:
    """Return the resource with its codes under a system that nobody else knows."""

    def change(concept: Json) -> Json:
        codings = [{**coding, "system": _LOCAL} for coding in concept.get("coding", [])]
        return {**concept, "coding": codings}

    changed = _recoded(one, change)
    parts = changed.get("component")
    return {**changed, "component": [_recoded(part, change) for part in parts]} if is_list(parts) else changed


def _nameless(one: Json) -> Json:
    """Return the resource with a code and words that say nothing."""
    return _recoded(one, lambda _: {"coding": [{"system": _LOCAL, "code": "X1"}], "text": "zz"})


def _quantities(change: Callable[[Json], Json]) -> Callable[[Json], Json]:
    def changed(value: Any) -> Any:
        if is_list(value):
            return [changed(one) for one in value]
        if not is_object(value):
            return value
        return {
            name: change(inner) if name == "valueQuantity" and is_object(inner) else changed(inner)
            for name, inner in value.items()
        }

    return changed


def _odd(quantity: Json) -> Json:
    return {"value": quantity["value"], "unit": "mval/ltr"}


def _thousandfold(quantity: Json) -> Json:
    return {**quantity, "value": float(quantity["value"]) * 1000}


FAULTS: tuple[Fault, ...] = (
    Fault("no-ids", "leaves the id of Observations out", after=each_resource(_without("id"), "Observation")),
    Fault("broken-elements", "writes a text where a quantity stands", after=each_resource(_broken, "Observation")),
    Fault("odd-elements", "adds an element of its own to Observations",
          after=each_resource(lambda one: {**one, "vendorPriority": 1}, "Observation")),
    Fault("no-status", "leaves the status of orders out", after=each_resource(_without("status"), *_DRUGS)),
    Fault("entered-in-error", "serves problems that were entered in error as active",
          after=each_resource(_in_error, "Condition")),
    Fault("future-dates", "dates Observations in the year 2099", after=each_resource(_future, "Observation")),
    Fault("no-birth-date", "has no birth dates", after=each_resource(_without("birthDate"), "Patient")),
    Fault("uncoded-drugs", "names drugs in words alone", after=each_resource(_uncoded, *_DRUGS, "Medication")),
    Fault("local-drugs", "has codes of its own for drugs", after=each_resource(_nameless, *_DRUGS, "Medication")),
    Fault("local-problems", "has codes of its own for problems and allergies",
          after=each_resource(_nameless, "Condition", "AllergyIntolerance")),
    Fault("local-observations", "has codes of its own for Observations", after=each_resource(_local, "Observation")),
    Fault("no-units", "leaves units out",
          after=each_resource(_quantities(_without("unit", "system", "code")), "Observation")),
    Fault("odd-units", "has spellings of its own for units", after=each_resource(_quantities(_odd), "Observation")),
    Fault("wrong-unit", "writes numbers of another unit than it names",
          after=each_resource(_quantities(_thousandfold), "Observation")),
)  # fmt: skip
