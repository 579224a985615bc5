"""The one thread of a process that writes: jobs from a queue, those waiting together in one commit.

A job is acknowledged only after COMMIT returned. Each job runs under its own savepoint, so one that is
refused leaves nothing behind and does not spoil the others of its batch; a failing disk or commit fails the
whole batch, since what one job saw may be another's uncommitted work. Several processes may share the file:
BEGIN IMMEDIATE makes their writers take turns.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, TypeVar

from service.drafts.sqlite import sealing as sqlite_sealing
from service.drafts.sqlite.schema import store_error
from service.drafts.sqlite.store_time import StoreTime
from service.errors import Unavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection, datetime], T]

BATCH: Final = 64
WAITING: Final = 4_096
IDLE_S: Final = 0.25
# Under steady load there is no idle moment: after this many commits the log is copied back all the same.
CHECKPOINT_COMMITS: Final = 2_000


@dataclass(slots=True, eq=False)
class _Job:
    work: Work[Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> bool:
        """Keep what the work raised for the caller who awaits it: it is the caller's, not this thread's."""
        self.error = error
        return isinstance(error, Exception)


class Writer:
    """Owns the writing connection and its thread, from ``start`` to ``stop``."""

    def __init__(self, connection: sqlite3.Connection, time: StoreTime) -> None:
        self._connection = connection
        self._time = time
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._commits = 0
        self._thread = threading.Thread(target=self._run, name="undersign-store-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, close the connection and wait for both; blocks."""
        with self._lock:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    async def submit(self, work: Work[T]) -> T:
        """Run ``work(connection, now)`` in the next commit; returns its result after that commit.

        Raises what the work raised; Unavailable U-STORE-CLOSED, -BUSY, -FULL, -LOCKED, -FAILED.
        """
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop)
        with self._lock:
            if self._closed:
                raise Unavailable("U-STORE-CLOSED", "the store is closed; start the service again")
            if self._queue.qsize() >= WAITING:
                raise Unavailable("U-STORE-BUSY", "too much is waiting for the store; try again")
            self._queue.put(job)
        return await job.future

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            self._refuse_rest()
            self._connection.close()

    def _turn(self) -> bool:
        """Do one batch, or the checkpoint of an idle moment; False when it is time to stop."""
        try:
            first = self._queue.get(timeout=IDLE_S if self._commits else None)
        except queue.Empty:
            self._checkpoint()
            return True
        batch, stop = self._gather(first)
        if batch:
            self._commit(batch)
            _deliver(batch)
        if self._commits >= CHECKPOINT_COMMITS:
            self._checkpoint()
        return not stop

    def _gather(self, first: _Job | None) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        job = first
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH:
                return batch, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Job]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._attempt(job)
            self._connection.execute("COMMIT")
            self._commits += 1
        except sqlite3.Error as error:
            for job in batch:
                job.error = store_error(error)
            self._abandon()

    def _attempt(self, job: _Job) -> None:
        self._connection.execute("SAVEPOINT job")
        with job:
            job.result = job.work(self._connection, self._time.now(self._connection))
        if job.error is not None:
            if _of_the_store(job.error):
                raise job.error
            if isinstance(job.error, sqlite3.Error):
                job.error = store_error(job.error)
            self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")

    def _abandon(self) -> None:
        # SQLite may have rolled back by itself (sqlite.org/lang_transaction.html, response to errors).
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._closed = True

    def _checkpoint(self) -> None:
        # PASSIVE never waits for a reader or writer; what it leaves is copied at the next idle moment.
        self._commits = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:
            self._commits = 1

    def _refuse_rest(self) -> None:
        with self._lock:
            self._closed = True
        rest: list[_Job] = []
        while not self._queue.empty():
            job = self._queue.get_nowait()
            if job is not None:
                job.error = Unavailable("U-STORE-CLOSED", "the store is closed; start the service again")
                rest.append(job)
        _deliver(rest)


def _of_the_store(error: BaseException) -> bool:
    """Tell a failing disk, lock or file from a job's own mistake."""
    broken = isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
    return broken and not (isinstance(error, sqlite3.Error) and sqlite_sealing.failed(error))


def _deliver(batch: list[_Job]) -> None:
    for loop in {job.loop for job in batch}:
        mine = [job for job in batch if job.loop is loop]
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(_settle, mine)
            except RuntimeError:  # closed in between: nobody is left to tell
                continue


def _settle(batch: list[_Job]) -> None:
    for job in batch:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
