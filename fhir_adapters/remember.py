"""Pure readings of a text, remembered: the same few drug names, instructions and problems come again and again.

What is remembered is bounded in number and in length, so that no input makes it large.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")
_KEPT = 4096


def by_text(longest: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """Remember what a function returns for texts of up to ``longest`` characters; its results must be frozen."""

    def decorate(function: Callable[[str], T]) -> Callable[[str], T]:
        known = lru_cache(maxsize=_KEPT)(function)

        @wraps(function)
        def call(text: str) -> T:
            return known(text) if len(text) <= longest else function(text)

        return call

    return decorate


def keep(known: dict[K, V], key: K, value: V) -> V:
    """Put a value into a table of what is known, which is emptied before it grows large, and return it."""
    if len(known) >= _KEPT:
        known.clear()
    known[key] = value
    return value
