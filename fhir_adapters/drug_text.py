"""Ingredients in the text of a drug, by exact words: every word must be understood, or nothing is.

"sertraline hydrochloride 50 MG tablet" names sertraline. "no sertraline", "sertraline allergy" and a name
with one letter wrong name nothing. A bracketed brand behind a known ingredient, "sertraline (ZOLOFT) 50 MG
tablet", is passed over: displays of that shape are common, and the ingredient stands in front of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[/+&,;|{}]")
_BRACKET = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_SEPARATORS = frozenset({"/", "+", "&", ",", ";", "|", "{", "}", "and", "with"})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """``names`` (of one or more words) → ingredient, ``salts`` that stand behind a name, ``others``."""

    names: Mapping[tuple[str, ...], str]
    salts: frozenset[str]
    others: frozenset[str]


def ingredients(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the ingredients that ``text`` names, sorted; empty unless every word of it is understood."""
    plain = _without_brands(text.lower(), vocabulary)
    tokens = [part for token in _tokens(plain) for part in _parts(token, vocabulary)]
    found: set[str] = set()
    place, behind_name = 0, False
    while place < len(tokens):
        length, name = _name_at(tokens, place, vocabulary)
        word = tokens[place]
        if name is not None:
            found.add(name)
        elif word in _SEPARATORS or word in vocabulary.others:
            behind_name = behind_name and word not in _SEPARATORS
        elif not (behind_name and word in vocabulary.salts):
            return ()
        behind_name = behind_name or name is not None
        place += length
    return tuple(sorted(found))


def _tokens(text: str) -> Iterator[str]:
    return (token.replace("’", "'") for token in _TOKEN.findall(text))


def _parts(token: str, vocabulary: Vocabulary) -> list[str]:
    """Return the drugs of a combination written with a hyphen apart, any other word whole."""
    known = token in vocabulary.others or (token,) in vocabulary.names
    return [token] if known else token.replace("-", " / ").split()


def _name_at(tokens: list[str], place: int, vocabulary: Vocabulary) -> tuple[int, str | None]:
    """Return how many tokens the longest name here takes, and its ingredient; 1 and None for none."""
    for length in (3, 2, 1):
        name = vocabulary.names.get(tuple(tokens[place : place + length]))
        if name is not None and place + length <= len(tokens):
            return length, name
    return 1, None


def _without_brands(text: str, vocabulary: Vocabulary) -> str:
    def keep(found: re.Match[str]) -> str:
        words = list(_tokens(found.group(1)))
        known = any(word in vocabulary.others or (word,) in vocabulary.names for word in words)
        brand = 0 < len(words) <= 2 and not known and not _SEPARATORS.intersection(words)
        return " " if brand and found.start() > 0 else f" {found.group(1)} "

    return _BRACKET.sub(keep, text)
