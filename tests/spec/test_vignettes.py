"""Clinical vignettes, written from labels and guidelines: does the service say what a clinician would?

A vignette with a ``gap`` shows what the service does not know yet: it fails, says why, and must be looked at again
on the day it passes.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.vignettes import outcomes

HERE = Path(outcomes.__file__).parent
FILES = sorted(path for path in HERE.glob("*.toml") if path.name != "sources.toml")
SOURCES = tomllib.loads((HERE / "sources.toml").read_text("utf-8"))["sources"]
Vignette = Mapping[str, Any]


def vignettes() -> Iterator[Vignette]:
    """Yield the vignettes of every file, with a depression on the problem list unless one says otherwise."""
    for path in FILES:
        for one in tomllib.loads(path.read_text("utf-8"))["vignette"]:
            yield with_depression(one) if one.get("depressed", True) else one


def with_depression(vignette: Vignette) -> Vignette:
    """Return a vignette with major depression on its problem list."""
    depression = {"mdd": {"is": "F33.1 Major depressive disorder, recurrent, moderate", "since": 90}}
    return {**vignette, "problems": {**depression, **vignette.get("problems", {})}}


ALL = tuple(vignettes())


def cases() -> Iterator[Any]:
    """Yield each vignette as a case; one with a known gap is expected to fail."""
    for one in ALL:
        gap = one.get("gap")
        marks = [pytest.mark.xfail(reason=gap, strict=True)] if gap else []
        yield pytest.param(one, id=one["id"], marks=marks)


@pytest.mark.parametrize("vignette", list(cases()))
def test_the_outcome_is_what_the_sources_say(vignette: Vignette) -> None:
    """The verdicts, warnings, ceilings, questions and people told are those that the vignette's sources ask for."""
    assert outcomes.disagreements(vignette) == [], vignette["says"]


def test_there_are_a_hundred_and_a_quarter_of_them_have_nothing_wrong() -> None:
    """There are at least a hundred vignettes, no two of one name, and at least 25 patients with nothing wrong."""
    assert len({one["id"] for one in ALL}) == len(ALL) >= 100
    assert sum(bool(one.get("clean")) for one in ALL) >= 25


@pytest.mark.parametrize("vignette", [pytest.param(one, id=one["id"]) for one in ALL])
def test_every_vignette_names_what_it_was_written_from(vignette: Vignette) -> None:
    """Every vignette has a claim and sources that stand in sources.toml, each with an address."""
    assert vignette["says"]
    assert vignette["source"]
    assert all(SOURCES[key]["at"] for key in vignette["source"])
