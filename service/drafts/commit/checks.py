"""What must hold before a step on a draft, as plain functions over what the store found in its transaction.

Every store asks these inside its own atomic step; each refusal is a Conflict that names what was found.
"""

from datetime import datetime

from service.drafts.canonical_json import digest
from service.drafts.records import Draft, Prepared, Signature
from service.drafts.states import AWAITING, SIGNED, UNSIGNED
from service.errors import Conflict


def unsigned(draft: Draft, now: datetime) -> None:
    """Refuse a draft that is signed, ended or past its time: U-DRAFT-SIGNED, -EXPIRED, -STATE."""
    if draft.state == AWAITING:
        raise Conflict("U-DRAFT-STATE", "this draft waits for its signature in the EHR: sign it there")
    if draft.state in SIGNED:
        raise Conflict("U-DRAFT-SIGNED", "this draft is already signed; read it again")
    if draft.state == "expired" or (draft.state in UNSIGNED and now >= draft.expires):
        raise Conflict("U-DRAFT-EXPIRED", "this draft's time is over; open the chart again for a new one")
    if draft.state not in UNSIGNED:
        raise Conflict("U-DRAFT-STATE", f"this draft is {draft.state}; read it again")


def version(draft: Draft, expected: int) -> None:
    """Refuse another version than the one the caller saw: U-DRAFT-VERSION."""
    if draft.version != expected:
        raise Conflict("U-DRAFT-VERSION", f"this draft is at version {draft.version}; prepare it again")


def preparable(draft: Draft, expected: int, prepared: Prepared, edited: bool, now: datetime) -> None:
    """Refuse to keep bytes that do not fit the draft: as ``unsigned`` and ``version``, and U-DIGEST."""
    unsigned(draft, now)
    version(draft, expected)
    if prepared.version != expected + int(edited):
        raise Conflict("U-DRAFT-VERSION", "the prepared bytes are of another version; prepare again")
    if prepared.draft != draft.id or prepared.digest != digest(prepared.order):
        raise Conflict("U-DIGEST", "the digest is not that of the prepared bytes; prepare again")


def signable(draft: Draft, shown: Prepared | None, signature: Signature, now: datetime) -> None:
    """Refuse a signature over anything but what this practitioner was shown of this version, in time.

    As ``unsigned`` and ``version``, and U-DIGEST.
    """
    unsigned(draft, now)
    version(draft, signature.version)
    if shown is None or not _same(shown, signature):
        raise Conflict("U-DIGEST", "these are not the bytes that this practitioner was shown; prepare again")


def _same(shown: Prepared, signature: Signature) -> bool:
    return (
        shown.draft == signature.draft
        and shown.version == signature.version
        and shown.practitioner == signature.practitioner
        and shown.order_id == signature.order_id
        and shown.order == signature.order
        and shown.digest == signature.digest == digest(signature.order)
    )
