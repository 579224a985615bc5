"""The paragraphs of a card's detail, in GitHub Markdown, each from our own words and escaped chart values."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from fhir_adapters.canonical import Adapted
from recommender.assess import STOPPED
from recommender.assessment import SEVERITIES, Assessment, Candidate, CurrentDrug, Escalation, Prediction, Reason
from service.cds import focus, options, undrafted
from service.cds.language import ENGLISH, Phrases
from service.cds.words import capital, clause, day, escape, in_ten, sentence

_FEW = 4
_NAMES = 5
_HEAD = 3
_EVERYWHERE = frozenset({"DRAFT-SCHEDULE", "DRAFT-UNVERIFIED", "DRAFT-DOSE", "DRAFT-ORDERABLE", "MODEL-ABSTAINED"})


def warnings(assessment: Assessment, say: Phrases) -> str:
    """Return what an assessment of suicide risk leaves to be done: said before anything else."""
    said = " ".join(sentence(warning) for warning in assessment.gate.warnings)
    return say.first.format(said=said) if said else ""


def why_now(assessment: Assessment, adapted: Adapted, say: Phrases) -> str:
    """Return the scores with their dates and the present treatment."""
    taken = options.treatment(assessment)
    found = [focus.scores(assessment, adapted, say), *(_course(drug, say) for drug in taken)]
    said = " ".join(part for part in found if part)
    return say.why_now.format(said=said) if said else ""


def _course(drug: CurrentDrug, say: Phrases) -> str:
    since = say.since_date.format(date=day(drug.since, say)) if drug.since else ""
    return f"{capital(escape(options.present(drug, say)))}{since}."


def table(assessment: Assessment, say: Phrases) -> str:
    """Return the options side by side, "no change" as the last of them."""
    found = options.offered(assessment)
    same = _shared(found)
    rows = [(options.label(one, assessment, say), one.predictions, _watch(one.reasons, same)) for one in found]
    rows.append((options.kept(assessment, say), assessment.no_change, _cell(against_keeping(assessment))))
    if not any(one.predictions for one in found):  # no model ranks this condition
        plain = [f"| {escape(label)} | {watch} |" for label, _, watch in rows]
        return "\n".join([say.columns_unranked, "|---|---|", *plain])
    return "\n".join([say.columns, "|---|---|---|---|", *(_row(*row, say) for row in rows)])


def _row(label: str, predictions: Mapping[str, Prediction] | None, watch: str, say: Phrases) -> str:
    outcomes = predictions or {}
    remission, stops = outcomes.get("remission"), outcomes.get("adverse-event-stopping")
    return f"| {escape(label)} | {in_ten(remission, say)} | {in_ten(stops, say)} | {watch} |"


def _watch(reasons: Sequence[Reason], same: frozenset[str] = frozenset()) -> str:
    """Return what sets this option apart; what all options share is said once, below the table."""
    worst = _worst([reason for reason in options.known(reasons) if reason.message not in same])
    return _cell(worst[0] if worst else None)


def _cell(reason: Reason | None) -> str:
    return clause(reason.message) if reason else "–"


def _shared(found: Sequence[Candidate]) -> frozenset[str]:
    none: frozenset[str] = frozenset()
    said = [frozenset(reason.message for reason in options.known(one.reasons)) for one in found]
    return said[0].intersection(*said[1:]) if len(said) > 1 else none


def either_said(assessment: Assessment) -> frozenset[str]:
    """Return the messages that every offered drug has."""
    return _shared(options.offered(assessment))


def either_way(assessment: Assessment, say: Phrases) -> str:
    """Return what the rules say in the same words of every offered drug."""
    found = options.offered(assessment)
    same = either_said(assessment)
    said = [sentence(r.message) for r in _worst(options.known(found[0].reasons)) if r.message in same] if same else []
    return say.either_way.format(said=" ".join(said)) if said else ""


def against_keeping(assessment: Assessment) -> Reason | None:
    """Return what weighs most against what "no change" keeps; it stands in the table."""
    against = [reason for drug in options.treatment(assessment) for reason in options.known(drug.reasons)]
    return next(iter(_worst(against)), None)


def ruled_out(assessment: Assessment, say: Phrases) -> str:
    """Return the exclusions that say something of this patient, each with the reason that excludes.

    That a drug is for another condition is true of nearly everybody: it is told where nothing else is.
    """
    found = excluded(assessment)
    own = [(name, reason) for name, reason in found if reason.facts or reason.unknown]
    return _named(say.ruled_out, own or found, say)


def excluded(assessment: Assessment) -> list[tuple[str, Reason]]:
    """Return the excluded drugs with the reason that excludes, those first that say most of this patient.

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
    return out


def also_possible(assessment: Assessment, say: Phrases) -> str:
    """Return the ranked drugs that are not offered, grouped by what weighs most against them in this chart."""
    groups: dict[str, list[str]] = {}
    left = (c for c in assessment.candidates if c.verdict == "eligible" and c.band is not None)
    said = either_said(assessment)
    for candidate in sorted(left, key=lambda c: (c.band or 0, -(c.utility or 0.0))):
        against = [r for r in _worst(options.known(candidate.reasons)) if r.message not in said]
        why = _about(against[0], candidate.ingredient) if against else say.nothing_against
        groups.setdefault(why, []).append(_drug(candidate.ingredient))
    shown = [f"{', '.join(names)} ({why})" for why, names in groups.items()]
    return say.also_possible.format(said="; ".join(shown[:_FEW])) if shown else ""


def _about(reason: Reason, ingredient: str) -> str:
    """Return a reason without the drug's own name, so that what holds for several is said once."""
    name = ingredient.replace("_", " ")
    return clause(re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "it", reason.message))


def not_drafted(assessment: Assessment, say: Phrases, *, briefly: bool = False) -> str:
    """Return the drugs that the rules leave but that cannot be drafted or ranked, with the reason.

    ``briefly``: what holds of a drug in nearly every chart (a controlled drug; no verified code, dose, product or trial
    at hand) is counted in one clause, and only the rest is told.
    """
    left = [c for c in assessment.candidates if c.verdict in ("not-draftable", "abstained") and c.reasons]
    told = [(c.ingredient, undrafted.refusal(c)) for c in left]
    told.sort(key=lambda pair: pair[1].rule != STOPPED)
    if not briefly:
        return _named(say.not_drafted, told, say)
    own = [pair for pair in told if pair[1].rule not in _EVERYWHERE]
    others = [name for name, reason in told if reason.rule in _EVERYWHERE]
    said = [*([_groups(own, say)] if own else []), *([_housekeeping(others, say)] if others else [])]
    return say.not_drafted.format(said="; ".join(said)) if said else ""


def _housekeeping(drugs: Sequence[str], say: Phrases) -> str:
    names = ", ".join(map(_drug, drugs[:_HEAD]))
    named = say.and_others.of(len(drugs) - _HEAD, names=names) if len(drugs) > _HEAD else names
    return say.housekeeping.format(names=named)


def _named(template: str, entries: Sequence[tuple[str, Reason]], say: Phrases) -> str:
    return template.format(said=_groups(entries, say)) if entries else ""


def _groups(entries: Sequence[tuple[str, Reason]], say: Phrases) -> str:
    # What is said of several drugs is said once: a list of repeats is not read.
    alike: dict[str, list[tuple[str, Reason]]] = {}
    for name, reason in entries:
        alike.setdefault(_about(reason, name), []).append((name, reason))
    shown = [_group(group, about, say) for about, group in alike.items()]
    more = len(shown) - _FEW
    rest = say.more_reasons.of(more) if more > 0 else ""
    return "; ".join(shown[:_FEW]) + rest


def _group(group: Sequence[tuple[str, Reason]], about: str, say: Phrases) -> str:
    names = ", ".join(_drug(name) for name, _ in group[:_NAMES])
    left = len(group) - _NAMES
    named = say.and_others.of(left, names=names) if left > 0 else names
    return f"{named} ({clause(group[0][1].message) if len(group) == 1 else about})"


def _drug(ingredient: str) -> str:
    return escape(ingredient.replace("_", " "))


def concerns(assessment: Assessment, say: Phrases, told: Reason | None = None) -> str:
    """Return what the rules say of the present drugs, the serious ones only; ``told`` stands elsewhere already."""
    said: dict[str, list[str]] = {}
    for ingredient, reason in _grave(assessment, told)[:_FEW]:
        said.setdefault(ingredient, []).append(sentence(reason.message))
    text = " ".join(f"{capital(_drug(ingredient))}: {' '.join(messages)}" for ingredient, messages in said.items())
    return say.concerns.format(said=text) if said else ""


def gravest(assessment: Assessment) -> Reason | None:
    """Return the most serious finding on the present drugs, None where none is serious."""
    return next(iter(_worst([reason for _, reason in _grave(assessment, None)])), None)


def _grave(assessment: Assessment, told: Reason | None) -> list[tuple[str, Reason]]:
    return [
        (drug.ingredient, reason)
        for drug in assessment.current
        for reason in serious(drug.reasons)
        if told is None or reason.message != told.message
    ]


def serious(reasons: Sequence[Reason]) -> list[Reason]:
    """Return the known contraindications and warnings."""
    return [r for r in options.known(reasons) if r.severity in ("contraindicated", "warning")]


def unknown(assessment: Assessment, unread: Sequence[str], say: Phrases) -> str:
    """Return the missing inputs that matter, what was not read at all, and what an open gate could not check."""
    missing = "; ".join(clause(text) for text in assessment.unknowns[:_FEW])
    unchecked = " ".join(sentence(reason) for reason in assessment.gate.reasons)
    parts = (f"{missing}." if missing else "", not_supplied(unread, say), unchecked)
    said = " ".join(part for part in parts if part)
    return say.not_known.format(said=said) if said else ""


def unseen(unread: Sequence[str], say: Phrases) -> str:
    """Return, as a paragraph of its own, what was neither sent nor could be read, or not whole."""
    return say.not_known.format(said=not_supplied(unread, say)) if unread else ""


def not_supplied(unread: Sequence[str], say: Phrases) -> str:
    """Return what was neither sent nor could be read, or not whole, as ``charts.unseen`` names it in English."""
    return say.not_supplied.format(what=", ".join(_unsupplied(one, say) for one in unread)) if unread else ""


def _unsupplied(words: str, say: Phrases) -> str:
    whole = words.removesuffix(ENGLISH.in_part.format(what=""))
    what = say.holds.get(whole, whole)
    return what if whole == words else say.in_part.format(what=what)


def people(assessment: Assessment, say: Phrases) -> str:
    """Return whom to tell, and why."""
    return _told(assessment, assessment.escalations, say)


def urgent(assessment: Assessment, say: Phrases) -> str:
    """Return whom to tell now or today, and why; empty where nobody must be."""
    return _told(assessment, [one for one in assessment.escalations if one.urgency != "routine"], say)


def _told(assessment: Assessment, escalations: Sequence[Escalation], say: Phrases) -> str:
    known = (*assessment.gate.reasons, *assessment.gate.warnings)
    told = " ".join(_person(escalation, known, say) for escalation in escalations)
    return say.to_tell.format(said=told) if told else ""


def _person(escalation: Escalation, known: Sequence[str], say: Phrases) -> str:
    who = say.person.format(who=say.recipients[escalation.to], urgency=say.urgencies[escalation.urgency])
    return f"{who}." if escalation.reason in known else f"{who}: {sentence(escalation.reason)}"


def closing(assessment: Assessment, now: datetime, say: Phrases) -> str:
    """Return the line that says what this is, and what it was made with."""
    versions = assessment.versions
    model, knowledge = escape(versions.get("model", "none")), escape(versions.get("knowledge", "none"))
    return say.closing.format(model=model, knowledge=knowledge, date=day(now.date(), say), time=f"{now:%H:%M %Z}")


def by_rules(assessment: Assessment, now: datetime, say: Phrases) -> str:
    """Return the closing line of a card without drafts: the model has no part in it."""
    knowledge = escape(assessment.versions.get("knowledge", "none"))
    return say.rules_closing.format(knowledge=knowledge, date=day(now.date(), say), time=f"{now:%H:%M %Z}")


def _worst(reasons: Sequence[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda reason: SEVERITIES.index(reason.severity))
