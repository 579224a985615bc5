"""A run on a terminal: a line a check as it goes, and at the end a summary, worst first; plain when piped."""

import os
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.text import Text

from conformance.checks import Result, Verdict
from conformance.report.markdown import HEAD, worst_first
from conformance.runner import Run

_MARK: Mapping[Verdict, tuple[str, str]] = {
    "pass": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "bold red"),
    "not-tested": ("·", "dim"),
    "broken": ("?", "magenta"),
}
_MOST = 12  # findings in the summary: more are in the report
_PLAIN_WIDTH = 10_000  # what a pipe gets is read by grep, so a line is never broken there


class Terminal:
    """Tells a run while it goes. ``verbose`` prints passed checks too."""

    def __init__(self, out: TextIO, *, verbose: bool = False) -> None:
        plain = not out.isatty() or "NO_COLOR" in os.environ
        width = None if out.isatty() else _PLAIN_WIDTH
        self._verbose = verbose or not out.isatty()
        self._console = Console(file=out, highlight=False, width=width, force_terminal=False if plain else None)

    def begin(self, title: str, target: str, checks: int, budget: int) -> None:
        """Say what is about to be run, before the first request."""
        self._console.print(Text(f"{title} · {target}", style="bold"))
        self._console.print(Text(f"{checks} checks, at most {budget} requests, one at a time", style="dim"))

    def told(self, result: Result) -> None:
        """Say what one check found."""
        if result.verdict == "pass" and not self._verbose:
            return
        mark, style = _MARK[result.verdict]
        line = Text(f"{mark} ", style=style)
        line.append(result.check.id, style="bold" if result.verdict == "fail" else "")
        line.append(f"  {result.told[0].message}", style="" if result.verdict in ("fail", "warn") else "dim")
        self._console.print(line)

    def end(self, run: Run, files: Mapping[str, str]) -> None:
        """Say what it came to: the findings worst first with what to do, who has to act, and where the reports are."""
        counts = run.counts()
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        style = {"passed": "bold green", "findings": "bold red"}.get(run.status, "bold yellow")
        self._console.print()
        for one in [one for one in worst_first(run.results) if one.verdict in ("fail", "warn", "broken")][:_MOST]:
            self._finding(one)
        self._console.print(Text(f"{HEAD[run.status]}: {said}", style=style))
        for name, path in files.items():
            self._console.print(Text(f"{name}: {path}", style="dim"))

    def _finding(self, result: Result) -> None:
        told = next(one for one in result.told if one.verdict == result.verdict)
        mark, style = _MARK[result.verdict]
        line = Text(f"{mark} {result.check.id}", style=style)
        line.append(f"  {told.message}", style="")
        self._console.print(line)
        if result.waived:
            self._console.print(Text(f"    waived: {result.waived}", style="dim"))
        if told.fix:
            self._console.print(Text(f"    {result.acts.replace('-', ' ')}: {told.fix}", style="cyan"))
        self._console.print(Text(f"    again: undersign check … --only {result.check.id}", style="dim"))
