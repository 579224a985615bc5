"""Times and orders as the page writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from service.cds.language import ENGLISH
from service.cds.words import day, plain
from service.drafts import differences, dosages, supplies
from service.drafts.canonical_json import load_object
from service.drafts.records import Draft

Line = tuple[str, str]
_ARTICLES = {"active": "an"}
# What a signature does, by the tenant's mode of write-back.
FOLLOWS = {
    "sign-and-write": "It is written to the EHR as an active order, and is in effect once it is there.",
    "unsigned-order": "It is written to the EHR as an unsigned order, and is in effect once it is signed there too.",
    "document-only": "It is written to the EHR as a document alone, and is in effect once somebody enters it there.",
}


def moment(at: datetime) -> str:
    """Return a time as ``3 Nov 2026, 10:42 UTC``: the zone is named, since the reader's is not known."""
    found = at.astimezone(UTC)
    return f"{day(found.date())}, {found:%H:%M} UTC"


def said(text: str) -> str:
    """Return the words of a rule or a gap: dates as people write them, no key of a row."""
    return plain(text, ENGLISH)


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
        ("Kind of record", f"{_ARTICLES.get(found['status'], 'a')} {found['status']} {found['intent']}"),
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
