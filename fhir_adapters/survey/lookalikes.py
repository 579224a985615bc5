"""What a text looks like: an analyte, a drug, a problem. For suggestions to an engineer only, nothing is read by it.

Every word of a measurement's text must be understood, or it looks like nothing: sodium in urine is no sodium,
and a birth weight is no weight. A drug's text may hold further words, such as its maker.
"""

import csv
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from fhir_adapters import terminology
from fhir_adapters.dialect.code_systems import ATC, LOINC, RXNORM, SNOMED
from fhir_adapters.medication import drug_text
from fhir_adapters.problem import problem_tables
from fhir_adapters.terminology import Code

Words = frozenset[str]

_WORD = re.compile(r"[^\W_]+")
# LOINC's property, as in "Sodium [Moles/volume]"; what stands in other brackets counts: "Sodium (urine)".
_PROPERTY = re.compile(r"\[[^\]/]*/[^\]/]*\]")
_IDLE = frozenset(
    {"of", "in", "or", "and", "the", "by", "a", "for", "to", "you", "your", "have", "been", "over", "last"}
)
# Words beside an analyte's name that do not make it another one; "urine", "goal", "birth" are not among them.
_BESIDE = frozenset(
    {
        *("serum", "plasma", "ser", "plas", "s", "p", "level", "levels", "lab", "laboratory", "result", "test"),
        *("measured", "measurement", "value", "concentration", "conc", "quantitative", "quant", "reading", "vital"),
    }
)
# What analytes are called in wards and in German; no code stands here, and nothing is read by it.
_SAID = {
    "alt": ("alat", "sgpt", "alt sgpt", "gpt"),
    "ast": ("asat", "sgot", "ast sgot", "got"),
    "body_temperature": ("temperature", "temp", "körpertemperatur", "temperatur"),
    "creatinine": ("creat", "kreatinin"),
    "diastolic_bp": ("diastolic", "bp diastolic", "dbp", "diastolischer blutdruck"),
    "glucose": ("blood glucose", "blood sugar", "glukose", "blutzucker"),
    "hba1c": ("hemoglobin a1c", "haemoglobin a1c", "a1c", "glycated hemoglobin"),
    "heart_rate": ("pulse", "pulse rate", "hr", "puls", "herzfrequenz"),
    "height": ("patient height", "körpergröße", "größe"),
    "hemoglobin": ("haemoglobin", "hgb", "hämoglobin"),
    "lithium_level": ("li", "lithiumspiegel"),
    "platelets": ("platelet count", "plt", "thrombozyten"),
    "potassium": ("k", "kalium"),
    "respiratory_rate": ("resp rate", "respirations", "respiration rate", "atemfrequenz"),
    "sodium": ("na", "natrium"),
    "spo2": ("o2 saturation", "o2 sat", "sauerstoffsättigung"),
    "systolic_bp": ("systolic", "bp systolic", "sbp", "systolischer blutdruck"),
    "tobacco_smoking_status": ("smoking status", "tobacco use", "smoking history", "raucherstatus"),
    "wbc": ("white blood cell count", "white blood cells", "wbc count", "white count", "leukozyten"),
    "weight": ("wt", "patient weight", "körpergewicht", "gewicht"),
}
_ITEM_WORDS = 4  # shorter item texts fit too many questionnaires
_LONGEST = 300  # characters; a longer text is a story
# Words that turn a drug's name into something else.
_NOT_TAKEN = frozenset({"no", "not", "non", "allergy", "allergic", "intolerance", "ohne", "sans", "sin"})
_ALIKE = 0.84  # of difflib's ratio: one or two letters in ten; policy


class _Coded(NamedTuple):
    """A code of an analyte: its display, and its preference, the lower one first."""

    preference: int
    code: Code
    display: str


@lru_cache(maxsize=4096)
def analyte(text: str) -> str | None:
    """Return the key of the analyte that a text looks like, None for none or several."""
    words = _words(_PROPERTY.sub(" ", text)) - _BESIDE if len(text) <= _LONGEST else frozenset[str]()
    keys = _analyte_names().get(words, frozenset())
    return next(iter(keys)) if len(keys) == 1 else None


def code_of_analyte(key: str, unit: str | None) -> Code | None:
    """Return the LOINC code of an analyte for values in ``unit``: of moles or of mass where codes tell them apart."""
    coded = _analyte_codes().get(key, ())
    moles = "mol" in (unit or "").lower()
    fitting = [one for one in coded if ("[Moles/" in one.display) == moles]
    return next((one.code for one in (*fitting, *coded)), None)


@lru_cache(maxsize=4096)
def scale_parts(text: str) -> frozenset[str]:
    """Return every ``<scale>.<part>`` whose question a text looks like: one question may be of several scales."""
    words = _words(text) if len(text) <= _LONGEST else frozenset[str]()
    if len(words) < _ITEM_WORDS:
        return frozenset()
    fitting = [(len(name), keys) for name, keys in _part_names().items() if name <= words]
    longest = max((length for length, _ in fitting), default=0)
    return frozenset(key for length, keys in fitting if length == longest for key in keys)


@lru_cache(maxsize=4096)
def drug(text: str) -> tuple[str, ...]:
    """Return the ingredients that stand in a text, whatever else does; none where a word turns them around."""
    words = drug_text.key_of(text) if len(text) <= _LONGEST else ()
    if not _NOT_TAKEN.isdisjoint(words):
        return ()
    return tuple(sorted({name for one in _names_in(words) for name in one}))


def _names_in(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    vocabulary, place = terminology.load().drugs.vocabulary, 0
    while place < len(words):
        longest = vocabulary.longest.get(words[place], 0)
        lengths = range(min(longest, len(words) - place), 0, -1)
        found = next((n for n in lengths if tuple(words[place : place + n]) in vocabulary.names), 0)
        if found:
            yield vocabulary.names[tuple(words[place : place + found])]
        place += found or 1


@cache
def codes_of_drugs() -> Mapping[tuple[str, ...], tuple[Code, ...]]:
    """Return ingredients → the codes that stand for them: RxNorm's of an ingredient first, then ATC, then others."""
    found: dict[tuple[str, ...], list[tuple[int, Code]]] = {}
    for code, held in terminology.load().drug_codes.items():
        rank = 0 if code[0] == RXNORM and held.kind == "ingredient" else {ATC: 1, RXNORM: 2}.get(code[0], 3)
        found.setdefault(held.ingredients, []).append((rank, code))
    return {names: tuple(code for _, code in sorted(codes)) for names, codes in found.items()}


@lru_cache(maxsize=4096)
def problem(text: str) -> Code | None:
    """Return the code of the problem whose name a text nearly is, None for none or several."""
    phrase = problem_tables.phrase(text) if len(text) <= _LONGEST else ""
    if not phrase or problem_tables.load().qualifier(text):
        return None
    words = _words(phrase)
    near = [name for name, held in _problem_names().items() if held == words]
    near = near or difflib.get_close_matches(phrase, _problem_names(), 1, _ALIKE)
    return _problem_codes()[near[0]] if near else None


def near(text: str, known: Iterable[str]) -> str | None:
    """Return the one of some texts that a text nearly is, but for a letter or two in ten."""
    found = difflib.get_close_matches(text.lower(), list(known), 1, _ALIKE) if len(text) <= _LONGEST else []
    return found[0] if found else None


@cache
def _problem_names() -> Mapping[str, Words]:
    return {name: _words(name) for name in _problem_codes()}


@cache
def _problem_codes() -> Mapping[str, Code]:
    """Return phrase → the code of that name, SNOMED CT's before others."""
    rows = sorted(_rows("conditions"), key=lambda row: (row["system"] != SNOMED, row["system"], row["code"]))
    named: dict[str, Code] = {}
    for row in rows:
        if row["verified"] != "no" and row["display"]:
            named.setdefault(problem_tables.phrase(row["display"]), (row["system"], row["code"]))
    return named


@cache
def _analyte_names() -> Mapping[Words, frozenset[str]]:
    rows = [(row["key"], row["display"]) for row in _rows("observations") if row["verified"] != "no"]
    rows += [(row["key"], row["text"]) for row in _rows("observation_texts")]
    rows += [(row["key"], row["key"].replace("_", " ")) for row in _rows("analytes")]
    rows += [(key, name) for key, names in _SAID.items() for name in names]
    rows += [(key, text.partition("[")[0]) for key, text in rows]
    return _by_name(((key, _words(_PROPERTY.sub(" ", text)) - _BESIDE) for key, text in rows), 1)


@cache
def _analyte_codes() -> Mapping[str, tuple[_Coded, ...]]:
    found: dict[str, list[_Coded]] = {}
    for row in _rows("observations"):
        if row["system"] == LOINC and row["verified"] != "no" and not row["refused"]:
            coded = _Coded(int(row["preference"]), (LOINC, row["code"]), row["display"])
            found.setdefault(row["key"], []).append(coded)
    return {key: tuple(sorted(codes)) for key, codes in found.items()}


@cache
def _part_names() -> Mapping[Words, frozenset[str]]:
    rows = ((f"{row['scale']}.{row['part']}", row["display"]) for row in _rows("scales"))
    plain = ((key, re.sub(r"\bin last \d+W\b|\[.*?\]", "", display)) for key, display in rows)
    return _by_name(((key, _words(display)) for key, display in plain), _ITEM_WORDS)


def _by_name(named: Iterable[tuple[str, Words]], least: int) -> Mapping[Words, frozenset[str]]:
    names: dict[Words, frozenset[str]] = {}
    for key, words in named:
        if len(words) >= least:
            names[words] = names.get(words, frozenset()) | {key}
    return names


def _words(text: str) -> Words:
    return frozenset(_WORD.findall(text.lower())) - _IDLE


def _rows(table: str) -> Iterator[Mapping[str, str]]:
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    yield from csv.DictReader(path.read_text(encoding="utf-8").splitlines())
