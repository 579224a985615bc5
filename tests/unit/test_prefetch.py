"""What is fetched when the prefetch is not whole, and what is asked for when it cannot be."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from fhir_adapters.dialect.profile import Profile, load
from fhir_adapters.survey.wanted import Template
from service.ehr import pages, prefetch
from service.ehr.transport import EhrRefused
from service.errors import EhrFailed, Precondition
from service.settings import Ehr as Tenant

PATIENT = Template("patient", "Patient/{{context.patientId}}", required=True, holds="x")
CONDITIONS = Template("conditions", "Condition?patient={{context.patientId}}", required=True, holds="x")
CONSENTS = Template("consents", "Consent?patient={{context.patientId}}", required=False, holds="x", decisive=True)
STATEMENTS = Template("statements", "MedicationStatement?patient={{context.patientId}}", required=False, holds="x")
ALL = (PATIENT, CONDITIONS, CONSENTS, STATEMENTS)
EMPTY = b'{"resourceType":"Bundle","type":"searchset"}'
BASE = load("base-r4")
FAILED = b'{"resourceType":"OperationOutcome","issue":[]}'


class Ehr:
    """An EHR that answers searches with the given pages, after a while, or not at all."""

    ehr = Tenant(id="north", name="North", fhir_base="https://north.example/fhir")

    def __init__(self, pages: Mapping[str, list[bytes] | Exception], delay_s: float = 0) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.begun = asyncio.Event()
        self.undeclared: set[str] = set()
        self._pages = pages
        self._delay_s = delay_s

    async def read(self, reference: str, token: str | None = None) -> bytes:
        """Answer a read."""
        return (await self.search(reference, token))[0]

    def relative(self, reference: str) -> str:
        """Return a reference, all of which are relative here."""
        return reference

    async def search(self, query: str, token: str | None = None, *, post: bool = False) -> list[bytes]:
        """Answer a search."""
        self.asked.append((f"POST {query}" if post else query, token))
        self.begun.set()
        await asyncio.sleep(self._delay_s)
        found = self._pages[query.partition("?")[0]]
        if isinstance(found, Exception):
            raise found
        return found

    async def lacks(self, kind: str, error: EhrRefused) -> bool:
        """Say that a type is not there."""
        return kind in self.undeclared and error.http_status == 404

    async def continued(self, page: bytes, token: str | None = None) -> list[bytes]:
        """Answer for what follows a page that was sent."""
        return [page, *await self.search("next", token)]


def complete(
    given: Mapping[str, bytes], ehr: Ehr | None, token: str | None = None, profile: Profile = BASE
) -> Mapping[str, bytes]:
    """Complete a prefetch."""
    return asyncio.run(prefetch.complete(given, ALL, "p1", ehr, token, profile))  # type: ignore[arg-type]


DOWN = EhrFailed("U-EHR-UNREACHABLE", "down")
WHOLE: dict[str, list[bytes] | Exception] = {
    "Patient/p1": [b'{"resourceType":"Patient"}'],
    "Condition": [EMPTY],
    "Consent": [EMPTY],
    "MedicationStatement": EhrRefused("U-EHR-REFUSED", "no such type", 404),
}


def test_what_was_sent_is_not_fetched() -> None:
    """Only the missing keys are asked for, with the call's token and the patient's id filled in."""
    ehr = Ehr(WHOLE)
    found = complete({"patient": b"{}", "consents": b"null"}, ehr, "t")
    assert found == {"patient": b"{}", "consents": b"null", "conditions": EMPTY}
    assert ehr.asked == [("Condition?patient=p1", "t"), ("MedicationStatement?patient=p1", "t")]


@pytest.mark.parametrize("value", [b"null", FAILED])
def test_a_patient_that_is_no_answer_is_fetched(value: bytes) -> None:
    """Null and an OperationOutcome in place of the Patient count as missing."""
    found = complete({"patient": value, "conditions": EMPTY, "consents": EMPTY}, Ehr(WHOLE))
    assert found["patient"] == b'{"resourceType":"Patient"}'


def test_a_failed_search_is_tried_again_by_us() -> None:
    """An OperationOutcome in place of a list counts as missing, one among its entries does not."""
    among = b'{"resourceType":"Bundle","entry":[{"resource":' + FAILED + b"}]}"
    assert complete({"patient": b"{}", "conditions": FAILED, "consents": EMPTY}, Ehr(WHOLE))["conditions"] == EMPTY
    assert complete({"patient": b"{}", "conditions": among, "consents": EMPTY}, None)["conditions"] == among


def test_keys_that_nobody_asked_for_are_left_out() -> None:
    """A key outside the templates is not handed on."""
    assert "secrets" not in complete({"patient": b"{}", "conditions": EMPTY, "secrets": b"1"}, None)


def test_pages_become_one_bundle() -> None:
    """The entries of several pages are one searchset, in order."""
    answers = [json.dumps({"resourceType": "Bundle", "entry": [held(n)]}).encode() for n in (1, 2)]
    found = complete({"patient": b"{}"}, Ehr(WHOLE | {"Condition": answers}))
    assert json.loads(found["conditions"])["entry"] == [held(1), held(2)]


@pytest.mark.parametrize(("total", "part"), [(None, False), (2, False), (3, True)])
def test_pages_that_hold_less_than_their_total_are_a_part(total: int | None, part: bool) -> None:
    """A list whose pages end before the total that they tell is not taken for the whole."""
    told = {"total": total} if total else {}
    answers = [json.dumps({"resourceType": "Bundle", "entry": [held(n)], **told}).encode() for n in (1, 2)]
    assert pages.in_part(complete({"patient": b"{}"}, Ehr(WHOLE | {"Condition": answers}))["conditions"]) is part


def held(number: int) -> dict[str, Any]:
    """Return the entry of one Condition."""
    return {"resource": {"resourceType": "Condition", "id": f"{number}"}}


def paged(*entries: int, **more: Any) -> bytes:
    """Return a page after which there is another."""
    link = [{"relation": "self", "url": "x"}, {"relation": "next", "url": "y"}]
    return json.dumps({"resourceType": "Bundle", "link": link, "entry": [held(n) for n in entries], **more}).encode()


def test_a_list_that_was_sent_with_a_next_page_is_read_to_its_end() -> None:
    """The rest of a page that came with the call is asked for with the call's token, and the whole list stands."""
    rest = [json.dumps({"resourceType": "Bundle", "entry": [held(2)]}).encode()]
    ehr = Ehr(WHOLE | {"next": rest})
    found = complete({"patient": b"{}", "consents": b"null", "conditions": paged(1)}, ehr, "t")
    assert json.loads(found["conditions"])["entry"] == [held(1), held(2)]
    assert ("next", "t") in ehr.asked
    assert not pages.in_part(found["conditions"])


@pytest.mark.parametrize("ehr", [None, Ehr(WHOLE | {"next": DOWN})])
def test_a_page_whose_rest_cannot_be_read_stays_the_part_that_it_is(ehr: Ehr | None) -> None:
    """Without an EHR to ask, or with one that fails, what was sent is kept, and it still says that there is more."""
    found = complete({"patient": b"{}", "consents": b"null", "conditions": paged(1)}, ehr)
    assert found["conditions"] == paged(1)
    assert pages.in_part(found["conditions"])


def test_a_read_that_is_answered_with_an_outcome_is_no_patient() -> None:
    """An OperationOutcome with status 200 in place of the Patient counts as not read."""
    with pytest.raises(Precondition, match=r"prefetch\.patient"):
        complete({"conditions": EMPTY, "consents": EMPTY}, Ehr(WHOLE | {"Patient/p1": [FAILED]}))


class PutsOff(Ehr):
    """An EHR that puts off the first request for each thing."""

    def __init__(self, status: int, retry_after_s: int | None) -> None:
        super().__init__(WHOLE)
        self._refusal = EhrRefused("U-EHR-REFUSED", "later", status, retry_after_s)

    async def search(self, query: str, token: str | None = None, *, post: bool = False) -> list[bytes]:
        """Answer a search the second time."""
        if (query, token) not in self.asked:
            self.asked.append((query, token))
            raise self._refusal
        return await super().search(query, token, post=post)


@pytest.mark.parametrize(("status", "after_s"), [(503, None), (429, 0), (500, None)])
def test_what_an_ehr_puts_off_is_asked_for_once_more(status: int, after_s: int | None) -> None:
    """A read that is refused for a short while is made again within the budget, and then it is whole."""
    assert complete({}, PutsOff(status, after_s)).keys() == {"patient", "conditions", "consents"}


@pytest.mark.parametrize(("status", "after_s"), [(429, 60), (403, None), (401, None)])
def test_what_is_refused_for_long_or_for_good_is_not_asked_for_again(status: int, after_s: int | None) -> None:
    """A long Retry-After and a refusal of rights cost the call no time: each thing is asked for once."""
    ehr = PutsOff(status, after_s)
    with pytest.raises(Precondition):
        complete({}, ehr)
    assert len(ehr.asked) == len(set(ehr.asked))


def test_an_optional_key_that_fails_stands_as_an_error() -> None:
    """A failing optional search costs that key only, and its list cannot look whole to the reader."""
    found = complete({}, Ehr(WHOLE | {"MedicationStatement": DOWN}))
    assert found["statements"] == prefetch.UNREADABLE
    assert complete({}, Ehr(WHOLE)).keys() == {"patient", "conditions", "consents"}


@pytest.mark.parametrize(
    ("given", "ehr"),
    [
        ({"consents": FAILED}, None),
        ({}, Ehr(WHOLE | {"Consent": DOWN})),
        ({}, Ehr(WHOLE | {"Consent": EhrRefused("U-EHR-REFUSED", "scope", 403)})),
    ],
)
def test_a_consent_search_that_failed_stops_the_call(given: Mapping[str, bytes], ehr: Ehr | None) -> None:
    """A refusal that could not be read is not outvoted: the call is 412 and names the key."""
    with pytest.raises(Precondition) as caught:
        complete({"patient": b"{}", "conditions": EMPTY, **given}, ehr)
    assert "prefetch.consents" in caught.value.message


def test_an_ehr_without_consents_is_no_failure() -> None:
    """A key that was not sent, at an EHR that has no such type and declares none, is left out; a 404 alone is 412."""
    none = Ehr(WHOLE | {"Consent": EhrRefused("U-EHR-REFUSED", "no such type", 404)})
    with pytest.raises(Precondition, match=r"prefetch\.consents"):
        complete({}, none)
    none.undeclared = {"Consent"}
    assert "consents" not in complete({}, none)
    assert "consents" not in complete({"patient": b"{}", "conditions": EMPTY}, None)


@pytest.mark.parametrize("ehr", [None, Ehr(WHOLE | {"Condition": DOWN})])
def test_a_required_key_that_cannot_be_had_is_named(ehr: Ehr | None) -> None:
    """Without a required key the call is 412, and only what is missing is named."""
    with pytest.raises(Precondition) as caught:
        complete({"patient": b"{}"}, ehr)
    assert caught.value.code == "U-CDS-PREFETCH"
    assert "prefetch.conditions" in caught.value.message
    assert "prefetch.patient" not in caught.value.message
    assert "prefetch.consents" not in caught.value.message


def test_a_slow_ehr_ends_with_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the budget is over, what has not come is missing, and nobody waits for it."""
    monkeypatch.setattr(prefetch, "BUDGET_S", 0.05)

    async def ends() -> None:
        never: Any = Ehr(WHOLE, delay_s=3600)
        with pytest.raises(Precondition):
            await asyncio.wait_for(prefetch.complete({}, ALL, "p1", never, None, BASE), 60)

    asyncio.run(ends())


def test_searches_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three searches of which each is answered only when all have been asked are answered."""
    monkeypatch.setattr(prefetch, "BUDGET_S", 60)

    class Together(Ehr):
        async def search(self, query: str, token: str | None = None, *, post: bool = False) -> list[bytes]:
            found = await super().search(query, token, post=post)
            while len([one for one, _ in self.asked if "?" in one]) < 3:  # noqa: ASYNC110 - of three tasks at once
                await asyncio.sleep(0.001)
            return found

    ehr: Any = Together(WHOLE)
    found = asyncio.run(prefetch.complete({}, ALL, "p1", ehr, None, BASE))
    assert {"conditions", "consents"} <= found.keys()


def test_a_fault_of_ours_is_not_taken_for_the_ehrs() -> None:
    """An unforeseen error in a fetch is raised, not swallowed as a missing key."""
    with pytest.raises(ZeroDivisionError):
        complete({}, Ehr(WHOLE | {"Consent": ZeroDivisionError()}))


def test_the_profile_says_how_and_what_is_asked() -> None:
    """A type that the EHR does not have is not asked for; nobody takes its absence for a failure."""
    ehr = Ehr(WHOLE | {"MedicationStatement": ZeroDivisionError()})
    found = complete({"patient": b"{}", "conditions": EMPTY}, ehr, profile=load("epic-r4"))
    assert found.keys() == {"patient", "conditions", "consents"}
    assert [query for query, _ in ehr.asked] == ["Consent?patient=p1"]


def test_a_required_type_that_the_ehr_does_not_have_stops_the_call() -> None:
    """A required list that the profile says cannot be asked for is named, as one that cannot be read."""
    needed = (Template("consents", "Consent?patient={{context.patientId}}", required=True, holds="x"),)
    with pytest.raises(Precondition) as caught:
        asyncio.run(prefetch.complete({}, needed, "p1", Ehr(WHOLE), None, load("base-dstu2")))  # type: ignore[arg-type]
    assert "prefetch.consents" in caught.value.message


@pytest.mark.parametrize("sent", [True, False])
def test_medications_are_read_for_sent_and_for_fetched_lists(sent: bool) -> None:
    """What a list refers to and does not hold is read, whether the EHR sent the list or it was fetched."""
    order = b'{"resourceType":"MedicationRequest","id":"r","medicationReference":{"reference":"Medication/m"}}'
    orders = b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":' + order + b"}]}"
    drug = b'{"resourceType":"Medication","id":"m"}'
    ehr = Ehr({"MedicationRequest": [orders], "Medication/m": [drug]})
    wanted = (Template("medications", "MedicationRequest?patient={{context.patientId}}", required=True, holds="x"),)
    given = {"medications": orders} if sent else {}
    found = asyncio.run(prefetch.complete(given, wanted, "p1", ehr, "t", BASE))  # type: ignore[arg-type]
    assert [entry["resource"]["id"] for entry in json.loads(found["medications"])["entry"]] == ["r", "m"]
    assert ehr.asked[-1] == ("Medication/m", "t")


def test_without_an_ehr_to_ask_nothing_is_followed() -> None:
    """A call that names no fhirServer keeps its list as it was sent."""
    orders = b'{"resourceType":"MedicationRequest","id":"r","medicationReference":{"reference":"Medication/m"}}'
    wanted = (Template("medications", "MedicationRequest?patient={{context.patientId}}", required=True, holds="x"),)
    found = asyncio.run(prefetch.complete({"medications": orders}, wanted, "p1", None, None, BASE))
    assert found["medications"] is orders
