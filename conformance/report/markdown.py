"""A run as a Markdown summary for a pull request or a ticket: worst first, and who has to act."""

from collections.abc import Iterable, Mapping

from conformance.checks import VERDICTS, Acts, Result
from conformance.runner import Run

HEAD = {
    "passed": "all required checks passed",
    "findings": "findings",
    "not-run": "could not run",
    "too-little": "too little was tested to say",
}


PEOPLE: Mapping[Acts, str] = {
    "ehr-team": "the EHR's team",
    "integration-engineer": "the integration engineer",
    "undersign": "the service's developers",
    "network": "whoever runs the network",
    "nobody": "nobody",
}


def document(run: Run) -> str:
    """Return the summary."""
    counts = run.counts()
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in reversed(VERDICTS))
    lines = [f"## {run.title}: {HEAD[run.status]}", "", said, ""]
    target = run.about.get("target")
    lines += [f"Target: `{target}`", ""] if target else []
    shown = [one for one in worst_first(run.results) if one.verdict in ("fail", "warn", "broken")]
    if shown:
        lines += ["| verdict | check | what was seen | fix | who acts |", "|---|---|---|---|---|"]
        lines += [_row(one) for one in shown]
    return "\n".join(lines).rstrip() + "\n"


def worst_first(results: Iterable[Result]) -> list[Result]:
    """Return results by verdict, required ones first; otherwise in their own order."""
    return sorted(results, key=lambda one: (bool(one.waived), VERDICTS.index(one.verdict), not one.check.required))


def _row(result: Result) -> str:
    told = next(one for one in result.told if one.verdict == result.verdict)
    verdict = f"{result.verdict} (waived)" if result.waived else result.verdict
    cells = (verdict, f"`{result.check.id}`", told.message, told.fix or "–", PEOPLE[result.acts])
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
