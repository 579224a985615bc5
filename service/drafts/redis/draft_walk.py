"""One draft as ``lua/audit.lua`` finds it, held against its chain, and byte for byte against what we would write."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from service.drafts import claims
from service.drafts.canonical_json import instant, read_instant
from service.drafts.commit.transaction import Held, Outbox
from service.drafts.records import AuditEntry, Draft, Signature, State
from service.drafts.redis import rows as redis_rows
from service.drafts.redis.keys import microseconds, person
from service.drafts.redis.sealing import Sealing
from service.drafts.states import SETTLED, UNSIGNED
from service.drafts.trail.verification import Record, record_faults

# How many fields a card and a draft have in Redis.
_CARD: Final = 3
_FIELDS: Final = 15
_PROGRESS: Final = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class Walked:
    """What was found of one draft, flag or register.

    ``said`` is of flags as ``word_replay.said`` has it, of some registers as ``register_replay.said``.
    """

    faults: Sequence[str]
    entries: int = 0
    signature: Signature | None = None
    attestations: int = 0
    said: frozenset[str] = frozenset()
    state: State | None = None


def draft(
    sealing: Sealing, identity: str, texts: Sequence[Any], others: Sequence[bytes], jwks: Mapping[str, Any] | None
) -> Walked:
    """Return what is wrong with a draft; raises whatever reading nonsense raises.

    ``texts`` and ``others`` are its two parts of the answer of ``audit.lua``.
    """
    row, items, versions, digests, signed, queued, seqs, cards, indexed = texts
    opened = iter(sealing.opened(identity, _places(versions, digests, signed, seqs), others))
    ingredient, context = next(opened).decode(), next(opened)
    revisions = {name: next(opened) for name in versions}
    prepared = {name: next(opened) for name in digests}
    held = _held(identity, sealing.patient(row[1]), row, ingredient, context, revisions)
    shown = {name: redis_rows.prepared(one) for name, one in prepared.items()}
    signature = _signature(signed, next(opened), next(opened).decode(), next(opened)) if signed else None
    outbox = _outbox(queued) if queued else None
    entries, hashes = redis_rows.chained(items)
    record = Record(
        draft=held.draft,
        seq=held.seq,
        head=held.head,
        revisions={int(name): one for name, one in revisions.items()},
        entries=entries,
        prepared=tuple(shown.values()),
        signature=signature,
        outbox=outbox,
        comments={int(name): next(opened).decode() for name in seqs},
        cards=_cards(entries, cards),
        hashes=hashes,
    )
    same = (
        row == _row(sealing, held)
        and all(str(int(name)) == name for name in (*versions, *seqs))
        and all(redis_rows.of_prepared(one) == prepared[name] and one.digest == name for name, one in shown.items())
        and (signature is None or signed == _signed(signature))
        and (outbox is None or queued == _queued(outbox, queued[4]))
    )
    faults = [*written(identity, entries, same), *record_faults(record, jwks), *_indexed(held, outbox, queued, indexed)]
    if signature is not None and indexed[7] != identity:
        faults.append("U-AUDIT-RECORD: index: its order is not found by its id")
    return Walked(faults, len(entries), signature, state=held.draft.state)


def written(identity: str, entries: Sequence[AuditEntry], same: bool) -> Iterator[str]:
    """Name what is not as we write it, and the entries that are of another chain."""
    if not same:
        yield "U-AUDIT-RECORD: its records are not as they are written"
    for entry in entries:
        if entry.draft != identity:
            yield f"U-AUDIT-RECORD: entry {entry.seq} is of another chain"


def _places(versions: Sequence[str], digests: Sequence[str], signed: Sequence[Any], seqs: Sequence[str]) -> list[str]:
    """Return the fields that the other values of a draft are sealed for, in the order of ``audit.lua``."""
    signature = ("order", "jws", "provenance") if signed else ()
    return [
        *("ingredient", "context"),
        *("resource" for _ in versions),
        *("prepared" for _ in digests),
        *signature,
        *("comment" for _ in seqs),
    ]


def _held(
    identity: str, patient: str, row: Sequence[Any], ingredient: str, context: bytes, revisions: Mapping[str, bytes]
) -> Held:
    found = Draft(
        id=identity,
        ehr=row[0],
        patient=patient,
        facts=row[4],
        ingredient=ingredient,
        rank=int(row[5]),
        state=row[8],
        version=int(row[9]),
        resource=revisions[row[9]],
        context=context,
        created=read_instant(row[6]),
        expires=read_instant(row[7]),
        updated=read_instant(row[10]),
    )
    return Held(found, int(row[11]), row[12])


def _row(sealing: Sealing, held: Held) -> list[Any]:
    """Return the texts of a draft's fields as ``redis_rows.of_draft`` writes them, and how many fields it has."""
    one = held.draft
    pid, whose = sealing.find(person(one.ehr, one.patient)), sealing.find(person(one.patient))
    return [
        one.ehr, sealing.fixed(one.patient), pid, whose, one.facts, str(one.rank), instant(one.created),
        instant(one.expires), one.state, str(one.version), instant(one.updated), str(held.seq), held.head, _FIELDS,
    ]  # fmt: skip


def _signature(signed: Sequence[Any], order: bytes, jws: str, provenance: bytes) -> Signature:
    whose, version, digest, practitioner, order_id, at, _ = signed
    return Signature(
        whose, int(version), digest, practitioner, order_id, order, jws, provenance, signed=read_instant(at)
    )


def _signed(found: Signature) -> list[Any]:
    texts = (found.draft, str(found.version), found.digest, found.practitioner, found.order_id, instant(found.signed))
    return [*texts, len(texts) + 3]


def _outbox(queued: Sequence[Any]) -> Outbox:
    due, attempts, lease, progress, *_ = queued
    return Outbox(due or None, int(attempts), lease or None, _PROGRESS.decode(progress))


def _queued(row: Outbox, entry: str) -> list[Any]:
    # For texts alone it writes what ``canonical_json`` does, and is much faster.
    progress = msgspec.json.encode(row.progress, order="sorted").decode()
    return [row.due or "", str(row.attempts), row.lease or "", progress, entry, 5]


def _cards(entries: Sequence[AuditEntry], raw: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    """Return the claims of the cards that a chain names; one that has not the fields that we write has none."""
    rows = dict(raw)
    found: dict[str, Mapping[str, Any]] = {}
    for uuid in [entry.detail["card"] for entry in entries if entry.event == "shown"]:
        row = rows[uuid]
        if len(row) == 4 and row[3] == _CARD and False not in row:
            found[uuid] = claims.of_card_texts(uuid, *row[:3])
    return found


def _indexed(held: Held, outbox: Outbox | None, queued: Sequence[Any], found: Sequence[Any]) -> Iterator[str]:
    """Name each index that does not lead to a draft as its record says."""
    one, unsigned = held.draft, held.draft.state in UNSIGNED
    created, expires = str(microseconds(one.created)), str(microseconds(one.expires))
    due = str(microseconds(read_instant(outbox.due))) if outbox and outbox.due else False
    waits = outbox is not None and one.state not in SETTLED
    entry = [[queued[4], ["draft", one.id]]] if waits else []
    wanted = (
        ("EHRs", 1),
        ("state", created),
        ("patient", created),
        ("facts", 1),
        ("open", int(unsigned)),
        ("deadline", expires if unsigned else False),
        ("due", due),
    )
    for (name, value), other in zip(wanted, found, strict=False):
        if other != value:
            yield f"U-AUDIT-RECORD: index: {name} is not as the draft says"
    if found[8] != entry:
        yield "U-AUDIT-RECORD: the stream does not have its write-back as the draft says"
