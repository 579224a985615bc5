"""``undersign serve``: uvicorn over the application, one worker a core, no work in thread pools."""

import os
import tempfile
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from service import settings as configuration


def run(host: str, port: int, workers: int, config: Path | None) -> None:
    """Check the settings, then serve until stopped. Raises ConfigError before anything listens."""
    configuration.load(config)
    if config is not None:
        os.environ["UNDERSIGN_CONFIG"] = str(config.resolve())
    if workers > 1:
        # Counters of several processes are summed through files; one process needs none.
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="undersign-metrics-"))
    uvicorn.run(
        "service.server:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        access_log=False,  # our own log line has the allow-listed fields; an access log would have URLs
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def application() -> FastAPI:
    """Return the application for a worker; its settings come from the environment that ``run`` left."""
    from service.app import create_app

    return create_app(configuration.load(None))


def is_ready(port: int) -> bool:
    """Return whether the service on this machine answers ``/readyz`` with 200: the image's health check."""
    try:
        with httpx.Client(trust_env=False, timeout=4) as client:
            return client.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False
