"""The writing step on registers, and what a patient's consent keeps from being held or signed.

Each runs inside one transaction of a store; ``register_verification`` reads what they wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.drafts import claims
from service.drafts.audit import seal
from service.drafts.commit import steps
from service.drafts.commit.transaction import HeldRegister, Transaction
from service.drafts.records import Draft
from service.drafts.registers import Kind, Registered
from service.drafts.states import SIGNED
from service.errors import Conflict

# The decision of a consent under which nothing is drafted or signed.
DENY: Final = "deny"


@dataclass(frozen=True, slots=True)
class Entering:
    """An entry to make, as ``RegisterStore.enter`` takes it."""

    kind: Kind
    ehr: str
    subject: str
    event: str
    actor: str
    detail: Mapping[str, Any]
    after: int | None = None


def enter(tx: Transaction, new: Entering) -> Registered:
    """Append the next entry; a consent that denies withdraws what is held unsigned for the patient."""
    held = tx.register_of(new.kind, new.ehr, new.subject)
    if new.after is not None and new.after != (held.seq if held else 0):
        raise Conflict("U-REGISTER-MOVED", "something else was entered meanwhile; read it again")
    if held is None:
        held = tx.add_register(new.kind, new.ehr, new.subject)
    register, last = held.register, (held.seq, held.head) if held.seq else None
    detail = {**new.detail, **claims.of_register(register)}
    entry = seal(last, register.id, tx.now, new.event, new.actor, detail)
    tx.advance_register(held, entry)
    entered = Registered(register.id, register.kind, register.ehr, register.subject, entry)
    withdraw(tx, entered)
    return entered


def withdraw(tx: Transaction, entered: Registered) -> None:
    """Withdraw what is held unsigned for a patient, where a consent was entered that denies."""
    if entered.kind == "consent" and entered.entry.detail.get("decision") == DENY:
        for draft in tx.open_of(entered.ehr, entered.subject):
            steps.record(tx, draft, "withdrawn", entered.entry.actor, {"by": entered.id})


def stops(detail: Mapping[str, Any]) -> bool:
    """Say whether an entry keeps something from being done: a consent that denies, a switch that is pulled."""
    return detail.get("decision") == DENY or detail.get("pulled") is True


def hold(tx: Transaction, new: steps.Holding) -> list[Draft]:
    """Hold an assessment's drafts, none of a patient who has denied it: no card then shows any."""
    return [] if _withheld(tx.register_of("consent", new.ehr, new.patient)) else steps.hold(tx, new)


def check_consent(tx: Transaction, draft: Draft) -> None:
    """Refuse what is not signed yet of a patient who has denied it: Conflict U-CONSENT-WITHHELD."""
    if draft.state not in SIGNED and _withheld(tx.register_of("consent", draft.ehr, draft.patient)):
        raise Conflict("U-CONSENT-WITHHELD", "the patient has withheld consent to drafts by AI; open the chart again")


def _withheld(held: HeldRegister | None) -> bool:
    return held is not None and held.last is not None and held.last.detail.get("decision") == DENY
