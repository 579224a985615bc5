"""Random lives of drafts on each kind of store, with what must always hold checked after each step."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from service.drafts import states
from service.drafts.canonical_json import dumps, load_object
from service.drafts.commit.register_steps import DENY
from service.drafts.records import AuditEntry, Draft, OutboxEntry, Prepared, State
from service.drafts.redis.store import RedisStore
from service.drafts.sqlite.store import SqliteStore
from service.errors import Conflict, NotFound
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import Clock, new_draft, prepared_bytes, signature_of
from tests.contract.stores import redis_process

__all__ = ["redis_process"]

T = TypeVar("T")
LIFE_S = 100
STOPPED = ("write-failed", "parked", "mismatch")
PICK = st.integers(0, 5)  # which of the newest to act on
PATIENTS = ("Patient/a", "Patient/b")
SWITCHES = ("tenant", "model", "drug:sertraline")
ACTOR = "Practitioner/p1"
# What an unsigned wait for the EHR's signature ends as, and one that has our signature.
READ = {"confirmed": ("confirmed",) * 2, "superseded": ("superseded", "mismatch"), "expired": ("expired", "parked")}
DUE = ("signed", "writing", "written", "write-failed")  # what will be taken up again by itself
WORDS = {"released": "signed", "resolved": "confirmed", "revoked": "revoked"}
ORDERED = {state: place for place, state in enumerate(("held", "presented", "accepted", "modified"))}


@dataclass
class Known:
    """What the store acknowledged of one draft."""

    state: State
    version: int
    seq: int
    signed: str | None = None
    write_back: bool = False


class Lives(RuleBasedStateMachine):
    """Clinicians, patients, feedback, an expirer, a writer, operators and restarts, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.known: dict[str, Known] = {}
        self.shown: list[Prepared] = []
        self.claims: list[OutboxEntry] = []
        self.entered: dict[tuple[str, str], list[AuditEntry]] = {}
        self.store = self.made()
        self.run(self.store.open())

    def made(self) -> Any:
        """Return a store on what was there before; at first that is nothing."""
        return SqliteStore(Path(self.folder.name) / "store.db", self.clock)

    def queued(self) -> list[tuple[str, bool]]:
        """Return every row of the outbox, as the store has it: whose it is, and whether it will be taken."""
        with self.store._reading() as connection:
            return connection.execute("SELECT draft, due IS NOT NULL FROM outbox").fetchall()

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(step)

    def attempt(self, step: Coroutine[Any, Any, T]) -> T | Conflict:
        try:
            return self.run(step)
        except Conflict as error:
            return error

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    # --- what happens

    @initialize(
        write_back=st.sampled_from((True, True, False)),
        made=st.booleans(),
        ended=st.sampled_from((None, states.AWAITING, "confirmed", *STOPPED)),
        awaited=st.booleans(),
    )
    def two_charts_were_opened_and_a_draft_signed(self, write_back: bool, made: bool, ended: Any, awaited: bool):
        for patient in PATIENTS:
            self.hold(patient, "one", 3)
        self.prepare(0, 1, False, False)
        self.sign(0, write_back, "")
        if write_back and ended:
            self.claim()
            if made:
                self.progress(0)
            self.finish(0, ended)
        if awaited:
            self.mark(3, states.AWAITING)

    @rule(
        patient=st.sampled_from(PATIENTS),
        facts=st.sampled_from(("one", "one", "one", "two")),
        count=st.integers(0, 3),
    )
    def hold(self, patient: str, facts: str, count: int):
        new = [new_draft(rank) for rank in range(count)]
        found = self.run(self.store.hold("north", patient, facts, new, LIFE_S, "Device/undersign"))
        assert not (found and self._denied(patient))
        for draft in found:
            assert self._open(draft)
            self.known.setdefault(draft.id, Known("held", 1, 0))

    @rule(pick=PICK, state=st.sampled_from((*states.MARKS, "presented", "accepted")))
    def mark(self, pick: int, state: State):
        before = self.run(self.store.read(self._draft(pick)))
        self.run(self.store.mark([before.id], state, "ehr:north", {}))
        found, history = self.run(self._look(before.id))
        said = [entry.event for entry in history[-3:]]
        assert ("accepted" if state == states.AWAITING else state) in said
        if before.state not in states.UNSIGNED:
            assert found.state == before.state
        elif not self._open(before):
            assert found.state == "expired"
        event(f"fed back to {before.state}")

    @rule(pick=PICK, who=st.integers(1, 2), edit=st.booleans(), stale=st.sampled_from((False, False, True)))
    def prepare(self, pick: int, who: int, edit: bool, stale: bool):
        present = self.run(self.store.read(self._draft(pick)))
        version = present.version + edit - stale
        prepared = prepared_bytes(present, f"Practitioner/p{who}", version=version)
        changed = dumps({**load_object(present.resource), "priority": f"p{version}"}) if edit else None
        found = self.attempt(self.store.prepare(present.id, present.version - stale, prepared, changed))
        assert isinstance(found, Conflict) == (stale or not self._open(present))
        if not isinstance(found, Conflict):
            self.shown.append(prepared)

    @precondition(lambda self: self.shown)
    @rule(pick=PICK, write_back=st.booleans(), wrong=st.sampled_from(("", "", "", "bytes", "person")))
    def sign(self, pick: int, write_back: bool, wrong: str):
        prepared = self.shown[-1 - pick % len(self.shown)]
        before = self.run(self.store.read(prepared.draft))
        signature = signature_of(prepared)
        if wrong == "bytes":
            signature = replace(signature, order=signature.order + b" ")
        if wrong == "person":
            signature = replace(signature, practitioner="Practitioner/p9")
        found = self.attempt(self.store.sign(signature, write_back=write_back, detail={}))
        beside = [one.id for one in self.run(self.store.find(patient=before.patient, states=states.UNCONFIRMED))]
        pending = bool(set(beside) - {before.id})
        right = not wrong and self._open(before) and before.version == prepared.version and not pending
        if self._denied(before.patient) and before.state not in states.SIGNED:
            assert isinstance(found, Conflict)
            assert found.code == "U-CONSENT-WITHHELD"
            event("signing without consent")
        assert isinstance(found, Draft) == right
        if right:
            known = self.known[prepared.draft]
            assert known.signed is None
            known.signed, known.write_back = prepared.digest, write_back
            event("signed")

    @rule(pick=PICK)
    def reject(self, pick: int):
        before = self.run(self.store.read(self._draft(pick)))
        rejecting = self.store.reject(before.id, before.version, "Practitioner/p1", {"reason": "other"})
        assert isinstance(self.attempt(rejecting), Draft) == self._open(before)

    @rule(pick=PICK)
    def note(self, pick: int):
        before = self.run(self.store.read(self._draft(pick)))
        found = self.attempt(self.store.note(before.id, "referred", ACTOR, {"comment": "asked"}))
        assert isinstance(found, Draft) == self._open(before)
        assert isinstance(found, Conflict) or found.state == before.state

    @rule(patient=st.sampled_from(PATIENTS), decision=st.sampled_from((DENY, "permit")))
    def say(self, patient: str, decision: str):
        """A patient's word; a refusal withdraws what is unsigned, in its own commit."""
        before = self.run(self.store.find(patient=patient, states=states.UNSIGNED))
        signed = [one.id for one in self.run(self.store.find(patient=patient, states=states.SIGNED))]
        said = self.run(self.store.enter("consent", "north", patient, "recorded", ACTOR, {"decision": decision}))
        self.entered.setdefault(("consent", patient), []).append(said.entry)
        for draft in before if decision == DENY else ():
            found, history = self.run(self._look(draft.id))
            assert (found.state, history[-1].detail["by"]) == ("withdrawn", said.id)
            event("withdrawn by the patient's word")
        assert [one.id for one in self.run(self.store.find(patient=patient, states=states.SIGNED))] == signed

    @rule(subject=st.sampled_from(SWITCHES), off=st.booleans(), stale=st.booleans())
    def switch(self, subject: str, off: bool, stale: bool):
        entries = self.entered.get(("switch", subject), [])
        seen = len(entries) - (stale and bool(entries))
        entering = self.store.enter("switch", "north", subject, "switched", ACTOR, {"off": off}, after=seen)
        found = self.attempt(entering)
        assert isinstance(found, Conflict) == (seen != len(entries))
        if not isinstance(found, Conflict):
            self.entered.setdefault(("switch", subject), []).append(found.entry)

    @rule(seconds=st.sampled_from((1, 5, 10, LIFE_S // 2)))
    def wait(self, seconds: int):
        self.clock.forward(seconds)

    @rule()
    def expire(self):
        self.run(self.store.expire())
        for draft in self.run(self.store.find(states=states.UNSIGNED)):
            assert self.clock.at < draft.expires

    @precondition(lambda self: any(known.write_back for known in self.known.values()))
    @rule()
    def claim(self):
        entry = self.run(self.store.claim(30))
        if entry is not None:
            assert self.known[entry.draft].signed
            self.claims.append(entry)
            event("claimed")

    @precondition(lambda self: self.claims)
    @rule(pick=PICK)
    def progress(self, pick: int):
        entry = self.claims[-1 - pick % len(self.claims)]
        self.attempt(self.store.progress(entry, {"order": "MedicationRequest/1"}))

    @precondition(lambda self: self.claims)
    @rule(pick=PICK, state=st.sampled_from((states.AWAITING, "confirmed", "write-failed", "mismatch", "parked")))
    def finish(self, pick: int, state: Any):
        entry = self.claims.pop(-1 - pick % len(self.claims))
        self.attempt(self.store.finish(entry, state, {}, retry_s=10))

    @rule(pick=PICK, ending=st.sampled_from(("confirmed", "superseded", "expired", "released", "resolved", "revoked")))
    def settle(self, pick: int, ending: Any):
        could = [draft for draft, known in self.known.items() if known.state in (states.AWAITING, "signed", *STOPPED)]
        before = self.run(self.store.read(could[-1 - pick % len(could)] if could else self._draft(pick)))
        tried = sum(entry.event == "claimed" for entry in self.run(self.store.history(before.id)))
        try:
            found = self.run(self.store.settle(before.id, ending, "operator:o", {"attempts": tried}))
        except (Conflict, NotFound):
            return
        assert before.state == states.AWAITING if ending in READ else before.state in ("signed", *STOPPED)
        signed = self.known[before.id].signed is not None
        assert found.state == (READ[ending][signed] if ending in READ else WORDS[ending])
        event(f"settled {found.state}")

    @rule()
    def reopen(self):
        self.run(self.store.close())
        self.store = self.made()
        self.run(self.store.open())

    # --- what always holds

    @invariant()
    def the_chains_and_digests_are_whole(self):
        assert list(self.run(self.store.verify())) == []

    @invariant()
    def no_acknowledged_draft_is_lost_and_none_goes_back(self):
        for draft, known in self.known.items():
            found, history = self.run(self._look(draft))
            assert found.version >= known.version
            assert len(history) >= known.seq
            assert not (known.signed and not states.signature_fits(found.state, signed=True))
            assert not (known.state in states.ENDED and found.state != known.state)
            assert ORDERED.get(found.state, 9) >= ORDERED.get(known.state, 9)
            known.state, known.version, known.seq = found.state, found.version, len(history)

    @invariant()
    def a_draft_is_signed_exactly_when_its_one_signature_says_so(self):
        for draft, known in self.known.items():
            signature = self.run(self.store.signature(draft))
            assert (signature.digest if signature else None) == known.signed
            found, history = self.run(self._look(draft))
            assert states.signature_fits(found.state, signed=known.signed is not None)
            steps = [entry.event for entry in history]
            assert steps.count("signed") == int(known.signed is not None)

    @invariant()
    def nothing_was_signed_after_its_time(self):
        for draft, known in self.known.items():
            found, history = self.run(self._look(draft))
            for entry in history:
                assert entry.event != "signed" or entry.at < found.expires
            assert known.signed or found.state not in states.WITH_SIGNATURE

    @invariant()
    def every_signature_to_be_written_has_its_one_outbox_row(self):
        queued = self.queued()
        assert len(queued) == len(dict(queued))
        assert set(dict(queued)) == {draft for draft, known in self.known.items() if known.signed and known.write_back}
        for draft, due in queued:
            assert bool(due) == (self.run(self.store.read(draft)).state in DUE)

    @invariant()
    def what_a_patient_denied_is_neither_held_nor_open(self):
        for patient in filter(self._denied, PATIENTS):
            assert not self.run(self.store.find(patient=patient, states=states.UNSIGNED))

    @invariant()
    def every_register_has_all_that_was_entered(self):
        for (kind, subject), entries in self.entered.items():
            (found,) = self.run(self.store.registered(kind, ehr="north", subject=subject))
            assert list(self.run(self.store.entries(found.id))) == entries

    def _draft(self, pick: int) -> str:
        return list(self.known)[-1 - pick % len(self.known)]

    def _denied(self, patient: str) -> bool:
        said = self.entered.get(("consent", patient))
        return bool(said) and said[-1].detail["decision"] == DENY

    def _open(self, draft: Draft) -> bool:
        return draft.state in states.UNSIGNED and self.clock.at < draft.expires

    async def _look(self, draft: str):
        return await self.store.read(draft), await self.store.history(draft)


Lives.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class TestLives(Lives.TestCase):
    """No order of steps breaks an invariant of the hold on SQLite."""


class LivesOnRedis(Lives):
    """The same lives on a Redis, emptied for each; its signatures have receipts too."""

    server: ClassVar[RedisProcess]

    def __init__(self) -> None:
        self.server.flush()
        super().__init__()

    def made(self) -> Any:
        return RedisStore(self.server.url, Path(self.folder.name) / "receipts.db", clock=self.clock)

    def queued(self) -> list[tuple[str, bool]]:
        shards = self.server.ask("KEYS", "undersign:*:due")
        due = {draft for shard in shards for draft in self.server.ask("ZRANGE", shard, 0, -1)}
        rows = [key.rpartition(b":")[2] for key in self.server.ask("KEYS", "undersign:*:o:*")]
        return [(draft.decode(), draft in due) for draft in rows]


@pytest.fixture(scope="module")
def on_redis(redis_process: RedisProcess) -> None:
    """Give the lives a server."""
    LivesOnRedis.server = redis_process


LivesOnRedis.TestCase.settings = settings(Lives.TestCase.settings, max_examples=8)


@pytest.mark.usefixtures("on_redis")
class TestLivesOnRedis(LivesOnRedis.TestCase):
    """No order of steps breaks an invariant of the hold on Redis."""
