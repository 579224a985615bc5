"""The card: one at most, from our own templates. The gate decides what it says; a crisis has its shape."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from recommender.assessment import Assessment, GateStatus
from service.cds import changes, focus, heads, options, sections
from service.cds.language import ENGLISH, Phrases
from service.cds.view import Card, View, to_draft, to_flag, worked_out
from service.cds.words import capital, denial, plain, sentence
from service.drafts.records import Draft

OPTIONS = "options"  # the topic of the card that shows drafts
TOPIC_OF: Mapping[GateStatus, str] = {
    "crisis": "crisis",
    "consent-withheld": "consent",
    "insufficient-data": "too-little-data",
    "out-of-scope": "escalation",
    "jurisdiction": "escalation",
}
TOPICS = "https://undersign.dev/fhir/CodeSystem/topic"
_REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"


def override_reasons(words: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the reasons for an override, each a Coding with its words, from the words of a language by code."""
    return [{"system": _REASONS, "code": code, "display": display} for code, display in words.items()]


OVERRIDE_REASONS: Sequence[Mapping[str, str]] = tuple(override_reasons(ENGLISH.override_reasons))
ORDER_OVERRIDE_REASONS: Sequence[Mapping[str, str]] = tuple(override_reasons(ENGLISH.order_override_reasons))


def card(view: View) -> Card | None:
    """Return the card of an evaluation, None when there is nothing to say."""
    match view.assessment.gate.status:
        case "crisis":
            return _crisis(view)
        case "consent-withheld":
            return _consent(view)
        case "insufficient-data":
            return _too_little(view)
        case "jurisdiction":
            return _to_tell(view) if sections.urgent(view.assessment, view.say) else None
        case "out-of-scope":
            return _to_tell(view) if view.assessment.escalations else None
        case "open":
            return _options(view) if view.drafts else _no_option(view)


def outcome_of(card: Card | None) -> str:
    """Return what an evaluation came to: the topic of its card, ``nothing-to-say`` without one."""
    return str(card["source"]["topic"]["code"]) if card else "nothing-to-say"


def no_change_id(card_uuid: str) -> str:
    """Return the suggestion id of "no change" on a card, so that feedback can tell it."""
    return str(uuid.uuid5(uuid.UUID(card_uuid), "no-change"))


def _options(view: View) -> Card:
    held, say = {draft.ingredient for draft in view.drafts}, view.say
    shown = _only(view.assessment, held)
    detail = (
        sections.warnings(shown, say),
        sections.why_now(shown, view.adapted, say),
        focus.guidelines(shown, say),
        sections.table(shown, say),
        sections.either_way(shown, say),
        changes.over(shown, view.sources, say),
        changes.may_lower(shown, view.sources, say),
        " ".join(part for part in (options.ties(shown, say), sections.ruled_out(shown, say)) if part),
        sections.also_possible(shown, say),
        sections.not_drafted(shown, say, briefly=True),
        sections.concerns(shown, say, sections.against_keeping(shown)),
        sections.unknown(shown, view.unread, say),
        sections.people(shown, say),
        sections.closing(shown, view.now, say),
    )
    found = base(view, OPTIONS, heads.options(shown, view.adapted, len(view.drafts) + 1, say), detail)
    return found | {
        "suggestions": [*(suggestion(draft, say) for draft in view.drafts), no_change(found["uuid"], say.keep)],
        "selectionBehavior": "at-most-one",
        "links": [to_draft(view, view.drafts[0].id), worked_out(view)],
        "overrideReasons": override_reasons(say.override_reasons),
    }


def _only(assessment: Assessment, held: set[str]) -> Assessment:
    """Return the assessment with the options that are still held: a rejected one is not offered again."""
    still = tuple(name for name in assessment.offered if name in held)
    return replace(assessment, offered=still)


def suggestion(draft: Draft, say: Phrases) -> dict[str, Any]:
    """Return the suggestion of one held draft: its id is the draft's."""
    option = options.held_label(draft, say)
    action = {
        "type": "create",
        "description": say.place.format(option=option),
        "resource": msgspec.Raw(draft.resource),
    }
    return {"label": option, "uuid": draft.id, "actions": [action]}


def no_change(card_uuid: str, label: str) -> dict[str, str]:
    """Return the suggestion that changes nothing."""
    return {"label": label, "uuid": no_change_id(card_uuid)}


def _no_option(view: View) -> Card | None:
    """Return the card of an open gate with nothing drafted: serious findings, or why there is no option."""
    assessment, say = view.assessment, view.say
    concerns = sections.concerns(assessment, say)
    undrafted = not assessment.offered and assessment.step != "continue" and bool(assessment.candidates)
    if not (concerns or undrafted or assessment.escalations):
        return None
    detail = (
        sections.warnings(assessment, say),
        sections.why_now(assessment, view.adapted, say),
        focus.guidelines(assessment, say),
        focus.named(assessment, say),
        concerns,
        sections.ruled_out(assessment, say) if undrafted else "",
        sections.not_drafted(assessment, say) if undrafted else "",
        sections.unseen(view.unread, say),
        sections.people(assessment, say),
        sections.by_rules(assessment, view.now, say),
    )
    head = heads.undrafted(assessment, say) if undrafted else heads.found(assessment, say)
    return base(view, "finding", head, detail) | {"links": [worked_out(view)]}


def _crisis(view: View) -> Card:
    assessment, say = view.assessment, view.say
    detail = (
        say.answered.format(said=" ".join(sentence(reason) for reason in assessment.gate.reasons)),
        say.no_drug,
        say.who_to_call.format(said=capital(sentence(view.ehr.crisis_contact or say.crisis_team))),
        sections.people(assessment, say),
        say.reopening,
        say.crisis_closing,
    )
    now = any(escalation.urgency == "now" for escalation in assessment.escalations)
    head = say.head_crisis_now if now else say.head_crisis_today
    return base(view, TOPIC_OF["crisis"], head, detail) | {"indicator": "critical"}


def _consent(view: View) -> Card:
    reasons, say = view.assessment.gate.reasons, view.say
    said, urgent = [denial(reason, say) for reason in reasons], sections.urgent(view.assessment, say)
    detail = (" ".join(map(sentence, said)), urgent)
    rows = bool(urgent) or not set(said).isdisjoint(reasons)
    return base(view, TOPIC_OF["consent-withheld"], heads.denied(view.assessment, say), detail, rows=rows)


def order_pending(view: View) -> Card:
    """Return the card of a patient whose signed order has not been seen in the EHR yet."""
    say, warnings = view.say, sections.warnings(view.assessment, view.say)
    detail = (warnings, say.pending, sections.by_rules(view.assessment, view.now, say))
    return base(view, "order-pending", say.head_pending, detail, rows=bool(warnings))


def _too_little(view: View) -> Card:
    assessment, say = view.assessment, view.say
    missing = [f"- {sentence(reason)}" for reason in assessment.gate.reasons]
    detail = (
        "\n".join([say.missing, "", *missing]),
        sections.unseen(view.unread, say),
        sections.concerns(assessment, say),
        sections.people(assessment, say),
        sections.by_rules(assessment, view.now, say),
    )
    return base(view, TOPIC_OF["insufficient-data"], heads.too_little(assessment, say), detail)


def _to_tell(view: View) -> Card:
    assessment, say = view.assessment, view.say
    detail = (
        " ".join(sentence(reason) for reason in assessment.gate.reasons),
        focus.guidelines(assessment, say),
        focus.named(assessment, say),
        sections.concerns(assessment, say),
        sections.unseen(view.unread, say),
        sections.people(assessment, say),
        sections.by_rules(assessment, view.now, say),
    )
    return base(view, TOPIC_OF["out-of-scope"], heads.outside(assessment, say), detail)


def base(view: View, kind: str, head: str, detail: Sequence[str], *, rows: bool = True) -> Card:
    """Return what every card has; ``kind`` is its topic, ``head`` its summary.

    ``rows``: words of the knowledge stand in it, which are English.
    """
    server, say = view.settings.server, view.say
    parts = [
        say.development if server.development else "",
        *(plain(part, say) for part in detail),
        say.untranslated if rows else "",
    ]
    return {
        "uuid": view.uuid,
        "summary": head,
        "indicator": "warning" if sections.urgent(view.assessment, say) else "info",
        "detail": "\n\n".join(part for part in parts if part),
        "source": {
            "label": "Undersign",
            "url": f"{server.public_url}/model-card",
            "topic": {"system": TOPICS, "code": kind, "display": say.topics[kind]},
        },
    } | ({"links": [to_flag(view, view.flag)]} if view.flag else {})
