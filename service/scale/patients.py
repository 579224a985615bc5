"""Work on every patient of an export, on a Dask cluster or here: the same results, in the same order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fhir_adapters.dialect import profile as profiles
from fhir_adapters.reading import population
from fhir_adapters.reading.population import Item
from service.scale import partition
from service.scale.partition import File

T = TypeVar("T")
Work = Callable[[Item], T]
Placed = tuple[int, str, T]  # what was read by itself in its order, then patients by name

_PARTS_A_WORKER = 4
_LAST = 1 << 60


def here(paths: Iterable[Path], profile: str, work: Work[T]) -> Iterator[T]:
    """Yield the work's result for each patient, in the order of ``population.charts``."""
    return (work(item) for item in partition.read(paths, profiles.load(profile)))


def on(client: Any, paths: Sequence[Path], profile: str, work: Work[T], report: Callable[[str], None]) -> Iterator[T]:
    """Yield what ``here`` yields, worked out on a cluster whose workers see the same absolute paths.

    ``profile`` is its name or path, loaded by each worker; ``work`` and its results are pickled. ``report`` is told
    of folders that cannot be taken apart.
    """
    parts = _PARTS_A_WORKER * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    for folder, files in population.folders(list(paths)):
        named = [str(path) for path in files]
        splits = client.map(_split, named, parts=parts, profile=profile, pure=False)
        kinds = client.gather(client.map(_kind, splits, pure=False))
        if _WHOLE in kinds:
            report(f"{folder or 'the files'} read as one part: not all of it is R4 NDJSON that names its patient")
            yield from (
                found for *_, found in client.submit(_files, folder, named, 0, profile, work, pure=False).result()
            )
            continue
        asked = [
            client.submit(_files, folder, [name], place, profile, work, pure=False)
            for place, (name, kind) in enumerate(zip(named, kinds, strict=True))
            if kind == _ALONE
        ]
        pooled = [one for one, kind in zip(splits, kinds, strict=True) if kind == _PIECES]
        for part in range(parts if pooled else 0):
            pieces = client.map(partition.piece, pooled, part=part, pure=False)
            asked.append(client.submit(_part, folder, pieces, profile, work, pure=False))
        results = [one for found in client.gather(asked) for one in found]
        yield from (found for *_, found in sorted(results, key=lambda one: one[:2]))


_ALONE, _WHOLE, _PIECES = "alone", "whole", "pieces"


def _split(path: str, parts: int, profile: str) -> File:
    return partition.split(path, parts, profiles.load(profile))


def _kind(file: File) -> str:
    return _ALONE if file.alone else _WHOLE if file.pieces is None else _PIECES


def _files(folder: str, named: Sequence[str], place: int, profile: str, work: Work[T]) -> list[Placed[T]]:
    read = partition.read_files(folder, [Path(name) for name in named], profiles.load(profile))
    return [(place, item.name, work(item)) for item in read]


def _part(folder: str, pieces: Sequence[Sequence[bytes]], profile: str, work: Work[T]) -> list[Placed[T]]:
    return [(_LAST, item.name, work(item)) for item in partition.read_part(folder, pieces, profiles.load(profile))]
