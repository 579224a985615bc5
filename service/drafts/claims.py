"""What an audit entry says of the rows written with it: their digests and ids.

The entry is made from these when the row is written, and verification makes them again from the row as it is
found, so a change to any column shows as a claim that no longer holds.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from service.drafts.canonical_json import digest, dumps, instant
from service.drafts.flags import Attested, Flag
from service.drafts.records import Draft, Prepared, Signature
from service.drafts.registers import Register


def of_draft(draft: Draft) -> dict[str, Any]:
    """Return the claims of ``held`` over the columns that never change."""
    fixed = {"ehr": draft.ehr, "ingredient": draft.ingredient, "patient": draft.patient, "rank": draft.rank}
    return {
        "facts": draft.facts,
        "record": _of_scalars({"id": draft.id, **fixed}),
        "context": digest(draft.context),
        "created": instant(draft.created),
        "expires": instant(draft.expires),
    }


def of_revision(version: int, resource: bytes) -> dict[str, Any]:
    """Return the claims of ``held`` and ``modified`` over one version of the draft's resource."""
    return {"version": version, "resource": digest(resource)}


def of_prepared(prepared: Prepared) -> dict[str, Any]:
    """Return the claims of ``prepared``; the practitioner is the entry's actor."""
    return {
        "version": prepared.version,
        "digest": digest(prepared.order),
        "order": prepared.order_id,
        "acknowledgements": digest(dumps(list(prepared.acknowledgements))),
        "prepared": instant(prepared.prepared),
    }


def of_signature(signature: Signature) -> dict[str, Any]:
    """Return the claims of ``signed``; the practitioner is the entry's actor."""
    return {
        "version": signature.version,
        "digest": digest(signature.order),
        "order": signature.order_id,
        "jws": digest(signature.jws.encode()),
        "provenance": digest(signature.provenance),
        "signed": instant(signature.signed),
    }


def of_card(uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of ``shown``, the same in the chain of each draft of the card."""
    return of_card_texts(uuid, ehr, dumps(list(drafts)).decode(), dumps(detail).decode())


def of_card_texts(uuid: str, ehr: str, drafts: str, detail: str) -> dict[str, Any]:
    """Return the claims of ``shown`` from the canonical texts of a card's drafts and detail, as they are stored."""
    content = f'{{"detail":{detail},"drafts":{drafts},"ehr":{dumps(ehr).decode()}}}'
    return {"card": uuid, "content": digest(content.encode())}


def of_flag(flag: Flag) -> dict[str, Any]:
    """Return the claims of a flag's first entry over the columns that never change."""
    fixed = {"id": flag.id, "ehr": flag.ehr, "patient": flag.patient}
    return {"record": _of_scalars(fixed), "created": instant(flag.created)}


def of_register(register: Register) -> dict[str, Any]:
    """Return the claims of each entry of a register over whose register it is."""
    fixed = {"id": register.id, "kind": register.kind, "ehr": register.ehr, "subject": register.subject}
    return {"record": _of_scalars(fixed)}


def of_alarm(facts: str, context: bytes) -> dict[str, Any]:
    """Return the claims of ``raised``."""
    return {"facts": facts, "context": digest(context)}


def of_attestation(found: Attested) -> dict[str, Any]:
    """Return the claims of ``attested``; the practitioner is the entry's actor, its time when it was recorded."""
    said = {
        "assessed": instant(found.assessed),
        "display": found.display,
        "practitioner": found.practitioner,
        "result": found.result,
        "review_by": found.review_by,
        "review_on": found.review_on.isoformat(),
        "role": found.role,
    }
    return {"attestation": found.id, "content": digest(dumps(said))}


def of_comment(text: str) -> str:
    """Return the digest that stands in the chain for a comment."""
    return digest(text.encode())


def carried(jws: str) -> str:
    """Return a JWS as ``Provenance.signature.data`` carries it (base64Binary)."""
    return base64.b64encode(jws.encode()).decode()


def _of_scalars(fixed: Mapping[str, str | int]) -> str:
    """Return the digest of the canonical JSON of texts and whole numbers; msgspec writes these as ``dumps`` does."""
    try:
        return digest(msgspec.json.encode(fixed, order="deterministic"))
    except UnicodeEncodeError:
        return digest(dumps(fixed))
