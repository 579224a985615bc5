"""What a card says by the condition that is planned for: its name, its score, what guidelines put first."""

from collections.abc import Mapping

from fhir_adapters.canonical import Adapted
from recommender.assessment import Assessment, Candidate
from service.cds.language import Phrases
from service.cds.words import capital, clause, escape, number, on, sentence

DEPRESSION = "major-depressive-disorder"
# Condition → the feature that tells how severe it is, and its name.
SCORES: Mapping[str, tuple[str, str]] = {
    DEPRESSION: ("phq9_total", "PHQ-9"),
    "generalised-anxiety-disorder": ("gad7_total", "GAD-7"),
    "post-traumatic-stress-disorder": ("pcl5_total", "PCL-5"),
    "insomnia": ("isi_total", "ISI"),
}
# Steps at which no other drug is the question: the present one is raised, or waited for.
STAYS = frozenset({"optimise", "watch"})
_FEW, _WHY = 3, 2


def condition(assessment: Assessment) -> str:
    """Return the condition that is planned for, empty where none is known."""
    return assessment.focus or next(iter(assessment.conditions), "")


def name(assessment: Assessment, say: Phrases) -> str:
    """Return the condition as a card's summary names it; one that the language has no word for by its key."""
    found = condition(assessment) or "medication"
    return say.conditions.get(found, capital(found.replace("-", " ")))


def finding(assessment: Assessment, adapted: Adapted, say: Phrases) -> str:
    """Return the condition with the score that tells how severe it is: ``Depression, PHQ-9 17``."""
    feature, scale = SCORES.get(condition(assessment), ("", ""))
    value = adapted.features.number(feature) if feature else None
    named = name(assessment, say)
    return named if value is None else say.finding.format(condition=named, scale=scale, value=number(value, say))


def scores(assessment: Assessment, adapted: Adapted, say: Phrases) -> str:
    """Return the scores with their dates, the condition's own first, PHQ-9 with the one before it."""
    wanted = dict.fromkeys((SCORES.get(condition(assessment), SCORES[DEPRESSION]), SCORES[DEPRESSION]))
    return " ".join(said for feature, scale in wanted if (said := _score(feature, scale, adapted, say)))


def _score(feature: str, scale: str, adapted: Adapted, say: Phrases) -> str:
    score = adapted.features.features[feature]
    if not isinstance(score.value, float | int):
        return ""
    earlier = adapted.features.features["phq9_previous"] if feature == "phq9_total" else None
    before = ""
    if earlier is not None and isinstance(earlier.value, float | int):
        before = say.score_before.format(value=number(earlier.value, say), on=on(earlier.effective, say))
    return say.score.format(scale=scale, value=number(score.value, say), on=on(score.effective, say), before=before)


def guidelines(assessment: Assessment, say: Phrases) -> str:
    """Return what guidelines say first: where the model does not rank, and where the present drug is the option."""
    stays = assessment.step in STAYS
    if condition(assessment) == DEPRESSION and not stays:
        return ""
    told = [reason for reason in assessment.step_reasons if stays or not reason.unknown][: _WHY if stays else _FEW]
    said = " ".join(
        sentence(one.message) if one.verified else f"{clause(one.message)} ({say.not_verified})." for one in told
    )
    return say.guidelines.format(said=said) if said else ""


def named(assessment: Assessment, say: Phrases) -> str:
    """Return the options that guidelines name where nothing is drafted, each with what weighs most against it."""
    if assessment.offered or not assessment.named:
        return ""
    by_name = {one.ingredient: one for one in assessment.candidates}
    drugs = ", ".join(_option(one, by_name.get(one)) for one in assessment.named[:6])
    return say.named.format(drugs=drugs)


def _option(ingredient: str, candidate: Candidate | None) -> str:
    reasons = candidate.reasons if candidate else ()
    serious = (r for r in reasons if not r.unknown and r.severity in ("contraindicated", "warning"))
    against = next(serious, None)
    return escape(ingredient.replace("_", " ")) + (f" ({clause(against.message)})" if against else "")
