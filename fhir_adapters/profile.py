"""A dialect profile: what is odd about one EHR's FHIR, as one TOML file (``profiles/``), its base merged in.

A profile says how things are written, never what they mean: aliases of code systems, unit texts, the repairs
that reading may make, and which statuses count.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast

from fhir_adapters import repairs, terminology
from fhir_adapters.errors import ProfileError

STATUSES = frozenset({"observation", "questionnaire_response"})
_KEYS = frozenset({"name", "extends", "fhir_versions", "systems", "units", "tolerance", "statuses"})
_VERSIONS = frozenset({"R4", "R4B"})
_DEPTH = 8  # profiles that extend profiles; more is a circle

Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Profile:
    """One loaded dialect.

    ``systems``: alias of a code system → canonical URI. ``units``: analyte key, or ``any`` → unit text as
    ``unit_text`` writes it → UCUM code. ``repairs``: names of the repairs that reading may make
    (``repairs.ALL``).
    ``statuses``: list name (``STATUSES``) → FHIR codes that count.
    """

    name: str
    fhir_versions: tuple[str, ...]
    systems: Mapping[str, str]
    units: Mapping[str, Mapping[str, str]]
    repairs: frozenset[str]
    statuses: Mapping[str, frozenset[str]]


def unit_text(text: str) -> str:
    """Return a unit text as profiles key it: small letters, no blanks, one micro sign, plain powers."""
    plain = "".join(text.lower().split())
    return plain.replace("µ", "u").replace("μ", "u").replace("²", "2").replace("³", "3")


def load(name_or_path: str) -> Profile:
    """Return the shipped profile of that name, or the one in that ``.toml`` file.

    Raises ProfileError U-PROFILE-UNKNOWN (no such profile), U-PROFILE-FILE (not TOML), U-PROFILE-KEY (an
    unknown key, with the nearest known one), U-PROFILE-VALUE (a value of the wrong kind).
    """
    return _shipped(name_or_path) if name_or_path in _shipped_files() else _load(name_or_path)


@cache
def _shipped(name: str) -> Profile:
    return _load(name)


@cache
def _shipped_files() -> dict[str, Traversable]:
    folder = files("fhir_adapters") / "profiles"
    return {entry.name.removesuffix(".toml"): entry for entry in folder.iterdir()}


def _load(name_or_path: str) -> Profile:
    merged = _merged(name_or_path, 0)
    tolerance = _table(merged, "tolerance")
    units = {key: _texts(table, f"units.{key}") for key, table in _table(merged, "units").items()}
    _known(units, {*terminology.load().analytes, "any"}, "units.")
    _known(tolerance, {"repairs"}, "tolerance.")
    _known(_table(merged, "statuses"), STATUSES, "statuses.")
    versions = _strings(merged.get("fhir_versions", []), "fhir_versions")
    tolerated = _strings(tolerance.get("repairs", []), "tolerance.repairs")
    _known(tolerated, repairs.ALL, "tolerance.repairs: ")
    _known(versions, _VERSIONS, "fhir_versions: ")
    return Profile(
        name=str(merged.get("name", name_or_path)),
        fhir_versions=versions,
        systems=_texts(merged.get("systems", {}), "systems"),
        units={key: {unit_text(text): ucum for text, ucum in table.items()} for key, table in units.items()},
        repairs=frozenset(tolerated),
        statuses={key: frozenset(_strings(value, key)) for key, value in _table(merged, "statuses").items()},
    )


def _merged(name_or_path: str, depth: int) -> dict[str, object]:
    own = _parsed(name_or_path)
    _known(own, _KEYS, "")
    base = own.pop("extends", None)
    if base is None:
        return own
    if not isinstance(base, str) or depth >= _DEPTH:
        raise ProfileError("U-PROFILE-VALUE", "extends must name one other profile, and not in a circle")
    return _over(_merged(base, depth + 1), own)


def _over(base: Table, own: Table) -> dict[str, object]:
    """Merge tables key by key; anything else, lists too, is replaced whole."""
    merged = dict(base)
    for key, value in own.items():
        under = merged.get(key)
        nested = isinstance(value, dict) and isinstance(under, dict)
        merged[key] = _over(cast("Table", under), cast("Table", value)) if nested else value
    return merged


def _parsed(name_or_path: str) -> dict[str, object]:
    try:
        return tomllib.loads(_text(name_or_path))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError("U-PROFILE-FILE", f"the profile {name_or_path} is not TOML: {error}") from None
    except UnicodeDecodeError:
        raise ProfileError("U-PROFILE-FILE", f"the profile {name_or_path} is not UTF-8") from None


def _text(name_or_path: str) -> str:
    shipped = _shipped_files()
    if name_or_path in shipped:
        return shipped[name_or_path].read_text(encoding="utf-8")
    if not name_or_path.endswith(".toml"):
        raise ProfileError("U-PROFILE-UNKNOWN", f"no profile {name_or_path}; shipped are {', '.join(sorted(shipped))}")
    try:
        return Path(name_or_path).read_text(encoding="utf-8")
    except OSError:
        raise ProfileError("U-PROFILE-UNKNOWN", f"the profile file {name_or_path} cannot be opened") from None


def _known(keys: Iterable[str], known: Iterable[str], where: str) -> None:
    names = sorted(known)
    for key in sorted(set(keys) - set(names)):
        near = difflib.get_close_matches(key, names, 1, 0.0)[0]
        raise ProfileError("U-PROFILE-KEY", f"{where}{key} is not known in a profile; the nearest is {near}")


def _table(tables: Table, key: str) -> Table:
    value = tables.get(key, {})
    if not isinstance(value, dict):
        raise ProfileError("U-PROFILE-VALUE", f"{key} must be a table")
    return cast("Table", value)


def _texts(value: object, where: str) -> Mapping[str, str]:
    if isinstance(value, dict):
        table = cast("Table", value)
        if all(isinstance(text, str) for text in table.values()):
            return cast("Mapping[str, str]", table)
    raise ProfileError("U-PROFILE-VALUE", f"{where} must be a table of texts")


def _strings(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, list):
        entries = cast("list[object]", value)
        if all(isinstance(entry, str) for entry in entries):
            return tuple(str(entry) for entry in entries)
    raise ProfileError("U-PROFILE-VALUE", f"{where} must be a list of texts")
