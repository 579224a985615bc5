"""A store that keeps nothing: evaluations of a dry run hold their drafts in it and leave no trace."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from service.drafts.flags import Attested, Flag
from service.drafts.records import Draft, NewDraft, Shown
from service.drafts.registers import Registered
from service.switches.shadow import made_up


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
        return made_up(drafts, ehr, patient, facts, await self.now(), expires_after_s)

    async def find(self, **_: Any) -> Sequence[Draft]:
        """Return nothing."""
        return ()

    async def registered(self, kind: str, **_: Any) -> Sequence[Registered]:
        """Return nothing."""
        return ()

    async def attestations(self, ehr: str, patient: str) -> Sequence[Attested]:
        """Return nothing."""
        return ()

    async def flag_of(self, ehr: str, patient: str) -> Flag | None:
        """Return nothing."""
        return None

    async def raise_flag(self, ehr: str, patient: str, facts: str, context: bytes, shown: Shown) -> Flag:
        """Return a flag of no store."""
        return Flag(str(uuid.uuid4()), ehr, patient, datetime.now(UTC))

    async def card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Keep nothing."""
