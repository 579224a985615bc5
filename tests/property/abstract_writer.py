"""The shipped writer (``writeback``, ``delivery``) taken one request at a time, to be paused or crashed at any of them.

A writer is its outbox entry and the answers that it has had. Run again over those answers it comes to the request that
it asks next, so it can stand at any point in any number of explored worlds.
"""

import asyncio
import functools
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

from service.drafts import operators
from service.drafts.canonical_json import dumps, load_object
from service.drafts.commit.outbox_steps import SENT_STEP
from service.drafts.records import Draft, OutboxEntry
from service.ehr import writeback
from service.ehr.capabilities import Capabilities
from service.ehr.delivery import Mismatch
from service.ehr.transport import Answer
from service.errors import Conflict, EhrFailed
from tests.contract import samples

_LOOP: Final = asyncio.new_event_loop()

Answers = tuple[Any, ...]
# ``search``; ``read`` and which; ``create``; ``progress`` and what; ``finish``, its state and pause; ``stop``.
Request = tuple[Any, ...]


def order(who: str, version: int, status: str) -> bytes:
    """Return the order that this person prepares of this version."""
    kept = {name: samples.resource()[name] for name in ("medicationCodeableConcept", "dosageInstruction", "subject")}
    return dumps(
        {
            **kept,
            "resourceType": "MedicationRequest",
            "identifier": [{"system": f"{samples.PUBLIC_URL}/orders", "value": f"order-{who[-1]}-{version}"}],
            "status": status,
            "intent": "order",
            "authoredOn": "2026-11-22T10:00:00.000Z",
            "requester": {"reference": who},
        }
    )


@functools.cache
def held(order: bytes, how: str, number: int) -> dict[str, Any]:
    """Return what an EHR made of an order: the ``same``, with an ``other`` dose, or ``nameless``."""
    found = {**load_object(order), "id": str(number)}
    if how == "other":
        found["dosageInstruction"] = [samples.dosage(500)]
    if how == "nameless":
        del found["identifier"]
    return found


class Everything(Capabilities):
    """An EHR that declares all that is asked for, but to take a resource under our id."""

    def has(self, kind: str, what: str) -> bool:
        """Say whether it is declared."""
        return what != "updateCreate"


class Paused(BaseException):
    """The writer asks something that it has no answer to yet."""

    def __init__(self, request: Request) -> None:
        self.request = request


class _Peer:
    """The EHR and the store as the writer meets them: answers in their order, then the pause."""

    def __init__(self, entry: OutboxEntry, answers: Answers, mode: str) -> None:
        self._entry, self._answers = entry, list(answers)
        self.ehr = samples.EHR.model_copy(update={"write_back": mode})
        self.unfit: tuple[str, ...] = ()
        self.refuses: frozenset[str] = frozenset()

    def _next(self, *request: Any) -> Any:
        if not self._answers:
            raise Paused(request)
        answer = self._answers.pop(0)
        if answer == "fail":
            raise EhrFailed("U-EHR-UNREACHABLE", "no answer")
        return answer

    async def capabilities(self) -> Capabilities:
        return Everything()

    async def authorised(self, _scope: str, act: Any) -> Any:
        return await act(None)

    async def search(self, query: str, _token: str | None) -> list[bytes]:
        # A Provenance is no part of the world: none is found, and each is taken.
        there = () if query.startswith("Provenance") else self._next("search")
        entries = [{"resource": held(self._entry.order, how, number)} for number, how in enumerate(there)]
        return [dumps({"resourceType": "Bundle", "entry": entries})]

    async def read(self, reference: str, _token: str | None) -> bytes:
        number = int(reference.rpartition("/")[2])
        return dumps(held(self._entry.order, self._next("read", number), number))

    async def create(
        self, kind: str, resource: bytes, *, if_none_exist: str | None = None, token: str | None
    ) -> Answer:
        if kind == "Provenance":
            return Answer(201, {"location": "Provenance/1"}, b"")
        assert resource == self._entry.order
        assert if_none_exist
        made = self._next("create")
        if made == "refused":
            return Answer(422, {}, b"")
        return Answer(201, {} if made == "empty" else {"location": f"MedicationRequest/{made}/_history/1"}, b"")

    # The store

    async def history(self, _draft: str) -> list[Any]:
        return []

    async def progress(self, _entry: OutboxEntry, step: Mapping[str, str]) -> None:
        self._next("progress", tuple(sorted(step.items())))

    async def finish(self, _entry: OutboxEntry, state: str, detail: Mapping[str, Any], retry_s: int = 0) -> None:
        self._next("finish", state, retry_s)


def asks(entry: OutboxEntry, answers: Answers, mode: str) -> Request:
    """Return what the writer of this entry asks after these answers; ``stop`` when it has nothing more to do."""
    return _asks(entry.attempts > 1, tuple(sorted(entry.progress.items())), answers, mode)


@functools.cache
def _asks(tried: bool, progress: tuple[tuple[str, str], ...], answers: Answers, mode: str) -> Request:
    # Orders differ in names only, so one stands for all.
    status = "draft" if mode == "unsigned-order" else "active"
    target = {"target": [{"reference": "x"}], "signature": [{"data": "x"}]}
    entry = OutboxEntry(
        draft="draft-1",
        ehr="north",
        order_id="order",
        order=order("Practitioner/a", 1, status),
        provenance=dumps({"resourceType": "Provenance", **target}),
        attempts=1 + tried,
        lease="lease",
        progress=dict(progress),
    )
    peer = _Peer(entry, answers, mode)
    services: Any = SimpleNamespace(clients={"north": peer}, store=peer)
    try:
        _LOOP.run_until_complete(writeback._work(services, entry))
    except Paused as pause:
        return pause.request
    return ("stop",)


@functools.cache
def may_give_up(attempts: int, sent: bool, there: tuple[str, ...], mode: str) -> bool:
    """Say whether who wants to revoke finds nothing of it at the EHR, which holds this (``check_not_there``)."""
    bytes_of_it = order("Practitioner/a", 1, "active")
    entry: Any = SimpleNamespace(draft="draft-1", order_id="order", order=bytes_of_it, provenance=b"{}")

    async def history(_draft: str) -> list[Any]:
        claims = [SimpleNamespace(event="claimed", detail={})] * attempts
        return [*claims, *[SimpleNamespace(event="progressed", detail={"step": {SENT_STEP: mode}})] * sent]

    async def signature(_draft: str) -> Any:
        return entry

    store: Any = SimpleNamespace(history=history, signature=signature)
    client: Any = _Peer(entry, (there,) * 9, mode)
    draft = cast(Draft, SimpleNamespace(id="draft-1", ehr="north"))
    try:
        _LOOP.run_until_complete(operators.check_not_there(store, draft, client))
    except (Conflict, Mismatch):
        return False
    return True


def forget() -> None:
    """Forget what the writer was found to ask: its code is another one now."""
    _asks.cache_clear()
    may_give_up.cache_clear()
