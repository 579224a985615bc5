"""What an EHR declares that it does (R4 CapabilityStatement), as far as a write-back needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from service.errors import EhrFailed

# What orders and documents are searched by: ours by its identifier, those that may be it by patient and status.
_SEARCHED_BY: Final = {
    "MedicationRequest": ("identifier", "patient", "status"),
    "DocumentReference": ("identifier", "patient"),
}


class _Code(msgspec.Struct, frozen=True):
    code: str = ""


class _Name(msgspec.Struct, frozen=True):
    name: str = ""


class _Resource(msgspec.Struct, frozen=True):
    type: str = ""
    interaction: list[_Code] = []
    searchParam: list[_Name] = []  # noqa: N815
    conditionalCreate: bool = False  # noqa: N815
    updateCreate: bool = False  # noqa: N815


class _Rest(msgspec.Struct, frozen=True):
    mode: str = ""
    resource: list[_Resource] = []


class _Statement(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    rest: list[_Rest] = []


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Resource type → what is declared for it: interaction codes, ``?name`` of search parameters, and
    ``conditionalCreate`` and ``updateCreate`` where they are true."""

    declared: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def has(self, kind: str, what: str) -> bool:
        """Say whether one thing is declared for a type."""
        return what in self.declared.get(kind, frozenset())

    def lacking(self, mode: str) -> tuple[str, ...]:
        """Return what a mode of write-back needs and the EHR does not declare, as ``Type: what``."""
        kind = "DocumentReference" if mode == "document-only" else "MedicationRequest"
        searched = (f"?{name}" for name in _SEARCHED_BY[kind])
        wanted = [(kind, what) for what in ("create", "read", "search-type", *searched)]
        if mode == "card":
            return ()
        if kind == "MedicationRequest":
            wanted.append(("Provenance", "create"))
        lacking = [f"{one}: {what}" for one, what in wanted if not self.has(one, what)]
        if kind == "MedicationRequest" and not (self.has(kind, "conditionalCreate") or self.has(kind, "updateCreate")):
            lacking.append(f"{kind}: conditionalCreate")
        return tuple(lacking)


def parse(raw: bytes) -> Capabilities:
    """Read a CapabilityStatement; EhrFailed U-EHR-ANSWER for anything else."""
    try:
        statement = msgspec.json.decode(raw, type=_Statement)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EhrFailed("U-EHR-ANSWER", "The EHR's CapabilityStatement cannot be read; ask its operators.") from error
    if statement.resourceType != "CapabilityStatement":
        raise EhrFailed("U-EHR-ANSWER", "The EHR answers /metadata with something else; ask its operators.")
    listed = [one for rest in statement.rest if rest.mode == "server" for one in rest.resource]
    return Capabilities({one.type: _declared(one) for one in listed})


def _declared(one: _Resource) -> frozenset[str]:
    known = {code.code for code in one.interaction} | {f"?{parameter.name}" for parameter in one.searchParam}
    flags = {"conditionalCreate": one.conditionalCreate, "updateCreate": one.updateCreate}
    return frozenset(known | {name for name, on in flags.items() if on})
