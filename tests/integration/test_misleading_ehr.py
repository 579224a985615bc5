"""An EHR whose answers mislead: 200 for what failed, other people's entries, what was merged, moved or thinned out."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from service.drafts import operators
from service.drafts.records import Draft
from service.drafts.sqlite import backup
from service.ehr import entries, writeback
from service.ehr.readback import differences
from service.errors import EhrFailed
from tests.contract.samples import Clock
from tests.integration.fake_ehr import BASE, World, world
from tests.integration.test_writeback import order

T = TypeVar("T")
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def play(path: Path, story: Callable[[World, Clock], Awaitable[T]], mode: str = "sign-and-write") -> T:
    """Run a story in a fresh world with a clock that moves when told."""
    clock = Clock()

    async def run() -> T:
        async with world(path, clock, write_back=mode) as scene:
            return await story(scene, clock)

    return asyncio.run(run())


def answer_as(scene: World, fits: Callable[[httpx.Request, str], bool], *answers: httpx.Response | None) -> None:
    """Give these answers, in order, to what fits; None, and all that comes later, is answered as it should be."""
    real, left = scene.ehr._write_or_read, list(answers)

    async def handle(request: httpx.Request, path: str) -> httpx.Response:
        given = left.pop(0) if left and fits(request, path) else None
        return await real(request, path) if given is None else given

    scene.ehr._write_or_read = handle  # type: ignore[method-assign]


def bundle(*resources: dict[str, Any]) -> httpx.Response:
    """Return a searchset."""
    held = [{"resource": one} for one in resources]
    return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "entry": held})


def outcome(severity: str = "error", code: str = "exception") -> dict[str, Any]:
    """Return an OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}


def is_search(_: httpx.Request, path: str) -> bool:
    """Say whether orders are searched."""
    return path == "MedicationRequest" and _.method == "GET"


def is_read(request: httpx.Request, path: str) -> bool:
    """Say whether one order is read."""
    return request.method == "GET" and path.startswith("MedicationRequest/")


async def work(scene: World, clock: Clock, rounds: int = 6) -> None:
    """Work on the outbox until nothing is due any more."""
    for _ in range(rounds):
        await writeback.once(scene.services)
        clock.forward(400)


async def last(scene: World, draft: Draft) -> tuple[str, dict[str, Any]]:
    """Return the draft's state and what the last audit entry was given."""
    history = await scene.store.history(draft.id)
    return (await scene.store.read(draft.id)).state, dict(history[-1].detail.get("given", {}))


OUTCOMES = [
    ("error", "exception", True),
    ("fatal", "not-supported", True),
    ("warning", "incomplete", True),
    ("warning", "timeout", True),
    ("warning", "informational", False),
    ("information", "suppressed", False),
]


@pytest.mark.parametrize(("severity", "code", "failed"), OUTCOMES)
def test_a_search_that_says_inside_that_it_failed_is_not_none(severity: str, code: str, failed: bool) -> None:
    """An outcome of an error, or of a part left out, is no empty list; a mere notice is."""
    page = bundle(outcome(severity, code)).content
    if not failed:
        assert entries.of_kind([page], "MedicationRequest") == []
        return
    with pytest.raises(EhrFailed) as refused:
        entries.of_kind([page], "MedicationRequest")
    assert refused.value.code == "U-EHR-ANSWER"


def test_a_lost_create_whose_search_fails_inside_200_is_not_written_again(tmp_path: Path) -> None:
    """While the EHR's search answers an error in a Bundle nothing is created; once it works, there is one order."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        scene.ehr.faults = ["commit-then-drop", "ignore-if-none-exist"]
        await writeback.once(scene.services)
        answer_as(scene, is_search, *[bundle(outcome())] * 2)
        for _ in range(2):
            clock.forward(400)
            await writeback.once(scene.services)
            assert await last(scene, draft) == ("write-failed", {"code": "U-EHR-ANSWER"})
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("MedicationRequest")) == 1

    play(tmp_path, story)


def test_orders_that_could_not_be_searched_inside_200_are_not_signed_past(tmp_path: Path) -> None:
    """A signature does not take an error in a Bundle for a patient without orders."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        answer_as(scene, lambda r, path: is_search(r, path) and "status" in r.url.params, *[bundle(outcome())] * 4)
        refused = await scene.post(draft.id, "sign", *parameters)
        assert refused.status_code == 502
        assert refused.json()["issue"][0]["details"]["coding"][0]["code"] == "U-EHR-ANSWER"
        assert await scene.store.signature(draft.id) is None

    play(tmp_path, story)


def test_a_read_back_that_fails_inside_200_is_tried_again(tmp_path: Path) -> None:
    """An OperationOutcome in place of the order is no other order: it is read again, and confirmed."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        answer_as(scene, is_read, httpx.Response(200, json=outcome()))
        await writeback.once(scene.services)
        assert await last(scene, draft) == ("write-failed", {"code": "U-EHR-ANSWER"})
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("MedicationRequest")) == 1

    play(tmp_path, story)


def test_a_create_that_is_answered_with_an_outcome_is_looked_for(tmp_path: Path) -> None:
    """200 with an OperationOutcome proves nothing: what was made is found, what was not is made, once."""

    async def story(scene: World, clock: Clock) -> None:
        for made in (True, False):
            draft = await scene.signed()
            real, done = scene.ehr._create, list[str]()

            async def create(
                request: httpx.Request, kind: str, ident: str | None = None, *, real: Any = real, made: bool = made,
                done: list[str] = done,
            ) -> httpx.Response:  # fmt: skip
                if kind != "MedicationRequest" or done:
                    return await real(request, kind, ident)
                done.append(kind)
                if made:
                    await real(request, kind, ident)
                return httpx.Response(200, json=outcome("warning", "informational"))

            scene.ehr._create = create  # type: ignore[method-assign]
            await work(scene, clock)
            assert (await scene.store.read(draft.id)).state == "confirmed"
            (held,) = scene.ehr.of("MedicationRequest")
            scene.ehr.held.pop(f"MedicationRequest/{held['id']}")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"subject": {"reference": "Patient/other"}}, "subject"),
        ({"requester": {"reference": "Practitioner/other"}}, "requester"),
        ({"status": "entered-in-error"}, "status"),
        ({"implicitRules": "https://rules.example/other"}, "implicitRules"),
    ],
)
def test_an_order_with_our_identifier_that_is_not_ours_stops(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    """What carries the identifier of a lost create and is another's is neither confirmed nor written beside."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        scene.ehr.faults = ["commit-then-drop"]
        await writeback.once(scene.services)
        scene.ehr.of("MedicationRequest")[0].update(change)
        clock.forward(400)
        await work(scene, clock)
        assert await last(scene, draft) == ("mismatch", {"code": "U-EHR-MISMATCH", "fields": [field]})
        assert len(scene.ehr.of("MedicationRequest")) == 1

    play(tmp_path, story)


def test_a_location_of_another_order_is_not_confirmed(tmp_path: Path) -> None:
    """A create that is answered with another order's address ends in a mismatch that names what differs."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        scene.ehr.put({**order(), "id": "another", "identifier": [{"system": "s", "value": "another"}]})
        location = {"Location": f"{BASE}/MedicationRequest/another/_history/9", "ETag": '"9"'}
        answer_as(scene, lambda r, path: r.method == "POST" and path == "MedicationRequest",
                  httpx.Response(201, headers=location))  # fmt: skip
        await work(scene, clock)
        state, given = await last(scene, draft)
        assert state == "mismatch"
        assert "identifier" in given["fields"]

    play(tmp_path, story)


@pytest.mark.parametrize("etag", ['W/"7"', '"7"', "7"])
def test_the_version_is_the_same_however_its_tag_is_written(tmp_path: Path, etag: str) -> None:
    """Weak, strong and bare tags give the same version, where the address has none."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        real = scene.ehr._create

        async def create(request: httpx.Request, kind: str, ident: str | None = None) -> httpx.Response:
            answer = await real(request, kind, ident)
            if kind != "MedicationRequest":
                return answer
            place = answer.headers["location"].partition("/_history")[0]
            return httpx.Response(201, headers={"Location": place, "ETag": etag})

        scene.ehr._create = create  # type: ignore[method-assign]
        await work(scene, clock)
        steps = [entry.detail.get("step", {}) for entry in await scene.store.history(draft.id)]
        assert [step["version"] for step in steps if "version" in step] == ["7"]

    play(tmp_path, story)


def test_the_same_order_on_two_pages_is_one(tmp_path: Path) -> None:
    """An entry that comes twice is no second order."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        real = scene.ehr._search

        def twice(kind: str, params: dict[str, str]) -> httpx.Response:
            found = json.loads(real(kind, params).content)
            found["entry"] = found["entry"] * 2
            return httpx.Response(200, json=found)

        scene.ehr._search = twice  # type: ignore[method-assign]
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


def test_another_patients_orders_in_the_answer_sign_nothing(tmp_path: Path) -> None:
    """A search answered with another record's orders may hide this patient's under a merged one: U-ORDER-UNKNOWN."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        other = {
            **order(),
            "id": "o",
            "subject": {"reference": "Patient/survivor"},
            "authoredOn": f"{clock():%Y-%m-%d}",
        }

        def fits(request: httpx.Request, path: str) -> bool:
            return is_search(request, path) and "active" in str(request.url.params)

        answer_as(scene, fits, *[bundle(other)] * 4)
        refused = await scene.post(draft.id, "sign", *parameters)
        assert await scene.store.signature(draft.id) is None
        code = refused.json()["issue"][0]["details"]["coding"][0]["code"]
        assert (refused.status_code, code) == (409, "U-ORDER-UNKNOWN")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, 200),
        ({"active": True}, 200),
        ({"link": [{"type": "seealso", "other": {"reference": "Patient/two"}}]}, 200),
        ({"link": [{"type": "replaces", "other": {"reference": "Patient/old"}}]}, 200),
        ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/two"}}]}, 409),
        ({"active": False}, 409),
    ],
)
def test_a_record_that_was_merged_is_not_signed_for(tmp_path: Path, change: dict[str, Any], found: int) -> None:
    """A Patient that another replaced, or that is not active, is 409 U-PATIENT-RECORD; links of other kinds are not."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        scene.ehr.held["Patient/example"] |= change
        answer = await scene.post(draft.id, "sign", *parameters)
        assert answer.status_code == found
        if found == 409:
            assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "U-PATIENT-RECORD"
            assert (await scene.store.read(draft.id)).state == "held"

    play(tmp_path, story)


def test_a_signer_who_is_gone_when_it_is_written_loses_no_order(tmp_path: Path) -> None:
    """An EHR that refuses an order because its requester was deleted meanwhile parks it, with what to do."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        scene.ehr.held.pop("Practitioner/p1")
        answer_as(scene, lambda r, _: r.method == "POST", httpx.Response(422, json=outcome()))
        await work(scene, clock)
        assert await last(scene, draft) == ("parked", {"code": "U-EHR-REFUSED", "status": 422})
        (row,) = await operators.list_drafts(scene.store, states=("parked",))
        assert row["to_do"]

    play(tmp_path, story)


def test_a_restored_store_that_forgot_its_attempts_writes_no_second(tmp_path: Path) -> None:
    """A first attempt finds what one that a backup does not have has made, at an EHR that ignores If-None-Exist."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        await scene.services.clients["north"].create("MedicationRequest", signature.order, token="any")
        scene.ehr.faults = ["ignore-if-none-exist"]
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("MedicationRequest")) == 1

    play(tmp_path, story)


def test_an_order_under_its_own_id_that_the_search_does_not_show_yet_is_read(tmp_path: Path) -> None:
    """After a lost answer, 412 to a create under our own id is that order, read back, though no search finds it."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.undeclared = {"MedicationRequest: conditionalCreate"}
        scene.ehr.faults = ["commit-then-drop"]
        draft = await scene.signed()
        await writeback.once(scene.services)
        real = scene.ehr._search
        scene.ehr._search = lambda kind, params: (  # type: ignore[method-assign]
            bundle() if kind == "MedicationRequest" else real(kind, params)
        )
        clock.forward(400)
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("MedicationRequest")) == 1

    play(tmp_path, story)


def test_a_provenance_that_was_taken_and_is_not_there_is_written_again(tmp_path: Path) -> None:
    """A create of the Provenance answered with nothing, and not found, is not taken for one: it is there in the end."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        answer_as(scene, lambda r, path: r.method == "POST" and path == "Provenance", httpx.Response(200))
        await writeback.once(scene.services)
        assert await last(scene, draft) == ("write-failed", {"code": "U-EHR-ANSWER"})
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("Provenance")) == 1

    play(tmp_path, story)


STRANGE: list[dict[str, Any]] = [
    {"identifier": [{"system": {}, "value": []}]},
    {"identifier": 7, "note": [[]], "medicationCodeableConcept": []},
    {"note": [{"text": {"a": 1}}], "dosageInstruction": {}},
    {"subject": [], "requester": 1, "status": {}},
]


@pytest.mark.parametrize("strange", STRANGE)
def test_an_order_of_the_wrong_shape_is_a_difference_and_no_crash(strange: dict[str, Any]) -> None:
    """Elements of any JSON type where others belong are named as different."""
    held = json.dumps({**order(), **strange}).encode()
    assert differences(json.dumps(order()).encode(), held, BASE)


@pytest.mark.parametrize(
    ("held", "same"),
    [
        ([], False),
        (None, False),
        ([{"text": "start after the ECG"}], True),
        ([{"text": "x"}, {"text": "start after the ECG"}], True),
    ],
)
def test_a_signers_note_that_the_ehr_left_out_is_a_difference(held: Any, same: bool) -> None:
    """What the signer noted is in the EHR's order, or it is not confirmed; notes that were added are no difference."""
    ours = json.dumps(order(note=[{"text": "start after the ECG"}])).encode()
    found = differences(ours, json.dumps(order(note=held)).encode(), BASE)
    assert found == (() if same else ("note",))


def test_a_crash_in_one_write_back_ends_no_other(tmp_path: Path) -> None:
    """A fault of ours parks that one order with U-INTERNAL and what to do, and the worker goes on to the next."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()

        async def broken(request: httpx.Request, path: str) -> httpx.Response:
            raise ZeroDivisionError

        real = scene.ehr._write_or_read
        scene.ehr._write_or_read = broken  # type: ignore[method-assign]
        await work(scene, clock)
        scene.ehr._write_or_read = real  # type: ignore[method-assign]
        assert await last(scene, draft) == ("parked", {"code": "U-INTERNAL"})
        (row,) = await operators.list_drafts(scene.store, states=("parked",))
        assert "report it" in row["to_do"][0]
        await operators.release_draft(scene.store, draft.id, "released", "On call", "mended", lambda _: None)
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


@pytest.mark.parametrize("fault", ["commit-then-drop", "500-after"])
def test_what_a_search_does_not_show_at_once_is_not_written_again(tmp_path: Path, fault: str) -> None:
    """At an EHR whose searches and conditions run twenty seconds behind a lost answer ends in one order, confirmed."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        shown, search, create = clock.at + timedelta(seconds=20), scene.ehr._search, scene.ehr._create

        def late(kind: str, params: dict[str, str]) -> httpx.Response:
            behind = kind == "MedicationRequest" and clock.at < shown
            return bundle() if behind else search(kind, params)

        async def lost(request: httpx.Request, kind: str, ident: str | None = None) -> httpx.Response:
            answer = await create(request, kind, ident)
            first = kind == "MedicationRequest" and len(scene.ehr.of(kind)) == 1
            return httpx.Response(500) if fault == "500-after" and first and clock.at < shown else answer

        scene.ehr._search, scene.ehr._create = late, lost  # type: ignore[method-assign]
        scene.ehr.faults = (
            ["ignore-if-none-exist"] * 9 if fault == "500-after" else [fault, *["ignore-if-none-exist"] * 9]
        )
        for _ in range(60):
            await writeback.once(scene.services)
            clock.forward(1)
        assert len(scene.ehr.of("MedicationRequest")) == 1
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


@pytest.mark.parametrize(("undeclared", "count"), [(set(), 1), ({"Provenance: ?target"}, 1)])
def test_a_store_that_forgot_its_write_adds_no_second_provenance(
    tmp_path: Path, undeclared: set[str], count: int
) -> None:
    """What a first attempt finds written has one Provenance in the end, searched for or not to be searched for."""

    async def written(path: Path) -> tuple[World, Draft]:
        async with world(path, Clock()) as scene:
            draft = await scene.signed()
            backup.backup(path / "drafts.db", tmp_path / "copy.db", None, None)
            await writeback.once(scene.services)
            return scene, draft

    async def again(before: World, draft: Draft) -> None:
        (tmp_path / "again").mkdir()
        (tmp_path / "copy.db").rename(tmp_path / "again" / "drafts.db")
        async with world(tmp_path / "again", Clock()) as scene:
            scene.ehr.held, scene.ehr.ids, scene.ehr.undeclared = before.ehr.held, itertools.count(100), undeclared
            await writeback.once(scene.services)
            assert (await scene.store.read(draft.id)).state == "confirmed"
            assert (len(scene.ehr.of("MedicationRequest")), len(scene.ehr.of("Provenance"))) == (1, count)

    async def run() -> None:
        (tmp_path / "first").mkdir()
        await again(*await written(tmp_path / "first"))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "lost"),
    [("drop:meta", "meta.security"), ("drop:basedOn", "basedOn"), ("drop:authoredOn", "authoredOn")],
)
def test_what_an_ehr_does_not_keep_of_an_order_is_on_record(tmp_path: Path, fault: str, lost: str) -> None:
    """An element that says nothing of the dose, and that the EHR drops, is named in the entry that confirms."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = [fault]
        draft = await scene.signed()
        await work(scene, clock)
        assert await last(scene, draft) == ("confirmed", {"left_out": lost})

    play(tmp_path, story)
