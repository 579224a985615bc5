"""A chart fact at its source: the entry as the EHR has it now, read with the user's own token."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_adapters.reading.subjects import patient_id_of
from service.drafts.order import order_elements
from service.ehr.readback import read_resource
from service.ehr.transport import EhrRefused
from service.errors import BadRequest, EhrFailed, Unauthenticated
from service.smart import sessions
from service.web import opening, own_choice, points, record, view
from service.web.opening import Opened
from service.web.rendering import PageRoute, page

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_GONE = frozenset({403, 404, 410})
_ASIDE = ("meta", "text", "resourceType", "id")  # shown as the address, or said again by the coded elements
_MOST, _LONGEST = 60, 400  # lines of an entry, and letters of one


@router.get("/review/{draft_id}/fact")
async def fact(request: Request, draft_id: str, of: str) -> Response:
    """Show one chart fact that a draft stands on, beside its entry in the EHR; BadRequest U-REQUEST for another one."""
    services = opening.services_of(request)
    session = await sessions.current(request, services)
    if session is None:
        return RedirectResponse(f"/review/{quote(draft_id)}", status_code=303)
    opened = await opening.opened(services, session, draft_id)
    if await own_choice.is_owed(opened):
        return RedirectResponse(f"/review/{quote(draft_id)}", status_code=303)
    kept = await _kept(opened)
    if of not in kept:
        raise BadRequest("U-REQUEST", "This draft does not stand on that entry: choose one of its chart facts.")
    await opening.shown(opened, "fact")
    raw = await _entry(opened, of)
    return page(
        request,
        session,
        "fact.html",
        person=opened.person,
        draft=draft_id,
        cite=points.cite(of, kept[of]),
        address=f"{services.tenant(opened.draft.ehr).fhir_base}/{of}",
        lines=_lines(read_resource(raw)) if raw else None,
        text=msgspec.json.format(raw, indent=2).decode() if raw else "",
    )


async def _kept(opened: Opened) -> dict[str, Mapping[str, str]]:
    """Return the chart facts of the assessment by reference, as they were read then."""
    drafts = view.together(opened.draft, await opening.of_patient(opened))
    return {reference: fact for one in drafts for reference, fact in record.read(one.context).get("cited", {}).items()}


async def _entry(opened: Opened, reference: str) -> bytes | None:
    """Return the resource as it is; None where the EHR has it no longer, or not for this user."""
    client = opened.services.clients[opened.draft.ehr]
    try:
        raw = await client.read(reference, opened.session.token)
    except EhrRefused as error:
        if error.http_status in _GONE:
            return None
        if error.http_status == 401:
            raise Unauthenticated("U-AUTH", "Sign in at the EHR and try again.") from error
        raise
    found = read_resource(raw)
    if f"{found.get('resourceType')}/{found.get('id')}" != reference or not _is_of(found, opened.draft.patient):
        raise EhrFailed("U-EHR-ANSWER", "The EHR's entry is not the one that was asked for; ask its operators.")
    return raw


def _is_of(entry: Mapping[str, Any], patient: str) -> bool:
    """Return whether an entry names no other patient than this one."""
    named = [cast("dict[str, Any]", of) for of in map(entry.get, ("subject", "patient")) if isinstance(of, dict)]
    others = {patient_id_of(str(of.get("reference", ""))) for of in named} - {"", patient.removeprefix("Patient/")}
    return not others


def _lines(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the elements of an entry that has a value, each path with what it says."""
    told: dict[str, list[str]] = {}
    for path, value in order_elements.leaves({name: of for name, of in entry.items() if name not in _ASIDE}):
        if path.endswith(".system"):  # an address that says nothing to a reader; the whole entry has it
            continue
        text = str(value)
        told.setdefault(path, []).append(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
    return [(path, ", ".join(found)) for path, found in list(told.items())[:_MOST]]
