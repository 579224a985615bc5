"""A run in each of its forms: the same results, and no form that makes them look better."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from conformance import compare, runner, waivers
from conformance.checks import Check, Requirement, Result, Told, Verdict
from conformance.errors import CheckError
from conformance.report import as_json, badge, fhir_report, findings, html, junit, markdown

RULE = Requirement("R1", "Something holds.", "https://example.org/spec#r1")
TODAY = date(2026, 11, 22)


async def _nothing(_: Any) -> tuple[Told, ...]:
    return ()


def check(name: str, *, required: bool = True) -> Check[Any]:
    """Return a check that is never run here."""
    consequence = "blocks-start" if required else "degrades"
    return Check(name, f"Title of {name}", "group", RULE, consequence, "ehr-team", _nothing)


def result(name: str, verdict: Verdict, *, required: bool = True, waived: str = "") -> Result:
    """Return a result with one sentence in it that has everything."""
    told = Told(verdict, f"saw <{name}> | here", "this", "that", "$.x", f"mend {name}", exchanges=(3,))
    return Result(check(name, required=required), (told,), waived)


BASE = "https://ehr.example/fhir"
ABOUT = {"suite": "ehr", "target": BASE, "started": "2026-11-22T10:00:00+00:00",
         "command": f"undersign check ehr {BASE} --write"}  # fmt: skip


def run(*results: Result, **more: Any) -> runner.Run:
    """Return a run of these results."""
    return runner.Run("ehr", "An EHR", ABOUT, results, **more)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([result("a", "pass")], "passed"),
        ([result("a", "pass"), result("b", "warn")], "passed"),
        ([result("a", "pass"), result("b", "fail", required=False)], "findings"),
        ([result("a", "pass"), result("b", "fail", waived="known (x, until 2027-01-01)")], "passed"),
        ([result("a", "not-tested"), result("b", "not-tested")], "not-run"),
        ([result("a", "pass"), result("b", "broken")], "not-run"),
        ([result("a", "pass"), result("b", "broken", required=False)], "passed"),
        ([result("a", "pass"), result("b", "not-tested")], "too-little"),
        ([result("a", "pass"), result("b", "not-tested", required=False)], "passed"),
        ([], "not-run"),
    ],
)
def test_a_mostly_untested_run_is_never_green(results: list[Result], status: str) -> None:
    """What was not tested counts against a run as a whole, and a broken required check makes it none."""
    assert run(*results).status == status


def test_the_exit_statuses_are_the_documented_ones() -> None:
    """0 passed, 1 findings, 2 could not run, 3 too little was tested."""
    assert runner.EXIT == {"passed": 0, "findings": 1, "not-run": 2, "too-little": 3}


ALL = run(
    result("a", "pass"),
    result("b", "warn"),
    result("c", "fail"),
    result("d", "not-tested"),
    result("e", "broken", required=False),
    result("f", "fail", waived="known (x, until 2027-01-01)"),
)


def test_junit_counts_what_the_run_counts() -> None:
    """A failure a finding, an error what broke, skipped what was not tested or is waived; a warning is none of them."""
    (suite,) = Xml.fromstring(junit.document(ALL))
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds == {
        "a": [],
        "b": ["system-out"],
        "c": ["failure"],
        "d": ["skipped"],
        "e": ["error"],
        "f": ["skipped"],
    }
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("6", "1", "1")


def test_the_test_report_is_an_r4_one() -> None:
    """Each check is a test with its assertions; the result is fail where there is a finding."""
    found = fhir_report.document(ALL)
    assert (found["resourceType"], found["status"], found["result"]) == ("TestReport", "completed", "fail")
    results = [test["action"][0]["assert"]["result"] for test in found["test"]]
    assert results == ["pass", "warning", "fail", "skip", "error", "fail"]


def test_the_page_has_every_finding_with_what_to_do() -> None:
    """The HTML names each finding, its fix, the requirement and the command, escaped, and has no script."""
    page = html.document(ALL, ())
    for name in "bcef":
        assert f"mend {name}" in page
        assert f"--only {name}" in page
    assert "saw &lt;c&gt;" in page
    assert "saw <c>" not in page
    assert "<script" not in page
    assert page.count("https://") == page.count("https://example.org/spec#r1") + page.count(BASE)


def test_markdown_is_worst_first_and_one_line_a_finding() -> None:
    """The table begins with what is broken or failed, and a bar in a sentence does not break it."""
    rows = [line for line in markdown.document(ALL).splitlines() if line.startswith("| ")][1:]
    assert [row.split("`")[1] for row in rows] == ["e", "c", "b", "f"]
    assert all(row.count(" | ") == 4 for row in rows)


@pytest.mark.parametrize(("one", "words"), [(ALL, "1 finding"), (run(result("a", "pass")), "passed 1 of 1")])
def test_the_badge_says_how_it_ended(one: runner.Run, words: str) -> None:
    """The words are text in the picture, for those who do not see it too."""
    picture = badge.document(one)
    assert Xml.fromstring(picture).get("aria-label") == f"undersign ehr: {words}"


FEATURE = {
    "name": "sodium", "group": "Observation", "meaning": "sodium in serum", "outcomes": {"fed": 1, "wrong-unit": 4},
    "reasons": {"unit-missing": 4}, "read": True, "effect": "asked: 3 rules", "fix": ["send the UCUM unit"],
}  # fmt: skip
FEEDS = {
    "patients": 5, "profile": "base-r4", "as_of": "2026-11-22", "features": [FEATURE], "lists": {}, "entries": {},
    "lines": [], "undecided": [], "unseen": 0,
}  # fmt: skip


FORMS = (html.document, junit.document, markdown.document, fhir_report.document, as_json.document)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__module__)
def test_every_report_tells_what_is_fed_what_follows_and_what_to_do(form: Any) -> None:
    """A feature that is there and not used stands in each form with its counts, its effect and its fix."""
    one = run(result("a", "pass"), facts={"coverage": FEEDS})
    text = str(form(one, ()) if form is html.document else form(one))
    assert all(words in text for words in ("sodium", "asked: 3 rules", "send the UCUM unit"))
    assert ("4 wrong unit" in text) or ("'wrong-unit': 4" in text)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__module__)
def test_every_report_tells_a_finding_whole(form: Any) -> None:
    """What came, where, in which request, the requirement, and the command that repeats it alone, in each form."""
    one = run(result("c", "fail"))
    text = str(form(one, ()) if form is html.document else form(one))
    assert all(words in text for words in ("that", "$.x", "3", RULE.url, f"check ehr {BASE} --only c"))
    assert "--write" not in text.replace(ABOUT["command"] + "'", "")


def test_findings_with_one_cure_in_one_group_are_one() -> None:
    """Two checks of a group that expected the same at the same place and have the same fix are told once."""
    first = result("a", "fail")
    other = replace(result("b", "fail"), told=(replace(first.told[0], message="saw it again"),))
    (found,) = findings.findings([first, other])
    assert (found.result.check.id, found.also) == ("a", ["b"])


def test_the_json_has_no_empties() -> None:
    """Absent is absent in the report, as in every answer of ours."""

    def walk(value: Any) -> None:
        assert value not in (None, "", {}), value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    walk(as_json.document(ALL))


@pytest.mark.parametrize(
    ("before", "after", "kind", "worse"),
    [
        ("pass", "fail", "new", True),
        ("not-tested", "fail", "new", True),
        ("fail", "pass", "fixed", False),
        ("pass", "not-tested", "no-longer-tested", True),
        ("not-tested", "pass", "now-tested", False),
        ("pass", "warn", "changed", False),
        ("pass", "broken", "new", True),
    ],
)
def test_two_runs_are_compared(before: Verdict, after: Verdict, kind: str, worse: bool) -> None:
    """A check that fails or is not tested any more is a step back; one that is mended or newly tested is not."""
    reports = [as_json.document(run(result("a", verdict))) for verdict in (before, after)]
    (found,) = compare.differences(*reports)
    assert (found.kind, found.worse) == (kind, worse)


def test_a_check_that_is_gone_is_a_step_back() -> None:
    """A run that leaves a check out is no better than one that fails it; one more check is."""
    one, two = as_json.document(run(result("a", "pass"))), as_json.document(run(result("b", "pass")))
    assert [(d.kind, d.check) for d in compare.differences(one, two)] == [("gone", "a"), ("added", "b")]
    assert compare.differences(one, one) == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 0, "checks": []}', "no json"])
def test_another_file_is_no_report(tmp_path: Path, text: str) -> None:
    """A file that undersign check did not write is refused, not compared with."""
    file = tmp_path / "report.json"
    file.write_text(text)
    with pytest.raises(CheckError) as caught:
        compare.load(file)
    assert caught.value.code == "U-CHECK-REPORT"


WAIVER = '[[waiver]]\ncheck = "c"\nreason = "known"\nowner = "integration"\nuntil = 2026-12-31\n'


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        "[[waiver]]",
        WAIVER.replace("2026-12-31", '"soon"'),
        WAIVER.replace('"known"', '" "'),
        WAIVER.replace('"integration"', "7"),
        "[[waiver",
    ],
)
def test_a_waiver_needs_reason_owner_and_end(tmp_path: Path, text: str) -> None:
    """A waiver without one of them is refused: nothing is waived for ever or by nobody."""
    file = tmp_path / "waivers.toml"
    file.write_text(text)
    with pytest.raises(CheckError) as caught:
        waivers.load(file)
    assert caught.value.code == "U-CHECK-WAIVER"


@pytest.mark.parametrize(("today", "waived"), [(date(2026, 12, 31), True), (date(2027, 1, 1), False)])
def test_an_expired_waiver_is_a_finding_again(tmp_path: Path, today: date, waived: bool) -> None:
    """On its last day a waiver holds; the day after, the finding is back with the waiver named."""
    file = tmp_path / "waivers.toml"
    file.write_text(WAIVER)
    (accepted,) = waivers.load(file)
    found = waivers.waived(result("c", "fail"), (accepted,), today)
    assert bool(found.waived) is waived
    assert waived or "ended on 2026-12-31" in found.said.message


def _waiver(name: str, until: date = date(2027, 1, 1)) -> waivers.Waiver:
    return waivers.Waiver(name, "known", "integration", until)


def test_a_renewed_waiver_holds_beside_the_old_one() -> None:
    """Of two waivers for a check the one that ends later counts, whichever stands first."""
    both = (_waiver("c", date(2026, 1, 1)), _waiver("c"))
    assert all(waivers.waived(result("c", "fail"), order, TODAY).waived for order in (both, both[::-1]))


@pytest.mark.parametrize(
    ("waiver", "said"),
    [
        (_waiver("cc"), ["no check has this id"]),
        (_waiver("a"), ["may be taken out"]),
        (_waiver("c", date(2026, 11, 21)), ["ended on 2026-11-21"]),
        (_waiver("c"), []),
        (_waiver("of-another-suite"), []),
    ],
)
def test_a_waiver_that_accepts_nothing_is_told(waiver: waivers.Waiver, said: list[str]) -> None:
    """A mistyped, needless or ended waiver is a sentence; one that holds, or is of another suite, is not."""
    known = {"a", "c", "of-another-suite"}
    found = list(waivers.notes((waiver,), (result("a", "pass"), result("c", "fail")), known, TODAY))
    assert len(found) == len(said)
    assert all(words in one for words, one in zip(said, found, strict=True))
