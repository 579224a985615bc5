"""A store that keeps nothing: evaluations of a dry run hold their drafts in it and leave no trace."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from service.drafts.flags import Attested, Flag
from service.drafts.store import Draft, NewDraft, Shown


class Forgetful:
    """The part of a store that an evaluation uses, as an empty one answers.

    What was decided on a patient before (signed, overridden, attested) is not known to it, so a dry run shows what
    the chart alone gives.
    """

    async def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

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
        """Return the drafts as if they were held; ids are made up."""
        now = datetime.now(UTC)
        expires = now + timedelta(seconds=expires_after_s)
        return [
            Draft(
                id=(identity := str(uuid.uuid4())),
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
                expires=expires,
                updated=now,
            )
            for new in drafts
        ]

    async def find(self, **_: Any) -> Sequence[Draft]:
        """Return nothing."""
        return ()

    async def attestations(self, ehr: str, patient: str) -> Sequence[Attested]:
        """Return nothing."""
        return ()

    async def raise_flag(self, ehr: str, patient: str, facts: str, context: bytes, shown: Shown) -> Flag:
        """Return a flag of no store."""
        return Flag(str(uuid.uuid4()), ehr, patient, datetime.now(UTC))

    async def card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Keep nothing."""


def _with_id(resource: bytes, identity: str) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(resource, type=dict[str, msgspec.Raw]), "id": identity})
