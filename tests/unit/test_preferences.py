"""The patient's own weights: from a QuestionnaireResponse to the order of the drugs."""

import json
from datetime import date
from typing import Any

import pytest
from fhir.resources.R4B.questionnaire import Questionnaire

from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import Preference
from fhir_adapters.rating import preferences
from recommender.cohort.evidence import OUTCOMES
from recommender.ranker import weights
from recommender.ranker.weights import DEFAULT_WEIGHTS
from tests import factories as make

TODAY = date(2026, 11, 22)
URL = "https://undersign.dev/fhir/Questionnaire/undersign-preferences"


def _item(link: str, **value: Any) -> dict[str, Any]:
    return {"linkId": link, "answer": [value]}


def _form(*items: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "wishes",
        "questionnaire": URL + "|1",
        "status": "completed",
        "subject": {"reference": "Patient/p"},
        "authored": "2026-11-01T09:00:00+01:00",
        "item": list(items),
        **changed,
    }


def _read(*forms: dict[str, Any]) -> tuple[dict[str, float], set[tuple[str, str | None]]]:
    person = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01", "gender": "female"}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in (person, *forms)],
    }
    patient = adapt(json.dumps(bundle).encode(), TODAY).patient
    found = {one.outcome: one.importance for one in patient.preferences}
    return found, {(one.reason, one.key) for one in patient.refusals}


def test_the_form_asks_for_every_weight_there_is():
    """The Questionnaire's linkIds are just the outcomes that have a default weight, and each of them is predicted."""
    assert set(preferences.link_ids()) == set(DEFAULT_WEIGHTS)
    assert set(preferences.link_ids()) <= set(OUTCOMES)


def test_the_form_is_a_questionnaire_of_r4():
    """The file is a valid R4 Questionnaire of whole numbers, under the address that its name promises."""
    form = Questionnaire.model_validate(preferences.questionnaire())
    assert form.url == URL
    assert {item.type for item in form.item or ()} == {"integer"}


def test_answers_are_read_with_their_source():
    """A finished form gives each answer with its date, reference and path."""
    form = _form(_item("weight-gain", valueInteger=9), _item("remission", valueInteger=10))
    person = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    entries = [{"resource": person}, {"resource": form}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    found = adapt(json.dumps(bundle).encode(), TODAY).patient.preferences
    assert [(one.outcome, one.importance) for one in found] == [("remission", 10.0), ("weight-gain", 9.0)]
    assert found[1].source.reference == "QuestionnaireResponse/wishes"
    assert found[1].source.path == "item[0].answer[0].valueInteger"
    assert found[1].effective == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("items", "read", "reason"),
    [
        ([_item("sedation", valueInteger=0)], {"sedation": 0.0}, None),
        ([_item("sedation", valueDecimal=3.0)], {"sedation": 3.0}, None),
        ([_item("sedation", valueDecimal=3.5)], {}, ("implausible", "preferences.sedation")),
        ([_item("sedation", valueInteger=11)], {}, ("implausible", "preferences.sedation")),
        ([_item("sedation", valueInteger=-1)], {}, ("implausible", "preferences.sedation")),
        ([_item("sedation", valueString="a lot")], {}, ("not-a-whole-number", "preferences.sedation")),
        ([_item("sedation", valueBoolean=True)], {}, ("not-a-whole-number", "preferences.sedation")),
        ([{"linkId": "sedation"}], {}, None),
        ([_item("hair-loss", valueInteger=5)], {}, ("item-unknown", None)),
        (
            [_item("sedation", valueInteger=5), _item("sedation", valueInteger=6)],
            {},
            ("answers-disagree", "preferences.sedation"),
        ),
    ],
)
def test_what_an_answer_may_be(items, read, reason):
    """Whole numbers from 0 to 10 are read; anything else is refused by name, and never becomes a weight."""
    found, refused = _read(_form(*items))
    assert found == read
    assert reason is None or reason in refused


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": "in-progress"}, None),
        ({"status": "entered-in-error"}, None),
        ({"questionnaire": "https://ehr.example/Questionnaire/other"}, None),
        ({"questionnaire": None}, None),
        ({"authored": None}, "date-missing"),
        ({"authored": "2026-12-24"}, "future"),
        ({"authored": "2025-11-21"}, "stale"),
    ],
)
def test_a_form_that_does_not_count(changed, reason):
    """An unfinished, foreign, undated, old or future form gives no preference."""
    kept = {name: value for name, value in _form(_item("sedation", valueInteger=5), **changed).items() if value}
    found, refused = _read(kept)
    assert found == {}
    assert reason is None or (reason, "preferences") in refused


@pytest.mark.parametrize(
    "address",
    [
        URL,
        URL + "|2",
        "Questionnaire/undersign-preferences",
        "https://ehr.example/r4/Questionnaire/undersign-preferences",
    ],
)
def test_an_ehr_may_keep_its_own_copy_of_the_form(address):
    """The form is known by its name wherever an EHR keeps it."""
    assert _read(_form(_item("sedation", valueInteger=5), questionnaire=address))[0] == {"sedation": 5.0}


def test_older_versions_write_the_form_in_groups():
    """A DSTU2 form with its questions in a group, and an STU3 reference to it, are read alike."""
    group = {"question": [{"linkId": "sedation", "answer": [{"valueInteger": 5}]}]}
    reference = {"reference": "Questionnaire/undersign-preferences"}
    dstu2 = {**_form(), "questionnaire": reference, "group": group}
    stu3 = _form(_item("sedation", valueInteger=5), questionnaire=reference)
    assert _read({k: v for k, v in dstu2.items() if k != "item"})[0] == _read(stu3)[0] == {"sedation": 5.0}


def test_the_newest_form_is_the_patients_word():
    """An older form adds nothing to a newer one, in whatever order they come."""
    old = _form(_item("sedation", valueInteger=9), _item("insomnia", valueInteger=9), id="old", authored="2026-10-01")
    new = _form(_item("sedation", valueInteger=2), id="new")
    assert _read(old, new)[0] == _read(new, old)[0] == {"sedation": 2.0}


def test_two_forms_of_one_time_that_differ_are_none():
    """Forms of one moment with other answers are refused, equal ones count."""
    one, same = _form(_item("sedation", valueInteger=9)), _form(_item("sedation", valueInteger=9), id="same")
    other = _form(_item("sedation", valueInteger=1), id="other")
    assert _read(one, same)[0] == {"sedation": 9.0}
    assert _read(one, other) == ({}, {("answers-disagree", "preferences")})


def _preference(outcome: str, importance: float) -> Preference:
    return Preference(outcome, importance, TODAY, make.source("QuestionnaireResponse/wishes"))


def test_an_answer_becomes_a_weight_in_proportion():
    """Ten weighs as remission does by default, a benefit as a gain and a harm as a loss; the rest stays as it is."""
    found = weights.of(None, [_preference("remission", 10), _preference("weight-gain", 5), _preference("stopping", 0)])
    assert found.origin == "questionnaire"
    assert found.reference == "QuestionnaireResponse/wishes"
    changed = {"remission": 1.0, "weight-gain": -0.5, "stopping": 0.0}
    assert found.values == {**DEFAULT_WEIGHTS, **changed}


def test_what_is_given_comes_before_what_was_answered():
    """Explicit weights replace the form's whole; with neither the defaults hold."""
    given = weights.of({"sedation": -0.3}, [_preference("weight-gain", 5)])
    assert (given.origin, given.values) == ("given", {**DEFAULT_WEIGHTS, "sedation": -0.3})
    assert weights.of({}, []) == weights.Weights("default", DEFAULT_WEIGHTS)
