"""What several commands ask for in the same words: where the configuration is, which day it is."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer


def day_of(text: str) -> date:
    """Return the day of ``2026-11-22``; wrong usage otherwise."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("write the day as 2026-11-22") from error


def today() -> date:
    """Return this machine's day, for a command that was given none."""
    return datetime.now().date()


Config = Annotated[
    Path | None, typer.Option(help="The TOML file; else UNDERSIGN_CONFIG, else undersign.toml here.", metavar="FILE")
]
Now = Annotated[
    date | None, typer.Option(help="The day to work on; today when left out.", parser=day_of, metavar="DATE")
]
