"""One run as a command has it: what to run on what, and what is written of it."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from conformance import har, kinds, runner, waivers
from conformance.checks import Check, Suite
from conformance.errors import CheckError
from conformance.exchanges import Exchange, Replayed, Sender
from conformance.kinds import Kind
from conformance.report import as_json, badge, fhir_report, junit, markdown
from conformance.report.terminal import Terminal
from conformance.session import Session


@dataclass(frozen=True, slots=True)
class Order:
    """What to run, on what, and what to write of it. ``now`` and ``seed`` make a run that can be made again.

    ``options`` go into the report and the recording, so they hold no secret; ``secrets`` are given to the probe
    only. ``command`` repeats the run, without secrets.
    """

    kind: Kind
    target: str
    budget: int
    now: datetime
    seed: str
    command: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    secrets: Mapping[str, Any] = field(default_factory=dict[str, Any])
    only: Sequence[str] = ()
    out: Path | None = None
    waivers: Path | None = None
    keep_people: bool = False
    verbose: bool = False
    write: bool = False

    def about(self) -> dict[str, Any]:
        """Return what a report says of the run, and a recording needs to be judged again."""
        return {
            "suite": self.kind.suite.name,
            "target": self.target,
            "started": self.now.isoformat(timespec="seconds"),
            "seed": self.seed,
            "only": list(self.only),
            "write": self.write,
            "command": self.command,
            "options": dict(self.options),
        }


def run(order: Order, sender: Sender) -> int:
    """Run it, say and write what came of it, and return the exit status; of a run that was stopped, 130.

    CheckError U-CHECK-UNKNOWN, U-CHECK-WAIVER, U-CHECK-OUT.
    """
    found = asyncio.run(_judged(order, sender))
    return runner.STOPPED_BY_A_KEY if found.stopped else runner.EXIT[found.status]


def checks(suite: Suite[Any], only: Sequence[str], *, write: bool = False) -> list[Check[Any]]:
    """Return the checks that were asked for; CheckError U-CHECK-UNKNOWN, U-CHECK-WRITE where there are none."""
    found = list(runner.chosen(suite, only=only, write=write))
    if not found and any(runner.chosen(suite, only=only, write=True)):
        raise CheckError("U-CHECK-WRITE", "these checks write: give --write and --patient, a test patient's id")
    if not found:
        raise CheckError("U-CHECK-UNKNOWN", f"no check of {suite.name} has this id; a report lists them")
    return found


async def _judged(order: Order, sender: Sender) -> runner.Run:
    suite = order.kind.suite
    chosen = checks(suite, order.only, write=order.write)
    accepted = waivers.load(order.waivers)
    _made(order.out)
    terminal = Terminal(sys.stdout, verbose=order.verbose)
    sleep = _at_once if isinstance(sender, Replayed) else asyncio.sleep
    session = Session(order.target, sender, budget=order.budget, sleep=sleep)
    terminal.begin(suite.title, order.target, len(chosen), order.budget)
    probe = order.kind.probe(session, order.now, order.seed, {**order.options, **order.secrets})
    try:
        found = await runner.run(
            suite, probe, chosen, order.about(), today=order.now.date(), waivers=accepted, told=terminal.told
        )
        await order.kind.finish(probe)
        known = _ids() if accepted else frozenset[str]()
        notes = (*found.notes, *waivers.notes(accepted, found.results, known, order.now.date()))
        found = replace(found, facts=order.kind.facts(probe), notes=notes)
    finally:
        await session.close()
    terminal.end(found, write(order, found, session.exchanges))
    return found


async def _at_once(_: float) -> None:
    """Pause for nothing: a recording has waited already."""


def _ids() -> frozenset[str]:
    """Return the ids of every check of every suite."""
    return frozenset(check.id for kind in (*kinds.KINDS.values(), kinds.adapter) for check in kind().suite.checks)


def _made(folder: Path | None) -> None:
    """Make the folder of the reports before anything is asked; CheckError U-CHECK-OUT."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckError("U-CHECK-OUT", f"no folder can be made at {folder}: give another with --out") from error


def write(order: Order, found: runner.Run, exchanges: Sequence[Exchange]) -> dict[str, str]:
    """Write the reports and the evidence of a run into its folder, and return their paths by ending; none without."""
    if order.out is None:
        return {}
    from conformance.report import html  # templates are for the end of a run, not for its first line

    page = html.document(found, exchanges, evidence=f"{found.suite}.har")
    documents = {
        "html": page.encode(),
        "json": _json(as_json.document(found)),
        **({"har": _json(har.as_har(exchanges, found.about, keep_people=order.keep_people))} if exchanges else {}),
        "junit.xml": junit.document(found),
        "testreport.json": _json(fhir_report.document(found)),
        "md": markdown.document(found).encode(),
        "svg": badge.document(found).encode(),
    }
    paths = {ending: order.out / f"{found.suite}.{ending}" for ending in documents}
    for ending, path in paths.items():
        path.write_bytes(documents[ending])
    return {ending: str(path) for ending, path in paths.items()}


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
