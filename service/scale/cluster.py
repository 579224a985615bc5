"""A Dask cluster: the one whose scheduler is named, or two workers on this machine."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from service.errors import ConfigError

WORKERS = 2


@contextmanager
def connected(scheduler: str | None, workers: int = WORKERS) -> Generator[Any]:
    """Yield a Dask client, of a cluster on this machine where no ``scheduler`` address is given; closed at the end.

    ConfigError U-SCALE-MISSING (the extra is not installed), U-SCALE-CLUSTER (nobody answers at the address).
    """
    try:
        distributed: Any = import_module("dask.distributed")  # whose types say too little
    except ImportError as error:
        raise ConfigError(
            "U-SCALE-MISSING", "The Dask engine is not installed: install undersign[scale], or leave --engine out."
        ) from error
    if scheduler is None:
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=logging.ERROR,  # a worker that is slow to end is nobody's concern
        )
        with cluster, distributed.Client(cluster) as client:
            client.run(_mute)
            yield client
        return
    try:
        client = distributed.Client(scheduler, timeout="5s")
    except (OSError, ValueError) as error:
        raise ConfigError(
            "U-SCALE-CLUSTER", "No Dask scheduler answers at that address: check --scheduler, such as tcp://host:8786."
        ) from error
    with client:
        yield client


def _mute() -> None:
    """Close a worker's standard output: LightGBM's network threads write to it whatever its verbosity is."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
