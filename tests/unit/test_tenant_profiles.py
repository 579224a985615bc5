"""Which profile a tenant is read with: the one it names, one in a file of its own, or the one its address tells."""

from pathlib import Path

import pytest

from fhir_adapters.errors import ProfileError
from service import bootstrap, settings_file

TENANT = """
[model]
enabled = false
[[ehr]]
id = "north"
name = "North"
fhir_base = "{base}"
profile = "{profile}"
smart_client_id = "x"
[ehr.cds_client]
issuer = "https://ehr.example/hooks"
jwks_url = "https://ehr.example/jwks"
audiences = ["https://undersign.example"]
[ehr.users]
issuer = "https://ehr.example"
"""


def profile_of(folder: Path, base: str, profile: str) -> str:
    """Return the name of the profile that a tenant is read with."""
    path = folder / "undersign.toml"
    path.write_text(TENANT.format(base=base, profile=profile))
    return bootstrap.build(settings_file.load(path)).profiles["north"].name


@pytest.mark.parametrize(
    ("base", "profile", "name"),
    [
        ("https://ehr.example/fhir", "isik", "isik"),
        ("https://ehr.example/arr/api/FHIR/R4", "base-r4", "base-r4"),
        ("https://ehr.example/arr/api/FHIR/R4", "auto", "epic-r4"),
        ("https://ehr.example/fhir/DSTU2", "auto", "base-dstu2"),
        ("https://ehr.example/fhir", "sites/north.toml", "north-clinic"),
    ],
)
def test_the_profile_of_a_tenant(base: str, profile: str, name: str, tmp_path: Path) -> None:
    """A name, ``auto`` and a path beside the configuration each lead to their profile."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/north.toml").write_text('name = "north-clinic"\nextends = "base-r4"\nmaps = ["drugs.csv"]')
    (tmp_path / "sites/drugs.csv").write_text("source_system,source_code,target_system,target_code\n")
    assert profile_of(tmp_path, base, profile) == name


def test_a_profile_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    """A tenant whose profile names a missing map is never served with half of what its profile says."""
    (tmp_path / "north.toml").write_text('extends = "base-r4"\nmaps = ["gone.csv"]')
    with pytest.raises(ProfileError) as caught:
        profile_of(tmp_path, "https://ehr.example/fhir", "north.toml")
    assert caught.value.code == "U-PROFILE-MAP"
