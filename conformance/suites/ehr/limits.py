"""Errors, limits and time; and whether the features that gates and rules read are fed."""

from collections import Counter
from collections.abc import Mapping, Sequence

from conformance.checks import Check, Told, Untested, failed, passed, warned
from conformance.exchanges import Exchange
from conformance.report.latency import percentile
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import counted, got, is_outcome, tells_insides
from conformance.suites.ehr.probe import Probe
from conformance.suites.ehr.surveyed import FIXES, effects, facts, survey

_ERRORS, _COVERAGE = "errors and limits", "feature coverage"
_TIMES = 8
_TOGETHER_MS = 2000.0  # the service completes a prefetch within two seconds, its reads in parallel
_NEEDED: Mapping[str, str] = {"conditions": "GI03", "medications": "GI04"}


async def _outcomes(probe: Probe) -> Sequence[Told]:
    said: list[Told] = []
    answers = await _errors(probe)
    for one in answers:
        if one.status >= 400 and not is_outcome(one):
            fix = "answer every error with an OperationOutcome whose issue has a code, proxies' own errors too"
            shown, wanted = (
                f"{one.status} {one.header('content-type') or 'without a body'}",
                "OperationOutcome.issue.code",
            )
            message = "an error is no OperationOutcome"
            said += failed(message, one.number, expected=wanted, got=shown, path="$.issue", fix=fix)
    return said[:2] or passed(f"{len(answers)} errors are OperationOutcomes", *(one.number for one in answers))


async def _insides(probe: Probe) -> Sequence[Told]:
    answers = await _errors(probe)
    for one in answers:
        if tells_insides(one):
            fix = "let the server log it, and answer with an OperationOutcome alone"
            said = "an error shows the server's insides (a stack trace or a database's words)"
            return failed(said, one.number, got=str(one.status), path="$", fix=fix)
    return passed("errors tell nothing of the server's insides", *(one.number for one in answers))


async def _errors(probe: Probe) -> list[Exchange]:
    """Return answers to requests that have to be refused."""
    await probe.ready()
    wrong = ("Patient/undersign-no-such-id", "Observation?date=never", "NoSuchResourceType")
    answers = [await probe.session.try_send("GET", path) for path in wrong]
    found = [one for one in answers if one.status >= 400]
    if not found:
        raise Untested("no request was refused, so no error was seen", [one.number for one in answers])
    return found


async def _busy(probe: Probe) -> Sequence[Told]:
    """A few reads in a row: a server that wants fewer says when to come again."""
    path = f"Patient/{(await probe.patients())[0]}"
    await probe.ready()
    first = len(probe.session.exchanges)
    probe.let_in(await probe.session.try_send("GET", path))
    for _ in range(_TIMES - 1):
        await probe.session.try_send("GET", path)
    seen = probe.session.exchanges[first:]
    numbers = tuple(one.number for one in seen)
    busy = [one for one in seen if one.status in (429, 503)]
    failing = [one for one in seen if one.status >= 500 and one not in busy]
    if not busy and not failing:
        return passed(f"{_TIMES} reads in a row are all answered", *numbers)
    without = [one for one in busy if not one.header("retry-after")]
    if without or failing:
        one = (without or failing)[0]
        fix = "send Retry-After in seconds with 429 and 503, or a client can only guess"
        said = f"{len(without) or len(failing)} of {len(seen)} reads in a row are refused without a time to come again"
        return failed(said, one.number, expected="Retry-After", got=got(one), fix=fix)
    wait = busy[0].header("retry-after")
    fix = "raise the limit for the service's client: one opened chart is about a dozen reads within two seconds"
    said = f"{len(busy)} of {len(seen)} reads in a row are put off by {wait} s"
    return warned(said, *numbers, expected="answered", got=str(busy[0].status), fix=fix)


async def _time(probe: Probe) -> Sequence[Told]:
    patients = await probe.patients()
    times: list[float] = []
    numbers: list[int] = []
    for patient in patients:
        found = [one for _, one in await _of(probe, patient)]
        times.append(max((page.took_ms for one in found for page in one), default=0.0))
        numbers += [page.number for one in found for page in one]
    slow, middle = percentile(times, 95), percentile(times, 50)
    said = f"the slowest read of a chart takes {middle:.0f} ms in the middle, {slow:.0f} ms at p95"
    if slow > _TOGETHER_MS:
        fix = (
            "look at the slowest kind of request in the table of times; an index on patient and code is the usual cure"
        )
        wanted = f"at most {_TOGETHER_MS:.0f} ms"
        return warned(
            f"{said}: the service would miss it", *numbers[:8], expected=wanted, got=f"{slow:.0f} ms", fix=fix
        )
    return passed(said, *numbers[:8])


async def _of(probe: Probe, patient: str) -> list[tuple[str, Sequence[Exchange]]]:
    return [(key, one.pages) for key in ("patient", "conditions", "medications", "observations", "scores")
            if (one := await probe.listing(key, patient)) is not None]  # fmt: skip


# ---- coverage


async def _lists(probe: Probe) -> Sequence[Told]:
    found = await survey(probe)
    said: list[Told] = []
    for name, gate in _NEEDED.items():
        states = found.narrow.lists[name]
        lacking = states["not-supplied"]
        if lacking:
            fix = f"serve the list of {name}: without it no drug is proposed ({gate})"
            message = f"{lacking} of {found.narrow.patients} patients come without a list of {name}"
            said.append(Told("fail", message, "supplied", "not-supplied", "$", fix))
        elif states["partial"]:
            fix = "mend what is named under content and terminology; a list with holes rules nothing out"
            message = (
                f"the list of {name} has holes in {states['partial']} of {counted(found.narrow.patients, 'patient')}"
            )
            said.append(Told("warn", message, "supplied", "partial", "$", fix))
    return said or passed(f"problems and drugs of {counted(found.narrow.patients, 'patient')} come whole")


async def _features(probe: Probe) -> Sequence[Told]:
    """A finding a feature that something reads and that is there, but cannot be used."""
    found = await survey(probe)
    said: list[Told] = []
    for one in facts(found)["features"]:
        bad = {name: n for name, n in one["outcomes"].items() if name not in ("fed", "absent", "not-supplied", "stale")}
        if bad and one["read"]:
            shown = ", ".join(f"{name} in {n}" for name, n in bad.items())
            people = counted(found.narrow.patients, "patient")
            message = f"{one['meaning']} ({one['name']}) is there and not fed: {shown} of {people}"
            fix = "; ".join(one["fix"]) or FIXES[next(iter(bad))]
            said.append(Told("warn", f"{message}; {one['effect']}", "fed", shown, f"feature {one['name']}", fix))
    fed = sum(bool(found.narrow.outcomes[name]["fed"]) for name in effects())
    return said[:12] or passed(f"{fed} of {len(effects())} features that are read are fed in some patient")


async def _decisive(probe: Probe) -> Sequence[Told]:
    """What no recommendation is made without is fed in at least one patient."""
    found = await survey(probe)
    closing = [name for name, effect in effects().items() if effect.startswith("refused")]
    lacking = [name for name in closing if not found.narrow.outcomes[name]["fed"]]
    if not lacking:
        fed = Counter({name: found.narrow.outcomes[name]["fed"] for name in closing})
        shown = ", ".join(f"{name} in {n}" for name, n in fed.items())
        return passed(f"what a recommendation stands on is fed: {shown} of {counted(found.narrow.patients, 'patient')}")
    said: list[Told] = []
    for name in lacking:
        message = f"no patient feeds {name}: {effects()[name]}"
        outcome = next(iter(found.outcomes(name)), "absent")
        nobody = outcome in ("absent", "stale", "not-supplied") and name != "age"  # everybody has an age
        fix = "run it over patients who have one (--patient), or record and serve it" if nobody else FIXES[outcome]
        told = Told("not-tested" if nobody else "fail", f"{message}; {fix}" if nobody else message, "fed", outcome,
                    f"feature {name}", fix)  # fmt: skip
        said.append(told)
    return sorted(said, key=lambda one: one.verdict)


CHECKS: tuple[Check[Probe], ...] = (
    Check("errors.outcomes", "Errors are OperationOutcomes", _ERRORS, must.L1, "degrades", "ehr-team", _outcomes),
    Check("errors.insides", "Errors tell no insides", _ERRORS, must.L2, "degrades", "ehr-team", _insides),
    Check("limits.busy", "Several reads in a row", _ERRORS, must.L3, "degrades", "ehr-team", _busy),
    Check("limits.time", "Time", _ERRORS, must.L4, "degrades", "ehr-team", _time),
    Check("coverage.lists", "Lists come whole", _COVERAGE, must.F2, "blocks-start", "ehr-team", _lists),
    Check("coverage.decisive", "What all stands on", _COVERAGE, must.F1, "blocks-start", "ehr-team", _decisive),
    Check("coverage.features", "Features that are read", _COVERAGE, must.F1, "degrades", "integration-engineer",
          _features),
)  # fmt: skip
