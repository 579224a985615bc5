"""Whole calls over HTTP on loopback: one worker of the service, and the echo under the same server settings."""

import http.client
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance.children import free_ports
from conformance.stage import environment
from tests.bench.payload import Call
from tests.bench.rounds import Times, interleaved

NEW, AGAIN, ECHO = "a new patient", "the same patient again", "echo of the same body"
_PATH = "/cds-services/psychotropic-options"
_READY_WITHIN_S = 20.0
_CONFIGURATION = """\
[server]
public_url = "http://127.0.0.1:{port}"
development = true
[store]
url = "sqlite:///bench.db"
[[ehr]]
id = "bench"
name = "Benchmark (synthetic)"
fhir_base = "https://ehr.example/fhir"
profile = "us-core-r4"
jurisdiction = "US-MA"
[ehr.cds_client]
required = false
[ehr.limits]
calls_per_second = 1000000
burst = 1000000
"""


class BenchFailed(Exception):
    """A server did not start, or a call was not answered as it should be."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of every call by name, and CPU milliseconds a call of the server (None where unknown)."""

    times: Times
    cpu: Mapping[str, float | None]


def measure(call: Call, folder: Path, rounds: int, calls: int) -> Measured:
    """Start both servers, call them in interleaved rounds over one connection each, and stop them.

    Raises BenchFailed when the service gives no card with drafts: another path would be measured.
    """
    service_port, echo_port = free_ports(2)
    numbers = itertools.count(1)
    with ExitStack() as stack:
        service = stack.enter_context(_served(_service(folder, service_port), service_port, "/readyz", folder))
        echo = stack.enter_context(_served(_echo(echo_port), echo_port, "/", folder))
        to_service = stack.enter_context(_connected(service_port))
        to_echo = stack.enter_context(_connected(echo_port))
        _check(_post(to_service, call.body))
        clocks = {NEW: _Clock(service.pid), AGAIN: _Clock(service.pid), ECHO: _Clock(echo.pid)}
        jobs: dict[str, Callable[[], object]] = {
            NEW: lambda: _post(to_service, call.of_patient(next(numbers))),
            AGAIN: lambda: _post(to_service, call.body),
            ECHO: lambda: _post(to_echo, call.body),
        }
        times = interleaved({name: clocks[name].around(job) for name, job in jobs.items()}, rounds, calls)
    return Measured(times, {name: clock.milliseconds_a_call() for name, clock in clocks.items()})


class _Clock:
    """CPU time of all threads of a process while jobs run: /proc/…/schedstat, nanoseconds, Linux only."""

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._spent = 0
        self._calls = 0

    def around(self, job: Callable[[], object]) -> Callable[[], object]:
        """Return the job, its share of the process's CPU time counted."""

        def counted() -> object:
            before = self._read()
            try:
                return job()
            finally:
                self._spent += self._read() - before
                self._calls += 1

        return counted

    def milliseconds_a_call(self) -> float | None:
        """Return the mean, None where the system does not tell."""
        return self._spent / self._calls / 1e6 if self._spent else None

    def _read(self) -> int:
        if not self._tasks.exists():
            return 0
        return sum(int((task / "schedstat").read_text().split()[0]) for task in self._tasks.iterdir())


def _service(folder: Path, port: int) -> Sequence[str]:
    config = folder / "undersign.toml"
    config.write_text(_CONFIGURATION.format(port=port), encoding="utf-8")
    return "-m", "service.cli", "serve", "--config", str(config), "--port", str(port)


def _echo(port: int) -> Sequence[str]:
    quiet = ("--no-access-log", "--no-server-header", "--log-level", "warning")
    return "-m", "uvicorn", "tests.bench.echo:app", "--port", str(port), *quiet


@contextmanager
def _served(module: Sequence[str], port: int, ready: str, folder: Path) -> Generator[subprocess.Popen[bytes]]:
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *module], cwd=folder, env=environment(), stdout=log, stderr=log)
    try:
        _wait(process, port, ready)
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, ready: str) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with _connected(port) as connection:
                connection.request("GET", ready)
                if connection.getresponse().status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise BenchFailed(f"{process.args} did not get ready")


@contextmanager
def _connected(port: int) -> Generator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, body: bytes) -> bytes:
    connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    read = answer.read()
    if answer.status != 200:
        raise BenchFailed(f"answered {answer.status}: {read[:300]!r}")
    return read


def _check(answer: bytes) -> None:
    cards = json.loads(answer)["cards"]
    if not cards or not cards[0].get("suggestions"):
        raise BenchFailed("the call gave no card with drafts")
