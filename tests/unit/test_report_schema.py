"""The published schema of reports: every suite's report fits it, and what does not is refused with its place."""

import json
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from conformance import runner
from conformance.checks import Check, Requirement, Result, Suite, Told
from conformance.report import as_json, schema
from conformance.runner import Run

REQUIREMENT = Requirement("X-1", "It is so.", "https://example.org/x")


async def _nothing(_: Any) -> tuple[Told, ...]:
    return ()


def run(**changes: Any) -> Run:
    """Return a run with one failed and one waived check."""
    check: Check[Any] = Check("a.b", "A", "g", REQUIREMENT, "blocks-start", "ehr-team", _nothing)
    told = (Told("fail", "it is not", "so", "not", "$.x", "make it so", exchanges=(1, 2)),)
    results = (Result(check, told), Result(check, told, waived="accepted"))
    return Run("ehr", "EHR", {"suite": "ehr", "target": "https://ehr.example"}, results, ("a note",), **changes)


def text(found: Run) -> bytes:
    """Return the report's bytes."""
    return msgspec.json.encode(as_json.document(found))


def test_the_published_schema_is_the_one_of_the_structs() -> None:
    """The file that undersign check schema prints is made of the structs, and of nothing else."""
    assert files("conformance.report").joinpath("report.schema.json").read_bytes() == schema.text()


def test_a_report_fits_the_schema() -> None:
    """A report with findings, waivers and notes fits, and comes back as it was."""
    found = schema.read(text(run()))
    assert (found.status, found.checks[1].waived, found.checks[0].told[0].exchanges) == ("findings", "accepted", [1, 2])


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda found: found.update(format=2), "$.format"),
        (lambda found: found.update(more=1), "more"),
        (lambda found: found.pop("checks"), "checks"),
        (lambda found: found["checks"][0].update(verdict="maybe"), "$.checks[0].verdict"),
        (lambda found: found["checks"][0]["told"][0].update(exchanges=["1"]), "$.checks[0].told[0].exchanges[0]"),
        (lambda found: found["facts"].update(samples=[{"name": "x", "verdict": "good"}]), "$.facts.samples[0].verdict"),
        (lambda found: found["facts"].update(coverage={"patients": 1}), "$.facts.coverage"),
    ],
)
def test_what_is_no_report_is_refused_with_its_place(change: Any, place: str) -> None:
    """One wrong member anywhere is refused, and the message says where."""
    document = json.loads(text(run(facts={"latency": []})))
    change(document)
    with pytest.raises(msgspec.ValidationError) as caught:
        schema.read(json.dumps(document).encode())
    assert place in str(caught.value)


def test_the_schema_says_what_is_allowed() -> None:
    """Verdicts, who acts, consequences and states are listed in it, for those who read it without our structs."""
    told = json.dumps(schema.schema())
    for word in ("not-tested", "integration-engineer", "blocks-write-back", "too-little", "$schema", schema.ID):
        assert f'"{word}"' in told


def test_a_run_of_nothing_fits_too() -> None:
    """A suite without checks gives a report that fits."""
    empty: Suite[Any] = Suite("x", "X", ())
    assert list(runner.chosen(empty)) == []
    assert schema.read(text(Run("x", "X", {"suite": "x", "target": ""}, ()))).status == "not-run"
