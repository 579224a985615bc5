"""A Redis server of a test's own: a free port of this machine, a folder of its own, gone at the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotReached
from redis.retry import Retry

from service.drafts.redis import server as redis_server

WITHIN_S = 60.0  # of what comes at once or, on a machine that is busy, later
_MOST_ATTEMPTS = 5
# A server that syncs its file at every write may be slow; a test of one that hangs sets a time of its own.
_client: Any = redis_server
_client.TIMEOUT_S = WITHIN_S
SAFE: Mapping[str, str] = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def needed() -> str:
    """Return the path of redis-server; without it the test is skipped, and in CI fails."""
    found = shutil.which("redis-server")
    if found is None:
        told = "redis-server is not installed: the Redis store cannot be tested"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    return found


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Return when ``holds()``; AssertionError when it does not in time."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"not so: {what}"
        time.sleep(0.01)


class Ended(Exception):
    """A server that did not start."""


class RedisProcess:
    """One redis-server; ``settings`` are added to those that the store wants, and win."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        # Bound and not listened on, a port is given to nobody else, and the server can listen on it at every start.
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.port = int(self._port.getsockname()[1])
        if sys.platform != "linux":  # elsewhere an address that is bound twice is refused
            self._port.close()
        named = {name.replace("_", "-"): value for name, value in settings.items()}
        self._settings = {**SAFE, "save": "", "bind": "127.0.0.1", **named}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "RedisProcess":
        """Start the server and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        command = [needed(), "--port", str(self.port), "--dir", str(self.folder), "--loglevel", "warning", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            eventually(self._answers, "redis-server answers")
        except BaseException:
            self.stop()
            raise
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise Ended("redis-server has ended")
        try:
            return bool(self.ask("PING"))
        except NotReached:
            return False

    def ask(self, *command: Any) -> Any:
        """Send one command, as an administrator would."""
        # Tried once: the library would pause for seconds before it looks again whether a new server answers.
        with redis.Redis(port=self.port, socket_timeout=WITHIN_S, retry=Retry(NoBackoff(), 0)) as client:
            return client.execute_command(*command)

    def waits_for(self, fact: str) -> None:
        """Wait until INFO says a fact (``name:value``)."""
        name, _, value = fact.partition(":")
        eventually(lambda: str(self.ask("INFO")[name]) == value, fact)

    def flush(self) -> None:
        """Empty the server."""
        self.ask("FLUSHALL")

    def kill(self) -> None:
        """End the server at once (SIGKILL)."""
        self.signal(signal.SIGKILL)
        self.stop()

    def signal(self, number: int) -> None:
        """Send a signal to the server."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """End the server, whatever it is doing; stopping twice is fine."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> "RedisProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the server for good, and give its port back."""
        self.stop()
        self._port.close()


class ClusterProcess:
    """A Redis Cluster of three servers, each with a third of the slots and no replica."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes: list[RedisProcess] = []

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def start(self) -> "ClusterProcess":
        """Start the servers, share out the slots, and wait until the Cluster is whole."""
        for place in range(3):
            node = self._started(self._folder / str(place))
            self.nodes.append(node)
            node.ask("CLUSTER", "ADDSLOTS", *range(place * 5462, min((place + 1) * 5462, 16384)))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        eventually(lambda: all(self._whole(node) for node in self.nodes), "the Redis Cluster comes together")
        return self

    @staticmethod
    def _started(folder: Path) -> RedisProcess:
        """Start one of them; each talks to the others 10 000 ports above its own, which somebody else may have."""
        for attempt in range(_MOST_ATTEMPTS):
            node = RedisProcess(folder / str(attempt), cluster_enabled="yes", save="")
            try:
                return node.start()
            except Ended:
                node.end()
        raise Ended("no pair of ports could be had")

    def flush(self) -> None:
        """Empty all servers."""
        for node in self.nodes:
            node.ask("FLUSHALL")

    def stop(self) -> None:
        """End all servers."""
        for node in self.nodes:
            node.end()

    @staticmethod
    def _whole(node: "RedisProcess") -> bool:
        told = node.ask("CLUSTER", "INFO")
        text = told.decode() if isinstance(told, bytes) else str(told)
        return (
            "ok" in text.partition("cluster_state")[2][:8]
            and text.count("known_nodes") == 1
            and ("3" in text.partition("cluster_known_nodes")[2][:6])
        )
