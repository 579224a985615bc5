"""The EHR's pages as answers: templates, headers, refusals as pages. Nothing on them is a script or from outside."""

import hashlib
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from conformance import plain_words as words
from conformance.reference_ehr.desk.visits import Visits
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.refusals import Refusal

_TITLES = {401: "Please sign in", 403: "Not allowed", 404: "Not found"}


class DeskRoute(APIRoute):
    """A route for browsers: what the EHR refuses is answered as a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route with refusals shown as pages."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except Refusal as refusal:
                title = _TITLES.get(refusal.status, "That did not work")
                said = {"title": title, "message": refusal.message, "code": refusal.code}
                return page(request, "message.html", said, refusal.status)

        return handle


def ehr_of(request: Request) -> ReferenceEhr:
    """Return the EHR that the application serves."""
    return request.app.state.ehr


def visits_of(request: Request) -> Visits:
    """Return who is signed in at it."""
    return request.app.state.visits


def page(
    request: Request, template: str, shown: Mapping[str, object], status: int = 200, *, framed: bool = False
) -> Response:
    """Return a template as an answer; ``framed`` lets the EHR's own pages show it in a frame."""
    ehr, visit = ehr_of(request), visits_of(request).of(request)
    text = _environment().get_template(template).render(visit=visit, style=f"/desk.css?v={_style()[1]}", **shown)
    return HTMLResponse(text, status, headers=_headers(ehr, "'self'" if framed else "'none'"))


def style() -> Response:
    """Return the style sheet; its address changes with its content."""
    return Response(
        _style()[0], media_type="text/css", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


@cache
def _style() -> tuple[bytes, str]:
    sheet = (files("conformance.reference_ehr.desk") / "static" / "desk.css").read_bytes()
    return sheet, hashlib.sha256(sheet).hexdigest()[:12]


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("conformance.reference_ehr.desk"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["full_name"] = words.full_name
    found.filters["day"] = words.day
    return found


def _headers(ehr: ReferenceEhr, ancestors: str) -> dict[str, str]:
    app = f" {origin(ehr.service_url)}" if ehr.service_url else ""
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        f"frame-src 'self'{app}; frame-ancestors {ancestors}"
    )
    # Not no-referrer: with that, browsers send "Origin: null" with our own forms.
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def origin(address: str) -> str:
    """Return the origin of an address."""
    found = urlsplit(address)
    return f"{found.scheme}://{found.netloc}"
