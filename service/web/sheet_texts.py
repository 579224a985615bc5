"""The texts of the patient's sheet: one file a language, every phrase of it, so that nothing is said in code."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of entry in a record: its words, and the features that are of it."""

    words: str
    features: tuple[str, ...]


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Templates with placeholders by name; the file beside this module says what each is for."""

    language: str
    title: str
    lead: str
    did_head: str
    did: tuple[str, ...]
    drafted: str
    no_change: str
    signed: str
    ended: str
    did_not_head: str
    did_not: tuple[str, ...]
    read_head: str
    read_on: str
    read: tuple[Asked, ...]
    read_lists: Mapping[str, str]
    missing_one: str
    missing: str
    effects_head: str
    effects_lead: str
    effect: str
    effect_few: str
    effects: Mapping[str, str]
    effects_unknown: str
    effects_none: str
    boxed: Mapping[str, str]
    boxed_other: str
    leaflet: str
    help_head: str
    help_now: str
    help_contact: str
    help_no_contact: str
    help_clinic: str
    help_stop: str
    opt_out_head: str
    opt_out: tuple[str, ...]
    made: str
    print_hint: str


@cache
def of(language: str) -> Texts:
    """Return the texts of a language, ``en`` or one that has its file beside this module."""
    return msgspec.toml.decode((files("service.web") / "sheet" / f"{language}.toml").read_bytes(), type=Texts)
