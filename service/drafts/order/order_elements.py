"""Which elements an order may have: those that its signer is shown, and no other.

An allow-list, since an element that is not shown would be signed unseen: one that changes a dose (``timing.code``,
``additionalInstruction``) as well as an extension of anything. Paths are R4's, without the places in lists.
"""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from service.errors import Unprocessable

_CODING: Final = ("system", "code", "display")
_AMOUNT: Final = ("value", "unit", "system", "code")


def _below(path: str, *names: str) -> frozenset[str]:
    return frozenset(f"{path}.{name}" for name in names)


# What a signer may edit: each of them is in the words of its line (``dosage_words``, ``supplies``, the note itself).
EDITED: Final = (
    _below("note", "text", "authorReference.reference")
    | _below("dosageInstruction", "text", "sequence", "asNeededBoolean", "asNeededCodeableConcept.text")
    | _below("dosageInstruction.timing.repeat", "frequency", "frequencyMax", "period", "periodUnit", "when")
    | _below("dosageInstruction.timing.repeat.boundsPeriod", "start", "end")
    | _below("dosageInstruction.timing.repeat.boundsDuration", *_AMOUNT)
    | _below("dosageInstruction.doseAndRate.doseQuantity", *_AMOUNT)
    | _below("dosageInstruction.doseAndRate.doseRange.low", *_AMOUNT)
    | _below("dosageInstruction.doseAndRate.doseRange.high", *_AMOUNT)
    | _below("dispenseRequest", "numberOfRepeatsAllowed", "validityPeriod.start", "validityPeriod.end")
    | _below("dispenseRequest.quantity", *_AMOUNT)
    | _below("dispenseRequest.expectedSupplyDuration", *_AMOUNT)
)
# What the draft, the signer's sign-in and the clock give: no edit changes it.
SAID: Final = frozenset(
    {"status", "intent", "medicationCodeableConcept.text", "reasonCode.text", "identifier.value"}
) | (frozenset({"requester.display", "dosageInstruction.route.text"}))
# The same, shown path by path below the words.
CARRIED: Final = (
    frozenset({"resourceType", "meta.profile", "subject.reference", "requester.reference", "authoredOn"})
    | frozenset({"identifier.system", "basedOn.reference", "supportingInformation.reference"})
    | frozenset({"reasonReference.reference", "reasonReference.display"})
    | _below("meta.security", *_CODING)
    | _below("medicationCodeableConcept.coding", *_CODING)
    | _below("reasonCode.coding", *_CODING)
    | _below("dosageInstruction.route.coding", *_CODING)
)
ALLOWED: Final = EDITED | SAID | CARRIED


def check(order: Mapping[str, object]) -> None:
    """Refuse an order with an element that its signer would not be shown: Unprocessable U-ORDER-ELEMENT naming it."""
    for path, value in leaves(order):
        if path not in ALLOWED or value is None:
            msg = f"the order has {path}, which its signer would not be shown; leave it out, or say it in a note"
            raise Unprocessable("U-ORDER-ELEMENT", msg)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield path and value of every element that has no element below it, of what is empty too."""
    if isinstance(value, dict) and value:
        for name, child in cast(dict[str, object], value).items():
            yield from leaves(child, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for child in cast(list[object], value):
            yield from leaves(child, path)
    else:
        # An empty object or list says nothing at all, and is refused for what it is.
        yield (f"{path} (empty)" if isinstance(value, dict | list) else path), value
