"""The last receipts of one worker, in a file of fixed size that is only ever written in place.

To flush a file that grows is to wait for the file system's own log, as Redis does for its file at that very moment.
This one is written once in full, so that only the receipt has to reach the disk. One thread writes; what waits together
is flushed together. ``Receipts`` empties it into the file of all workers: once a minute, when it is full, at the end,
and for a worker that died.

A record is a mark (one byte), the length and the checksum of what follows, and that. The checksum goes on from the
number of the round, so that what an emptied round left behind is not taken for one of this: records are read up to the
first that is not whole, and none after one that is not whole was ever flushed.
"""

import asyncio
import fcntl
import mmap
import os
import queue
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from service.drafts.sqlite.schema import private
from service.errors import ServiceError, Unavailable

Mark = Literal[0, 1, 2]
UNTOLD: Final = 0
TOLD: Final = 1
DROPPED: Final = 2
# Hundreds of receipts; when it is full they are moved on, which a signer waits for.
SIZE: Final = 1 << 19
_HEADER: Final = struct.Struct(">8sI")
_RECORD: Final = struct.Struct(">BII")
_MAGIC: Final = b"UNDJRNL1"
# macOS has no fdatasync.
_flush: Final = getattr(os, "fdatasync", os.fsync)
Records = Sequence[tuple[Mark, bytes]]
_Job = tuple[str, bytes, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


def records(raw: bytes) -> Iterator[tuple[Mark, bytes]]:
    """Yield mark and content of each record of a journal's bytes, the oldest first; none of what is no journal."""
    magic, number = _HEADER.unpack_from(raw.ljust(_HEADER.size))
    at = _HEADER.size
    while magic == _MAGIC and at + _RECORD.size <= len(raw):
        mark, length, checksum = _RECORD.unpack_from(raw, at)
        content = raw[at + _RECORD.size : at + _RECORD.size + length]
        if not length or len(content) < length or _checksum(content, number) != checksum or mark > DROPPED:
            return
        yield mark, content
        at += _RECORD.size + length


class Journal:
    """A journal that this process alone writes, from ``open`` to ``close``; its methods but ``append`` block.

    ``move`` takes records to where they are kept from then on, durably, before it returns.
    """

    def __init__(self, path: Path, move: Callable[[Records], None]) -> None:
        self.path = path
        self._move = move
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="undersign-receipts", daemon=True)
        self._entering = threading.Lock()
        self._closed = True
        self._writing = threading.RLock()
        # Held while records are moved: what is marked meanwhile would be marked where nobody looks any more.
        self._moving = threading.Lock()
        self._places: dict[str, int] = {}
        self._round, self._end, self._moved = 0, _HEADER.size, False

    def open(self) -> bool:
        """Take the file, made where it is absent, and move what a dead worker left in it; False where one has it."""
        private(self.path)
        self._file, whole = os.open(self.path, os.O_RDWR), False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take()
            whole = True
        except BlockingIOError:
            return False
        finally:
            if not whole:
                os.close(self._file)
        return True

    def start(self) -> None:
        """Begin to write."""
        self._closed = False
        self._thread.start()

    def close(self) -> None:
        """Write what waits, move everything and let go of the file."""
        with self._entering:
            started, self._closed = not self._closed, True
            self._queue.put(None)
        if started:
            self._thread.join()
        try:
            self.empty()
        finally:
            self._map.close()
            os.close(self._file)

    async def append(self, identity: str, content: bytes) -> None:
        """Write a record; it survives loss of power once this returns. Unavailable U-STORE-*."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._entering:
            if self._closed:
                raise Unavailable("U-STORE-CLOSED", "the store is closed; start the service again")
            self._queue.put((identity, content, loop, done))
        await done

    def tell(self, identity: str) -> bool:
        """Mark a record as told, without waiting; False where it is not here (any more). It survives this process."""
        if not self._moving.acquire(blocking=False):
            return False
        try:
            return self._mark(identity, TOLD)
        finally:
            self._moving.release()

    def drop(self, identity: str) -> None:
        """Mark a record, where it is here, as of something that was never done."""
        with self._moving:
            self._mark(identity, DROPPED)

    def empty(self) -> None:
        """Move all records; whatever ends this process meanwhile, each is in one of the two places or in both.

        Unavailable U-STORE-*.
        """
        with self._writing, self._moving:
            try:
                if found := list(records(os.pread(self._file, SIZE, 0))):
                    self._move(found)
                    self._places.clear()
                    self._moved = True
                    self._next_round()
            except OSError as error:
                raise _broken() from error

    def _take(self) -> None:
        if os.fstat(self._file).st_size < SIZE or os.pread(self._file, len(_MAGIC), 0) != _MAGIC:
            os.pwrite(self._file, bytes(SIZE), 0)
            os.pwrite(self._file, _HEADER.pack(_MAGIC, 1), 0)
            os.fsync(self._file)
            _keep_name(self.path)
        self._round = _HEADER.unpack(os.pread(self._file, _HEADER.size, 0))[1]
        self.empty()
        self._map = mmap.mmap(self._file, SIZE)

    def _mark(self, identity: str, mark: Mark) -> bool:
        place = self._places.pop(identity, None)
        if place is not None:
            self._map[place] = mark
        return place is not None

    def _next_round(self) -> None:
        os.pwrite(self._file, _HEADER.pack(_MAGIC, self._round + 1), 0)
        _flush(self._file)
        self._round, self._end, self._moved = self._round + 1, _HEADER.size, False

    def _run(self) -> None:
        while batch := self._waiting():
            _deliver(batch, self._failed(batch))

    def _waiting(self) -> list[_Job]:
        """Wait for a record to write; returns it with those behind it, none when it is time to stop."""
        batch: list[_Job] = []
        while (job := self._queue.get()) is not None:
            batch.append(job)
            if self._queue.empty():
                return batch
        if batch:
            self._queue.put(None)
        return batch

    def _failed(self, batch: Sequence[_Job]) -> ServiceError | None:
        """Write a batch; returns what went wrong."""
        try:
            self._write([(identity, content) for identity, content, _, _ in batch])
        except ServiceError as error:
            return error
        except OSError:
            return _broken()
        return None

    def _write(self, new: Sequence[tuple[str, bytes]]) -> None:
        """Write and flush records; those of a write that failed are written over by the next."""
        size = sum(_RECORD.size + len(content) for _, content in new)
        with self._writing:
            if self._end + size > SIZE:
                self.empty()
            if self._moved:
                self._next_round()
            if self._end + size > SIZE:
                self._move([(UNTOLD, content) for _, content in new])
                return
            raw, places = b"", dict[str, int]()
            for identity, content in new:
                places[identity] = self._end + len(raw)
                raw += _RECORD.pack(UNTOLD, len(content), _checksum(content, self._round)) + content
            os.pwrite(self._file, raw, self._end)
            _flush(self._file)
            self._end += size
            # An attempt that is made again is written again: what counts is the last of it.
            for identity in places.keys() & self._places.keys():
                self._mark(identity, DROPPED)
            self._places |= places


def _deliver(batch: Sequence[_Job], error: ServiceError | None) -> None:
    for _, _, loop, done in batch:
        try:
            loop.call_soon_threadsafe(_settle, done, error)
        except RuntimeError:  # its loop is closed: nobody is left to tell
            continue


def _settle(done: "asyncio.Future[None]", error: ServiceError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _keep_name(path: Path) -> None:
    """Flush the folder of a new file: without it the file may be gone after a loss of power, flushed or not."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _broken() -> Unavailable:
    return Unavailable("U-STORE-FAILED", "the file of receipts cannot be written; see this host's disk")


def _checksum(content: bytes, number: int) -> int:
    return zlib.crc32(content, number)
