"""docs/knowledge.md against the tables, the example pack and what the commands print."""

import re
from pathlib import Path

import pytest

from recommender.catalog import knowledge, packs
from service.knowledge_pages.report import check_of, diff_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "knowledge.md").read_text("utf-8")
PACK = ROOT / "docs" / "examples" / "north-pack"


def test_every_table_is_explained() -> None:
    """The page says of each table what it holds, and of no other."""
    rows = [line.split("|")[1] for line in PAGE.splitlines() if re.match(r"\| `[a-z_]+`[`a-z_, ]* \| ", line)]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert named - {"verified", "yes", "secondary", "no", "site"} == set(knowledge.NAMES) - {"sources"}


@pytest.mark.parametrize("name", ["pack.toml", "formulary.csv"])
def test_the_files_on_the_page_are_those_of_the_example(name: str) -> None:
    """A file that the page shows is the file in the example's folder, to the letter."""
    found = re.search(rf"```\w+\n# {re.escape(name)}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    assert found[1] == (PACK / name).read_text("utf-8")


def test_the_example_pack_checks_and_does_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The example is a pack without a fault, and the difference on the page is the one that is printed."""
    assert check_of(PACK, as_json=False) == 0
    capsys.readouterr()
    diff_of("shipped", str(PACK), as_json=False)
    told = capsys.readouterr().out.partition("\n\n")[2]
    shown = re.search(
        r"```text\n\$ undersign knowledge diff shipped docs/examples/north-pack\n(.*?)```", PAGE, re.DOTALL
    )
    assert shown is not None
    assert shown[1] == told


def test_the_example_makes_doxepin_draftable_and_nothing_else() -> None:
    """Of all drugs the approval opens the one that it names, and the retired one is closed."""
    from recommender.draftable import why_not

    shipped, site = knowledge.load(), packs.load(PACK)
    changed = {name for name in shipped.drugs if bool(why_not(name, shipped)) != bool(why_not(name, site))}
    assert changed == {"doxepin", "paroxetine"}
