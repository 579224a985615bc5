"""The narrow protocol that every store keeps.

Each call that changes anything is one durable commit of state, audit entry and, where there is one, outbox
entry; it returns only after that commit. Time is the store's own clock. Callers never read, decide and write
in two steps: what must hold is an argument, and a refusal names what was found instead.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from service.drafts.flags import FlagStore
from service.drafts.records import AuditEntry, Draft, NewDraft, OutboxEntry, Prepared, Shown, Signature, State
from service.drafts.registers import RegisterStore


class Store(FlagStore, RegisterStore, Protocol):
    """What the service asks of a store. Errors: Conflict (U-DRAFT-*), NotFound, Unavailable (U-STORE-*)."""

    async def open(self) -> None:
        """Open, migrate and check; raises ConfigError when the store cannot keep its promises."""
        ...

    async def close(self) -> None:
        """Finish what is queued and close."""
        ...

    async def now(self) -> datetime:
        """Return the store's time (UTC)."""
        ...

    async def hold(
        self,
        ehr: str,
        patient: str,
        facts: str,
        drafts: Sequence[NewDraft],
        expires_after_s: int,
        actor: str,
        shown: Shown | None = None,
    ) -> Sequence[Draft]:
        """Hold the drafts of one assessment and return them in rank order.

        The same ``(ehr, patient, facts)`` returns the drafts that are already held and unsigned,
        unchanged; with other facts, unsigned drafts of that patient become ``superseded`` in the same commit.
        Facts of which a draft was signed or overridden, and that has not expired, return the remaining ones
        and no new ones.

        With ``shown`` the drafts returned are ``presented`` on that card in the same commit; where none are
        returned, no card is recorded.
        """
        ...

    async def mark(self, ids: Sequence[str], state: State, actor: str, detail: Mapping[str, Any]) -> None:
        """Move unsigned drafts to ``presented``, ``accepted``, ``overridden`` or ``withdrawn``; or, accepted where
        only the EHR signs, to ``awaiting-ehr-signature``.

        A draft that is already there, or past it, is left as it is, and the event is still recorded.
        """
        ...

    async def read(self, draft: str) -> Draft:
        """Return one draft, ended ones too; NotFound U-DRAFT-UNKNOWN."""
        ...

    async def find(
        self,
        *,
        ehr: str | None = None,
        patient: str | None = None,
        states: Sequence[State] | None = None,
        limit: int = 1000,
    ) -> Sequence[Draft]:
        """Return drafts, newest first."""
        ...

    async def count(self, states: Sequence[State], ehr: str | None = None) -> int:
        """Count drafts in the given states."""
        ...

    async def prepare(self, draft: str, expected_version: int, prepared: Prepared, resource: bytes | None) -> None:
        """Keep the bytes shown; ``resource`` (an edit) makes a new version, ``modified``, in the same commit."""
        ...

    async def prepared(self, draft: str, digest: str, practitioner: str) -> Prepared | None:
        """Return what was shown to this practitioner under this digest."""
        ...

    async def sign(self, signature: Signature, *, write_back: bool, detail: Mapping[str, Any]) -> Draft:
        """Record the signature, move to ``signed`` and queue the write-back, in one full-sync commit.

        The patient's other unsigned drafts become ``superseded`` in the same commit: they were alternatives, on a
        chart that the signature changes. Exactly one of many concurrent signers wins. Conflicts: U-DRAFT-STATE,
        U-DRAFT-VERSION, U-DIGEST, U-DRAFT-EXPIRED (by the store's clock), U-DRAFT-SIGNED, U-ORDER-PENDING (another
        draft of the patient is signed or accepted, and not confirmed).
        """
        ...

    async def reject(self, draft: str, expected_version: int | None, actor: str, detail: Mapping[str, Any]) -> Draft:
        """End an unsigned draft as ``overridden`` with its reason."""
        ...

    async def signature(self, draft: str) -> Signature | None:
        """Return the draft's signature, if it has one."""
        ...

    async def signature_of_order(self, order_id: str) -> Signature | None:
        """Return the signature of an order by the order's id, found by an index."""
        ...

    async def note(self, draft: str, event: Literal["referred"], actor: str, detail: Mapping[str, Any]) -> Draft:
        """Record something that leaves an unsigned draft as it is; Conflict U-DRAFT-*."""
        ...

    async def expire(self) -> int:
        """End unsigned drafts past their time; returns how many."""
        ...

    async def claim(self, lease_s: int, without: Collection[str] = ()) -> OutboxEntry | None:
        """Take the next write-back whose time has come, under a new lease; state ``writing``.

        None of the tenants in ``without``: an EHR that holds its own up does not hold up the others'.
        """
        ...

    async def progress(self, entry: OutboxEntry, step: Mapping[str, str]) -> None:
        """Record a finished step (ids the EHR gave) under the lease."""
        ...

    async def finish(
        self,
        entry: OutboxEntry,
        state: Literal["confirmed", "awaiting-ehr-signature", "write-failed", "mismatch", "parked"],
        detail: Mapping[str, Any],
        retry_s: int = 0,
    ) -> None:
        """End or re-queue (``write-failed``) a write-back under its lease."""
        ...

    async def settle(
        self,
        draft: str,
        ending: Literal["confirmed", "superseded", "expired", "released", "resolved", "revoked"],
        actor: str,
        detail: Mapping[str, Any],
    ) -> Draft:
        """End a wait for the EHR's signature as it was read, or a stuck write-back on an operator's word.

        From ``awaiting-ehr-signature``: ``confirmed``, ``superseded``, ``expired``; what is signed here is
        ``mismatch`` or ``parked`` instead of the last two. From what is stuck: ``released`` (due again at once),
        ``resolved`` (confirmed), ``revoked`` (only where nothing was created). Conflict U-DRAFT-STATE,
        U-RELEASE-WRITTEN.
        """
        ...

    async def history(self, draft: str) -> Sequence[AuditEntry]:
        """Return a draft's audit chain, oldest first."""
        ...

    async def revisions(self, draft: str) -> Mapping[int, bytes]:
        """Return the resource of each version that a draft has had, none of an unknown draft."""
        ...

    async def comments(self, draft: str) -> Mapping[int, str]:
        """Return the comments that people gave on a draft, by the number of their audit entry."""
        ...

    async def verify(self, jwks: Mapping[str, Any] | None = None) -> Sequence[str]:
        """Walk every chain and signature, JWS too when keys are given; returns the faults found."""
        ...

    async def seen(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Remember a token id until it expires; True when it was seen before (by any worker)."""
        ...

    async def card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Remember which drafts a card showed, so that feedback finds them."""
        ...

    async def card_drafts(self, uuid: str) -> Sequence[str] | None:
        """Return the drafts of a card, None for an unknown card."""
        ...

    async def card_ehr(self, uuid: str) -> str | None:
        """Return the tenant whose call a card answered, None for an unknown card."""
        ...

    async def keep(self, kind: str, key: str, value: bytes, expires: datetime) -> None:
        """Keep a short-lived record (a session, a launch under way), already sealed by the caller."""
        ...

    async def kept(self, kind: str, key: str) -> bytes | None:
        """Return a kept record that has not expired."""
        ...

    async def drop(self, kind: str, key: str) -> bytes | None:
        """Remove a kept record and return it: exactly one of many callers gets it."""
        ...
