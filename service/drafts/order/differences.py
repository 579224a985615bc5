"""What a signer changed in a draft, in words for the page and the stored record."""

from collections.abc import Mapping
from typing import Any

import msgspec

from service.drafts.canonical_json import dumps, load_object
from service.drafts.order import dosage_words, dosages, supplies
from service.drafts.records import Draft

Difference = dict[str, str]


def drafted(draft: Draft) -> Mapping[str, Any] | None:
    """Return what a signer may change, as it was drafted; None where a draft of several versions does not say."""
    found = dosages.mapping(load_object(draft.context).get("drafted"))
    if found:
        return found
    return load_object(draft.resource) if draft.version == 1 else None


def differences(draft: Draft) -> list[Difference]:
    """Return each changed element with what was drafted and what stands now; empty for a draft as it was drafted.

    Doses stand as their coded part says them. The words of a note stay in the order: they may be the patient's.
    """
    before, after = drafted(draft), load_object(draft.resource)
    if before is None:
        return [{"element": "dosageInstruction", "drafted": "not known", "now": _dose(after)}]
    return [
        {"element": name, "drafted": say(before), "now": say(after)}
        for name, say in (("dosageInstruction", _dose), ("dispenseRequest", _supply), ("note", _notes))
        if changed(before, after, name)
    ]


def changed(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> bool:
    """Say whether an element is another than was drafted."""
    return dumps(before.get(name)) != dumps(after.get(name))


def label(draft: Draft) -> str:
    """Return a draft's option in words; where its dose was edited, with the dose that stands now."""
    option = str(msgspec.json.decode(draft.context).get("option", draft.ingredient))
    if draft.version == 1:
        return option
    before, after = drafted(draft), load_object(draft.resource)
    if before is None or not changed(before, after, "dosageInstruction"):
        return option
    return f"{option}, edited: {_dose(after)}"


def _dose(resource: Mapping[str, Any]) -> str:
    found = map(dosages.mapping, dosages.sequence(resource.get("dosageInstruction")))
    return "; ".join(map(dosage_words.text, found)) or "none"


def _supply(resource: Mapping[str, Any]) -> str:
    return supplies.text(dosages.mapping(resource.get("dispenseRequest")))


def _notes(resource: Mapping[str, Any]) -> str:
    count = sum("authorReference" in dosages.mapping(note) for note in dosages.sequence(resource.get("note")))
    return f"{count} by a practitioner" if count else "none by a practitioner"
