"""What a signer may change in a draft: dose, timing, supply and notes. Anything else is another draft.

Medication, subject and the rest decide which chart facts the rules looked at, so a change of those goes back
to an assessment and is not an edit (R4 Request pattern). What may be changed is judged again by ``edit_rules``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from service.drafts.canonical_json import dumps, load_object
from service.drafts.order import differences, dosage_words, dosages, refills
from service.drafts.records import Draft
from service.errors import Unprocessable

EDITABLE: Final = ("dosageInstruction", "dispenseRequest", "note")
# Written by whoever stores the resource, not by the signer: the draft's own are kept.
_IGNORED: Final = ("meta", "text")


def edited(draft: Draft, order_edit: bytes | None, signer: str) -> bytes | None:
    """Return the draft's resource with the signer's changes, canonical; None when nothing was changed.

    ``signer`` (a Practitioner's reference) becomes the author of the notes that the edit adds. Unprocessable
    U-ORDER-FIELD names the first element that may not be changed, U-ORDER-INCOMPLETE and U-ORDER-DOSE what a dosage
    lacks; InputError U-JSON-*.
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
    _rewrite_texts(before, after)
    if dumps(after) == dumps(before):
        return None
    _author_notes(before, after, signer)
    _refill(draft, before, after)
    return dumps(after)


def _same(before: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> bool:
    # A draft that was read elsewhere may come back without the id that our store gave it.
    if name == "id" and name not in wanted:
        return True
    return dumps(before.get(name)) == dumps(wanted.get(name))


def _rewrite_texts(before: Mapping[str, Any], after: dict[str, Any]) -> None:
    """Write the text of each changed dosage from its structure: other words beside it could contradict the dose."""
    known = [dosages.mapping(was) for was in dosages.sequence(before.get("dosageInstruction"))]
    new = after.get("dosageInstruction")
    if isinstance(new, list):
        after["dosageInstruction"] = [_reworded(known, dosage) for dosage in cast(list[object], new)]


def _refill(draft: Draft, before: Mapping[str, Any], after: dict[str, Any]) -> None:
    """Put the supply in keeping with the dose; what is no supply at all is refused where the order is checked."""
    if not dosages.mapping(after.get("dispenseRequest")):
        return
    drafted = differences.drafted(draft) or {}
    supply = refills.refilled(before, after, load_object(draft.context), drafted)
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


def _reworded(known: Sequence[Mapping[str, Any]], dosage: object) -> object:
    coded = _coded(dosages.mapping(dosage))
    for was in known:
        if dumps(_coded(was)) == dumps(coded):
            return was
    dosages.check([coded])
    if dumps(coded.get("route")) not in [dumps(was.get("route")) for was in known]:
        msg = "dosageInstruction.route may not be changed when signing; reject this draft and ask for another"
        raise Unprocessable("U-ORDER-FIELD", msg)
    return {**coded, "text": dosage_words.text(coded)}


def _coded(dosage: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in dosage.items() if name != "text"}
