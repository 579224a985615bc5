"""What was decided of a site's model: one JSON line a decision, each with the hash of the line before.

The record says which model is in force: that of the last update that was not rolled back, the shipped one where there
is none. Nothing in a store is ever deleted or rewritten.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import msgspec

from recommender.errors import ModelError
from recommender.ranker import manifest as manifests
from recommender.ranker.model import NAME, Model, load

FILE = "record.jsonl"
SHIPPED = ""  # the folder of the model that came with the release

Placed = tuple[Model, Traversable]


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision: ``before`` and ``model`` are the digests of what was in force and of what is, in ``folder``.

    ``rows`` are the site's patients, ``left_out`` the others by reason. ``previous`` is the SHA-256 of the line
    before, empty for the first.
    """

    day: str
    event: Literal["updated", "refused", "rolled-back"]
    before: str
    model: str
    folder: str
    site: str
    plan: str
    rows: int = 0
    changes: Mapping[str, str] = field(default_factory=dict[str, str])
    gates: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    previous: str = ""


def read(store: Path) -> tuple[Entry, ...]:
    """Return the record of a store, oldest first, empty where there is none; ModelError U-RECORD-CHAIN."""
    before, found = "", list[Entry]()
    for line in _lines(store):
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError as error:
            raise _broken(len(found) + 1) from error
        if entry.previous != before:
            raise _broken(len(found) + 1)
        found.append(entry)
        before = manifests.sha256(line)
    return tuple(found)


def _lines(store: Path) -> Sequence[bytes]:
    path = store / FILE
    return path.read_bytes().splitlines() if path.exists() else ()


def _broken(line: int) -> ModelError:
    return ModelError(
        "U-RECORD-CHAIN", f"Line {line} of {FILE} was changed, or one before it is gone: restore the file from a copy."
    )


def append(store: Path, entry: Entry) -> Entry:
    """Write a decision behind the others, and return it with the hash of the line before; ModelError U-RECORD-CHAIN."""
    read(store)
    lines = _lines(store)
    chained = replace(entry, previous=manifests.sha256(lines[-1]) if lines else "")
    store.mkdir(parents=True, exist_ok=True)
    with (store / FILE).open("ab") as file:
        file.write(msgspec.json.encode(chained) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return chained


def shipped() -> Placed:
    """Return the model that came with the release, and its folder; ModelError U-MODEL-…."""
    return load(), files("recommender") / "models" / NAME


def in_force(store: Path) -> Placed:
    """Return the model in force in a store, and its folder.

    ModelError U-RECORD-CHAIN, U-RECORD-MODEL (the model is not the one on record), U-MODEL-… where the loader
    refuses it.
    """
    entries = read(store)
    if not entries or entries[-1].folder == SHIPPED:
        return shipped()
    return _verified(store, entries[-1].folder, entries[-1].model)


def at_site(store: Path) -> Model:
    """Return the model in force in a store that must have a record.

    ModelError U-RECORD-MISSING where there is none (a wrong path must not quietly be the shipped model); others as
    ``in_force``.
    """
    if not read(store):
        raise ModelError(
            "U-RECORD-MISSING", f"{store} holds no {FILE}: check the path, or run “undersign train --site” first."
        )
    return in_force(store)[0]


def _verified(store: Path, folder: str, digest: str) -> Placed:
    model, place = shipped() if folder == SHIPPED else (load(store / folder), store / folder)
    if model.manifest.digest != digest:
        raise ModelError(
            "U-RECORD-MODEL",
            f"The model {digest[:12]} that the record names is not there, another is in its place: restore its files"
            " or the release that it came with, or begin a new store.",
        )
    return model, place


def roll_back(store: Path, day: date) -> Entry:
    """Return to the model that was in force before the last update, checked by its hashes, and record it.

    ModelError U-RECORD-EMPTY where no update is in force; others as ``in_force``.
    """
    entries = read(store)
    stack = _stack(entries)
    if len(stack) < 2:
        raise ModelError("U-RECORD-EMPTY", "No update is in force, so there is nothing to roll back.")
    folder, digest = stack[-2]
    _verified(store, folder, digest)
    last = entries[-1]
    return append(store, Entry(day.isoformat(), "rolled-back", last.model, digest, folder, last.site, last.plan))


def _stack(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return folder and digest of the models in force one above the other, the shipped one first."""
    stack = [(SHIPPED, entries[0].before)] if entries else []
    for entry in entries:
        if entry.event == "updated":
            stack.append((entry.folder, entry.model))
        elif entry.event == "rolled-back":
            stack.pop()
    return stack
