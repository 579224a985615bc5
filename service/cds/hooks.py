"""The hooks over HTTP: discovery, and one patient-view call from its raw body to its ready bytes."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter, Request, Response

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted
from fhir_adapters.errors import UndersignError
from fhir_adapters.reading import strict_json
from recommender.assess import assess
from recommender.assessment import Assessment
from service import body, site_time, telemetry
from service.cds import cards, client_auth, discovery, envelope, lint, options
from service.cds.discovery import Service
from service.cds.envelope import HookCall
from service.drafts import attesting
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.facts import facts_digest
from service.drafts.states import UNCONFIRMED, UNSIGNED
from service.drafts.store import Draft, Shown
from service.ehr import prefetch, tenants
from service.errors import Unavailable
from service.settings import Ehr

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter()


@router.get("/cds-services", summary="CDS Hooks discovery")
async def discover() -> Response:
    """Return the services; public, a token is neither asked for nor read."""
    return Response(discovery.document(), media_type="application/json")


@router.post("/cds-services/{service_id}", summary="A hook call", responses={200: {"description": "Cards"}})
async def call(service_id: str, request: Request) -> Response:
    """Answer a hook call; its time and outcome are counted."""
    services: Services = request.app.state.services
    service = discovery.service(service_id)
    started, outcome = time.perf_counter(), "U-INTERNAL"
    try:
        outcome, answer = await _answer(service, request, services)
    except UndersignError as error:
        outcome = error.code
        raise
    finally:
        telemetry.CALLS.labels(service.id, outcome).inc()
        telemetry.CALL_SECONDS.labels(service.id).observe(time.perf_counter() - started)
    return Response(answer, media_type="application/json")


async def _answer(service: Service, request: Request, services: "Services") -> tuple[str, bytes]:
    caller = await client_auth.authenticate(request.headers.get("authorization"), services)
    raw = await body.read_json(request, services.settings.server.body_limit_bytes)
    hook_call = envelope.parse(raw, service)
    ehr = tenants.find(caller, hook_call.fhir_server, services.settings)
    services.limits[ehr.id].take()
    card = await evaluate(hook_call, service, ehr, services)
    outcome = card["source"]["topic"]["code"] if card else "nothing-to-say"
    return outcome, msgspec.json.encode({"cards": [card] if card else []})


async def evaluate(hook_call: HookCall, service: Service, ehr: Ehr, services: "Services") -> cards.Card | None:
    """Return the card of one call, its drafts durable in the store, or None when there is nothing to say.

    Raises Unavailable U-MODEL-OFF, Precondition U-CDS-PREFETCH, InputError for a prefetch that cannot be
    read, and what the store raises.
    """
    if services.model is None:
        raise Unavailable("U-MODEL-OFF", "the model is switched off here, so nothing is evaluated")
    values = await _values(hook_call, service, ehr, services)
    profile = services.profiles[ehr.id]
    now = site_time.local(services.clock(), profile)
    adapted = adapt_prefetch(values, hook_call.patient_id, now.date(), profile, checked=True)
    recorded = await services.store.attestations(ehr.id, adapted.patient.reference)
    attested = tuple(attesting.known(one, profile) for one in recorded)
    assessment = assess(
        adapted,
        services.knowledge,
        services.model,
        jurisdiction=ehr.jurisdiction,
        requester=services.device,
        consent_default=ehr.consent_default,
        attestations=attested,
    )
    # An order that was signed here and is not yet seen in the EHR is in no chart: options beside it would double it.
    pending = await services.store.find(ehr=ehr.id, patient=assessment.patient, states=UNCONFIRMED, limit=1)
    if pending:
        assessment = replace(assessment, offered=(), drafts=())
    shown = _shown(hook_call)
    facts = facts_digest(adapted, assessment, attested)
    drafts, decided = await _hold(facts, adapted, assessment, ehr, services, shown)
    _log(hook_call, ehr, assessment)
    if decided:
        return None
    unread = [t.holds for t in service.templates if values.get(t.key, prefetch.UNREADABLE) == prefetch.UNREADABLE]
    flag = await _flagged(facts, assessment, ehr, services, shown)
    view = cards.View(ehr, services.settings, adapted, assessment, drafts, now, shown.uuid, unread, flag)
    card = cards.order_pending(view) if pending and assessment.gate.status == "open" else cards.card(view)
    if card is not None:
        await _remember(card, shown, drafts, ehr, services, recorded=flag is not None)
    return card


async def _values(hook_call: HookCall, service: Service, ehr: Ehr, services: "Services") -> Mapping[str, bytes]:
    """Return the prefetch, completed; all of it has passed strict JSON: what was sent, with the body."""
    client = services.clients[ehr.id] if hook_call.fhir_server is not None else None
    sent, patient_id = hook_call.prefetch, hook_call.patient_id
    profile = services.profiles[ehr.id]
    values = await prefetch.complete(sent, service.templates, patient_id, client, hook_call.token, profile)
    for key, value in values.items():
        if value is not sent.get(key):
            strict_json.check(value)
    return values


async def _hold(
    facts: str, adapted: Adapted, assessment: Assessment, ehr: Ehr, services: "Services", shown: Shown
) -> tuple[Sequence[Draft], bool]:
    """Hold the drafts and return the open ones, and whether a person has already decided on these facts.

    An assessment without drafts is held too: what was held for this patient on other facts then ends.
    """
    patient = assessment.patient
    summary = cards.summary(assessment, adapted, min(len(assessment.offered), options.OFFERED) + 1)
    new = options.new_drafts(assessment, adapted, summary)
    expires = services.settings.hold.expires_after_s
    held = await services.store.hold(ehr.id, patient, facts, new, expires, SERVICE_ACTOR, shown)
    drafts = [draft for draft in held if draft.state in UNSIGNED]
    return drafts, bool(new and not drafts)


async def _flagged(facts: str, assessment: Assessment, ehr: Ehr, services: "Services", shown: Shown) -> str | None:
    """Raise what a person must look into, with the card that shows it; returns the flag's id, None for nothing."""
    if not attesting.is_asked(assessment, services.knowledge):
        return None
    told = replace(shown, detail={**shown.detail, "topic": cards.TOPIC_OF[assessment.gate.status]})
    context = attesting.context(assessment)
    return (await services.store.raise_flag(ehr.id, assessment.patient, facts, context, told)).id


def _shown(hook_call: HookCall) -> Shown:
    card = str(uuid.uuid4())
    detail = {"card": card, "hookInstance": hook_call.hook_instance, "topic": cards.OPTIONS}
    return Shown(card, hook_call.user, detail)


async def _remember(
    card: cards.Card, shown: Shown, drafts: Sequence[Draft], ehr: Ehr, services: "Services", *, recorded: bool
) -> None:
    """Remember a card, so that feedback finds it; ``recorded`` with its flag, or with its drafts, it is already."""
    settings = services.settings.server
    if settings.development:
        lint.require_clean(card, settings.public_url)
    if not (drafts or recorded):
        detail = {**shown.detail, "topic": card["source"]["topic"]["code"]}
        await services.store.card(shown.uuid, ehr.id, (), detail)


def _log(hook_call: HookCall, ehr: Ehr, assessment: Assessment) -> None:
    telemetry.log().info(
        "evaluated",
        ehr=ehr.id,
        hook_instance=hook_call.hook_instance,
        gate=assessment.gate.status,
        offered=len(assessment.offered),
        **{name: assessment.versions[name] for name in ("model", "knowledge")},
    )
