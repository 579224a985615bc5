"""The card: one at most, from our own templates. The gate decides what it says; a crisis has its shape."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from fhir_adapters.canonical import Adapted
from recommender.assessment import Assessment, GateStatus
from service.cds import focus, options, sections
from service.cds.words import NUMBERS, capital, denial, denial_head, first_that_fits, sentence
from service.drafts.store import Draft
from service.settings import Ehr, Settings

Card = dict[str, Any]

NO_CHANGE = "No change: keep the present plan"
SUMMARY_LIMIT = 139  # "under 140 characters", CDS Hooks 2.0.1, Card attributes
OPTIONS = "options"  # the topic of the card that shows drafts
TOPIC_OF: Mapping[GateStatus, str] = {
    "crisis": "crisis",
    "consent-withheld": "consent",
    "insufficient-data": "too-little-data",
    "out-of-scope": "escalation",
    "jurisdiction": "escalation",
}
TOPICS = "https://undersign.dev/fhir/CodeSystem/topic"
# HL7 cds-hooks 3.0.0-ballot, CodeSystem-non-adherence-reason-codes: code and display as published there.
_REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
OVERRIDE_REASONS: Sequence[Mapping[str, str]] = tuple(
    {"system": _REASONS, "code": code, "display": display}
    for code, display in (
        ("prefers-alternative", "Patient prefers an alternative approach or treatment"),
        ("risk-benefit-ratio", "Recipient assessment of risk/benefit ratio"),
        ("patient-contraindication", "Patient has contraindication to recommended action"),
        ("action-unsuccessful", "Recommended action was previously unsuccessful"),
        ("too-costly-uncovered", "Recommended action is too costly or not covered by insurance"),
    )
)
_REOPENING = (
    "**Once a person has assessed the risk** it can be recorded by the link below; drafting then opens where the rules "
    "allow it."
)


@dataclass(frozen=True, slots=True)
class View:
    """What a card is made of. ``drafts`` are the held ones, in rank order; ``now`` is local time.

    ``unread`` names in plain words what was neither sent nor could be read; ``flag`` is the id under which a
    practitioner can record that a person has looked into what closes drafting.
    """

    ehr: Ehr
    settings: Settings
    adapted: Adapted
    assessment: Assessment
    drafts: Sequence[Draft]
    now: datetime
    uuid: str
    unread: Sequence[str] = ()
    flag: str | None = None


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
            return _to_tell(view) if sections.urgent(view.assessment) else None
        case "out-of-scope":
            return _to_tell(view) if view.assessment.escalations else None
        case "open":
            return _options(view) if view.drafts else _no_option(view)


def summary(assessment: Assessment, adapted: Adapted, options_count: int) -> str:
    """Return the summary of an options card: problem, finding and how many options, never a command."""
    finding = focus.finding(assessment, adapted)
    offer = f"{NUMBERS[options_count]} options to review, none chosen"
    taken = options.treatment(assessment)
    days = adapted.features.number("antidepressant_days")
    on_drug = f" on {sections.present(taken[0])}" if len(taken) == 1 else ""
    weeks = f" after {days // 7:.0f} weeks of {sections.present(taken[0])}" if len(taken) == 1 and days else on_drug
    variants = (f"{finding}{weeks}: {offer}", f"{finding}{on_drug}: {offer}", f"{finding}: {offer}")
    return first_that_fits(variants, SUMMARY_LIMIT)


def no_change_id(card_uuid: str) -> str:
    """Return the suggestion id of "no change" on a card, so that feedback can tell it."""
    return str(uuid.uuid5(uuid.UUID(card_uuid), "no-change"))


def _options(view: View) -> Card:
    held = {draft.ingredient for draft in view.drafts}
    shown = _only(view.assessment, held)
    detail = (
        sections.warnings(shown),
        sections.why_now(shown, view.adapted),
        focus.guidelines(shown),
        sections.table(shown),
        sections.either_way(shown),
        " ".join(part for part in (options.ties(shown), sections.ruled_out(shown)) if part),
        sections.also_possible(shown),
        sections.not_drafted(shown),
        sections.concerns(shown),
        sections.unknown(shown, view.unread),
        sections.people(shown),
    )
    found = base(view, "options", summary(shown, view.adapted, len(view.drafts) + 1), detail)
    public = view.settings.server.public_url
    return found | {
        "suggestions": [*(suggestion(draft) for draft in view.drafts), _no_change(found["uuid"])],
        "selectionBehavior": "at-most-one",
        "links": [
            {
                "label": "Compare and sign",
                "url": f"{public}/review/{view.drafts[0].id}",
                "type": "absolute",
            },
            worked_out(view),
        ],
        "overrideReasons": [dict(reason) for reason in OVERRIDE_REASONS],
    }


def _only(assessment: Assessment, held: set[str]) -> Assessment:
    """Return the assessment with the options that are still held: a rejected one is not offered again."""
    still = tuple(name for name in assessment.offered if name in held)
    return replace(assessment, offered=still)


def suggestion(draft: Draft) -> dict[str, Any]:
    """Return the suggestion of one held draft: its id is the draft's."""
    option = msgspec.json.decode(draft.context)["option"]
    action = {
        "type": "create",
        "description": f"Place the draft in the order list, unsigned: {option}",
        "resource": msgspec.Raw(draft.resource),
    }
    return {"label": option, "uuid": draft.id, "actions": [action]}


def _no_change(card_uuid: str) -> dict[str, Any]:
    return {"label": NO_CHANGE, "uuid": no_change_id(card_uuid)}


def _no_option(view: View) -> Card | None:
    """Return the card of an open gate with nothing drafted: serious findings, or why there is no option."""
    assessment = view.assessment
    concerns = sections.concerns(assessment)
    undrafted = not assessment.offered and assessment.step != "continue" and bool(assessment.candidates)
    if not (concerns or undrafted or assessment.escalations):
        return None
    finding = "no option drafted, see why" if undrafted else "a finding on a present drug"
    head = f"{focus.name(assessment)}: {finding}"
    detail = (
        sections.warnings(assessment),
        sections.why_now(assessment, view.adapted),
        focus.guidelines(assessment),
        focus.named(assessment),
        concerns,
        sections.ruled_out(assessment) if undrafted else "",
        sections.not_drafted(assessment) if undrafted else "",
        sections.people(assessment),
    )
    return base(view, "finding", head, detail) | {"links": [worked_out(view)]}


def _crisis(view: View) -> Card:
    call = view.ehr.crisis_contact or "your site's crisis team"
    reasons = " ".join(sentence(reason) for reason in view.assessment.gate.reasons)
    detail = (
        f"**What was answered.** {reasons}",
        "**No drug is suggested now.** Drafts that were held for this patient are withdrawn from use.",
        f"**Who to call.** {capital(sentence(call))}",
        sections.people(view.assessment),
        _REOPENING,
        "*This card repeats what is on record. It is no assessment of risk: a person makes that.*",
    )
    now = any(escalation.urgency == "now" for escalation in view.assessment.escalations)
    head = f"An answer on record needs a person {'now' if now else 'today'}: no drug suggested"
    return base(view, TOPIC_OF["crisis"], head, detail, closing=False) | {"indicator": "critical"}


def _consent(view: View) -> Card:
    reasons = view.assessment.gate.reasons
    detail = (" ".join(sentence(denial(reason)) for reason in reasons), sections.urgent(view.assessment))
    return base(view, TOPIC_OF["consent-withheld"], denial_head(reasons), detail, closing=False)


def order_pending(view: View) -> Card:
    """Return the card of a patient whose signed order has not been seen in the EHR yet."""
    head = "An order signed here has not reached the chart yet: no new options until it has"
    detail = (
        sections.warnings(view.assessment),
        "A prescription of this patient was signed here and is not yet confirmed in the EHR, so the chart does "
        "not show it. Options worked out without it could double it.",
    )
    return base(view, "order-pending", head, detail)


def _too_little(view: View) -> Card:
    missing = [f"- {sentence(reason)}" for reason in view.assessment.gate.reasons]
    head = f"{focus.name(view.assessment)}: too little on record for options, see what is missing"
    detail = ("**Missing.**\n\n" + "\n".join(missing), sections.people(view.assessment))
    return base(view, TOPIC_OF["insufficient-data"], head, detail)


def _to_tell(view: View) -> Card:
    reasons = " ".join(sentence(reason) for reason in view.assessment.gate.reasons)
    head = "Outside what this service drafts for: a person to tell, see whom"
    detail = (
        reasons,
        focus.guidelines(view.assessment),
        focus.named(view.assessment),
        sections.people(view.assessment),
    )
    return base(view, TOPIC_OF["out-of-scope"], head, detail)


def base(view: View, kind: str, head: str, detail: Sequence[str], *, closing: bool = True) -> Card:
    """Return what every card has; ``kind`` is its topic, ``head`` its summary, ``closing`` the line on the model."""
    server = view.settings.server
    parts = [
        sections.development() if server.development else "",
        *detail,
        sections.closing(view.assessment, view.now) if closing else "",
    ]
    return {
        "uuid": view.uuid,
        "summary": head,
        "indicator": "warning" if sections.urgent(view.assessment) else "info",
        "detail": "\n\n".join(part for part in parts if part),
        "source": {
            "label": "Undersign",
            "url": f"{server.public_url}/model-card",
            "topic": {"system": TOPICS, "code": kind, "display": kind.replace("-", " ").capitalize()},
        },
    } | ({"links": [_recording(view, view.flag)]} if view.flag else {})


def _recording(view: View, flag: str) -> dict[str, str]:
    url = f"{view.settings.server.public_url}/crisis/{flag}"
    return {"label": "Record that a person has assessed the risk", "url": url, "type": "absolute"}


def worked_out(view: View) -> dict[str, str]:
    """Return the link to the model card."""
    url = f"{view.settings.server.public_url}/model-card"
    return {"label": "How this was worked out", "url": url, "type": "absolute"}
