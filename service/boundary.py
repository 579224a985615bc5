"""The outermost layer of the HTTP service: every error an OperationOutcome, CORS and security headers on all.

It stands around the routes as plain ASGI, so that error answers carry the same headers as the others.
"""

import time
from collections.abc import Mapping

import msgspec
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhir_adapters.errors import UndersignError
from service import body, telemetry
from service.errors import (
    BadRequest,
    Busy,
    Forbidden,
    NotFound,
    ServiceError,
    TooMany,
    Unauthenticated,
    http_status,
    operation_outcome,
)
from service.fhir import formats
from service.settings import Settings

_ALLOW_HEADERS = "authorization, content-type, x-csrf-token"
_ALLOW_METHODS = "GET, POST"
# HEAD is a GET without its body (RFC 9110 §9.3.2) for what programs read; a page that is asked for is a page shown.
_HEADED = ("/fhir/", "/cds-services", "/.well-known/", "/healthz", "/readyz", "/metrics", "/openapi.json")


class Boundary:
    """Around all routes. The allow-list of browsers is the union of the tenants' ``origins``."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._server = settings.server
        self._origins = frozenset(origin for ehr in settings.ehr for origin in ehr.origins)
        self._security = _security_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, headers, status = time.perf_counter(), Headers(scope=scope), 0
        bare = scope["method"] == "HEAD" and scope["path"].startswith(_HEADED)
        scope = {**scope, "method": "GET"} if bare else scope

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(raw=message["headers"]), headers.get("origin"))
            elif bare:
                message = {**message, "body": b""}
            await send(message)

        try:
            if scope["path"].startswith("/fhir/"):
                formats.check(headers.get("accept", ""), QueryParams(scope["query_string"]).get("_format"))
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await self._preflight(headers.get("origin"))(scope, receive, answer)
            else:
                await self._app(scope, self._guard(receive, headers), answer)
        except Exception as error:  # noqa: BLE001 - the one outermost boundary: no crash leaves without an answer
            if status == 0:
                await error_response(error)(scope, receive, answer)
        finally:
            _log(scope, status, started)

    def _guard(self, receive: Receive, headers: Headers) -> Receive:
        declared = headers.get("content-length", "")
        return body.guard(receive, declared, self._server.body_limit_bytes, self._server.read_timeout_s)

    def _dress(self, headers: MutableHeaders, origin: str | None) -> None:
        for name, value in self._security.items():
            headers.setdefault(name, value)
        headers.add_vary_header("Origin")
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = str(origin)

    def _preflight(self, origin: str | None) -> Response:
        if origin not in self._origins:
            return error_response(Forbidden("U-CORS-ORIGIN", "this origin is not in any tenant's ehr.origins"))
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": _ALLOW_METHODS,
                "Access-Control-Allow-Headers": _ALLOW_HEADERS,
                "Access-Control-Max-Age": "600",
            },
        )


def error_response(error: Exception) -> Response:
    """Return any error as an OperationOutcome with its stable code.

    An unforeseen one is logged by type and place: its text may quote a chart.
    """
    known = _known(error)
    telemetry.ERRORS.labels(known.code).inc()
    return Response(
        msgspec.json.encode(operation_outcome(known)),
        status_code=getattr(error, "status_code", None) or http_status(known),
        headers={**_carried(error), **_challenge(known)},
        media_type="application/fhir+json",
    )


async def on_error(request: Request, error: Exception) -> Response:
    """The application's handler of errors that routes raise."""
    return error_response(error)


HANDLED: tuple[type[Exception], ...] = (UndersignError, HTTPException, RequestValidationError)


def _known(error: Exception) -> UndersignError:
    if isinstance(error, UndersignError):
        return error
    if isinstance(error.__cause__, UndersignError):  # FastAPI wraps what reading a form raises
        return error.__cause__
    if isinstance(error, RequestValidationError):
        places = ", ".join(".".join(str(part) for part in found["loc"]) for found in error.errors())
        return BadRequest("U-REQUEST", f"the request is not what this operation takes: see {places}")
    if isinstance(error, HTTPException):
        return _of_router(error)
    telemetry.log().error("unforeseen error", exc_info=error)
    return ServiceError("U-INTERNAL", "a fault of this service; its operators find it in the log by time")


def _of_router(error: HTTPException) -> UndersignError:
    if error.status_code == 404:
        return NotFound("U-PATH", "there is nothing at this path; see /cds-services and /fhir/metadata")
    if error.status_code == 405:
        return BadRequest("U-METHOD", "this path does not take this method; see the Allow header")
    return BadRequest("U-REQUEST", "the request is not what this operation takes")


def _carried(error: Exception) -> Mapping[str, str]:
    return dict(error.headers or {}) if isinstance(error, HTTPException) else {}


def _challenge(error: UndersignError) -> Mapping[str, str]:
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, Busy):
        return {"Retry-After": str(error.retry_after_s)}
    return {"Retry-After": "1"} if isinstance(error, TooMany) else {}


def _security_headers(settings: Settings) -> Mapping[str, str]:
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    if settings.server.public_url.startswith("https:"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def _log(scope: Scope, status: int, started: float) -> None:
    route = getattr(scope.get("route"), "path", "none")
    took = round((time.perf_counter() - started) * 1000, 2)
    telemetry.log().info("answered", method=scope["method"], route=route, status=status, duration_ms=took)
