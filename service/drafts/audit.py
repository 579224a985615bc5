"""The audit chain of one draft: canonical entry bytes, the hash over them and the one before, verification.

``hash = SHA-256(previous hash as hex ASCII || entry bytes)``, hex; the first entry's previous hash is 64
zeros. The entry bytes hold the draft's id and the entry's number, so an entry fits one place in one chain
only. One chain a draft, because a single head for all drafts is what signers would queue for.

Entries hold ids, digests, states, reason codes and references of actors; never a patient's value. A free
comment is kept beside the chain, which holds its digest. The caller's own detail is under ``given``.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from service.drafts.canonical_json import dumps, instant
from service.drafts.store import AuditEntry

GENESIS: Final = "0" * 64
# The reference that our own steps (expiry, write-back) are recorded under.
SERVICE_ACTOR: Final = "Device/undersign"


def link(previous: str, draft: str, seq: int, at: str, event: str, actor: str, detail: str) -> str:
    """Return an entry's hash; ``at`` is the text of ``instant``, ``detail`` canonical JSON text."""
    body = (
        f'{{"actor":{json.dumps(actor, ensure_ascii=False)},"at":"{at}","detail":{detail},"draft":"{draft}",'
        f'"event":"{event}","previous":"{previous}","seq":{seq}}}'
    )
    return hashlib.sha256(f"{previous}{body}".encode()).hexdigest()


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
    return link(
        entry.previous,
        entry.draft,
        entry.seq,
        instant(entry.at),
        entry.event,
        entry.actor,
        dumps(entry.detail).decode(),
    )


def chain_faults(entries: Sequence[AuditEntry]) -> list[str]:
    """Return what breaks one draft's chain, oldest first; each fault ``U-AUDIT-…: entry n …``."""
    faults: list[str] = []
    previous = GENESIS
    for expected, entry in enumerate(entries, start=1):
        if entry.seq != expected:
            faults.append(f"U-AUDIT-SEQUENCE: entry {expected} is missing or out of order")
        if entry.previous != previous:
            faults.append(f"U-AUDIT-CHAIN: entry {entry.seq} does not follow from the one before")
        if entry_hash(entry) != entry.hash:
            faults.append(f"U-AUDIT-HASH: entry {entry.seq} is not what was recorded")
        previous = entry.hash
    return faults
