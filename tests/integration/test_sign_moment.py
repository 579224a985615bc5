"""What happens while a signature is under way: a switch, an acceptance, a Consent, a word of the patient's."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from fhir_adapters.dialect import profile
from fhir_adapters.dialect.profile_file import Search
from recommender.catalog import knowledge
from service.drafts.canonical_json import dumps
from service.drafts.decision import consenting
from service.drafts.decision.consenting import Word
from service.drafts.records import Draft, NewDraft
from service.drafts.states import AWAITING
from service.ehr import prefetch
from service.switches import records
from tests.contract import samples
from tests.contract.samples import Clock
from tests.integration.fake_ehr import World, world

T = TypeVar("T")
PATIENT = "Patient/example"
DENIES: dict[str, Any] = {
    "resourceType": "Consent",
    "id": "c",
    "status": "active",
    "patient": {"reference": PATIENT},
    "dateTime": "2026-11-20",
    "provision": {"type": "deny"},
}


def play(path: Path, story: Callable[[World], Awaitable[T]], clock: Clock | None = None, **tenant: Any) -> T:
    """Run a story in a fresh world."""

    async def run() -> T:
        async with world(path, clock, **tenant) as scene:
            return await story(scene)

    return asyncio.run(run())


def answered(answer: httpx.Response) -> tuple[int, str]:
    """Return status and stable code, empty for a success."""
    if answer.status_code == 200:
        return 200, ""
    return answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]


def while_asked(scene: World, kind: str, act: Callable[[], Awaitable[object]]) -> None:
    """Let something happen once, while the EHR answers the next search of a type."""
    real, done = scene.ehr._write_or_read, list[str]()

    async def answer(request: httpx.Request, path: str) -> httpx.Response:
        if path == kind and not done:
            done.append(path)
            await act()
        return await real(request, path)

    scene.ehr._write_or_read = answer  # type: ignore[method-assign]


async def two(scene: World) -> tuple[Draft, Draft]:
    """Hold two drafts of one assessment."""
    context = dumps({"acknowledge": [], "dose": samples.DOSE})
    new = [
        NewDraft(name, rank, dumps(samples.resource()), context) for rank, name in enumerate(("sertraline", "other"))
    ]
    one, other = await scene.store.hold("north", PATIENT, "facts", new, 3600, "Device/undersign")
    return one, other


@pytest.mark.parametrize("subject", ["tenant", "drug:sertraline"])
def test_a_switch_pulled_while_the_ehr_is_asked_stops_the_signature(tmp_path: Path, subject: str) -> None:
    """What is switched off after the signature began, and before it is recorded, is not signed."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        pull = lambda: records.pull(scene.store, subject, "north", "safety officer", "recall", pulled=True)  # noqa: E731
        while_asked(scene, "MedicationRequest", pull)
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (503, "U-SWITCHED-OFF")
        assert await scene.store.signature(draft.id) is None

    play(tmp_path, story)


def test_an_acceptance_while_the_ehr_is_asked_stops_the_signature(tmp_path: Path) -> None:
    """A sibling that is accepted on its card after the signature began is the only order of the two."""

    async def story(scene: World) -> None:
        draft, other = await two(scene)
        parameters = await scene.prepared(draft.id)
        accept = lambda: scene.store.mark([other.id], AWAITING, "ehr:north", {"card": "c"})  # noqa: E731
        while_asked(scene, "MedicationRequest", accept)
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (409, "U-ORDER-PENDING")
        assert [(await scene.store.read(one.id)).state for one in (draft, other)] == ["held", AWAITING]

    play(tmp_path, story)


AI = {"system": "https://undersign.dev/fhir/CodeSystem/consent", "code": "ai-decision-support"}
PERMITS = {**DENIES, "provision": {"type": "permit", "code": [{"coding": [AI]}]}}
WITHHELD = (409, "U-CONSENT-WITHHELD")


@pytest.mark.parametrize(
    ("consents", "default", "found"),
    [
        ([], "opt-out", (200, "")),
        ([], "opt-in", WITHHELD),
        ([PERMITS], "opt-in", (200, "")),
        ([DENIES], "opt-out", WITHHELD),
        ([{**DENIES, "status": "inactive"}], "opt-out", (200, "")),
        ([{**DENIES, "patient": {"reference": "Patient/other"}}], "opt-out", (200, "")),
        ([DENIES, {**PERMITS, "id": "d", "dateTime": "2026-11-21"}], "opt-out", (200, "")),
        ([PERMITS, {**DENIES, "id": "d", "dateTime": "2026-11-21"}], "opt-out", WITHHELD),
    ],
)
def test_what_the_ehr_has_of_consent_when_it_is_signed_counts(
    tmp_path: Path, consents: list[dict[str, Any]], default: str, found: tuple[int, str]
) -> None:
    """A draft is signed exactly where the EHR's Consents of that moment let it be drafted; else all are withdrawn."""

    async def story(scene: World) -> None:
        drafts = await two(scene)
        parameters = await scene.prepared(drafts[0].id)
        for consent in consents:
            scene.ehr.put(consent)
        assert answered(await scene.post(drafts[0].id, "sign", *parameters)) == found
        states = [(await scene.store.read(one.id)).state for one in drafts]
        assert states == (["signed", "superseded"] if found[0] == 200 else ["withdrawn", "withdrawn"])
        (asked,) = [one for one in scene.ehr.requests if one.url.path.endswith("/Consent")]
        assert asked.url.params["patient"] == "example"

    play(tmp_path, story, Clock(), consent_default=default)


@pytest.mark.parametrize("fault", ["503", "drop", "403", "garbage", "in part", "cut"])
def test_consents_that_cannot_be_read_keep_a_draft_unsigned(tmp_path: Path, fault: str) -> None:
    """A search that fails or is not whole is 502, nothing is signed, and the draft stays to be signed later."""
    bodies: dict[str, Any] = {
        "garbage": {"resourceType": "Consent"},
        "in part": {"resourceType": "Bundle", "type": "searchset", "entry": [
            {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "incomplete"}]}}
        ]},
        "cut": {"resourceType": "Bundle", "type": "searchset", "total": 3, "entry": []},
    }  # fmt: skip

    async def story(scene: World) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        real = scene.ehr._write_or_read

        async def answer(request: httpx.Request, path: str) -> httpx.Response:
            if path != "Consent":
                return await real(request, path)
            if fault == "drop":
                raise httpx.ReadError("dropped")
            return httpx.Response(200, json=bodies[fault]) if fault in bodies else httpx.Response(int(fault))

        scene.ehr._write_or_read = answer  # type: ignore[method-assign]
        assert (await scene.post(draft.id, "sign", *parameters)).status_code == 502
        assert await scene.store.signature(draft.id) is None
        scene.ehr._write_or_read = real  # type: ignore[method-assign]
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (200, "")
        entry = next(one for one in await scene.store.history(draft.id) if one.event == "signed")
        assert "consent" not in entry.detail["given"]

    play(tmp_path, story)


@pytest.mark.parametrize("how", ["profile", "404"])
def test_where_an_ehr_has_no_consents_the_record_says_so(tmp_path: Path, how: str) -> None:
    """A tenant without a search of Consents signs, and the signature's entry says that none was read."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        real = scene.ehr._write_or_read

        async def answer(request: httpx.Request, path: str) -> httpx.Response:
            return httpx.Response(404) if path == "Consent" else await real(request, path)

        scene.ehr._write_or_read = answer  # type: ignore[method-assign]
        if how == "profile":
            known = profile.load("base-r4")
            without = replace(known, search={**known.search, "Consent": Search(supported=False)})
            scene.services.profiles["north"] = without  # type: ignore[index]
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (200, "")
        entry = next(one for one in await scene.store.history(draft.id) if one.event == "signed")
        assert entry.detail["given"]["consent"] == "not-read"
        assert any(one.url.path.endswith("/Consent") for one in scene.ehr.requests) is (how == "404")

    play(tmp_path, story)


def test_a_permission_after_a_later_denial_of_the_ehrs_is_entered(tmp_path: Path) -> None:
    """Said again on a later day, a permission is a word of that day and ends what the EHR denied in between."""
    clock = Clock()

    async def story(scene: World) -> None:
        who = samples.practitioner()
        permit, deny = Word("permit", "patient"), Word("deny", "patient")
        await consenting.record(scene.services, PATIENT, who, permit)
        clock.forward(86_400 * 10)
        again = await consenting.record(scene.services, PATIENT, who, permit)
        assert (again.entry.seq, again.entry.at) == (2, clock.at)
        scene.ehr.put({**DENIES, "dateTime": "2026-11-27"})
        draft = await scene.hold()
        answer = await scene.post(draft.id, "sign", *await scene.prepared(draft.id))
        assert answered(answer) == (200, "")
        first = await consenting.record(scene.services, PATIENT, who, deny)
        assert (await consenting.record(scene.services, PATIENT, who, deny)).entry.seq == first.entry.seq == 3

    play(tmp_path, story, clock)


MDD = {"system": "http://hl7.org/fhir/sid/icd-10-cm"}
SUBJECT = {"reference": PATIENT}


def condition(code: str, **more: Any) -> dict[str, Any]:
    """Return an active problem by its ICD-10-CM code."""
    status = {"clinicalStatus": {"coding": [{"code": "active"}]}}
    return {
        "resourceType": "Condition",
        "id": f"c-{code}",
        "subject": SUBJECT,
        **status,
        "code": {"coding": [{**MDD, "code": code}]},
        **more,
    }


def item9(value: int, status: str = "final") -> dict[str, Any]:
    """Return an answer to the ninth question of the PHQ-9, of the day of the signature."""
    return {
        "resourceType": "Observation",
        "id": "item9",
        "status": status,
        "subject": SUBJECT,
        "code": {"coding": [{"system": "http://loinc.org", "code": "44260-8"}]},
        "effectiveDateTime": "2026-11-22",
        "valueInteger": value,
    }


def ordered(drug: str, code: str) -> dict[str, Any]:
    """Return an active order of the day before."""
    coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code, "display": drug}
    return {
        "resourceType": "MedicationRequest",
        "id": f"m-{code}",
        "status": "active",
        "intent": "order",
        "subject": SUBJECT,
        "authoredOn": "2026-11-21",
        "medicationCodeableConcept": {"coding": [coding], "text": drug},
    }


@pytest.mark.parametrize(
    ("came", "found"),
    [
        ([item9(0)], (200, "")),
        ([item9(2)], (409, "U-CHART-CRISIS")),
        ([condition("T14.91XA", recordedDate="2026-11-22")], (409, "U-CHART-CRISIS")),
        ([ordered("phenelzine", "8123")], (409, "U-CHART-CHANGED")),
        ([condition("F31.9")], (409, "U-CHART-CHANGED")),
        ([{"resourceType": "Patient", "id": "example", "deceasedBoolean": True}], (409, "U-CHART-CHANGED")),
        ([ordered("acetaminophen", "161")], (200, "")),
    ],
    ids=["a no", "a crisis", "an attempt", "an MAO inhibitor", "bipolar disorder", "a death", "a harmless order"],
)
def test_what_came_into_the_chart_since_the_draft_is_looked_at(
    tmp_path: Path, came: list[dict[str, Any]], found: tuple[int, str]
) -> None:
    """What has come since and closes drafting, or a rule that speaks against the drug, refuses the signature."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        for resource in came:
            scene.ehr.put(resource)
        assert answered(await scene.post(draft.id, "sign", *parameters)) == found
        assert (await scene.store.read(draft.id)).state == ("signed" if found[0] == 200 else "held")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("begins", "hours", "found"),
    [
        ("2026-11-22T10:00:00+00:00", 6, (200, "")),
        ("2026-11-22T10:00:00+00:00", 24, (409, "U-ORDER-DAY")),
        ("2026-11-22T23:30:00+00:00", 1, (200, "")),
        ("2026-11-23T04:30:00+00:00", 1, (409, "U-ORDER-DAY")),
        ("2028-02-29T20:00:00+00:00", 24, (409, "U-ORDER-DAY")),
        ("2026-11-01T05:30:00+00:00", 1, (200, "")),
    ],
    ids=["the same day", "the next", "midnight elsewhere", "midnight here", "a leap day", "the hour told twice"],
)
def test_an_order_is_signed_on_the_day_by_which_it_is_dated(
    tmp_path: Path, begins: str, hours: int, found: tuple[int, str]
) -> None:
    """What was prepared on another day of the site is refused, and signed once it is prepared again."""
    clock = Clock(datetime.fromisoformat(begins))

    async def story(scene: World) -> None:
        here = replace(profile.load("base-r4"), zone="America/New_York")
        scene.services.profiles["north"] = here  # type: ignore[index]
        context = dumps({"acknowledge": [], "dose": samples.DOSE})
        new = [NewDraft("sertraline", 0, dumps(samples.resource()), context)]
        (draft,) = await scene.store.hold("north", PATIENT, "facts", new, 3 * 86_400, "Device/undersign")
        parameters = await scene.prepared(draft.id)
        clock.forward(3600 * hours)
        assert answered(await scene.post(draft.id, "sign", *parameters)) == found
        if found[0] != 200:
            again = await scene.prepared(draft.id)
            assert answered(await scene.post(draft.id, "sign", *again)) == (200, "")

    play(tmp_path, story, clock)


OPT_IN = {"consent_default": "opt-in"}


@pytest.mark.parametrize("tenant", [{}, OPT_IN, {"jurisdiction": "US-ME"}], ids=["opt-out", "opt-in", "Maine"])
@pytest.mark.parametrize(
    ("came", "found"),
    [
        (condition("F33.3"), (409, "U-CHART-CHANGED")),
        (condition("F20.9"), (409, "U-CHART-CHANGED")),
        (item9(2), (409, "U-CHART-CRISIS")),
        (item9(0), (200, "")),
    ],
    ids=["psychotic depression", "schizophrenia", "a crisis", "a no"],
)
def test_a_gate_that_closed_since_is_seen_whatever_the_site_asks_of_consent(
    tmp_path: Path, tenant: dict[str, Any], came: dict[str, Any], found: tuple[int, str]
) -> None:
    """Where a permission is asked for, and is there, a gate with no rule beside it refuses as it does elsewhere."""

    async def story(scene: World) -> None:
        scene.ehr.put({**PERMITS, "dateTime": "2026-11-01"})
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        scene.ehr.put(came)
        assert answered(await scene.post(draft.id, "sign", *parameters)) == found

    play(tmp_path, story, **tenant)


@pytest.mark.parametrize("consent", [{}, OPT_IN], ids=["opt-out", "opt-in"])
def test_a_place_whose_law_closes_drafting_closes_signing(tmp_path: Path, consent: dict[str, Any]) -> None:
    """A draft that was held before its tenant's place was set to one that is closed is not signed there."""

    async def story(scene: World) -> None:
        scene.ehr.put({**PERMITS, "dateTime": "2026-11-01"})
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (409, "U-CHART-CHANGED")
        assert (await scene.store.read(draft.id)).state == "held"

    play(tmp_path, story, jurisdiction="US-NV", **consent)


RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def egfr(value: int) -> dict[str, Any]:
    """Return a filtration rate of the day of the signature."""
    unit = {"unit": "mL/min/1.73m2", "system": "http://unitsofmeasure.org", "code": "mL/min/{1.73_m2}"}
    return {
        "resourceType": "Observation",
        "id": "egfr",
        "status": "final",
        "subject": SUBJECT,
        "code": {"coding": [{"system": "http://loinc.org", "code": "98979-8"}]},
        "effectiveDateTime": "2026-11-22",
        "valueQuantity": {"value": value, **unit},
    }


@pytest.mark.parametrize(
    ("came", "mg", "found"),
    [
        ([], 300, (200, "")),
        ([egfr(80)], 300, (200, "")),
        ([egfr(40)], 300, (409, "U-CHART-CHANGED")),
        ([egfr(40)], 150, (200, "")),
    ],
    ids=["nothing", "a good kidney", "a poor one", "a poor one and a low dose"],
)
def test_a_dose_above_what_the_chart_allows_by_now_is_not_signed(
    tmp_path: Path, came: list[dict[str, Any]], mg: int, found: tuple[int, str]
) -> None:
    """A rule that is no warning and lowers the ceiling below the order refuses it; at a dose below, nothing does."""
    product = next(one for one in knowledge.load().orderables["bupropion"] if one.strength_mg == 150)
    coding = {"system": RXNORM, "code": product.rxnorm, "display": product.name}
    drug = {"coding": [coding], "text": product.name}
    bounds = {"drug": "bupropion", "start": samples.bound(150), "ceiling": samples.bound(450), "doses_per_day": 1}
    context = dumps({"acknowledge": [], "reasons": [], "dose": {"strength_mg": 150, "bounds": bounds}})
    resource = samples.resource(medicationCodeableConcept=drug, dosageInstruction=[samples.dosage(mg)])

    async def story(scene: World) -> None:
        new = [NewDraft("bupropion", 0, dumps(resource), context)]
        (draft,) = await scene.store.hold("north", PATIENT, "facts", new, 3600, "Device/undersign")
        parameters = await scene.prepared(draft.id)
        for one in came:
            scene.ehr.put(one)
        assert answered(await scene.post(draft.id, "sign", *parameters)) == found

    play(tmp_path, story)


@pytest.mark.parametrize("kind", ["Condition", "Observation", "MedicationRequest", "AllergyIntolerance"])
@pytest.mark.parametrize("fault", ["503", "429", "drop"])
def test_a_list_that_fails_in_passing_keeps_a_draft_unsigned(tmp_path: Path, kind: str, fault: str) -> None:
    """What the EHR cannot say at the moment is not taken for said before: nothing is signed, and then it can be."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        real = scene.ehr._write_or_read

        async def answer(request: httpx.Request, path: str) -> httpx.Response:
            if path != kind:
                return await real(request, path)
            if fault == "drop":
                raise httpx.ReadError("dropped")
            return httpx.Response(int(fault))

        scene.ehr._write_or_read = answer  # type: ignore[method-assign]
        assert (await scene.post(draft.id, "sign", *parameters)).status_code == 502
        assert await scene.store.signature(draft.id) is None
        scene.ehr._write_or_read = real  # type: ignore[method-assign]
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (200, "")
        entry = next(one for one in await scene.store.history(draft.id) if one.event == "signed")
        assert "chart_unread" not in entry.detail["given"]

    play(tmp_path, story)


def test_a_list_for_which_there_was_no_time_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An EHR too slow for a hook call is read at a signature in its own time, and what it says counts."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        scene.ehr.put(item9(2))
        monkeypatch.setattr(prefetch, "BUDGET_S", 0.0)
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (409, "U-CHART-CRISIS")
        scene.ehr.put(item9(0))
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (200, "")

    play(tmp_path, story)


def test_a_drug_whose_name_cannot_be_read_is_on_record(tmp_path: Path) -> None:
    """An order that names its Medication by a reference that the EHR does not give leaves the list of drugs unread."""
    order = {**ordered("unread", "1"), "medicationReference": {"reference": "Medication/gone"}}
    del order["medicationCodeableConcept"]

    async def story(scene: World) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        scene.ehr.put({**order, "authoredOn": "2020-01-01"})
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (200, "")
        entry = next(one for one in await scene.store.history(draft.id) if one.event == "signed")
        assert entry.detail["given"]["chart_unread"] == ["medications"]

    play(tmp_path, story)


CUT = {"resourceType": "Bundle", "type": "searchset", "total": 3, "entry": []}


@pytest.mark.parametrize("given", [httpx.Response(403), httpx.Response(200, json=CUT)], ids=["refused", "in part"])
def test_what_the_ehr_does_not_give_of_the_chart_is_on_record(tmp_path: Path, given: httpx.Response) -> None:
    """A list that cannot be read, or not whole, is named in the signature's entry; the rest is judged all the same."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        real = scene.ehr._write_or_read

        async def answer(request: httpx.Request, path: str) -> httpx.Response:
            return given if path == "AllergyIntolerance" else await real(request, path)

        scene.ehr._write_or_read = answer  # type: ignore[method-assign]
        assert answered(await scene.post(draft.id, "sign", *parameters)) == (200, "")
        entry = next(one for one in await scene.store.history(draft.id) if one.event == "signed")
        assert entry.detail["given"]["chart_unread"] == ["allergies"]

    play(tmp_path, story)
