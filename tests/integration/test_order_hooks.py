"""order-select and order-sign over HTTP: orders that are being written meet the chart."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.cds.lint import check_card
from tests.fixtures import prefetch
from tests.integration.running import BASE, PATH, held, running, settings

PUBLIC = "http://127.0.0.1:8040"
SELECT = "/cds-services/psychotropic-order-select"
SIGN = "/cds-services/psychotropic-order-sign"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
Json = dict[str, Any]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """An application of its own."""
    with running(settings(tmp_path)) as found:
        yield found


def order(identity: str, text: str, mg: float | None = None, **more: Any) -> Json:
    """Return a draft order by the drug's name, a day's dose in one where ``mg`` is given."""
    dose = {"doseQuantity": {"value": mg, "unit": "mg"}}
    once = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    dosage = {"dosageInstruction": [{"doseAndRate": [dose], "timing": once}]} if mg else {}
    found = {"resourceType": "MedicationRequest", "id": identity, "status": "draft", "intent": "order"}
    return {**found, "medicationCodeableConcept": {"text": text}, **dosage, **more}


def request(hook: str, *drafts: Json, selections: list[str] | None = None, **change: Any) -> Json:
    """Return a hook request over the fixtures' chart with these orders being written."""
    found: Json = prefetch.request(**change) | {"hook": hook}
    bundle: Json = {"resourceType": "Bundle", "entry": [{"resource": one} for one in drafts]}
    context: Json = {**found["context"], "draftOrders": bundle}
    if hook == "order-select":
        context["selections"] = selections or [f"MedicationRequest/{one['id']}" for one in drafts]
    return {**found, "context": context}


def sign(client: TestClient, *drafts: Json, **change: Any) -> list[Json]:
    """Return the cards of an order-sign call that succeeds."""
    answer = client.post(SIGN, json=request("order-sign", *drafts, **change))
    assert answer.status_code == 200, answer.text
    return answer.json()["cards"]


def select(client: TestClient, *drafts: Json, **change: Any) -> list[Json]:
    """Return the cards of an order-select call that succeeds."""
    answer = client.post(SELECT, json=request("order-select", *drafts, **change))
    assert answer.status_code == 200, answer.text
    return answer.json()["cards"]


def test_a_contraindication_stops_the_signature_with_one_critical_card(client: TestClient) -> None:
    """Phenelzine beside citalopram is one critical card that names both, clean, and without any suggestion."""
    (card,) = sign(client, order("a", "phenelzine", 15))
    assert check_card(card, PUBLIC) == ()
    assert card["indicator"] == "critical"
    assert "citalopram" in card["summary"].lower()
    assert "phenelzine" in card["summary"].lower()
    assert "suggestions" not in card
    assert held(client) == 0


def test_a_dose_above_the_ceiling_is_a_warning(client: TestClient) -> None:
    """Citalopram 60 mg is a warning with the ceiling, not critical: the chart shows no contraindication."""
    (card,) = sign(client, order("a", "citalopram", 60))
    assert card["indicator"] == "warning"
    assert "above 40 mg" in card["summary"]


def test_an_order_of_a_drug_that_is_not_ours_is_judged_by_what_it_does(client: TestClient) -> None:
    """Ibuprofen alone is no drug of ours, but beside citalopram it is a bleeding risk that is said."""
    (card,) = sign(client, order("a", "ibuprofen", 400))
    assert card["indicator"] == "warning"
    assert "citalopram" in card["detail"]


def test_the_order_set_is_judged_together(client: TestClient) -> None:
    """Two orders that are dangerous only with each other are found before either is in the chart."""
    chart = prefetch.values()
    chart["medications"] = prefetch.bundle()
    alone = sign(client, order("a", "sertraline", 50), prefetch=chart)
    both = sign(client, order("a", "sertraline", 50), order("b", "phenelzine", 15), prefetch=chart)
    assert alone == []
    assert both[0]["indicator"] == "critical"


@pytest.mark.parametrize(
    "orders",
    [
        [],
        [order("a", "amoxicillin 500 mg")],
        [{"resourceType": "ServiceRequest", "id": "s", "status": "draft"}],
        [{"resourceType": "MedicationRequest", "id": "empty", "status": "draft"}],
        [order("a", "phenelzine", 15, status="cancelled")],
        [order("a", "citalopram", 20)],
    ],
)
def test_nothing_to_say_is_an_empty_list(client: TestClient, orders: list[Json]) -> None:
    """No order, an unrelated or unfinished one, one that is cancelled and a refill within limits give no card."""
    assert sign(client, *orders) == []


def test_a_selected_drug_gets_its_reasons_and_alternatives_as_held_drafts(client: TestClient) -> None:
    """order-select on an excluded drug shows why, and held drafts of other drugs; leaving it is one of the choices."""
    (card,) = select(client, order("a", "phenelzine", 15))
    assert check_card(card, PUBLIC) == ()
    assert card["indicator"] == "critical"
    drafts = [s for s in card["suggestions"] if s.get("actions")]
    assert drafts
    assert held(client) >= len(drafts)
    assert "phenelzine" not in json.dumps([s["label"] for s in card["suggestions"]]).lower()
    assert len(card["suggestions"]) == len(drafts) + 1


def test_selecting_speaks_of_what_was_selected_only(client: TestClient) -> None:
    """A second draft is context: a card on the selected one does not list the other's own findings."""
    both = order("a", "sertraline", 50), order("b", "citalopram", 60)
    cards = select(client, *both, selections=["MedicationRequest/a"])
    assert "above 40 mg" not in json.dumps(cards)


def test_half_written_drafts_are_read(client: TestClient) -> None:
    """An object where a list belongs, a dosage that is none and a missing intent cost neither the drug nor the call."""
    odd = {
        "resourceType": "MedicationRequest",
        "id": "odd",
        "category": {"coding": [{"code": "outpatient"}]},
        "dosageInstruction": {"text": 3},
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "8123"}], "text": "phenelzine"},
    }
    (card,) = sign(client, odd)
    assert card["indicator"] == "critical"
    assert "not all of it could be read" in card["detail"]


UNREAD = "An order could not be read"


@pytest.mark.parametrize(
    ("entry", "summary"),
    [
        ({"resource": order("a", "a drug that nobody knows")}, "A drug that nobody knows is not in the rules"),
        ({"resource": order("a", "<b>a drug</b> [x](https://evil.example)")}, UNREAD),
        ({"resource": order("a", "x" * 100_000)}, UNREAD),
        (
            {"resource": {**order("a", "phenelzine", 15), "medicationCodeableConcept": {"text": 7, "coding": "x"}}},
            UNREAD,
        ),
        (order("a", "phenelzine", 15), UNREAD),
        ({"resource": json.dumps(order("a", "phenelzine", 15))}, UNREAD),
        ({"resource": {"id": "a"}}, UNREAD),
        ("MedicationRequest/a", UNREAD),
    ],
)
@pytest.mark.parametrize("item9", [0, 3])
def test_an_order_that_nobody_could_read_is_said(client: TestClient, entry: Any, summary: str, item9: int) -> None:
    """An order that is not known or not readable gives a short card that says so, in a crisis the crisis card."""
    body = request("order-sign", prefetch=prefetch.values(item9=item9))
    body["context"]["draftOrders"]["entry"] = [entry]
    (card,) = client.post(SIGN, json=body).json()["cards"]
    assert check_card(card, PUBLIC) == ()
    assert len(card["detail"]) < 2000
    if item9:
        assert card["source"]["topic"]["code"] == "crisis"
    else:
        assert card["indicator"] == "info"
        assert card["summary"].startswith(summary)


@pytest.mark.parametrize("name", ["resourceType", "status", "id", "intent", "medicationCodeableConcept", "subject"])
@pytest.mark.parametrize("value", [[], ["x"], {"x": 1}, 7, True])
def test_an_element_of_the_wrong_kind_is_no_crash(client: TestClient, name: str, value: Any) -> None:
    """Whatever stands where a text or an object belongs, the call is answered or refused, never a 5xx."""
    spoilt = {**order("a", "phenelzine", 15), name: value}
    assert client.post(SIGN, json=request("order-sign", spoilt)).status_code < 500


def test_another_patients_order_is_refused(client: TestClient) -> None:
    """A draft whose subject is not the patient of the hook is U-PATIENT-MISMATCH, and no card."""
    foreign = order("a", "phenelzine", 15, subject={"reference": "Patient/other"})
    answer = client.post(SIGN, json=request("order-sign", foreign))
    assert answer.status_code in (400, 422)
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "U-PATIENT-MISMATCH"


@pytest.mark.parametrize(
    "other",
    [
        {"resourceType": "ServiceRequest", "id": "s", "subject": {"reference": "Patient/other"}},
        {"resourceType": "Task", "id": "t", "for": {"reference": "https://ehr.example/fhir/Patient/other"}},
        {"resourceType": "NutritionOrder", "id": "n", "patient": {"reference": "Patient/other/_history/2"}},
        {"resourceType": "RequestGroup", "id": "g", "contained": [order("x", "x", subject={"reference": "Patient/o"})]},
    ],
)
def test_a_set_that_holds_another_patients_order_of_any_kind_is_refused(client: TestClient, other: Json) -> None:
    """An order set of two patients is judged for neither, also where the foreign order holds no drug."""
    for path, hook in ((SIGN, "order-sign"), (SELECT, "order-select")):
        answer = client.post(path, json=request(hook, order("a", "amoxicillin 500 mg"), other))
        assert (answer.status_code, "U-PATIENT-MISMATCH" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "RequestGroup", "id": "a", "contained": [order("x", "phenelzine", 15)]},
        {"resourceType": "CarePlan", "id": "a", "contained": [order("x", "phenelzine", 15)]},
        prefetch.bundle(order("x", "phenelzine", 15)) | {"id": "a"},
    ],
)
def test_orders_inside_another_resource_are_judged(client: TestClient, resource: Json) -> None:
    """What an order set contains is judged as if it stood alone, at selection of the set too."""
    selections = [f"{resource['resourceType']}/a"]
    for cards in (sign(client, resource), select(client, resource, selections=selections)):
        assert cards[0]["indicator"] == "critical"


@pytest.mark.parametrize("reference", ["urn:uuid:d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "Medication/m"])
def test_an_order_may_name_a_medication_of_its_bundle(client: TestClient, reference: str) -> None:
    """A Medication beside the order is found by the address of its entry, and by its id."""
    drug: Json = {"resourceType": "Medication", "id": "m", "code": {"text": "phenelzine"}}
    named = {"resourceType": "MedicationRequest", "id": "a", "medicationReference": {"reference": reference}}
    body = request("order-sign")
    entries = [{"resource": named}, {"resource": drug, "fullUrl": "urn:uuid:d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"}]
    body["context"]["draftOrders"]["entry"] = entries
    (card,) = client.post(SIGN, json=body).json()["cards"]
    assert card["indicator"] == "critical"


@pytest.mark.parametrize(
    ("identity", "selection", "said"),
    [
        ("a", "MedicationRequest/a", True),
        ("a", "https://ehr.example/fhir/MedicationRequest/a", True),
        ("a", "MedicationRequest/a/_history/3", True),
        ("a", "a", True),
        ("a", "urn:uuid:d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", True),
        ("a", "MedicationRequest/gone", True),
        (None, "MedicationRequest/a", True),
        ("a", "ServiceRequest/s", False),
        ("a", "MedicationRequest/calm", False),
    ],
)
def test_a_selection_never_hides_the_order_that_it_may_mean(
    client: TestClient, identity: str | None, selection: str, said: bool
) -> None:
    """A selection that names nothing in the set means all of it; one that names something else in it means that."""
    drug = order("a", "phenelzine", 15) | {"id": identity}
    lab: Json = {"resourceType": "ServiceRequest", "id": "s", "status": "draft"}
    found = select(client, drug, lab, order("calm", "amoxicillin 500 mg"), selections=[selection])
    assert any("phenelzine" in card["summary"].lower() for card in found) is said


def test_a_long_order_set_is_told_in_few_words_the_gravest_first(client: TestClient) -> None:
    """Of many orders six are told in full, contraindications first in whatever order they came, and the rest named."""
    drugs = (
        "mirtazapine",
        "sertraline",
        "lithium",
        "clozapine",
        "venlafaxine",
        "duloxetine",
        "bupropion",
        "phenelzine",
    )
    for order_of in (drugs, tuple(reversed(drugs))):
        (card,) = sign(client, *(order(f"o{place}", drug) for place, drug in enumerate(order_of)))
        parts = [part for part in card["detail"].split("\n\n") if re.fullmatch(r"\*\*\w+\*\*", part)]
        firsts = re.findall(r"\*\*\w+\*\*\n\n- \*([\w ]+):\*", card["detail"])
        assert len(parts) == len(firsts) == 6
        assert firsts == sorted(firsts, key=["contraindicated", "warning"].index)
        assert "**Phenelzine**" in parts
        (rest,) = re.findall(r"Findings on 2 more orders, not shown here: (\w+), (\w+)\.", card["detail"])
        assert {part.strip("*").lower() for part in parts} | {name.lower() for name in rest} == set(drugs)


def test_the_same_order_many_times_is_told_once(client: TestClient) -> None:
    """Thirty orders of one drug give its findings once, and the count in the summary is that of the findings."""
    (card,) = sign(client, *(order(f"o{place}", "phenelzine") for place in range(30)))
    assert card["detail"].count("**Phenelzine**") == 1
    assert "(+2 more)" in card["summary"]


def test_a_prescription_without_a_name_is_never_silence(client: TestClient) -> None:
    """Where a drug that is taken has no name, since its Medication was not sent, an order is not called checked."""
    chart = without_drugs()
    unnamed = {k: v for k, v in prefetch.citalopram().items() if k != "medicationCodeableConcept"}
    chart["medications"] = prefetch.bundle(unnamed | {"medicationReference": {"reference": "Medication/m"}})
    for hook, path in (("order-sign", SIGN), ("order-select", SELECT)):
        answer = client.post(path, json=request(hook, order("a", "amoxicillin 500 mg"), prefetch=chart))
        assert (answer.status_code, "_include=MedicationRequest:medication" in answer.text) == (412, True)
    (card,) = sign(client, order("a", "sertraline", 250), prefetch=chart)
    assert "prescriptions (only in part)" in card["detail"]
    chart["medications"] = prefetch.bundle(
        unnamed | {"medicationReference": {"reference": "Medication/m", "display": "Vitamin X"}}
    )
    assert sign(client, order("a", "amoxicillin 500 mg"), prefetch=chart) == []


@pytest.mark.parametrize(
    ("path", "hook", "drop"),
    [
        (SIGN, "order-sign", "draftOrders"),
        (SELECT, "order-select", "draftOrders"),
        (SELECT, "order-select", "selections"),
    ],
)
def test_a_call_without_its_orders_is_refused(client: TestClient, path: str, hook: str, drop: str) -> None:
    """Without draftOrders or selections there is nothing to judge: 400 U-CDS-CONTEXT, never an empty card list."""
    body = request(hook, order("a", "sertraline", 50))
    del body["context"][drop]
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert "U-CDS-CONTEXT" in answer.text


def test_a_hook_at_the_other_ones_address_is_refused(client: TestClient) -> None:
    """order-sign posted to the order-select address is 400: the hook decides nothing that the address does not."""
    assert client.post(SELECT, json=request("order-sign", order("a", "sertraline", 50))).status_code == 400


def test_a_crisis_is_said_before_an_order_of_ours_is_signed(client: TestClient) -> None:
    """With a positive answer on self-harm the card at signing is the crisis card; a stranger's order has none."""
    (card,) = sign(client, order("a", "sertraline", 50), prefetch=prefetch.values(item9=3))
    assert card["source"]["topic"]["code"] == "crisis"
    assert sign(client, order("a", "amoxicillin 500 mg"), prefetch=prefetch.values(item9=3)) == []


def test_a_crisis_hides_no_contraindication(client: TestClient) -> None:
    """Below what the crisis asks for stands what speaks against the orders; nothing is suggested."""
    orders = (order("a", "sertraline", 50), order("b", "phenelzine", 15))
    for card in (
        *sign(client, *orders, prefetch=prefetch.values(item9=3)),
        *select(client, *orders, prefetch=prefetch.values(item9=3)),
    ):
        assert card["source"]["topic"]["code"] == "crisis"
        assert "14 days have passed" in card["detail"]
        assert "suggestions" not in card


def test_in_a_crisis_an_order_of_a_stranger_is_judged_all_the_same(client: TestClient) -> None:
    """What a drug of others does to one that is taken is said; its card is of the order, for no drug of ours starts."""
    (card,) = sign(client, order("a", "ibuprofen", 400), prefetch=prefetch.values(item9=3))
    assert card["source"]["topic"]["code"] == "order-findings"
    assert "citalopram" in card["detail"]


def test_an_alarm_that_nobody_has_answered_is_said_before_an_order_of_ours(client: TestClient) -> None:
    """After a crisis card a chart without that answer brings no draft at an order either, and the card asks to look."""
    assert view(client, item9=3)[0]["source"]["topic"]["code"] == "crisis"
    silent = prefetch.values()
    silent["scores"]["entry"] = [one for one in silent["scores"]["entry"] if one["resource"]["id"] != "i9"]
    for cards in (
        sign(client, order("a", "sertraline", 50), prefetch=silent),
        select(client, order("a", "phenelzine", 15), prefetch=silent),
    ):
        (card,) = cards
        assert card["indicator"] == "warning"
        assert "A crisis card was shown for this patient" in card["detail"]
        assert "suggestions" not in card
        decline(client, SIGN, card)
    assert sign(client, order("a", "amoxicillin 500 mg"), prefetch=silent) == []
    assert held(client) == 0


def test_withheld_consent_keeps_the_order_hooks_silent(client: TestClient) -> None:
    """Where consent is denied nothing is worked out, whatever is ordered."""
    text = (Path(__file__).parents[1] / "fixtures/fhir/consent_denied.json").read_text()
    consents = [e["resource"] for e in json.loads(text)["entry"] if e["resource"]["resourceType"] == "Consent"]
    denied = prefetch.values()
    denied["consents"] = prefetch.bundle(*(c | {"patient": {"reference": "Patient/p1"}} for c in consents))
    assert sign(client, order("a", "phenelzine", 15), prefetch=denied) == []
    assert select(client, order("a", "phenelzine", 15), prefetch=denied) == []


def test_feedback_on_an_order_card_is_taken(client: TestClient) -> None:
    """An override of a card without drafts is entered in a chain with its reason, its comment is not."""
    application: Any = client.app
    store = application.state.services.store
    (card,) = sign(client, order("a", "phenelzine", 15))
    item: Json = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-22T10:45:00Z",
        "overrideReason": {"reason": card["overrideReasons"][0]},
    }
    item["overrideReason"] |= {"userComment": "said at the bedside"}
    assert client.post(f"{SIGN}/feedback", json={"feedback": [item]}).status_code == 200
    (entered,) = client.portal.call(lambda: store.registered("feedback", ehr="north"))  # type: ignore[union-attr]
    assert (entered.subject, entered.entry.actor) == ("psychotropic-order-sign", "ehr:north")
    told = entered.entry.detail
    assert (told["card"], told["outcome"], told["commented"]) == (card["uuid"], "overridden", True)
    assert told["reason"]["code"] == card["overrideReasons"][0]["code"]
    assert "bedside" not in str(told)
    assert not client.portal.call(store.verify)  # type: ignore[union-attr]


def test_the_time_is_told_by_station(client: TestClient) -> None:
    """Server-Timing names the stations of a call and their total, in milliseconds."""
    header = client.post(SIGN, json=request("order-sign", order("a", "phenelzine", 15))).headers["Server-Timing"]
    stations = [part.split(";dur=") for part in header.split(", ")]
    assert {"auth", "prefetch", "adapt", "assess", "hold", "render", "total"} <= {name for name, _ in stations}
    took = {name: float(value) for name, value in stations}
    assert took["total"] >= took["adapt"] > 0


def without_drugs() -> Json:
    """Return a chart in which no drug is taken."""
    return {**prefetch.values(), "medications": prefetch.bundle()}


def test_two_orders_of_one_drug_are_judged_by_their_sum(client: TestClient) -> None:
    """Each order stays below the ceiling, both together pass it: the sum is what is judged."""
    first, second = order("a", "sertraline", 150), order("b", "sertraline", 100)
    assert sign(client, order("a", "sertraline", 50), prefetch=without_drugs()) == []
    (card,) = sign(client, first, second, prefetch=without_drugs())
    assert card["indicator"] == "warning"
    assert "Sertraline 250 mg a day is above 200 mg" in card["detail"]


def test_a_drug_that_is_ordered_twice_is_said_when_it_is_selected(client: TestClient) -> None:
    """A second order of the same drug may be an error: it is a line of its own, also below the ceiling."""
    drafts = order("a", "sertraline", 25), order("b", "sertraline", 25)
    (card,) = select(client, *drafts, selections=["MedicationRequest/a"], prefetch=without_drugs())
    assert "Sertraline stands in 2 orders of this set: their doses were added" in card["detail"]


def test_a_sum_with_a_dose_that_nobody_could_read_is_not_called_checked(client: TestClient) -> None:
    """What could be read is judged, and that one order was not is said."""
    (card,) = sign(client, order("a", "sertraline", 250), order("b", "sertraline"), prefetch=without_drugs())
    assert "above 200 mg" in card["summary"]
    assert "the daily dose could not be read" in card["detail"]


def decline(client: TestClient, path: str, card: Json) -> None:
    """Override a card at its service."""
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:45:00Z"}
    assert client.post(f"{path}/feedback", json={"feedback": [item]}).status_code == 200


def view(client: TestClient, item9: int = 0) -> list[Json]:
    """Return the cards of the open chart."""
    return client.post(PATH, json=prefetch.request(prefetch=prefetch.values(item9=item9))).json()["cards"]


def test_leaving_an_order_as_written_silences_no_open_chart(client: TestClient) -> None:
    """What is overridden on the card of an order is shown when the chart is opened, and not on such a card again."""
    phenelzine = order("a", "phenelzine", 15)
    assert view(client)
    (card,) = select(client, phenelzine)
    decline(client, SELECT, card)
    (again,) = select(client, phenelzine)
    assert "suggestions" not in again
    assert view(client)[0]["suggestions"]
    assert held(client) > 0


def test_a_declined_chart_silences_no_order_and_ends_nothing_of_it(client: TestClient) -> None:
    """Options that were overridden in the open chart are drafts in place of an order; opening the chart again stays
    silent and leaves them."""
    decline(client, PATH, view(client)[0])
    assert view(client) == []
    (card,) = select(client, order("a", "phenelzine", 15))
    assert card["suggestions"]
    before = held(client)
    assert before > 0
    assert view(client) == []
    assert held(client) == before


@pytest.mark.parametrize("key", ["conditions", "medications", "scores"])
def test_a_required_list_in_part_is_never_silence(client: TestClient, key: str) -> None:
    """Where nothing is found in the part that came the answer is 412 that names it; a card names it too."""
    chart = without_drugs()
    chart[key] = {**chart[key], "total": 40}
    quiet = client.post(SIGN, json=request("order-sign", order("a", "sertraline", 50), prefetch=chart))
    assert quiet.status_code == 412
    assert f"prefetch.{key} " in quiet.text
    (card,) = sign(client, order("a", "sertraline", 250), prefetch=chart)
    assert "(only in part)" in card["detail"]


@pytest.mark.parametrize(
    ("subject", "status"),
    [
        (f"{BASE}/Patient/{prefetch.PATIENT}", 200),
        (f"{BASE}/Patient/{prefetch.PATIENT}/_history/2", 200),
        (f"https://ehr.south.example/fhir/Patient/{prefetch.PATIENT}", 400),
    ],
)
def test_a_patient_of_another_server_is_another_patient(client: TestClient, subject: str, status: int) -> None:
    """An order for the same id at another address than this EHR's is refused with its whole set."""
    draft = order("a", "sertraline 50 mg", 50, subject={"reference": subject})
    answer = client.post(SIGN, json=request("order-sign", draft))
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "U-PATIENT-MISMATCH"


def test_a_record_of_another_server_is_not_read_as_this_patients(client: TestClient) -> None:
    """A drug of the same id at another address is not taken for this patient's, and the list is not whole."""
    values = prefetch.values()
    elsewhere = {"reference": f"https://ehr.south.example/fhir/Patient/{prefetch.PATIENT}"}
    values["medications"] = prefetch.bundle(prefetch.citalopram() | {"subject": elsewhere})
    (card,) = client.post(PATH, json=prefetch.request(prefetch=values)).json()["cards"]
    assert "citalopram" not in card["summary"]
    assert "edication" in card["detail"].partition("**Not known:**")[2].partition("\n\n")[0]
