"""SMART App Launch 2 scopes: parse, cut to what a client may have, and ask for one interaction.

``user/Observation.rs``, ``patient/*.rs``, ``system/MedicationRequest.crus``; the v1 spellings ``.read``,
``.write`` and ``.*`` are read as ``rs``, ``cud`` and ``cruds``. Scopes with a query part are not granted.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Context = Literal["patient", "user", "system"]

_FORM = re.compile(r"^(patient|user|system)/(\*|[A-Z][A-Za-z]+)\.(c?r?u?d?s?|read|write|\*)$")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
LAUNCH_SCOPES = frozenset({"launch", "launch/patient", "openid", "fhirUser", "profile"})


@dataclass(frozen=True, slots=True)
class Grant:
    """One resource scope: whose data, which type (``*`` for all), which of the letters c, r, u, d, s."""

    context: Context
    type: str
    letters: frozenset[str]


# What a type of DSTU2 is called now: scopes name it so, whatever an old server calls it in its addresses.
_NOW = {"MedicationOrder": "MedicationRequest"}


def grants(scope: str) -> tuple[Grant, ...]:
    """Return the resource scopes in a scope string; other words are left out."""
    found: list[Grant] = []
    for word in scope.split():
        match = _FORM.match(word)
        if match and match[3]:
            letters = frozenset(_V1.get(match[3], match[3]))
            found.append(Grant(_context(match[1]), match[2], letters))
    return tuple(found)


def cut(requested: str, ceiling: Iterable[str], contexts: frozenset[Context]) -> str:
    """Return the part of the requested scope that the ceiling allows in these contexts, in v2 spelling."""
    allowed = grants(" ".join(ceiling))
    words = [word for word in requested.split() if word in LAUNCH_SCOPES and word in set(ceiling)]
    for grant in grants(requested):
        letters = _allowed_letters(grant, allowed) if grant.context in contexts else ""
        if letters:
            words.append(f"{grant.context}/{grant.type}.{letters}")
    return " ".join(words)


def reach(held: Iterable[Grant], resource_type: str, letter: str) -> Literal["all", "patient"] | None:
    """Say how far a token reaches for one interaction: all patients, its own patient, or not at all."""
    named = (_NOW.get(resource_type, resource_type), resource_type, "*")
    contexts = {g.context for g in held if g.type in named and letter in g.letters}
    if contexts & {"user", "system"}:
        return "all"
    return "patient" if contexts else None


def _allowed_letters(grant: Grant, allowed: Iterable[Grant]) -> str:
    fitting = [a.letters for a in allowed if a.context == grant.context and a.type in (grant.type, "*")]
    union = frozenset[str]().union(*fitting) & grant.letters
    return "".join(letter for letter in "cruds" if letter in union)


def _context(word: str) -> Context:
    if word == "patient":
        return "patient"
    return "user" if word == "user" else "system"
