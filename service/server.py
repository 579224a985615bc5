"""``undersign serve``: uvicorn over the application, one worker a core, no work in thread pools."""

import asyncio
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from service import settings_file as configuration
from service.app import create_app
from service.connections import Bounded
from service.drafts import stores
from service.errors import ConfigError
from service.settings import Settings

_OPTIONS: dict[str, Any] = {
    "log_config": None,
    "access_log": False,  # our own log line has the allow-listed fields; an access log would have URLs
    "server_header": False,
    "http": Bounded,
    "timeout_graceful_shutdown": 5,
}


def run(host: str, port: int, workers: int, config: Path | None) -> None:
    """Check everything that can be checked, then serve until stopped.

    Raises ConfigError, ModelError, KnowledgeError or Unavailable before anything listens: a worker that
    cannot start would be started again and again.
    """
    settings = configuration.load(config)
    _try_port(host, port)
    asyncio.run(_try_store(settings))
    if workers == 1:
        application = _application(settings)
        uvicorn.run(application, host=host, port=port, **_OPTIONS)
        return
    create_app(settings)
    if config is not None:
        os.environ["UNDERSIGN_CONFIG"] = str(config.resolve())
    # Counters of several processes are summed through files; one process needs none.
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="undersign-metrics-"))
    uvicorn.run("service.server:worker", factory=True, host=host, port=port, workers=workers, **_OPTIONS)


def worker() -> FastAPI:
    """Return the application of one of several workers; ``run`` left it the configuration's path."""
    return _application(configuration.load(None))


def _application(settings: Settings) -> FastAPI:
    Bounded.patience_s = settings.server.read_timeout_s
    return create_app(settings)


def _try_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = (error.strerror or "it cannot be had").partition(" (")[0]
        raise ConfigError(
            "U-CONFIG-VALUE", f"port {port} of {host}: {reason}; give others with --host and --port"
        ) from error


async def _try_store(settings: Settings) -> None:
    store = stores.of(settings)
    await store.open()
    await store.close()
