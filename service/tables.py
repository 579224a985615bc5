"""A table on disk, handed over by a site."""

from pathlib import Path

from fhir_adapters.errors import InputError
from recommender.training import tables
from recommender.training.tables import Table


def opened(file: Path) -> Table:
    """Return the table of a file; InputError U-FILE when it cannot be opened, TableError as ``tables.read``."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise InputError("U-FILE", f"{file}: {error.strerror}; check its path and rights") from error
    return tables.read(raw, file.name)
