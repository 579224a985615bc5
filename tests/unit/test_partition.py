"""A bulk export in parts: every patient's line is the one that the whole gives."""

from datetime import date
from pathlib import Path

import pytest

from fhir_adapters.dialect import profile as profiles
from service.scale import partition
from service.scale.lines import Line, work
from service.scale.patients import here
from tests.fixtures.exports import export, tangled

PROFILE = "base-r4"
LINE = work(PROFILE, date(2026, 11, 22))


def _in_parts(folder: Path, parts: int) -> list[Line]:
    """Return the lines of a folder that is read in parts, without a cluster."""
    profile = profiles.load(PROFILE)
    files = [partition.split(str(path), parts, profile) for path in sorted(folder.iterdir())]
    assert all(one.alone or one.pieces is not None for one in files)
    alone = [
        item for one in files if one.alone for item in partition.read_files(str(folder), [Path(one.path)], profile)
    ]
    pooled = [one for one in files if not one.alone]
    rest = [
        item
        for part in range(parts)
        for item in partition.read_part(str(folder), [partition.piece(one, part) for one in pooled], profile)
    ]
    return [LINE(item) for item in (*alone, *sorted(rest, key=lambda item: item.name))]


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 50])
def test_any_number_of_parts_gives_the_lines_of_the_whole(parts: int, tmp_path: Path) -> None:
    """However many parts a folder is read in, its lines are those of the whole, byte for byte, in the same order."""
    folder = export(tmp_path / "export", 12)
    found = _in_parts(folder, parts)
    assert found == list(here([folder], PROFILE, LINE))
    assert sorted(line.read for line in found) == [False] + [True] * 14


def test_what_only_the_whole_tells_is_not_taken_apart(tmp_path: Path) -> None:
    """A folder whose lines do not all name their patient in R4 NDJSON has a file that is in no part and not alone."""
    profile = profiles.load(PROFILE)
    found = {
        name: [partition.split(str(path), 4, profile) for path in sorted(folder.iterdir())]
        for name, folder in tangled(tmp_path).items()
    }
    assert len(found) == 6
    for name, files in found.items():
        assert any(one.pieces is None and not one.alone for one in files), name
