"""The languages of a card: one file each, read once, whole and alike or not at all."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, cast

import msgspec

from service.cds.language.phrases import Phrases, Plural
from service.errors import ConfigError

__all__ = ["ENGLISH", "LANGUAGES", "Phrases", "Plural", "of", "read"]

LANGUAGES = ("en", "de", "es")


@cache
def of(language: str) -> Phrases:
    """Return the phrases of a language; ConfigError U-CONFIG-VALUE for one that is not there or not whole."""
    if language not in LANGUAGES:
        raise ConfigError("U-CONFIG-VALUE", f"no cards in {language!r}; known languages: {', '.join(LANGUAGES)}")
    found = _text(language)
    return read(found, None if language == "en" else of("en"), f"language/{language}.toml")


def read(text: str, like: Phrases | None, name: str) -> Phrases:
    """Return the phrases of a file; ``like`` is the English it has to match, key for key and value for value.

    Raises ConfigError U-CONFIG-VALUE for what is no TOML, lacks a phrase, has one too many, or fills in other values.
    """
    try:
        found = msgspec.toml.decode(text, type=Phrases)
        wrong = () if like is None else tuple(_differences(msgspec.to_builtins(found), msgspec.to_builtins(like)))
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigError("U-CONFIG-VALUE", f"{name}: {error}") from error
    if wrong:
        raise ConfigError("U-CONFIG-VALUE", f"{name}: {'; '.join(wrong)}")
    return found


def _text(language: str) -> str:
    return (files(__name__) / f"{language}.toml").read_text("utf-8")


def _differences(found: Any, like: Any, path: str = "") -> Iterator[str]:
    """Yield where a file is not like the English one: a word of a table too few or too many, another placeholder."""
    if isinstance(like, dict):
        ours, theirs = cast(dict[str, Any], found), cast(dict[str, Any], like)
        for key in sorted(ours.keys() ^ theirs.keys()):
            yield f"{path}{key} is {'not known' if key in ours else 'missing'}"
        for key in sorted(ours.keys() & theirs.keys()):
            yield from _differences(
                ours[key], theirs[key], f"{path}{key}{'.' if isinstance(theirs[key], dict) else ''}"
            )
    elif isinstance(like, str):
        if _placeholders(found) != _placeholders(like):
            yield f"{path}: fills in {sorted(_placeholders(found))}, English {sorted(_placeholders(like))}"
        if bool(found) != bool(like) and path != "untranslated":
            yield f"{path} is empty"
    elif path != "pushing" and len(found) != len(like):
        yield f"{path} has {len(found)} entries, English {len(like)}"


def _placeholders(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)


ENGLISH = of("en")
