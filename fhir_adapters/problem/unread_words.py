"""What a problem may be about whose words nobody could read: a few stems must not be passed over.

Such a key says only that somebody wrote of it. What is denied, or said of a relative, gives none.
"""

import re
from collections.abc import Iterable, Iterator

from fhir_adapters.problem.problem_tables import ProblemTables, phrase

_PARTS = re.compile(r"[;.\n]| but ")
_COMMA = re.compile(r",")
_DENIED = re.compile(r"(?:denies|denied|denying)\b")
_CLOSED = re.compile(r"\b(?:denied|none|absent|negative|no|not present|ruled out)$")
_FAMILY = frozenset({"family", "familial", "fh", "fhx", "famhx"})
_SAID = frozenset(
    {
        *("suicidal_ideation", "suicidal_intent", "suicide_attempt", "suicide", "self_harm", "nonsuicidal_self_harm"),
        "poisoning_undetermined",
    }
)


def keys(tables: ProblemTables, texts: Iterable[str]) -> frozenset[str]:
    """Return the keys of the stems that the texts hold, in parts that neither deny them nor tell of a relative."""
    return frozenset(key for text in texts for part in _parts(text) for key in _of_part(tables, part))


def beside(tables: ProblemTables, told: frozenset[str], text: str | None) -> frozenset[str]:
    """Return what the words beside a code say that it does not: "depression with suicidal thoughts"."""
    return keys(tables, (text,)) if text and told.isdisjoint(_SAID) else frozenset()


def is_past(tables: ProblemTables, texts: Iterable[str]) -> bool:
    """Return whether the first words of a text put its problem into the past."""
    return any(tables.qualifier(text) == "past" for text in texts)


def _parts(text: str) -> Iterator[str]:
    """Yield the parts that a negation reaches: up to a comma, the whole sentence where it begins with a denial."""
    for sentence in _PARTS.split(text.casefold()):
        whole = sentence.strip()
        for part in (whole,) if _DENIED.search(whole.partition(",")[0]) else _COMMA.split(whole):
            yield phrase(part).replace("-", " ").replace("/", " ")


def _of_part(tables: ProblemTables, part: str) -> Iterator[str]:
    words = frozenset(part.split())
    for stem, out, key in tables.stems:
        before, found, after = f" {part}".partition(f" {stem}")
        if key and found and out.isdisjoint(words) and not _denied(tables, before, after) and not _kin(tables, before):
            yield key


def _denied(tables: ProblemTables, before: str, after: str) -> bool:
    absent = (text for text, kind in tables.qualifiers.items() if kind == "absent")
    return any(f" {text} " in f" {before} " for text in absent) or bool(
        _DENIED.search(before) or _CLOSED.search(after.rstrip())
    )


def _kin(tables: ProblemTables, before: str) -> bool:
    words = {word.removesuffix("'s") for word in before.split()}
    return not words.isdisjoint(_FAMILY) or not words.isdisjoint(tables.relative_words)
