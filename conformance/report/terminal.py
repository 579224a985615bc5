"""A run on a terminal: a line a check as it goes, and at the end a summary, worst first; plain when piped."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from conformance.checks import Result, Told, Verdict
from conformance.report import coverage, prefetch
from conformance.report.findings import HEAD, PEOPLE, Finding, again, and_more, findings
from conformance.runner import Run
from conformance.wording import counted

_MARK: Mapping[Verdict, tuple[str, str]] = {
    "pass": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "bold red"),
    "not-tested": ("·", "dim"),
    "broken": ("?", "magenta"),
}
_MOST = 8  # findings in the summary: more are in the report
_PLAIN_WIDTH = 10_000  # what a pipe gets is read by grep, so a line is never broken there


class Terminal:
    """Tells a run while it goes. ``verbose`` prints passed checks too."""

    def __init__(self, out: TextIO, *, verbose: bool = False) -> None:
        plain = not out.isatty() or "NO_COLOR" in os.environ
        width = None if out.isatty() else _PLAIN_WIDTH
        self._asked = verbose
        self._reasons: set[str] = set()
        self._verbose = verbose or not out.isatty()
        self._console = Console(file=out, highlight=False, width=width, force_terminal=False if plain else None)

    def begin(self, title: str, target: str, checks: int, budget: int) -> None:
        """Say what is about to be run, before the first request."""
        self._console.print(Text(f"{title} · {target}", style="bold"))
        asked = f"at most {budget} requests, one at a time" if budget else "on what came in"
        self._console.print(Text(f"{counted(checks, 'check')}, {asked}", style="dim"))

    def told(self, result: Result) -> None:
        """Say what one check found."""
        said = result.said.message
        known = result.verdict in ("not-tested", "broken") and said in self._reasons
        silent = result.verdict == "pass" or known
        if (silent and not self._verbose) or (known and result.verdict == "broken"):
            return
        self._reasons.add(said)
        mark, style = _MARK[result.verdict]
        line = Text()
        line.append(f"{mark} ", style=style)
        line.append(result.check.id, style="bold" if result.verdict == "fail" else "")
        line.append(f"  {said}", style="" if result.verdict in ("fail", "warn") else "dim")
        self._console.print(line)

    def end(self, run: Run, files: Mapping[str, str]) -> None:
        """Say what it came to, worst first with what to do, then coverage and write-back: a screenful."""
        counts = run.counts()
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        style = {"passed": "bold green", "findings": "bold red"}.get(run.status, "bold yellow")
        found = findings(run.results)
        self._console.print()
        for one in found[:_MOST]:
            self._finding(one)
        if len(found) > _MOST:
            self._console.print(Text(f"and {len(found) - _MOST} more: see the report (--out DIR)", style="dim"))
        if found:
            alone = again(run.about, found[0].result.check)
            self._console.print(Text(f"one alone: {alone}", style="dim"))
        reasons = Counter(one.said.message for one in run.results if one.verdict == "not-tested" and one.asked)
        if run.status == "too-little" and reasons:
            why, number = reasons.most_common(1)[0]
            self._console.print(Text(f"not tested ({number} checks): {why}", style="yellow"))
        for line in _facts(run.facts, whole=self._asked):
            self._console.print(Text(line))
        for note in run.notes:
            if note.startswith("waiver"):  # the others are for whoever reads a report alone
                self._console.print(Text(note, style="yellow"))
        head = f"stopped: {HEAD[run.status]}" if run.stopped else HEAD[run.status]
        self._console.print(Text(f"{head}: {said}", style=style))
        if files:
            folder, kinds = str(Path(files["html"]).parent), ", ".join(files)
            self._console.print(Text(f"reports: {folder}/{run.suite}.{{{kinds}}}", style="dim"))

    def _finding(self, finding: Finding) -> None:
        result, told = finding.result, finding.result.said
        mark, style = _MARK[result.verdict]
        line = Text()
        line.append(f"{mark} {result.check.id}", style=style)
        line.append(f", {and_more(finding.also)}" if finding.also else "", style="dim")
        more = sum(one.verdict == result.verdict for one in result.told) - 1
        line.append(f"  {told.message}{f'; {more} more like it' if more else ''}", style="")
        line.append(_where(told), style="dim")
        self._console.print(line)
        if result.waived:
            self._console.print(Text(f"    waived: {result.waived}", style="dim"))
        elif told.fix:
            self._console.print(Text(f"    {PEOPLE[result.acts]}: {told.fix}", style="cyan"))


def _where(told: Told) -> str:
    """Return what came, its place in the answer and the first request that shows it, as the evidence numbers it."""
    at = [f"got {told.got}"] if told.got else []
    at += [f"at {told.path}"] if told.path.strip("$") else []
    seen = [f"request {told.exchanges[0]}"] if told.exchanges else []
    return f" · {', '.join(at + seen)}" if at or seen else ""


def _facts(facts: Mapping[str, Any], *, whole: bool = False) -> Iterator[str]:
    """Yield what is said beside the verdicts: coverage (``whole`` a line a feature), write-back, what was left."""
    if whole:
        yield from coverage.told(facts)
    elif facts.get("coverage"):
        yield from coverage.summary(facts["coverage"])
    yield from prefetch.summary(facts)
    written = facts.get("write_back")
    if written:
        yield f"write-back: level {written['level']}, {written['reached']}"
        left = [one["reference"] for one in written["left_behind"]]
        if left:
            yield f"left behind, remove by hand: {', '.join(left[:4])}{' …' if len(left) > 4 else ''}"
