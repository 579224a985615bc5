"""What codes and words of problems mean, as one frozen value (``terminology/condition*.csv`` and relatives).

An ICD code means what its row says and what the rows of the categories above it say: F32.2 is under F32. The
rows of a category name what they leave out (``except``). ICD-10-GM keeps the categories of the WHO's ICD-10, so
that a code without a row of its own means what the WHO's category means.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal, cast

from fhir_adapters import remember, terminology
from fhir_adapters.dialect.code_systems import ICD9CM, ICD10, ICD10CM, ICD10GM, SNOMED, key_code
from fhir_adapters.terminology import Code

Past = Literal["history", "remission"]
RelativeKind = Literal["blood", "other", "unknown"]
Row = Mapping[str, str]

UNDERSTOOD = frozenset({SNOMED, ICD10CM, ICD10, ICD10GM, ICD9CM})  # systems that the tables speak for
_NONE: frozenset[str] = frozenset()
_TAG = re.compile(r"\s*\((?:disorder|finding|situation|event|diagnosis|substance|organism|product|trastorno)\)$")
# Epic marks diagnoses that count for risk adjustment in the problem's own name: "… (HCC)", "… (CMS/HCC)".
_MARK = re.compile(r"\s*\((?:cms[/-])?(?:hcc|cmd)\)$")
_NOISE = re.compile(r"[,;.]+(?=\s|$)")
_INJURIES = "STVWXY"  # the chapters of ICD-10-CM whose codes end with the encounter: A, D or S
_CATEGORY, _LONGEST = 3, 7  # characters of an ICD category, and of an ICD code without its dot


@dataclass(frozen=True, slots=True)
class Relative:
    """One relationship: its v3 RoleCode and whether it is one of blood."""

    relation: str
    kind: RelativeKind


@dataclass(frozen=True, slots=True)
class ProblemTables:
    """All tables of problems.

    ``groups``: system → category without its dot → (key, what is left out of it). ``texts``: phrase as
    ``phrase`` writes it → keys. ``qualifiers``: words that stand before a problem → what they say of it.
    ``first_words`` are theirs. ``conflicts``: pairs of keys that one problem cannot have both. ``family``: code →
    key, None for a family history that names no condition; ``family_codes`` are its codes as they are written, with
    and without a dot. ``stems`` begin words of problems that rules read; beside certain words they say something else,
    and some give an unread problem a key of their own (``unread_words``).
    """

    codes: Mapping[Code, frozenset[str]]
    groups: Mapping[str, Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]]
    past: Mapping[Code, Past]
    texts: Mapping[str, frozenset[str]]
    qualifiers: Mapping[str, str]
    first_words: frozenset[str]
    conflicts: frozenset[frozenset[str]]
    family: Mapping[Code, str | None]
    family_codes: frozenset[str]
    relatives: Mapping[Code, Relative]
    relative_words: Mapping[str, Relative]
    stems: tuple[tuple[str, frozenset[str], str], ...]

    @property
    def grouped_keys(self) -> frozenset[str]:
        """The keys that ICD categories give."""
        return frozenset(key for held in self.groups.values() for rows in held.values() for key, _ in rows)

    @property
    def stem_keys(self) -> frozenset[str]:
        """The keys that words give which nobody could read."""
        return frozenset(key for _, _, key in self.stems if key)

    def said_of_past(self, code: Code) -> Past | None:
        """Return what a code says of a problem that is no more.

        ICD-10-CM ends the code of an injury with S for what it left behind: a sequela (guidelines I.C.19.a).
        """
        sequela = code[0] == ICD10CM and len(code[1]) == _LONGEST and code[1][0] in _INJURIES and code[1][-1] == "S"
        return self.past.get(code) or ("history" if sequela else None)

    def keys(self, code: Code) -> frozenset[str]:
        """Return the keys of one code, those of the categories above it among them."""
        grouped = code[0] in self.groups and len(code[1]) <= _LONGEST
        return _keys(code) if grouped else self.codes.get(code, _NONE)

    def keys_of_texts(self, texts: Iterable[str]) -> frozenset[str]:
        """Return the keys of texts that are known as they stand; nothing for one with any further word."""
        return _NONE.union(*(self.texts.get(phrase(text), _NONE) for text in texts))

    def may_tell(self, text: str) -> bool:
        """Return whether a text has the words of a problem that rules read: no table of SNOMED CT codes is whole."""
        words = phrase(text).replace("-", " ").replace("/", " ")
        return any(f" {stem}" in f" {words}" and out.isdisjoint(words.split()) for stem, out, _ in self.stems)

    def qualifier(self, text: str) -> str | None:
        """Return what the first words of a text say of its problem: unconfirmed, past, family or absent.

        None for none, and for a text that is known as it stands.
        """
        first = text.split(None, 1)[:1]
        ruled_out = text.rstrip(" .").lower().endswith(" ruled out")
        if not first or not (ruled_out or first[0].startswith("?") or phrase(first[0]) in self.first_words):
            return None  # as nearly every problem's name is
        plain = phrase(text)
        if plain in self.texts:
            return None
        if ruled_out:
            return "absent"
        words = plain.split(" ")
        starts = (" ".join(words[:length]) for length in range(min(5, len(words)), 0, -1))
        found = next((self.qualifiers[start] for start in starts if start in self.qualifiers), None)
        return "unconfirmed" if found is None and plain.startswith("?") else found


def _under(groups: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]], plain: str, length: int) -> frozenset[str]:
    held = groups.get(plain[:length])
    return frozenset(key for key, out in held if not plain.startswith(out)) if held else _NONE


@lru_cache(maxsize=4096)
def _keys(code: Code) -> frozenset[str]:
    """Return the keys of an ICD code; a clinic's charts hold the same few codes again and again."""
    tables = load()
    system, plain = code
    found = tables.codes.get(code, _NONE)
    for groups in (tables.groups[system], tables.groups[ICD10] if system == ICD10GM else None):
        if groups:
            found = found.union(*(_under(groups, plain, length) for length in range(_CATEGORY, len(plain) + 1)))
    return found


@remember.by_text(200)
def phrase(text: str) -> str:
    """Return a text as the phrases are keyed: small letters, one blank, no tag, mark, comma or full stop."""
    plain = " ".join(text.casefold().replace("’", "'").split())
    return " ".join(_NOISE.sub("", _TAG.sub("", _MARK.sub("", plain))).split())


@cache
def load() -> ProblemTables:
    """Return the tables, read once."""
    codes = terminology.load().condition_codes
    qualifiers = {phrase(row["text"]): row["kind"] for row in _rows("condition_qualifiers")}
    relatives = {_code(row): _relative(row) for row in _coded("relatives")}
    return ProblemTables(
        codes=codes,
        groups=_groups(),
        past={_code(row): cast("Past", row["kind"]) for row in _coded("condition_past")},
        texts=_texts(),
        qualifiers=qualifiers,
        first_words=frozenset(phrase(text.split(" ")[0]) for text in qualifiers),
        conflicts=frozenset(frozenset({row["key"], row["over"]}) for row in _rows("condition_conflicts")),
        family={_code(row): row["key"] or None for row in _coded("family_codes")},
        family_codes=frozenset(text for row in _coded("family_codes") for text in (row["code"], _code(row)[1])),
        relatives=relatives,
        relative_words={phrase(row["display"]): relatives[_code(row)] for row in _coded("relatives")},
        stems=tuple((row["stem"], frozenset(row["except"].split(";")), row["key"]) for row in _rows("condition_stems")),
    )


def _groups() -> dict[str, dict[str, tuple[tuple[str, tuple[str, ...]], ...]]]:
    found: dict[str, dict[str, tuple[tuple[str, tuple[str, ...]], ...]]] = defaultdict(dict)
    for row in _coded("condition_groups"):
        system, plain = _code(row)
        out = tuple(key_code(system, one) for one in row["except"].split(";") if one)
        found[system][plain] = (*found[system].get(plain, ()), (row["key"], out))
    return dict(found)


def _texts() -> dict[str, frozenset[str]]:
    """Return the phrases: those listed, and the names of all codes whose meaning needs no exception."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in _rows("condition_texts"):
        found[phrase(row["text"])].add(row["key"])
    named = (*_coded("conditions"), *(row for row in _coded("condition_groups") if not row["except"]))
    for row in named:
        found[phrase(row["display"])].add(row["key"])
    return {text: frozenset(keys) for text, keys in found.items() if text}


def _relative(row: Row) -> Relative:
    return Relative(row["relation"], cast("RelativeKind", row["kind"]))


def _code(row: Row) -> Code:
    return row["system"], key_code(row["system"], row["code"])


def _coded(table: str) -> Iterator[Row]:
    return (row for row in _rows(table) if row["verified"] != "no")


def _rows(table: str) -> Iterator[Row]:
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    yield from csv.DictReader(path.read_text(encoding="utf-8").splitlines())
