"""What a card shows is kept before it is shown: its drafts, its flag, the card itself."""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fhir_adapters.canonical import Adapted
from recommender.assessment import Assessment
from recommender.catalog.knowledge import Knowledge
from service.cds import cards, heads, lint, options
from service.cds.charts import Seen
from service.cds.discovery import Service
from service.cds.envelope import HookCall
from service.cds.language import ENGLISH
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.decision import attesting
from service.drafts.records import Draft, NewDraft, Shown
from service.drafts.states import UNSIGNED
from service.drafts.trail import inputs
from service.drafts.trail.inputs import Inputs
from service.settings import Ehr

if TYPE_CHECKING:
    from service.bootstrap import Services


def shown(call: HookCall, service: Service) -> Shown:
    """Return the card that a call may show, with a uuid of its own."""
    card = str(uuid.uuid4())
    detail = {"card": card, "hookInstance": call.hook_instance, "service": service.id, "topic": cards.OPTIONS}
    return Shown(card, call.user, detail)


async def hold(
    facts: str,
    seen: Seen,
    assessment: Assessment,
    ehr: Ehr,
    services: "Services",
    told: Shown,
    *,
    silenced: bool = False,
) -> tuple[Sequence[Draft], bool]:
    """Hold the drafts and return the open ones, and whether a person has already decided on these facts.

    ``facts`` is their digest. An assessment without drafts is held too: what was held for this patient on other
    facts then ends. ``silenced``: it is known that a person has, and nothing else is open.
    """
    if silenced:
        return (), bool(assessment.offered)
    kept = _kept(seen, assessment, ehr, services) if services.settings.audit.keep_inputs else None
    new = new_drafts(assessment, seen.adapted, services.knowledge, kept)
    expires = services.settings.hold.expires_after_s
    held = await services.store.hold(ehr.id, assessment.patient, facts, new, expires, SERVICE_ACTOR, told)
    drafts = [draft for draft in held if draft.state in UNSIGNED]
    return drafts, bool(new and not drafts)


def new_drafts(
    assessment: Assessment, adapted: Adapted, knowledge: Knowledge, kept: Inputs | None
) -> tuple[NewDraft, ...]:
    """Return the drafts to hold, with what they stand on where that is kept."""
    if not assessment.drafts:
        return ()
    summary = heads.options(assessment, adapted, min(len(assessment.offered), options.OFFERED) + 1, ENGLISH)
    return options.new_drafts(assessment, adapted, summary, knowledge.pgx, inputs.packed(kept) if kept else None)


def _kept(seen: Seen, assessment: Assessment, ehr: Ehr, services: "Services") -> Inputs:
    return Inputs(
        patient=seen.adapted.patient,
        as_of=assessment.as_of,
        profile=seen.adapted.profile,
        attested=tuple(seen.attested),
        jurisdiction=ehr.jurisdiction,
        consent_default=ehr.consent_default,
        requester=dict(services.device),
        stopped=dict(services.stopped),
        ranked=services.model is not None,
    )


async def flag(facts: str, assessment: Assessment, ehr: Ehr, services: "Services", told: Shown) -> str | None:
    """Raise what a person must look into, with the card that shows it; returns the flag's id, None for nothing."""
    if not attesting.is_asked(assessment, services.knowledge):
        return None
    topic = Shown(told.uuid, told.actor, {**told.detail, "topic": cards.TOPIC_OF[assessment.gate.status]})
    context = attesting.context(assessment)
    return (await services.store.raise_flag(ehr.id, assessment.patient, facts, context, topic)).id


async def remember(card: cards.Card, told: Shown, ehr: Ehr, services: "Services", *, recorded: bool) -> None:
    """Remember a card, so that feedback finds it; ``recorded`` with its flag, or with its drafts, it is already."""
    settings = services.settings.server
    if settings.development:
        lint.require_clean(card, settings.public_url, ehr.language)
    if not recorded:
        detail = {**told.detail, "topic": card["source"]["topic"]["code"]}
        await services.store.card(told.uuid, ehr.id, (), detail)
