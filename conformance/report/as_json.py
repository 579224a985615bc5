"""A run as JSON, the form that two runs are compared in."""

from collections.abc import Mapping
from typing import Any

from conformance.checks import Result, Told
from conformance.report.findings import again
from conformance.runner import Run

FORMAT = 1


def document(run: Run) -> dict[str, Any]:
    """Return the run; absent is absent, never null or empty."""
    return {
        "format": FORMAT,
        "suite": run.suite,
        "title": run.title,
        "status": run.status,
        "about": dict(run.about),
        "counts": run.counts(),
        "checks": [_result(one, run.about) for one in run.results],
        **({"notes": list(run.notes)} if run.notes else {}),
        **({"facts": dict(run.facts)} if run.facts else {}),
    }


def _result(result: Result, about: Mapping[str, Any]) -> dict[str, Any]:
    check = result.check
    found: Mapping[str, Any] = {
        "id": check.id,
        "title": check.title,
        "group": check.group,
        "requirement": {"id": check.requirement.id, "text": check.requirement.text, "url": check.requirement.url},
        "consequence": check.consequence,
        "required": result.required,
        "verdict": result.verdict,
        "acts": result.acts,
        "told": [_told(one) for one in result.told],
        "waived": result.waived,
        "again": again(about, check) if result.verdict in ("fail", "warn", "broken") else "",
    }
    return {name: value for name, value in found.items() if value != ""}


def _told(told: Told) -> dict[str, Any]:
    found = {
        "verdict": told.verdict,
        "message": told.message,
        "expected": told.expected,
        "got": told.got,
        "path": told.path,
        "fix": told.fix,
        "acts": told.acts or "",
        "exchanges": list(told.exchanges),
    }
    return {name: value for name, value in found.items() if value not in ("", [])}
