"""The assessment's story: what is offered, what is not, and that nothing in it is ever an order."""

from collections.abc import Mapping
from typing import Any

import pytest

from fhir_adapters.canonical import Adapted, CanonicalPatient, FeatureVector
from recommender.assess import OFFERED, assess
from recommender.assessment import Assessment, Candidate
from recommender.catalog import knowledge
from recommender.ranker import model
from recommender.serialize import assessment_json
from tests import factories as make

K = knowledge.load()
M = model.load()
MDD = make.diagnosis("mdd", onset=make.days_ago(90))


def adapted(patient: CanonicalPatient, features: FeatureVector) -> Adapted:
    """Return what the adapters would hand over."""
    return Adapted(patient, features, "base-r4")


def result(*facts: Any, features: FeatureVector | None = None, **more: Any) -> Assessment:
    """Return the assessment of a depressed adult with these further facts."""
    return assess(adapted(make.patient(MDD, *facts), features or make.adult()), K, M, **more)


def by_name(found: Assessment) -> Mapping[str, Candidate]:
    """Return the candidates by ingredient."""
    return {candidate.ingredient: candidate for candidate in found.candidates}


def test_two_first_line_drugs_are_offered_with_a_draft_each() -> None:
    """An untreated adult gets two drugs of the guideline's first line, each with a dose, a band and a draft."""
    found = result()
    assert len(found.offered) == OFFERED == len(found.drafts)
    for name in found.offered:
        candidate = by_name(found)[name]
        assert (candidate.verdict, candidate.dose is None, candidate.band is None) == ("offered", False, False)


def test_drafts_are_proposals_of_a_device_and_never_orders() -> None:
    """Every draft is status draft, intent proposal, requested by a Device, labelled AIAST."""
    for draft in result().drafts:
        assert (draft["status"], draft["intent"], draft["requester"]["type"]) == ("draft", "proposal", "Device")
        assert draft["meta"]["security"][0]["code"] == "AIAST"
        assert draft["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["code"] == "mg"


def test_the_two_offered_come_from_two_classes_when_tied() -> None:
    """Tied drugs of two classes are preferred to two of one."""
    found = result()
    first, second = (K.drugs[name].drug_class for name in found.offered)
    assert first != second


def test_what_has_less_against_it_comes_first_within_a_band() -> None:
    """With an NSAID on the list the offered drugs are tied ones without a bleeding warning."""
    found = result(make.course("ibuprofen", start=make.days_ago(30)))
    named = {reason.rule for name in found.offered for reason in by_name(found)[name].reasons if not reason.unknown}
    assert not named & {"SR077", "SR080"}


@pytest.mark.parametrize(
    ("taken", "never"),
    [("citalopram", "escitalopram"), ("escitalopram", "citalopram"), ("venlafaxine", "desvenlafaxine")],
)
def test_the_same_active_moiety_is_no_switch(taken: str, never: str) -> None:
    """After a drug its enantiomer or metabolite is not offered, and the reason says so."""
    features = make.adult(antidepressant_days=70.0)
    found = result(make.course(taken, start=make.days_ago(70), dose=20), features=features)
    candidate = by_name(found)[never]
    assert never not in found.offered
    assert any("not a change of drug" in reason.message for reason in candidate.reasons)
    assert taken not in found.offered


def test_a_contraindicated_drug_is_excluded_with_its_reason() -> None:
    """A seizure disorder excludes bupropion, and the reason names it and its source."""
    found = by_name(result(make.diagnosis("seizure_disorder")))["bupropion"]
    blocking = [reason for reason in found.reasons if reason.blocks]
    assert (found.verdict, found.severity, found.predictions) == ("excluded", "contraindicated", None)
    assert "eizure" in blocking[0].message
    assert blocking[0].source


def test_a_wash_out_without_its_stop_date_blocks() -> None:
    """An MAO inhibitor that ended on a day nobody recorded excludes what may not follow it, and says what to ask."""
    found = result(make.course("phenelzine", taking="stopped", start=make.days_ago(900)))
    assert found.offered == ()
    blocking = [reason for reason in by_name(found)["sertraline"].reasons if reason.blocks]
    assert [reason.missing for reason in blocking] == ["stop date of phenelzine"]


FACTS = (
    make.diagnosis("seizure_disorder"),
    make.diagnosis("liver_disease"),
    make.course("phenelzine", taking="stopped", start=make.days_ago(90), stop=make.days_ago(3)),
    make.course("pimozide", start=make.days_ago(30)),
    make.course("linezolid", start=make.days_ago(2)),
    make.allergy("sertraline"),
)


@pytest.mark.parametrize("fact", FACTS, ids=lambda f: f.source.reference)
def test_adding_a_grave_fact_never_adds_an_option(fact: Any) -> None:
    """What a contraindication leaves was possible before: nothing is allowed by something grave."""

    def possible(found: Assessment) -> set[str]:
        return {c.ingredient for c in found.candidates if c.verdict in ("offered", "eligible")}

    assert possible(result(fact)) <= possible(result())


@pytest.mark.parametrize(
    ("features", "status"),
    [
        (make.adult(phq9_item9=2.0), "crisis"),
        (make.adult(age=16.0), "out-of-scope"),
        (make.adult(phq9_total=4.0), "out-of-scope"),
        (make.features(age=45.0, sex="male", depression=True), "insufficient-data"),
    ],
)
def test_a_closed_gate_offers_and_predicts_nothing(features: FeatureVector, status: str) -> None:
    """Behind a closed gate there is no draft, no prediction and no offered drug."""
    found = result(features=features)
    assert found.gate.status == status
    assert (found.offered, found.drafts) == ((), ())
    assert all(c.verdict not in ("offered", "eligible") and c.predictions is None for c in found.candidates)


def test_a_closed_jurisdiction_works_nothing_out() -> None:
    """Where the law closes drafting, no candidate and no present drug is judged."""
    found = result(jurisdiction="US-NV")
    assert (found.gate.status, found.candidates, found.current) == ("jurisdiction", (), ())


def test_without_a_model_nothing_is_ranked_and_the_reason_is_named() -> None:
    """With the ranker off, what the rules leave is abstained from, not offered in some other order."""
    found = assess(adapted(make.patient(MDD), make.adult()), K, None)
    assert found.offered == ()
    assert {c.verdict for c in found.candidates} <= {"excluded", "not-draftable", "abstained"}


def test_preferences_change_the_utility_and_nothing_else() -> None:
    """Weights move utilities; probabilities, verdicts of the rules and doses stay."""
    plain, weighed = by_name(result()), by_name(result(preferences={"adverse-event-stopping": -5.0}))
    assert plain["sertraline"].utility != weighed["sertraline"].utility
    assert plain["sertraline"].predictions == weighed["sertraline"].predictions
    assert plain["sertraline"].dose == weighed["sertraline"].dose


def test_gaps_of_the_offered_drugs_are_named_once() -> None:
    """Each missing input of the offered drugs stands once among the unknowns, with how it is missing."""
    found = result()
    assert len(found.unknowns) == len(set(found.unknowns))
    assert any("is not on file" in text for text in found.unknowns)


def nulls(value: Any, path: str = "") -> list[str]:
    """Return the paths at which a JSON value is null."""
    if isinstance(value, dict):
        return [p for name, inner in value.items() for p in nulls(inner, f"{path}.{name}")]
    if isinstance(value, list | tuple):
        return [p for i, inner in enumerate(value) for p in nulls(inner, f"{path}[{i}]")]
    return [path] if value is None else []


def test_the_json_has_the_contracts_shape_and_no_null() -> None:
    """Every field of the outside contract is there; what is absent is left out, not null."""
    found = result(make.course("citalopram", start=make.days_ago(70), dose=20))
    line = assessment_json(found, adapted(make.patient(MDD), make.adult()))
    wanted = "patient as_of profile fhir_version features gate escalations conditions candidates current"
    assert {*wanted.split(), "drafts", "versions"} <= set(line)
    assert nulls(line) == []
    offered = next(c for c in line["candidates"] if c["verdict"] == "offered")
    assert {"ingredient", "rxnorm", "severity", "reasons", "dose", "predictions", "utility", "band"} <= set(offered)
    assert {"start_mg_per_day", "max_mg_per_day", "adjusted_by", "titration"} <= set(offered["dose"])
