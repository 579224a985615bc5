"""The gene strip: one box a gene that guidance reads, with its phenotype, or that it was not tested."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from textwrap import wrap

from markupsafe import Markup

from service.cds.words import day
from service.model_report.axes import text
from service.web.pictures import time_line
from service.web.pictures.time_line import WIDTH

_LINE, _ROOM, _LEFT = 14, 14, 84
_BOLD, _PLAIN = 38, 46  # characters that a line has room for
_SURE = {
    "derived": "from the diplotype",
    "reported": "as reported",
    "conflicting": "results differ: the stricter counts",
    "unconfirmed": "read from text: to be confirmed",
    "indeterminate": "function not known",
}


@dataclass(frozen=True, slots=True)
class Gene:
    """One gene; ``certainty`` as ``gene_states`` has it, ``words`` what stands in the chart."""

    name: str
    certainty: str
    phenotypes: tuple[str, ...] = ()
    words: str = ""
    day: date | None = None

    @property
    def tested(self) -> bool:
        """Whether there is any result."""
        return self.certainty != "not-tested"

    @property
    def phenotype(self) -> str:
        """The phenotype in words."""
        return " or ".join(self.phenotypes).lower() if self.tested else "not tested"

    @property
    def basis(self) -> str:
        """What stands in the chart, how sure that is, and from when."""
        if not self.tested:
            return "no result in the chart"
        shown = self.words if self.words.lower() not in self.phenotype else ""
        return ", ".join(filter(None, (shown, _SURE.get(self.certainty, self.certainty), day(self.day))))


def picture(found: Sequence[Gene]) -> Markup:
    """Return the strip; an empty one where no guidance reads a gene."""
    if not found:
        return Markup("")
    parts: list[Markup] = []
    top = 2.0
    for one in found:
        lines = [
            *((words, True) for words in wrap(one.phenotype, _BOLD)),
            *((w, False) for w in wrap(one.basis, _PLAIN)),
        ]
        parts += _row(one, top, lines)
        top += _LINE * len(lines) + _ROOM
    told = "; ".join(f"{one.name} {one.phenotype} ({one.basis})" for one in found)
    return time_line.drawing(top, parts, f"Genes: {told}.")


def _row(one: Gene, top: float, lines: Sequence[tuple[str, bool]]) -> list[Markup]:
    height = _LINE * len(lines) + _ROOM - 6
    box = Markup('<rect x="1" y="{:.0f}" width="{}" height="{}" rx="4" class="{}"/>').format(
        top, WIDTH - 2, height, "gene" if one.tested else "gene untested"
    )
    shown = [
        text(_LEFT, top + 15 + _LINE * n, words, anchor="start", kind="value" if bold and one.tested else "name")
        for n, (words, bold) in enumerate(lines)
    ]
    return [box, text(10, top + height / 2 + 4, one.name, anchor="start", kind="value"), *shown]
