"""The audit chain of one draft."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from service.drafts.audit import GENESIS, chain_faults, entry_hash, seal
from service.drafts.canonical_json import dumps, instant
from service.drafts.records import AuditEntry

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def chain(length: int = 4) -> list[AuditEntry]:
    """Return a whole chain."""
    entries: list[AuditEntry] = []
    for number in range(length):
        last = (entries[-1].seq, entries[-1].hash) if entries else None
        entries.append(seal(last, "draft-1", AT, f"event-{number}", "Practitioner/p1", {"n": number}))
    return entries


def test_a_sealed_chain_is_whole():
    """A chain as it was sealed has no fault, and starts at the genesis hash."""
    entries = chain()
    assert chain_faults(entries) == []
    assert entries[0].previous == GENESIS
    assert [entry.seq for entry in entries] == [1, 2, 3, 4]


def test_the_hash_is_over_the_previous_hash_and_the_canonical_entry():
    """The hash is what anyone computes from the documented form."""
    entry = chain(2)[1]
    body = {name: getattr(entry, name) for name in ("draft", "seq", "event", "actor", "detail", "previous")}
    canonical = dumps({**body, "at": instant(entry.at)})
    assert entry.hash == hashlib.sha256(entry.previous.encode() + canonical).hexdigest()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("draft", "draft-2"),
        ("seq", 7),
        ("at", datetime(2026, 11, 22, 10, 0, 0, 1, tzinfo=UTC)),
        ("event", "signed"),
        ("actor", "Practitioner/p2"),
        ("detail", {"n": 2}),
        ("detail", {}),
        ("previous", GENESIS),
        ("hash", GENESIS),
    ],
)
def test_a_change_to_any_part_of_an_entry_is_found(name: str, value: Any):
    """No element of an entry can be changed without a fault."""
    entries = chain()
    entries[1] = replace(entries[1], **{name: value})
    assert chain_faults(entries)


def test_a_rewritten_entry_breaks_the_one_after():
    """An entry that was changed and hashed anew no longer fits what follows."""
    entries = chain()
    changed = replace(entries[1], actor="Practitioner/p2")
    entries[1] = replace(changed, hash=entry_hash(changed))
    assert chain_faults(entries) == ["U-AUDIT-CHAIN: entry 3 does not follow from the one before"]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_missing_entry_is_found(gone: int):
    """Taking an entry out of the chain, the first too, leaves a gap that shows."""
    entries = chain()
    del entries[gone]
    assert any(fault.startswith("U-AUDIT-SEQUENCE") for fault in chain_faults(entries))


def test_swapped_entries_are_found():
    """The order of entries is part of the chain."""
    entries = chain()
    entries[1], entries[2] = entries[2], entries[1]
    assert chain_faults(entries)
