"""A run as one HTML file: no script, nothing from outside, good on a screen and on paper."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from conformance.checks import Consequence, Result, Verdict
from conformance.exchanges import Exchange
from conformance.report import coverage, prefetch
from conformance.report.findings import HEAD, PEOPLE, again, findings
from conformance.runner import Run

_WORDS: Mapping[Verdict, str] = {
    "pass": "passed", "warn": "warned", "fail": "failed", "not-tested": "not tested", "broken": "could not run",
}  # fmt: skip
_CONSEQUENCES: Mapping[Consequence, str] = {
    "blocks-start": "nothing starts without it",
    "blocks-write-back": "no order is written back without it",
    "degrades": "suggestions are poorer without it",
    "information": "for information",
}
_ABOUT = {
    "target": "target", "issuer": "EHR", "started": "started", "software": "software", "release": "release",
    "fhir_version": "FHIR", "profile": "profile",
}  # fmt: skip


def document(run: Run, exchanges: Sequence[Exchange], *, evidence: str = "") -> str:
    """Return the page; ``evidence`` is the name of the HAR file."""
    found = findings(run.results)
    counts = run.counts()
    people = [one.result.acts for one in found]
    who = [(one, people.count(one)) for one in dict.fromkeys(people)]
    total = len(run.results) or 1
    feeds: Mapping[str, Any] = run.facts.get("coverage", {})
    ehr: Mapping[str, str] = run.facts.get("ehr", {})
    return _template("report.html").render(
        run=run,
        head=HEAD[run.status],
        about=[(label, {**ehr, **run.about}[key]) for key, label in _ABOUT.items() if {**ehr, **run.about}.get(key)],
        shares=[(verdict, count, count / total) for verdict, count in counts.items()],
        counts_text=", ".join(f"{count} {_WORDS[verdict]}" for verdict, count in counts.items()),
        words=_WORDS,
        acting=PEOPLE,
        consequences=_CONSEQUENCES,
        findings=found,
        first={one.result.check.requirement.url: one.result.check.id for one in reversed(found)},
        people=who,
        untested=_untested(run.results),
        groups=_groups(run.results),
        exchanges=exchanges,
        evidence=evidence,
        coverage=feeds,
        coverage_groups=coverage.groups(feeds) if feeds else [],
        lines=_lines(feeds),
        samples=run.facts.get("samples", []),
        left_out=run.facts.get("left_out", []),
        export=run.facts.get("export", {}),
        write_back=run.facts.get("write_back", {}),
        heard=prefetch.heard(run.facts),
        prefetch=prefetch.rows(run.facts),
        latency=run.facts.get("latency", []),
        again=partial(again, run.about),
        style=_style(people),
    )


def _style(people: Sequence[str]) -> Markup:
    """Return our own two style sheets, with no value of a run in them but the names of who acts."""
    sheets = (_template("house.css").render(), _template("report.css").render(all_people=list(dict.fromkeys(people))))
    return Markup("".join(sheets))  # noqa: S704


def _lines(feeds: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (heading of a table, the lines to paste under it), the most helpful first."""
    found: dict[str, list[str]] = {}
    for one in feeds.get("lines", ()):
        found.setdefault(str(one["table"]), []).append(str(one["line"]))
    return [(table, "\n".join(lines)) for table, lines in found.items()]


def _untested(results: Sequence[Result]) -> list[tuple[str, list[str]]]:
    """Return the reasons for not testing, each once, with the checks that they hold for."""
    found: dict[str, list[str]] = {}
    for one in results:
        if one.verdict == "not-tested":
            found.setdefault(one.said.message, []).append(one.check.id)
    return list(found.items())


def _groups(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    found: dict[str, list[Result]] = {}
    for one in results:
        found.setdefault(one.check.group, []).append(one)
    return list(found.items())


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> Template:
    return _environment().get_template(name)
