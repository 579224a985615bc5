"""The integration guide is compared with code: the checks that it names, its settings, its profile, its options."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from conformance import kinds
from conformance.suites.adapter.mutations import MUTATIONS
from fhir_adapters.dialect import profile as profiles
from service.cli import app
from service.settings import Ehr

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/integration-guide.md").read_text("utf-8")
TOML = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
CALLS = re.findall(r"undersign ((?:check |ehr |switch )?[a-z-]+)((?: [^\n`]*)?)", GUIDE)


def _checks() -> set[str]:
    return {one.id for kind in kinds.KINDS.values() for one in kind().suite.checks} | {
        one.id for one in kinds.adapter().suite.checks
    }


def test_every_check_that_the_guide_explains_exists() -> None:
    """The table of findings names checks of some suite, whole or by their beginning."""
    table = GUIDE.partition("## When a finding appears")[2].partition("## Vendor notes")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith(("| `", "| any"))]
    named = {name for cell in cells for name in re.findall(r"`([a-z]+\.[a-z-]*…?)`", cell)}
    known = _checks()
    assert len(named) > 20
    assert {one for one in named if not any(id_.startswith(one.rstrip("…")) for id_ in known)} == set()


def test_the_block_of_settings_is_taken() -> None:
    """The [[ehr]] block of step 2 is a tenant's, with every key in its place."""
    (block,) = tomllib.loads(TOML[0])["ehr"]
    assert Ehr.model_validate(block).write_back == "card"


def test_the_profile_of_the_guide_is_one(tmp_path: Path) -> None:
    """The profile of step 4 loads beside its code map, and reads the unit that it names."""
    (tmp_path / "north.toml").write_text(TOML[1])
    (tmp_path / "north-codes.csv").write_text(
        "source_system,source_code,target_system,target_code,relationship,source\n"
        "urn:north:lab,NA-S,http://loinc.org,2951-2,equivalent,catalogue\n"
    )
    assert profiles.load(str(tmp_path / "north.toml")).units["sodium"]["mmols/ltr"] == "mmol/L"


@pytest.mark.parametrize(("words", "rest"), CALLS)
def test_each_command_and_option_exists(words: str, rest: str) -> None:
    """What the guide has its reader type is a command with these options."""
    found: Any = get_command(app)
    for word in words.split():
        found = found.commands[word]
    options = {name for one in found.params for name in one.opts}
    assert set(re.findall(r"--[a-z-]+", rest)) <= options


def test_the_guide_counts_the_ways_of_spoiling_a_sample() -> None:
    """The number in words is that of the table of mutations."""
    assert ("in nineteen ways" in GUIDE) is (len(MUTATIONS) == 19)
