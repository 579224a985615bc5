"""Whether a card is shown again: what a person decided is left alone while its facts and its time last.

Drafts are held once for their facts. Where they ended without a person (they ran out unseen, or other facts came and
went), a decision is old, or it was made on another service's card, the same facts are held anew under a key that says
so: who leaves an order as written has not declined what an open chart would show.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from service.cds.discovery import Service
from service.drafts.records import AuditEntry, Draft
from service.drafts.states import SIGNED, UNSIGNED
from service.settings import Cards

if TYPE_CHECKING:
    from service.bootstrap import Services

_DECLINED = ("overridden", "withdrawn")


async def standing(facts: str, known: Sequence[Draft], service: Service, services: "Services") -> tuple[str, bool]:
    """Return the key to hold under at a service, and whether a person has silenced it there.

    ``known`` are the patient's drafts in this tenant, of any facts. Silenced is said only where nothing but drafts of
    these facts is open, so that a holding would have nothing to end: what another service holds on them stays.
    """
    chain = [one for held in _chain(facts, known) for one in held]
    declined = [one.id for one in chain if one.state in _DECLINED]
    elsewhere = [one for one in declined if not declined_at(await services.store.history(one), service.id)]
    found = key(facts, known, await services.store.now(), services.settings.cards, frozenset(elsewhere))
    answered = any(one.facts == found and one.state in _DECLINED for one in known)
    open_here = {one.id for one in known if one.facts == found and one.state in (*UNSIGNED, *SIGNED)}
    open_elsewhere = {one.id for one in known if one.state in UNSIGNED} - {one.id for one in chain}
    return found, answered and not open_here and not open_elsewhere


def declined_at(history: Sequence[AuditEntry], service: str) -> bool:
    """Say whether a declined draft counts as declined at a service; what was not done on a card counts at each."""
    said = [(one.event, _given(one)) for one in history]
    shown_by = {given.get("card"): given["service"] for _, given in said if "service" in given}
    declining = [given.get("card") for event, given in said if event in _DECLINED]
    return any(shown_by.get(card, service) == service for card in declining)


def _given(entry: AuditEntry) -> Mapping[str, Any]:
    """Return what the event came with, beside what the chain says of the draft itself."""
    return entry.detail.get("given") or {}


def key(
    facts: str, known: Sequence[Draft], now: datetime, settings: Cards, elsewhere: frozenset[str] = frozenset()
) -> str:
    """Return the key to hold under: ``facts`` itself, or the one that follows the last set that has lapsed.

    ``elsewhere`` are the ids of drafts that were declined on another service's card.
    """
    while drafts := [draft for draft in known if draft.facts == facts]:
        if not _lapsed(drafts, now, settings, elsewhere):
            break
        facts = _next(facts, drafts)
    return facts


def _chain(facts: str, known: Sequence[Draft]) -> Iterator[list[Draft]]:
    while drafts := [draft for draft in known if draft.facts == facts]:
        yield drafts
        facts = _next(facts, drafts)


def _lapsed(drafts: Sequence[Draft], now: datetime, settings: Cards, elsewhere: frozenset[str]) -> bool:
    if any(draft.state in (*UNSIGNED, *SIGNED) for draft in drafts):
        return False
    declined = [draft.updated for draft in drafts if draft.state in _DECLINED and draft.id not in elsewhere]
    if not declined or not settings.suppress_overridden:
        return True
    return now - max(declined) >= timedelta(seconds=settings.suppress_for_s)


def _next(facts: str, drafts: Sequence[Draft]) -> str:
    ended = max(draft.updated for draft in drafts)
    return hashlib.sha256(f"{facts} after {ended.isoformat()}".encode()).hexdigest()
