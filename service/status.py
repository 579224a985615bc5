"""What operators ask: health, readiness, metrics, the public key."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter, Request, Response

from service import telemetry
from service.drafts.states import UNSIGNED
from service.errors import Unavailable

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter()


@router.get("/healthz", summary="The process answers")
async def healthz() -> Response:
    """Answer as long as the process runs; says nothing of what stands behind it."""
    return _json({"status": "ok"})


@router.get("/readyz", summary="Model loaded and store open")
async def readyz(request: Request) -> Response:
    """Answer 200 when calls can be served; Unavailable U-MODEL-OFF or what the store raises."""
    services: Services = request.app.state.services
    await services.store.count(UNSIGNED)
    if services.model is None:
        raise Unavailable("U-MODEL-OFF", "the model is switched off: hooks answer 503, signing works")
    found: dict[str, object] = {"status": "ready", "model": services.model.version}
    found["knowledge"] = services.knowledge.version
    if refused := [ehr for ehr, client in services.clients.items() if client.unfit]:
        found["refused"] = dict.fromkeys(refused, "U-EHR-MODE")
    return _json(found)


@router.get("/metrics", summary="Prometheus metrics")
async def metrics() -> Response:
    """Return the metrics of all workers; none holds a patient's value."""
    return Response(telemetry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/.well-known/jwks.json", summary="The service's public key")
async def jwks(request: Request) -> Response:
    """Return the key that verifies signatures and client assertions."""
    services: Services = request.app.state.services
    keys = msgspec.json.encode(services.signer.public_jwks())
    return Response(keys, media_type="application/json", headers={"Cache-Control": "public, max-age=600"})


def _json(value: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers=dict(headers or {}))
