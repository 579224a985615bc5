"""The hold as one graph: every order of what people, patients, time, the writer and the EHR can do, to a fixpoint.

What happens to drafts is the shipped steps on a transaction in memory; what the writer asks of the EHR is the shipped
writer.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.drafts import states
from service.drafts.canonical_json import read_instant
from service.drafts.commit import outbox_steps, register_steps, settling, steps
from service.drafts.records import NewDraft, Signature
from service.errors import Conflict, NotFound
from tests.contract import samples
from tests.property import abstract_writer
from tests.property.abstract_world import (
    LEASE_S,
    LIFE_S,
    ONE,
    PATIENT,
    SIGNERS,
    Rules,
    World,
    Writer,
    check,
    check_signing,
    key,
    prepared,
    waits,
)
from tests.property.memory_transaction import Kept, MemoryTransaction


class Breach(AssertionError):
    """An invariant does not hold; the text is the way there."""


Moves = Iterator[tuple[str, World | None]]


def begin(rules: Rules) -> World:
    """Return the world with the drafts of one assessment held."""
    tx = MemoryTransaction(Kept(), samples.START)
    register_steps.hold(tx, _holding(rules, "facts-1"))
    return World(tx.kept(), samples.START, (None,) * rules.writers)


def moves(world: World, rules: Rules) -> Moves:
    """Yield each thing that can happen now, with the world after it; None where the steps refuse it."""
    for draft in world.kept.drafts:
        yield from _clinicians(world, rules, draft)
    yield from _time(world, rules)
    if rules.consent:
        yield from _patient(world, rules)
        return
    yield from _ehr_reader(world)
    if rules.people:
        yield from _people(world, rules)
    yield from _writers(world, rules)


def taken(world: World, act: Callable[[MemoryTransaction], Any]) -> tuple[World | None, Any]:
    """Take one step as a store does; None for one that is refused. Checks what the step itself may never do."""
    tx = MemoryTransaction(world.kept, world.now)
    try:
        result = act(tx)
    except (Conflict, NotFound):
        return None, None
    after = replace(world, kept=tx.kept())
    for entry in tx.entries:
        if entry.event == "signed":
            check_signing(world, after, entry.draft)
    for draft, held in world.kept.drafts.items():
        found = after.kept.drafts[draft]
        assert (found.seq, found.draft.version) >= (held.seq, held.draft.version), "I2: a draft went back"
        assert held.draft.state not in states.ENDED or found.draft.state == held.draft.state, "I2: an end was undone"
    return after, result


@dataclass(frozen=True)
class Explored:
    """What was found: the worlds by their keys, and which follow from which by what."""

    worlds: Mapping[Any, World]
    edges: Mapping[Any, list[tuple[str, Any]]]

    def states(self) -> set[str]:
        """Return the states that a draft was in."""
        return {held.draft.state for world in self.worlds.values() for held in world.kept.drafts.values()}

    def never_settle(self) -> list[World]:
        """Return the worlds with a signature from which the writer and time alone never come to an end of it."""
        before: dict[Any, list[Any]] = {}
        for one, following in self.edges.items():
            for label, other in following:
                if label.startswith("writer") or label == "time: due":
                    before.setdefault(other, []).append(one)
        good = {one for one, world in self.worlds.items() if not waits(world)}
        queue = deque(good)
        while queue:
            for one in before.get(queue.popleft(), ()):
                if one not in good:
                    good.add(one)
                    queue.append(one)
        return [world for one, world in self.worlds.items() if one not in good]


def explore(rules: Rules) -> Explored:
    """Go every way there is, breadth first, until nothing new is found; Breach with the shortest way to a fault."""
    first = begin(rules)
    worlds, edges, came = {key(first): first}, dict[Any, list[tuple[str, Any]]](), dict[Any, tuple[Any, str]]()
    queue = deque(worlds)
    while queue:
        here = queue.popleft()
        following = edges.setdefault(here, [])
        ahead, label = moves(worlds[here], rules), "?"
        try:
            for label, world in ahead:
                if world is None:
                    continue
                there = key(world)
                following.append((label, there))
                if there not in worlds:
                    check(world, rules)
                    worlds[there], came[there] = world, (here, label)
                    queue.append(there)
        except AssertionError as fault:
            raise Breach(f"{fault}: {' > '.join([*_way(came, here), label, '…'])}") from fault
    return Explored(worlds, edges)


# --- who does what


def _clinicians(world: World, rules: Rules, draft: str) -> Moves:
    present = world.kept.drafts[draft].draft
    # Where consent is looked at, what ends a draft in the same way as another is left out.
    for state in ("presented", states.AWAITING) if rules.consent else states.MARKS:
        yield f"feedback {state}", taken(world, lambda tx, to=state: steps.mark(tx, [draft], to, "ehr", {}))[0]
    for who in SIGNERS:
        for edit in (False, True):
            if present.version + edit <= rules.versions and not (edit and rules.consent):
                shown, new = prepared(rules, draft, who, present.version + edit), b'{"edited":true}' if edit else None
                act = lambda tx, s=shown, n=new: steps.prepare(tx, present.version, s, n)  # noqa: E731
                yield f"prepare {who}{' edited' * edit}", taken(world, act)[0]
        for version in range(1, rules.versions + 1):
            # Any bytes that anybody could ever have been shown, shown or not.
            signature = samples.signature_of(prepared(rules, draft, who, version))
            yield f"sign {who} v{version}", taken(world, lambda tx, s=signature: _sign(tx, s, rules))[0]
    yield "reject", taken(world, lambda tx: steps.reject(tx, draft, present.version, SIGNERS[0], {}))[0]
    if not rules.consent:
        yield "refer", taken(world, lambda tx: steps.note(tx, draft, "referred", SIGNERS[0], {}))[0]


def _sign(tx: MemoryTransaction, signature: Signature, rules: Rules) -> None:
    """As both stores' ``sign`` does it."""
    draft = tx.draft(signature.draft).draft
    register_steps.check_consent(tx, draft)
    steps.check_not_pending(tx, draft)
    steps.sign(tx, signature, not rules.consent, {})


def _time(world: World, rules: Rules) -> Moves:
    drafts = [held.draft for held in world.kept.drafts.values()]
    if coming := [one.expires for one in drafts if one.state in states.UNSIGNED and world.now < one.expires]:
        yield "time: expiry", replace(world, now=min(coming))
    yield "expire", taken(world, steps.expire)[0]
    if not rules.consent:
        yield "other facts", taken(world, lambda tx: register_steps.hold(tx, _holding(rules, "facts-2", drafts=0)))[0]
    row = world.kept.outboxes.get(ONE)
    if row is not None and row.due and read_instant(row.due) > world.now:
        # All requests of a write-back end before its lease does (``DELIVERY_S``), unless its process stood still.
        at_work = any(one and one.entry.lease == row.lease for one in world.writers)
        if rules.paused or not at_work:
            yield "time: due", replace(world, now=read_instant(row.due))


def _patient(world: World, rules: Rules) -> Moves:
    for decision in (register_steps.DENY, "permit"):
        said = register_steps.Entering("consent", "north", PATIENT, "recorded", SIGNERS[0], {"decision": decision})
        yield decision, taken(world, lambda tx, word=said: register_steps.enter(tx, word))[0]
    if len(world.kept.drafts) < 2 * rules.drafts:
        yield "chart opened", taken(world, lambda tx: register_steps.hold(tx, _holding(rules, "facts-1")))[0]
        yield "facts changed", taken(world, lambda tx: register_steps.hold(tx, _holding(rules, "facts-2")))[0]


def _ehr_reader(world: World) -> Moves:
    for ending in ("confirmed", "superseded", "expired"):
        if ending == "confirmed" and world.kept.signatures and not world.orders:
            continue  # nobody reads in force what is not there
        yield f"read {ending}", taken(world, lambda tx, end=ending: settling.settle(tx, ONE, end, "Device", {}))[0]


def _people(world: World, rules: Rules) -> Moves:
    row, state = world.kept.outboxes.get(ONE), world.kept.drafts[ONE].draft.state
    if row is None:
        return
    yield "release", taken(world, lambda tx: settling.settle(tx, ONE, "released", "operator", {}))[0]
    resolved = taken(world, lambda tx: settling.settle(tx, ONE, "resolved", "operator", {}))[0]
    yield "resolve", resolved and replace(resolved, word=True)
    could, sent = state in ("signed", "write-failed", "parked"), outbox_steps.SENT_STEP in row.progress
    if could and abstract_writer.may_give_up(min(row.attempts, 2), sent, world.orders, rules.write_back):
        yield "look", replace(world, looked=row.attempts)
    if world.looked is not None:
        detail = {"attempts": world.looked}
        revoked = taken(world, lambda tx: settling.settle(tx, ONE, "revoked", SIGNERS[0], detail))[0]
        yield "revoke", revoked and replace(revoked, looked=None)


def _writers(world: World, rules: Rules) -> Moves:
    if None in world.writers:
        after, entry = taken(world, lambda tx: outbox_steps.claim(tx, LEASE_S))
        if after is not None and entry is not None:
            assert entry.order == world.kept.signatures[0].order, "I7: not the bytes that were signed"
            yield "writer claims", _with(after, world.writers.index(None), Writer(entry))
    for place, writer in enumerate(world.writers):
        if writer is not None and (place == 0 or world.writers[0] != writer):
            yield "crash", _with(world, place, None)
            yield from _answered(world, rules, place, writer)
    if world.late:
        for orders, _ in _created(world, rules):
            yield "late create", replace(world, orders=orders, late=False)


def _answered(world: World, rules: Rules, place: int, writer: Writer) -> Moves:
    request = abstract_writer.asks(writer.entry, writer.answers, rules.write_back)
    kind = request[0]

    def told(answer: Any, at: World = world) -> World:
        return _with(at, place, Writer(writer.entry, (*writer.answers, answer)))

    if kind == "search":
        yield "writer searches", told(world.orders)
        yield "search fails", told("fail")
    elif kind == "read":
        yield "writer reads", told(world.orders[request[1]])
        yield "read fails", told("fail")
    elif kind == "create":
        for orders, made in _created(world, rules):
            there = replace(world, orders=orders)
            yield f"writer creates {orders[made]}", told(str(made), there)
            yield f"creates {orders[made]}, answers nothing of it", told("empty", there)
            yield f"creates {orders[made]} and drops", told("fail", there)
        yield "create fails", told("fail")
        yield "create refused", told("refused")
        if rules.late and not world.late:
            yield "create hangs", told("fail", replace(world, late=True))
    elif kind == "progress":
        after, _ = taken(world, lambda tx: _progressed(tx, world, writer, dict(request[1])))
        yield "writer notes", _with(world, place, None) if after is None else told("ok", after)
    elif kind == "finish":
        after, _ = taken(world, lambda tx: _finished(tx, world, writer, request))
        yield f"writer ends {request[1]}", _with(after or world, place, None)
    else:
        yield "writer stops", _with(world, place, None)


def _progressed(tx: MemoryTransaction, world: World, writer: Writer, step: Mapping[str, str]) -> None:
    outbox_steps.progress(tx, writer.entry, step)
    assert world.kept.outboxes[ONE].lease == writer.entry.lease, "fencing: a note of one who has no lease"


def _finished(tx: MemoryTransaction, world: World, writer: Writer, request: abstract_writer.Request) -> None:
    outbox_steps.finish(tx, writer.entry, request[1], {}, request[2])
    assert world.kept.outboxes[ONE].lease == writer.entry.lease, "fencing: an end by one who has no lease"


def _created(world: World, rules: Rules) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the EHR's orders after a create, and which of them it answers with."""
    named = [number for number, how in enumerate(world.orders) if how != "nameless"]
    if named and rules.ehr != "racy":
        yield world.orders, named[0]  # If-None-Exist (R4 http.html#ccreate)
        return
    if rules.ehr == "racy" and not world.orders:
        yield ("same", "same"), 0
    for how in {"altering": ("same", "other"), "nameless": ("same", "nameless")}.get(rules.ehr, ("same",)):
        yield (*world.orders, how), len(world.orders)


def _way(came: Mapping[Any, tuple[Any, str]], here: Any) -> list[str]:
    way: list[str] = []
    while here in came:
        here, label = came[here]
        way.append(label)
    return way[::-1]


def _with(world: World, place: int, writer: Writer | None) -> World:
    return replace(world, writers=(*world.writers[:place], writer, *world.writers[place + 1 :]))


def _holding(rules: Rules, facts: str, drafts: int | None = None) -> steps.Holding:
    new = [NewDraft(f"drug-{n}", n, b"{}", b"{}") for n in range(rules.drafts if drafts is None else drafts)]
    return steps.Holding("north", PATIENT, facts, new, LIFE_S, "Device/undersign")
