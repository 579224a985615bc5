"""What a search is recorded as: one access for each patient that it told of, and a refusal for each it asked for.

A search that named nobody and passed over patients whom the EHR does not give has told nothing of them, and nobody
asked for them: they get no entry. One that points at a patient, at ids or at a record has asked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from service.drafts.trail import access
from service.drafts.trail.access import Asked
from service.fhir.records import Record
from service.fhir.search import Query, reference_of
from service.smart.tokens import User

if TYPE_CHECKING:
    from service.bootstrap import Services

# What these hold may be of one patient only: in the chain of another it would tell of that one.
_POINTS: Final = frozenset({"_id", "identifier", "patient", "entity", "target", "focus"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9._,|:/\-]{1,512}")


@dataclass(frozen=True, slots=True)
class Searched:
    """The records that fitted, those of patients whom the EHR gives the user, and those that are answered."""

    fitted: Sequence[Record]
    given: Sequence[Record]
    shown: Sequence[Record]


async def record(services: "Services", user: User, query: Query, found: Searched) -> None:
    """Record a search before it is answered; Unavailable U-STORE-*."""
    answered, refused = told(found, _named(services, user, query), points=not _POINTS.isdisjoint(query.values))
    asked = Asked("", "search-type", query=text(query, alone=len(answered) + len(refused) == 1))
    await access.enter_each(services, user, answered, asked)
    await access.enter_each(services, user, refused, asked, "U-SESSION-PATIENT")


def told(found: Searched, named: str | None, *, points: bool) -> tuple[list[str], list[str]]:
    """Return the patients of whom a search told something, and those whom it asked for and did not get."""
    fitted, given, shown = (_patients(records) for records in (found.fitted, found.given, found.shown))
    pointed_at = fitted if points else set[str]()
    nothing_of = {named} - fitted if named else set[str]()
    return sorted(shown | (pointed_at & given) | nothing_of), sorted(pointed_at - given)


def text(query: Query, *, alone: bool) -> str:
    """Return a search as it was understood; without the ids in it where it is of more patients than one."""
    values = {name: value if alone or name not in _POINTS else "" for name, value in query.values.items()}
    paging = {"_summary": "count"} if query.summary else {"_count": str(query.count), "_offset": str(query.offset)}
    asked = [f"{name}={quote(value, safe=',|:/')}" for name, value in {**values, **paging}.items() if _fits(value)]
    return f"{query.kind}?{'&'.join(asked)}"


def _fits(value: str) -> bool:
    """Say whether a value is a code or an id: a person could write anything else into a search, a name too."""
    return not value or _PLAIN.fullmatch(value) is not None


def _patients(records: Sequence[Record]) -> set[str]:
    return {one.head.patient for one in records}


def _named(services: "Services", user: User, query: Query) -> str | None:
    """Return the patient that a search names, ``Patient/<id>``."""
    for name in ("patient", "entity"):
        if name in query.values:
            kinds = ("Patient",) if name == "patient" else ("MedicationRequest", "Patient")
            found = reference_of(services, user.practitioner, query.values[name], *kinds)
            if found.startswith("Patient/"):
                return found
    return None
