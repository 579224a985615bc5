"""A run as an R4 TestReport (http://hl7.org/fhir/R4/testreport.html): a test a check, an assertion a sentence.

What charts feed is a test a feature, which counts in no score: ``feature.NAME`` passes where some patient feeds it,
warns where it is there and cannot be used, and is skipped where nobody has it.
"""

from collections.abc import Mapping
from typing import Any

from conformance.checks import Result, Told, Verdict
from conformance.report import coverage
from conformance.report.findings import PEOPLE, again, seen
from conformance.runner import Run

# http://hl7.org/fhir/R4/valueset-report-action-result-codes.html
_RESULTS: Mapping[Verdict, str] = {
    "pass": "pass", "fail": "fail", "warn": "warning", "not-tested": "skip", "broken": "error",
}  # fmt: skip
_SCRIPT = "https://undersign.dev/fhir/TestScript"


def document(run: Run) -> dict[str, Any]:
    """Return the TestReport. ``score`` is the share of judged checks that passed, in percent."""
    counts = run.counts()
    judged = counts["pass"] + counts["warn"] + counts["fail"]
    outcome = {"passed": "pass", "findings": "fail"}.get(run.status, "pending")
    return {
        "resourceType": "TestReport",
        "name": run.title,
        "status": "completed",
        "testScript": {"reference": f"{_SCRIPT}/{run.suite}", "display": run.title},
        "result": outcome,
        **({"score": round(100 * (counts["pass"] + counts["warn"]) / judged, 1)} if judged else {}),
        **({"tester": str(run.about["tester"])} if run.about.get("tester") else {}),
        **({"issued": str(run.about["started"])} if run.about.get("started") else {}),
        "participant": [
            {"type": "test-engine", "uri": "https://undersign.dev", "display": "Undersign"},
            *([{"type": "server", "uri": str(run.about["target"])}] if run.about.get("target") else []),
        ],
        "test": [*(_test(one, run.about) for one in run.results), *map(_feature, coverage.rows(run.facts))],
    }


def _test(result: Result, about: Mapping[str, Any]) -> dict[str, Any]:
    check = result.check
    asserted = [_assert(_RESULTS[one.verdict], _message(one, result, about), check.requirement.url)
                for one in result.told]  # fmt: skip
    return {"name": check.id, "description": check.requirement.text, "action": asserted}


def _assert(result: str, message: str, detail: str = "") -> dict[str, Any]:
    return {"assert": {"result": result, "message": message, **({"detail": detail} if detail else {})}}


def _message(told: Told, result: Result, about: Mapping[str, Any]) -> str:
    said = [told.message, *seen(told, f"{about.get('suite', 'run')}.har")]
    if told.verdict in ("fail", "warn", "broken"):
        said += [f"fix: {told.fix}"] if told.fix else []
        said += [f"who acts: {PEOPLE[told.acts or result.check.acts]}", f"alone: {again(about, result.check)}"]
        said += [f"waived: {result.waived}"] if result.waived else []
    return "; ".join(said)


def _feature(row: coverage.Row) -> dict[str, Any]:
    result = {"bad": "warning", "none": "skip"}.get(row.state, "pass")
    return {"name": f"feature.{row.name}", "description": row.meaning, "action": [_assert(result, row.line)]}
