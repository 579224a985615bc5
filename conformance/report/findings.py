"""What has to be done, worst first: findings alike in words and cure are one, under the first check that has it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.checks import VERDICTS, Acts, Check, Result, Told
from conformance.runner import Status

HEAD: Mapping[Status, str] = {
    "passed": "all required checks passed",
    "findings": "findings",
    "not-run": "could not run",
    "too-little": "too little was tested to say",
}
PEOPLE: Mapping[Acts, str] = {
    "ehr-team": "the EHR's team",
    "integration-engineer": "the integration engineer",
    "service-team": "the service's team",
    "undersign": "Undersign's developers",
    "network": "whoever runs the network",
    "nobody": "nobody",
}


@dataclass(slots=True)
class Finding:
    """The result that tells it, and the ids of the checks that say the same."""

    result: Result
    also: list[str] = field(default_factory=list[str])


def findings(results: Iterable[Result]) -> list[Finding]:
    """Return what failed, warned or could not run, worst first, and of what is alike the first."""
    found: dict[object, Finding] = {}
    for one in worst_first(results):
        if one.verdict in ("fail", "warn", "broken"):
            alike = (one.verdict, one.acts, one.waived, tuple(_alike(one, told) for told in one.told))
            held = found.setdefault(alike, Finding(one))
            held.also += [] if held.result is one else [one.check.id]
    return list(found.values())


def _alike(one: Result, told: Told) -> tuple[str, ...]:
    """Return what two checks share that say the same: the words, or in one group what was expected and the cure."""
    wanted = (one.check.group, told.expected, told.path) if told.expected and told.fix else (told.message,)
    return (*wanted, told.fix)


def again(about: Mapping[str, Any], check: Check[Any]) -> str:
    """Return the command that repeats one check of a run, without writing where the check reads; empty for none."""
    command = str(about.get("command", ""))
    reading = command if "write" in check.tags else command.replace(" --write", "")
    return f"{reading} --only {check.id}" if command else ""


def lines(result: Result, about: Mapping[str, Any]) -> Iterator[str]:
    """Yield all that is known of a result that did not pass, as plain lines."""
    for told in result.told:
        yield told.message
        yield from seen(told, f"{about.get('suite', 'run')}.har")
        if told.fix:
            yield f"fix: {told.fix}"
    if result.waived:
        yield f"waived: {result.waived}"
    if result.verdict in ("fail", "warn", "broken"):
        rule = result.check.requirement
        yield f"who acts: {PEOPLE[result.acts]}"
        yield f"requirement: {rule.id}, {rule.text} {rule.url}"
        yield f"alone: {again(about, result.check)}"


def seen(told: Told, evidence: str) -> Iterator[str]:
    """Yield what was expected and came, where, and the requests that show it."""
    named = {"expected": told.expected, "got": told.got, "at": told.path}
    yield from (f"{name}: {value}" for name, value in named.items() if value)
    if told.exchanges:
        yield f"evidence: request {', '.join(map(str, told.exchanges))} of {evidence}"


def worst_first(results: Iterable[Result]) -> list[Result]:
    """Return results by verdict, required ones first; otherwise in their own order."""
    return sorted(results, key=lambda one: (bool(one.waived), VERDICTS.index(one.verdict), not one.check.required))


def and_more(ids: Sequence[str], most: int = 3) -> str:
    """Return the ids of a finding's other checks in few words, empty for none."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more
