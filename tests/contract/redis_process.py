"""A Redis server of a test's own: a free port of this machine, a folder of its own, gone at the end."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import ConnectionError as NotReached

SAFE: Mapping[str, str] = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def needed() -> str:
    """Return the path of redis-server; without it the test is skipped, and in CI fails."""
    found = shutil.which("redis-server")
    if found is None:
        told = "redis-server is not installed: the Redis store cannot be tested"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class RedisProcess:
    """One redis-server; ``settings`` are added to those that the store wants, and win."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
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
        for _ in range(500):
            try:
                if self.ask("PING"):
                    return self
            except NotReached:
                time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def ask(self, *command: Any) -> Any:
        """Send one command, as an administrator would."""
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            return client.execute_command(*command)

    def waits_for(self, fact: str) -> None:
        """Wait until INFO says a fact (``name:value``)."""
        name, _, value = fact.partition(":")
        for _ in range(1000):
            if str(self.ask("INFO")[name]) == value:
                return
            time.sleep(0.01)
        raise AssertionError(f"{fact} does not come true")

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
        self.stop()


class ClusterProcess:
    """A Redis Cluster of three servers, each with a third of the slots and no replica."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [RedisProcess(folder / str(n), cluster_enabled="yes", save="") for n in range(3)]

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def start(self) -> "ClusterProcess":
        """Start the servers, share out the slots, and wait until the Cluster is whole."""
        for place, node in enumerate(self.nodes):
            node.start()
            node.ask("CLUSTER", "ADDSLOTS", *range(place * 5462, min((place + 1) * 5462, 16384)))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        for _ in range(1000):
            if all(self._whole(node) for node in self.nodes):
                return self
            time.sleep(0.02)
        raise AssertionError("the Redis Cluster does not come together")

    def flush(self) -> None:
        """Empty all servers."""
        for node in self.nodes:
            node.ask("FLUSHALL")

    def stop(self) -> None:
        """End all servers."""
        for node in self.nodes:
            node.stop()

    @staticmethod
    def _whole(node: "RedisProcess") -> bool:
        told = node.ask("CLUSTER", "INFO")
        text = told.decode() if isinstance(told, bytes) else str(told)
        return (
            "ok" in text.partition("cluster_state")[2][:8]
            and text.count("known_nodes") == 1
            and ("3" in text.partition("cluster_known_nodes")[2][:6])
        )
