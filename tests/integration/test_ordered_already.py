"""What the EHR has ordered meanwhile is not signed here as well; what cannot be told is no permission."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from fhir_adapters.dialect.profile import Search
from service.drafts.canonical_json import dumps
from service.drafts.records import Draft, NewDraft
from service.drafts.signature import orders
from service.ehr import awaiting, transport, writeback
from tests.contract import samples
from tests.contract.samples import Clock
from tests.integration.fake_ehr import PUBLIC_URL, SIGNER, FakeEhr, World, ehr_settings, services_of, world
from tests.integration.test_awaiting import OTHER_DRUG, accepted, order

T = TypeVar("T")
GUARD_S = 60
NEW = {"meta": {"lastUpdated": "2026-11-22T10:01:00Z"}}
OLD = {"meta": {"lastUpdated": "2026-11-01T10:00:00Z"}}
BY_REFERENCE = {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/m1"}}
NOT_READ = {"medicationCodeableConcept": {"text": "as before"}}


def play(path: Path, story: Callable[[World, Clock], Awaitable[T]], mode: str = "sign-and-write") -> T:
    """Run a story in a fresh world with a clock that moves when told."""
    clock = Clock()

    async def run() -> T:
        async with world(path, clock, write_back=mode) as scene:
            return await story(scene, clock)

    return asyncio.run(run())


async def signing(scene: World, draft: Draft) -> str:
    """Sign a draft; returns the code that it was refused with, empty where it was signed."""
    answer = await scene.post(draft.id, "sign", *await scene.prepared(draft.id))
    signed = await scene.store.signature(draft.id) is not None
    assert signed == (answer.status_code == 200)
    return "" if signed else answer.json()["issue"][0]["details"]["coding"][0]["code"]


EXISTS, UNKNOWN, CHANGED = "U-ORDER-EXISTS", "U-ORDER-UNKNOWN", "U-CHART-CHANGED"
# Of the drug that the chart had before: a rule that the draft's own record says.
KNOWN = [{"rule": "SR330", "unknown": False}]
HELD: list[tuple[str, dict[str, Any], str, str]] = [
    ("newer", {}, "sign-and-write", EXISTS),
    ("of that day", {"authoredOn": "2026-11-22"}, "sign-and-write", EXISTS),
    ("older", {"authoredOn": "2026-09-01T10:00:00Z"}, "sign-and-write", ""),
    ("undated", {"authoredOn": None}, "sign-and-write", UNKNOWN),
    ("undated, changed since", {"authoredOn": None, **NEW}, "sign-and-write", UNKNOWN),
    ("undated, there before", {"authoredOn": None, **OLD}, "sign-and-write", ""),
    ("on hold", {"status": "on-hold"}, "sign-and-write", EXISTS),
    ("a draft where none are written", {"status": "draft"}, "sign-and-write", ""),
    ("a draft where drafts are written", {"status": "draft"}, "unsigned-order", EXISTS),
    ("a plan", {"intent": "plan"}, "sign-and-write", EXISTS),
    ("a proposal", {"intent": "proposal"}, "sign-and-write", ""),
    ("ended", {"status": "completed"}, "sign-and-write", ""),
    ("not to be given", {"doNotPerform": True}, "sign-and-write", ""),
    ("a Medication that is not there", BY_REFERENCE, "sign-and-write", UNKNOWN),
    ("a drug that nobody can read", NOT_READ, "sign-and-write", UNKNOWN),
    ("such a drug, undated", {**NOT_READ, "authoredOn": None}, "sign-and-write", UNKNOWN),
    ("such a drug, there before", {**NOT_READ, "authoredOn": "2026-11-01T10:00:00Z"}, "sign-and-write", ""),
    ("another drug", {"medicationCodeableConcept": OTHER_DRUG}, "sign-and-write", CHANGED),
    ("another drug, undated", {"medicationCodeableConcept": OTHER_DRUG, "authoredOn": None}, "sign-and-write", CHANGED),
    ("where documents are written", {}, "document-only", EXISTS),
]


@pytest.mark.parametrize(("changes", "mode", "code"), [row[1:] for row in HELD], ids=[row[0] for row in HELD])
def test_what_stands_in_the_ehr_is_not_signed_again(
    tmp_path: Path, changes: dict[str, Any], mode: str, code: str
) -> None:
    """An order of the drug that is not known to be older than the draft refuses the signature; no other one does."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.hold(reasons=KNOWN)
        clock.forward(60)
        scene.ehr.put(order(**changes))
        assert await signing(scene, draft) == code

    play(tmp_path, story, mode)


def test_an_ehr_whose_orders_cannot_be_searched_is_not_signed_for(tmp_path: Path) -> None:
    """Where the profile has no search of orders nobody can tell what there is: U-ORDER-UNKNOWN."""

    async def story(scene: World, clock: Clock) -> None:
        profiles: Any = scene.services.profiles
        searches = {"MedicationRequest": Search(supported=False)}
        profiles["north"] = replace(profiles["north"], search=searches)
        assert await signing(scene, await scene.hold()) == UNKNOWN

    play(tmp_path, story)


async def with_a_slow_neighbour(scene: World) -> asyncio.Event:
    """Add a tenant whose EHR answers nothing until the event is set."""
    answers, slow = asyncio.Event(), FakeEhr()

    async def late(request: httpx.Request) -> httpx.Response:
        await answers.wait()
        return await slow(request)

    south = ehr_settings(id="south", write_back=scene.services.tenant("north").write_back)
    services = services_of(scene.store, (scene.services.tenant("north"), scene.ehr), (south, slow))
    services.clients["south"]._transport._http = httpx.AsyncClient(transport=httpx.MockTransport(late))
    scene.services = services
    return answers


async def of_south(scene: World) -> Draft:
    """Hold a draft for a patient of the slow tenant's."""
    subject = {"reference": "Patient/south"}
    new = NewDraft("sertraline", 0, dumps(samples.resource(subject=subject)), dumps({"acknowledge": []}))
    found = await scene.store.hold("south", "Patient/south", "facts", [new], 3600, "Device/undersign")
    return found[0]


async def signed_of_south(scene: World, clock: Clock) -> Draft:
    """Sign a draft of the slow tenant's."""
    draft, who = await of_south(scene), samples.practitioner()
    prepared = orders.prepare(draft, None, who, ehr_settings(id="south"), PUBLIC_URL, clock())
    await scene.store.prepare(draft.id, draft.version, prepared, None)
    await scene.store.sign(orders.sign(prepared, SIGNER, who, PUBLIC_URL, clock()), write_back=True, detail={})
    return draft


def test_a_slow_ehr_does_not_hold_up_the_following_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one EHR does not answer, an order in force at another is seen."""
    monkeypatch.setattr(awaiting, "POLL_S", 0.01)

    async def story(scene: World, clock: Clock) -> None:
        draft = await accepted(scene, clock)
        other = await of_south(scene)
        await scene.store.mark([other.id], "awaiting-ehr-signature", "ehr:south", {"card": "c"})
        answers = await with_a_slow_neighbour(scene)
        scene.ehr.put(order())
        clock.forward(60)
        following = asyncio.create_task(awaiting.run(scene.services))
        async with asyncio.timeout(GUARD_S):
            while (await scene.store.read(draft.id)).state != "confirmed":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await scene.store.read(other.id)).state == "awaiting-ehr-signature"
        answers.set()
        following.cancel()

    play(tmp_path, story, "card")


def test_a_slow_ehr_does_not_hold_up_the_writing_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one write-back waits for its EHR, an order that was signed later is written to another."""
    monkeypatch.setattr(writeback, "POLL_S", 0.01)
    monkeypatch.setattr(transport, "EXCHANGE_S", 600.0)  # the other one waits for as long as this takes

    async def story(scene: World, clock: Clock) -> None:
        other = await signed_of_south(scene, clock)
        clock.forward(1)
        draft = await scene.signed()
        answers = await with_a_slow_neighbour(scene)
        writing = asyncio.create_task(writeback.run(scene.services))
        async with asyncio.timeout(GUARD_S):
            while (await scene.store.read(draft.id)).state != "confirmed":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await scene.store.read(other.id)).state == "writing"
        answers.set()
        writing.cancel()

    play(tmp_path, story)
