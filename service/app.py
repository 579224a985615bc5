"""The HTTP application: routes, one outermost error boundary, and the life of what stands behind them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI

from service import background, bootstrap, model_card_page, openapi, status, telemetry
from service.boundary import HANDLED, Boundary, on_error
from service.cds import feedback, hooks
from service.fhir import api as fhir_api
from service.settings import Settings
from service.smart import launch
from service.web import crisis, page, rendering


def create_app(settings: Settings) -> FastAPI:
    """Return the application. Raises ConfigError, ModelError or KnowledgeError before anything listens."""
    telemetry.configure(settings.server.log_level)
    services = bootstrap.build(settings)
    app = FastAPI(
        title="Undersign",
        lifespan=_lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect of a POST loses its body with some clients
    )
    app.state.services = services
    for error in HANDLED:
        app.add_exception_handler(error, on_error)
    for routes in (hooks, feedback, fhir_api, launch, page, crisis, model_card_page, status):
        app.include_router(routes.router)
    app.mount("/static", rendering.static)
    app.openapi = partial(openapi.document, app)
    app.add_middleware(Boundary, settings=settings)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    services: bootstrap.Services = app.state.services
    async with bootstrap.opened(services):
        loops = asyncio.create_task(background.run(services))
        _greet(services)
        try:
            yield
        finally:
            loops.cancel()
            with suppress(asyncio.CancelledError):
                await loops


def _greet(services: bootstrap.Services) -> None:
    log, model = telemetry.log(), services.model
    if services.settings.server.development:
        log.warning("DEVELOPMENT MODE: callers may be unauthenticated; not for the care of a patient")
    log.info(
        "ready",
        count=len(services.settings.ehr),
        model=model.version if model else "off",
        knowledge=services.knowledge.version,
    )
