"""Summaries: the problem and the finding in under 140 characters, never a command."""

from collections.abc import Iterable

from fhir_adapters.canonical import Adapted
from recommender.assessment import Assessment, Escalation
from service.cds import focus, sections
from service.cds.language import Phrases
from service.cds.options import present, treatment
from service.cds.words import MARKUP, fact, first_that_fits, plain, pushes

SUMMARY_LIMIT = 139  # "under 140 characters", CDS Hooks 2.0.1, Card attributes


def fitting(variants: Iterable[str], say: Phrases) -> str:
    """Return the first variant that is short enough, does not push and holds no markup; the last one is ours."""
    return first_that_fits([one for one in variants if one and _is_plain(one) and not pushes(one, say)], SUMMARY_LIMIT)


def _is_plain(text: str) -> bool:
    """Say whether words of a chart may stand in a summary, where nothing is escaped."""
    return text.isprintable() and not MARKUP.search(text)


def options(assessment: Assessment, adapted: Adapted, count: int, say: Phrases) -> str:
    """Return the summary of an options card: problem, finding and how many options, never a command."""
    said = {
        "finding": focus.finding(assessment, adapted, say),
        "offer": say.to_review.format(count=say.numbers[count]),
    }
    variants = [say.summary.format(**said)]
    taken = treatment(assessment)
    if len(taken) == 1:
        said["drug"] = present(taken[0], say)
        variants.insert(0, say.summary_on.format(**said))
        days = adapted.features.number("antidepressant_days")
        if days:
            variants.insert(0, say.summary_after.of(int(days // 7), **said))
    return first_that_fits(variants, SUMMARY_LIMIT)


def denied(assessment: Assessment, say: Phrases) -> str:
    """Return the summary of a card on consent, what cannot wait before it; only a denial is called one."""
    reasons = assessment.gate.reasons
    if not say.denials.keys().isdisjoint(reasons):
        closed = say.head_denied
    elif not say.unreadable_consents.keys().isdisjoint(reasons):
        closed = say.head_consent_unreadable
    else:
        closed = say.head_consent_first
    return fitting((_alarm(assessment, say), closed), say)


def undrafted(assessment: Assessment, say: Phrases) -> str:
    """Return the summary of a card without an option: what rules out most that could be offered."""
    named = focus.name(assessment, say)
    steps = assessment.step_reasons if assessment.step in focus.STAYS else ()
    why = [fact(reason.message, say) for _, reason in sections.excluded(assessment) if reason.facts]
    most = fact(steps[0].message, say) if steps else max(why, key=why.count, default="")
    because = say.head_undrafted_why.format(condition=named, why=most) if most else ""
    return fitting((because, say.head_undrafted.format(condition=named)), say)


def found(assessment: Assessment, say: Phrases) -> str:
    """Return the summary of a finding on the present drugs, or else of somebody to tell."""
    named, gravest = focus.name(assessment, say), sections.gravest(assessment)
    if gravest is not None:
        message = plain(gravest.message.rstrip(" ."), say)
        return fitting((message, say.head_finding.format(condition=named)), say)
    return fitting((_told(assessment.escalations[0], say), say.head_told.format(condition=named)), say)


def too_little(assessment: Assessment, say: Phrases) -> str:
    """Return the summary of a card on what is missing: the first of it."""
    named, reasons = focus.name(assessment, say), assessment.gate.reasons
    because = say.head_too_little_why.format(condition=named, why=fact(reasons[0], say)) if reasons else ""
    return fitting((because, say.head_too_little.format(condition=named)), say)


def outside(assessment: Assessment, say: Phrases) -> str:
    """Return the summary of a card on what is not drafted for: what cannot wait, else what in the chart says so."""
    because, (reason, *_) = "", (*assessment.gate.reasons, "")
    if assessment.gate.status == "out-of-scope" and reason and assessment.escalations:
        because = say.head_outside_why.format(why=fact(reason, say), who=_who(assessment.escalations[0], say))
    return fitting((_alarm(assessment, say), because, say.head_outside), say)


def _alarm(assessment: Assessment, say: Phrases) -> str:
    """Return what a person must see now or today, empty where nothing is."""
    return next((_told(one, say) for one in assessment.escalations if one.urgency != "routine"), "")


def _told(escalation: Escalation, say: Phrases) -> str:
    return say.head_told_why.format(why=fact(escalation.reason, say), who=_who(escalation, say))


def _who(escalation: Escalation, say: Phrases) -> str:
    who = say.recipients[escalation.to]
    urgent = escalation.urgency != "routine"
    return say.person.format(who=who, urgency=say.urgencies[escalation.urgency]) if urgent else who
