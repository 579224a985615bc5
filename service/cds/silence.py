"""Whether a card is shown again: what a person decided is left alone while its facts and its time last.

Drafts are held once for their facts. Where they ended without a person (they ran out unseen, or other facts came and
went), or a decision is old, the same facts are held anew under a key that says so.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from service.drafts.states import SIGNED, UNSIGNED
from service.drafts.store import Draft
from service.settings import Cards

_DECLINED = ("overridden", "withdrawn")


def key(facts: str, known: Sequence[Draft], now: datetime, settings: Cards) -> str:
    """Return the key to hold under: ``facts`` itself, or the one that follows the last set that has lapsed.

    ``known`` are the patient's drafts in this tenant, of any facts; ``now`` is the store's time.
    """
    while drafts := [draft for draft in known if draft.facts == facts]:
        if not _lapsed(drafts, now, settings):
            break
        facts = _next(facts, drafts)
    return facts


def _lapsed(drafts: Sequence[Draft], now: datetime, settings: Cards) -> bool:
    if any(draft.state in (*UNSIGNED, *SIGNED) for draft in drafts):
        return False
    declined = [draft.updated for draft in drafts if draft.state in _DECLINED]
    if not declined or not settings.suppress_overridden:
        return True
    return now - max(declined) >= timedelta(seconds=settings.suppress_for_s)


def _next(facts: str, drafts: Sequence[Draft]) -> str:
    ended = max(draft.updated for draft in drafts)
    return hashlib.sha256(f"{facts} after {ended.isoformat()}".encode()).hexdigest()
