"""The four ways in which orders reach an EHR: what is written in each, and which EHR is refused which."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from service.drafts.canonical_json import load_object
from service.drafts.records import Draft
from service.ehr import documents, modes, writeback
from service.settings import Ehr
from tests.contract.samples import Clock
from tests.integration.fake_ehr import World, world
from tests.integration.running import running, settings

T = TypeVar("T")
MODES = ("card", "unsigned-order", "sign-and-write", "document-only")


def play(path: Path, mode: str, story: Callable[[World, Clock], Awaitable[T]]) -> T:
    """Run a story in a fresh world whose tenant has this mode, with a clock that moves when told."""
    clock = Clock()

    async def run() -> T:
        async with world(path, clock, write_back=mode) as scene:
            return await story(scene, clock)

    return asyncio.run(run())


async def work(scene: World, clock: Clock, rounds: int = 12) -> None:
    """Work on the outbox until nothing is due any more, whatever the pauses."""
    for _ in range(rounds):
        await writeback.once(scene.services)
        clock.forward(400)


async def told(scene: World, draft: Draft) -> tuple[str, dict[str, Any]]:
    """Return the draft's state and what the last audit entry was given."""
    history = await scene.store.history(draft.id)
    return (await scene.store.read(draft.id)).state, dict(history[-1].detail.get("given", {}))


def change_mode(scene: World, mode: str) -> None:
    """Configure another mode for the tenant, as if the service had been started again."""
    client = scene.services.clients["north"]
    client.ehr = Ehr.model_validate({**client.ehr.model_dump(), "write_back": mode})


def test_where_only_the_ehr_signs_nothing_is_signed_or_written_here(tmp_path: Path) -> None:
    """With card a signature is 422 U-SIGN-MODE and the EHR is asked for nothing but the signer."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.hold()
        answer = await scene.post(draft.id, "sign", *await scene.prepared(draft.id))
        assert (answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (422, "U-SIGN-MODE")
        await work(scene, clock)
        assert not [r for r in scene.ehr.requests if r.url.path.endswith(("MedicationRequest", "metadata"))]

    play(tmp_path, "card", story)


def test_an_approved_order_is_written_as_a_draft_and_waits_for_the_ehr(tmp_path: Path) -> None:
    """With unsigned-order the bytes shown, signed and written are one draft order; it is not confirmed by that."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        await work(scene, clock)
        assert (await told(scene, draft))[0] == "awaiting-ehr-signature"
        (order,) = scene.ehr.of("MedicationRequest")
        assert (order["status"], order["intent"]) == ("draft", "order")
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        sent = next(r for r in scene.ehr.requests if r.method == "POST" and r.url.path.endswith("MedicationRequest"))
        assert sent.content == signature.order
        assert len(scene.ehr.of("Provenance")) == 1
        assert await scene.store.verify() == ()

    play(tmp_path, "unsigned-order", story)


@pytest.mark.parametrize("binaries", [False, True])
def test_a_document_holds_the_order_and_its_provenance_to_the_byte(tmp_path: Path, binaries: bool) -> None:
    """With document-only no order is created; one document has both byte for byte, and is waited for."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.binaries = binaries
        draft = await scene.signed()
        await work(scene, clock)
        assert (await told(scene, draft))[0] == "awaiting-ehr-signature"
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        assert (scene.ehr.of("MedicationRequest"), scene.ehr.of("Provenance")) == ([], [])
        (held,) = scene.ehr.of("DocumentReference")
        assert held["identifier"] == load_object(signature.order)["identifier"]
        assert "50 mg by mouth once a day" in held["description"]
        sent = next(r for r in scene.ehr.requests if r.method == "POST" and r.url.path.endswith("DocumentReference"))
        parts = [b64decode(one["attachment"]["data"]) for one in json.loads(sent.content)["content"]]
        assert parts == [signature.order, signature.provenance]

    play(tmp_path, "document-only", story)


@pytest.mark.parametrize("fault", ["commit-then-drop", "503", "empty", "no-location", "ignore-if-none-exist"])
def test_a_document_is_written_once_whatever_fails(tmp_path: Path, fault: str) -> None:
    """After a passing fault the EHR holds one document, which a person has to enter."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = [fault]
        draft = await scene.signed()
        await work(scene, clock)
        assert len(scene.ehr.of("DocumentReference")) == 1
        assert (await told(scene, draft))[0] == "awaiting-ehr-signature"

    play(tmp_path, "document-only", story)


@pytest.mark.parametrize(
    ("fault", "fields"),
    [
        ("drop:content", ["order", "provenance"]),
        ("drop:identifier", ["identifier"]),
        ("drop:subject", ["subject"]),
        ("drop:status", ["status"]),
        ("duplicate", ["two-matches"]),
    ],
)
def test_a_document_that_is_not_what_was_signed_stops(tmp_path: Path, fault: str, fields: list[str]) -> None:
    """A document that lost or changed what was signed is a mismatch, naming fields and no values."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = [fault]
        draft = await scene.signed()
        await work(scene, clock)
        assert await told(scene, draft) == ("mismatch", {"code": "U-EHR-MISMATCH", "fields": fields})

    play(tmp_path, "document-only", story)


def test_an_attachment_elsewhere_is_never_fetched(tmp_path: Path) -> None:
    """A document whose attachments lie at another address is a mismatch, and that address is not asked."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        entry = await scene.store.claim(60)
        assert entry is not None
        found = json.loads(documents.document(entry))
        for content in found["content"]:
            content["attachment"] = {"url": "https://elsewhere.example/fhir/Binary/1"}

        async def read(url: str) -> bytes:
            return await scene.services.clients["north"].read(url, "any")

        held, ours = json.dumps(found).encode(), documents.document(entry)
        fields = await documents.differences(ours, held, scene.services.clients["north"].ehr.fhir_base, read)
        assert fields == ("order", "provenance")
        assert not [r for r in scene.ehr.requests if "elsewhere" in str(r.url)]
        assert (await told(scene, draft))[0] == "writing"

    play(tmp_path, "document-only", story)


LACKING = [
    ("sign-and-write", {"MedicationRequest: create"}, ["MedicationRequest: create"]),
    ("sign-and-write", {"MedicationRequest: read"}, ["MedicationRequest: read"]),
    ("sign-and-write", {"MedicationRequest: search-type"}, ["MedicationRequest: search-type"]),
    ("sign-and-write", {"MedicationRequest: ?identifier"}, ["MedicationRequest: ?identifier"]),
    ("sign-and-write", {"MedicationRequest: ?patient"}, ["MedicationRequest: ?patient"]),
    ("unsigned-order", {"MedicationRequest: ?status"}, ["MedicationRequest: ?status"]),
    ("document-only", {"DocumentReference: ?patient"}, ["DocumentReference: ?patient"]),
    ("document-only", {"MedicationRequest: ?patient", "DocumentReference: ?status"}, []),
    ("sign-and-write", {"Provenance: create"}, ["Provenance: create"]),
    ("sign-and-write", {"MedicationRequest: conditionalCreate"}, []),
    ("sign-and-write", {"MedicationRequest: updateCreate"}, []),
    (
        "unsigned-order",
        {"MedicationRequest: conditionalCreate", "MedicationRequest: updateCreate"},
        ["MedicationRequest: conditionalCreate"],
    ),
    ("sign-and-write", {"DocumentReference: create"}, []),
    ("document-only", {"MedicationRequest: create", "Provenance: create"}, []),
    ("document-only", {"DocumentReference: create"}, ["DocumentReference: create"]),
    ("card", {"MedicationRequest: create", "DocumentReference: create"}, []),
]


@pytest.mark.parametrize(("mode", "undeclared", "lacking"), LACKING)
def test_a_mode_is_held_against_what_the_ehr_declares(
    tmp_path: Path, mode: str, undeclared: set[str], lacking: list[str]
) -> None:
    """What a mode needs and the EHR does not declare is named; what it does not need is not asked for."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.undeclared = undeclared
        await modes.at_start(scene.services.clients.values())
        assert list(scene.services.clients["north"].unfit) == lacking

    play(tmp_path, mode, story)


def test_a_mode_that_the_ehr_does_not_declare_signs_nothing(tmp_path: Path) -> None:
    """Signing is 422 U-EHR-MODE, naming what is missing, and the draft stays as it was."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.undeclared = {"Provenance: create"}
        await modes.at_start(scene.services.clients.values())
        draft = await scene.hold()
        answer = await scene.post(draft.id, "sign", *await scene.prepared(draft.id))
        details = answer.json()["issue"][0]["details"]
        assert (answer.status_code, details["coding"][0]["code"]) == (422, "U-EHR-MODE")
        assert "Provenance: create" in details["text"]
        assert await scene.store.signature(draft.id) is None

    play(tmp_path, "sign-and-write", story)


@pytest.mark.parametrize("mode", MODES[1:])
def test_a_mode_that_the_profile_refuses_signs_nothing(tmp_path: Path, mode: str) -> None:
    """Whatever the EHR declares, signing is 422 U-EHR-MODE and names the key that lifts it; nothing is asked."""

    async def story(scene: World, clock: Clock) -> None:
        client = scene.services.clients["north"]
        client.refuses = {mode}
        await modes.at_start([client])
        assert client.unfit
        draft = await scene.hold()
        answer = await scene.post(draft.id, "sign", *await scene.prepared(draft.id))
        details = answer.json()["issue"][0]["details"]
        assert (answer.status_code, details["coding"][0]["code"]) == (422, "U-EHR-MODE")
        assert "writing.refuses" in details["text"]
        assert await scene.store.signature(draft.id) is None
        assert not [one for one in scene.ehr.requests if one.url.path.endswith("metadata")]

    play(tmp_path, mode, story)


def test_an_order_is_not_written_once_the_profile_refuses_its_mode(tmp_path: Path) -> None:
    """An order that was signed before is parked with U-EHR-MODE, and nothing of it is sent."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        scene.services.clients["north"].refuses = {"sign-and-write"}
        await work(scene, clock)
        assert await told(scene, draft) == ("parked", {"code": "U-EHR-MODE"})
        assert scene.ehr.of("MedicationRequest") == []

    play(tmp_path, "sign-and-write", story)


@pytest.mark.parametrize(
    ("profile", "mode", "refused"),
    [
        ("oracle-r4", "sign-and-write", True),
        ("oracle-r4", "unsigned-order", True),
        ("oracle-r4", "document-only", False),
        ("oracle-r4", "card", False),
        ("us-core-r4", "sign-and-write", False),
        ("lifted", "sign-and-write", False),
        ("inherited", "sign-and-write", True),
    ],
)
def test_readiness_names_a_tenant_whose_profile_refuses_its_mode(
    tmp_path: Path, profile: str, mode: str, refused: bool
) -> None:
    """The service is ready, names the tenant that is refused, and runs the other; the EHR need not be reached."""
    (tmp_path / "lifted.toml").write_text('extends = "oracle-r4"\n[writing]\nrefuses = []')
    (tmp_path / "inherited.toml").write_text('extends = "oracle-r4"')
    name = profile if "-" in profile else str(tmp_path / f"{profile}.toml")
    plain = settings(tmp_path)
    north = Ehr.model_validate({**plain.ehr[0].model_dump(), "profile": name, "write_back": mode})
    south = Ehr.model_validate({**plain.ehr[0].model_dump(), "id": "south", "fhir_base": "http://127.0.0.1:8051/fhir"})
    with running(plain.model_copy(update={"ehr": (north, south)})) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json().get("refused", {}) == ({"north": "U-EHR-MODE"} if refused else {})


def test_an_ehr_that_could_not_be_asked_at_start_is_asked_before_the_first_write(tmp_path: Path) -> None:
    """Nothing is written to an EHR whose capabilities were never read; once they are, the order goes out."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.down = True
        await modes.at_start(scene.services.clients.values())
        assert scene.services.clients["north"].unfit == ()
        scene.ehr.down = False
        draft = await scene.signed()
        asked = [r.url.path.rpartition("/")[2] for r in scene.ehr.requests]
        await work(scene, clock)
        assert "metadata" in asked
        assert (await told(scene, draft))[0] == "confirmed"

    play(tmp_path, "sign-and-write", story)


def test_an_ehr_that_stops_declaring_what_it_did_is_written_to_no_more(tmp_path: Path) -> None:
    """An order signed before is parked with U-EHR-MODE and nothing of it is sent."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        scene.ehr.undeclared = {"MedicationRequest: create"}
        scene.services.clients["north"]._capabilities = None
        await work(scene, clock)
        assert await told(scene, draft) == ("parked", {"code": "U-EHR-MODE"})
        assert scene.ehr.of("MedicationRequest") == []

    play(tmp_path, "sign-and-write", story)


WRONG = [(before, now) for before in MODES[1:] for now in MODES if before != now]


@pytest.mark.parametrize(("before", "now"), WRONG)
def test_an_order_is_never_written_in_a_mode_that_it_was_not_signed_for(tmp_path: Path, before: str, now: str) -> None:
    """After a change of the mode what was signed for the other one is parked, and nothing of it is sent."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        change_mode(scene, now)
        await work(scene, clock)
        assert await told(scene, draft) == ("parked", {"code": "U-EHR-MODE"})
        assert (scene.ehr.of("MedicationRequest"), scene.ehr.of("DocumentReference")) == ([], [])

    play(tmp_path, before, story)


@pytest.mark.parametrize(("before", "now"), [WRONG[0], *(pair for pair in WRONG if "document-only" in pair)])
def test_a_change_of_mode_after_a_lost_answer_writes_no_second(tmp_path: Path, before: str, now: str) -> None:
    """What was committed in one mode, and its answer lost, is not written again in another: one resource, parked."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = ["commit-then-drop"]
        draft = await scene.signed()
        await writeback.once(scene.services)
        change_mode(scene, now)
        clock.forward(400)
        await work(scene, clock)
        assert await told(scene, draft) == ("parked", {"code": "U-EHR-MODE"})
        assert len(scene.ehr.of("MedicationRequest")) + len(scene.ehr.of("DocumentReference")) == 1

    play(tmp_path, before, story)


@pytest.mark.parametrize("withheld", [None, "system/Medication.r"])
@pytest.mark.parametrize("mode", MODES[1:])
def test_the_scopes_that_are_told_are_those_that_are_needed(tmp_path: Path, mode: str, withheld: str | None) -> None:
    """With the scopes of the mode an order is signed and written; without the drugs' one only a document is."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.withheld = {withheld} if withheld else set()
        draft = await scene.hold()
        answer = await scene.post(draft.id, "sign", *await scene.prepared(draft.id))
        if withheld and mode != "document-only":
            assert answer.status_code == 502
            assert await scene.store.signature(draft.id) is None
            return
        assert answer.status_code == 200, answer.text
        (signed,) = [one for one in await scene.store.history(draft.id) if one.event == "signed"]
        checked = signed.detail["given"].get("orders_in_ehr")
        assert (signed.detail["given"]["mode"], checked) == (mode, "not-checked" if withheld else None)
        await work(scene, clock)
        assert (await told(scene, draft))[0] == ("confirmed" if mode == "sign-and-write" else "awaiting-ehr-signature")

    play(tmp_path, mode, story)


def without_milliseconds(written: str) -> str:
    """Write an instant as another server does."""
    return written.partition(".")[0].removesuffix("Z") + "+00:00"


REWRITTEN: list[tuple[str, dict[str, Callable[[Any], Any]], bool]] = [
    ("to the second, in another zone", {"authoredOn": without_milliseconds}, True),
    ("the EHR's own time", {"authoredOn": lambda _: "2026-11-22T10:00:30Z"}, True),
    ("the day alone", {"authoredOn": lambda _: "2026-11-22"}, True),
    ("no time", {"authoredOn": lambda _: None}, True),
    ("another drug's code", {"authoredOn": lambda _: None, "medicationCodeableConcept": lambda _: OTHER}, False),
    ("a drug by reference", {"authoredOn": lambda _: None, "medicationCodeableConcept": lambda _: None}, True),
    ("long before", {"authoredOn": lambda _: "2026-11-01T10:00:00Z"}, False),
    ("another order of ours", {"identifier": lambda held: [{**held[0], "value": "another"}]}, False),
    ("another patient's", {"subject": lambda _: {"reference": "Patient/other"}}, False),
]  # fmt: skip
OTHER = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "310384"}]}


@pytest.mark.parametrize(("changes", "alike"), [row[1:] for row in REWRITTEN], ids=[row[0] for row in REWRITTEN])
def test_a_lost_order_that_the_ehr_wrote_anew_is_not_written_again(
    tmp_path: Path, changes: dict[str, Callable[[Any], Any]], alike: bool
) -> None:
    """After a lost answer what may be ours stops it, whatever the EHR made of identifier and time; no other does."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = ["commit-then-drop"]
        draft = await scene.signed()
        await writeback.once(scene.services)
        (held,) = scene.ehr.of("MedicationRequest")
        rewritten = {"identifier": lambda _: None, **changes}
        held |= {name: change(held[name]) for name, change in rewritten.items() if name in held}
        scene.ehr.put({name: value for name, value in held.items() if value is not None})
        clock.forward(400)
        await work(scene, clock)
        state = ("mismatch", 1) if alike else ("confirmed", 2)
        assert ((await told(scene, draft))[0], len(scene.ehr.of("MedicationRequest"))) == state

    play(tmp_path, "sign-and-write", story)


@pytest.mark.parametrize("time", ["2026-11-22T10:00:30Z", "2026-11-22", None])
def test_a_lost_document_without_identifier_and_time_is_not_written_again(tmp_path: Path, time: str | None) -> None:
    """After a lost answer a document of the same patient and description stops it: one document, and a person looks."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = ["commit-then-drop"]
        draft = await scene.signed()
        await writeback.once(scene.services)
        (held,) = scene.ehr.of("DocumentReference")
        del held["identifier"], held["date"]
        held |= {"date": time} if time else {}
        clock.forward(400)
        await work(scene, clock)
        assert await told(scene, draft) == ("mismatch", {"code": "U-EHR-MISMATCH", "fields": ["identifier"]})
        assert len(scene.ehr.of("DocumentReference")) == 1

    play(tmp_path, "document-only", story)


@pytest.mark.parametrize("faults", [[], ["commit-then-drop"], ["503", "commit-then-drop"], ["empty"], ["412"]])
def test_where_only_ids_of_ours_are_taken_the_order_has_its_own(tmp_path: Path, faults: list[str]) -> None:
    """Without conditionalCreate the order is PUT under its own id, never over another: one order, or a person looks."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.undeclared = {"MedicationRequest: conditionalCreate"}
        scene.ehr.faults = list(faults)
        draft = await scene.signed()
        await work(scene, clock)
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        ids = [order["id"] for order in scene.ehr.of("MedicationRequest")]
        assert ids == ([] if faults == ["412"] else [signature.order_id])
        puts = [r for r in scene.ehr.requests if r.method == "PUT"]
        assert puts
        assert {r.headers["if-none-match"] for r in puts} == {"*"}
        assert (await told(scene, draft))[0] == ("parked" if faults == ["412"] else "confirmed")

    play(tmp_path, "sign-and-write", story)


@pytest.mark.parametrize(("searched", "said"), [(True, {}), (False, {"provenance"})])
def test_a_provenance_is_never_written_twice(tmp_path: Path, searched: bool, said: set[str]) -> None:
    """After a Provenance whose answer was lost there is one; where it cannot be searched for, the record says so."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.undeclared = set() if searched else {"Provenance: ?target"}
        scene.ehr.faults = [None, "commit-then-drop"]
        draft = await scene.signed()
        await work(scene, clock)
        assert len(scene.ehr.of("Provenance")) == 1
        state, given = await told(scene, draft)
        assert (state, set(given)) == ("confirmed", set(said))

    play(tmp_path, "sign-and-write", story)


def test_an_order_that_lost_its_identifier_and_its_answer_stops(tmp_path: Path) -> None:
    """An order that stands there without its identifier is recognised by its time: no second one is written."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = ["commit-then-drop"]
        draft = await scene.signed()
        await writeback.once(scene.services)
        for order in scene.ehr.of("MedicationRequest"):
            del order["identifier"]
        clock.forward(400)
        await work(scene, clock)
        assert await told(scene, draft) == ("mismatch", {"code": "U-EHR-MISMATCH", "fields": ["identifier"]})
        assert len(scene.ehr.of("MedicationRequest")) == 1

    play(tmp_path, "sign-and-write", story)
