"""What a held draft keeps of the chart for its page: enough for the pictures, small, and nothing made up."""

from dataclasses import replace
from datetime import date

import msgspec

from fhir_adapters.canonical import CanonicalPatient, Genotype, Measurement, MedicationCourse, ScaleScore, Source
from recommender.assessment import Reason
from recommender.catalog import knowledge
from service.cds import chart_facts
from service.cds.options import new_drafts
from service.drafts.canonical_json import load_object
from tests.fixtures import assessments as made

TABLES = knowledge.load().pgx


def source(reference: str) -> Source:
    """Return a place in a chart."""
    return Source(reference, "x", "test")


def patient(**facts: object) -> CanonicalPatient:
    """Return a chart with these facts."""
    return replace(made.adapted().patient, **facts)


def test_scores_keep_their_day_and_resource_and_undated_ones_are_left() -> None:
    """Only totals with a day can be drawn; answers and undated totals are not."""
    scales = (
        ScaleScore("phq9", "total", 17.0, date(2026, 11, 3), source("Observation/2")),
        ScaleScore("phq9", "total", 12.0, None, source("Observation/1")),
        ScaleScore("phq9", "item9", 1.0, date(2026, 11, 3), source("Observation/3")),
    )
    kept = chart_facts.pictured(patient(scales=scales), made.assessment())
    assert kept["scores"] == {"phq9": [{"value": 17.0, "date": "2026-11-03", "reference": "Observation/2"}], "gad7": []}


def test_the_drugs_of_the_condition_come_first_and_the_rest_is_counted() -> None:
    """With more courses than there is room for, those for the condition are kept and the others counted."""
    treated = made.assessment().candidates[0].ingredient
    beside = [MedicationCourse("x", ("ibuprofen",), (), "taking", None, None, None, source(f"M/{n}")) for n in range(9)]
    own = MedicationCourse("y", (treated,), (), "stopped", None, date(2026, 1, 2), 50.0, source("M/own"))
    unnamed = msgspec.structs.replace(own, ingredients=())
    kept = chart_facts.pictured(patient(medications=(*beside, own, unnamed)), made.assessment())
    assert kept["courses"][0] == {
        "drug": treated,
        "treats": True,
        "taking": "stopped",
        "stop": "2026-01-02",
        "dose_mg_per_day": 50.0,
        "reference": "M/own",
    }
    assert (len(kept["courses"]), kept["courses_left"]) == (8, 2)


def test_a_gene_that_guidance_reads_is_kept_tested_or_not() -> None:
    """Genes of the drugs' guidance are kept with their certainty; without drugs none is."""
    found = Genotype("CYP2C19", "diplotype", "*2/*2", date(2025, 1, 4), source("Observation/g"))
    kept = {
        one["gene"]: one for one in chart_facts.genes(patient(genotypes=(found,)), ("citalopram", "paroxetine"), TABLES)
    }
    assert kept["CYP2D6"] == {"gene": "CYP2D6", "certainty": "not-tested"}
    assert kept["CYP2C19"]["phenotypes"] == ["Poor Metabolizer"]
    assert (kept["CYP2C19"]["certainty"], kept["CYP2C19"]["date"]) == ("derived", "2025-01-04")
    assert chart_facts.genes(patient(genotypes=(found,)), (), TABLES) == []


def test_only_what_a_known_reason_stands_on_is_cited() -> None:
    """A resource is cited with its value and day when a known reason names it, and not otherwise."""
    weight = Measurement("bmi", 34.0, "kg/m2", date(2026, 11, 3), source("Observation/5"))
    unused = Measurement("sodium", 139.0, "mmol/L", date(2026, 11, 3), source("Observation/6"))
    reason = Reason("R", "caution", "m", "S", verified=True, facts=("Observation/5",))
    gap = Reason("R", "caution", "m", "S", verified=True, facts=("Observation/6",), unknown=True)
    found = chart_facts.cited(patient(measurements=(weight, unused)), (reason, gap))
    assert found == {"Observation/5": {"what": "body mass index 34 kg/m2", "date": "2026-11-03"}}


def test_every_draft_keeps_what_its_page_draws() -> None:
    """The keys of the pictures are in each draft's context, and a drug that only lacks an input is not ruled out."""
    for new in new_drafts(made.assessment(), made.adapted(), "summary", TABLES):
        context = load_object(new.context)
        assert context.keys() >= {"chart", "genes", "cited", "ruled_out", "order", "not_known"}
        assert context["ruled_out"] == []  # the hand-made exclusion stands on no chart resource
