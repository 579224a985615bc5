"""Features and assessments on a terminal: plain text when piped, colour only where there is one."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fhir_adapters.canonical import Adapted, Feature
from recommender import drafts
from recommender.assess import dose_words
from recommender.assessment import Assessment, Candidate, Prediction, Reason

_ORDER = ("offered", "eligible", "abstained", "not-draftable", "excluded")
_STYLE = {
    "contraindicated": "bold red",
    "warning": "yellow",
    "caution": "cyan",
    "monitor": "dim",
    "none": "dim",
}


def print_features(file: str, adapted: Adapted) -> None:
    """Print the feature vector as a table: value, unit, date and source, or why it is absent."""
    console = Console(highlight=False)
    console.print(f"[bold]{escape(file)}[/bold]  {escape(adapted.patient.reference)} on {adapted.features.as_of}")
    table = Table(box=None, pad_edge=False)
    for name in ("feature", "value", "unit", "date", "source, or why not"):
        table.add_column(name)
    for feature in adapted.features.features.values():
        table.add_row(*_feature_row(feature), style=None if feature.status == "present" else "dim")
    console.print(table)
    for refusal in adapted.patient.refusals:
        console.print(f"not used: {escape(refusal.reference)} {refusal.path}: {refusal.reason}", style="dim")


def print_assessment(file: str, assessment: Assessment, adapted: Adapted) -> None:
    """Print an assessment as a person reads it: gate, options, what was ruled out, what is not known."""
    console = Console(highlight=False)
    console.print(f"[bold]{escape(file)}[/bold]  {escape(assessment.patient)} on {assessment.as_of}")
    console.print(f"gate: [bold]{assessment.gate.status}[/bold]  {escape(' '.join(assessment.gate.reasons))}")
    for e in assessment.escalations:
        console.print(f"tell the {e.to} ({e.urgency}): {escape(e.reason)}", style="bold yellow")
    for candidate in sorted(assessment.candidates, key=_rank):
        _print_candidate(console, candidate)
    for drug in assessment.current:
        for reason in drug.reasons:
            if not reason.unknown:
                console.print(
                    f"already taking {drug.ingredient}: {escape(reason.message)}",
                    style=_STYLE[reason.severity],
                )
    if assessment.unknowns:
        console.print(f"not known: {escape(', '.join(assessment.unknowns))}")
    versions = ", ".join(f"{name} {version}" for name, version in assessment.versions.items())
    console.print(f"AI draft, not an order. {versions}", style="dim")
    console.print(f"read with profile {adapted.profile}\n", style="dim")


def _print_candidate(console: Console, candidate: Candidate) -> None:
    words = [f"[bold]{candidate.verdict:13}[/bold] {candidate.ingredient}"]
    if candidate.dose:
        words.append(f"{dose_words(candidate.dose)}, at most {drafts.amount(candidate.dose.max_mg_per_day)} mg")
    if candidate.predictions:
        words.append("; ".join(f"{name} {_share(p)}" for name, p in candidate.predictions.items()))
        words.append(f"band {candidate.band}")
    console.print("  ".join(words))
    for reason in _shown(candidate.reasons):
        console.print(f"    {reason.severity}: {escape(reason.message)}", style=_STYLE[reason.severity])


def _shown(reasons: Sequence[Reason]) -> list[Reason]:
    return [r for r in reasons if not r.unknown]


def _rank(candidate: Candidate) -> tuple[int, int, float, str]:
    return (
        _ORDER.index(candidate.verdict),
        candidate.band or 99,
        -(candidate.utility or 0),
        candidate.ingredient,
    )


def _share(prediction: Prediction) -> str:
    return f"{prediction.p:.0%} ({prediction.low:.0%}–{prediction.high:.0%})"


def _feature_row(feature: Feature) -> tuple[str, str, str, str, str]:
    effective = feature.effective.isoformat() if feature.effective else ""
    if feature.status != "present":
        return feature.name, "–", "", effective, f"{feature.status}: {escape(feature.reason or '')}"
    value = f"{feature.value:g}" if isinstance(feature.value, float) else str(feature.value)
    source = f"{feature.source.reference} {feature.source.path}" if feature.source else ""
    return feature.name, value, feature.unit or "", effective, escape(source)
