"""Known differences that a site has accepted: each with its reason, who answers for it, and an end."""

import tomllib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from conformance.checks import Result
from conformance.errors import CheckError


@dataclass(frozen=True, slots=True)
class Waiver:
    """One accepted finding: the check's id, why, who answers for it, and the last day that it holds."""

    check: str
    reason: str
    owner: str
    until: date


def load(path: Path | None) -> tuple[Waiver, ...]:
    """Return the waivers of a TOML file of ``[[waiver]]`` tables; none without a file. CheckError U-CHECK-WAIVER."""
    if path is None:
        return ()
    try:
        rows: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["waiver"]
        return tuple(_waiver(row) for row in rows)
    except OSError as error:
        raise CheckError("U-CHECK-WAIVER", f"{path} cannot be read: check its path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise CheckError(
            "U-CHECK-WAIVER",
            "write each waiver as [[waiver]] with check, reason and owner as text and until as a date (2026-12-31)",
        ) from error


def _waiver(row: dict[str, Any]) -> Waiver:
    texts = {name: row[name] for name in ("check", "reason", "owner")}
    if not all(isinstance(text, str) and text.strip() for text in texts.values()) or type(row["until"]) is not date:
        raise ValueError(row)
    return Waiver(**texts, until=row["until"])


def waived(result: Result, waivers: Sequence[Waiver], today: date) -> Result:
    """Mark a finding that the site has accepted; an expired waiver is a finding again, and says so."""
    # Of several for one check the one that holds longest: a renewed waiver may stand beside the old one.
    named = [one for one in waivers if one.check == result.check.id]
    found = max(named, key=lambda one: one.until, default=None)
    if found is None or result.verdict not in ("fail", "warn"):
        return result
    if found.until < today:
        ended = f"its waiver ({found.owner}: {found.reason}) ended on {found.until.isoformat()}"
        first = replace(result.said, message=f"{result.said.message}; {ended}")
        return replace(result, told=(first, *(one for one in result.told if one is not result.said)))
    return replace(result, waived=f"{found.reason} ({found.owner}, until {found.until.isoformat()})")


def notes(waivers: Sequence[Waiver], results: Sequence[Result], known: Set[str], today: date) -> Iterator[str]:
    """Yield a sentence for each waiver that accepts nothing: mistyped, of no use any more, or ended.

    ``known`` are the ids of every suite, for one file may hold the waivers of several.
    """
    verdicts = {one.check.id: one.verdict for one in results}
    for one in waivers:
        if one.check not in known:
            yield f"waiver of {one.check} ({one.owner}): no check has this id, so it accepts nothing"
        elif verdicts.get(one.check) == "pass":
            yield f"waiver of {one.check} ({one.owner}): the check passes, so it may be taken out"
        elif one.until < today and one.check in verdicts:
            yield f"waiver of {one.check} ({one.owner}) ended on {one.until.isoformat()}: renew it or mend the finding"
