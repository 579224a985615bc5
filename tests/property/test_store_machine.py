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
from service.drafts.redis_store import RedisStore
from service.drafts.sqlite import SqliteStore
from service.drafts.store import Draft, OutboxEntry, Prepared, State
from service.errors import Conflict
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import Clock, new_draft, prepared_bytes, signature_of
from tests.contract.stores import redis_process

__all__ = ["redis_process"]

T = TypeVar("T")
LIFE_S = 100
PICK = st.integers(0, 5)  # which of the newest to act on
PATIENTS = ("Patient/a", "Patient/b")
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
    """Clinicians, feedback, an expirer, a writer and restarts, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.known: dict[str, Known] = {}
        self.shown: list[Prepared] = []
        self.claims: list[OutboxEntry] = []
        self.store = self.made()
        self.run(self.store.open())

    def made(self) -> Any:
        """Return a store on what was there before; at first that is nothing."""
        return SqliteStore(Path(self.folder.name) / "store.db", self.clock)

    def queued(self) -> set[str]:
        """Return the drafts with a row in the outbox, as the store has them."""
        with self.store._reading() as connection:
            return {row[0] for row in connection.execute("SELECT draft FROM outbox")}

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

    @initialize(write_back=st.booleans())
    def two_charts_were_opened_and_a_draft_signed(self, write_back: bool):
        for patient in PATIENTS:
            self.hold(patient, "one", 3)
        self.prepare(0, 1, False, False)
        self.sign(0, write_back, "")

    @rule(
        patient=st.sampled_from(PATIENTS),
        facts=st.sampled_from(("one", "one", "one", "two")),
        count=st.integers(0, 3),
    )
    def hold(self, patient: str, facts: str, count: int):
        new = [new_draft(rank) for rank in range(count)]
        found = self.run(self.store.hold("north", patient, facts, new, LIFE_S, "Device/undersign"))
        for draft in found:
            assert self._open(draft)
            self.known.setdefault(draft.id, Known("held", 1, 0))

    @rule(pick=PICK, state=st.sampled_from((*states.MARKS, "presented", "accepted")))
    def mark(self, pick: int, state: State):
        self.run(self.store.mark([self._draft(pick)], state, "ehr:north", {}))

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
        right = not wrong and self._open(before) and before.version == prepared.version
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
    @rule(pick=PICK, state=st.sampled_from(("confirmed", "write-failed", "mismatch", "parked")))
    def finish(self, pick: int, state: Any):
        entry = self.claims.pop(-1 - pick % len(self.claims))
        self.attempt(self.store.finish(entry, state, {}, retry_s=10))

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
            assert not (known.state in states.SIGNED and found.state not in states.SIGNED)
            assert not (known.state in states.ENDED and found.state != known.state)
            assert ORDERED.get(found.state, 9) >= ORDERED.get(known.state, 9)
            known.state, known.version, known.seq = found.state, found.version, len(history)

    @invariant()
    def a_draft_is_signed_exactly_when_its_one_signature_says_so(self):
        for draft, known in self.known.items():
            signature = self.run(self.store.signature(draft))
            assert (signature.digest if signature else None) == known.signed
            found, history = self.run(self._look(draft))
            assert (found.state in states.SIGNED) == (known.signed is not None)
            steps = [entry.event for entry in history]
            assert steps.count("signed") == int(known.signed is not None)

    @invariant()
    def nothing_was_signed_after_its_time(self):
        for draft, known in self.known.items():
            found, history = self.run(self._look(draft))
            for entry in history:
                assert entry.event != "signed" or entry.at < found.expires
            assert known.signed or found.state not in states.SIGNED

    @invariant()
    def every_signature_to_be_written_has_its_outbox_row(self):
        assert self.queued() == {draft for draft, known in self.known.items() if known.signed and known.write_back}

    def _draft(self, pick: int) -> str:
        return list(self.known)[-1 - pick % len(self.known)]

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

    def queued(self) -> set[str]:
        return {key.decode().rpartition(":")[2] for key in self.server.ask("KEYS", "undersign:*:o:*")}


@pytest.fixture(scope="module")
def on_redis(redis_process: RedisProcess) -> None:
    """Give the lives a server."""
    LivesOnRedis.server = redis_process


LivesOnRedis.TestCase.settings = settings(Lives.TestCase.settings, max_examples=8)


@pytest.mark.usefixtures("on_redis")
class TestLivesOnRedis(LivesOnRedis.TestCase):
    """No order of steps breaks an invariant of the hold on Redis."""
