"""Which places may be stated, and what is said to one who writes another."""

from pathlib import Path

import pytest

from fhir_adapters.errors import InputError
from recommender.catalog import knowledge
from recommender.gate import gates
from service import jurisdictions
from service.bootstrap import build
from service.errors import ConfigError
from service.settings import CdsClient, Ehr, Server, Settings, Sign, StoreSettings
from tests.factories import adult, diagnosis, patient

K = knowledge.load()


@pytest.mark.parametrize("code", ["US-NV", "us-nv", " US-MA ", "DE", "DE-BY", "US", "EU", "IL-D", *K.jurisdictions])
def test_a_known_place_is_taken(code: str) -> None:
    """Codes of ISO 3166 and those with a row of law are taken, in capitals or not."""
    if code not in ("", "*"):
        assert jurisdictions.fault_of(code, K) is None


@pytest.mark.parametrize(
    ("code", "near"),
    [
        ("NV", "US-NV"),
        ("US-NEV", "US-NV"),
        ("US_NV", "US-NV"),
        ("US-NVV", "US-NV"),
        ("TX", "US-TX"),
        ("NY", "US-NY"),
        ("USA", "US"),
        ("CA-QN", "CA-QC"),
        ("Nevada", None),
        ("", None),
        ("*", None),
        ("-", None),
        ("US-", "US"),
    ],
)
def test_an_unknown_place_is_refused_with_the_nearest(code: str, near: str | None) -> None:
    """What is no known code is refused; where one is likely meant it is named, states with a law of their own first."""
    fault = jurisdictions.fault_of(code, K)
    assert fault is not None
    assert fault.endswith(f"did you mean {near}?" if near else "such as US-MA or DE")


@pytest.mark.parametrize(("code", "state"), [("IL", "US-IL"), ("ME", "US-ME")])
def test_a_country_that_reads_like_a_state_with_a_law_is_refused(code: str, state: str) -> None:
    """Israel and Illinois, Montenegro and Maine are told apart before the law of one is applied to the other."""
    assert f"write {state}" in str(jurisdictions.fault_of(code, K))


def test_every_row_of_law_closes_or_asks_under_a_code_that_is_taken() -> None:
    """No jurisdiction that closes drafting can be missed by a code that the service accepts for it."""
    closed = [code for code, row in K.jurisdictions.items() if not row.open]
    assert "US-NV" in closed
    for code in closed:
        spelt = (code, code.lower())
        assert [jurisdictions.fault_of(one, K) for one in spelt] == [None, None]
        found = [gates.evaluate(patient(diagnosis("mdd")), adult(), K, jurisdiction=one)[0].status for one in spelt]
        assert found == ["jurisdiction"] * 2


def _settings(folder: Path, jurisdiction: str | None) -> Settings:
    ehr = Ehr(
        id="north",
        name="North",
        fhir_base="http://127.0.0.1:1/fhir",
        jurisdiction=jurisdiction,
        cds_client=CdsClient(required=False),
    )
    store, sign = StoreSettings(url=f"sqlite:///{folder}/store.db"), Sign(key_file=folder / "key.json")
    return Settings(server=Server(development=True), store=store, sign=sign, ehr=(ehr,))


def test_a_service_does_not_start_in_an_unknown_place(tmp_path: Path) -> None:
    """A misspelt jurisdiction stops the start, names tenant and remedy, and does not repeat what was written."""
    with pytest.raises(ConfigError) as caught:
        build(_settings(tmp_path, "NV"))
    assert caught.value.code == "U-CONFIG-VALUE"
    assert "ehr north: jurisdiction" in caught.value.message
    assert "did you mean US-NV?" in caught.value.message
    assert build(_settings(tmp_path, "US-NV")).settings.ehr[0].jurisdiction == "US-NV"


def test_a_command_refuses_an_unknown_place() -> None:
    """``assess --jurisdiction`` is refused in the same words."""
    with pytest.raises(InputError, match="did you mean US-NV"):
        jurisdictions.check("NV", K)
    jurisdictions.check(None, K)
