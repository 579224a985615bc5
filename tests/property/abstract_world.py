"""The worlds that are explored: what is in one, what tells it from another, and what must be true in each.

A world is told from another by ``key``, which leaves out only what no step looks at: the chains behind their ends,
times but for what is over, names of leases but for whose they are, attempts beyond the first but for whether they are
those that were looked at, and, once it is signed, who signed which version.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from service.drafts import states
from service.drafts.canonical_json import digest, read_instant
from service.drafts.commit import register_steps
from service.drafts.commit.transaction import Outbox
from service.drafts.records import OutboxEntry, Prepared
from tests.contract import samples
from tests.property import abstract_writer
from tests.property.memory_transaction import Kept

PATIENT, ONE = "Patient/a", "draft-1"
SIGNERS: Final = ("Practitioner/a", "Practitioner/b")
LIFE_S, LEASE_S = 10**7, 60
DUE: Final = ("signed", "writing", "written", "write-failed")


@dataclass(frozen=True)
class Rules:
    """Who takes part.

    ``ehr`` takes a create as it should (``honest``), may change a dose (``altering``), may drop the identifier
    (``nameless``), or makes two orders of one create and another where there is one (``racy``). With ``paused`` a
    writer may go on after its lease is over, with ``late`` a create may arrive after its writer gave up; ``people``
    operate and revoke.
    """

    ehr: str = "honest"
    write_back: str = "sign-and-write"
    writers: int = 1
    paused: bool = False
    late: bool = False
    people: bool = True
    versions: int = 2
    drafts: int = 1
    consent: bool = False


class Writer(NamedTuple):
    """A writer at work: what it claimed, and what it was answered."""

    entry: OutboxEntry
    answers: abstract_writer.Answers = ()


@dataclass(frozen=True)
class World:
    """``orders`` are the EHR's, as it holds them; ``late`` is a create on its way, ``looked`` the attempts that a
    revoker saw nothing come of, ``word`` that a person called it right."""

    kept: Kept
    now: datetime
    writers: tuple[Writer | None, ...]
    orders: tuple[str, ...] = ()
    late: bool = False
    looked: int | None = None
    word: bool = False


def check(world: World, rules: Rules) -> None:
    """Hold a world against what must be true in each."""
    for draft, held in world.kept.drafts.items():
        state, signatures, row = held.draft.state, world.kept.signatures_of(draft), world.kept.outboxes.get(draft)
        assert len(signatures) <= 1, "I1: two signatures"
        assert states.signature_fits(state, signed=bool(signatures)), "I9: a state without its signature"
        if not rules.consent:
            assert (row is not None) == bool(signatures), "I4: a signature without its outbox row, or a row without"
        if row is not None:
            assert (row.due is not None) == (state in DUE), "a write-back that is due and ended, or neither"
        if signatures:
            assert signatures[0].version == held.draft.version, "I7: not the version that was signed"
        assert not (state in states.UNSIGNED and denied(world)), "an open draft of a patient who denied it"
    if not rules.consent:
        _check_orders(world)


def key(world: World) -> Any:
    """Return what tells this world from others, as far as any step can."""
    row = world.kept.outboxes.get(ONE)
    return (
        tuple(sorted(_draft_key(world, draft) for draft in world.kept.drafts)),
        None if row is None else _row_key(row, world.now),
        tuple(sorted((_writer_key(one, row) for one in world.writers), key=repr)),
        world.orders,
        world.late,
        None if row is None or world.looked is None else world.looked == row.attempts,
        world.word,
        denied(world),
    )


def check_signing(before: World, after: World, draft: str) -> None:
    """Hold a signature that was just made against what was there before it."""
    held, signature = before.kept.drafts[draft].draft, after.kept.signatures_of(draft)[-1]
    assert before.now < held.expires, "I8: signed after its time"
    assert held.state in states.UNSIGNED, "I1: signed what was not open"
    shown = {(one.draft, one.version, one.practitioner, one.order, one.digest) for one in before.kept.prepared}
    said = (draft, held.version, signature.practitioner, signature.order, signature.digest)
    assert said in shown, "I7: signed what was not shown of this version"
    assert not denied(before), "signed without consent"
    others = [one.draft.state for other, one in before.kept.drafts.items() if other != draft]
    assert not set(others) & set(states.UNCONFIRMED), "I5: signed beside an order that may be under way"


def _check_orders(world: World) -> None:
    state, signed = world.kept.drafts[ONE].draft.state, bool(world.kept.signatures)
    assert not (world.orders and not signed), "I3: an order without a signature"
    assert not (world.orders and state == "revoked"), "I3: an order whose signature was revoked"
    assert len(world.orders) <= 2, "I5: orders without end"
    if signed and state in states.EITHER and not world.word:
        assert world.orders == ("same",), "I5, I7: confirmed, and not one order as it was signed"


def _draft_key(world: World, draft: str) -> Any:
    held = world.kept.drafts[draft].draft
    shown = sorted((one.version, one.practitioner) for one in world.kept.prepared if one.draft == draft)
    is_open = held.state in states.UNSIGNED
    life = (
        (held.version, held.facts, tuple(shown), world.now >= held.expires) if is_open else (0, held.facts, (), False)
    )
    return (held.state, life, bool(world.kept.signatures_of(draft)))


def _row_key(row: Outbox, now: datetime) -> Any:
    due = None if row.due is None else read_instant(row.due) <= now
    return (due, min(row.attempts, 2), row.lease is None, tuple(sorted(row.progress.items())))


def _writer_key(writer: Writer | None, row: Outbox | None) -> Any:
    if writer is None:
        return None
    entry = writer.entry
    progress = tuple(sorted(entry.progress.items()))
    return (row is not None and row.lease == entry.lease, entry.attempts > 1, progress, writer.answers)


def waits(world: World) -> bool:
    """Say whether something is still to be written."""
    row = world.kept.outboxes.get(ONE)
    return row is not None and row.due is not None


def denied(world: World) -> bool:
    """Say whether the patient's last word is a refusal."""
    said = world.kept.consent
    return said is not None and said.last is not None and said.last.detail["decision"] == register_steps.DENY


_known: dict[tuple[Any, ...], Prepared] = {}


def prepared(rules: Rules, draft: str, who: str, version: int) -> Prepared:
    """Return what this person is shown of this version, always the same bytes."""
    status = "draft" if rules.write_back == "unsigned-order" else "active"
    named = (draft, who, version, status)
    if named not in _known:
        order = abstract_writer.order(who, version, status)
        _known[named] = Prepared(draft, version, digest(order), who, order, f"order-{who[-1]}", (), samples.START)
    return _known[named]
