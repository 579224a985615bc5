"""A run as a Markdown summary for a pull request or a ticket: worst first, and who has to act."""

from conformance.checks import VERDICTS
from conformance.report.findings import HEAD, PEOPLE, Finding, and_more, findings
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
        lines += [_row(one) for one in shown]
    return "\n".join(lines).rstrip() + "\n"


def _row(finding: Finding) -> str:
    result, told = finding.result, finding.result.said
    seen = told.message + (f" (got {told.got})" if told.got else "")
    names = f"`{result.check.id}`" + (f", {and_more(finding.also)}" if finding.also else "")
    verdict = f"{result.verdict} (waived)" if result.waived else result.verdict
    cells = (verdict, names, seen, told.fix or "–", PEOPLE[result.acts])
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
