"""May this practitioner prescribe: Practitioner and PractitionerRole as the EHR has them now."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    specialty: list[_Concept] = []


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw()


class _Page(msgspec.Struct, frozen=True):
    entry: list[_Entry] = []


class _Typed(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815


@dataclass(frozen=True, slots=True)
class Prescriber:
    """The reference of a PractitionerRole that lets somebody prescribe, and whether any role is a specialist's."""

    role: str
    specialist: bool = False


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


def prescribing_role(
    pages: Sequence[bytes],
    references: frozenset[str],
    codes: frozenset[str],
    now: datetime,
    specialist_codes: frozenset[str] = frozenset(),
) -> Prescriber:
    """Return the first role that lets the practitioner prescribe ``now`` (UTC); Forbidden U-SIGNER-ROLE.

    ``references`` are the spellings of the practitioner's reference: an EHR may ignore the search parameter
    and answer with other people's roles. ``specialist_codes`` are looked for in code and specialty of the roles held
    now.
    """
    own = [role for role in _roles(pages) if role.id and _owner(role) in references and _in_force(role, now)]
    for role in own:
        if _codes(role.code) & codes:
            specialist = any(_codes(one.code + one.specialty) & specialist_codes for one in own)
            return Prescriber(f"PractitionerRole/{role.id}", specialist)
    raise Forbidden(
        "U-SIGNER-ROLE",
        "No active PractitionerRole of this practitioner may prescribe; ask the EHR's registry, or add the "
        "site's role code to ehr.users.prescriber_role_codes.",
    )


def check_role(raw: bytes, references: frozenset[str], codes: frozenset[str], at: datetime) -> None:
    """Pass only a PractitionerRole of that practitioner that let prescribe at a time; Forbidden U-SIGNER-ROLE."""
    try:
        role = msgspec.json.decode(raw, type=_Role)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable("PractitionerRole") from error
    if _owner(role) not in references or not _in_force(role, at) or not _codes(role.code) & codes:
        raise Forbidden("U-SIGNER-ROLE", "This PractitionerRole did not let its holder prescribe.")


def _owner(role: _Role) -> str | None:
    return role.practitioner.reference if role.practitioner else None


def _in_force(role: _Role, at: datetime) -> bool:
    return role.active is True and (role.period is None or _within(role.period, at))


def _codes(concepts: Iterable[_Concept]) -> frozenset[str]:
    return frozenset(f"{coding.system}|{coding.code}" for concept in concepts for coding in concept.coding)


def _within(period: _Period, at: datetime) -> bool:
    """Say whether a time (UTC) lies in a period, to the second where a boundary has a time, else to the day."""
    start, end = dates.parse(period.start), dates.parse(period.end)
    # A boundary that is written but cannot be read is not taken for an open one.
    unreadable = (period.start and start is None) or (period.end and end is None)
    if unreadable:
        return False
    begun, ended = _moment(period.start), _moment(period.end)
    starts = begun <= at if begun else start is None or start.first <= at.date()
    return starts and (at <= ended if ended else end is None or at.date() <= end.last)


def _moment(text: str | None) -> datetime | None:
    """Return a boundary that is written with its time and zone, None for a day."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


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
