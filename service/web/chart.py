"""Whose draft it is, read live at the EHR with the user's own token.

The EHR decides who may see a patient; nothing of a draft is shown, and nothing done with it, before the EHR
has given this user the patient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from fhir_adapters import dates
from service.cds.words import day
from service.drafts.trail import access
from service.ehr.transport import EhrRefused
from service.errors import EhrFailed, Forbidden, Unauthenticated

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.smart.sessions import Session
    from service.smart.tokens import User


class _Identifier(msgspec.Struct, frozen=True):
    value: str | None = None
    use: str | None = None


class _Name(msgspec.Struct, frozen=True):
    """A HumanName; before STU3 there may be several family names."""

    use: str | None = None
    text: str | None = None
    family: str | list[str] | None = None
    given: list[str] = []


class _Patient(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    id: str | None = None
    birthDate: str | None = None  # noqa: N815
    gender: str | None = None
    name: list[_Name] = []
    identifier: list[_Identifier] = []


@dataclass(frozen=True, slots=True)
class Person:
    """The patient strip: name, birth date with age, sex on record, and the EHR's own identifier."""

    name: str
    born: str
    gender: str
    number: str


async def person(
    services: "Services", session: "Session | User", reference: str, asked: access.Asked | None = None
) -> Person:
    """Return the patient as the EHR has it now, read with the token of a session or of an API's user.

    Forbidden U-SESSION-PATIENT when the launch was for another patient or the EHR does not give this user the
    patient, which is recorded where it is told what was ``asked``; Unauthenticated U-AUTH when it no longer takes the
    token; EhrFailed when it cannot say.
    """
    try:
        return await _person(services, session, reference)
    except Forbidden as error:
        if asked is not None:
            await access.enter(services, session, reference, asked, error.code)
        raise


async def _person(services: "Services", session: "Session | User", reference: str) -> Person:
    if session.patient is not None and session.patient != reference:
        raise Forbidden("U-SESSION-PATIENT", "This window was opened for another patient: open the draft's chart.")
    try:
        raw = await services.clients[session.practitioner.ehr].read(reference, session.token)
    except EhrRefused as error:
        raise _as_access_error(error) from error
    return strip(raw, reference, services.clock().date())


def strip(raw: bytes, reference: str, today: date) -> Person:
    """Return the strip of one Patient; EhrFailed U-EHR-ANSWER for anything but that patient."""
    try:
        patient = msgspec.json.decode(raw, type=_Patient)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable() from error
    if f"{patient.resourceType}/{patient.id}" != reference:
        raise _unreadable()
    return Person(
        name=_name(patient.name),
        born=_born(patient.birthDate, today),
        gender=patient.gender or "sex not recorded",
        number=_number(patient.identifier) or f"record {patient.id}",
    )


def _name(names: Sequence[_Name]) -> str:
    by_use = sorted(names, key=lambda name: {"official": 0, "usual": 1, None: 2}.get(name.use, 3))
    for name in by_use:
        family = [name.family] if isinstance(name.family, str) else name.family or []
        words = name.text or " ".join([*name.given, *family])
        if words.strip():
            return words.strip()
    return "no name on record"


def _born(text: str | None, today: date) -> str:
    found = dates.parse(text)
    if found is None:
        return "birth date not recorded"
    if found.first != found.last:
        return f"born {text}"
    return f"born {day(found.first)} ({dates.age(found.first, today)})"


def _number(identifiers: Sequence[_Identifier]) -> str | None:
    valued = [one for one in identifiers if one.value and one.use != "old"]
    usual = [one for one in valued if one.use == "usual"]
    return next((one.value for one in [*usual, *valued]), None)


def _as_access_error(error: EhrRefused) -> Exception:
    if error.http_status == 401:
        return Unauthenticated("U-AUTH", "Sign in at the EHR and try again.")
    if error.http_status in (403, 404, 410):
        return Forbidden("U-SESSION-PATIENT", "The EHR does not open this patient's chart to you.")
    return error


def _unreadable() -> EhrFailed:
    return EhrFailed("U-EHR-ANSWER", "The EHR's Patient cannot be read; ask its operators.")
