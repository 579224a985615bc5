"""A run as a badge: one small SVG that says how it ended, with the words in it as text, and its title what is fed."""

from xml.sax.saxutils import escape

from conformance.report import coverage
from conformance.runner import Run
from conformance.wording import counted

_COLOURS = {"passed": "#1a7f4b", "findings": "#b42318", "not-run": "#5b6472", "too-little": "#9a6700"}
_PX = 6.6  # a character of the font at this size, on the wide side


def document(run: Run) -> str:
    """Return the SVG."""
    counts = run.counts()
    judged = counts["pass"] + counts["warn"] + counts["fail"]
    words = {
        "passed": f"passed {judged} of {len(run.results)}",
        "findings": counted(sum(one.verdict == "fail" and not one.waived for one in run.results), "finding"),
        "not-run": "could not run",
        "too-little": f"{judged} of {len(run.results)} tested",
    }[run.status]
    left, right = f"undersign {run.suite}", words
    first, second = (round(len(text) * _PX) + 14 for text in (left, right))
    fed = next(coverage.summary(run.facts["coverage"]), "") if run.facts.get("coverage") else ""
    label = escape(f"{left}: {right}{f'; {fed}' if fed else ''}", {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{first + second}" height="20" role="img" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<rect width="{first}" height="20" fill="#24292f"/>'
        f'<rect x="{first}" width="{second}" height="20" fill="{_COLOURS[run.status]}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{first / 2:g}" y="14">{escape(left)}</text>'
        f'<text x="{first + second / 2:g}" y="14">{escape(right)}</text></g></svg>\n'
    )
