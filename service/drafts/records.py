"""The records of the hold, as every store has them: drafts, what was shown, signatures, write-backs, audit entries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

State = Literal[
    "held", "presented", "accepted", "modified", "overridden", "superseded", "withdrawn", "expired",
    "signed", "writing", "written", "awaiting-ehr-signature", "confirmed", "write-failed", "parked", "mismatch",
    "revoked",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewDraft:
    """A draft to hold. ``resource`` is canonical JSON bytes of the R4 MedicationRequest without its id;
    ``rank`` keeps the order of one assessment's drafts; ``context`` is JSON for the page and the audit
    (reasons, predictions, versions, unknowns, and ``acknowledge``: what a signer must acknowledge)."""

    ingredient: str
    rank: int
    resource: bytes
    context: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """The card that is about to show what is held: its uuid, for whom, and what the audit keeps of it."""

    uuid: str
    actor: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A held draft as the store has it. ``id`` is an opaque UUID; ``resource`` holds it as its FHIR id."""

    id: str
    ehr: str
    patient: str
    facts: str
    ingredient: str
    rank: int
    state: State
    version: int
    resource: bytes
    context: bytes
    created: datetime
    expires: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Prepared:
    """The exact bytes that a practitioner was shown for signing; kept until the draft ends."""

    draft: str
    version: int
    digest: str
    practitioner: str
    order: bytes
    order_id: str
    acknowledgements: tuple[str, ...]
    prepared: datetime


@dataclass(frozen=True, slots=True)
class Signature:
    """A finished signature: detached JWS over ``order`` and the Provenance that carries it."""

    draft: str
    version: int
    digest: str
    practitioner: str
    order_id: str
    order: bytes
    jws: str
    provenance: bytes
    signed: datetime


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One write-back to do. ``lease`` is the fencing token: a finish with another token is refused."""

    draft: str
    ehr: str
    order_id: str
    order: bytes
    provenance: bytes
    attempts: int
    lease: str
    progress: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One link of a chain: ``hash`` = SHA-256 over the previous hash and this entry's bytes.

    ``draft`` is the id of the draft, of the flag or of the register whose chain it is.
    """

    draft: str
    seq: int
    at: datetime
    event: str
    actor: str
    detail: Mapping[str, Any]
    previous: str
    hash: str
