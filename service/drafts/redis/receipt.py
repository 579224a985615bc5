"""What a receipt is of, and how it is kept: as one row of a table of its kind, its body MessagePack."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from service.drafts.canonical_json import dumps, instant, loads, read_instant
from service.drafts.flags import Attested
from service.drafts.records import Prepared, Signature
from service.drafts.redis import rows as redis_rows
from service.drafts.registers import Kind, Registered

Table = Literal["attempt", "entered", "revoked", "rejected", "attested"]
_REVOKED: Final = msgspec.msgpack.Decoder(tuple[str, str, str, bytes])
_REJECTED: Final = msgspec.msgpack.Decoder(tuple[str, int, str, str, bytes])
_ATTESTED: Final = msgspec.msgpack.Decoder(tuple[str, str, bytes, bytes])
_ENTERED: Final = msgspec.msgpack.Decoder(tuple[str, Kind, str, str, bytes])
_SIGNED: Final = msgspec.msgpack.Decoder(tuple[bytes, dict[str, Any], bool, bytes])


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature as it was acknowledged, with all that it takes to record it again."""

    prepared: Prepared
    signature: Signature
    write_back: bool
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revocation as it was acknowledged: whose draft's, by whom, ``at`` the store's time, and what was given."""

    draft: str
    actor: str
    at: datetime
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejection as it was acknowledged: of which version of a draft, by whom, when, and what was given."""

    draft: str
    version: int
    actor: str
    at: datetime
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """An attestation as it was acknowledged: of which patient, and what was given with it."""

    ehr: str
    patient: str
    made: Attested
    detail: dict[str, Any]


# The receipt of an entry of a register is that entry.
Receipt = Signed | Revoked | Rejected | Word | Registered


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What somebody was told of on this host, each kind with the oldest first."""

    signed: Sequence[Signed]
    revoked: Sequence[Revoked]
    rejected: Sequence[Rejected]
    attested: Sequence[Word]
    entered: Sequence[Registered]


@dataclass(frozen=True, slots=True)
class Form:
    """How receipts of a kind are kept: the table, its columns for whose they are and when, and their bodies."""

    table: Table
    owner: str
    at: str
    whose: Callable[[Any], tuple[str, datetime]]
    packed: Callable[[Any], bytes]
    read: Callable[[bytes], Any]


def _of_signed(one: Signed) -> bytes:
    signature = {name: value for name, value in redis_rows.of_signature(one.signature).items() if name != "order"}
    said = (redis_rows.of_prepared(one.prepared), signature, one.write_back, dumps(one.detail))
    return msgspec.msgpack.encode(said)


def _signed(body: bytes) -> Signed:
    shown, row, write_back, detail = _SIGNED.decode(body)
    prepared = redis_rows.prepared(shown)
    signature = Signature(
        draft=row["draft"],
        version=int(row["version"]),
        digest=row["digest"],
        practitioner=row["practitioner"],
        order_id=row["order_id"],
        order=prepared.order,
        jws=row["jws"],
        provenance=row["provenance"],
        signed=read_instant(row["signed"]),
    )
    return Signed(prepared, signature, write_back, loads(detail))


def _of_revoked(one: Revoked) -> bytes:
    return msgspec.msgpack.encode((one.draft, one.actor, instant(one.at), dumps(one.detail)))


def _revoked(body: bytes) -> Revoked:
    draft, actor, at, detail = _REVOKED.decode(body)
    return Revoked(draft, actor, read_instant(at), loads(detail))


def _of_rejected(one: Rejected) -> bytes:
    return msgspec.msgpack.encode((one.draft, one.version, one.actor, instant(one.at), dumps(one.detail)))


def _rejected(body: bytes) -> Rejected:
    draft, version, actor, at, detail = _REJECTED.decode(body)
    return Rejected(draft, version, actor, read_instant(at), loads(detail))


def _of_word(one: Word) -> bytes:
    return msgspec.msgpack.encode((one.ehr, one.patient, redis_rows.of_attestation(one.made), dumps(one.detail)))


def _word(body: bytes) -> Word:
    ehr, patient, made, detail = _ATTESTED.decode(body)
    return Word(ehr, patient, redis_rows.attestation(made), loads(detail))


def _of_entered(one: Registered) -> bytes:
    return msgspec.msgpack.encode((one.id, one.kind, one.ehr, one.subject, redis_rows.of_entry(one.entry)))


def _entered(body: bytes) -> Registered:
    register, kind, ehr, subject, entry = _ENTERED.decode(body)
    return Registered(register, kind, ehr, subject, redis_rows.entry(entry))


def _of(one: Revoked | Rejected) -> tuple[str, datetime]:
    return one.draft, one.at


FORMS: Final[Mapping[type, Form]] = {
    Signed: Form(
        "attempt", "draft", "signed", lambda one: (one.signature.draft, one.signature.signed), _of_signed, _signed
    ),
    Revoked: Form("revoked", "draft", "at", _of, _of_revoked, _revoked),
    Rejected: Form("rejected", "draft", "at", _of, _of_rejected, _rejected),
    Word: Form("attested", "flag", "at", lambda one: (one.made.flag, one.made.recorded), _of_word, _word),
    Registered: Form("entered", "register", "at", lambda one: (one.id, one.entry.at), _of_entered, _entered),
}
