"""The address of a check: one that can be asked, and an EHR of the settings as the service reaches it."""

from pathlib import Path

import pytest

from conformance import tenants
from conformance.errors import CheckError

SETTINGS = """
[[ehr]]
id = "north"
fhir_base = "https://ehr.north.example/api/FHIR/R4"
profile = "auto"
"""


@pytest.mark.parametrize(
    "text",
    [
        *("nonsense", "ftp://ehr.example", "https://", "https:///fhir", "http://127.0.0.1:99999/fhir"),
        *("https://ehr.example:fhir", "https://user:pw@ehr.example/fhir", "https://ehr.example/fhir?x=1"),
        "https://ehr.example/fhir#top",
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is(text: str) -> None:
    """A wrong address is one line with a code, and a password in it is not said again."""
    with pytest.raises(CheckError) as refused:
        tenants.address(text)
    assert refused.value.code == "U-CHECK-ADDRESS"
    assert "pw" not in refused.value.message.replace("password", "")


@pytest.mark.parametrize(
    ("text", "secret", "good"),
    [
        ("http://ehr.example/fhir", False, True),
        ("http://ehr.example/fhir", True, False),
        ("http://127.0.0.1:8090/fhir/", True, True),
        ("http://localhost:8090/fhir", True, True),
        ("https://ehr.example/fhir", True, True),
    ],
)
def test_a_token_goes_over_tls_or_stays_on_this_machine(text: str, *, secret: bool, good: bool) -> None:
    """Plain http to another machine is refused where a key or token would go with it."""
    if good:
        assert tenants.address(text, secret=secret) == text.rstrip("/")
    else:
        with pytest.raises(CheckError, match="U-CHECK-ADDRESS"):
            tenants.address(text, secret=secret)


def test_an_ehr_with_an_automatic_profile_is_checked_with_the_one_that_the_service_takes(tmp_path: Path) -> None:
    """``auto`` is no profile's name: the address tells, as it tells the service."""
    (tmp_path / "undersign.toml").write_text(SETTINGS)
    found = tenants.find("north", tmp_path / "undersign.toml")
    assert (found.base, found.profile) == ("https://ehr.north.example/api/FHIR/R4", "epic-r4")


def test_an_unfit_word_for_an_address_is_no_unreadable_settings_file() -> None:
    """A scheme that is none of the web's is an address that is wrong, not an id that is unknown."""
    with pytest.raises(CheckError, match="U-CHECK-ADDRESS"):
        tenants.find("ftp://ehr.example", None)
