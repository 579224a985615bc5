"""May this practitioner prescribe: Practitioner and PractitionerRole as the EHR has them now."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec

from fhir_adapters import dates
from service.errors import EhrFailed, Forbidden


class _Coding(msgspec.Struct, frozen=True):
    system: str | None = None
    code: str | None = None


class _Concept(msgspec.Struct, frozen=True):
    coding: list[_Coding] = []


class _Period(msgspec.Struct, frozen=True):
    start: str | None = None
    end: str | None = None


class _Reference(msgspec.Struct, frozen=True):
    reference: str | None = None


class _Practitioner(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    id: str | None = None
    active: bool | None = None


class _Role(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    id: str | None = None
    active: bool | None = None
    practitioner: _Reference | None = None
    period: _Period | None = None
    code: list[_Concept] = []


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw()


class _Page(msgspec.Struct, frozen=True):
    entry: list[_Entry] = []


class _Typed(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815


@cache
def shipped_role_codes() -> frozenset[str]:
    """Return the verified prescriber role codes as ``system|code``."""
    text = (files("service") / "data" / "prescriber_roles.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return frozenset(f"{row['system']}|{row['code']}" for row in rows if row["verified"] == "true")


def check_practitioner(raw: bytes, reference: str) -> None:
    """Pass only an active Practitioner of that reference; Forbidden U-SIGNER-UNKNOWN, U-SIGNER-INACTIVE."""
    try:
        practitioner = msgspec.json.decode(raw, type=_Practitioner)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable("Practitioner") from error
    if practitioner.resourceType != "Practitioner" or f"Practitioner/{practitioner.id}" != reference:
        raise Forbidden("U-SIGNER-UNKNOWN", "The EHR does not know this practitioner; sign in again.")
    if practitioner.active is not True:
        raise Forbidden(
            "U-SIGNER-INACTIVE", "The EHR does not have this practitioner as active; ask the EHR's registry."
        )


def prescribing_role(pages: Sequence[bytes], references: frozenset[str], codes: frozenset[str], today: date) -> str:
    """Return the reference of a role that lets the practitioner prescribe today; Forbidden U-SIGNER-ROLE.

    ``references`` are the spellings of the practitioner's reference: an EHR may ignore the search parameter
    and answer with other people's roles.
    """
    for role in _roles(pages):
        owner = role.practitioner.reference if role.practitioner else None
        if role.id and owner in references and _serves(role, codes, today):
            return f"PractitionerRole/{role.id}"
    raise Forbidden(
        "U-SIGNER-ROLE",
        "No active PractitionerRole of this practitioner may prescribe; ask the EHR's registry, or add the "
        "site's role code to ehr.users.prescriber_role_codes.",
    )


def _serves(role: _Role, codes: frozenset[str], today: date) -> bool:
    held = {f"{coding.system}|{coding.code}" for concept in role.code for coding in concept.coding}
    return role.active is True and _within(role.period, today) and bool(held & codes)


def _within(period: _Period | None, today: date) -> bool:
    if period is None:
        return True
    start, end = dates.parse(period.start), dates.parse(period.end)
    # A boundary that is written but cannot be read is not taken for an open one.
    unreadable = (period.start and start is None) or (period.end and end is None)
    if unreadable:
        return False
    return (start is None or start.first <= today) and (end is None or today <= end.last)


def _roles(pages: Sequence[bytes]) -> Iterable[_Role]:
    try:
        for page in pages:
            for entry in msgspec.json.decode(page, type=_Page).entry:
                if entry.resource and _type(entry.resource) == "PractitionerRole":
                    yield msgspec.json.decode(entry.resource, type=_Role)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable("PractitionerRole") from error


def _type(resource: msgspec.Raw) -> str:
    return msgspec.json.decode(resource, type=_Typed).resourceType


def _unreadable(kind: str) -> EhrFailed:
    return EhrFailed("U-EHR-ANSWER", f"The EHR's {kind} cannot be read; ask its operators.")
