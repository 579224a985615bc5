"""The texts of the patient's sheet: one file a language, every phrase of it, so that nothing is said in code."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

_FOLDER = files("service.web") / "sheet"


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
    taken_once: str
    taken_more: str
    did_not_head: str
    did_not: tuple[str, ...]
    read_head: str
    read_on: str
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
    drug_names: str
    page_note: str
    parts: Mapping[str, str]
    groups: Mapping[str, str]


@cache
def of(language: str) -> Texts:
    """Return the texts of a language, ``en`` or one that has its file beside this module."""
    return msgspec.toml.decode((_FOLDER / f"{language}.toml").read_bytes(), type=Texts)


@cache
def reading() -> Mapping[str, tuple[str, ...]]:
    """Return the features of each kind of entry in a record, by the kind's name in ``Texts.groups``."""
    return msgspec.toml.decode((_FOLDER / "reading.toml").read_bytes(), type=dict[str, tuple[str, ...]])
