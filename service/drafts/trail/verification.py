"""Verification of what is stored: one signature by itself, and one draft's rows against its audit chain.

Nothing here asks a store; each gathers a ``Record`` and gets back faults as lines ``U-…: what is wrong``.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from fhir_adapters.errors import UndersignError
from service.drafts import claims, states
from service.drafts.audit import chain_faults
from service.drafts.canonical_json import digest, instant
from service.drafts.commit.transaction import Outbox
from service.drafts.records import AuditEntry, Draft, Prepared, Signature
from service.drafts.signature import rejections
from service.drafts.signature.signing import verify_detached

Events = Mapping[str, Sequence[AuditEntry]]


class _Reference(msgspec.Struct):
    reference: str


class _Identifier(msgspec.Struct):
    value: str


class _Order(msgspec.Struct, rename="camel"):
    """What a signature is held against, of the order that it is over."""

    requester: _Reference
    identifier: list[_Identifier]
    based_on: list[_Reference]


class _Signature(msgspec.Struct):
    data: str


class _Provenance(msgspec.Struct):
    signature: list[_Signature]


_ORDER: Final = msgspec.json.Decoder(_Order)
_PROVENANCE: Final = msgspec.json.Decoder(_Provenance)


@dataclass(frozen=True, slots=True)
class Record:
    """All that a store has of one draft.

    ``cards`` are the claims of the cards that its chain names, ``hashes`` what the stored bytes of its entries give.
    """

    draft: Draft
    seq: int
    head: str
    revisions: Mapping[int, bytes]
    entries: Sequence[AuditEntry]
    prepared: Sequence[Prepared] = ()
    signature: Signature | None = None
    outbox: Outbox | None = None
    comments: Mapping[int, str] = field(default_factory=dict[int, str])
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    hashes: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What verification walked through; ``entries`` are those of all chains, of drafts, flags and registers.

    ``faults`` are lines ``draft <id>: U-…: …``, ``flag …`` or ``register …``, none where all is whole.
    """

    faults: tuple[str, ...]
    drafts: int
    entries: int
    signatures: int
    flags: int = 0
    attestations: int = 0
    registers: int = 0


def signature_faults(signature: Signature, jwks: Mapping[str, Any] | None) -> list[str]:
    """Return what is wrong with a stored signature; the JWS itself is checked when keys are given.

    Codes: U-SIG-FORMAT, U-SIG-KEY, U-SIG-REVOKED, U-SIG-VALUE, U-SIG-DIGEST (not the digest of the order's bytes),
    U-SIG-SIGNER (the bytes name another practitioner), U-SIG-ORDER (another order id), U-SIG-DRAFT (another
    draft or version), U-SIG-PROVENANCE (the Provenance does not carry this JWS).
    """
    faults: list[str] = []
    if signature.digest != digest(signature.order):
        faults.append("U-SIG-DIGEST: the digest is not that of the stored order")
    try:
        if jwks is not None:
            verify_detached(signature.jws, signature.order, jwks, signature.signed)
    except UndersignError as error:
        faults.append(str(error))
    return [*faults, *_content_faults(signature)]


def record_faults(record: Record, jwks: Mapping[str, Any] | None = None) -> list[str]:
    """Return what is wrong with a draft's rows, its chain and its signature.

    Codes beside those of ``signature_faults``: U-AUDIT-SEQUENCE, -CHAIN, -HASH (the chain by itself), -HEAD
    (the draft's last entry is another), -STATE (the chain leads elsewhere), -RECORD (a row is not what the
    chain claims), -MISSING (a row that the chain claims is gone), -UNCLAIMED (a row that no entry speaks of).
    """
    faults = chain_faults(record.entries, record.hashes)
    events: defaultdict[str, list[AuditEntry]] = defaultdict(list)
    for entry in record.entries:
        events[entry.event].append(entry)
    faults += _head_faults(record)
    faults += _state_faults(record)
    for part in (_draft_rows, _prepared_rows, _signature_row, _outbox_row, _comment_rows, _card_rows):
        faults += part(record, events)
    if record.signature is not None:
        faults += signature_faults(record.signature, jwks)
    return [*faults, *rejections.faults(record.draft, record.entries, record.revisions, jwks)]


def _content_faults(signature: Signature) -> Iterator[str]:
    try:
        order, provenance = _ORDER.decode(signature.order), _PROVENANCE.decode(signature.provenance)
        carried, signer = provenance.signature[0].data, order.requester.reference
        order_id, basis = order.identifier[0].value, order.based_on[0].reference
    except (msgspec.MsgspecError, LookupError, ValueError):
        yield "U-SIG-FORMAT: the order or its Provenance is not of the form that is signed"
        return
    if signer != signature.practitioner:
        yield "U-SIG-SIGNER: the order names another practitioner"
    if order_id != signature.order_id:
        yield "U-SIG-ORDER: the order has another identifier"
    if not basis.endswith(f"/MedicationRequest/{signature.draft}/_history/{signature.version}"):
        yield "U-SIG-DRAFT: the order is based on another draft or version"
    if carried != claims.carried(signature.jws):
        yield "U-SIG-PROVENANCE: the Provenance carries another signature"


def _head_faults(record: Record) -> Iterator[str]:
    last = record.entries[-1] if record.entries else None
    if last is None:
        yield "U-AUDIT-MISSING: the draft has no audit chain"
    elif (last.seq, last.hash) != (record.seq, record.head):
        yield "U-AUDIT-HEAD: the chain does not end where the draft says"
    elif last.at != record.draft.updated:
        yield "U-AUDIT-RECORD: updated is not the time of the last entry"


def _state_faults(record: Record) -> Iterator[str]:
    state = None
    for entry in record.entries:
        state = states.after(entry.event, state)
        if state is None or entry.detail.get("state") != state:
            yield f"U-AUDIT-STATE: entry {entry.seq} ({entry.event}) could not follow"
            return
    if state != record.draft.state:
        yield f"U-AUDIT-STATE: the draft is {record.draft.state}, its chain ends {state}"


# The events that write a version of the draft's resource.
_REVISES: Final = frozenset({"held", "edited", "modified"})


def _draft_rows(record: Record, events: Events) -> Iterator[str]:
    revised = {e.detail.get("version"): e for e in record.entries if e.event in _REVISES}
    for held in events.get("held", ())[:1]:
        yield from against("draft", held, claims.of_draft(record.draft))
    for version, resource in record.revisions.items():
        if version in revised:
            yield from against(f"version {version}", revised[version], claims.of_revision(version, resource))
        else:
            yield f"U-AUDIT-UNCLAIMED: version {version} is in no entry"
    for version in revised.keys() - record.revisions.keys():
        yield f"U-AUDIT-MISSING: version {version} is gone"
    if record.draft.version != max(revised, default=None, key=lambda version: version or 0):
        yield "U-AUDIT-RECORD: the draft's version is not the last one recorded"


def _prepared_rows(record: Record, events: Events) -> Iterator[str]:
    claimed = {(e.detail.get("digest"), e.actor): e for e in events.get("prepared", ())}
    for shown in record.prepared:
        entry = claimed.get((shown.digest, shown.practitioner))
        if entry is None:
            yield "U-AUDIT-UNCLAIMED: prepared bytes that no entry speaks of"
        else:
            yield from against("prepared bytes", entry, claims.of_prepared(shown))


def _signature_row(record: Record, events: Events) -> Iterator[str]:
    entry = next(iter(events.get("signed", ())), None)
    found = record.signature
    if not states.signature_fits(record.draft.state, signed=found is not None):
        yield f"U-AUDIT-STATE: it is {record.draft.state} and has {'a' if found else 'no'} signature"
    if found is not None and entry is None:
        yield "U-AUDIT-UNCLAIMED: a signature that no entry speaks of"
    if found is None and entry is not None:
        yield "U-AUDIT-MISSING: the signature is gone"
    if found is not None and entry is not None:
        yield from against("signature", entry, claims.of_signature(found))
        if found.practitioner != entry.actor or found.draft != entry.draft:
            yield "U-AUDIT-RECORD: signature: not by the practitioner who signed"


def _outbox_row(record: Record, events: Events) -> Iterator[str]:
    expected = _expected_outbox(record.entries) if "signed" in events else None
    if expected is not None and record.outbox is None:
        yield "U-AUDIT-MISSING: the write-back of a signed draft is gone"
    elif expected is None and record.outbox is not None:
        yield "U-AUDIT-UNCLAIMED: a write-back that no entry speaks of"
    elif expected != record.outbox:
        yield "U-AUDIT-RECORD: the write-back is not where its entries leave it"


# The events that take the write-back off whoever had it, ended or due again.
_LEAVES: Final = frozenset(
    {"awaited", "confirmed", "write-failed", "parked", "mismatch", "released", "resolved", "revoked"}
)


def _expected_outbox(entries: Sequence[AuditEntry]) -> Outbox | None:
    """Return the outbox row that the chain leads to; None where no write-back was asked for."""
    due, attempts, lease, progress = None, 0, None, dict[str, str]()
    queued = False
    for entry in entries:
        event, said = entry.event, entry.detail
        if event == "signed" and said.get("write_back"):
            queued, due, attempts, lease, progress = True, instant(entry.at), 0, None, {}
        elif not queued:
            continue
        elif event == "claimed":
            due, attempts, lease = said.get("due"), attempts + 1, said.get("lease")
        elif event in ("progressed", "written"):
            progress = {**progress, **said.get("step", {})}
        elif event in _LEAVES:
            due, lease = said.get("due"), None
    return Outbox(due, attempts, lease, progress) if queued else None


def _comment_rows(record: Record, events: Events) -> Iterator[str]:
    said = [(entry.seq, entry.detail["given"]) for entry in record.entries if "given" in entry.detail]
    claimed = {seq: given["comment"] for seq, given in said if "comment" in given}
    for seq in claimed.keys() | record.comments.keys():
        text = record.comments.get(seq)
        if text is None:
            yield f"U-AUDIT-MISSING: the comment of entry {seq} is gone"
        elif claimed.get(seq) != claims.of_comment(text):
            yield f"U-AUDIT-RECORD: the comment of entry {seq} is not what was recorded"


def _card_rows(record: Record, events: Events) -> Iterator[str]:
    for entry in events.get("shown", ()):
        card = record.cards.get(str(entry.detail.get("card")))
        if not card:
            yield f"U-AUDIT-MISSING: the card of entry {entry.seq} is gone"
        else:
            yield from against("card", entry, card)


def against(what: str, entry: AuditEntry, claimed: Mapping[str, Any]) -> Iterator[str]:
    """Name each column group of a row that is not as its entry says."""
    for name, value in claimed.items():
        if entry.detail.get(name) != value:
            yield f"U-AUDIT-RECORD: {what}: {name} is not what entry {entry.seq} recorded"
