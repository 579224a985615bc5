"""The writing steps on flags, each inside one transaction of a store.

An entry of a flag's chain and the row that it speaks of are written together; ``flag_verification`` reads both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.drafts import claims
from service.drafts.audit import SERVICE_ACTOR, seal
from service.drafts.commit import steps
from service.drafts.commit.transaction import HeldFlag, Transaction
from service.drafts.flags import Alarm, Attested, Flag, FlagEvent, NewAttestation
from service.drafts.records import Draft, Shown
from service.drafts.states import UNSIGNED
from service.errors import Conflict


@dataclass(frozen=True, slots=True)
class Raising:
    """A flag to raise, as ``FlagStore.raise_flag`` takes it."""

    ehr: str
    patient: str
    facts: str
    context: bytes
    shown: Shown


def raise_flag(tx: Transaction, new: Raising) -> Flag:
    """Record the card that shows the alarm, and the alarm itself where its facts are new.

    What is held unsigned for the patient is withdrawn: nothing is signed while a person is asked to look first.
    """
    held = _held_of(tx, new.ehr, new.patient)
    last = tx.alarm(held.flag.id)
    if last is None or last.facts != new.facts:
        held = _record(tx, held, "raised", SERVICE_ACTOR, claims.of_alarm(new.facts, new.context))
        tx.add_alarm(Alarm(held.flag.id, held.seq, new.facts, new.context, tx.now))
    steps.card(tx, new.shown.uuid, new.ehr, (), new.shown.detail)
    said = claims.of_card(new.shown.uuid, new.ehr, (), new.shown.detail)
    flag = _record(tx, held, "shown", new.shown.actor, said).flag
    for draft in tx.open_of(new.ehr, new.patient):
        steps.record(tx, draft, "withdrawn", SERVICE_ACTOR, {"by": flag.id})
    return flag


def attest(tx: Transaction, new: NewAttestation, detail: Mapping[str, Any], identity: str | None = None) -> Attested:
    """Record an attestation; ``stays-closed`` withdraws what is held unsigned for the patient.

    ``identity`` is the id that it had before, where it is recorded again.
    """
    held = _held_of(tx, new.ehr, new.patient)
    known = [one for one in tx.attestations(held.flag.id) if _same(one, new)]
    if known:
        return known[0]
    made = _attested(tx, held, new, identity or tx.new_id(new.patient))
    said = {**claims.of_attestation(made), "result": new.result}
    _record(tx, held, "attested", new.practitioner, said, detail)
    tx.add_attestation(made)
    if new.result == "stays-closed":
        for draft in tx.open_of(new.ehr, new.patient):
            steps.record(tx, draft, "withdrawn", made.practitioner, {"by": made.id})
    return made


def check_not_closed(tx: Transaction, draft: Draft) -> None:
    """Refuse a draft of a patient whose last attestation keeps drafting closed: Conflict U-ATTEST-CLOSED.

    It would otherwise slip through where a chart was evaluated just before the attestation.
    """
    held = tx.flag_of(draft.ehr, draft.patient)
    said = () if held is None else tx.attestations(held.flag.id)
    if draft.state in UNSIGNED and said and said[-1].result == "stays-closed":
        msg = "a practitioner has attested that drafting stays closed for this patient; open the chart again"
        raise Conflict("U-ATTEST-CLOSED", msg)


def _held_of(tx: Transaction, ehr: str, patient: str) -> HeldFlag:
    """Return the patient's flag, a new one without entries where there was none."""
    return tx.flag_of(ehr, patient) or tx.add_flag(Flag(tx.new_id(patient), ehr, patient, tx.now))


def _record(
    tx: Transaction,
    held: HeldFlag,
    event: FlagEvent,
    actor: str,
    said: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
) -> HeldFlag:
    """Write the next entry of a flag's chain; its first one claims the flag's own columns too."""
    first = claims.of_flag(held.flag) if held.seq == 0 else {}
    detail = {**first, **said, **({"given": dict(given)} if given else {})}
    last = (held.seq, held.head) if held.seq else None
    return tx.advance_flag(held, seal(last, held.flag.id, tx.now, event, actor, detail))


def _attested(tx: Transaction, held: HeldFlag, new: NewAttestation, identity: str) -> Attested:
    return Attested(
        id=identity,
        flag=held.flag.id,
        seq=held.seq + 1,
        practitioner=new.practitioner,
        display=new.display,
        role=new.role,
        assessed=new.assessed,
        result=new.result,
        review_by=new.review_by,
        review_on=new.review_on,
        recorded=tx.now,
    )


def _same(one: Attested, new: NewAttestation) -> bool:
    """Say whether this very word is recorded already: a form sent twice."""
    said = (one.practitioner, one.assessed, one.result, one.review_by, one.review_on)
    return said == (new.practitioner, new.assessed, new.result, new.review_by, new.review_on)
