"""Shadow mode: a call is evaluated as always, and nobody sees it or could sign what came of it.

The evaluation meets a store that reads the real one and holds nothing new. What an open draft of this patient stood on
before may have changed: on other facts it ends as ever, since the card that would have said so is not shown.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from service.cds.cards import outcome_of
from service.cds.view import Card
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.flags import Alarm, Attested, Flag
from service.drafts.records import AuditEntry, Draft, NewDraft, Shown
from service.drafts.registers import Kind, Registered
from service.drafts.store import Store
from service.switches.in_force import COUNTED


class Shadowed:
    """The part of a store that an evaluation uses, over the real one: reads it, ends old drafts, adds none."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def now(self) -> datetime:
        """Return the store's time."""
        return await self._store.now()

    async def find(self, **wanted: Any) -> Sequence[Draft]:
        """Return the drafts that are really there."""
        return await self._store.find(**wanted)

    async def history(self, draft: str) -> Sequence[AuditEntry]:
        """Return a draft's chain."""
        return await self._store.history(draft)

    async def registered(
        self, kind: Kind, *, ehr: str | None = None, subject: str | None = None
    ) -> Sequence[Registered]:
        """Return what was registered."""
        return await self._store.registered(kind, ehr=ehr, subject=subject)

    async def attestations(self, ehr: str, patient: str) -> Sequence[Attested]:
        """Return what was attested."""
        return await self._store.attestations(ehr, patient)

    async def flag_of(self, ehr: str, patient: str) -> Flag | None:
        """Return the flag that was raised in the light."""
        return await self._store.flag_of(ehr, patient)

    async def alarm(self, flag: str) -> Alarm | None:
        """Return a flag's last alarm."""
        return await self._store.alarm(flag)

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
        """Return the drafts as if they were held; what a person has decided on these facts is left decided."""
        known = [one for one in await self._store.find(ehr=ehr, patient=patient) if one.facts == facts]
        await self._store.hold(ehr, patient, facts, (), expires_after_s, actor)
        if known:
            return known
        return made_up(drafts, ehr, patient, facts, await self._store.now(), expires_after_s)

    async def raise_flag(self, ehr: str, patient: str, facts: str, context: bytes, shown: Shown) -> Flag:
        """Return a flag of no store."""
        return Flag(str(uuid.uuid4()), ehr, patient, await self._store.now())

    async def card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Keep nothing: ``record`` does, once a call."""


def made_up(
    drafts: Sequence[NewDraft], ehr: str, patient: str, facts: str, now: datetime, expires_after_s: int
) -> list[Draft]:
    """Return drafts as a store would hold them, under ids that no store knows."""
    identities = [str(uuid.uuid4()) for _ in drafts]
    return [
        Draft(
            id=identity,
            ehr=ehr,
            patient=patient,
            facts=facts,
            ingredient=new.ingredient,
            rank=new.rank,
            state="presented",
            version=1,
            resource=_with_id(new.resource, identity),
            context=new.context,
            created=now,
            expires=now + timedelta(seconds=expires_after_s),
            updated=now,
        )
        for identity, new in zip(identities, drafts, strict=True)
    ]


async def record(store: Store, ehr: str, service: str, hook_instance: str, card: Card | None) -> None:
    """Keep what a call would have shown, and count it in the audit chain."""
    outcome = outcome_of(card)
    if card is not None:
        labels = [one["label"] for one in card.get("suggestions", [])]
        detail = {"hookInstance": hook_instance, "topic": outcome, "shadow": True, "suggested": labels}
        await store.card(card["uuid"], ehr, (), detail)
    told = {"outcome": outcome} | ({"card": card["uuid"]} if card else {})
    await store.enter("switch", ehr, f"{COUNTED}{service}", "evaluated", SERVICE_ACTOR, told)


def _with_id(resource: bytes, identity: str) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(resource, type=dict[str, msgspec.Raw]), "id": identity})
