"""Many patients from files and folders, one chart at a time.

A JSON file that holds one Patient and something about that patient is a whole record: one chart. All other
resources of one folder belong together, whether they stand in NDJSON by type (a bulk export), in Bundles or each
in a file, and are grouped by patient (``groups``); folders inside it are folders of their own. Files that are
given by name belong together like those of one folder. A file that cannot be read is an error of its own, and
takes nothing from the others but what it held: lists that it fed are then not supplied, never empty.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fhir_adapters.errors import InputError
from fhir_adapters.fhir_versions.versions import Version
from fhir_adapters.problem.lists import LIST_OF
from fhir_adapters.reading import envelope, groups, reader, wire
from fhir_adapters.reading.opened import Opened
from fhir_adapters.reading.reader import Chart
from fhir_adapters.reading.repairs import ALL as REPAIRS
from fhir_adapters.reading.told import not_r4, tell

_SUFFIXES = frozenset({".json", ".ndjson"})
_NO_LIMIT = 1 << 62  # MAX_ENTRIES is one patient's


class Item(NamedTuple):
    """One patient: ``name`` is the file, or the folder and the patient's id; ``chart`` or what kept it away."""

    name: str
    chart: Chart | InputError


class Progress(NamedTuple):
    """How far it is: files opened of all, and patients given so far."""

    files: int
    of: int
    patients: int


class _Way(NamedTuple):
    """How to read: as ``reader.read``."""

    repairs: frozenset[str]
    assumed: Version
    checked: bool
    notices: frozenset[str]


def charts(
    paths: Iterable[Path],
    *,
    repairs: frozenset[str] = REPAIRS,
    assumed: Version = "R4",
    checked: bool = False,
    notices: frozenset[str] = frozenset(),
    progress: Callable[[Progress], None] = lambda _: None,
) -> Iterator[Item]:
    """Yield the patients of files (JSON, NDJSON) and folders, in the order of their names.

    The resources of one folder are held in memory together. ``repairs``, ``assumed``, ``checked`` and
    ``notices`` as in ``reader.read``; ``progress`` is called after each file and each patient. Items hold InputError
    U-FILE, U-JSON-…, U-FHIR-TYPE, U-FHIR-ENTRIES (more than one patient can have), U-FHIR-NO-PATIENT (resources that
    name nobody), U-PATIENT-MISMATCH (two Patients of one id).
    """
    in_folders = list(folders(list(paths)))
    way, opened, given, of = _Way(repairs, assumed, checked, notices), 0, 0, sum(len(files) for _, files in in_folders)
    for folder, files in in_folders:
        pool: list[tuple[Path, Opened]] = []
        for path in files:
            found = _opened(path, way)
            opened += 1
            if isinstance(found, InputError) or _is_whole(found):
                given += 1
                yield Item(str(path), found if isinstance(found, InputError) else _chart([found], way, {}))
            else:
                pool.append((path, found))
            progress(Progress(opened, of, given))
        for item in _pooled(folder, pool, way):
            given += 1
            yield item
            progress(Progress(opened, of, given))


class Look(NamedTuple):
    """What a file is: the ``whole`` record of one patient, ``not_r4`` in part, or what keeps it from being read."""

    whole: bool = False
    not_r4: bool = False
    error: InputError | None = None


def look(path: Path, *, assumed: Version = "R4", notices: frozenset[str] = frozenset()) -> Look:
    """Return what a file is to ``charts``: whoever reads a folder in parts must know it of every file first."""
    found = _opened(path, _Way(REPAIRS, assumed, False, notices))
    if isinstance(found, InputError):
        return Look(error=found)
    return Look(_is_whole(found), bool(found.entries) and not_r4(found.entries))


def folders(paths: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Yield the files that belong together, with the name of their folder, as ``charts`` reads them."""
    if files := sorted(path for path in paths if not path.is_dir()):
        yield "", files
    for folder in sorted(path for path in paths if path.is_dir()):
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        if files := [path for path in inside if path.suffix in _SUFFIXES and path.is_file()]:
            yield str(folder), files
        yield from folders([path for path in inside if path.is_dir()])


def _opened(path: Path, way: _Way, *, carefully: bool = False) -> Opened | InputError:
    try:
        raw = path.read_bytes()
    except OSError as error:
        return InputError("U-FILE", f"the file could not be read ({error.strerror}); check its path and rights")
    quickly = way.assumed == "R4" and not carefully
    try:
        found = envelope.open_file(raw, checked=way.checked, quickly=quickly, limit=_NO_LIMIT, notices=way.notices)
        if found.batches and not_r4(found.entries):
            found = envelope.open_file(raw, checked=True, quickly=False, limit=_NO_LIMIT, notices=way.notices)
    except InputError as error:
        return error
    return found


def _is_whole(opened: Opened) -> bool:
    return groups.patient_count(opened) == 1 and not opened.kinds().isdisjoint(LIST_OF)


def _pooled(folder: str, pool: Sequence[tuple[Path, Opened]], way: _Way) -> Iterator[Item]:
    opened = list(_in_one_version(pool, way))
    told = tell([entry for one in opened for entry in one.entries], way.assumed)
    alike = way._replace(assumed=told.preferred)
    grouped = groups.by_patient(opened)
    medications = reader.medications_in(grouped.medications, repairs=way.repairs, assumed=told.preferred)
    for name in sorted(grouped.patients):
        yield Item(f"{folder}/{name}" if folder else name, _chart(grouped.patients.pop(name), alike, medications))
    if grouped.unclaimed:
        message = f"{grouped.unclaimed} resources name no patient; send each with its subject"
        yield Item(folder, InputError("U-FHIR-NO-PATIENT", message))


def _in_one_version(pool: Sequence[tuple[Path, Opened]], way: _Way) -> Iterator[Opened]:
    """Yield what was opened; where some of it is not R4, the rest is opened again, to follow what that tells."""
    carefully = any(not_r4(one.entries) for _, one in pool)
    for path, one in pool:
        again = _opened(path, way, carefully=True) if carefully and one.batches else one
        yield one if isinstance(again, InputError) else again


def _chart(opened: Sequence[Opened], way: _Way, shared: Mapping[str, wire.Medication]) -> Chart | InputError:
    try:
        return reader.chart_of(opened, repairs=way.repairs, assumed=way.assumed, shared=shared)
    except InputError as error:
        return error
