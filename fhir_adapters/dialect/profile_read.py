"""Profile files: found by name or path, parsed, and laid over the profiles that they extend."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast

from fhir_adapters.dialect import profile_check
from fhir_adapters.errors import ProfileError

_DEPTH = 8  # profiles that extend profiles; more is a circle
_OWN = ("match", "version")  # what a profile does not take from its base

Table = Mapping[str, object]


@cache
def shipped_files() -> Mapping[str, Traversable]:
    """Return the profiles that come with this version, by name."""
    folder = files("fhir_adapters") / "profiles"
    return {entry.name.removesuffix(".toml"): entry for entry in folder.iterdir() if entry.name.endswith(".toml")}


def merged(name_or_path: str, depth: int = 0) -> dict[str, object]:
    """Return a profile's tables over those of its base; each file's keys are checked by themselves."""
    own = _parsed(name_or_path)
    profile_check.check_keys(own, name_or_path)
    own["maps"] = [str(_folder(name_or_path) / path) for path in profile_check.texts(own.get("maps", []), "maps")]
    base = own.pop("extends", None)
    if base is None:
        return own
    if not isinstance(base, str) or depth >= _DEPTH:
        raise ProfileError("U-PROFILE-VALUE", "extends must name one other profile, and not in a circle")
    under = merged(_beside(name_or_path, base), depth + 1)
    for key in _OWN:
        under.pop(key, None)
    return _over(under, own) | {"maps": [*cast("list[str]", under["maps"]), *own["maps"]]}


def _over(base: Table, own: Table) -> dict[str, object]:
    """Merge tables key by key; anything else, lists too, is replaced whole."""
    merged = dict(base)
    for key, value in own.items():
        under = merged.get(key)
        nested = isinstance(value, dict) and isinstance(under, dict)
        merged[key] = _over(cast("Table", under), cast("Table", value)) if nested else value
    return merged


def _folder(name_or_path: str) -> Path:
    known = shipped_files().get(name_or_path)
    return Path(str(known)).parent if known is not None else Path(name_or_path).parent


def _beside(name_or_path: str, base: str) -> str:
    """Return the base that a profile names: a shipped one, or a file beside it."""
    named = base in shipped_files() or not base.endswith(".toml")
    return base if named else str(_folder(name_or_path) / base)


def _parsed(name_or_path: str) -> dict[str, object]:
    try:
        return tomllib.loads(_text(name_or_path))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError("U-PROFILE-FILE", f"the profile {name_or_path} is not TOML: {error}") from None
    except UnicodeDecodeError:
        raise ProfileError("U-PROFILE-FILE", f"the profile {name_or_path} is not UTF-8") from None


def _text(name_or_path: str) -> str:
    known = shipped_files()
    if name_or_path in known:
        return known[name_or_path].read_text(encoding="utf-8")
    if not name_or_path.endswith(".toml"):
        raise ProfileError("U-PROFILE-UNKNOWN", f"no profile {name_or_path}; shipped are {', '.join(sorted(known))}")
    try:
        return Path(name_or_path).read_text(encoding="utf-8")
    except OSError:
        raise ProfileError("U-PROFILE-UNKNOWN", f"the profile file {name_or_path} cannot be opened") from None
