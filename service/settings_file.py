"""Settings: one TOML file, every scalar also as an environment variable, unknown keys refused by name.

An environment variable is ``UNDERSIGN_SECTION__KEY``; a tenant's is ``UNDERSIGN_EHR__0__KEY`` with the
tenant's place in the file. What may stand together is judged in ``settings_rules``.
"""

import difflib
import itertools
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from service import settings_rules
from service.errors import ConfigError
from service.settings import Ehr, Settings


def load(path: Path | None) -> Settings:
    """Return the settings of ``path``, else of ``UNDERSIGN_CONFIG``, else of ``undersign.toml`` here.

    Raises ConfigError: U-CONFIG-FILE (cannot be read), U-CONFIG-KEY (no such key; names the nearest),
    U-CONFIG-VALUE (a value that cannot be used, or two that cannot stand together).
    """
    found = _find(path)
    raw = _read(found) if found else {}
    _overlay(raw, os.environ)
    if not raw:
        message = "there is no configuration: give --config FILE, or put undersign.toml here (docs/configuration.md)"
        raise ConfigError("U-CONFIG-FILE", message)
    _refuse_unknown(raw, Settings, "")
    base = found.resolve().parent if found else Path.cwd()
    settings = _validate({**raw, "base": base})
    settings_rules.check(settings)
    return _resolve(settings)


def _find(path: Path | None) -> Path | None:
    if path is not None:
        return path
    if named := os.environ.get("UNDERSIGN_CONFIG"):
        return Path(named)
    here = Path("undersign.toml")
    return here if here.is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ConfigError("U-CONFIG-FILE", f"{path}: {reason}; give the right path with --config") from error
    except ValueError as error:
        raise ConfigError("U-CONFIG-FILE", f"{path}: not TOML in UTF-8 ({error}); mend the file") from error
    except RecursionError as error:
        raise ConfigError("U-CONFIG-FILE", f"{path}: lists or tables in it are too deep; mend the file") from error


def _overlay(raw: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in sorted(environment.items()):
        if name.startswith("UNDERSIGN_") and "__" in name:
            _put(raw, name.removeprefix("UNDERSIGN_").lower().split("__"), value, name)


def _put(raw: dict[str, Any], parts: list[str], value: str, name: str) -> None:
    node: Any = raw
    for key, following in itertools.pairwise(parts):
        node = _child(node, key, [] if following.isdecimal() else {}, name)
    if not isinstance(node, dict):
        raise ConfigError("U-CONFIG-KEY", f"{name} names no key; write UNDERSIGN_SECTION__KEY")
    node[parts[-1]] = json.loads(value) if _is_list(value) else value


def _child(node: Any, key: str, empty: Any, name: str) -> Any:
    if isinstance(node, dict):
        return cast(dict[str, Any], node).setdefault(key, empty)
    if isinstance(node, list) and key.isdecimal():
        entries = cast(list[Any], node)
        if int(key) == len(entries):
            entries.append(empty)
        if int(key) < len(entries):
            return entries[int(key)]
        raise ConfigError("U-CONFIG-KEY", f"{name}: there are only {len(entries)} tenants; count from 0 without gaps")
    raise ConfigError("U-CONFIG-KEY", f"{name} names no key; write UNDERSIGN_SECTION__KEY")


def _is_list(value: str) -> bool:
    """A list in an environment variable is a JSON array of strings."""
    if not value.startswith("["):
        return False
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_unknown(raw: Mapping[str, Any], section: type[BaseModel], where: str) -> None:
    known = [name for name in section.model_fields if name != "base"]
    for key, value in raw.items():
        if key not in known:
            raise ConfigError("U-CONFIG-KEY", f"no key {where}{key}{_nearest(key, known)}")
        inner = _section_of(section.model_fields[key].annotation)
        entries: list[Any] = cast(list[Any], value) if isinstance(value, list) else [value]
        for entry in entries:
            if inner is not None and isinstance(entry, dict):
                _refuse_unknown(cast(dict[str, Any], entry), inner, f"{where}{key}.")


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(sorted(known))}"


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _validate(raw: Mapping[str, Any]) -> Settings:
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise ConfigError("U-CONFIG-VALUE", f"{where}: {what}") from error


def _resolve(settings: Settings) -> Settings:
    base = settings.base
    sign = settings.sign.model_copy(update={"key_file": base / settings.sign.key_file})
    if sign.past_keys_file:
        sign = sign.model_copy(update={"past_keys_file": base / sign.past_keys_file})
    store = settings.store.model_copy(update={"receipts": base / settings.store.receipts})
    if store.key_file:
        store = store.model_copy(update={"key_file": base / store.key_file})
    if settings.store_is_file:
        store = store.model_copy(update={"url": f"sqlite:///{settings.store_path}"})
    tenants = tuple(_resolve_tenant(ehr, base) for ehr in settings.ehr)
    knowledge = settings.knowledge
    if knowledge.pack:
        knowledge = knowledge.model_copy(update={"pack": base / knowledge.pack})
    model = settings.model
    if model.folder:
        model = model.model_copy(update={"folder": base / model.folder})
    audit = settings.audit
    if audit.checkpoint_file:
        audit = audit.model_copy(update={"checkpoint_file": base / audit.checkpoint_file})
    changed = {"sign": sign, "store": store, "knowledge": knowledge, "model": model, "audit": audit, "ehr": tenants}
    return settings.model_copy(update=changed)


def _resolve_tenant(ehr: Ehr, base: Path) -> Ehr:
    client, users, profile = ehr.cds_client, ehr.users, ehr.profile
    if client.jwks_file:
        client = client.model_copy(update={"jwks_file": base / client.jwks_file})
    if users.jwks_file:
        users = users.model_copy(update={"jwks_file": base / users.jwks_file})
    if "/" in profile or profile.endswith(".toml"):
        profile = str(base / profile)
    own_ca = ehr.ca_file and base / ehr.ca_file
    return ehr.model_copy(update={"cds_client": client, "users": users, "profile": profile, "ca_file": own_ca})
