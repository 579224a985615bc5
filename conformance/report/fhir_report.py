"""A run as an R4 TestReport (http://hl7.org/fhir/R4/testreport.html): a test a check, an assertion a sentence."""

from collections.abc import Mapping
from typing import Any

from conformance.checks import Result, Verdict
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
        "test": [_test(one) for one in run.results],
    }


def _test(result: Result) -> dict[str, Any]:
    check = result.check
    asserted = [
        {
            "assert": {
                "result": _RESULTS[one.verdict],
                "message": _message(one.message, one.fix),
                "detail": check.requirement.url,
            }
        }
        for one in result.told
    ]
    return {"name": check.id, "description": check.requirement.text, "action": asserted}


def _message(message: str, fix: str) -> str:
    return f"{message}; fix: {fix}" if fix else message
