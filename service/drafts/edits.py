"""What a signer may change in a draft: dose, timing, supply and notes. Anything else is another draft.

Medication, subject and the rest decide which chart facts the rules looked at, so a change of those goes back
to an assessment and is not an edit (R4 Request pattern). What may be changed is judged again by ``edit_rules``.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from service.drafts import dosages, refills
from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import Draft
from service.errors import Unprocessable

EDITABLE: Final = ("dosageInstruction", "dispenseRequest", "note")
# Written by whoever stores the resource, not by the signer: the draft's own are kept.
_IGNORED: Final = ("meta", "text")
_WORDING: Final = ("text", "patientInstruction")


def edited(draft: Draft, order_edit: bytes | None, signer: str) -> bytes | None:
    """Return the draft's resource with the signer's changes, canonical; None when nothing was changed.

    ``signer`` (a Practitioner's reference) becomes the author of the notes that the edit adds. Unprocessable
    U-ORDER-FIELD names the first element that may not be changed; InputError U-JSON-*.
    """
    if order_edit is None:
        return None
    before, wanted = load_object(draft.resource), load_object(order_edit)
    for name in sorted(before.keys() | wanted.keys()):
        if name not in (*EDITABLE, *_IGNORED) and not _same(before, wanted, name):
            msg = f"{name} may not be changed when signing; reject this draft and ask for another"
            raise Unprocessable("U-ORDER-FIELD", msg)
    after = {name: value for name, value in before.items() if name not in EDITABLE}
    after |= {name: wanted[name] for name in EDITABLE if name in wanted}
    if dumps(after) == dumps(before):
        return None
    _rewrite_texts(before, after)
    _author_notes(before, after, signer)
    _refill(before, after, load_object(draft.context))
    return dumps(after)


def _same(before: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> bool:
    # A draft that was read elsewhere may come back without the id that our store gave it.
    if name == "id" and name not in wanted:
        return True
    return dumps(before.get(name)) == dumps(wanted.get(name))


def _rewrite_texts(before: Mapping[str, Any], after: dict[str, Any]) -> None:
    """Replace wording that was left as it stood while the dose under it changed: it would contradict the
    dose.
    """
    old, new = before.get("dosageInstruction"), after.get("dosageInstruction")
    if not isinstance(old, list) or not isinstance(new, list):
        return
    known = [cast(dict[str, Any], was) for was in cast(list[object], old) if isinstance(was, dict)]
    after["dosageInstruction"] = [_reworded(known, dosage) for dosage in cast(list[object], new)]


def _refill(before: Mapping[str, Any], after: dict[str, Any], context: Mapping[str, Any]) -> None:
    """Put the supply in keeping with the dose; what is no supply at all is refused where the order is checked."""
    if not dosages.mapping(after.get("dispenseRequest")):
        return
    supply = refills.refilled(before, after, context)
    after.pop("dispenseRequest")
    after |= {"dispenseRequest": supply} if supply else {}


def _author_notes(before: Mapping[str, Any], after: dict[str, Any], signer: str) -> None:
    known = dosages.sequence(before.get("note"))
    if "note" not in after:
        return
    written = dosages.sequence(after["note"])
    if not written:
        raise Unprocessable("U-ORDER-FIELD", "note must be a list of annotations; leave it out for none")
    after["note"] = [note if note in known else _authored(note, signer) for note in written]


def _authored(note: object, signer: str) -> dict[str, Any]:
    kept = {name: value for name, value in dosages.mapping(note).items() if not name.startswith("author")}
    return {**kept, "authorReference": {"reference": signer}}


def _reworded(known: list[dict[str, Any]], dosage: object) -> object:
    if not isinstance(dosage, dict) or dosage in known:
        return cast(object, dosage)
    changed = cast(dict[str, Any], dosage)
    stale = [name for name in _WORDING if any(_kept(was, changed, name) for was in known)]
    kept = {name: value for name, value in changed.items() if name not in stale}
    if "text" in stale:
        dosages.check([kept])
        kept["text"] = dosages.text(kept)
    return kept


def _kept(was: Mapping[str, Any], changed: Mapping[str, Any], name: str) -> bool:
    return name in changed and was.get(name) == changed[name]
