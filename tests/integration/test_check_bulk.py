"""The checks of a bulk export: the reference EHR passes them, and each is seen to fail on an EHR with its fault."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conformance import har, kinds, runner
from conformance.checks import Result, Verdict
from conformance.exchanges import Asked, Exchange, Replayed, Sender
from conformance.reference_ehr import bulk as exports
from conformance.reference_ehr.faults import bulk as faults
from conformance.report import as_json, schema
from conformance.session import Session
from conformance.suites.bulk import SUITE, lines
from conformance.suites.bulk.probe import Probe, wait_of
from tests.integration.checked_ehr import BACKEND, BASE, NOW, InMemory

TWO = ("amara-osei", "george-papadakis")
# Check, the EHR's fault, and what the check says of it.
FAULTS: list[tuple[str, str, Verdict]] = [
    ("export.declared", "undeclared-export", "warn"),
    ("export.declared", "no-export=all", "pass"),  # what is declared and refused is export.accepted's to say
    ("export.accepted", "no-export=all", "fail"),
    ("export.accepted", "export-at-once", "fail"),
    ("export.accepted", "no-content-location", "fail"),
    ("export.accepted", "relative-content-location", "fail"),
    ("export.system", "no-export=system", "fail"),
    ("export.patient", "no-export=patient", "fail"),
    ("export.group", "no-export=group", "fail"),
    ("export.no-token", "open-export", "fail"),
    ("export.outcome", "export-no-outcome", "fail"),
    ("export.formats", "strict-format", "fail"),
    ("export.other-format", "any-format", "warn"),
    ("status.ends", "endless-export", "fail"),
    ("status.ends", "failing-export", "fail"),
    ("status.ends", "bad-progress", "fail"),
    ("status.token", "open-status", "fail"),
    ("status.manifest", "thin-manifest", "fail"),
    ("status.manifest", "manifest-as-text", "fail"),
    ("status.request", "other-request", "warn"),
    ("status.expires", "expired-export", "fail"),
    ("status.errors", "export-errors", "warn"),
    ("files.type", "files-as-json", "fail"),
    ("files.lines", "pretty-lines", "fail"),
    ("files.lines", "mixed-files", "fail"),
    ("files.count", "wrong-count", "fail"),
    ("files.token", "open-files", "fail"),
    ("files.host", "foreign-files", "fail"),
    ("content.patients", "one-patient", "fail"),
    ("content.members", "strangers", "fail"),
    ("content.members", "one-patient", "warn"),
    ("content.types", "ignored-type", "fail"),
    ("content.since", "ignored-since", "fail"),
    ("content.features", "lost-units", "fail"),
    ("content.features", "lost-problems", "fail"),
    ("end.cancel", "no-cancel", "fail"),
    ("end.cancel", "deathless-export", "fail"),
    ("end.given-back", "deathless-export", "fail"),
]


def judged(sender: Sender, *only: str, backwards: bool = False, **options: Any) -> tuple[runner.Run, Probe]:
    """Run checks of the suite, the last first when ``backwards``, and return the run with its probe."""
    given = {"backend": BACKEND, "profile": "base-r4", "group": exports.GROUP, "patients": TWO, **options}
    about = {"suite": "bulk", "target": BASE, "started": NOW.isoformat(), "seed": "s", "only": list(only)}

    async def no_sleep(_: float) -> None:
        """Wait for nothing."""

    async def story() -> tuple[runner.Run, Probe]:
        session = Session(BASE, sender, budget=2000, sleep=no_sleep)
        probe: Probe = kinds.bulk().probe(session, NOW, "s", given)
        probe.rest.clock = lambda: NOW
        checks = list(runner.chosen(SUITE, only=only))
        run = await runner.run(SUITE, probe, checks[::-1] if backwards else checks, about, today=NOW.date())
        await probe.finish()
        await session.close()
        return run, probe

    return asyncio.run(story())


def result(sender: Sender, check: str, **options: Any) -> Result:
    """Return what one check says."""
    (found,) = [one for one in judged(sender, check, **options)[0].results if one.check.id == check]
    return found


def verdicts(run: runner.Run) -> dict[str, str]:
    """Return check → verdict."""
    return {one.check.id: one.verdict for one in run.results}


@pytest.mark.parametrize(("check", "fault", "verdict"), FAULTS, ids=[f"{one}-{fault}" for one, fault, _ in FAULTS])
def test_a_check_fails_on_its_fault(check: str, fault: str, verdict: Verdict) -> None:
    """An export with the fault of a check does not pass it, and the check says what to do and who has to."""
    group = {"group": ""} if fault == "no-export=patient" or check == "content.patients" else {}
    ticks = count()
    clock = lambda: NOW + timedelta(milliseconds=next(ticks))  # noqa: E731 - what is older must be older
    found = result(InMemory("base-r4", fault, clock=clock), check, **group)
    assert found.verdict == verdict, found.told
    if verdict != "pass":
        assert found.acts in ("ehr-team", "integration-engineer")
        assert all(one.message and one.fix for one in found.told if one.verdict == verdict)


def test_every_check_has_a_fault_and_every_fault_a_check() -> None:
    """No check can only pass, and no fault is without somebody who sees it."""
    assert {name for name, _, verdict in FAULTS if verdict != "pass"} == {one.id for one in SUITE.checks}
    assert {fault.partition("=")[0] for _, fault, _ in FAULTS} == {one.name for one in faults.FAULTS}


def test_the_reference_ehr_passes_every_check() -> None:
    """Nothing is wrong with the reference EHR's export, and at the end none of the exports is left."""
    sender = InMemory()
    run, probe = judged(sender)
    assert {one.check.id: one.told for one in run.results if one.verdict != "pass"} == {}
    assert run.status == "passed"
    told = replace(run, facts=kinds.bulk().facts(probe))
    assert schema.read(msgspec.json.encode(as_json.document(told))).facts is not None
    assert probe.open == {}
    ended = [one for one in probe.session.exchanges if one.asked.method == "DELETE"]
    begun = [one for one in probe.session.exchanges if one.header("content-location")]
    assert (len(ended), {one.status for one in ended}) == (len(begun), {202})


@pytest.mark.parametrize("check", [one.id for one in SUITE.checks])
def test_a_check_says_the_same_alone(check: str) -> None:
    """No check leans on one before it: alone it passes as in the whole run."""
    found = result(InMemory(), check)
    assert found.verdict == "pass", found.told


def test_checks_in_another_order_say_the_same() -> None:
    """The last check first and the first last: the same verdicts."""
    assert verdicts(judged(InMemory())[0]) == verdicts(judged(InMemory(), backwards=True)[0])


@pytest.mark.parametrize("dialect", ["epic-r4", "athenahealth-r4", "base-stu3", "base-dstu2", "base-r5"])
def test_a_dialect_has_no_false_finding(dialect: str) -> None:
    """In every dialect the same patients feed the same features by bulk and by REST."""
    run, _ = judged(InMemory(dialect), profile=dialect)
    assert {one.check.id: one.told for one in run.results if one.verdict != "pass"} == {}


def test_what_only_the_export_finds_is_a_warning() -> None:
    """OpenMRS has codes of its own: what a search by LOINC never finds is in the export, and the profile may ask so."""
    found = result(InMemory("openmrs-r4"), "content.features", profile="openmrs-r4")
    assert (found.verdict, found.acts) == ("warn", "integration-engineer")
    assert "category" in found.told[0].fix


def test_a_recording_is_judged_the_same_without_a_network(tmp_path: Path) -> None:
    """The evidence alone, masked, gives the same report, and holds no token and no name of a patient."""
    run, probe = judged(InMemory())
    file = tmp_path / "bulk.har"
    file.write_bytes(json.dumps(har.as_har(probe.session.exchanges, run.about)).encode())
    text = file.read_text()
    assert "eyJ" not in text
    assert "Papadakis" not in text
    again, _ = judged(Replayed(har.read(file)[0]))
    assert as_json.document(again) == as_json.document(run)


def test_without_a_group_all_patients_are_exported() -> None:
    """Without --group the group's checks are not tested, and say so; the rest passes."""
    run, _ = judged(InMemory(), group="")
    untested = {one.check.id: one.told[0].message for one in run.results if one.verdict != "pass"}
    assert untested == dict.fromkeys(("export.group", "content.members"), "no group was named (--group)")


def test_an_export_of_nobody_asked_for_is_not_compared() -> None:
    """Patients who are named and not in the export leave the comparison not tested, never passed."""
    assert result(InMemory(), "content.features", patients=("nobody-here",)).verdict == "not-tested"


def test_a_slow_export_is_waited_for_two_minutes_in_all() -> None:
    """An export that is never done costs two minutes of waiting a run, however many checks wait for it."""
    _, probe = judged(InMemory("base-r4", "endless-export"))
    assert probe.waited_s == pytest.approx(120.0)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("3", 3.0), ("Sun, 22 Nov 2026 10:42:33 GMT", 30.0), ("Sun, 22 Nov 2020 10:42:33 GMT", 0.0), ("soon", None)],
)
def test_retry_after_is_seconds_or_a_date(told: str, seconds: float | None) -> None:
    """A date counts from the server's own clock; what is neither is no time."""
    headers = {"retry-after": told, "date": "Sun, 22 Nov 2026 10:42:03 GMT"}
    assert wait_of(Exchange(1, Asked("GET", BASE), "", 1.0, 202, headers)) == seconds


@pytest.mark.parametrize(
    ("body", "resources", "bad"),
    [
        (b"", 0, ()),
        (b'{"resourceType":"Patient"}\n', 1, ()),
        (b'{"resourceType":"Patient"}\n\n{"resourceType":"Patient"}', 2, ()),
        (b'{"resourceType":"Patient"}\n[]\n{"id":"1"}\n{', 1, (2, 3, 4)),
    ],
)
def test_lines_are_counted_where_they_stand(body: bytes, resources: int, bad: Sequence[int]) -> None:
    """A line that is no resource is named by its number; an empty one is none."""
    found = lines.of(Exchange(1, Asked("GET", BASE), datetime.now(UTC).isoformat(), 1.0, 200, {}, body))
    assert (len(found.resources), found.bad) == (resources, bad)
