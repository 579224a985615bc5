"""Two programs started for a story or a test: waited for, watched, and stopped again."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx

from fhir_adapters.errors import UndersignError

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 8.0
_POLL_S = 0.05
_TAIL_LINES = 8


class StartFailed(UndersignError):
    """A program ended, or was not ready in time; ``last_lines`` are the end of its log."""

    def __init__(self, code: str, message: str, last_lines: tuple[str, ...] = ()) -> None:
        super().__init__(code, message)
        self.last_lines = last_lines


@dataclass(frozen=True, slots=True)
class Child:
    """One running program: its name, process, log file, and the address that answers 200 when it is ready."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready: str


class Children:
    """The started programs, in order; leaving the context stops them, the last one first."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def __enter__(self) -> "Children":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self, name: str, command: Sequence[str], ready: str, folder: Path, environment: Mapping[str, str]
    ) -> None:
        """Start a program in a session of its own, so that Ctrl-C reaches it only through ``stop``."""
        log = folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        self._children.append(Child(name, process, log, ready))

    def wait(self, http: httpx.Client, *names: str) -> None:
        """Return when the named programs, or all, are ready; StartFailed U-DEMO-ENDED or U-DEMO-NOT-READY."""
        deadline = time.monotonic() + READY_WITHIN_S
        for child in (child for child in self._children if not names or child.name in names):
            while not _is_ready(http, child):
                self.check()
                if time.monotonic() > deadline:
                    message = f"the {child.name} was not ready in {READY_WITHIN_S:.0f} s; see {child.log}"
                    raise StartFailed("U-DEMO-NOT-READY", message, _last_lines(child))
                time.sleep(_POLL_S)

    def check(self) -> None:
        """Raise StartFailed U-DEMO-ENDED when a program has ended."""
        for child in self._children:
            status = child.process.poll()
            if status is not None:
                message = f"the {child.name} ended with status {status}; see {child.log}"
                raise StartFailed("U-DEMO-ENDED", message, _last_lines(child))

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a program and to every process that it started."""
        for child in self._children:
            if child.name == name:
                os.killpg(child.process.pid, number)

    def kill(self, name: str) -> None:
        """End a program as a power cut does: at once, with all its processes; it can be started again."""
        self.signal(name, signal.SIGKILL)
        for child in self._children:
            if child.name == name:
                child.process.wait()
        self._children = [child for child in self._children if child.name != name]

    def stop(self) -> None:
        """Ask every program to end, and end it when it does not."""
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        for child in reversed(self._children):
            try:
                child.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._children.clear()


def free_ports(count: int) -> tuple[int, ...]:
    """Return that many free loopback ports, which nobody else is given while this process lives (on Linux).

    A port that is bound and not listened on is chosen for no other socket, and with SO_REUSEADDR on both sides it can
    still be listened on: https://man7.org/linux/man-pages/man7/socket.7.html
    """
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
    ports = tuple(one.getsockname()[1] for one in sockets)
    if sys.platform == "linux":  # elsewhere an address that is bound twice is refused
        for one in sockets:
            atexit.register(one.close)
    else:
        for one in sockets:
            one.close()
    return ports


def check_port(port: int) -> None:
    """Raise StartFailed U-DEMO-PORT when something else listens on a loopback port."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return
    except OSError as error:
        message = f"port {port} cannot be had here; give another one with --port, or none"
        raise StartFailed("U-DEMO-PORT", message) from error


def _is_ready(http: httpx.Client, child: Child) -> bool:
    try:
        return http.get(child.ready).status_code == 200
    except httpx.HTTPError:
        return False


def _last_lines(child: Child) -> tuple[str, ...]:
    return tuple(child.log.read_text("utf-8", "replace").splitlines()[-_TAIL_LINES:])
