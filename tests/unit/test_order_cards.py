"""What the cards on orders say of findings, gaps and sources, in every language."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fhir_adapters.dialect import profile
from fhir_adapters.medication import proposed
from recommender.assessment import CurrentDrug, Reason
from recommender.catalog.rows import Source
from recommender.orders import JudgedOrder, JudgedOrders
from service.cds import cards, order_cards
from service.cds.language import LANGUAGES
from service.cds.lint import check_card
from service.cds.order_cards import OrderView
from tests.fixtures import assessments as made

URL = made.SETTINGS.server.public_url
SOURCES = {
    "L-CIT": Source("L-CIT", "https://example.org/label", "citalopram US label: highlights"),
    "LM-SER3": Source("LM-SER3", "https://example.org/other", "another label"),
}
CEILING = Reason(
    "SR035", "warning", "Age 63: the ceiling for citalopram is 20 mg a day.", "L-CIT+LM-SER3", verified=True
)
ABOVE = Reason(
    "DOSE-MAX",
    "warning",
    "Citalopram 60 mg a day is above 20 mg (SR035: Age 63: the ceiling for citalopram is 20 mg a day).",
    "L-CIT",
    verified=True,
)
STOP = Reason(
    "SR001",
    "contraindicated",
    "Phenelzine is taken: do not combine.",
    "X-1",
    verified=False,
    blocks=True,
    facts=("M/1",),
)
NOT_KNOWN = Reason(
    "LAB-1",
    "contraindicated",
    "QTc is not on file.",
    "L-CIT",
    verified=True,
    unknown=True,
    missing="QTc",
    gap="is not on file",
)
FIRST = Reason(
    "LAB-2",
    "warning",
    "Neutrophils are needed first.",
    "L-CIT",
    verified=True,
    unknown=True,
    missing="neutrophils",
    blocks=True,
)
PUSHING = Reason("P-1", "warning", "Citalopram should be stopped.", "L-CIT", verified=True)
AGAIN = Reason("ORDER-AGAIN", "caution", "Citalopram is taken already.", "the chart", verified=True)


def order(text: str = "citalopram", **more: Any) -> proposed.Proposed:
    """Return an order of 60 mg a day as the hook reads it."""
    dose = {"doseQuantity": {"value": 60, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}
    dosage = {"doseAndRate": [dose], "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    found = {
        "resourceType": "MedicationRequest",
        "id": "a",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "dosageInstruction": [dosage],
        **more,
    }
    raw = json.dumps({"resourceType": "Bundle", "entry": [{"resource": found}]}).encode()
    (one,), _ = proposed.read(raw, "p1", profile.load("base-r4"))
    return one


def view(
    *reasons: Reason, spoken: str = "en", known: bool = True, present: Sequence[CurrentDrug] = (), **more: Any
) -> OrderView:
    """Return the view of one order that these reasons stand against."""
    ehr = made.EHR.model_copy(update={"language": spoken, **more})
    shown = replace(made.view(made.assessment(), ehr=ehr, drafts=False), sources=SOURCES)
    return OrderView(shown, JudgedOrders((JudgedOrder(order(), known, reasons),), tuple(present)))


TAKEN = CurrentDrug("lithium", (made.BLEEDING,))
VIEWS = {
    "one finding": lambda spoken: view(ABOVE, spoken=spoken),
    "several": lambda spoken: view(STOP, ABOVE, CEILING, NOT_KNOWN, AGAIN, spoken=spoken),
    "pushing": lambda spoken: view(PUSHING, spoken=spoken),
    "measure first": lambda spoken: view(FIRST, spoken=spoken),
    "not ours": lambda spoken: view(spoken=spoken, known=False, present=(TAKEN,)),
}


@pytest.mark.parametrize("spoken", LANGUAGES)
@pytest.mark.parametrize("kind", VIEWS)
def test_every_card_on_orders_is_clean_in_every_language(kind: str, spoken: str) -> None:
    """At selection with a draft and at signing the card passes the linter of its language."""
    found = VIEWS[kind](spoken)
    drafts = made.view(made.assessment()).drafts
    assert check_card(order_cards.signing(found), URL, spoken) == ()
    assert check_card(order_cards.selected(found, drafts[:1]), URL, spoken) == ()
    assert check_card(order_cards.selected(found, ()), URL, spoken) == ()


@pytest.mark.parametrize(
    ("reasons", "indicator"),
    [
        ((STOP,), "critical"),
        ((ABOVE,), "warning"),
        ((FIRST,), "warning"),
        ((NOT_KNOWN,), "info"),
        ((AGAIN,), "info"),
    ],
)
def test_only_what_the_chart_shows_is_critical(reasons: tuple[Reason, ...], indicator: str) -> None:
    """A contraindication on record is critical; a warning and a wanted measurement are not, and a gap alarms never."""
    assert order_cards.signing(view(*reasons))["indicator"] == indicator


def test_a_finding_stands_with_its_source_by_name() -> None:
    """A source is named as the knowledge names it, shortly, and never by its key."""
    detail = order_cards.signing(view(CEILING))["detail"]
    assert "the ceiling for citalopram is 20 mg a day. (citalopram US label and 1 more source)" in detail
    assert "L-CIT" not in detail


def test_a_source_that_is_not_known_keeps_its_words() -> None:
    """What is no key of the knowledge's sources is shown as given, with the doubt."""
    detail = order_cards.signing(view(STOP, AGAIN))["detail"]
    assert "*contraindicated:* Phenelzine is taken: do not combine. (X-1, not verified)" in detail
    assert "(the chart)" in detail


def test_what_stands_in_another_finding_is_said_once() -> None:
    """A finding whose words are part of another's is neither listed nor counted."""
    card = order_cards.signing(view(ABOVE, CEILING))
    assert card["detail"].count("Age 63") == 1
    assert card["summary"] == (
        "Citalopram 60 mg a day is above 20 mg (Age 63: the ceiling for citalopram is 20 mg a day)"
    )


@pytest.mark.parametrize(
    ("spoken", "summary"),
    [
        ("en", "Citalopram: 1 finding in this chart, see the detail"),
        ("de", "Citalopram: 1 Auffälligkeit in dieser Akte, siehe Text"),
        ("es", "Citalopram: 1 hallazgo en esta historia, ver el texto"),
    ],
)
def test_a_rule_that_pushes_does_not_speak_in_the_summary(spoken: str, summary: str) -> None:
    """Where a rule's words tell what to do, the summary says only that there is a finding."""
    assert order_cards.signing(view(PUSHING, spoken=spoken))["summary"] == summary


@pytest.mark.parametrize("hostile", ["<b>x</b>", "![x](y)", "see https://evil.example", "a\nb", "a\u202eb"])
def test_chart_text_cannot_act_in_a_summary(hostile: str) -> None:
    """A message with markup, a link or a control character stands escaped in the detail and nowhere else."""
    card = order_cards.signing(view(replaced(hostile)))
    assert card["summary"] == "Citalopram: 1 finding in this chart, see the detail"
    assert check_card(card, URL) == ()


def replaced(message: str) -> Reason:
    """Return a warning in these words."""
    return Reason("W-1", "warning", message, "L-CIT", verified=True)


def test_gaps_are_named_once_and_last() -> None:
    """What is missing is named in one line in the words of its rule, and a gap without words in ours."""
    bare = Reason("LAB-9", "caution", "x", "L-CIT", verified=True, unknown=True, missing="sodium")
    detail = order_cards.signing(view(ABOVE, NOT_KNOWN, NOT_KNOWN, bare))["detail"]
    assert "**Not known:** QTc is not on file; sodium is not known." in detail


def test_more_than_five_findings_are_counted() -> None:
    """A long list is cut after five lines and says how many are left."""
    many = [replaced(f"Finding {number}.") for number in range(7)]
    detail = order_cards.signing(view(*many))["detail"]
    assert detail.count("*warning:*") == 5
    assert "- 2 more not shown" in detail


def test_leaving_the_order_is_a_choice_in_each_language() -> None:
    """Where drafts are offered instead, leaving the order as written is the last button, with an id of its own."""
    drafts = made.view(made.assessment()).drafts[:1]
    for spoken, label in (
        ("en", "No change: leave the order as written"),
        ("de", "Keine Änderung: Verordnung unverändert lassen"),
    ):
        card = order_cards.selected(view(STOP, spoken=spoken), drafts)
        assert card["suggestions"][-1] == {"label": label, "uuid": cards.no_change_id(card["uuid"])}


def test_a_smart_link_of_an_order_card_opens_its_first_draft() -> None:
    """With smart links the card of order-select hands over its first draft."""
    drafts = made.view(made.assessment()).drafts[:1]
    card = order_cards.selected(view(STOP, page_link="smart"), drafts)
    assert card["links"][0]["appContext"] == drafts[0].id
    assert check_card(card, URL) == ()
