"""A run as a Markdown summary for a pull request or a ticket: worst first, who has to act, and what charts feed."""

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.checks import VERDICTS
from conformance.report import coverage
from conformance.report.findings import HEAD, PEOPLE, Finding, again, and_more, findings, seen
from conformance.runner import Run


def document(run: Run) -> str:
    """Return the summary."""
    counts = run.counts()
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in reversed(VERDICTS))
    lines = [f"## {run.title}: {HEAD[run.status]}", "", said, ""]
    target = run.about.get("target")
    lines += [f"Target: `{target}`", ""] if target else []
    shown = findings(run.results)
    if shown:
        lines += ["| verdict | check | what was seen | fix | who acts |", "|---|---|---|---|---|"]
        lines += [_row(one, run.suite) for one in shown]
        lines += ["", f"One alone: `{again(run.about, shown[0].result.check)}`"]
    lines += _features(run.facts)
    lines += [f"> {note}" for note in run.notes]
    return "\n".join(lines).rstrip() + "\n"


def _row(finding: Finding, suite: str) -> str:
    result, told = finding.result, finding.result.said
    rule = result.check.requirement
    names = f"`{result.check.id}`" + (f", {and_more(finding.also)}" if finding.also else "")
    more = sum(one.verdict == result.verdict for one in result.told) - 1
    said = f"{told.message}{f'; {more} more like it' if more else ''} ({'; '.join(seen(told, f'{suite}.har'))})"
    verdict = f"{result.verdict} (waived: {result.waived})" if result.waived else result.verdict
    cells = (verdict, f"{names} ([{rule.id}]({rule.url}))", said.replace(" ()", ""), told.fix or "–")
    return _cells(*cells, PEOPLE[result.acts])


def _features(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the charts feed: a row a feature that is not fed in all of them."""
    held = facts.get("coverage")
    if not held:
        return
    yield from ("", "### What it feeds", "", *(f"- {line}" for line in coverage.summary(held)), "")
    shown = [row for row in coverage.rows(facts) if row.state in ("bad", "some")]
    if shown:
        yield from ("| feature | patients | without it | what to do |", "|---|---|---|---|")
    for row in shown:
        why = f" ({row.reasons})" if row.reasons else ""
        cure = "; ".join(row.fix if row.state == "bad" else row.fix[:1]) or "–"
        yield _cells(f"`{row.name}`", f"{row.told}{why}", row.effect or "–", cure)
    yield ""


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
