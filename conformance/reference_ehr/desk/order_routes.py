"""Order entry as pages: choose a drug, change it, review and sign. The hooks are called where CDS Hooks has them."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from conformance.reference_ehr.desk import advice, orders, record
from conformance.reference_ehr.desk.advice import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, Answer
from conformance.reference_ehr.desk.rendering import DeskRoute, ehr_of, visits_of
from conformance.reference_ehr.desk.routes import context, opened, shown, to
from conformance.reference_ehr.desk.visits import Visit, one_of
from conformance.reference_ehr.refusals import Refusal, invalid

router = APIRouter(include_in_schema=False, route_class=DeskRoute)


@router.get("/charts/{patient}/orders")
async def listed(request: Request, patient: str) -> Response:
    """Show what is being written and what is on record, with the card on the drug that was chosen."""
    ehr, visit = ehr_of(request), visits_of(request).required(request)
    person = record.person(ehr, patient)
    await _in_chart(request, visit, patient)
    return shown(
        request, visit, person, "orders.html", unsigned=visits_of(request).unsigned(visit, patient),
        answer=visit.answers.get(ORDER_SELECT, Answer()), recorded=record.orders(ehr, patient), present=orders.present,
        formulary=sorted(orders.formulary().values(), key=lambda one: one.display), times=orders.TIMES,
        problems=record.problems(ehr, patient), most_mg=orders.MOST_MG, most_days=orders.MOST_DAYS,
    )  # fmt: skip


@router.post("/charts/{patient}/orders")
async def begin(request: Request, patient: str) -> Response:
    """Choose a drug: it becomes an unsigned order, and ``order-select`` is called."""
    ehr, (visit, form) = ehr_of(request), await opened(request, patient)
    known = [reference for reference, _ in record.problems(ehr, patient)]
    reason = form.get("reason", "") if form.get("reason", "") in known else None
    held = orders.begun(form.get("product", ""), patient, reason, ehr.store.clock().date())
    visits_of(request).unsigned(visit, patient).append(held)
    return await _selected(request, visit, patient, held.reference)


@router.post("/charts/{patient}/orders/{order}")
async def change(request: Request, patient: str, order: str) -> Response:
    """Change the dose of an unsigned order, or take it off the list."""
    visit, form = await opened(request, patient)
    unsigned = visits_of(request).unsigned(visit, patient)
    place = one_of(unsigned, order)
    if form.get("act") == "remove":
        del unsigned[place]
        visit.answers.pop(ORDER_SELECT, None)
        visit.said = "Taken off the list. Nothing was ordered."
        return to(f"/charts/{patient}/orders")
    try:
        mg, times, days = float(form.get("mg", "")), int(form.get("times", "")), int(form.get("days", ""))
    except ValueError as error:
        raise invalid("Dose, times and days are numbers.") from error
    unsigned[place] = orders.changed(unsigned[place], mg, times, days)
    return await _selected(request, visit, patient, unsigned[place].reference)


@router.post("/charts/{patient}/review")
async def review(request: Request, patient: str) -> Response:
    """Call ``order-sign`` with everything that is unsigned, and go to the page where it is signed."""
    visit, _ = await opened(request, patient)
    unsigned = visits_of(request).unsigned(visit, patient)
    asked = context(visit, patient, draftOrders=orders.drafts(unsigned))
    visit.answers[ORDER_SIGN] = await advice.ask(ehr_of(request), ORDER_SIGN, asked) if unsigned else Answer()
    return to(f"/charts/{patient}/sign")


@router.get("/charts/{patient}/sign")
async def before(request: Request, patient: str) -> Response:
    """Show the orders as they would be signed, with what was said against them."""
    ehr, visit = ehr_of(request), visits_of(request).required(request)
    person, unsigned = record.person(ehr, patient), visits_of(request).unsigned(visit, patient)
    if visit.patient != patient or ORDER_SIGN not in visit.answers or not unsigned:
        return to(f"/charts/{patient}/orders")
    allowed = orders.may_sign(ehr, visit.account, ehr.store.clock().date())
    answer = visit.answers[ORDER_SIGN]
    return shown(request, visit, person, "sign.html", unsigned=unsigned, answer=answer, allowed=allowed)


@router.post("/charts/{patient}/sign")
async def sign(request: Request, patient: str) -> Response:
    """Sign what was reviewed; refuses users who may not, and critical cards that nobody has answered."""
    ehr, (visit, form) = ehr_of(request), await opened(request, patient)
    unsigned, today = visits_of(request).unsigned(visit, patient), ehr.store.clock().date()
    if not orders.may_sign(ehr, visit.account, today):
        raise Refusal(403, "forbidden", "U-REF-SIGNER", "Your role at this hospital may not sign orders.")
    answer = visit.answers.get(ORDER_SIGN)
    if answer is None or form.get("orders", "") != " ".join(one.id for one in unsigned) or not unsigned:
        raise invalid("The orders changed since they were reviewed. Nothing was signed: review them again.")
    if any(card.stops for card in answer.cards):
        raise invalid("A critical card wants a reason first. Nothing was signed.")
    for one in unsigned:
        orders.sign(ehr, one, visit.account, today)
    visit.said = f"Signed by you: {len(unsigned)} {'order' if len(unsigned) == 1 else 'orders'}."
    unsigned.clear()
    visit.answers = {name: kept for name, kept in visit.answers.items() if name == PATIENT_VIEW}
    return to(f"/charts/{patient}/orders")


async def _in_chart(request: Request, visit: Visit, patient: str) -> None:
    if visit.open(patient):
        visit.answers[PATIENT_VIEW] = await advice.ask(ehr_of(request), PATIENT_VIEW, context(visit, patient))


async def _selected(request: Request, visit: Visit, patient: str, selection: str) -> Response:
    unsigned = visits_of(request).unsigned(visit, patient)
    asked = context(visit, patient, draftOrders=orders.drafts(unsigned), selections=[selection])
    visit.answers[ORDER_SELECT] = await advice.ask(ehr_of(request), ORDER_SELECT, asked)
    visit.answers.pop(ORDER_SIGN, None)
    return to(f"/charts/{patient}/orders")
