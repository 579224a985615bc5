"""Figures, dates and chart text as a card writes them: words before numbers, no live Markdown."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache

from recommender.assessment import Prediction
from recommender.catalog.rows import Source
from service.cds.language import ENGLISH, Phrases

# Every ASCII punctuation mark may be escaped (CommonMark 0.31 §2.4). These can act inside a line; the others
# only at its start, or beside one of these.
_ACTS = re.compile(r"([\\`*_\[\]|~]|^[#+=\-])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ISO_DATE = re.compile(r"(?<![\w/-])\d{4}-\d{2}-\d{2}(?![\w+-])")  # not one inside an id or a version
_ROW_KEY = re.compile(r"\((?:[A-Z]{2,4}\d{2,4}): ")
_SOURCE_LIMIT = 70  # characters of a source's name
_LONGEST, _HEAD, _TAIL = 600, 400, 150  # a chart's text may be of any length; what a rule says after it has to stand
# What a program that shows a card would make an image, a link or an element of.
MARKUP = re.compile(r"(?<!\\)!\[|(?<!\\)\]\(|<[a-zA-Z/!]|https?://|www\.", re.IGNORECASE)
# GitHub makes links of bare addresses, even escaped ones.
_LINKS = re.compile(r"(://|www\.|@)", re.IGNORECASE)


def pushes(text: str, say: Phrases) -> bool:
    """Say whether a text pushes, in this language or in English, in which rules are written."""
    return any(_pushing(one.pushing).search(text) for one in (say, ENGLISH))


@cache
def _pushing(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)


def plain(text: str, say: Phrases) -> str:
    """Return the words of a rule as a card shows them: dates as people write them, no key of a row."""
    return _ISO_DATE.sub(lambda found: _dated(found[0], say), _ROW_KEY.sub("(", text))


def _dated(text: str, say: Phrases) -> str:
    try:
        return day(date.fromisoformat(text), say)
    except ValueError:  # a number of a chart that is no date
        return text


def fact(message: str, say: Phrases) -> str:
    """Return what a rule's message says of the chart, without what follows from it: ``Age 16``."""
    return plain(message.partition(": ")[0].rstrip(" ."), say)


def escape(text: str) -> str:
    """Return chart text as inert Markdown: one line without markup, HTML, links or control characters.

    Of a text that no card has room for the middle is left out.
    """
    if len(text) > _LONGEST:
        text = f"{text[:_HEAD]} … {text[-_TAIL:]}"
    ordinary = text.isascii() and text.isprintable()  # no control or format character can be in it
    plain = text if ordinary else "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    broken = _LINKS.sub(lambda found: f"{found.group(0)[:-1]} {found.group(0)[-1]}", plain)
    marked = _ACTS.sub(r"\\\1", " ".join(broken.split()))
    return marked.translate(_HTML)


def denial(reason: str, say: Phrases = ENGLISH) -> str:
    """Return why consent closes drafting as a sentence; a reason that is a sentence already stays as it is."""
    return {**say.denials, **say.unreadable_consents}.get(reason, reason)


def in_ten(prediction: Prediction | None, say: Phrases = ENGLISH) -> str:
    """Return a probability in words with its interval: ``3 in 10 (2 to 4)``; small ones count in 100."""
    if prediction is None:
        return say.not_estimated
    whole = 10 if prediction.low >= 0.1 else 100
    low, middle, high = (round(value * whole) for value in (prediction.low, prediction.p, prediction.high))
    if middle == 0:
        return say.fewer_than_one.format(whole=whole)
    template = say.in_whole if low == high else say.in_whole_range
    return template.format(count=middle, whole=whole, low=low, high=high)


def day(when: date | None, say: Phrases = ENGLISH) -> str:
    """Return a date as people write it, ``3 Nov 2026``; empty for none."""
    return "" if when is None else say.date.format(day=when.day, month=say.months[when.month - 1], year=when.year)


def on(when: date | None, say: Phrases) -> str:
    """Return `` on 3 Nov 2026``, empty for no date."""
    return "" if when is None else say.on_date.format(date=day(when, say))


def number(value: float, say: Phrases = ENGLISH) -> str:
    """Return a number without needless zeros, with the decimal sign of the language."""
    return f"{value:g}".replace(".", say.decimal)


def source_name(source: str, sources: Mapping[str, Source], say: Phrases) -> str:
    """Return the name of the first source behind a row and how many more there are; as given where none is known."""
    named = [sources[key].what for key in source.split("+") if key in sources]
    if not named:
        return escape(source)
    short = first_that_fits([re.split(r"[:;]", named[0])[0]], _SOURCE_LIMIT)
    return escape(short if len(named) == 1 else say.and_more.of(len(named) - 1, source=short))


def sentence(text: str) -> str:
    """Return escaped text that ends with a full stop."""
    found = escape(text).rstrip()
    return found if found.endswith((".", "!", "?")) else f"{found}."


def clause(text: str) -> str:
    """Return escaped text without its full stop, to stand in a list or a table cell."""
    return escape(text).rstrip(" .")


def capital(text: str) -> str:
    """Return text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def first_that_fits(variants: Sequence[str], limit: int) -> str:
    """Return the first variant of at most ``limit`` characters, else the last one cut at a word."""
    for variant in variants:
        if len(variant) <= limit:
            return variant
    return variants[-1][: limit - 1].rsplit(" ", 1)[0] + "…"
