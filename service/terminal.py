"""Features and assessments on a terminal: plain, unbroken lines when piped, colour only where there is one."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from rich import markup
from rich.console import Console
from rich.table import Table

from fhir_adapters.canonical import Adapted, Feature
from recommender import drafts
from recommender.assess import dose_words
from recommender.assessment import Assessment, Candidate, Prediction, Reason
from service.cds.words import denial

_ORDER = ("offered", "eligible", "abstained", "not-draftable", "excluded")
_STYLE = {
    "contraindicated": "bold red",
    "warning": "yellow",
    "caution": "cyan",
    "monitor": "dim",
    "none": "dim",
}
_OUTCOMES = {"adverse-event-stopping": "stopping for side effects"}
_YES: Mapping[object, str] = {True: "yes", False: "no"}
# Controls, and what turns the direction of writing: a chart's text could else paint over the lines around it.
_ACTING = frozenset({"Cc", "Cf", "Zl", "Zp"})
# What a pipe gets is read by grep, so a line is never broken there.
_UNBROKEN = 10_000


def print_features(file: str, adapted: Adapted) -> None:
    """Print the feature vector as a table: value, unit, date and source, or why it is absent."""
    console = plain_or_coloured()
    console.print(f"[bold]{escape(file)}[/bold]  {escape(adapted.patient.reference)} on {adapted.features.as_of}")
    table = Table(box=None, pad_edge=False)
    for name in ("feature", "value", "unit", "date"):
        table.add_column(name, no_wrap=True)
    table.add_column("source, or why not", overflow="fold")
    for feature in adapted.features.features.values():
        table.add_row(*_feature_row(feature), style=None if feature.status == "present" else "dim")
    console.print(table)
    for refusal in adapted.patient.refusals:
        where = escape(f"{refusal.reference} {refusal.path}")
        console.print(f"not used: {where}: {escape(refusal.reason)}", style="dim")


def print_assessment(file: str, assessment: Assessment, adapted: Adapted) -> None:
    """Print an assessment as a person reads it: gate, options, what was ruled out, what is not known."""
    console = plain_or_coloured()
    console.print(f"[bold]{escape(file)}[/bold]  {escape(assessment.patient)} on {assessment.as_of}")
    gate = assessment.gate
    console.print(f"gate: [bold]{gate.status}[/bold]  {escape(' '.join(map(denial, gate.reasons)))}")
    for warning in gate.warnings:
        console.print(f"first: {escape(warning)}", style="bold yellow")
    for e in assessment.escalations:
        console.print(f"tell the {e.to} ({e.urgency}): {escape(e.reason)}", style="bold yellow")
    if assessment.ranked_by:
        console.print(f"plan: {escape(_plan(assessment))}")
    for reason in assessment.step_reasons:
        console.print(f"guideline: {escape(reason.message)}", style="dim")
    if assessment.named:
        _print_named(console, assessment)
    if assessment.gate.status == "open":
        _print_candidates(console, assessment.candidates)
    else:
        # A dose beside a crisis would be read as advice.
        console.print(f"no drug is offered; {_considered(len(assessment.candidates))}")
    for drug in assessment.current:
        known = [reason for reason in drug.reasons if not reason.unknown]
        _print_reasons(console, known, f"already taking {drug.ingredient}: ")
    if assessment.unknowns:
        console.print(f"not known: {escape('; '.join(assessment.unknowns))}")
    versions = ", ".join(f"{name} {version}" for name, version in assessment.versions.items())
    console.print(f"AI draft, not an order. {versions}", style="dim")
    console.print(f"read with profile {escape(adapted.profile)}\n", style="dim")


def _print_named(console: Console, assessment: Assessment) -> None:
    """Print the options that guidelines name, what speaks against each, and which drugs the chart rules out."""
    console.print(f"named by guidelines: {escape(', '.join(map(_spoken, assessment.named)))}")
    for candidate in assessment.candidates:
        serious = [r for r in candidate.reasons if not r.unknown and r.severity in ("contraindicated", "warning")]
        blocking = [r for r in serious if r.blocks]
        if candidate.ingredient in assessment.named:
            _print_reasons(console, serious, f"    {_spoken(candidate.ingredient)}: ")
        else:
            _print_reasons(console, blocking, f"not an option now: {_spoken(candidate.ingredient)}: ")


def _considered(number: int) -> str:
    return f"--json has each of the {number} considered" if number else "none was considered"


def _plan(assessment: Assessment) -> str:
    condition = assessment.focus.replace("-", " ") if assessment.focus else "no certain condition"
    found = (condition, assessment.step)
    return f"{', '.join(filter(None, found))}; ordered by {assessment.ranked_by}"


def _spoken(name: str) -> str:
    stem, _, release = name.rpartition("_")
    return f"{stem.replace('_', ' ')} {release.upper()}" if release in ("er", "xr") else name.replace("_", " ")


def escape(text: str) -> str:
    """Return text of a file as a terminal may print it: no markup, and no control character that would act there."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if unicodedata.category(one) in _ACTING else one for one in text)
    return markup.escape(text)


def plain_or_coloured() -> Console:
    """Return the console of standard output: coloured on a terminal, unbroken lines in a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_UNBROKEN)


def _shared(candidates: Sequence[Candidate]) -> Mapping[str, Reason]:
    """Return the reasons, by their words, that every drug that could be taken has: they are said once."""
    possible = [c for c in candidates if c.verdict in ("offered", "eligible")]
    if len(possible) < 2:
        return {}
    common = set[str].intersection(*({reason.message for reason in _told(c)} for c in possible))
    return {reason.message: reason for reason in _told(possible[0]) if reason.message in common}


def _print_candidates(console: Console, candidates: Sequence[Candidate]) -> None:
    shared = _shared(candidates)
    _print_reasons(console, shared.values(), "every option: ")
    for candidate in sorted(candidates, key=_rank):
        dose = candidate.dose
        words = f"{dose_words(dose)}, at most {drafts.amount(dose.max_mg_per_day)} mg" if dose else ""
        console.print(f"[bold]{candidate.verdict:13}[/bold] {candidate.ingredient}  {words}".rstrip())
        if candidate.predictions:
            console.print(f"    {_chances(candidate)}")
        _print_reasons(console, [r for r in _told(candidate) if r.message not in shared], "    ")
        if candidate.verdict == "offered":
            _print_reasons(console, [r for r in candidate.reasons if r.unknown and not r.blocks], "    ")
            _print_dosing(console, candidate)


def _print_dosing(console: Console, candidate: Candidate) -> None:
    """Print what may lower the dose of an option, and how to change to it; neither is an order."""
    for text in candidate.dose.pending if candidate.dose else ():
        console.print(f"    may lower the dose: {escape(text)}")
    for one in candidate.switch:
        source = f" ({one.source}{'' if one.verified else ', not verified'})" if one.source else ""
        console.print(f"    change-over from {_spoken(one.replaces)}: {escape(one.plan + source)}")


def _print_reasons(console: Console, reasons: Iterable[Reason], before: str) -> None:
    for reason in reasons:
        # What is only asked speaks against nothing yet, however grave it would be.
        severity = "" if reason.severity == "none" else f"{'ask' if reason.unknown else reason.severity}: "
        style = _STYLE["monitor" if reason.unknown else reason.severity]
        console.print(f"{before}{severity}{escape(reason.message)}", style=style)


def _told(candidate: Candidate) -> list[Reason]:
    """Return the reasons that are known, and those that exclude the drug because something is not known."""
    return [reason for reason in candidate.reasons if not reason.unknown or reason.blocks]


def _rank(candidate: Candidate) -> tuple[int, int, float, str]:
    return (
        _ORDER.index(candidate.verdict),
        candidate.band or 99,
        -(candidate.utility or 0),
        candidate.ingredient,
    )


def _chances(candidate: Candidate) -> str:
    found = candidate.predictions or {}
    said = [f"{_OUTCOMES.get(name, name)} {_share(prediction)}" for name, prediction in found.items()]
    return "; ".join([*said, f"band {candidate.band}"] if candidate.band else said)


def _share(prediction: Prediction) -> str:
    return f"{prediction.p:.0%} ({prediction.low:.0%}–{prediction.high:.0%})"


def _feature_row(feature: Feature) -> tuple[str, str, str, str, str]:
    effective = feature.effective.isoformat() if feature.effective else ""
    if feature.status != "present":
        return feature.name, "–", "", effective, f"{feature.status}: {escape(feature.reason or '')}"
    value = f"{feature.value:g}" if isinstance(feature.value, float) else _YES.get(feature.value, str(feature.value))
    source = f"{feature.source.reference} {feature.source.path}" if feature.source else ""
    return feature.name, value, feature.unit or "", effective, escape(source)
