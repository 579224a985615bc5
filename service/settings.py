"""The sections of the configuration: one frozen model each, every key with its default and its bounds."""

import unicodedata
from pathlib import Path
from typing import Any, Final, Literal, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

_LONGEST_S: Final = 315_360_000  # ten years: what is longer is a slip, and dates end
_MOST: Final = 1_000_000_000


class _Section(BaseModel):
    """What a section takes: texts may stand for numbers, as the environment has them, and nothing else for another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_plain(cls, given: object, info: ValidationInfo) -> object:
        wanted: Any = cls.model_fields[str(info.field_name)].annotation
        if not all(map(_is_text, cast("list[object]", given) if isinstance(given, list) else [given])):
            msg = "needs a text, without control characters; leave the key out where there is none"
            raise ValueError(msg)
        if wanted in (int, float) and isinstance(given, bool):
            msg = "needs a number"
            raise ValueError(msg)
        if wanted is bool and not isinstance(given, bool | str):
            msg = "is true or false"
            raise ValueError(msg)
        return cast("object", given)


def _is_text(value: object) -> bool:
    """Say whether a value, where it is a text, has something in it, and no control character."""
    if not isinstance(value, str):
        return True
    return bool(value.strip()) and not any(unicodedata.category(one) == "Cc" for one in value)


class Server(_Section):
    """[server]."""

    public_url: str = "http://127.0.0.1:8040"
    development: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    read_timeout_s: float = Field(default=5, le=_LONGEST_S, allow_inf_nan=False)
    body_limit_bytes: int = Field(default=2_000_000, le=_MOST)


class StoreSettings(_Section):
    """[store]. ``key_file`` seals what is kept; ``receipts`` (a file of this host) and ``replicas`` are for Redis."""

    url: str = "sqlite:///undersign.db"
    key_file: Path | None = None
    receipts: Path = Path("undersign-receipts.db")
    replicas: int = Field(default=0, le=100)


class Hold(_Section):
    """[hold]. ``follow_up_s`` is how long an order is looked for that the EHR has to sign."""

    expires_after_s: int = Field(default=259_200, le=_LONGEST_S)
    follow_up_s: int = Field(default=14_400, ge=60, le=_LONGEST_S)


class Cards(_Section):
    """[cards]. A card that a person overrode stays away for ``suppress_for_s`` while the facts are the same."""

    suppress_overridden: bool = True
    suppress_for_s: int = Field(default=2_592_000, ge=0, le=_LONGEST_S)


class Model(_Section):
    """[model]. ``folder`` is what ``undersign train --site`` writes to; the shipped model where it is left out."""

    enabled: bool = True
    folder: Path | None = None


class KnowledgeSettings(_Section):
    """[knowledge]. ``pack`` is the folder of the site's knowledge pack (docs/knowledge.md)."""

    pack: Path | None = None


class RevokedKey(_Section):
    """[[sign.revoked_keys]]: a signing key that proves nothing from ``since`` on; ``kid`` as in the JWS."""

    kid: str
    since: AwareDatetime

    @field_validator("since", mode="before")
    @classmethod
    def _is_written(cls, given: object) -> object:
        if isinstance(given, int | float):
            msg = "needs a time with its zone, such as 2026-11-01T08:00:00Z"
            raise ValueError(msg)
        return given


class Sign(_Section):
    """[sign]. ``key_file`` holds the service's private signing key (JWK, ES384), made on first start.

    ``past_keys_file`` is a JWK set of the public keys that signed before it: what they signed still verifies.
    """

    step_up_max_age_s: int = Field(default=300, gt=0, le=_LONGEST_S)
    key_file: Path = Path("undersign-signing-key.json")
    past_keys_file: Path | None = None
    revoked_keys: tuple[RevokedKey, ...] = ()


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
    clients: tuple[str, ...] = ()
    prescriber_role_codes: tuple[str, ...] = ()
    step_up_acr: tuple[str, ...] = ()
    step_up_amr: tuple[str, ...] = ()


class Supervision(_Section):
    """[ehr.supervision]: what practitioners without a specialist's role or specialty may sign."""

    specialist_role_codes: tuple[str, ...] = ()
    others_sign: Literal["all", "uncomplicated", "none"] = "all"


class Limits(_Section):
    """[ehr.limits]."""

    calls_per_second: float = Field(default=20, le=_MOST, allow_inf_nan=False)
    burst: int = Field(default=60, le=_MOST)


class Audit(_Section):
    """[audit]. ``checkpoint_file`` gets a line for each checkpoint: keep it outside the store and its backups.

    ``keep_inputs``: what was read of the chart is kept with its drafts, so that a decision can be replayed.
    ``keep_accesses_years``: whole years for which who looked at what is kept; six as for HIPAA's documentation.
    """

    checkpoint_every_s: int = Field(default=3600, ge=60, le=_LONGEST_S)
    checkpoint_file: Path | None = None
    keep_inputs: bool = True
    keep_accesses_years: int = Field(default=6, ge=1, le=30)


class Ehr(_Section):
    """[[ehr]]: one tenant. ``organization`` is the hospital's own Organization there, for whom its people sign."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    name: str
    fhir_base: str
    ca_file: Path | None = None
    profile: str = "base-r4"
    jurisdiction: str | None = None
    organization: str | None = Field(default=None, pattern=r"^Organization/[A-Za-z0-9\-.]{1,64}$")
    consent_default: Literal["opt-out", "opt-in"] = "opt-out"
    origins: tuple[str, ...] = ()
    write_back: Literal["card", "unsigned-order", "sign-and-write", "document-only"] = "card"
    smart_client_id: str = "undersign"
    crisis_contact: str | None = None
    language: Literal["en", "de", "es"] = "en"
    page_link: Literal["absolute", "smart"] = "absolute"
    cds_client: CdsClient = CdsClient()
    users: Users = Users()
    supervision: Supervision = Supervision()
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
    audit: Audit = Audit()
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
