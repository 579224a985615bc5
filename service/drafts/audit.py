"""The audit chain of one draft: canonical entry bytes, the hash over them and the one before, verification.

``hash = SHA-256(previous hash as hex ASCII || entry bytes)``, hex; the first entry's previous hash is 64
zeros. The entry bytes hold the draft's id and the entry's number, so an entry fits one place in one chain
only. One chain a draft, because a single head for all drafts is what signers would queue for.

Entries hold ids, digests, states, reason codes and references of actors; never a patient's value. A free
comment is kept beside the chain, which holds its digest. The caller's own detail is under ``given``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from json.encoder import encode_basestring
from typing import Any, Final

import msgspec

from service.drafts.canonical_json import dumps, instant
from service.drafts.records import AuditEntry

GENESIS: Final = "0" * 64
# How far time may fall from one entry to the next: clocks are corrected a little every day.
_CORRECTED: Final = timedelta(seconds=5)
# The reference that our own steps (expiry, write-back) are recorded under.
SERVICE_ACTOR: Final = "Device/undersign"
_STORED: Final = msgspec.json.Decoder(AuditEntry)


def link(previous: str, said: str) -> str:
    """Return the hash of an entry that says ``said`` after the entry with the hash ``previous``."""
    return hashlib.sha256((previous + said).encode()).hexdigest()


def body(previous: str, draft: str, seq: int, at: str, event: str, actor: str, detail: str) -> str:
    """Return what an entry says, canonical JSON without its hash.

    ``at`` is the text of ``instant``, ``detail`` canonical JSON text.
    """
    return (
        f'{{"actor":{encode_basestring(actor)},"at":"{at}","detail":{detail},"draft":"{draft}",'
        f'"event":{encode_basestring(event)},"previous":"{previous}","seq":{seq}}}'
    )


def stored(head: str, said: str) -> tuple[AuditEntry, str]:
    """Return the entry that is kept as a hash and what it says, and the hash that this gives; to verify it fast.

    Numbers that are no whole ones are floats in its detail. Raises what reading no entry raises: MsgspecError,
    ValueError.
    """
    entry = _STORED.decode(f'{{"hash":{encode_basestring(head)},{said[1:]}')
    return entry, link(entry.previous, said)


def seal(
    last: tuple[int, str] | None, draft: str, at: datetime, event: str, actor: str, detail: Mapping[str, Any]
) -> AuditEntry:
    """Return the entry that follows the one with this number and hash (None for the first of a draft)."""
    seq, previous = last or (0, GENESIS)
    entry = AuditEntry(
        draft=draft,
        seq=seq + 1,
        at=at,
        event=event,
        actor=actor,
        detail=detail,
        previous=previous,
        hash="",
    )
    return replace(entry, hash=entry_hash(entry))


def entry_hash(entry: AuditEntry) -> str:
    """Return the hash that the entry's content gives."""
    return link(entry.previous, body_of(entry))


def body_of(entry: AuditEntry) -> str:
    """Return what an entry says, as its hash is over it."""
    detail = dumps(entry.detail).decode()
    return body(entry.previous, entry.draft, entry.seq, instant(entry.at), entry.event, entry.actor, detail)


def chain_faults(entries: Sequence[AuditEntry], hashes: Sequence[str] | None = None) -> list[str]:
    """Return what breaks one draft's chain, oldest first; each fault ``U-AUDIT-…: entry n …``.

    ``hashes`` are those that the stored bytes of each entry give; without them they are worked out from its content.
    """
    faults: list[str] = []
    previous, at = GENESIS, None
    found = [entry_hash(entry) for entry in entries] if hashes is None else hashes
    for expected, (entry, given) in enumerate(zip(entries, found, strict=True), start=1):
        if entry.seq != expected:
            faults.append(f"U-AUDIT-SEQUENCE: entry {expected} is missing or out of order")
        if entry.previous != previous:
            faults.append(f"U-AUDIT-CHAIN: entry {entry.seq} does not follow from the one before")
        if given != entry.hash:
            faults.append(f"U-AUDIT-HASH: entry {entry.seq} is not what was recorded")
        if at is not None and entry.at < at - _CORRECTED:
            faults.append(f"U-AUDIT-TIME: entry {entry.seq} is dated before the one before it")
        previous, at = entry.hash, entry.at
    return faults
