"""The last look at what is about to be signed or written: our own strict gate, then the R4B models.

The models alone let through unknown statuses, negative doses, empty subjects and invisible characters, so
each of these is asked for here by name; what they do know, cardinalities and types, is left to them.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from service.drafts.canonical_json import dumps
from service.drafts.order import dosage_steps, dosages, order_elements, quantities
from service.errors import Unprocessable

_ID: Final = r"[A-Za-z0-9\-.]{1,64}"
_LOCAL: Final = re.compile(rf"[A-Z][A-Za-z]{{1,63}}/{_ID}(/_history/{_ID})?")
_ABSOLUTE: Final = re.compile(
    rf"(https?://[^\s<>\"|^`{{}}\\]+/[A-Z][A-Za-z]+/{_ID}(/_history/{_ID})?|urn:uuid:[0-9a-f-]{{36}})"
)
_PATIENT: Final = re.compile(rf"Patient/{_ID}")
_PRACTITIONER: Final = re.compile(rf"Practitioner/{_ID}")
# Unicode's categories of what is not seen as it stands: controls, formats (also those that change the order in which
# a text is read, join letters, or tag), breaks that a page shows as none, and what has no shape that all readers share:
# unassigned, for private use, half a character. Emoji and scripts that need a joiner are refused with it: an order's
# words are not the place for them.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Letters and marks that are blank all the same: those of Default_Ignorable_Code_Point in Unicode's
# DerivedCoreProperties.txt that are in none of these categories, and the braille pattern without a dot.
_BLANK: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
_MOST_CHARACTERS: Final = 2000


def check_order(order: Mapping[str, Any], patient: str, status: str = "active") -> None:
    """Refuse an order that is not exactly an R4 order of this status, of a practitioner, for this patient.

    Unprocessable: U-ORDER-INCOMPLETE, U-ORDER-DOSE (dosage), U-ORDER-ELEMENT, U-ORDER-INVALID naming the element.
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
    dosage_steps.check(order.get("dosageInstruction"))
    _check_supply(order.get("dispenseRequest"))
    order_elements.check(order)
    _check_texts(order)
    check_model(order)


def is_shown(text: str) -> bool:
    """Say whether a page shows every character of a text, and there is something to show."""
    seen = (one in "\n\t" or not (one in _BLANK or unicodedata.category(one) in _UNSEEN) for one in text)
    return bool(text.strip()) and all(seen)


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
    if "quantity" in found:
        quantities.positive(dosages.mapping(found["quantity"]).get("value"), "dispenseRequest.quantity")
    if "expectedSupplyDuration" in found:
        duration = dosages.mapping(found["expectedSupplyDuration"])
        quantities.check_duration(duration, "dispenseRequest.expectedSupplyDuration")
    if "numberOfRepeatsAllowed" in found:
        quantities.whole(found["numberOfRepeatsAllowed"], "dispenseRequest.numberOfRepeatsAllowed", least=0)


def _check_texts(order: Mapping[str, Any]) -> None:
    for path, value in order_elements.leaves(order):
        if path.endswith("reference"):
            known = isinstance(value, str) and (_LOCAL.fullmatch(value) or _ABSOLUTE.fullmatch(value))
            _need(bool(known), path)
        if isinstance(value, str):
            _need(is_shown(value), path, "it is empty, or holds a character that is not seen")
            _need(len(value) <= _MOST_CHARACTERS, path, f"it is longer than {_MOST_CHARACTERS} characters")


def _matches(pattern: re.Pattern[str], reference: object) -> bool:
    found = dosages.mapping(reference).get("reference")
    return isinstance(found, str) and pattern.fullmatch(found) is not None


def _need(holds: bool, element: str, why: str = "") -> None:
    if not holds:
        raise _invalid(f"{element}: {why}" if why else element)


def _invalid(element: str) -> Unprocessable:
    return Unprocessable("U-ORDER-INVALID", f"the order cannot be signed as it is: {element}; correct it")
