"""Which records a user may have: those of patients whom the EHR gives this user, asked with the user's own token.

What a user is given or refused is recorded first (``access``): without that entry nothing is answered.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from service.drafts.trail import access
from service.drafts.trail.access import Asked, Interaction
from service.errors import BadRequest, Forbidden
from service.fhir.records import Record
from service.smart.tokens import User
from service.web import chart

if TYPE_CHECKING:
    from service.bootstrap import Services

# How many patients one search may cover: each is one read at the EHR.
PATIENTS: Final = 20


async def patient(services: "Services", user: User, reference: str, asked: Asked) -> None:
    """Refuse a patient whom the EHR does not give, and record that: Forbidden U-SESSION-PATIENT.

    Unauthenticated U-AUTH where the EHR no longer takes the token; EhrFailed where it cannot say; Unavailable U-STORE-*
    where it cannot be recorded.
    """
    await chart.person(services, user, reference, asked)


async def record(services: "Services", user: User, found: Record, interaction: Interaction = "read") -> Record:
    """Return a record of a patient whom the EHR gives this user, once that is recorded; errors as ``patient``."""
    version = found.version if interaction == "vread" else None
    asked = Asked(f"{found.kind}/{found.head.id}", interaction, version=version)
    await patient(services, user, found.head.patient, asked)
    await access.enter(services, user, found.head.patient, asked)
    return found


async def among(services: "Services", user: User, found: Sequence[Record]) -> list[Record]:
    """Return the records of patients whom the EHR gives this user, each patient asked once; ``searched`` records it.

    BadRequest U-FHIR-SEARCH for a search that covers more than ``PATIENTS``; else as ``patient``.
    """
    known = user.patient
    mine = [one for one in found if known is None or one.head.patient == known]
    patients = list(dict.fromkeys(one.head.patient for one in mine))
    if len(patients) > PATIENTS:
        raise BadRequest("U-FHIR-SEARCH", f"The search covers more than {PATIENTS} patients; add patient or status.")
    answers = await asyncio.gather(*(_is_given(services, user, one) for one in patients))
    given = {one for one, answer in zip(patients, answers, strict=True) if answer}
    return [one for one in mine if one.head.patient in given]


async def _is_given(services: "Services", user: User, reference: str) -> bool:
    try:
        await chart.person(services, user, reference)
    except Forbidden:
        return False
    return True
