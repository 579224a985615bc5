"""The gate in front of the record: what a client writes is checked before it is stored.

The R4B models of fhir.resources check structure but not codes, and they hold for R4 as far as the types here
go; the required codes, the people and the patient are checked on top.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from conformance.reference_ehr.discovery import CREATABLE
from conformance.reference_ehr.refusals import Json, Refusal
from conformance.reference_ehr.search import local_reference, values
from conformance.reference_ehr.store import Store

_INTENTS = frozenset(
    {"proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"}
)
# http://hl7.org/fhir/R4/valueset-medicationrequest-status.html, …-intent.html, document-reference-status,
# task-status and task-intent: all required bindings.
CODES: Mapping[tuple[str, str], frozenset[str]] = {
    ("MedicationRequest", "status"): frozenset(
        {"active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown"}
    ),
    ("MedicationRequest", "intent"): _INTENTS,
    ("DocumentReference", "status"): frozenset({"current", "superseded", "entered-in-error"}),
    ("Task", "status"): frozenset(
        {
            "draft",
            "requested",
            "received",
            "accepted",
            "rejected",
            "ready",
            "cancelled",
            "in-progress",
            "on-hold",
            "failed",
            "completed",
            "entered-in-error",
        }
    ),
    ("Task", "intent"): _INTENTS | {"unknown"},
}
_PATIENT_PATH = {"MedicationRequest": "subject", "DocumentReference": "subject", "Task": "for"}
_PEOPLE = ("requester", "recorder", "performer", "author", "owner", "agent.who")


def check_shape(body: Json, resource_type: str) -> None:
    """Refuse what is not a resource of that type, or holds a code outside a required binding."""
    if body.get("resourceType") != resource_type:
        raise _unprocessable("resourceType is not the type that is being written.")
    if resource_type not in CREATABLE:
        raise Refusal(405, "not-supported", "U-REF-READ-ONLY", "This type is read only here.")
    try:
        _model(resource_type).model_validate(body)
    except ValidationError as error:
        raise _unprocessable(f"Not a valid R4 {resource_type}: {_places(error)}.") from None
    except RecursionError:
        raise _unprocessable("The resource is nested too deeply.") from None
    for (of_type, element), codes in CODES.items():
        if of_type == resource_type and body.get(element) not in codes:
            raise _unprocessable(f"{element} is missing or not a code of its required value set.")


def check_references(store: Store, base: str, body: Json, patient: str | None) -> None:
    """Refuse a resource whose patient or people are not in this EHR.

    ``patient`` is ``Patient/id`` when the token, or the version before, says whose record it has to be.
    """
    path = _PATIENT_PATH.get(body["resourceType"])
    if path is not None:
        found = local_reference(body.get(path), base)
        if found is None or not found.startswith("Patient/") or store.find(found) is None:
            raise _unprocessable(f"{path} has to be a Patient of this EHR.")
        if patient is not None and found != patient:
            raise Refusal(403, "forbidden", "U-REF-PATIENT", f"{path} is another patient.")
    for place in _PEOPLE:
        for reference in values(body, place):
            _check_person(store, base, place, reference)
    for reference in values(body, "target"):
        local = local_reference(reference, base)
        if local is not None and store.find(local.partition("/_history")[0]) is None:
            raise _unprocessable("target is not in this EHR.")


def patient_of(body: Json, base: str) -> str | None:
    """Return ``Patient/id`` of the person whose resource this is, None where it is nobody's."""
    if body["resourceType"] == "Patient":
        return f"Patient/{body['id']}"
    for path in ("subject", "patient", "for"):
        found = local_reference(body.get(path), base)
        if found is not None and found.startswith("Patient/"):
            return found
    return None


def _check_person(store: Store, base: str, place: str, reference: Any) -> None:
    """A Practitioner or PractitionerRole named as the actor must exist; others may live elsewhere."""
    local = local_reference(reference, base)
    if local is not None and local.startswith("Practitioner") and store.find(local) is None:
        raise _unprocessable(f"{place} is a practitioner that this EHR does not have.")


@cache
def _model(resource_type: str) -> Any:
    """Import the model when it is first needed: the models cost half a second that a read-only run saves."""
    return getattr(import_module(f"fhir.resources.R4B.{resource_type.lower()}"), resource_type)


def _places(error: ValidationError) -> str:
    """Name elements and kinds of fault only: an answer must not repeat a patient's values."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))} ({fault['type']})" for fault in faults[:5])


def _unprocessable(message: str) -> Refusal:
    return Refusal(422, "processing", "U-REF-RESOURCE", message)
