"""Every key of the configuration: a wrong type, a neighbour that is none, and its variable of the environment."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from service import settings, settings_file
from service.errors import ConfigError

Place = tuple[str | int, ...]
SINCE = datetime(2026, 11, 1, 8, tzinfo=UTC)


def good() -> dict[str, Any]:
    """Return a configuration that is taken, with one entry in every list of tables."""
    client = {"issuer": "i", "jwks_file": "k.json", "audiences": ["a"]}
    tenant = {"id": "north", "name": "North", "fhir_base": "https://ehr.north.example/fhir", "cds_client": client}
    return {"sign": {"revoked_keys": [{"kid": "k", "since": SINCE}]}, "ehr": [tenant]}


def keys(section: type[settings._Section], place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every key with its type."""
    for name, field in section.model_fields.items():
        inner = settings_file._section_of(field.annotation)
        if inner is None and name != "base":
            yield (*place, name), field.annotation
        elif inner is not None:
            listed = (0,) if name in ("ehr", "revoked_keys") else ()
            yield from keys(inner, (*place, name, *listed))  # type: ignore[arg-type]


KEYS = dict(keys(settings.Settings))
NAMES = [".".join(map(str, place)) for place in KEYS]
# Values that are nobody's: a control character, nothing, a table, a list in a list, what is no number, beyond any time.
NOWHERE: tuple[Any, ...] = ("a\nb", "a\0b", "", {"x": 1}, [["x"]], math.nan, math.inf, 10**400, date(2026, 11, 22))
NUMBERS, TEXTS = (1, -1, 1.5), ("zebra",)


def put(raw: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """Return the configuration with a value at a place."""
    inside: Any = raw
    for step in place[:-1]:
        inside = inside.setdefault(step, {}) if isinstance(inside, dict) else inside[step]
    inside[place[-1]] = value
    return raw


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place without a configuration of its own, in which ``load`` reads what it is given."""
    monkeypatch.delenv("UNDERSIGN_CONFIG", raising=False)
    return tmp_path


def load(monkeypatch: pytest.MonkeyPatch, folder: Path, raw: dict[str, Any]) -> settings.Settings:
    """Load a configuration as if the file had it."""
    monkeypatch.setattr(settings_file, "_read", lambda _: raw)
    return settings_file.load(folder / "undersign.toml")


def refused(monkeypatch: pytest.MonkeyPatch, folder: Path, raw: dict[str, Any]) -> ConfigError:
    """Return the refusal of a configuration, which is one line of moderate length."""
    with pytest.raises(ConfigError) as caught:
        load(monkeypatch, folder, raw)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return caught.value


def wrong(kind: Any) -> tuple[Any, ...]:
    """Return values that a key of this type does not take."""
    if kind is bool:
        return (*NOWHERE, *NUMBERS, *TEXTS, ["x"])
    if kind in (int, float):
        return (*NOWHERE, *TEXTS, True, -1, ["x"], *((1.5,) if kind is int else ()))
    listed = "tuple" in str(kind)
    return (*NOWHERE, *NUMBERS, True, *(TEXTS if listed else (["x"],)), *(([1], [True], [""]) if listed else ()))


@pytest.mark.parametrize("place", KEYS, ids=NAMES)
def test_a_wrong_value_of_any_key_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, folder: Path, place: Place
) -> None:
    """No key takes a value of another type, and the refusal is one line that names the key."""
    for value in wrong(KEYS[place]):
        found = refused(monkeypatch, folder, put(good(), place, value))
        assert found.code == "U-CONFIG-VALUE", value
        assert str(place[-1]) in found.message, value


@pytest.mark.parametrize("place", KEYS, ids=NAMES)
def test_a_neighbour_of_any_key_is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, folder: Path, place: Place
) -> None:
    """A key with a letter too many is refused, and the key that was meant is named."""
    found = refused(monkeypatch, folder, put(good(), (*place[:-1], f"{place[-1]}x"), 1))
    assert found.code == "U-CONFIG-KEY"
    assert f"did you mean {place[-1]}?" in found.message


# A value that is no default, for each key that takes it from the environment.
GIVEN: dict[str, Any] = {
    "server.public_url": "https://other.example",
    "server.log_level": "error",
    "store.url": "sqlite:///other.db",
    "ehr.0.fhir_base": "https://other.example/fhir",
    "ehr.0.jurisdiction": "DE",
    "ehr.0.organization": "Organization/o",
    "ehr.0.consent_default": "opt-in",
    "ehr.0.write_back": "document-only",
    "ehr.0.language": "es",
    "ehr.0.page_link": "smart",
    "ehr.0.origins": ["https://other.example"],
    "ehr.0.cds_client.algorithms": ["RS384"],
    "ehr.0.supervision.others_sign": "all",
    "sign.revoked_keys.0.since": "2026-11-02T08:00:00Z",
    "audit.keep_accesses_years": 7,
    "ehr.0.cds_client.required": "true",
    "server.development": "true",
}


def other(place: Place, kind: Any) -> Any:
    """Return a value of a key that is not its default."""
    name = ".".join(map(str, place))
    if name in GIVEN:
        return GIVEN[name]
    if kind is bool:
        return "false"
    if kind in (int, float):
        return 77
    return ["other"] if "tuple" in str(kind) else "other"


@pytest.mark.parametrize(
    "place", [one for one in KEYS if one[-1] != "jwks_url"], ids=lambda one: ".".join(map(str, one))
)
def test_the_environment_has_a_variable_for_any_key(
    monkeypatch: pytest.MonkeyPatch, folder: Path, place: Place
) -> None:
    """The variable of a key is taken as the file's own value is."""
    value = other(place, KEYS[place])
    in_file = load(monkeypatch, folder, put(good(), place, value))
    name = "UNDERSIGN_" + "__".join(map(str, place)).upper()
    monkeypatch.setenv(name, json.dumps(value) if isinstance(value, list) else str(value))
    assert load(monkeypatch, folder, good()) == in_file


@pytest.mark.parametrize("place", KEYS, ids=NAMES)
def test_a_variable_that_says_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, folder: Path, place: Place) -> None:
    """An empty variable is no value, and is not passed over."""
    monkeypatch.setenv("UNDERSIGN_" + "__".join(map(str, place)).upper(), "")
    assert refused(monkeypatch, folder, good()).code == "U-CONFIG-VALUE"


@pytest.mark.parametrize("raw", [b"x = " + b"[" * 5000, b"\xff", b"[server", b"x = 1\nx = 2"])
def test_a_file_that_cannot_be_read_is_one_line(folder: Path, raw: bytes) -> None:
    """A file too deep, in another encoding, cut short or with a key twice is U-CONFIG-FILE in one line."""
    file = folder / "undersign.toml"
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match="U-CONFIG-FILE") as caught:
        settings_file.load(file)
    assert "\n" not in str(caught.value)
