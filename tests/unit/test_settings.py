"""What the configuration takes, and what it refuses."""

from pathlib import Path

import pytest

from service import settings, settings_file
from service.errors import ConfigError

GOOD = """
[server]
public_url = "https://undersign.north.example"
[store]
url = "sqlite:///data/undersign.db"
[[ehr]]
id = "north"
name = "North Hospital"
fhir_base = "https://ehr.north.example/fhir"
[ehr.cds_client]
issuer = "https://ehr.north.example/fhir"
jwks_file = "north-jwks.json"
audiences = ["https://undersign.north.example/cds-services/psychotropic-options"]
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSIGN_CONFIG", raising=False)


def load(folder: Path, text: str) -> settings.Settings:
    """Load a configuration text from a file in the folder."""
    file = folder / "undersign.toml"
    file.write_text(text)
    return settings_file.load(file)


def refusal(folder: Path, text: str) -> ConfigError:
    """Return the refusal of a configuration text."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return caught.value


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Store, key and key-set files are found beside the configuration file, wherever the process runs."""
    found = load(tmp_path, GOOD)
    assert found.store_path == tmp_path / "data/undersign.db"
    assert found.sign.key_file == tmp_path / "undersign-signing-key.json"
    assert found.ehr[0].cds_client.jwks_file == tmp_path / "north-jwks.json"


def test_a_profile_path_is_relative_and_a_profile_name_is_not(tmp_path: Path) -> None:
    """A profile that is a path is resolved against the file; a shipped name is left alone."""
    named = load(tmp_path, GOOD.replace('name = "North', 'profile = "us-core-r4"\nname = "North'))
    assert named.ehr[0].profile == "us-core-r4"
    path = load(tmp_path, GOOD.replace('name = "North', 'profile = "ours.toml"\nname = "North'))
    assert path.ehr[0].profile == str(tmp_path / "ours.toml")


def test_without_any_configuration_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file and no variable: the message says what to give, and no default tenant or store is made up."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        settings_file.load(None)
    assert caught.value.code == "U-CONFIG-FILE"


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("UNDERSIGN_SERVER__LOG_LEVEL", "debug", lambda s: s.server.log_level == "debug"),
        ("UNDERSIGN_SIGN__STEP_UP_MAX_AGE_S", "60", lambda s: s.sign.step_up_max_age_s == 60),
        ("UNDERSIGN_MODEL__ENABLED", "false", lambda s: s.model.enabled is False),
        ("UNDERSIGN_EHR__0__NAME", "South", lambda s: s.ehr[0].name == "South"),
        (
            "UNDERSIGN_EHR__0__CDS_CLIENT__AUDIENCES",
            '["a"]',
            lambda s: s.ehr[0].cds_client.audiences == ("a",),
        ),
    ],
)
def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object
) -> None:
    """Each scalar key may be given as UNDERSIGN_SECTION__KEY, and then counts."""
    monkeypatch.setenv(name, value)
    assert read(load(tmp_path, GOOD))  # type: ignore[operator]


def test_the_named_file_counts_before_the_one_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """UNDERSIGN_CONFIG names the file when no path is given; undersign.toml here is the last resort."""
    (tmp_path / "undersign.toml").write_text('[server]\nlog_level = "error"')
    (tmp_path / "other.toml").write_text('[server]\nlog_level = "debug"')
    monkeypatch.chdir(tmp_path)
    assert settings_file.load(None).server.log_level == "error"
    monkeypatch.setenv("UNDERSIGN_CONFIG", str(tmp_path / "other.toml"))
    assert settings_file.load(None).server.log_level == "debug"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[sever]\n", "no key sever; did you mean server?"),
        ("[server]\npublic_ulr = 'x'", "no key server.public_ulr; did you mean public_url?"),
        (GOOD + "kid = 'x'", "no key ehr.cds_client.kid"),
        ("[server]\nbase = '/etc'", "no key server.base"),
        ("base = '/etc'", "no key base"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(tmp_path: Path, text: str, named: str) -> None:
    """An unknown key stops the start and names the key that was probably meant."""
    error = refusal(tmp_path, text)
    assert error.code == "U-CONFIG-KEY"
    assert named in error.message


def test_an_unknown_environment_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt environment variable is refused like a misspelt key."""
    monkeypatch.setenv("UNDERSIGN_SERVER__PUBLIK_URL", "x")
    assert "did you mean public_url?" in refusal(tmp_path, GOOD).message


NO_AUTH = GOOD.replace("[ehr.cds_client]", "[ehr.cds_client]\nrequired = false")
DEVELOPMENT = "[server]\ndevelopment = true\n" + NO_AUTH.replace("[server]\n", "")
SECOND = """
[[ehr]]
id = "{}"
name = "South"
fhir_base = "{}"
[ehr.cds_client]
issuer = "{}"
jwks_file = "south.json"
audiences = ["a"]
"""
NORTH = "https://ehr.north.example/fhir"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GOOD.replace("https://ehr.north.example/fhir", "http://ehr.north.example/fhir"), "loopback only"),
        (
            GOOD.replace('fhir_base = "https://ehr.north.example', 'fhir_base = "http://127.0.0.1'),
            "development",
        ),
        (DEVELOPMENT.replace('fhir_base = "https', 'fhir_base = "http'), "loopback only"),
        (
            GOOD.replace('https://undersign.north.example"\n[store]', 'http://undersign.north.example"\n[store]'),
            "loopback",
        ),
        (NO_AUTH, "false is for server.development = true only"),
        (GOOD.replace("issuer =", "# issuer ="), "needs issuer"),
        (GOOD.replace("jwks_file =", "# jwks_file ="), "one of jwks_file and jwks_url"),
        (
            GOOD.replace("jwks_file =", 'jwks_url = "https://k.example/jwks"\njwks_file ='),
            "one of jwks_file and",
        ),
        (
            GOOD.replace('jwks_file = "north-jwks.json"', 'jwks_url = "http://k.example/jwks"'),
            "loopback only",
        ),
        (GOOD.replace("audiences =", "# audiences ="), "needs audiences"),
        (GOOD.replace("sqlite:///data/undersign.db", "redis://r.example/0"), "use rediss://"),
        (GOOD.replace("sqlite:///data/undersign.db", "rediss://r.example/drafts"), "rediss://HOST:PORT/DB"),
        (GOOD.replace("sqlite:///data/undersign.db", "rediss:///0"), "rediss://HOST:PORT/DB"),
        (GOOD.replace("sqlite:///data/undersign.db", "rediss://r.example:port/0"), "rediss://HOST:PORT/DB"),
        (GOOD.replace("[store]", "[store]\nreplicas = -1"), "store.replicas"),
        (GOOD.replace("sqlite:///data/undersign.db", "postgres://x"), "sqlite:///FILE"),
        (GOOD + SECOND.format("north", "https://s.example/fhir", "s"), "north is there twice"),
        (GOOD + SECOND.format("south", NORTH, "s"), f"{NORTH} is there twice"),
        (GOOD + SECOND.format("south", "https://s.example/fhir", NORTH), "issuer"),
        (GOOD.replace("https://ehr.north.example/fhir", "https://u:p@ehr.north.example/fhir"), "no user"),
        (GOOD.replace('id = "north"', 'id = "North!"'), "ehr.0.id"),
        ("[server]\nread_timeout_s = 'soon'", "server.read_timeout_s"),
        ("[server]\nbody_limit_bytes = 0", "above zero"),
    ],
)
def test_what_cannot_stand_is_refused(tmp_path: Path, text: str, named: str) -> None:
    """A configuration that is unsafe does not start, and says why."""
    error = refusal(tmp_path, text)
    assert error.code == "U-CONFIG-VALUE"
    assert named in error.message


def test_development_takes_plain_http_on_loopback_without_tokens(tmp_path: Path) -> None:
    """With development = true an unauthenticated EHR on loopback over http is accepted."""
    text = DEVELOPMENT.replace('fhir_base = "https://ehr.north.example', 'fhir_base = "http://127.0.0.1:8050')
    assert load(tmp_path, text).ehr[0].cds_client.required is False


@pytest.mark.parametrize("text", ["[server", "\udcff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    """A file that is not TOML, or not there, is U-CONFIG-FILE."""
    file = tmp_path / "undersign.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match="U-CONFIG-FILE"):
        settings_file.load(file)
    with pytest.raises(ConfigError, match="U-CONFIG-FILE"):
        settings_file.load(tmp_path / "absent.toml")


def test_no_value_of_the_file_is_repeated_in_a_refusal(tmp_path: Path) -> None:
    """A refused value is not printed: it might be a secret in the wrong place."""
    assert "hunter2" not in refusal(tmp_path, "[server]\nlog_level = 'hunter2'").message
