"""The EHR's own buttons that fire hooks and tell of cards: ``/hooks/…``. They ask for no login."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from conformance.reference_ehr import rounds
from conformance.reference_ehr.cds_client import HookCall
from conformance.reference_ehr.codec import decode, encode, is_list, is_object
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.refusals import Json, invalid

router = APIRouter(prefix="/hooks")
_MOST_TIMES = 20


@router.post("/patient-view")
async def open_chart(request: Request) -> Response:
    """Open a chart as a user: ``{"patient", "user"}`` calls the CDS service and returns what came back."""
    asked = decode(await request.body())
    return _calls(await _ehr(request).cds.patient_view(_text(asked, "user"), _text(asked, "patient")))


@router.post("/order-select")
async def choose(request: Request) -> Response:
    """Choose orders: ``{"patient", "user", "orders"?}``; without orders a draft of sertraline."""
    asked = decode(await request.body())
    user, patient = _text(asked, "user"), _text(asked, "patient")
    return _calls(await _ehr(request).cds.order_select(user, patient, _orders(_ehr(request), asked)))


@router.post("/order-sign")
async def sign(request: Request) -> Response:
    """Be about to sign orders, as ``/order-select``."""
    asked = decode(await request.body())
    user, patient = _text(asked, "user"), _text(asked, "patient")
    return _calls(await _ehr(request).cds.order_sign(user, patient, _orders(_ehr(request), asked)))


@router.post("/feedback")
async def feedback(request: Request) -> Response:
    """Send feedback on cards: ``{"service", "feedback": […]}`` as CDS Hooks has it."""
    asked = decode(await request.body())
    status = await _ehr(request).cds.feedback(_text(asked, "service"), asked.get("feedback", []))
    return Response(encode({"status": status}), media_type="application/json")


@router.post("/round")
async def play(request: Request) -> Response:
    """Make a round of all hooks with feedback: ``{"times"?}`` opens the chart so often again."""
    asked = decode(await request.body() or b"{}")
    times = asked.get("times", 1)
    if not isinstance(times, int) or not 0 <= times <= _MOST_TIMES:
        raise invalid(f"times is a number up to {_MOST_TIMES}.")
    return _calls(await rounds.play(_ehr(request), times))


def _orders(ehr: ReferenceEhr, asked: Json) -> list[Json]:
    orders: Any = asked.get("orders")
    if is_list(orders) and all(is_object(one) and "resourceType" in one and "id" in one for one in orders):
        return orders
    if orders is not None:
        raise invalid("orders is a list of resources with ids.")
    account = ehr.authorization.accounts.get(_text(asked, "user"))
    return [rounds.draft(_text(asked, "patient"), account.fhir_user if account else "")]


def _calls(calls: Sequence[HookCall]) -> Response:
    return Response(encode({"calls": [asdict(call) for call in calls]}), media_type="application/json")


def _ehr(request: Request) -> ReferenceEhr:
    return request.app.state.ehr


def _text(asked: Json, name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise invalid(f"{name} is missing.")
    return value
