"""``undersign store``: copies of the store, and its keys."""

from pathlib import Path
from typing import Annotated

import typer

from service.command_options import Config

store_app = typer.Typer(
    help="Backup, restore and keys of the store.\n\nExample: undersign store backup monday.db", no_args_is_help=True
)


@store_app.command("backup")
def store_backup(
    file: Annotated[Path, typer.Argument(help="The new file.", metavar="FILE")], config: Config = None
) -> None:
    """Copy the SQLite store, which may be in use, to a new file, and verify the copy.

    Example: undersign store backup monday.db --config undersign.toml
    """
    from service.operations import backup_store

    backup_store(config, file)


@store_app.command("restore")
def store_restore(
    file: Annotated[Path, typer.Argument(help="The backup.", metavar="FILE")], config: Config = None
) -> None:
    """Make the SQLite store from a backup, where there is none now: drafts withdrawn, open orders parked, all verified.

    Example: undersign store restore monday.db --config undersign.toml
    """
    from service.operations import restore_store

    restore_store(config, file)


@store_app.command("rekey")
def store_rekey(config: Config = None) -> None:
    """Wrap the store's data keys under the first key of store.key_file, and give each tenant a new one.

    Example: undersign store rekey --config undersign.toml
    """
    from service.operations import rekey_store

    rekey_store(config)


@store_app.command("reseal")
def store_reseal(config: Config = None) -> None:
    """Seal what is under the data keys before under those in use, while the service runs, and verify the store.

    Example: undersign store reseal --config undersign.toml
    """
    from service.operations import reseal_store

    reseal_store(config)
