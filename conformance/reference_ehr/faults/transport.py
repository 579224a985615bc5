"""Faults of the way there: slow, flaky, limiting, redirecting, with errors that say too little or too much."""

import asyncio
import itertools
from dataclasses import replace

from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.faults.calls import Answer, Call, Fault, refused

_FLAKY = itertools.count(1)
_TRACE = b'Traceback (most recent call last):\n  File "/srv/ehr/search.py", line 41, in run\nValueError'


async def _slow(call: Call, _: ReferenceEhr, value: str) -> Call:
    await asyncio.sleep(int(value) / 1000)
    return call


def _said_slow(_: Call, answer: Answer, __: ReferenceEhr, value: str) -> Answer:
    """Say in a header how long it took, for those who measure no time of their own."""
    return replace(answer, headers={**answer.headers, "x-took-ms": value})


async def _flaky(call: Call, _: ReferenceEhr, value: str) -> Call | Answer:
    if call.type and next(_FLAKY) % int(value) == 0:
        return Answer(503, {"content-type": "text/plain"}, b"upstream")
    return call


def _rate() -> Fault:
    seen = itertools.count(1)

    async def before(call: Call, _: ReferenceEhr, value: str) -> Call | Answer:
        if call.type and next(seen) % int(value) == 0:
            answer = refused(429, "throttled", "Too many requests.")
            return replace(answer, headers={**answer.headers, "retry-after": "1"})
        return call

    return Fault("rate", "puts off every Nth request with 429 and Retry-After", before, value="N")


async def _redirect(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    if call.path.startswith("/fhir"):
        return Answer(307, {"location": f"https://elsewhere.example{call.path}"}, b"")
    return call


def _skewed(_: Call, answer: Answer, __: ReferenceEhr, ___: str) -> Answer:
    return replace(answer, headers={**answer.headers, "date": "Sun, 22 Nov 2020 10:00:00 GMT"})


def _plain(_: Call, answer: Answer, __: ReferenceEhr, ___: str) -> Answer:
    return Answer(answer.status, {"content-type": "text/html"}, b"<h1>Error</h1>") if answer.status >= 400 else answer


def _trace(_: Call, answer: Answer, __: ReferenceEhr, ___: str) -> Answer:
    return Answer(answer.status, {"content-type": "text/plain"}, _TRACE) if answer.status >= 400 else answer


def _mistyped(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
    return replace(answer, headers={**answer.headers, "content-type": "text/html"}) if call.type else answer


async def _missing(call: Call, _: ReferenceEhr, value: str) -> Call | Answer:
    return refused(404, "not-supported", "No such type here.") if call.type == value else call


async def _failing(call: Call, _: ReferenceEhr, value: str) -> Call | Answer:
    return refused(500, "exception", "Something went wrong.") if call.type == value else call


async def _forbidden(call: Call, _: ReferenceEhr, value: str) -> Call | Answer:
    return refused(403, "forbidden", "Not for this client.") if call.type == value else call


FAULTS: tuple[Fault, ...] = (
    Fault("slow", "answers so many milliseconds late", _slow, _said_slow, value="MS"),
    Fault("flaky", "answers every Nth request with 503 and no Retry-After", _flaky, value="N"),
    _rate(),
    Fault("redirect", "redirects every FHIR request to another host", _redirect),
    Fault("clock", "has a clock that is years behind", after=_skewed),
    Fault("no-outcome", "answers errors with a page of HTML", after=_plain),
    Fault("stack-trace", "shows a stack trace in errors", after=_trace),
    Fault("wrong-type", "says that FHIR is HTML", after=_mistyped),
    Fault("missing", "has no resources of a type (404)", _missing, value="TYPE"),
    Fault("failing", "fails on a type (500)", _failing, value="TYPE"),
    Fault("forbidden", "gives no resources of a type (403)", _forbidden, value="TYPE"),
)
