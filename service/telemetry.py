"""Logs and metrics: JSON lines through one allow-list of keys, and counters without any patient's value.

The event of a line is a constant of ours. A key that is not on the list is dropped and counted, so that a
slip in the code cannot put a chart into a log.
"""

import logging
import os
import sys
from types import TracebackType
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from structlog.typing import EventDict, WrappedLogger

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "timestamp", "logger", "service", "hook", "hook_instance", "ehr", "outcome", "code",
        "status", "method", "route", "duration_ms", "bytes", "draft", "card", "version", "state", "order_id",
        "attempt", "retry_s", "count", "loop", "reason", "issuer", "expected", "jti", "kid", "alg", "gate",
        "offered", "key", "keys", "profile", "model", "knowledge", "development", "error", "where", "dropped",
        "register",
    }
)  # fmt: skip

REGISTRY = CollectorRegistry()
CALLS = Counter("undersign_cds_calls", "Hook calls by outcome.", ["service", "outcome"], registry=REGISTRY)
CALL_SECONDS = Histogram(
    "undersign_cds_call_seconds",
    "Time of a hook call, from its first byte read to its answer ready.",
    ["service"],
    buckets=(0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1, 2, 5),
    registry=REGISTRY,
)
FEEDBACK = Counter("undersign_cds_feedback", "Feedback on cards.", ["outcome"], registry=REGISTRY)
SHADOWED = Counter(
    "undersign_cds_shadow_evaluations",
    "Hook calls that were evaluated in the shadow, by what they came to.",
    ["service", "outcome"],
    registry=REGISTRY,
)
DRAFTS_HELD = Gauge(
    "undersign_drafts_held",
    "Unsigned drafts in the store.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
SIGNATURES = Counter("undersign_signatures", "Drafts signed by a practitioner.", registry=REGISTRY)
ATTESTATIONS = Counter(
    "undersign_attestations", "Assessments of suicide risk that practitioners attested.", ["result"], registry=REGISTRY
)
FOLLOWED = Counter("undersign_orders_followed", "Orders awaited, by outcome.", ["outcome"], registry=REGISTRY)
WRITE_BACKS = Counter("undersign_write_backs", "Write-backs by outcome.", ["outcome"], registry=REGISTRY)
ERRORS = Counter("undersign_errors", "Error answers by stable code.", ["code"], registry=REGISTRY)
LOOP_RESTARTS = Counter("undersign_loop_restarts", "Background loops that crashed.", ["loop"], registry=REGISTRY)
LOG_KEYS_DROPPED = Counter("undersign_log_keys_dropped", "Log keys outside the allow-list.", registry=REGISTRY)


def configure(level: str) -> None:
    """Send our log lines and those of libraries to standard error as JSON, each through the allow-list."""
    shared = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared, foreign_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                name_exception,
                allow_listed,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "uvicorn.access"):  # their lines hold URLs, which hold ids
        logging.getLogger(noisy).setLevel(logging.ERROR)


def log() -> Any:
    """Return the logger; events are constants, facts go into allow-listed keys."""
    return structlog.get_logger("undersign")


def allow_listed(_: WrappedLogger | None, __: str, event: EventDict) -> EventDict:
    """Drop every key outside the allow-list and say how many were dropped."""
    kept = {key: value for key, value in event.items() if key in ALLOWED_KEYS}
    if dropped := len(event) - len(kept):
        LOG_KEYS_DROPPED.inc(dropped)
        kept["dropped"] = dropped
    return kept


def name_exception(_: WrappedLogger | None, __: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and the place it came from: its text may quote a chart."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info  # pyright: ignore[reportUnknownVariableType]
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["where"] = place(error.__traceback__)
    return event


def foreign_line(_: WrappedLogger | None, __: str, event: EventDict) -> EventDict:
    """Keep the text of uvicorn's life-cycle lines only; a library's text may quote what it handled."""
    if not str(event.get("logger", "")).startswith("uvicorn.error") or "exc_info" in event:
        event["event"] = "line of a library"
    return event


def place(trace: TracebackType | None) -> str:
    """Return ``module:line`` of the innermost frame."""
    found = "unknown"
    while trace is not None:
        found = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def exposition() -> bytes:
    """Return the metrics in Prometheus text; of all workers when PROMETHEUS_MULTIPROC_DIR is set."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    gathered = CollectorRegistry()
    MultiProcessCollector(gathered)
    return generate_latest(gathered)
