"""Registers: what holds of one subject at a tenant beside drafts and flags, each an append-only chain.

What is switched off, what a patient said about AI, and the checkpoints over all chains: the last entry of a register
says what holds now, the entries before it what held when. A register of ``access`` says who looked at what of a patient
in one year (``trail.access``), one of ``forgotten`` which of those were removed, one of ``feedback`` what was done
with a service's cards that showed no draft. A register is made with its first entry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args

from service.drafts.records import AuditEntry

Kind = Literal["switch", "consent", "checkpoint", "access", "forgotten", "feedback"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
# There may be as many of these as there are patients.
OF_PATIENTS: Final[frozenset[Kind]] = frozenset({"consent", "access"})


@dataclass(frozen=True, slots=True)
class Register:
    """Whose register it is. ``id`` is an opaque UUID; ``ehr`` is a tenant, or empty for the whole service.

    ``subject``: of a switch ``tenant``, ``model``, ``drug:…`` or ``shadow:…``; of a consent the patient's reference; of
    an access that with the year, ``Patient/1/2026``; of what is forgotten ``access``; of feedback the service's id; of
    a checkpoint ``all``.
    """

    id: str
    kind: Kind
    ehr: str
    subject: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The last entry of one register: ``entry.draft`` is the register's id, ``entry.detail`` says what holds.

    Beside what was entered the detail has ``record``, the digest of whose register it is.
    """

    id: str
    kind: Kind
    ehr: str
    subject: str
    entry: "AuditEntry"


class RegisterStore(Protocol):
    """What the service asks of a store about registers; each change is one durable commit."""

    async def enter(
        self,
        kind: Kind,
        ehr: str,
        subject: str,
        event: str,
        actor: str,
        detail: Mapping[str, Any],
        *,
        after: int | None = None,
    ) -> Registered:
        """Append the next entry of a register, which is made where it was not.

        ``after`` is the number of the last entry that the caller saw (0 for none): Conflict U-REGISTER-MOVED where it
        is another. A consent whose detail has ``"decision": "deny"`` withdraws the patient's unsigned drafts in the
        same commit, and until another decision is entered none is held or signed.
        """
        ...

    async def forget(self, chains: Sequence[Registered], ehr: str, actor: str, detail: Mapping[str, Any]) -> Registered:
        """Remove whole registers of accesses of a tenant, and enter in its register ``forgotten`` what went.

        Conflict U-REGISTER-MOVED where one is not as it was seen.
        """
        ...

    async def registered(
        self, kind: Kind, *, ehr: str | None = None, subject: str | None = None
    ) -> Sequence[Registered]:
        """Return the last entry of each register of a kind (of a tenant, of a subject), by tenant and subject."""
        ...

    async def entries(self, register: str) -> Sequence["AuditEntry"]:
        """Return a register's chain, oldest first; NotFound U-REGISTER-UNKNOWN."""
        ...

    async def heads(self) -> Sequence[tuple[str, int, str]]:
        """Return id, number and hash of the last entry of every chain, by id, except the checkpoints' own."""
        ...
