"""What has to be done, worst first: findings alike in words and cure are one, under the first check that has it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.checks import VERDICTS, Acts, Result
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
    "undersign": "the service's developers",
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
            alike = (one.verdict, one.acts, one.waived, tuple((told.message, told.fix) for told in one.told))
            held = found.setdefault(alike, Finding(one))
            held.also += [] if held.result is one else [one.check.id]
    return list(found.values())


def worst_first(results: Iterable[Result]) -> list[Result]:
    """Return results by verdict, required ones first; otherwise in their own order."""
    return sorted(results, key=lambda one: (bool(one.waived), VERDICTS.index(one.verdict), not one.check.required))


def and_more(ids: Sequence[str], most: int = 3) -> str:
    """Return the ids of a finding's other checks in few words, empty for none."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more
