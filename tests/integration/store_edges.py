"""One draft's life in a process that is killed (SIGKILL) at a named edge of a named step.

The life: two charts are opened, one patient refuses AI, the other's draft is edited, prepared, signed, and written by
the shipped writer to an EHR that is a file. ``live`` lives it, or what is left of it, to its end.
"""

import asyncio
import json
import os
import signal
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from uuid import uuid4

from service.drafts.canonical_json import digest, dumps, load_object
from service.drafts.records import Draft, Prepared, Signature
from service.drafts.redis.store import RedisStore
from service.drafts.sqlite.store import SqliteStore
from service.ehr import writeback
from service.ehr.capabilities import Capabilities
from service.ehr.transport import Answer
from tests.contract import samples
from tests.integration.store_victim import POINTS

SIGNER, SIGNED_FOR, REFUSING = "Practitioner/p1", "Patient/a", "Patient/b"
STEPS: Final = ("hold", "enter", "prepare", "sign", "claim", "progress", "finish")
OF_SQLITE: Final = ("before-begin", "in-transaction", "after-commit")
OF_REDIS: Final = ("before-plan-sent", "after-plan-done")
OF_RECEIPTS: Final = ("before-receipt", "after-receipt", "before-told", "after-told")
OF_EHR: Final = tuple(
    f"{when}-{what}" for what in ("search", "create", "read", "provenance") for when in ("before", "after")
)


class Edge:
    """Where this process dies: the edge, and the step that it belongs to (empty: any)."""

    def __init__(self, name: str = "", step: str = "") -> None:
        self._name, self._step, self._doing = name, step, ""
        if name in POINTS:
            owner, function, when = POINTS[name]
            setattr(owner, function, self._around(getattr(owner, function), when))

    def at(self, name: str) -> None:
        """Die here, if here is where to."""
        if name == self._name and self._doing == self._step:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, store: Any) -> None:
        """Know which step of the store is being taken."""
        for step in STEPS if self._step else ():
            setattr(store, step, self._during(step, getattr(store, step)))

    def _during(self, step: str, method: Any) -> Any:
        async def doing(*args: Any, **more: Any) -> Any:
            self._doing = step
            result = await method(*args, **more)
            self._doing = ""
            return result

        return doing

    def _around(self, function: Any, when: str) -> Any:
        def dying(*args: Any) -> Any:
            if when == "before":
                self.at(self._name)
            result = function(*args)
            if when == "before":
                return result
            if asyncio.iscoroutine(result):
                return self._then(result)
            self.at(self._name)
            return result

        return dying

    async def _then(self, result: Any) -> Any:
        found = await result
        self.at(self._name)
        return found


class Everything(Capabilities):
    """An EHR that declares all that is asked for, but to take a resource under our id."""

    def has(self, kind: str, what: str) -> bool:
        """Say whether it is declared."""
        return what != "updateCreate"


class FileEhr:
    """An EHR that outlives this process: a line of a file a resource. It takes a create by identifier once."""

    unfit: tuple[str, ...] = ()
    refuses: frozenset[str] = frozenset()

    def __init__(self, file: Path, edge: Edge) -> None:
        self._file, self._edge = file, edge
        self.ehr = samples.EHR.model_copy(update={"write_back": "sign-and-write"})

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return what there is of a type."""
        lines = self._file.read_text("utf-8").splitlines() if self._file.exists() else []
        return [one for one in map(json.loads, lines) if one["resourceType"] == kind]

    async def capabilities(self) -> Capabilities:
        return Everything()

    async def authorised(self, _scope: str, act: Any) -> Any:
        return await act(None)

    async def search(self, query: str, _token: str | None) -> list[bytes]:
        self._edge.at("before-search")
        found = [{"resource": one} for one in self.all(query.partition("?")[0])]
        self._edge.at("after-search")
        return [dumps({"resourceType": "Bundle", "entry": found})]

    async def read(self, reference: str, _token: str | None) -> bytes:
        self._edge.at("before-read")
        kind, _, identity = reference.partition("/")
        (found,) = [one for one in self.all(kind) if one["id"] == identity]
        self._edge.at("after-read")
        return dumps(found)

    async def create(
        self, kind: str, resource: bytes, *, if_none_exist: str | None = None, token: str | None
    ) -> Answer:
        edge = {"MedicationRequest": "create", "Provenance": "provenance"}[kind]
        self._edge.at(f"before-{edge}")
        new = {**load_object(resource), "id": str(uuid4())}
        there = [one for one in self.all(kind) if if_none_exist and one["identifier"] == new["identifier"]]
        if not there:
            with self._file.open("ab") as file:
                file.write(dumps(new) + b"\n")
        self._edge.at(f"after-{edge}")
        return Answer(201, {"location": f"{kind}/{(there or [new])[0]['id']}/_history/1"}, b"")


def store_at(where: str, later_s: float = 0) -> Any:
    """Return the store of an argument (a file, or an address of Redis and a file), its clock so much on."""
    address, _, receipts = where.partition(",")
    clock = samples.Clock(samples.START + timedelta(seconds=later_s))
    return RedisStore(address, Path(receipts), clock=clock) if receipts else SqliteStore(Path(address), clock)


def shown(draft: Draft, version: int) -> Prepared:
    """Return an order that an EHR can be asked for field by field."""
    made = samples.prepared_bytes(draft, SIGNER, version=version)
    carried = {name: samples.resource()[name] for name in ("medicationCodeableConcept", "dosageInstruction", "subject")}
    said = {"status": "active", "intent": "order", "authoredOn": "2026-11-22T10:00:00.000Z"}
    order = dumps({**load_object(made.order), **carried, **said})
    return Prepared(made.draft, version, digest(order), SIGNER, order, made.order_id, (), samples.START)


def signature(prepared: Prepared) -> Signature:
    """Return a signature with a Provenance that can be given its target."""
    made = samples.signature_of(prepared)
    provenance = dumps({**load_object(made.provenance), "target": [{"reference": "MedicationRequest/x"}]})
    return replace(made, provenance=provenance)


async def live(store: Any, ehr: FileEhr, told: Path) -> None:
    """Live what is left of the life; each acknowledgement is a line of ``told``."""
    holding = partial(store.hold, "north", drafts=[samples.new_draft()], expires_after_s=samples.HOUR, actor=SIGNER)
    refused = await holding(patient=REFUSING, facts="facts")
    _say(told, "held", *(draft.id for draft in refused))
    await store.enter("consent", "north", REFUSING, "recorded", SIGNER, {"decision": "deny"})
    _say(told, "denied")
    for draft in await holding(patient=SIGNED_FOR, facts="facts"):
        _say(told, "held", draft.id)
        edit = draft.version == 1
        prepared = shown(draft, draft.version + edit)
        changed = dumps({**load_object(draft.resource), "priority": "routine"}) if edit else None
        await store.prepare(draft.id, draft.version, prepared, changed)
        _say(told, "edited", draft.id, str(prepared.version))
        await store.sign(signature(prepared), write_back=True, detail={})
        _say(told, "signed", draft.id, prepared.digest)
    services: Any = SimpleNamespace(clients={"north": ehr}, store=store)
    while await writeback.once(services):
        _say(told, "written")


async def whole(where: str, folder: Path, edge: Edge, later_s: float = 0) -> None:
    """Open the store, live, and close it."""
    store = store_at(where, later_s)
    await store.open()
    edge.watch(store)
    try:
        await live(store, FileEhr(folder / "ehr", edge), folder / "told")
    finally:
        await store.close()


def victim(where: str, folder: Path, edge: str, step: str) -> None:
    """Live until the edge; the whole of a process."""
    asyncio.run(whole(where, folder, Edge(edge, step)))


def acknowledged(folder: Path) -> list[list[str]]:
    """Return what was acknowledged, a list of words each."""
    told = folder / "told"
    return [line.split() for line in told.read_text("utf-8").splitlines()] if told.exists() else []


def _say(told: Path, *words: str) -> None:
    with told.open("a", encoding="utf-8") as file:
        file.write(" ".join(words) + "\n")
