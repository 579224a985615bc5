"""Lines for a profile that would feed what is there and cannot be read: how they are written (docs/coverage.md).

An engineer checks each before using it. What a line would do is tried out (``pasting``), so that none is shown
that reads nothing.
"""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from fhir_adapters import terminology
from fhir_adapters.dialect.profile import plain_text, unit_text
from fhir_adapters.terminology import Code

Problem = Literal["uncoded", "wrong-system", "wrong-unit"]

NOTHING = ""  # of something that is seen and has no line of its own, but may contradict another's
MAPS = "maps"  # the table of lines for a code map in CSV
_COLUMNS = "source_system,source_code,target_system,target_code,relationship,source"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NUMBERS = ("instruments.answers.", "instruments.answer_texts.")  # tables whose values are numbers
_WIDEST = 250  # characters of what a line may be about; a longer text is no name
_LONGEST = 60  # characters of a text that is shown beside a line


Place = tuple[str, str, str]


class Suggestion(NamedTuple):
    """One line to paste: what the EHR writes (``left``) and what the profile makes of it (``right``).

    ``table`` is the profile's table (``systems``, ``units.sodium``, …), or ``maps`` for a line of a code map in
    CSV. Codes are ``system|code``. ``problem`` says what is wrong with what is there.
    """

    table: str
    left: str
    right: str
    problem: Problem

    def line(self, seen: str = "") -> str:
        """Return the line as it is pasted: TOML, or CSV with ``seen`` in its last column."""
        if self.table == MAPS:
            target = split(self.right)
            return _csv((*split(self.left), *target, relationship(target), seen))
        right = self.right if self.table.startswith(_NUMBERS) else _toml(self.right)
        return f"{_toml(self.left)} = {right}"


class Sighting(NamedTuple):
    """A suggestion and where it came from in one chart.

    ``key`` is what it would feed: an analyte, ``<scale>.<part>``, ``medications``, ``conditions`` or
    ``allergies``; ``reference`` the resource, which no report holds; ``seen`` words for the engineer.
    """

    suggestion: Suggestion
    key: str
    reference: str
    seen: str


def heading(table: str) -> str:
    """Return what stands above the lines of a table: its name in TOML, or the columns of a code map in CSV."""
    return _COLUMNS if table == MAPS else f"[{table}]"


def coded(system: str | None, code: str) -> str:
    """Return a code as profiles write it: ``system|code``, nothing before the bar for one without a system."""
    return f"{system or ''}|{code}"


def split(code: str) -> Code:
    """Return system and code of ``system|code``."""
    system, _, value = code.rpartition("|")
    return system, value


def relationship(target: Code) -> str:
    """Return how a map's target stands to its source: a product's ingredient is wider, all else must be the same."""
    return "wider" if target in terminology.load().drug_codes else "equivalent"


def can_be_written(*texts: str) -> bool:
    """Return whether texts can stand in a profile: not empty, on one line, of plain characters, without a bar."""
    return all(0 < len(text.strip()) <= _WIDEST and "|" not in text and not _CONTROL.search(text) for text in texts)


def shown(text: str) -> str:
    """Return a text as it is shown beside a line: cut, on one line."""
    plain = " ".join(_CONTROL.sub(" ", text).split())
    return f"{plain[:_LONGEST]}…" if len(plain) > _LONGEST else plain


def place(one: Suggestion) -> Place:
    """Return what must be said once only: a key of a table; of a code map, a code for each target system."""
    key = {"units": unit_text, "observations": plain_text}.get(one.table.partition(".")[0], str)
    return one.table, key(one.left), split(one.right)[0] if one.table == MAPS else ""


def without_contradictions(suggestions: Iterable[Suggestion]) -> tuple[list[Suggestion], dict[Place, list[Suggestion]]]:
    """Return the suggestions that can all be pasted, and those that contradict each other, by place.

    One linkId that is a question of PHQ-9 in one form and of GAD-7 in another has no line: either would be wrong.
    """
    places: dict[Place, list[Suggestion]] = defaultdict(list)
    for one in sorted(suggestions):
        places[place(one)].append(one)
    unclear = {at: held for at, held in places.items() if len({one.right for one in held}) > 1}
    usable = [held[0] for at, held in places.items() if at not in unclear and held[0].right != NOTHING]
    return usable, unclear


def meanings(lines: Iterable[Suggestion]) -> str:
    """Return what several lines of one place say, in words."""
    rights = [one.right for one in lines if one.right != NOTHING]
    return " or ".join([*rights, "something else"] if len(rights) == 1 else rights)


def _toml(text: str) -> str:
    """https://toml.io/en/v1.0.0#string: a basic string is written as JSON writes one."""
    return json.dumps(text, ensure_ascii=False)


def _csv(fields: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(fields)
    return out.getvalue()
