"""Reach and trust: is it there, over TLS, in a version that is read, with a clock that agrees?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit

from conformance.checks import Check, Told, Untested, failed, passed, untested, warned
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import got, is_redirect
from conformance.suites.ehr.listings import Json
from conformance.suites.ehr.probe import Probe
from fhir_adapters.dialect import profile as profiles

_GROUP = "reach and trust"
_SKEW_S = 60.0
_VERSIONS = {"1.0": "DSTU2", "3.0": "STU3", "4.0": "R4", "4.3": "R4B", "5.0": "R5"}


async def _answers(probe: Probe) -> Sequence[Told]:
    answer = await probe.metadata()
    kind = answer.object().get("resourceType")
    if is_redirect(answer):
        raise Untested("metadata is redirected (see reach.no-redirect)", (answer.number,))
    if answer.status == 200 and kind in ("CapabilityStatement", "Conformance"):
        return passed("metadata answers without a token", answer.number)
    if answer.status in (401, 403):
        fix = "open GET [base]/metadata to everybody: it holds nothing of a patient"
        return (Told("fail", "metadata asks for a token", "200", got(answer), "", fix, "ehr-team", (answer.number,)),)
    fix = "check the address: it is the FHIR base, without /metadata and without a resource type"
    wanted = "200 CapabilityStatement"
    return failed("metadata is no CapabilityStatement", answer.number, expected=wanted, got=got(answer), fix=fix)


async def _secure(probe: Probe) -> Sequence[Told]:
    parts = urlsplit(probe.base)
    if parts.scheme == "https":
        answer = await probe.metadata()
        return passed("reached over TLS, with a certificate that this machine trusts", answer.number)
    if parts.hostname in ("127.0.0.1", "::1", "localhost"):
        return untested("reached on this machine without TLS; try it under its real address")
    fix = "give the https address; the service refuses any other"
    return failed("the EHR is reached without TLS", expected="https", got=parts.scheme, fix=fix)


async def _no_redirect(probe: Probe) -> Sequence[Told]:
    answers = [await probe.metadata()]
    if not is_redirect(answers[0]):
        answers.append(await probe.get(f"Patient/{(await probe.patients())[0]}"))
    for one in answers:
        if is_redirect(one):
            host = urlsplit(one.header("location")).netloc or "elsewhere"
            fix = f"give the address that it leads to ({host}) as the FHIR base, or answer at this one"
            said = "a request is redirected, and the service follows no redirect with a token"
            return failed(said, one.number, expected="an answer", got=str(one.status), fix=fix)
    return passed("no request is redirected", *(one.number for one in answers))


async def _version(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.capability()
    profile = await probe.profile()
    told = str(found.get("fhirVersion", ""))
    version = _VERSIONS.get(".".join(told.split(".")[:2]), told or "none")
    fits = version in profile.fhir_versions or (version == "R4B" and "R4" in profile.fhir_versions)
    if fits:
        return passed(f"says FHIR {told}, which the profile {profile.name} reads", answer.number)
    reads = " or ".join(profile.fhir_versions)
    said = f"says FHIR {told or 'nothing'}, and the profile {profile.name} reads {reads}"
    if version == "none" or version not in _VERSIONS.values():
        fix = f"state the version that is served in fhirVersion: {reads} is read with this profile"
        return failed(said, answer.number, expected=reads, got=version, path="$.fhirVersion", fix=fix)
    fix = f"run again with a --profile that reads {version}; where charts are {reads}, have fhirVersion corrected"
    return (Told("warn", said, reads, version, "$.fhirVersion", fix, "integration-engineer", (answer.number,)),)


async def _software(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.capability()
    held: Any = found.get("software")
    name = cast("Json", held).get("name") if isinstance(held, dict) else None
    if name:
        release = cast("Json", held).get("version") or "no release"
        used, told = await probe.profile(), profiles.match(str(name), probe.base)
        if used.name.startswith("base-") and not told.startswith("base-"):
            said = f"{name}, {release}, for which the profile {told} is made; it is read with {used.name}"
            fix = f'set profile = "{told}" in the settings of this EHR, and run again'
            return (Told("warn", said, told, used.name, "$.software.name", fix, "integration-engineer",
                         (answer.number,)),)  # fmt: skip
        return passed(f"{name}, {release}", answer.number)
    fix = "name software.name and software.version, so that reports of two releases can be told apart"
    return warned("the EHR does not name its software", answer.number, path="$.software.name", fix=fix)


async def _clock(probe: Probe) -> Sequence[Told]:
    answer = await probe.metadata()
    try:
        theirs = parsedate_to_datetime(answer.header("date"))
        ours = datetime.fromisoformat(answer.started)
    except (TypeError, ValueError):
        return untested("no Date header, so the clock cannot be compared", answer.number)
    apart = abs((theirs.astimezone(UTC) - ours).total_seconds())
    if apart < _SKEW_S:
        return passed(f"the clocks are {apart:.0f} s apart", answer.number)
    fix = "set both clocks by NTP; assertions and tokens live for minutes"
    return failed("the EHR's clock is not ours", answer.number, expected="under 60 s", got=f"{apart:.0f} s", fix=fix)


async def _typed(probe: Probe) -> Sequence[Told]:
    answers = [await probe.metadata(), await probe.get(f"Patient/{(await probe.patients())[0]}")]
    wrong = [one for one in answers if one.status == 200 and "application/fhir+json" not in one.header("content-type")]
    if not wrong:
        return passed("answers are application/fhir+json", *(one.number for one in answers))
    shown = wrong[0].header("content-type") or "no Content-Type"
    fix = "send FHIR as application/fhir+json; a client that trusts the header cannot read it"
    judge = warned if "json" in shown else failed
    said = "FHIR is not sent as FHIR's JSON"
    return judge(said, wrong[0].number, expected="application/fhir+json", got=shown, path="Content-Type", fix=fix)


async def _wrong_path(probe: Probe) -> Sequence[Told]:
    answer = await probe.get("NoSuchResourceType")
    if answer.status == 404 or answer.status == 400:
        return passed(f"an unknown type is answered with {answer.status}", answer.number)
    if answer.status in (401, 403):
        return untested("without a token that is taken, an unknown type is answered as a known one", answer.number)
    fix = "answer a type that is not there with 404; a wrong address must not look like an empty chart"
    return failed("an unknown type is not answered with 404", answer.number, expected="404", got=got(answer), fix=fix)


CHECKS: tuple[Check[Probe], ...] = (
    Check("reach.answers", "It answers", _GROUP, must.R1, "blocks-start", "integration-engineer", _answers),
    Check("reach.tls", "Over TLS", _GROUP, must.R2, "blocks-start", "integration-engineer", _secure),
    Check("reach.no-redirect", "No redirects", _GROUP, must.R7, "blocks-start", "integration-engineer", _no_redirect),
    Check("reach.version", "A version that is read", _GROUP, must.R3, "blocks-start", "ehr-team", _version),
    Check("reach.software", "Software and release", _GROUP, must.R4, "information", "ehr-team", _software),
    Check("reach.clock", "The clocks agree", _GROUP, must.R5, "blocks-start", "ehr-team", _clock),
    Check("reach.type", "Sent as FHIR JSON", _GROUP, must.R8, "degrades", "ehr-team", _typed),
    Check("reach.wrong-path", "Unknown types are 404", _GROUP, must.R6, "degrades", "ehr-team", _wrong_path),
)
