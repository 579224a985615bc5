"""What was signed by an earlier version: it recorded no mode and no step before a create, and queued one mode only."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from service import telemetry
from service.drafts import operators
from service.drafts.decision import revoking
from service.drafts.records import Draft
from service.drafts.signature import orders
from service.ehr import writeback
from service.errors import Conflict, EhrFailed, NotFound, ServiceError
from service.settings import Ehr
from tests.contract import samples
from tests.contract.samples import Clock
from tests.integration.fake_ehr import PUBLIC_URL, SIGNER, World, ehr_settings, user_token, world

T = TypeVar("T")
BY, WHY = "On-call pharmacist", "seen in the chart"


def play(path: Path, story: Callable[[World, Clock], Awaitable[T]], mode: str = "sign-and-write") -> T:
    """Run a story in a fresh world whose tenant has this mode now."""
    clock = Clock()

    async def run() -> T:
        async with world(path, clock, write_back=mode) as scene:
            return await story(scene, clock)

    return asyncio.run(run())


async def signed_before(scene: World, clock: Clock, *, queued: bool = True) -> Draft:
    """Sign an order as earlier versions did: an active one, without its mode in the record."""
    draft, who = await scene.hold(), samples.practitioner()
    prepared = orders.prepare(draft, None, who, ehr_settings(), PUBLIC_URL, clock())
    await scene.store.prepare(draft.id, draft.version, prepared, None)
    signature = orders.sign(prepared, SIGNER, who, PUBLIC_URL, clock())
    await scene.store.sign(signature, write_back=queued, detail={"method": "smart-bearer"})
    return draft


async def taken_before(scene: World, clock: Clock, *, committed: bool) -> Draft:
    """Sign one, and take it as an earlier version did: its worker died, perhaps after the EHR had made the order."""
    draft = await signed_before(scene, clock)
    entry = await scene.store.claim(60)
    assert entry is not None
    if committed:
        await scene.services.clients["north"].create("MedicationRequest", entry.order, token="any")
    clock.forward(61)
    return draft


async def work(scene: World, clock: Clock) -> None:
    """Work on the outbox until nothing is due any more."""
    for _ in range(4):
        await writeback.once(scene.services)
        clock.forward(400)


async def release(scene: World, draft: Draft, word: Any) -> str:
    """Release a draft as the command does; returns its state."""
    clients = scene.services.clients
    return (await operators.release_draft(scene.store, draft.id, word, BY, WHY, clients.get)).state


async def refused(act: Awaitable[object], kind: type[ServiceError] = Conflict) -> str:
    """Return the code that an act is refused with."""
    with pytest.raises(kind) as caught:
        await act
    return caught.value.code


def change_mode(scene: World, mode: str) -> None:
    """Configure another mode for the tenant."""
    client = scene.services.clients["north"]
    client.ehr = Ehr.model_validate({**client.ehr.model_dump(), "write_back": mode})


@pytest.mark.parametrize("committed", [False, True])
def test_what_was_under_way_is_written_once_in_the_mode_of_then(tmp_path: Path, committed: bool) -> None:
    """An order that an earlier version queued, and perhaps had sent, is in the EHR once, confirmed."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await taken_before(scene, clock, committed=committed)
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("MedicationRequest")) == 1

    play(tmp_path, story)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("mode", ["document-only", "unsigned-order", "card"])
def test_what_was_under_way_is_not_written_in_another_mode(tmp_path: Path, mode: str, committed: bool) -> None:
    """Once the mode has changed a person is told, and no second resource is written."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await taken_before(scene, clock, committed=committed)
        change_mode(scene, mode)
        await work(scene, clock)
        (row,) = await operators.list_drafts(scene.store, states=("parked",))
        assert (row["id"], row["code"]) == (draft.id, "U-EHR-MODE")
        assert len(scene.ehr.of("MedicationRequest")) == int(committed)
        assert scene.ehr.of("DocumentReference") == []

    play(tmp_path, story)


def test_what_may_have_been_sent_is_not_given_up_unasked(tmp_path: Path) -> None:
    """An order that was taken before steps were recorded is searched for before it is dropped or revoked."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await taken_before(scene, clock, committed=True)
        scene.ehr.faults = ["503"]
        scene.ehr.reads = ["503"] * 20
        await writeback.once(scene.services)
        scene.ehr.reads = []
        assert (await scene.store.read(draft.id)).state == "write-failed"
        assert await refused(release(scene, draft, "revoked")) == "U-RELEASE-WRITTEN"
        who, token = samples.practitioner(), user_token()
        act = revoking.revoke(scene.services, draft.id, who, token, reason=None, comment=None)
        assert await refused(act) == "U-RELEASE-WRITTEN"
        scene.ehr.down = True
        assert await refused(release(scene, draft, "revoked"), EhrFailed) == "U-EHR-UNREACHABLE"

    play(tmp_path, story)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("mode", ["document-only", "unsigned-order"])
def test_what_was_signed_and_never_queued_is_told_and_can_be_ended(tmp_path: Path, mode: str, there: bool) -> None:
    """Nothing writes it; the list says what to do, and a person ends it by what the EHR has, never by a retry."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await signed_before(scene, clock, queued=False)
        if there:
            signature = await scene.store.signature(draft.id)
            assert signature is not None
            await scene.services.clients["north"].create("MedicationRequest", signature.order, token="any")
        await work(scene, clock)
        (row,) = await operators.list_drafts(scene.store, states=("signed",))
        assert (row["id"], "earlier version" in row["to_do"][0]) == (draft.id, True)
        assert len(scene.ehr.of("MedicationRequest")) == int(there)
        assert await refused(release(scene, draft, "released"), NotFound) == "U-OUTBOX-UNKNOWN"
        scene.ehr.granted = lambda: "system/MedicationRequest.rs system/DocumentReference.rs"
        if there:
            assert await refused(release(scene, draft, "revoked")) == "U-RELEASE-WRITTEN"
            assert await release(scene, draft, "resolved") == "confirmed"
        else:
            assert await release(scene, draft, "revoked") == "revoked"
        assert await scene.store.verify() == ()

    play(tmp_path, story, mode)


def test_what_is_queued_is_not_ended_by_a_word_before_it_is_tried(tmp_path: Path) -> None:
    """A signed order that is about to be written is not taken for settled on an operator's word."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        assert await refused(release(scene, draft, "resolved")) == "U-DRAFT-STATE"
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


def test_the_start_says_what_was_never_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker names each such draft in the log when it starts, and no other one."""
    said: list[str] = []

    class Log:
        def error(self, event: str, **keys: Any) -> None:
            said.append(f"{event} {keys.get('draft')}")

    async def story(scene: World, clock: Clock) -> None:
        draft = await signed_before(scene, clock, queued=False)
        monkeypatch.setattr(telemetry, "log", Log)
        await writeback._tell_unqueued(scene.services)
        assert said == [f"signed and never queued: see drafts show {draft.id}"]
        await release(scene, draft, "resolved")
        said.clear()
        await signed_before(scene, clock)
        await writeback._tell_unqueued(scene.services)
        assert said == []

    play(tmp_path, story)
