"""Verification of one flag's rows against its audit chain, as ``verification`` does it for a draft's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.drafts import claims
from service.drafts.audit import chain_faults
from service.drafts.flags import EVENTS, Alarm, Attested, Flag
from service.drafts.records import AuditEntry
from service.drafts.trail.verification import against


@dataclass(frozen=True, slots=True)
class FlagRecord:
    """All that a store has of one flag.

    ``cards`` are the claims of the cards that its chain names, ``hashes`` what the stored bytes of its entries give.
    """

    flag: Flag
    seq: int
    head: str
    entries: Sequence[AuditEntry]
    alarms: Sequence[Alarm]
    attestations: Sequence[Attested]
    cards: Mapping[str, Mapping[str, Any]]
    hashes: Sequence[str] | None = None


def flag_faults(record: FlagRecord) -> list[str]:
    """Return what is wrong with a flag's rows and its chain; codes U-AUDIT-* as for a draft."""
    return [
        *chain_faults(record.entries, record.hashes),
        *_head_faults(record),
        *_rows_faults(record),
        *_card_faults(record),
    ]


def _head_faults(record: FlagRecord) -> Iterator[str]:
    if not record.entries:
        yield "U-AUDIT-MISSING: the flag has no audit chain"
        return
    first, last = record.entries[0], record.entries[-1]
    if (last.seq, last.hash) != (record.seq, record.head):
        yield "U-AUDIT-HEAD: the chain does not end where the flag says"
    yield from against("flag", first, claims.of_flag(record.flag))
    for entry in record.entries:
        if entry.event not in EVENTS:
            yield f"U-AUDIT-STATE: entry {entry.seq} ({entry.event}) is no event of a flag"


def _rows_faults(record: FlagRecord) -> Iterator[str]:
    alarms = {one.seq: claims.of_alarm(one.facts, one.context) for one in record.alarms}
    attested = {one.seq: claims.of_attestation(one) for one in record.attestations}
    yield from _paired("alarm", "raised", alarms, record.entries)
    yield from _paired("attestation", "attested", attested, record.entries)
    actors = {entry.seq: entry.actor for entry in record.entries}
    for one in record.attestations:
        if actors.get(one.seq) != one.practitioner:
            yield f"U-AUDIT-RECORD: attestation: not by the practitioner of entry {one.seq}"


def _paired(
    what: str, event: str, rows: Mapping[int, Mapping[str, Any]], entries: Sequence[AuditEntry]
) -> Iterator[str]:
    """Compare rows with the entries that speak of them, each with the other."""
    claimed = {entry.seq: entry for entry in entries if entry.event == event}
    for seq in sorted(claimed.keys() | rows.keys()):
        if seq not in rows:
            yield f"U-AUDIT-MISSING: the {what} of entry {seq} is gone"
        elif seq not in claimed:
            yield f"U-AUDIT-UNCLAIMED: {what} {seq} is in no entry"
        else:
            yield from against(what, claimed[seq], rows[seq])


def _card_faults(record: FlagRecord) -> Iterator[str]:
    for entry in record.entries:
        if entry.event != "shown":
            continue
        card = record.cards.get(str(entry.detail.get("card")))
        if not card:
            yield f"U-AUDIT-MISSING: the card of entry {entry.seq} is gone"
        else:
            yield from against("card", entry, card)
