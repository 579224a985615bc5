"""What only a person can say of the cards: asked at the end, on a terminal and nowhere else."""

import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import typer

from conformance.exchanges import Exchange
from conformance.listening.answers import SHOWN
from conformance.suites.cds_client.shown import QUESTIONS


def asked(heard: Sequence[Exchange]) -> dict[str, Any]:
    """Return ``attested``: question → y or n, of those that were answered; nothing where nobody can be asked."""
    gave_cards = any(one.list("cards") for one in heard if "call" in one.seen)
    if not gave_cards or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return {}
    opened = any(urlsplit(one.asked.url).path == SHOWN for one in heard)
    typer.echo("What was seen of the cards? y, n, or Enter where you do not know.")
    said = {id_: _answer(question) for id_, question in QUESTIONS.items() if not (opened and id_ == "card.link")}
    return {"attested": {id_: answer for id_, answer in said.items() if answer}}


def _answer(question: str) -> str:
    while True:
        said = typer.prompt(f"  {question}", default="", show_default=False).strip().lower()
        if said in ("", "y", "n"):
            return said
        typer.echo("    y, n, or Enter")
