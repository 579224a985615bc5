"""How a story is told: rich on a terminal, plain text when piped or with NO_COLOR; every text as it is."""

import os
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 100


class Narrator:
    """Prints steps, sentences, facts and cards; what comes from outside is never read as markup."""

    def __init__(self, out: TextIO) -> None:
        plain = not out.isatty() or "NO_COLOR" in os.environ
        width = None if out.isatty() else PLAIN_WIDTH
        self._plain, self._out = plain, out
        self._console = Console(file=out, highlight=False, width=width, force_terminal=False if plain else None)

    def title(self, text: str) -> None:
        """Print the heading of the whole story."""
        self._print(Text(text, style="bold"))

    def step(self, number: int, text: str) -> None:
        """Print the heading of a step."""
        self._print(Text(f"\n{number}  {text}", style="bold cyan"))

    def say(self, text: str) -> None:
        """Print one sentence."""
        self._indented(Text(text))

    def done(self, text: str) -> None:
        """Print something that was seen to hold."""
        self._marked("✓", "green", text)

    def refused(self, text: str) -> None:
        """Print a refusal that was wanted."""
        self._marked("✗", "yellow", text)

    def failed(self, text: str) -> None:
        """Print why the story stopped, on one line however long."""
        self._print(Text(" ".join(text.split()), style="bold red"), soft_wrap=True)

    def unbroken(self, text: str) -> None:
        """Print an address or a log line on a line of its own, so that it can be clicked and copied."""
        self._print(Text(f"   {text}"), soft_wrap=True)

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print name and value pairs under each other."""
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(Text(name), Text(value))
        self._indented(table)

    def card(self, title: str, indicator: str, detail: str) -> None:
        """Print a card: summary as its title, detail as the Markdown that it is."""
        style = {"critical": "red", "warning": "yellow"}.get(indicator, "blue")
        heading = Text(f"{indicator.upper()}  {title}", style="bold")
        if self._plain:
            self._print(Padding(heading, (1, 0, 1, 3)))
            self._indented(Markdown(detail))
            return
        panel = Panel(Markdown(detail), title=heading, title_align="left", box=box.ROUNDED, border_style=style)
        self._print(Padding(panel, (1, 0, 1, 3)))

    def _marked(self, mark: str, style: str, text: str) -> None:
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(Text(mark, style=style), Text(text))
        self._indented(grid)

    def _indented(self, what: RenderableType) -> None:
        self._print(Padding(what, (0, 0, 0, 3)))

    def _print(self, what: RenderableType, *, soft_wrap: bool = False) -> None:
        """Print at once; plain lines lose the spaces that rich fills them up with."""
        if not self._plain:
            self._console.print(what, soft_wrap=soft_wrap)
            return
        with self._console.capture() as capture:
            self._console.print(what, soft_wrap=soft_wrap)
        self._out.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())
        self._out.flush()
