"""The last look at what is about to be signed or written: our own strict gate, then the R4B models.

The models alone let through unknown statuses, negative doses, empty subjects and invisible characters, so
each of these is asked for here by name; what they do know, cardinalities and types, is left to them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from service.drafts import dosages
from service.drafts.canonical_json import dumps
from service.errors import Unprocessable

_ID: Final = r"[A-Za-z0-9\-.]{1,64}"
_LOCAL: Final = re.compile(rf"[A-Z][A-Za-z]{{1,63}}/{_ID}(/_history/{_ID})?")
_ABSOLUTE: Final = re.compile(
    rf"(https?://[^\s<>\"|^`{{}}\\]+/[A-Z][A-Za-z]+/{_ID}(/_history/{_ID})?|urn:uuid:[0-9a-f-]{{36}})"
)
_PATIENT: Final = re.compile(rf"Patient/{_ID}")
_PRACTITIONER: Final = re.compile(rf"Practitioner/{_ID}")
# Control characters, and those that change the order in which a text is read (Unicode UAX #9).
_HIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_REFUSED: Final = ("modifierExtension", "implicitRules", "contained")


def check_order(order: Mapping[str, Any], patient: str, status: str = "active") -> None:
    """Refuse an order that is not exactly an R4 order of this status, of a practitioner, for this patient.

    Unprocessable: U-ORDER-INCOMPLETE, U-ORDER-DOSE (dosage), U-ORDER-INVALID naming the element.
    """
    _need(order.get("resourceType") == "MedicationRequest", "resourceType")
    _need(order.get("status") == status, "status")
    _need(order.get("intent") == "order", "intent")
    _need(not order.get("doNotPerform", False), "doNotPerform")
    _need(_matches(_PATIENT, order.get("subject")), "subject")
    _need(order["subject"]["reference"] == f"Patient/{patient.removeprefix('Patient/')}", "subject")
    _need(_matches(_PRACTITIONER, order.get("requester")), "requester")
    _check_medication(order)
    dosages.check(order.get("dosageInstruction"))
    _check_supply(order.get("dispenseRequest"))
    _check_everywhere(order)
    check_model(order)


def check_model(resource: Mapping[str, Any]) -> None:
    """Refuse what the R4B model of its type refuses; Unprocessable U-ORDER-INVALID naming the elements."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    try:
        model: Any = get_fhir_model_class(str(resource["resourceType"]))
        model.model_validate_json(dumps(resource))
    except ValidationError as error:
        found = {".".join(str(part) for part in fault["loc"]) for fault in error.errors(include_input=False)}
        raise _invalid(", ".join(sorted(found)[:5]) or "resource") from error


def _check_medication(order: Mapping[str, Any]) -> None:
    codings = dosages.sequence(dosages.mapping(order.get("medicationCodeableConcept")).get("coding"))
    _need("medicationReference" not in order and bool(codings), "medication")
    for coding in map(dosages.mapping, codings):
        _need(bool(coding.get("system")) and bool(coding.get("code")), "medication")


def _check_supply(supply: object) -> None:
    found = dosages.mapping(supply)
    _need(supply is None or bool(found), "dispenseRequest")
    for name in ("quantity", "expectedSupplyDuration"):
        if name in found:
            dosages.positive(dosages.mapping(found[name]).get("value"), f"dispenseRequest.{name}")
    repeats = found.get("numberOfRepeatsAllowed", 0)
    _need(isinstance(repeats, int) and not isinstance(repeats, bool) and repeats >= 0, "numberOfRepeatsAllowed")


def _check_everywhere(order: Mapping[str, Any]) -> None:
    for path, name, value in _elements(order, ""):
        _need(name not in _REFUSED, path)
        if name == "reference" and not isinstance(value, dict):
            known = isinstance(value, str) and (_LOCAL.fullmatch(value) or _ABSOLUTE.fullmatch(value))
            _need(bool(known), path)
        if isinstance(value, str):
            _need(bool(value.strip()) and not _HIDDEN.search(value), path)


def _elements(value: object, path: str) -> Iterator[tuple[str, str, object]]:
    """Yield every element below, with its path and name; members of a list under the list's own."""
    if isinstance(value, dict):
        for name, child in cast(dict[str, object], value).items():
            below = f"{path}.{name}" if path else name
            for one in cast(list[object], child) if isinstance(child, list) else [child]:
                yield below, name, one
                yield from _elements(one, below)


def _matches(pattern: re.Pattern[str], reference: object) -> bool:
    found = dosages.mapping(reference).get("reference")
    return isinstance(found, str) and pattern.fullmatch(found) is not None


def _need(holds: bool, element: str) -> None:
    if not holds:
        raise _invalid(element)


def _invalid(element: str) -> Unprocessable:
    return Unprocessable("U-ORDER-INVALID", f"the order cannot be signed as it is: {element}; correct it")
