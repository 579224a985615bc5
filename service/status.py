"""What operators and the curious ask: health, readiness, metrics, the public key, the model card."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request, Response

from recommender.ranker.model import Model
from service import telemetry
from service.drafts.states import UNSIGNED
from service.errors import Unavailable
from service.web import rendering

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter()
NOT_FOR = (
    "It drafts for adults with major depression only.",
    "It makes no order: a practitioner signs, or nothing happens.",
    "It gives no suicide-risk score.",
    "It is trained on a cohort simulated from published trials, not on patients.",
)


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
    return _json({"status": "ready", "model": services.model.version, "knowledge": services.knowledge.version})


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


@router.get("/model-card", summary="What the model is, and is not")
async def model_card(request: Request) -> Response:
    """Return the model card: JSON when ``Accept`` asks for it, else a page."""
    services: Services = request.app.state.services
    card = _card(services.model, services.knowledge.version)
    accepted = request.headers.get("accept", "")
    if "json" in accepted and "text/html" not in accepted:
        return _json(card, {"Vary": "Accept"})
    return _page(request, card)


def _card(model: Model | None, knowledge: str) -> Mapping[str, Any]:
    about: dict[str, Any] = {"knowledge": knowledge, "not_for": NOT_FOR}
    if model is None:
        return about | {"model": "switched off"}
    manifest = msgspec.to_builtins(model.manifest)
    kept = (
        "statement",
        "limits",
        "created",
        "patients",
        "features",
        "ranges",
        "figures",
        "evidence",
        "schema",
    )
    return about | {"model": model.version} | {name: manifest[name] for name in kept}


def _page(request: Request, card: Mapping[str, Any]) -> Response:
    figures: Mapping[str, Mapping[str, Mapping[str, float]]] = card.get("figures", {})
    named = [name for outcomes in figures.values() for found in outcomes.values() for name in found]
    response = rendering.page(request, None, "model_card.html", card=card, columns=list(dict.fromkeys(named)))
    response.headers["Vary"] = "Accept"
    return response


def _json(value: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers=dict(headers or {}))
