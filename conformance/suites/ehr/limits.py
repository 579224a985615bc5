"""Errors, limits and time; and whether the features that gates and rules read are fed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from conformance.checks import Acts, Check, Told, Untested, failed, passed, warned
from conformance.exchanges import Exchange
from conformance.report.latency import percentile
from conformance.suites.ehr import charts
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import got, is_outcome, issue_words, tells_insides
from conformance.suites.ehr.effects import effects
from conformance.suites.ehr.listings import Json
from conformance.suites.ehr.probe import Probe
from conformance.suites.ehr.surveyed import lacking, survey, unused, who_mends
from conformance.wording import counted

_ERRORS, _COVERAGE = "errors and limits", "feature coverage"
_TIMES = 8
_TOGETHER_MS = 2000.0  # the service completes a prefetch within two seconds, its reads in parallel
_READ_FROM: Mapping[str, tuple[str, ...]] = {
    "conditions": ("conditions",),
    "medications": ("medications", "statements"),
}
_NEEDED: Mapping[str, str] = {"conditions": "GI03", "medications": "GI04"}


async def _outcomes(probe: Probe) -> Sequence[Told]:
    said: list[Told] = []
    answers = await _errors(probe)
    for one in answers:
        if not is_outcome(one) and not tells_insides(one):  # the latter: errors.insides
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
    answers += [await probe.bare()] if probe.session.token else []
    if all(one.json() is None for one in (*answers, await probe.metadata())):
        raise Untested("this address is no FHIR base (see reach.answers)", [one.number for one in answers])
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
    if len(failing) == len(seen):
        raise Untested(f"every read of a patient fails ({got(seen[0])}), so more say nothing", numbers)
    if not busy and not failing:
        return passed(f"{_TIMES} reads in a row are all answered", *numbers)
    of = f"of {len(seen)} reads in a row"
    without = [one for one in busy if not one.header("retry-after")]
    if without or failing:
        one = (without or failing)[0]
        log = "look at the server's log for why it fails"
        fix = log if one.status >= 500 else "send Retry-After in seconds with 429, or a client can only guess"
        fix += "; with 503 send Retry-After in seconds" if one.status == 503 else ""
        said = (
            f"{len(without)} {of} are refused without a time to come again" if without else f"{len(failing)} {of} fail"
        )
        return failed(said, one.number, expected="answered, or Retry-After", got=got(one), fix=fix)
    wait, first_busy = busy[0].header("retry-after"), busy[0]
    fix = "raise the limit for the service's client: one opened chart is about a dozen reads within two seconds"
    if first_busy.status == 503:
        fix = "look at the server's log for why it is not available: one opened chart is about a dozen reads"
    said = f"{len(busy)} {of} are put off by {wait} s"
    return warned(said, *(one.number for one in busy), expected="answered", got=got(first_busy), fix=fix)


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
            fix = f"mend search.{name} first: without the list no drug is proposed ({gate})"
            message = f"{lacking} of {found.narrow.patients} patients come without a list of {name}"
            numbers = next((one.numbers[:1] for _, one in await probe.listings(name) if one.stopped), ())
            said.append(Told("fail", message, "supplied", "not-supplied", "$", fix, exchanges=numbers))
        elif states["partial"]:
            message = (
                f"the list of {name} has holes in {states['partial']} of {counted(found.narrow.patients, 'patient')}"
            )
            said.append(await _hole(probe, name, message))
    return said or passed(f"problems and drugs of {counted(found.narrow.patients, 'patient')} come whole")


async def _hole(probe: Probe, name: str, message: str) -> Told:
    """Return the warning, with the first answer that says why where an answer does."""
    for _, one in await probe.listings(name):
        for number, path, mode, resource in one.entries():
            if mode == "outcome":
                codes = ", ".join(f'"{code}"' for code in _codes(resource)) or "its code in issue.details"
                fix = f"if the site accepts what it says, write into the profile: [tolerance] notices = [{codes}]"
                words = issue_words(resource) or "no words"
                return Told("warn", f"{message}: the EHR warns in the answer", "no OperationOutcome among the results",
                            words, path, fix, "integration-engineer", (number,))  # fmt: skip
    check, numbers = await _cause(probe, name)
    acts: Acts = "integration-engineer" if check == "terms.problems" else "ehr-team"
    fix = f"mend {check} first: a list with holes rules nothing out"
    return Told("warn", f"{message} (see {check})", "supplied", "partial", "$", fix, acts, numbers)


async def _cause(probe: Probe, name: str) -> tuple[str, tuple[int, ...]]:
    """Return the check that says why a list has holes, and the first requests that show it."""
    for key, one in await probe.listings(*_READ_FROM[name]):
        if one.stopped:
            return f"search.{key}" if one.stopped == "failed" else "paging.whole", one.numbers[:1]
        if one.pages[0].object().get("total") not in (None, len(one.matches())):
            return "paging.total", one.numbers[:1]
    for one in await charts.reads(probe):
        unread = [each for each in one.adapted.patient.refusals if each.reason == "problem-not-understood"]
        if name == "conditions" and unread:
            return "terms.problems", charts.where(one, unread[0].reference, unread[0].path)[0]
    return "content.readable", ()


def _codes(outcome: Json) -> list[str]:
    """Return the codes of issue.details, which a profile's notices name."""
    found = [cast("Json", issue.get("details") or {}) for issue in cast("list[Json]", outcome.get("issue") or [])]
    codings = [one for details in found for one in cast("list[Json]", details.get("coding") or [])]
    return list(dict.fromkeys(str(one["code"]) for one in codings if one.get("code")))


async def _features(probe: Probe) -> Sequence[Told]:
    """A finding a feature that something reads and that is there, but cannot be used."""
    found = await survey(probe)
    said = unused(found, f" of {counted(found.narrow.patients, 'patient')}")
    fed = sum(bool(found.narrow.outcomes[name]["fed"]) for name in effects())
    return said[:12] or passed(f"{fed} of {len(effects())} features that are read are fed in some patient")


async def _decisive(probe: Probe) -> Sequence[Told]:
    """What no recommendation is made without is fed in at least one patient."""
    found = await survey(probe)
    closing = [name for name, effect in effects().items() if effect.startswith("refused")]
    unfed = [name for name in closing if not found.narrow.outcomes[name]["fed"]]
    if not unfed:
        fed = Counter({name: found.narrow.outcomes[name]["fed"] for name in closing})
        shown = ", ".join(f"{name} in {n}" for name, n in fed.items())
        return passed(f"what a recommendation stands on is fed: {shown} of {counted(found.narrow.patients, 'patient')}")
    said: list[Told] = []
    for name in unfed:
        message = f"no patient feeds {name}: {effects()[name]}"
        outcome, shown, cure = lacking(found, name)
        nobody = outcome in ("absent", "stale", "not-supplied") and name != "age"  # everybody has an age
        fix = "run it over patients who have one (--patient), or record and serve it" if nobody else cure
        numbers, path = found.seen(name)
        told = Told("not-tested" if nobody else "fail", f"{message}; {fix}" if nobody else message, "fed", shown, path,
                    fix, who_mends(fix), numbers)  # fmt: skip
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
