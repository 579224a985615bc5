"""Two runs of one suite side by side: what is new, fixed, changed, or no longer tested."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from conformance.errors import CheckError
from conformance.report.as_json import FORMAT

Kind = Literal[
    "new", "fixed", "changed", "no-longer-tested", "now-tested", "gone", "added", "no-longer-fed", "now-fed", "slower"
]
_BAD = ("fail", "broken")
_SLOWER, _NOTICED_MS = 2.0, 250.0  # twice the p95 of a kind of request, where a person would notice


@dataclass(frozen=True, slots=True)
class Difference:
    """One check, feature or kind of request that is another one now; ``check`` is its name."""

    check: str
    kind: Kind
    before: str
    after: str
    message: str

    @property
    def worse(self) -> bool:
        """Whether it counts as a step back."""
        return self.kind in ("new", "no-longer-tested", "gone", "no-longer-fed", "slower")


def load(path: Path) -> Mapping[str, Any]:
    """Return a report in JSON; CheckError U-CHECK-REPORT."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError:
        found = {}
    if found.get("format") != FORMAT or not isinstance(found.get("checks"), list):
        raise CheckError("U-CHECK-REPORT", "this is no report of a run; take the .json that undersign check wrote")
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what differs, steps back first, by check; CheckError U-CHECK-REPORT for reports of two suites."""
    if before.get("suite") != after.get("suite"):
        said = f"one report is of {before.get('suite')} and one of {after.get('suite')}; take two of one suite"
        raise CheckError("U-CHECK-REPORT", said)
    old, new = ({one["id"]: one for one in report["checks"]} for report in (before, after))
    found = [one for name in sorted({*old, *new}) if (one := _difference(name, old.get(name), new.get(name)))]
    found += [*_fed(before, after), *_slower(before, after)]
    kinds = get_args(Kind)
    return tuple(sorted(found, key=lambda one: (not one.worse, kinds.index(one.kind), one.check)))


def _fed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield the features that some patient fed in one run only."""
    old, new = (
        {
            one["name"]: one["outcomes"].get("fed", 0)
            for one in report.get("facts", {}).get("coverage", {}).get("features", ())
        }
        for report in (before, after)
    )
    for name in sorted(old.keys() & new.keys()):
        if bool(old[name]) != bool(new[name]):
            kind: Kind = "now-fed" if new[name] else "no-longer-fed"
            yield Difference(f"feature {name}", kind, str(old[name]), str(new[name]), "patients who feed it")


def _slower(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    old, new = (
        {one["kind"]: float(one["p95"]) for one in report.get("facts", {}).get("latency", ())}
        for report in (before, after)
    )
    for name in sorted(old.keys() & new.keys()):
        if new[name] > max(_SLOWER * old[name], _NOTICED_MS):
            yield Difference(name, "slower", f"{old[name]:.0f} ms", f"{new[name]:.0f} ms", "p95")


def _difference(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Difference | None:
    if old is None or new is None:
        kept: Mapping[str, Any] = new or old or {}
        verdict = str(kept["verdict"])
        one = ("added", "", verdict) if old is None else ("gone", verdict, "")
        return Difference(name, one[0], one[1], one[2], _message(kept))  # pyright: ignore[reportArgumentType]
    before, after = str(old["verdict"]), str(new["verdict"])
    if before == after and (before not in ("fail", "warn") or _message(old) == _message(new)):
        return None
    return Difference(name, _kind(before, after), before, after, _message(new))


def _kind(before: str, after: str) -> Kind:
    if after == "not-tested":
        return "no-longer-tested"
    if before == after:
        return "changed"
    if after in _BAD:
        return "new"
    if before == "not-tested":
        return "now-tested"
    return "fixed" if before in _BAD else "changed"


def _message(check: Mapping[str, Any]) -> str:
    told = [one["message"] for one in check.get("told", ()) if one.get("verdict") == check["verdict"]]
    return str(told[0]) if told else ""
