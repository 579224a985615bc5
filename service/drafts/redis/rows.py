"""Records of the protocol as fields of Redis hashes and items of lists, and back."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from fhir_adapters.errors import UndersignError
from service.drafts import claims
from service.drafts.audit import body_of, stored
from service.drafts.canonical_json import dumps, instant, load_object, loads, read_instant
from service.drafts.commit.transaction import Held, HeldFlag, HeldRegister, Outbox
from service.drafts.flags import Alarm, Attested, Flag
from service.drafts.records import AuditEntry, Draft, Prepared, Signature
from service.drafts.redis.keys import person
from service.drafts.registers import Register, Registered
from service.errors import ServiceError

HASH: Final = 64
CARD: Final = {"ehr", "drafts", "detail"}
# What reading a record raises when somebody has written nonsense into it; of a ServiceError, ``unreadable`` says it.
UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, UndersignError, msgspec.MsgspecError)
Fields = dict[str, Any]
_PREPARED: Final = msgspec.msgpack.Decoder(tuple[str, int, str, str, bytes, str, list[str], str])
_ALARM: Final = msgspec.msgpack.Decoder(tuple[str, int, str, bytes, str])
_ATTESTATION: Final = msgspec.msgpack.Decoder(tuple[str, str, int, str, str | None, str, str, str, str, str, str])


def unreadable(error: Exception) -> bool:
    """Say whether it was a record that could not be read, and not the server or a step that failed."""
    return not isinstance(error, ServiceError) or error.code == "U-STORE-SEAL"


def fields(flat: Sequence[bytes]) -> dict[str, bytes]:
    """Return the fields of a hash as HGETALL gives them inside a script: name, value, name, value."""
    return dict(zip(map(bytes.decode, flat[::2]), flat[1::2], strict=True))


def text(row: Mapping[str, bytes], name: str) -> str:
    """Return a field as text."""
    return row[name].decode()


def of_draft(held: Held) -> Fields:
    """Return a draft's fields; its resource is kept by version."""
    draft = held.draft
    return {
        "ehr": draft.ehr,
        "patient": draft.patient,
        "pid": person(draft.ehr, draft.patient),
        "person": person(draft.patient),
        "facts": draft.facts,
        "ingredient": draft.ingredient,
        "rank": str(draft.rank),
        "context": draft.context,
        "created": instant(draft.created),
        "expires": instant(draft.expires),
        **of_moved(held),
    }


def of_moved(held: Held) -> Fields:
    """Return those of a draft's fields that a step changes."""
    return {
        "state": held.draft.state,
        "version": str(held.draft.version),
        "updated": instant(held.draft.updated),
        "seq": str(held.seq),
        "head": held.head,
    }


def draft(identity: str, row: Mapping[str, bytes], resource: bytes) -> Held:
    """Return the draft of these fields."""
    found = Draft(
        id=identity,
        ehr=text(row, "ehr"),
        patient=text(row, "patient"),
        facts=text(row, "facts"),
        ingredient=text(row, "ingredient"),
        rank=int(row["rank"]),
        state=text(row, "state"),  # pyright: ignore[reportArgumentType]
        version=int(row["version"]),
        resource=resource,
        context=row["context"],
        created=read_instant(text(row, "created")),
        expires=read_instant(text(row, "expires")),
        updated=read_instant(text(row, "updated")),
    )
    return Held(found, int(row["seq"]), text(row, "head"))


def of_entry(entry: AuditEntry) -> bytes:
    """Return an audit entry as its list holds it: its hash, 64 digits, and the bytes that it is over."""
    return (entry.hash + body_of(entry)).encode()


def entry(raw: bytes) -> AuditEntry:
    """Return the audit entry of an item."""
    return _entry(raw, load_object(raw[HASH:]))


def chained(items: Sequence[str]) -> tuple[list[AuditEntry], list[str]]:
    """Return the entries of a list, and the hash that the text of each gives; to verify them fast."""
    found = [stored(item[:HASH], item[HASH:]) for item in items]
    return [entry for entry, _ in found], [head for _, head in found]


def _entry(raw: bytes, said: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(
        draft=said["draft"],
        seq=said["seq"],
        at=read_instant(said["at"]),
        event=said["event"],
        actor=said["actor"],
        detail=said["detail"],
        previous=said["previous"],
        hash=raw[:HASH].decode(),
    )


def of_prepared(shown: Prepared) -> bytes:
    """Return prepared bytes as one value."""
    return _pack(
        shown.draft, shown.version, shown.digest, shown.practitioner, shown.order, shown.order_id,
        list(shown.acknowledgements), instant(shown.prepared),
    )  # fmt: skip


def prepared(raw: bytes) -> Prepared:
    """Return the prepared bytes of one value."""
    row = _PREPARED.decode(raw)
    return Prepared(*row[:6], acknowledgements=tuple(row[6]), prepared=read_instant(row[7]))


def of_signature(found: Signature) -> Fields:
    """Return a signature's fields."""
    return {
        "draft": found.draft,
        "version": str(found.version),
        "digest": found.digest,
        "practitioner": found.practitioner,
        "order_id": found.order_id,
        "order": found.order,
        "jws": found.jws,
        "provenance": found.provenance,
        "signed": instant(found.signed),
    }


def signature(row: Mapping[str, bytes]) -> Signature | None:
    """Return the signature of these fields, None for none."""
    if not row:
        return None
    return Signature(
        draft=text(row, "draft"),
        version=int(row["version"]),
        digest=text(row, "digest"),
        practitioner=text(row, "practitioner"),
        order_id=text(row, "order_id"),
        order=row["order"],
        jws=text(row, "jws"),
        provenance=row["provenance"],
        signed=read_instant(text(row, "signed")),
    )


def of_outbox(row: Outbox) -> Fields:
    """Return an outbox row's fields; what is None is empty."""
    return {
        "due": row.due or "",
        "attempts": str(row.attempts),
        "lease": row.lease or "",
        "progress": dumps(row.progress),
    }


def outbox(row: Mapping[str, bytes]) -> Outbox | None:
    """Return the outbox row of these fields, None for none."""
    if not row:
        return None
    return Outbox(text(row, "due") or None, int(row["attempts"]), text(row, "lease") or None, loads(row["progress"]))


def of_card(ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> Fields:
    """Return a card's fields."""
    return {"ehr": ehr, "drafts": dumps(list(drafts)), "detail": dumps(detail)}


def card(uuid: str, row: Mapping[str, bytes]) -> Mapping[str, Any] | None:
    """Return a card's claims, None for no card."""
    return claims.of_card_texts(uuid, text(row, "ehr"), text(row, "drafts"), text(row, "detail")) if row else None


def of_flag(held: HeldFlag) -> Fields:
    """Return a flag's fields."""
    return {
        "ehr": held.flag.ehr,
        "patient": held.flag.patient,
        "pid": person(held.flag.ehr, held.flag.patient),
        "created": instant(held.flag.created),
        "seq": str(held.seq),
        "head": held.head,
    }


def flag(identity: str, row: Mapping[str, bytes]) -> HeldFlag:
    """Return the flag of these fields."""
    found = Flag(identity, text(row, "ehr"), text(row, "patient"), read_instant(text(row, "created")))
    return HeldFlag(found, int(row["seq"]), text(row, "head"))


def of_register(held: HeldRegister) -> Fields:
    """Return a register's fields."""
    found = held.register
    return {
        "kind": found.kind,
        "ehr": found.ehr,
        "subject": found.subject,
        "pid": person(found.ehr, found.subject),
        "seq": str(held.seq),
        "head": held.head,
    }


def register(identity: str, row: Mapping[str, bytes], last: bytes) -> HeldRegister:
    """Return the register of these fields and its last entry."""
    found = Register(identity, text(row, "kind"), text(row, "ehr"), text(row, "subject"))  # pyright: ignore[reportArgumentType]
    return HeldRegister(found, int(row["seq"]), text(row, "head"), entry(last))


def registered(found: Sequence[Any]) -> Registered:
    """Return the last entry of a register: its id, fields and that entry."""
    held = register(found[0].decode(), fields(found[1]), found[2])
    whose = held.register
    return Registered(whose.id, whose.kind, whose.ehr, whose.subject, entry(found[2]))


def of_alarm(alarm: Alarm) -> bytes:
    """Return an alarm as one value."""
    return _pack(alarm.flag, alarm.seq, alarm.facts, alarm.context, instant(alarm.raised))


def alarm(raw: bytes) -> Alarm:
    """Return the alarm of one value."""
    row = _ALARM.decode(raw)
    return Alarm(*row[:4], raised=read_instant(row[4]))


def of_attestation(made: Attested) -> bytes:
    """Return an attestation as one value."""
    return _pack(
        made.id, made.flag, made.seq, made.practitioner, made.display, made.role, instant(made.assessed), made.result,
        made.review_by, made.review_on.isoformat(), instant(made.recorded),
    )  # fmt: skip


def attestation(raw: bytes) -> Attested:
    """Return the attestation of one value."""
    row = _ATTESTATION.decode(raw)
    return Attested(
        *row[:6],
        assessed=read_instant(row[6]),
        result=row[7],  # pyright: ignore[reportArgumentType]
        review_by=row[8],
        review_on=date.fromisoformat(row[9]),
        recorded=read_instant(row[10]),
    )


def _pack(*values: object) -> bytes:
    return msgspec.msgpack.encode(values)
