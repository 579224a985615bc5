"""order-select and order-sign over HTTP: orders that are being written meet the chart."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.cds.lint import check_card
from tests.fixtures import prefetch
from tests.integration.running import PATH, held, running, settings

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


@pytest.mark.parametrize(
    "spoilt",
    [
        order("a", "a drug that nobody knows"),
        {**order("a", "phenelzine", 15), "medicationCodeableConcept": {"text": 7, "coding": "x"}},
    ],
)
def test_an_order_that_nobody_could_read_is_said(client: TestClient, spoilt: Json) -> None:
    """An order whose drug is not known, or cannot be read, gives a card that says so: silence would look checked."""
    (card,) = sign(client, spoilt)
    assert check_card(card, PUBLIC) == ()
    assert card["indicator"] == "info"
    assert "could not be read" in card["summary"]


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


def test_withheld_consent_keeps_the_order_hooks_silent(client: TestClient) -> None:
    """Where consent is denied nothing is worked out, whatever is ordered."""
    text = (Path(__file__).parents[1] / "fixtures/fhir/consent_denied.json").read_text()
    consents = [e["resource"] for e in json.loads(text)["entry"] if e["resource"]["resourceType"] == "Consent"]
    denied = prefetch.values()
    denied["consents"] = prefetch.bundle(*(c | {"patient": {"reference": "Patient/p1"}} for c in consents))
    assert sign(client, order("a", "phenelzine", 15), prefetch=denied) == []
    assert select(client, order("a", "phenelzine", 15), prefetch=denied) == []


def test_feedback_on_an_order_card_is_taken(client: TestClient) -> None:
    """A card of order-sign is remembered, so that an override with its reason is recorded and not unknown."""
    (card,) = sign(client, order("a", "phenelzine", 15))
    item = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-22T10:45:00Z",
        "overrideReason": {"reason": card["overrideReasons"][0]},
    }
    assert client.post(f"{SIGN}/feedback", json={"feedback": [item]}).status_code == 200


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


def view(client: TestClient) -> list[Json]:
    """Return the cards of the open chart."""
    return client.post(PATH, json=prefetch.request()).json()["cards"]


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
