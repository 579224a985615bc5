"""Times and orders as the page writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from service.cds.words import day
from service.drafts import differences, dosages, supplies
from service.drafts.canonical_json import load_object
from service.drafts.store import Draft

Line = tuple[str, str]


def moment(at: datetime) -> str:
    """Return a time as ``3 Nov 2026, 10:42 UTC``: the zone is named, since the reader's is not known."""
    found = at.astimezone(UTC)
    return f"{day(found.date())}, {found:%H:%M} UTC"


def ago(then: datetime, now: datetime) -> str:
    """Return how long ago in the largest whole unit: ``5 minutes ago``."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = seconds // length
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "less than a minute ago"


def order_lines(order: bytes) -> list[Line]:
    """Return the exact order in plain words, in the order in which a prescriber reads it.

    The dose stands twice: as it is written for people, and as its coded part says it.
    """
    found = load_object(order)
    instructions = found["dosageInstruction"]
    requester = found["requester"]
    lines = [
        ("Medication", str(found["medicationCodeableConcept"]["text"])),
        ("Dose", "; ".join(str(one.get("text", "not written out")) for one in instructions)),
        ("Dose as coded", "; ".join(dosages.text(one) for one in instructions)),
        ("For", "; ".join(_concept(reason) for reason in found.get("reasonCode", [])) or "not stated"),
        ("Supply and repeats", supplies.text(found.get("dispenseRequest"))),
        ("Kind of record", f"an {found['status']} {found['intent']}, in effect once it is in the EHR"),
        ("Ordered by", str(requester.get("display") or requester["reference"])),
        ("Dated", moment(datetime.fromisoformat(found["authoredOn"]))),
        ("Order number", str(found["identifier"][0]["value"])),
    ]
    return [*lines, *(("Note", str(note["text"])) for note in found.get("note", []))]


def changes(draft: Draft) -> list[Line]:
    """Return the dose and the supply as they were drafted, where they were changed since."""
    names = {"dosageInstruction": "dose", "dispenseRequest": "supply"}
    found = differences.differences(draft)
    return [(names[one["element"]], one["drafted"]) for one in found if one["element"] in names]


def _concept(concept: Mapping[str, Any]) -> str:
    codings: list[Mapping[str, Any]] = [*concept.get("coding", []), {}]
    coded = codings[0]
    return str(concept.get("text") or coded.get("display") or coded.get("code") or "not named")
