"""Rating scales as tables (``terminology/scale*.csv``, ``answer_codes.csv``): parts, answers, names, scoring.

A part without a code is there for sites that map to it. How a total is made is data too: a domain scores the
highest of its parts, a total is the sum of its domains, and most domains have one part.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fhir_adapters.dialect.code_systems import key_code
from fhir_adapters.errors import ProfileError

Code = tuple[str, str]
PartKey = tuple[str, str]  # scale, part
Row = Mapping[str, str]

_TAG = re.compile(r" \((?:qualifier value|finding)\)$")  # SNOMED CT, fully specified names
_APOSTROPHES = str.maketrans("‘’‑–—", "''---")


@dataclass(frozen=True, slots=True)
class ScalePart:
    """One answer, total or panel of a rating scale, its range, and the answer lists that may answer it."""

    scale: str
    part: str
    low: float | None
    high: float | None
    answer_lists: frozenset[str]

    @property
    def key(self) -> str:
        """``<scale>.<part>``, as refusals and profiles name it."""
        return f"{self.scale}.{self.part}"


@dataclass(frozen=True, slots=True)
class AnswerCode:
    """An answer code and the score that it stands for."""

    answer_list: str
    ordinal: float


@dataclass(frozen=True, slots=True)
class Domain:
    """What one domain of a total is scored from.

    Each of ``needed`` must be answered by at least one of its parts (QIDS asks for less appetite or for more,
    not for both); the domain scores the highest answer.
    """

    name: str
    needed: tuple[tuple[PartKey, ...], ...]


@dataclass(frozen=True, slots=True)
class ScaleTables:
    """All tables.

    ``codes``: code → part. ``parts``: scale → part's name → part. ``names``: an instrument's or an item's own
    name, as ``plain`` writes it, → part. ``answers`` and ``texts``: an answer's code, or list and text, →
    score; ``unanswered``: codes that say that none was given. ``scoring``: scale → its domains.
    """

    codes: Mapping[Code, ScalePart]
    parts: Mapping[str, Mapping[str, ScalePart]]
    names: Mapping[str, ScalePart]
    answers: Mapping[Code, AnswerCode]
    texts: Mapping[str, Mapping[str, float]]
    unanswered: frozenset[Code]
    scoring: Mapping[str, tuple[Domain, ...]]


def plain(text: str) -> str:
    """Return a name or answer as the tables key it: small letters, single blanks, plain apostrophes, no end mark."""
    return " ".join(text.translate(_APOSTROPHES).lower().split()).rstrip(".:? ")


@cache
def load() -> ScaleTables:
    """Return the tables (read once); ProfileError U-PROFILE-TERMINOLOGY when rows contradict each other."""
    codes: dict[Code, ScalePart] = {}
    parts: dict[str, dict[str, ScalePart]] = defaultdict(dict)
    for row in _rows("scales"):
        part = _part(row)
        if row["code"] and row["verified"] == "no":
            continue
        _agree(parts[part.scale].setdefault(part.part, part), part, part.key)
        if row["code"]:
            codes[_code(row)] = part
    answers = list(_rows("answer_codes"))
    return ScaleTables(
        codes=codes,
        parts=dict(parts),
        names={plain(row["name"]): parts[row["scale"]][row["part"]] for row in _rows("scale_names")},
        answers=_answers(answers),
        texts=_texts(answers),
        unanswered=frozenset(_code(row) for row in answers if not row["ordinal"]),
        scoring=_scoring(parts),
    )


@cache
def suicide_answers() -> frozenset[str]:
    """Return the answers about suicide, as ``<scale>.<part>`` (``terminology/suicide_answers.csv``)."""
    return frozenset(f"{row['scale']}.{row['part']}" for row in _rows("suicide_answers"))


def _rows(table: str) -> Iterator[Row]:
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    yield from csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def _code(row: Row) -> Code:
    return row["system"], key_code(row["system"], row["code"])


def _part(row: Row) -> ScalePart:
    low, high = (float(row[end]) if row[end] else None for end in ("low", "high"))
    return ScalePart(row["scale"], row["part"], low, high, frozenset(filter(None, row["answer_lists"].split(";"))))


def _agree(known: object, found: object, what: str) -> None:
    if known != found:
        raise ProfileError("U-PROFILE-TERMINOLOGY", f"the scale tables contradict themselves on {what}; keep one row")


def _answers(rows: Iterable[Row]) -> dict[Code, AnswerCode]:
    answers: dict[Code, AnswerCode] = {}
    for row in rows:
        if row["code"] and row["ordinal"] and row["verified"] != "no":
            answer = AnswerCode(row["answer_list"], float(row["ordinal"]))
            _agree(answers.setdefault(_code(row), answer), answer, row["code"])
    return answers


def _texts(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    texts: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row["ordinal"]:
            text, ordinal = plain(_TAG.sub("", row["display"])), float(row["ordinal"])
            _agree(texts[row["answer_list"]].setdefault(text, ordinal), ordinal, row["display"])
    return dict(texts)


def _scoring(parts: Mapping[str, Mapping[str, ScalePart]]) -> dict[str, tuple[Domain, ...]]:
    scoring: dict[str, list[Domain]] = defaultdict(list)
    for row in _rows("scale_scoring"):
        needed = tuple(
            tuple(_part_key(row["scale"], name, parts) for name in one.split("|")) for one in row["parts"].split(";")
        )
        scoring[row["scale"]].append(Domain(row["domain"], needed))
    return {scale: tuple(domains) for scale, domains in scoring.items()}


def _part_key(scale: str, name: str, parts: Mapping[str, Mapping[str, ScalePart]]) -> PartKey:
    other, _, own = name.rpartition(".")
    key = other or scale, own
    if key[1] not in parts.get(key[0], {}):
        raise ProfileError("U-PROFILE-TERMINOLOGY", f"scale_scoring.csv: {name} is no part of {key[0]}; correct it")
    return key
