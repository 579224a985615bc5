"""What a card says by the condition that is planned for: its name, its score, what guidelines put first."""

from collections.abc import Mapping

from fhir_adapters.canonical import Adapted
from recommender.assessment import Assessment
from service.cds.words import capital, escape, number, on, sentence

DEPRESSION = "major-depressive-disorder"
_NAMES = {DEPRESSION: "Depression", "mdd": "Depression"}
# Condition → the feature that tells how severe it is, and its name.
_SCORES: Mapping[str, tuple[str, str]] = {
    DEPRESSION: ("phq9_total", "PHQ-9"),
    "generalised-anxiety-disorder": ("gad7_total", "GAD-7"),
    "post-traumatic-stress-disorder": ("pcl5_total", "PCL-5"),
    "insomnia": ("isi_total", "ISI"),
}
_FEW = 3


def condition(assessment: Assessment) -> str:
    """Return the condition that is planned for, empty where none is known."""
    return assessment.focus or next(iter(assessment.conditions), "")


def name(assessment: Assessment) -> str:
    """Return the condition as a card's summary names it."""
    found = condition(assessment) or "medication"
    return _NAMES.get(found, capital(found.replace("-", " ")))


def finding(assessment: Assessment, adapted: Adapted) -> str:
    """Return the condition with the score that tells how severe it is: ``Depression, PHQ-9 17``."""
    feature, label = _SCORES.get(condition(assessment), ("", ""))
    value = adapted.features.number(feature) if feature else None
    return f"{name(assessment)}, {label} {number(value)}" if value is not None else name(assessment)


def scores(assessment: Assessment, adapted: Adapted) -> str:
    """Return the scores with their dates, the condition's own first, PHQ-9 with the one before it."""
    wanted = dict.fromkeys((_SCORES.get(condition(assessment), _SCORES[DEPRESSION]), _SCORES[DEPRESSION]))
    return " ".join(said for feature, label in wanted if (said := _score(feature, label, adapted)))


def _score(feature: str, label: str, adapted: Adapted) -> str:
    score = adapted.features.features[feature]
    if not isinstance(score.value, float | int):
        return ""
    previous = adapted.features.features["phq9_previous"] if feature == "phq9_total" else None
    told = previous is not None and isinstance(previous.value, float | int)
    before = f" ({previous.value:g}{on(previous.effective)})" if previous is not None and told else ""
    return f"{label} {score.value:g}{on(score.effective)}{before}."


def guidelines(assessment: Assessment) -> str:
    """Return what guidelines say first of a condition that the model does not rank, psychotherapy among it."""
    if condition(assessment) == DEPRESSION or not assessment.step_reasons:
        return ""
    told = [reason for reason in assessment.step_reasons if not reason.unknown][:_FEW]
    said = " ".join(f"{sentence(reason.message)}{'' if reason.verified else ' (not verified)'}" for reason in told)
    return f"**Guidelines.** {said}" if said else ""


def named(assessment: Assessment) -> str:
    """Return the options that guidelines name where nothing is drafted; a person decides."""
    if assessment.offered or not assessment.named:
        return ""
    drugs = ", ".join(escape(one.replace("_", " ")) for one in assessment.named[:6])
    return f"**Named by guidelines:** {drugs}. Nothing is drafted: a person decides."
