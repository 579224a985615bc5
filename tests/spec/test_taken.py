"""The doses of drugs that are taken already, judged by the same ceilings."""

import pytest
from msgspec.structs import replace

from fhir_adapters.canonical import Adapted
from recommender import taken
from recommender.assessment import Reason
from recommender.catalog import knowledge
from tests.factories import adult, course, patient

K = knowledge.load()


def above(drug: str, *doses: float | None, age: float = 40.0, route: str | None = None) -> list[Reason]:
    """Return what is said of the dose of a drug that is taken in these doses."""
    chart = patient(*(replace(course(drug, dose=mg), route=route) for mg in doses))
    found = {one.ingredient: one for one in taken.judged(Adapted(chart, adult(age=age), "base-r4"), K)}
    return [reason for reason in found[drug].reasons if "the highest for this patient" in reason.message]


@pytest.mark.parametrize("drug", sorted(name for name, row in K.drugs.items() if row.max_mg and name in row.substances))
def test_a_dose_above_the_ceiling_is_named_once(drug: str) -> None:
    """At the ceiling nothing is said of the dose; above it one reason says so, the drug's own rule or the ceiling."""
    most = K.drugs[drug].max_mg
    assert most is not None
    assert not any(f"{most:g} mg a day is above" in one.message for one in above(drug, most))
    chart = patient(course(drug, dose=most + 1))
    (found,) = [one for one in taken.judged(Adapted(chart, adult(age=40.0), "base-r4"), K) if one.ingredient == drug]
    assert sum(f"{most + 1:g} mg a day" in reason.message and not reason.unknown for reason in found.reasons) == 1


def test_a_ceiling_of_age_holds_for_what_is_taken() -> None:
    """Escitalopram 20 mg is no high dose at 40 and one at 70."""
    assert above("sertraline", 200.0, age=70.0) == []
    words = [one.message for one in above("sertraline", 250.0)]
    assert words == ["Sertraline 250 mg a day is above 200 mg, the highest for this patient."]


def test_of_several_records_the_highest_counts() -> None:
    """A dose above the ceiling is found in whichever record stands, and one that is not on file hides none."""
    assert len(above("sertraline", None, 100.0, 250.0)) == 1


def test_a_ceiling_of_tablets_does_not_judge_an_injection() -> None:
    """The ceilings are of what is swallowed: a depot is not judged by them."""
    assert above("aripiprazole", 400.0, route="intramuscular") == []
    assert len(above("aripiprazole", 400.0, route="oral")) == 1
