"""Known differences that a site has accepted: each with its reason, who answers for it, and an end."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

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
