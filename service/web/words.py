"""Times and orders as the page writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_adapters.dialect.profile import Profile
from service import site_time
from service.cds.language import ENGLISH
from service.cds.words import day, plain
from service.drafts.canonical_json import load_object
from service.drafts.order import differences, dosage_words, order_elements, supplies
from service.drafts.records import Draft

Line = tuple[str, str]
_ARTICLES = {"active": "an"}
# What a signature does, by the tenant's mode of write-back.
FOLLOWS = {
    "sign-and-write": "It is written to the EHR as an active order, and is in effect once it is there.",
    "unsigned-order": "It is written to the EHR as an unsigned order, and is in effect once it is signed there too.",
    "document-only": "It is written to the EHR as a document alone, and is in effect once somebody enters it there.",
}


def moment(at: datetime, profile: Profile | None = None) -> str:
    """Return a time as ``3 Nov 2026, 10:42 UTC``, by the clocks of the site where its profile is given."""
    found = site_time.local(at, profile) if profile else at.astimezone(UTC)
    return f"{day(found.date())}, {found:%H:%M %Z}"


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


def order_lines(order: bytes, profile: Profile | None = None) -> list[Line]:
    """Return the exact order in plain words, in the order in which a prescriber reads it.

    Every element that an edit may have is in them (``order_elements``); ``carried`` has the rest. The dose stands
    twice: as it is written for people, and as its coded part says it.
    """
    found = load_object(order)
    instructions = found["dosageInstruction"]
    requester = found["requester"]
    lines = [
        ("Medication", str(found["medicationCodeableConcept"]["text"])),
        ("Dose", "; ".join(str(one.get("text", "not written out")) for one in instructions)),
        ("Dose as coded", "; ".join(dosage_words.text(one) for one in instructions)),
        ("For", "; ".join(_concept(reason) for reason in found.get("reasonCode", [])) or "not stated"),
        ("Supply and repeats", supplies.text(found.get("dispenseRequest"))),
        ("Kind of record", f"{_ARTICLES.get(found['status'], 'a')} {found['status']} {found['intent']}"),
        ("Ordered by", str(requester.get("display") or requester["reference"])),
        ("Dated", moment(datetime.fromisoformat(found["authoredOn"]), profile)),
        ("Order number", ", ".join(str(one["value"]) for one in found["identifier"])),
    ]
    return [*lines, *(_note(note, requester) for note in found.get("note", []))]


def carried(order: bytes) -> list[Line]:
    """Return the codes, labels and references that an order has from its draft, each path with its values."""
    found: dict[str, list[str]] = {}
    for path, value in order_elements.leaves(load_object(order)):
        if path in order_elements.CARRIED:
            found.setdefault(path, []).append(str(value))
    return [(path, ", ".join(values)) for path, values in found.items()]


def condition(draft: Draft) -> str:
    """Return what a draft is for, in words; empty where it does not say."""
    return "; ".join(_concept(reason) for reason in load_object(draft.resource).get("reasonCode", []))


def changes(draft: Draft) -> list[Line]:
    """Return the dose and the supply as they were drafted, where they were changed since."""
    names = {"dosageInstruction": "dose", "dispenseRequest": "supply"}
    found = differences.differences(draft)
    return [(names[one["element"]], one["drafted"]) for one in found if one["element"] in names]


def _note(note: Mapping[str, Any], requester: Mapping[str, Any]) -> Line:
    author = note.get("authorReference", requester).get("reference")
    return ("Note" if author == requester["reference"] else f"Note by {author}", str(note["text"]))


def _concept(concept: Mapping[str, Any]) -> str:
    codings: list[Mapping[str, Any]] = [*concept.get("coding", []), {}]
    coded = codings[0]
    return str(concept.get("text") or coded.get("display") or coded.get("code") or "not named")
