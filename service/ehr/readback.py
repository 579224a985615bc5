"""What was signed against what the EHR now holds, field by field.

Only names of fields come out of here, never what stands in them. Servers may drop elements that they do not
support and say nothing, so an accepted create proves nothing by itself.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import msgspec

from service.errors import EhrFailed

# Elements that say nothing of the dose, or say it again in words.
_IGNORED = frozenset({"text", "display", "id", "extension", "patientInstruction", "version", "userSelected"})
_KEPT_BY_SOME = ("authoredOn", "basedOn", "reasonCode", "reasonReference")
_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def differences(signed: bytes, held: bytes, fhir_base: str) -> tuple[str, ...]:
    """Return the names of the fields in which the EHR's resource is not the signed order, sorted.

    EhrFailed U-EHR-ANSWER when the EHR's resource cannot be read.
    """
    ours = _DECODER.decode(signed)
    theirs = read_resource(held)
    checks = {
        "resourceType": ours["resourceType"] == theirs.get("resourceType"),
        "medication": _same_medication(ours, theirs, fhir_base),
        "dose": _same(ours.get("dosageInstruction"), theirs.get("dosageInstruction"), fhir_base),
        "dispenseRequest": _same(ours.get("dispenseRequest"), theirs.get("dispenseRequest"), fhir_base),
        "subject": same_reference(ours.get("subject"), theirs.get("subject"), fhir_base),
        "requester": same_reference(ours.get("requester"), theirs.get("requester"), fhir_base),
        "status": ours.get("status") == theirs.get("status"),
        "intent": ours.get("intent") == theirs.get("intent"),
        "identifier": _holds(ours.get("identifier"), theirs.get("identifier")),
        # A server may take an order only as a record of what is taken elsewhere, or turn its sense round.
        "reported": bool(ours.get("reportedBoolean")) == bool(theirs.get("reportedBoolean")),
        "doNotPerform": bool(ours.get("doNotPerform")) == bool(theirs.get("doNotPerform")),
        "modifierExtension": ours.get("modifierExtension") == theirs.get("modifierExtension"),
        "implicitRules": ours.get("implicitRules") == theirs.get("implicitRules"),
        "note": _notes(ours.get("note")) <= _notes(theirs.get("note")),
    }
    return tuple(sorted(name for name, same in checks.items() if not same))


def left_out(signed: bytes, held: bytes) -> tuple[str, ...]:
    """Return the names of what the EHR has not kept of a signed order that it may be in force without, sorted.

    ``meta.security`` says that a machine had a part in it, ``basedOn`` leads to the draft; the rest is why and when.
    """
    ours, theirs = _DECODER.decode(signed), read_resource(held)
    lost = {name for name in _KEPT_BY_SOME if name in ours and not theirs.get(name)}
    if not _labels(ours) <= _labels(theirs):
        lost.add("meta.security")
    return tuple(sorted(lost))


def differs_in(signed: bytes, held: bytes, fhir_base: str, fields: Container[str]) -> tuple[str, ...]:
    """Return those of ``fields`` in which the EHR's resource is not the signed order; as ``differences``."""
    return tuple(name for name in differences(signed, held, fhir_base) if name in fields)


def read_resource(raw: bytes) -> dict[str, Any]:
    """Return an EHR's resource with decimals kept; EhrFailed U-EHR-ANSWER when it is not one JSON object."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EhrFailed("U-EHR-ANSWER", "The EHR's resource cannot be read; ask its operators.") from error


def _same_medication(ours: Mapping[str, Any], theirs: Mapping[str, Any], fhir_base: str) -> bool:
    mine, held = ours.get("medicationCodeableConcept"), theirs.get("medicationCodeableConcept")
    if mine is None:
        return held is None and same_reference(
            ours.get("medicationReference"), theirs.get("medicationReference"), fhir_base
        )
    if not isinstance(mine, dict) or not isinstance(held, dict) or "medicationReference" in theirs:
        return False
    concept, answer = cast(dict[str, Any], mine), cast(dict[str, Any], held)
    return bool(concept.get("coding")) and _holds(concept.get("coding"), answer.get("coding"))


def _holds(mine: object, held: object) -> bool:
    """Say whether each of our codings or identifiers is among theirs; an EHR may add its own."""
    wanted, found = _keys(mine), _keys(held)
    return wanted <= found


def _keys(items: object) -> set[tuple[object, object]]:
    if not isinstance(items, list):
        return set()
    known = [cast(dict[str, Any], item) for item in cast(list[object], items) if isinstance(item, dict)]
    return {(_text(item.get("system")), _text(item.get("code", item.get("value")))) for item in known}


def _labels(resource: Mapping[str, Any]) -> set[tuple[object, object]]:
    meta = resource.get("meta")
    return _keys(cast("dict[str, Any]", meta).get("security")) if isinstance(meta, dict) else set()


def _notes(items: object) -> set[object]:
    """Return the texts of notes: what a signer wrote, which an EHR may add to and never leave out."""
    listed = cast("list[object]", items) if isinstance(items, list) else []
    return {_text(cast("dict[str, Any]", one).get("text")) for one in listed if isinstance(one, dict)}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def same_reference(mine: object, held: object, fhir_base: str) -> bool:
    """Say whether two references lead to the same resource of this EHR."""
    return _target(mine, fhir_base) == _target(held, fhir_base)


def _target(reference: object, fhir_base: str) -> str | None:
    if not isinstance(reference, dict):
        return None
    target = cast(dict[str, Any], reference).get("reference")
    # A version in the reference names the same resource (R4 references.html, 2.3.0.1).
    short = str(target).removeprefix(f"{fhir_base.rstrip('/')}/").split("/_history/")[0]
    return None if target is None else short


def _same(mine: object, held: object, fhir_base: str) -> bool:
    """Compare whole values in both directions: an element that the EHR adds to a dose may change it."""
    if isinstance(mine, bool) or isinstance(held, bool):
        return mine is held
    if isinstance(mine, int | Decimal) and isinstance(held, int | Decimal):
        return Decimal(mine) == Decimal(held)
    if isinstance(mine, dict) and isinstance(held, dict):
        return _same_object(cast(dict[str, Any], mine), cast(dict[str, Any], held), fhir_base)
    if isinstance(mine, list) and isinstance(held, list):
        return _same_list(cast(list[object], mine), cast(list[object], held), fhir_base)
    return mine == held


def _same_object(mine: Mapping[str, Any], held: Mapping[str, Any], fhir_base: str) -> bool:
    if "reference" in mine:
        return _target(mine, fhir_base) == _target(held, fhir_base)
    names = _telling(mine) | _telling(held)
    if not names:  # words alone, as what a dose is needed for: here they say it, and not again
        return mine.get("text") == held.get("text")
    return all(_same(mine.get(name), held.get(name), fhir_base) for name in names)


def _telling(item: Iterable[str]) -> set[str]:
    return {name for name in item if name not in _IGNORED}


def _same_list(mine: Sequence[object], held: Sequence[object], fhir_base: str) -> bool:
    return len(mine) == len(held) and all(_same(one, other, fhir_base) for one, other in zip(mine, held, strict=True))
