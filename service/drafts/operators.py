"""The operators' view of the hold: rows for the command line, from any store."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from service.drafts.canonical_json import instant
from service.drafts.store import AuditEntry, Draft, State, Store
from service.drafts.verification import AuditReport


class Auditable(Protocol):
    """A store that can say how much it verified."""

    async def audit(self, jwks: Mapping[str, Any] | None = None) -> AuditReport:
        """Verify everything."""
        ...


async def list_drafts(
    store: Store, *, ehr: str | None = None, states: Sequence[State] | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """Return drafts, ended ones too, newest first, as rows without a patient's values."""
    return [_row(draft) for draft in await store.find(ehr=ehr, states=states, limit=limit)]


async def show_draft(store: Store, draft: str) -> dict[str, Any]:
    """Return one draft's row with its ``history``; NotFound U-DRAFT-UNKNOWN."""
    row = _row(await store.read(draft))
    return {**row, "history": [_entry(entry) for entry in await store.history(draft)]}


async def expire_drafts(store: Store) -> int:
    """End unsigned drafts past their time; returns how many."""
    return await store.expire()


async def verify(store: Auditable, jwks: Mapping[str, Any] | None = None) -> AuditReport:
    """Walk every chain and, with keys, check every signature."""
    return await store.audit(jwks)


def _row(draft: Draft) -> dict[str, Any]:
    return {
        "id": draft.id,
        "state": draft.state,
        "version": draft.version,
        "ehr": draft.ehr,
        "created": instant(draft.created),
        "expires": instant(draft.expires),
        "updated": instant(draft.updated),
        "ingredient": draft.ingredient,
    }


def _entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": instant(entry.at),
        "event": entry.event,
        "actor": entry.actor,
        "detail": dict(entry.detail),
        "hash": entry.hash,
    }
