"""Figures, dates and chart text as a card writes them: words before numbers, no live Markdown."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date

from recommender.assessment import Prediction

# What ``fhir_adapters.problem.consents`` says of a Consent that stands against AI suggestions, in words.
DENIALS: Mapping[str, str] = {
    "names-ai-decision-support": "A Consent on record says no to AI decision support for this patient.",
    "denies-care-or-privacy": "A Consent on record says no to the use of this patient's data as a whole.",
    "denies-treatment-use": "A Consent on record says no to the use of this patient's data for treatment.",
}
UNREADABLE_CONSENTS: Mapping[str, str] = {
    "status-unknown": "The status of a Consent on record cannot be read.",
    "provision-without-type": "A Consent on record names AI decision support, but neither permits nor denies it.",
    "permission-unreadable": "A permission for AI decision support is on record, but not how long it holds.",
    "permission-not-verified": "A permission for AI decision support is on record that nobody has verified.",
    "permission-undated": "A permission for AI decision support without a date stands beside a denial.",
}
NUMBERS = ("no", "one", "two", "three", "four")
# Every ASCII punctuation mark may be escaped (CommonMark 0.31 §2.4). These can act inside a line; the others
# only at its start, or beside one of these.
_ACTS = re.compile(r"([\\`*_\[\]|~]|^[#+=\-])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# GitHub makes links of bare addresses, even escaped ones.
_LINKS = re.compile(r"(://|www\.|@)", re.IGNORECASE)


def escape(text: str) -> str:
    """Return chart text as inert Markdown: one line without markup, HTML, links or control characters."""
    ordinary = text.isascii() and text.isprintable()  # no control or format character can be in it
    plain = text if ordinary else "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    broken = _LINKS.sub(lambda found: f"{found.group(0)[:-1]} {found.group(0)[-1]}", plain)
    marked = _ACTS.sub(r"\\\1", " ".join(broken.split()))
    return marked.translate(_HTML)


def denial(reason: str) -> str:
    """Return why consent closes drafting as a sentence; a reason that is a sentence already stays as it is."""
    return {**DENIALS, **UNREADABLE_CONSENTS}.get(reason, reason)


def denial_head(reasons: Sequence[str]) -> str:
    """Return the summary of a card on consent; only a denial is called one."""
    if not DENIALS.keys().isdisjoint(reasons):
        return "AI suggestions are switched off for this patient by consent"
    if not UNREADABLE_CONSENTS.keys().isdisjoint(reasons):
        return "No AI suggestions: a Consent on record cannot be relied on, see why"
    return "No AI suggestions: this site asks for the patient's consent first"


def in_ten(prediction: Prediction | None) -> str:
    """Return a probability in words with its interval: ``3 in 10 (2 to 4)``; small ones count in 100."""
    if prediction is None:
        return "not estimated"
    whole = 10 if prediction.low >= 0.1 else 100
    low, middle, high = (round(value * whole) for value in (prediction.low, prediction.p, prediction.high))
    if middle == 0:
        return f"fewer than 1 in {whole}"
    return f"{middle} in {whole}" if low == high else f"{middle} in {whole} ({low} to {high})"


def day(when: date | None) -> str:
    """Return a date as people write it, ``3 Nov 2026``; empty for none."""
    return "" if when is None else f"{when.day} {when:%b %Y}"


def on(when: date | None) -> str:
    """Return `` on 3 Nov 2026``, empty for no date."""
    return "" if when is None else f" on {day(when)}"


def number(value: float) -> str:
    """Return a number without needless zeros."""
    return f"{value:g}"


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
