"""The model card: every source attribute, filled from the run, with blanks that stay blank."""

import csv
import io
from importlib.resources import files

import pytest

from fhir_adapters.vector.schema import FEATURES
from recommender.catalog import knowledge
from recommender.model_card.card import Card, card
from recommender.ranker import model as models
from recommender.training import fairness
from recommender.training.evaluation import Evaluation, assembled

MODEL = models.load()
KNOWLEDGE = knowledge.load()
ROWS = list(csv.DictReader(io.StringIO((files("recommender") / "model_card" / "attributes.csv").read_text("utf-8"))))
VALUES = {"auc": (0.66, 0.67), "ece": (0.01, 0.012), "fair_found": (1.0, 1.0)}
NOBODY = fairness.Audit((), (), (), 0.05)


def _evaluation(model: str) -> Evaluation:
    about = {"model": model, "evidence": "e", "created": "2026-11-22", "seeds": (101, 102), "patients": 12_000}
    return assembled(about, VALUES, NOBODY, {})


def _value(found: Card, key: str) -> str:
    return next(one.value for one in found.attributes if one.id == key)


def _blank(found: Card, key: str) -> str:
    return next(one.blank for one in found.attributes if one.id == key)


def test_all_source_attributes_of_the_regulation_are_there_once():
    """The card has 31 predictive and 13 evidence-based attributes, each with an id of its own, a source and a date."""
    kinds = [row["kind"] for row in ROWS]
    assert (kinds.count("predictive"), kinds.count("evidence-based")) == (31, 13)
    assert len({row["id"] for row in ROWS}) == 44
    assert all(row["source"] and row["date"] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_an_attribute_has_either_an_answer_or_a_blank_that_says_so(row):
    """Every attribute of the shipped card has a value or words for its blank, never both and never neither."""
    one = next(a for a in card(MODEL.manifest, KNOWLEDGE, None).attributes if a.id == row["id"])
    assert bool(one.value) != bool(one.blank)


@pytest.mark.parametrize("key", ["P17", "P18", "P19", "P20", "P23", "P24", "P25", "P29"])
def test_what_was_never_done_on_patients_is_blank(key):
    """External validation, local validity and evaluations of use are blank whatever the evaluation says."""
    assert _value(card(MODEL.manifest, KNOWLEDGE, _evaluation(MODEL.version)), key) == ""


def test_external_validation_says_none():
    """The blank of external validation is a sentence that can be quoted."""
    assert _blank(card(MODEL.manifest, KNOWLEDGE, None), "P17") == "External validation on patients: none."


def test_performance_is_filled_from_an_evaluation_of_the_very_model():
    """With its own evaluation the card tells its figures; with another model's, or none, it says that there is none."""
    own = card(MODEL.manifest, KNOWLEDGE, _evaluation(MODEL.version))
    assert "Remission AUC (above 0.75 is a leak): 0.665" in _value(own, "P21")
    assert "2 cohorts of 12,000 simulated people" in _value(own, "P21")
    assert own.evaluated == "2026-11-22"
    for other in (None, _evaluation("depression-1+000000000000")):
        found = card(MODEL.manifest, KNOWLEDGE, other)
        assert (_value(found, "P21"), found.evaluated) == ("", None)
        assert "undersign evaluate" in _blank(found, "P21")


def test_what_the_manifest_says_is_on_the_card():
    """Statement, limits and ranges of the manifest stand in the attributes that ask for them."""
    found = card(MODEL.manifest, KNOWLEDGE, None)
    assert MODEL.manifest.statement in _value(found, "P11")
    assert all(limit in _value(found, "P10") for limit in MODEL.manifest.limits)
    assert "age 18 to 90" in _value(found, "P06")


def test_a_card_without_a_model_claims_nothing_of_one():
    """With the model switched off, nothing that only a manifest knows is filled."""
    found = card(None, KNOWLEDGE, None)
    assert [_value(found, key) for key in ("P03", "P06", "P10", "P11", "P12", "P21", "P22")] == [""] * 7
    assert _value(found, "E04").startswith("Knowledge version")


def test_what_the_card_says_is_not_used_is_no_feature():
    """No feature of the schema is a race, ethnicity, language, orientation, gender identity or social determinant."""
    words = ("race", "ethnic", "language", "orientation", "gender", "income", "housing", "insurance", "education")
    assert [f.name for f in FEATURES if any(word in f.name for word in words)] == []
    not_used = [row["id"] for row in ROWS if row["text"] == "Not used."]
    assert not_used == ["E05", "E06", "E07", "E08", "E09", "E12"]
