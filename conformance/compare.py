"""Two runs of one suite side by side: what is new, fixed, changed, or no longer tested."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from conformance.errors import CheckError
from conformance.report.as_json import FORMAT

Kind = Literal["new", "fixed", "changed", "no-longer-tested", "now-tested", "gone", "added"]
_BAD = ("fail", "broken")


@dataclass(frozen=True, slots=True)
class Difference:
    """One check whose result is another one now."""

    check: str
    kind: Kind
    before: str
    after: str
    message: str

    @property
    def worse(self) -> bool:
        """Whether it counts as a step back."""
        return self.kind in ("new", "no-longer-tested", "gone")


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
    """Return what differs, steps back first, by check."""
    old, new = ({one["id"]: one for one in report["checks"]} for report in (before, after))
    found = [one for name in sorted({*old, *new}) if (one := _difference(name, old.get(name), new.get(name)))]
    return tuple(sorted(found, key=lambda one: (not one.worse, one.check)))


def _difference(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Difference | None:
    if old is None or new is None:
        kept: Mapping[str, Any] = new or old or {}
        verdict = str(kept["verdict"])
        one = ("added", "", verdict) if old is None else ("gone", verdict, "")
        return Difference(name, one[0], one[1], one[2], _message(kept))  # pyright: ignore[reportArgumentType]
    before, after = str(old["verdict"]), str(new["verdict"])
    if before == after:
        return None
    return Difference(name, _kind(before, after), before, after, _message(new))


def _kind(before: str, after: str) -> Kind:
    if after == "not-tested":
        return "no-longer-tested"
    if after in _BAD:
        return "new"
    if before == "not-tested":
        return "now-tested"
    return "fixed" if before in _BAD else "changed"


def _message(check: Mapping[str, Any]) -> str:
    told = check.get("told", [])
    return str(told[0]["message"]) if told else ""
