"""Verification of one register against its chain, as ``verification`` does it for a draft's records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.drafts import claims
from service.drafts.audit import chain_faults
from service.drafts.records import AuditEntry
from service.drafts.registers import KINDS, Register
from service.drafts.trail.verification import against


@dataclass(frozen=True, slots=True)
class RegisterRecord:
    """All that a store has of one register; ``hashes`` are what the stored bytes of its entries give."""

    register: Register
    seq: int
    head: str
    entries: Sequence[AuditEntry]
    hashes: Sequence[str] | None = None


def register_faults(record: RegisterRecord) -> list[str]:
    """Return what is wrong with a register and its chain; codes U-AUDIT-* as for a draft."""
    return [*chain_faults(record.entries, record.hashes), *_head_faults(record)]


def _head_faults(record: RegisterRecord) -> Iterator[str]:
    if not record.entries:
        yield "U-AUDIT-MISSING: the register has no chain"
        return
    last = record.entries[-1]
    if (last.seq, last.hash) != (record.seq, record.head):
        yield "U-AUDIT-HEAD: the chain does not end where the register says"
    if record.register.kind not in KINDS:
        yield f"U-AUDIT-RECORD: there is no register of the kind {record.register.kind}"
    for entry in record.entries:
        yield from against("register", entry, claims.of_register(record.register))
        if entry.draft != record.register.id:
            yield f"U-AUDIT-RECORD: entry {entry.seq} is of another chain"
