"""Ingredients in the text of a drug, by exact words: every word must be understood, or nothing is.

"sertraline hydrochloride 50 MG tablet" names sertraline. "no sertraline", "sertraline allergy" and a name
with one letter wrong name nothing. A bracketed word behind a known drug that no table knows, "metformin
(Accord) 500 MG tablet", is passed over: displays with a maker or a brand in brackets are common. A bracket
that names a drug which does not stand outside it contradicts, unless it begins with "with" or "and".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_TOKEN = re.compile(r"[^\W\d_][^\W_]*(?:['’-][^\W_]+)*|[/+&,;|{}]")
_BRACKET = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_SEPARATORS = frozenset({"/", "+", "&", ",", ";", "|", "{", "}", "and", "with"})
_VITAMIN = re.compile(r"\bvitamin ([a-z])[ -](\d{1,2})\b")  # vitamin B 12, vitamin D-3
_DIGITS = "0123456789"
_LONGEST = 600  # characters; a longer text is a story, not the name of a drug


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """``names`` (of one or more words) → ingredients, ``salts`` that stand behind a name, ``others``.

    ``longest``: first word of a name → the number of words of the longest name that begins with it.
    """

    names: Mapping[tuple[str, ...], tuple[str, ...]]
    salts: frozenset[tuple[str, ...]]
    others: frozenset[str]
    longest: Mapping[str, int]


class _Word(NamedTuple):
    """One word and whether it stands in brackets."""

    text: str
    inside: bool


def ingredients(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the ingredients that ``text`` names, sorted; empty unless every word of it is understood.

    What stands behind "for" and names no drug tells a purpose, and need not be.
    """
    if len(text) > _LONGEST:
        return ()
    words = list(_words(text.lower(), vocabulary))
    outside: set[str] = set()
    inside: set[str] = set()
    place, behind_name = 0, False
    while place < len(words):
        length, named = _name_at(words, place, vocabulary)
        salt = _salt_at(words, place, vocabulary) if behind_name else 0
        word = words[place].text
        if named and salt < length:
            (inside if words[place].inside else outside).update(named)
            behind_name = True
        elif salt:
            length = salt
        elif word in _SEPARATORS or word in vocabulary.others:
            behind_name = behind_name and word not in _SEPARATORS
        elif outside and _is_purpose(words, place, vocabulary):
            break
        else:
            return ()
        place += length
    return tuple(sorted(outside | inside)) if not outside or inside <= outside else ()


def _is_purpose(words: list[_Word], place: int, vocabulary: Vocabulary) -> bool:
    """Say whether an unknown word tells what the drug is for: behind "for", and no drug is named after it."""
    told = any(word.text == "for" for word in words[:place])
    return told and not any(_name_at(words, at, vocabulary)[1] for at in range(place, len(words)))


def key_of(name: str) -> tuple[str, ...]:
    """Return a name as ``Vocabulary.names`` keys it: its words as they are found in texts."""
    return tuple(_tokens(name.lower()))


def _tokens(text: str) -> Iterator[str]:
    joined = _VITAMIN.sub(r"vitamin \1\2", text) if "vitamin" in text else text
    return (token.replace("’", "'") for token in _TOKEN.findall(joined))


def _words(text: str, vocabulary: Vocabulary) -> Iterator[_Word]:
    """Return the words of a text in order; a bracket that adds to what stands before it is not inside."""
    place = 0
    for found in _BRACKET.finditer(text):
        yield from _plain(text[place : found.start()], vocabulary, inside=False)
        place = found.end()
        within = list(_plain(found.group(1), vocabulary, inside=True))
        if within and within[0].text in _SEPARATORS:
            within = [word._replace(inside=False) for word in within]
        if not (found.start() > 0 and _is_brand(within, vocabulary)):
            yield from within
    yield from _plain(text[place:], vocabulary, inside=False)


def _plain(text: str, vocabulary: Vocabulary, *, inside: bool) -> Iterator[_Word]:
    for token in _tokens(text):
        for part in _parts(token, vocabulary):
            yield _Word(part, inside)


def _parts(token: str, vocabulary: Vocabulary) -> list[str]:
    """Return the drugs of a combination written with a hyphen apart, digits behind a known word cut off."""
    if token in vocabulary.others or token in vocabulary.longest:
        return [token]
    plain = token.rstrip(_DIGITS)
    if plain != token and (plain in vocabulary.others or plain in vocabulary.longest):
        return [plain]
    return token.replace("-", " / ").split()


def _is_brand(words: list[_Word], vocabulary: Vocabulary) -> bool:
    """Say whether a bracket holds one or two words, none of them known."""
    if not 0 < len(words) <= 2:
        return False
    named = any(_name_at(words, place, vocabulary)[1] for place in range(len(words)))
    return not named and not any(word.text in vocabulary.others or word.text in _SEPARATORS for word in words)


def _name_at(words: list[_Word], place: int, vocabulary: Vocabulary) -> tuple[int, tuple[str, ...]]:
    """Return how many words the longest name here takes, and its ingredients; 1 and nothing for none."""
    for length in range(vocabulary.longest.get(words[place].text, 0), 0, -1):
        named = vocabulary.names.get(tuple(word.text for word in words[place : place + length]))
        if named is not None and place + length <= len(words):
            return length, named
    return 1, ()


def _salt_at(words: list[_Word], place: int, vocabulary: Vocabulary) -> int:
    """Return how many words of a salt stand here: "sodium phosphate" behind a name is one, and no drug."""
    two = tuple(word.text for word in words[place : place + 2])
    return 2 if len(two) == 2 and two in vocabulary.salts else 1 if two[:1] in vocabulary.salts else 0
