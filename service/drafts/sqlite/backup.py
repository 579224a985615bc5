"""Backup and restore of the SQLite store: whole copies by SQLite itself, verified before anybody relies on them."""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from service.drafts.sqlite import restoring as sqlite_restoring
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.sqlite import verify as sqlite_verify
from service.drafts.sqlite.restoring import Restored
from service.drafts.trail.verification import AuditReport
from service.drafts.vault import Vault
from service.errors import ConfigError

# Pages a step: between steps the writers of a running service go on.
_PAGES: Final = 1_000


def backup(path: Path, copy: Path, vault: Vault | None, jwks: Mapping[str, Any] | None) -> AuditReport:
    """Copy a store, which may be in use, to a new file, mode 0600, and return what verification finds in the copy.

    ConfigError U-BACKUP-FILE where there is a file already or none can be made; U-BACKUP-FAULTS, and no copy is left,
    where the copy is not whole.
    """
    with _copied(path, copy, vault):
        return _whole(copy, vault, jwks)


def restore(copy: Path, path: Path, vault: Vault | None, jwks: Mapping[str, Any] | None) -> Restored:
    """Make a store's file from a backup and return what verification finds in it; the errors of ``backup``.

    There must be no store at that place: what is there is the record, whatever is wrong with it, and is moved away by
    a person. Nothing in it goes on by itself: see ``restoring``.
    """
    if not copy.is_file():
        raise ConfigError("U-BACKUP-FILE", "there is no such backup; check the path")
    with _copied(copy, path, vault):
        _whole(path, vault, jwks)
        last, withdrawn, parked = sqlite_restoring.stop(path, vault)
        return Restored(_whole(path, vault, jwks), last, withdrawn, parked)


@contextmanager
def _copied(source: Path, target: Path, vault: Vault | None) -> Generator[None]:
    """Copy a store; the copy is removed again where what is done with it then fails."""
    if target.exists():
        raise ConfigError("U-BACKUP-FILE", "there is a file of this name already; name a new one, or move that away")
    sqlite_schema.private(target)
    whole = False
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new, pages=_PAGES)
        sqlite_schema.prepare(target, vault)
        yield
        whole = True
    except sqlite3.Error as error:
        raise sqlite_schema.store_error(error) from error
    finally:
        if not whole:
            for left in (target, *(target.with_name(f"{target.name}{end}") for end in ("-wal", "-shm"))):
                left.unlink(missing_ok=True)


def _whole(path: Path, vault: Vault | None, jwks: Mapping[str, Any] | None) -> AuditReport:
    report = sqlite_verify.verify(path, jwks, vault)
    if report.faults:
        first = report.faults[0]
        raise ConfigError("U-BACKUP-FAULTS", f"{len(report.faults)} fault(s), and nothing was copied; first: {first}")
    return report
