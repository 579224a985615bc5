"""A site's update of the model, its roll-back, and work on many patients: what ``train`` and ``features`` hand over."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import typer

from fhir_adapters.dialect import profile as profiles
from fhir_adapters.errors import InputError
from fhir_adapters.reading.population import Item
from recommender.errors import ModelError
from service.scale import cluster, patients

T = TypeVar("T")


class Engine(StrEnum):
    """Where the work is done."""

    local = "local"
    dask = "dask"


def check_engine(engine: Engine, scheduler: str | None) -> None:
    """Refuse a scheduler that nobody would ask; BadParameter."""
    if scheduler is not None and engine is not Engine.dask:
        raise typer.BadParameter("--scheduler is of a Dask cluster: add --engine dask, or leave it out")


def train(
    out: Path, simulated: int, seed: int, day: date, engine: Engine, scheduler: str | None, *, force: bool
) -> None:
    """Train the shipped model on simulated patients into ``out``, over another one only with ``force``.

    ModelError, with U-MODEL-OUT for a folder that holds something else; ConfigError U-SCALE-….
    """
    from recommender.training.train import train as train_model

    _check_out(out, force=force)
    if engine is Engine.local:
        train_model(out, patients=simulated, seed=seed, created=day, report=_say)
        return
    from service.scale.fitting import fit_on

    with cluster.connected(scheduler) as client:
        train_model(out, patients=simulated, seed=seed, created=day, report=_say, fit=fit_on(client))


def update(folder: Path, out: Path, site: str, profile: str, day: date, engine: Engine, scheduler: str | None) -> int:
    """Update the model in ``out`` on a site's export; returns 1 when nothing changes, else 0.

    InputError U-FILE (no such folder), ModelError U-SITE-… (U-SITE-DUPLICATE before anything is read), U-RECORD-…,
    U-PLAN-….
    """
    from recommender.training.site import duplicates, story

    profiles.load(profile)
    duplicates.check(_folder(folder))
    with _each([_folder(folder)], profile, partial(_row, profile=profile, day=day), engine, scheduler) as found:
        told = story.from_export(found, out, site=site, exported=day, report=_say)
    typer.echo(
        f"{told.entry.event}: {out / told.entry.folder if told.entry.folder else 'the shipped model'} is in force"
    )
    return 0 if told.folder else 1


def roll_back(out: Path, day: date) -> int:
    """Return to the model in force before the last update; ModelError U-RECORD-…."""
    from recommender.training.site import record

    entry = record.roll_back(out, day)
    typer.echo(f"rolled back: {out / entry.folder if entry.folder else 'the shipped model'} is in force")
    return 0


def features(paths: Sequence[Path], profile: str, day: date, engine: Engine, scheduler: str | None) -> int:
    """Print one line a patient of exports and folders; returns 1 when one could not be read, else 0."""
    from service.scale.lines import work

    profiles.load(profile)
    status = 0
    with _each([path.absolute() for path in paths], profile, work(profile, day), engine, scheduler) as found:
        for line in found:
            typer.echo(line.text)
            status = status if line.read else 1
    return status


@contextmanager
def _each(
    paths: Sequence[Path], profile: str, work: Callable[[Item], T], engine: Engine, scheduler: str | None
) -> Generator[Iterator[T]]:
    """Give the work's result for every patient, worked out here or on a cluster."""
    if engine is Engine.local:
        yield patients.here(paths, profile, work)
        return
    with cluster.connected(scheduler) as client:
        yield patients.on(client, paths, profile, work, _say)


def _row(item: Item, profile: str, day: date) -> Any:
    from recommender.training.site.rows import row_of_item

    return row_of_item(item, _reader(profile, day))


@cache
def _reader(profile: str, day: date) -> Any:
    """Return what rows are read with, loaded once a process."""
    from recommender.catalog import packs
    from recommender.ranker import model as models
    from recommender.training.site.rows import Reader

    return Reader(profiles.load(profile), packs.load(None), models.load(), day)


def _check_out(out: Path, *, force: bool) -> None:
    from recommender.ranker import manifest as manifests
    from recommender.training.site import record

    try:
        held = {path.name for path in out.iterdir()} if out.exists() else set[str]()
    except OSError as error:
        raise ModelError("U-MODEL-OUT", f"{out} is no folder that can be used: {error.strerror}.") from error
    if not held:
        return
    if not force:
        raise ModelError(
            "U-MODEL-OUT", f"{out} is not empty: name a new folder, or add --force where a model is to be trained anew."
        )
    if manifests.FILE not in held or record.FILE in held:
        raise ModelError("U-MODEL-OUT", f"{out} does not hold a model of this command: name a new folder.")


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError("U-FILE", f"{path} is no folder that can be opened: check its path")
    return path.absolute()


def _say(line: str) -> None:
    typer.echo(line, err=True)
