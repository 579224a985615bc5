"""The hooks over HTTP: discovery, and one call from its raw body to its ready bytes."""

import time
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter, Request, Response

from fhir_adapters.errors import UndersignError
from service import body, telemetry
from service.cds import client_auth, discovery, envelope, order_hooks, patient_view
from service.cds.cards import Card, outcome_of
from service.cds.discovery import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, Service
from service.cds.stopwatch import Stopwatch
from service.ehr import tenants
from service.switches import applied, in_force, shadow

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter()
SHADOW = "shadow"  # the outcome of a call that was evaluated and shown to nobody
EVALUATED_BY = {
    PATIENT_VIEW: patient_view.evaluate,
    ORDER_SELECT: order_hooks.selected,
    ORDER_SIGN: order_hooks.signing,
}


@router.get("/cds-services", summary="CDS Hooks discovery")
async def discover() -> Response:
    """Return the services; public, a token is neither asked for nor read."""
    return Response(discovery.document(), media_type="application/json")


@router.post("/cds-services/{service_id}", summary="A hook call", responses={200: {"description": "Cards"}})
async def call(service_id: str, request: Request) -> Response:
    """Answer a hook call; its time and outcome are counted, and where the time went is in Server-Timing."""
    services: Services = request.app.state.services
    service = discovery.service(service_id)
    started, outcome, watch = time.perf_counter(), "U-INTERNAL", Stopwatch()
    try:
        card, outcome = await _card(service, request, services, watch)
    except UndersignError as error:
        outcome = error.code
        raise
    finally:
        telemetry.CALLS.labels(service.id, outcome).inc()
        telemetry.CALL_SECONDS.labels(service.id).observe(time.perf_counter() - started)
    answer = msgspec.json.encode({"cards": [card] if card else []})
    watch.lap("render")
    # Which stations a call in the shadow passed would tell whether there was something to say.
    timing = watch.header(stations=outcome != SHADOW)
    return Response(answer, media_type="application/json", headers={"Server-Timing": timing})


async def _card(service: Service, request: Request, services: "Services", watch: Stopwatch) -> tuple[Card | None, str]:
    """Return the card to show, and what the call came to: its topic, ``nothing-to-say`` or ``shadow``."""
    caller = await client_auth.authenticate(request.headers.getlist("authorization"), services, service.id)
    watch.lap("auth")
    if caller is not None:  # before anything is read: who is known may send nonsense too
        services.limits[caller.id].take()
    raw = await body.read_json(request, services.settings.server.body_limit_bytes)
    hook_call = envelope.parse(raw, service)
    ehr = tenants.find(caller, hook_call.fhir_server, services.settings)
    if caller is None:
        services.limits[ehr.id].take()
    watch.lap("read")
    switched = await in_force.of(services.store, ehr.id)
    switched.check_on()
    given = applied.to(services, switched, service.id)
    card = await EVALUATED_BY[service.hook](hook_call, service, ehr, given, watch)
    if not switched.shadows(service.id):
        return card, outcome_of(card)
    telemetry.SHADOWED.labels(service.id, outcome_of(card)).inc()
    await shadow.record(services.store, ehr.id, service.id, hook_call.hook_instance, card)
    return None, SHADOW
