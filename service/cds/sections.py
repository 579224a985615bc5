"""The paragraphs of a card's detail, in GitHub Markdown, each from our own words and escaped chart values."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from fhir_adapters.canonical import Adapted
from recommender.assessment import SEVERITIES, Assessment, Candidate, CurrentDrug, Escalation, Prediction, Reason
from service.cds import focus, options
from service.cds.words import capital, clause, day, escape, in_ten, number, sentence

_FEW = 4


def warnings(assessment: Assessment) -> str:
    """Return what an assessment of suicide risk leaves to be done: said before anything else."""
    said = " ".join(sentence(warning) for warning in assessment.gate.warnings)
    return f"**First.** {said}" if said else ""


def why_now(assessment: Assessment, adapted: Adapted) -> str:
    """Return the scores with their dates and the present treatment."""
    found = [focus.scores(assessment, adapted), *(_course(drug) for drug in options.treatment(assessment))]
    said = " ".join(part for part in found if part)
    return f"**Why now.** {said}" if said else ""


def _course(drug: CurrentDrug) -> str:
    return f"{capital(escape(present(drug)))}{f' since {day(drug.since)}' if drug.since else ''}."


def present(drug: CurrentDrug) -> str:
    """Return a present drug with its daily dose where it is known."""
    return f"{drug.ingredient} {number(drug.dose_mg_per_day)} mg" if drug.dose_mg_per_day else drug.ingredient


def table(assessment: Assessment) -> str:
    """Return the options side by side, "no change" as the last of them."""
    found = options.offered(assessment)
    same = _shared(found)
    if not any(one.predictions for one in found):  # no model ranks this condition
        plain = [f"| {escape(options.label(one, assessment))} | {_watch(one.reasons, same)} |" for one in found]
        label, watch = _kept(assessment)
        return "\n".join(["| option | most to watch |\n|---|---|", *plain, f"| {escape(label)} | {watch} |"])
    rows = [_row(options.label(one, assessment), one.predictions, _watch(one.reasons, same)) for one in found]
    head = "| option | remission (acute treatment) | stops for side effects | most to watch |\n|---|---|---|---|"
    return "\n".join([head, *rows, _no_change(assessment)])


def _row(label: str, predictions: Mapping[str, Prediction] | None, watch: str) -> str:
    outcomes = predictions or {}
    remission, stops = outcomes.get("remission"), outcomes.get("adverse-event-stopping")
    return f"| {escape(label)} | {in_ten(remission)} | {in_ten(stops)} | {watch} |"


def _watch(reasons: Sequence[Reason], same: frozenset[str] = frozenset()) -> str:
    """Return what sets this option apart; what all options share is said once, below the table."""
    worst = _worst([reason for reason in options.known(reasons) if reason.message not in same])
    return clause(worst[0].message) if worst else "–"


def _shared(found: Sequence[Candidate]) -> frozenset[str]:
    none: frozenset[str] = frozenset()
    said = [frozenset(reason.message for reason in options.known(one.reasons)) for one in found]
    return said[0].intersection(*said[1:]) if len(said) > 1 else none


def either_said(assessment: Assessment) -> frozenset[str]:
    """Return the messages that every offered drug has."""
    return _shared(options.offered(assessment))


def either_way(assessment: Assessment) -> str:
    """Return what the rules say in the same words of every offered drug."""
    found = options.offered(assessment)
    same = either_said(assessment)
    said = [sentence(r.message) for r in _worst(options.known(found[0].reasons)) if r.message in same] if same else []
    return f"**Either way.** {' '.join(said)}" if said else ""


def _no_change(assessment: Assessment) -> str:
    label, watch = _kept(assessment)
    return _row(label, assessment.no_change, watch)


def _kept(assessment: Assessment) -> tuple[str, str]:
    """Return "no change" in words, and what weighs most against what is kept."""
    taken = options.treatment(assessment)
    kept = ", ".join(present(drug) for drug in taken)
    none = "no antidepressant now" if focus.condition(assessment) == focus.DEPRESSION else "no drug for it now"
    label = f"No change: stay on {kept}" if taken else f"No change: {none}"
    return label, _watch([reason for drug in taken for reason in drug.reasons])


def ruled_out(assessment: Assessment) -> str:
    """Return the exclusions that say most of this patient, each with the reason that excludes.

    Reasons that stand on a chart resource come first, then those whose input is missing, then the rest: that
    a drug is for another condition is true of most patients. The present drug is in the table already.
    """
    taken = {drug.ingredient for drug in options.treatment(assessment)}
    out = [
        (candidate.ingredient, excluding)
        for candidate in assessment.candidates
        if candidate.verdict == "excluded" and candidate.ingredient not in taken
        for excluding in _worst([reason for reason in candidate.reasons if reason.blocks])[:1]
    ]
    out.sort(key=lambda pair: (not pair[1].facts, not pair[1].unknown, SEVERITIES.index(pair[1].severity)))
    return _named("Ruled out", out)


def also_possible(assessment: Assessment) -> str:
    """Return the ranked drugs that are not offered, grouped by what weighs most against them in this chart."""
    groups: dict[str, list[str]] = {}
    left = (c for c in assessment.candidates if c.verdict == "eligible" and c.band is not None)
    said = either_said(assessment)
    for candidate in sorted(left, key=lambda c: (c.band or 0, -(c.utility or 0.0))):
        against = [r for r in _worst(options.known(candidate.reasons)) if r.message not in said]
        why = _about(against[0], candidate.ingredient) if against else "nothing more against them on record"
        groups.setdefault(why, []).append(_drug(candidate.ingredient))
    shown = [f"{', '.join(names)} ({why})" for why, names in groups.items()]
    return f"**Also possible:** {'; '.join(shown[:_FEW])}." if shown else ""


def _about(reason: Reason, ingredient: str) -> str:
    """Return a reason without the drug's own name, so that what holds for several is said once."""
    return clause(reason.message.replace(ingredient, "it"))


def not_drafted(assessment: Assessment) -> str:
    """Return the drugs that the rules leave but that cannot be drafted or ranked, with the reason."""
    left = [c for c in assessment.candidates if c.verdict in ("not-draftable", "abstained") and c.reasons]
    return _named("Not drafted", [(c.ingredient, c.reasons[-1]) for c in left])


def _named(title: str, entries: Sequence[tuple[str, Reason]]) -> str:
    if not entries:
        return ""
    # What one rule says of several drugs is said once: a list of repeats is not read.
    by_rule: dict[str, list[tuple[str, Reason]]] = {}
    for entry in entries:
        by_rule.setdefault(entry[1].rule, []).append(entry)
    shown = [_group(group) for group in by_rule.values()]
    more = len(shown) - _FEW
    rest = f"; {more} more reason{'s' if more > 1 else ''} not shown" if more > 0 else ""
    return f"**{title}:** {'; '.join(shown[:_FEW])}{rest}."


def _group(group: Sequence[tuple[str, Reason]]) -> str:
    names = [_drug(name) for name, _ in group]
    message = group[0][1].message
    if any(reason.message != message for _, reason in group):  # the words name the first drug only
        others = len(names) - 1
        return f"{names[0]} ({clause(message)}) and {others} other{'s' if others > 1 else ''} likewise"
    return f"{', '.join(names)} ({clause(message)})"


def _drug(ingredient: str) -> str:
    return escape(ingredient.replace("_", " "))


def concerns(assessment: Assessment) -> str:
    """Return what the rules say of the present drugs, the serious ones only."""
    said = [
        f"{_drug(drug.ingredient)}: {sentence(reason.message)}"
        for drug in assessment.current
        for reason in serious(drug.reasons)
    ]
    return f"**Present drugs.** {' '.join(said[:_FEW])}" if said else ""


def serious(reasons: Sequence[Reason]) -> list[Reason]:
    """Return the known contraindications and warnings."""
    return [r for r in options.known(reasons) if r.severity in ("contraindicated", "warning")]


def unknown(assessment: Assessment, unread: Sequence[str] = ()) -> str:
    """Return the missing inputs that matter, what was not read at all, and what an open gate could not check."""
    missing = "; ".join(clause(text) for text in assessment.unknowns[:_FEW])
    unchecked = " ".join(sentence(reason) for reason in assessment.gate.reasons)
    lacking = f"Not supplied: {', '.join(unread)}." if unread else ""
    parts = (f"{missing}." if missing else "", lacking, unchecked)
    said = " ".join(part for part in parts if part)
    return f"**Not known:** {said}" if said else ""


def people(assessment: Assessment) -> str:
    """Return whom to tell, and why."""
    return _told(assessment, assessment.escalations)


def urgent(assessment: Assessment) -> str:
    """Return whom to tell now or today, and why; empty where nobody must be."""
    return _told(assessment, [escalation for escalation in assessment.escalations if escalation.urgency != "routine"])


def _told(assessment: Assessment, escalations: Sequence[Escalation]) -> str:
    said = (*assessment.gate.reasons, *assessment.gate.warnings)
    told = [_person(escalation, said) for escalation in escalations]
    return f"**To tell.** {' '.join(told)}" if told else ""


def _person(escalation: Escalation, said: Sequence[str]) -> str:
    who = f"{capital(escalation.to.replace('-', ' '))} ({escalation.urgency})"
    return f"{who}." if escalation.reason in said else f"{who}: {sentence(escalation.reason)}"


def closing(assessment: Assessment, now: datetime) -> str:
    """Return the line that says what this is, and what it was made with."""
    versions = assessment.versions
    model, knowledge = escape(versions.get("model", "none")), escape(versions.get("knowledge", "none"))
    return (
        "*AI draft, not an order. Trained on published trials, not on patients of this hospital. "
        f"Model {model}, knowledge {knowledge}, record as of {day(now.date())} {now:%H:%M %Z}.*"
    )


def development() -> str:
    """Return the line of every card in development mode."""
    return "**DEVELOPMENT MODE: not for the care of a patient.**"


def _worst(reasons: Sequence[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda reason: SEVERITIES.index(reason.severity))
