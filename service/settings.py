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
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import ConfigError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Section):
    """[server]."""

    public_url: str = "http://127.0.0.1:8040"
    development: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    read_timeout_s: float = 5
    body_limit_bytes: int = 2_000_000


class StoreSettings(_Section):
    """[store]. ``key_file`` seals what is kept; ``receipts`` (a file of this host) and ``replicas`` are for Redis."""

    url: str = "sqlite:///undersign.db"
    key_file: Path | None = None
    receipts: Path = Path("undersign-receipts.db")
    replicas: int = 0


class Hold(_Section):
    """[hold]."""

    expires_after_s: int = 259_200


class Cards(_Section):
    """[cards]. A card that a person overrode stays away for ``suppress_for_s`` while the facts are the same."""

    suppress_overridden: bool = True
    suppress_for_s: int = Field(default=2_592_000, ge=0)


class Model(_Section):
    """[model]. ``folder`` is what ``undersign train --site`` writes to; the shipped model where it is left out."""

    enabled: bool = True
    folder: Path | None = None


class KnowledgeSettings(_Section):
    """[knowledge]. ``pack`` is the folder of the site's knowledge pack (docs/knowledge.md)."""

    pack: Path | None = None


class Sign(_Section):
    """[sign]. ``key_file`` holds the service's private signing key (JWK, ES384), made on first start."""

    step_up_max_age_s: int = 300
    key_file: Path = Path("undersign-signing-key.json")


class CdsClient(_Section):
    """[ehr.cds_client]: how the EHR authenticates when it calls the hooks."""

    required: bool = True
    issuer: str | None = None
    jwks_file: Path | None = None
    jwks_url: str | None = None
    audiences: tuple[str, ...] = ()
    algorithms: tuple[Literal["ES384", "RS384"], ...] = ("ES384", "RS384")


class Users(_Section):
    """[ehr.users]: how tokens of the EHR's users are checked; found by SMART discovery when left out."""

    issuer: str | None = None
    jwks_file: Path | None = None
    audience: str | None = None
    prescriber_role_codes: tuple[str, ...] = ()


class Limits(_Section):
    """[ehr.limits]."""

    calls_per_second: float = 20
    burst: int = 60


class Ehr(_Section):
    """[[ehr]]: one tenant."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    name: str
    fhir_base: str
    profile: str = "base-r4"
    jurisdiction: str | None = None
    consent_default: Literal["opt-out", "opt-in"] = "opt-out"
    origins: tuple[str, ...] = ()
    write_back: Literal["card", "unsigned-order", "sign-and-write", "document-only"] = "card"
    smart_client_id: str = "undersign"
    crisis_contact: str | None = None
    language: Literal["en", "de", "es"] = "en"
    page_link: Literal["absolute", "smart"] = "absolute"
    cds_client: CdsClient = CdsClient()
    users: Users = Users()
    limits: Limits = Limits()


class Settings(_Section):
    """The whole configuration. Relative paths are relative to ``base`` (the file's folder)."""

    server: Server = Server()
    store: StoreSettings = StoreSettings()
    hold: Hold = Hold()
    cards: Cards = Cards()
    model: Model = Model()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    sign: Sign = Sign()
    ehr: tuple[Ehr, ...] = ()
    base: Path = Path()

    @property
    def store_path(self) -> Path:
        """The SQLite file of ``store.url``; only where ``store_is_file``."""
        return self.base / self.store.url.removeprefix("sqlite:///")

    @property
    def store_is_file(self) -> bool:
        """Whether the store is an SQLite file."""
        return self.store.url.startswith("sqlite:///")


def load(path: Path | None) -> Settings:
    """Return the settings of ``path``, else of ``UNDERSIGN_CONFIG``, else of ``undersign.toml`` here.

    Raises ConfigError: U-CONFIG-FILE (cannot be read), U-CONFIG-KEY (no such key; names the nearest),
    U-CONFIG-VALUE (a value that cannot be used, or two that cannot stand together).
    """
    from service import settings_rules  # it needs the sections above

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
    except ValueError:
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
        raise ConfigError("U-CONFIG-VALUE", f"{where}: {first['msg']}") from error


def _resolve(settings: Settings) -> Settings:
    base = settings.base
    sign = settings.sign.model_copy(update={"key_file": base / settings.sign.key_file})
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
    changed = {"sign": sign, "store": store, "knowledge": knowledge, "model": model, "ehr": tenants}
    return settings.model_copy(update=changed)


def _resolve_tenant(ehr: Ehr, base: Path) -> Ehr:
    client, users, profile = ehr.cds_client, ehr.users, ehr.profile
    if client.jwks_file:
        client = client.model_copy(update={"jwks_file": base / client.jwks_file})
    if users.jwks_file:
        users = users.model_copy(update={"jwks_file": base / users.jwks_file})
    if "/" in profile or profile.endswith(".toml"):
        profile = str(base / profile)
    return ehr.model_copy(update={"cds_client": client, "users": users, "profile": profile})
