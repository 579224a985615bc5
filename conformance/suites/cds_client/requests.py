"""Discovery, and the shell of every hook call: address, JSON, hook and hookInstance."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from conformance.checks import Check, Told, Untested, failed, passed, untested, warned
from conformance.suites.cds_client import requirements as must
from conformance.suites.cds_client.judging import Wrong, each, shown
from conformance.suites.cds_client.probe import NOTHING_CAME, Came, Probe
from conformance.wording import counted

_GROUP = "requests"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _discoveries(probe: Probe) -> list[Came]:
    return [
        one for one in probe.came
        if one.exchange.asked.method == "GET" and urlsplit(one.url).path.rstrip("/").endswith("/cds-services")
    ]  # fmt: skip


async def _fetched(probe: Probe) -> Sequence[Told]:
    found = _discoveries(probe)
    if found:
        return passed(f"discovery was read ({counted(len(found), 'request')})", *(one.number for one in found[:5]))
    if not any(one.exchange.asked.method == "POST" for one in probe.came):
        raise Untested(NOTHING_CAME)
    return warned(
        "services were called without any look at discovery",
        expected="GET /cds-services",
        got="none",
        fix="let the EHR read discovery; where services are typed in by hand, compare each template with discovery",
    )


async def _with_token(probe: Probe) -> Sequence[Told]:
    found = _discoveries(probe)
    if not found:
        raise Untested("discovery was not read")
    naked = [one.number for one in found if "problem" in one.token]
    if not naked:
        return passed("discovery is read with a JWT", *(one.number for one in found[:5]))
    fix = "send the JWT with discovery too: a service may ask for it"
    return warned("discovery is read without a JWT", *naked[:5], path="Authorization", expected="Bearer", fix=fix)


async def _tls(probe: Probe) -> Sequence[Told]:
    parts = urlsplit(str(probe.options.get("public_url")))
    numbers = [one.number for one in probe.calls[:5]]
    if parts.scheme == "https":
        return passed("the EHR calls over https", *numbers)
    if parts.hostname in _LOOPBACK:
        return untested("the EHR is on this machine", *numbers)
    fix = "put a TLS proxy before the listener and give its address as --public-url"
    return warned("the EHR calls without TLS", *numbers, expected="https", got=parts.scheme, fix=fix)


async def _addresses(probe: Probe) -> Sequence[Told]:
    calls = [one for one in probe.came if one.exchange.asked.method == "POST"]
    if not calls:
        raise Untested(NOTHING_CAME)
    lost = [one for one in calls if one.exchange.status == 404]
    if not lost:
        return passed(f"{len(calls)} requests went to addresses that discovery lists")
    return failed(
        "a service was called that discovery does not list",
        *(one.number for one in lost[:5]),
        expected="{base}/cds-services/{id}",
        got=urlsplit(lost[0].url).path[:80],
        fix="call the services at the addresses that discovery gives",
    )


def _typed(_: Probe, one: Came) -> Iterable[Wrong]:
    kind = one.exchange.asked.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        yield Wrong("a call is not sent as application/json", "Content-Type",
                    "send Content-Type: application/json", "application/json", shown(kind or None))  # fmt: skip


def _strict(_: Probe, one: Came) -> Iterable[Wrong]:
    problem = one.exchange.seen.get("json")
    if problem or not one.body:
        yield Wrong("a call is no JSON object that has one meaning", "$",
                    "send one JSON object in UTF-8, without repeated names, NaN or a byte-order mark",
                    "a JSON object", str(problem or "no object"))  # fmt: skip


def _hook(_: Probe, one: Came) -> Iterable[Wrong]:
    if one.body.get("hook") != one.hook:
        yield Wrong("the hook is not that of the service that is called", "$.hook",
                    f"call {one.service} for {one.hook} only", one.hook, shown(one.body.get("hook")))  # fmt: skip


def _uuid(_: Probe, one: Came) -> Iterable[Wrong]:
    try:
        uuid.UUID(str(one.instance))
    except ValueError:
        yield Wrong("the hookInstance is no UUID", "$.hookInstance", "make a random UUID for each invocation",
                    "a UUID", shown(one.instance))  # fmt: skip


async def _unique(probe: Probe) -> Sequence[Told]:
    """A repeat of a call that gave no card, or was given up, has the same hookInstance: it is no other invocation."""
    held: dict[str, Came] = {}
    for one in probe.calls:
        before = held.get(str(one.instance))
        if before is not None and not _repeated(before, one):
            return failed("two invocations have the same hookInstance", before.number, one.number,
                          path="$.hookInstance", expected="a new UUID each time",
                          fix="make a new hookInstance whenever the hook fires")  # fmt: skip
        held[str(one.instance)] = one
    return passed(f"{len(held)} invocations have {len(held)} hookInstances")


def _repeated(before: Came, after: Came) -> bool:
    """Return whether the later call repeats one that was refused, given up, or answered without a card."""
    without = before.exchange.status != 200 or not before.exchange.list("cards")
    return (
        (without or "dropped_ms" in before.exchange.seen)
        and before.service == after.service
        and before.context == after.context
    )


def _extension(_: Probe, one: Came) -> Iterable[Wrong]:
    if "extension" in one.body and not isinstance(one.body["extension"], dict):
        yield Wrong("the extension is no object", "$.extension", "send extension as an object whose names are domains",
                    "an object", type(one.body["extension"]).__name__)  # fmt: skip


def _full(_: Probe, one: Came) -> Iterable[Wrong]:
    shell = {name: value for name, value in one.body.items() if name != "prefetch"}
    for place in _empties(shell, "$"):
        yield Wrong("a field is empty", place, "leave out what has no value", "nothing", "null or empty", "warn")


def _empties(value: Any, path: str) -> Iterator[str]:
    if value is None or value == "" or value == [] or value == {}:
        yield path
    elif isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from _empties(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for n, inner in enumerate(cast("list[Any]", value)):
            yield from _empties(inner, f"{path}[{n}]")


def _calls(probe: Probe) -> Sequence[Came]:
    return probe.calls


CHECKS: tuple[Check[Probe], ...] = (
    Check("discovery.read", "Discovery is read", _GROUP, must.D1, "degrades", "ehr-team", _fetched),
    Check("discovery.token", "Discovery is read with a JWT", _GROUP, must.J1, "information", "ehr-team", _with_token),
    Check("request.tls", "TLS", _GROUP, must.T3, "degrades", "integration-engineer", _tls),
    Check("request.address", "Known addresses are called", _GROUP, must.D7, "blocks-start", "ehr-team", _addresses),
    Check("request.type", "Content type", _GROUP, must.T1, "blocks-start", "ehr-team",
          each(_calls, _typed, "sent as application/json")),
    Check("request.json", "One meaning", _GROUP, must.T1, "blocks-start", "ehr-team",
          each(_calls, _strict, "a JSON object that has one meaning")),
    Check("request.hook", "The hook of the service", _GROUP, must.R1, "blocks-start", "ehr-team",
          each(_calls, _hook, "the hook is the service's")),
    Check("request.instance", "hookInstance is a UUID", _GROUP, must.R2, "blocks-start", "ehr-team",
          each(_calls, _uuid, "every hookInstance is a UUID")),
    Check("request.instance-once", "hookInstance stands once", _GROUP, must.R3, "blocks-start", "ehr-team", _unique),
    Check("request.extension", "Extensions are objects", _GROUP, must.R4, "degrades", "ehr-team",
          each(_calls, _extension, "any extension is an object")),
    Check("request.no-empties", "Nothing is empty", _GROUP, must.T2, "information", "ehr-team",
          each(_calls, _full, "nothing but prefetch may be null, and nothing is")),
)  # fmt: skip
