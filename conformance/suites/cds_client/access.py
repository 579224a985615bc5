"""What the EHR lends with a call: its FHIR address and a token for it."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from conformance.checks import Check, Told, Untested, Verdict, failed, passed
from conformance.reference_ehr.scopes import grants
from conformance.suites.cds_client import requirements as must
from conformance.suites.cds_client.judging import Wrong, each, only, shown
from conformance.suites.cds_client.probe import Came, Json, Probe, as_object
from fhir_adapters.survey.wanted import templates

_GROUP = "access"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_REQUIRED = ("access_token", "token_type", "expires_in", "scope", "subject")


def given(one: Came) -> Json:
    """Return ``fhirAuthorization``, empty where there is none."""
    return as_object(one.body.get("fhirAuthorization"))


def lent(one: Came) -> str:
    """Return the access token of a call that names where it opens, empty for none."""
    token = given(one).get("access_token")
    return token if isinstance(token, str) and isinstance(one.body.get("fhirServer"), str) else ""


def _lent(probe: Probe) -> Sequence[Came]:
    found = [one for one in probe.calls if "fhirAuthorization" in one.body]
    return only(found, "no call had fhirAuthorization, which the standard allows: prefetch has to be whole then")


def _serving(probe: Probe) -> Sequence[Came]:
    found = [one for one in probe.calls if "fhirServer" in one.body or "fhirAuthorization" in one.body]
    return only(found, "no call named fhirServer, which the standard allows: prefetch has to be whole then")


def _scoped(probe: Probe) -> Sequence[Came]:
    return only([one for one in _lent(probe) if isinstance(given(one).get("scope"), str)], "no call named a scope")


def _server(probe: Probe, one: Came) -> Iterable[Wrong]:
    server, base = one.body.get("fhirServer"), str(probe.options.get("fhir_base") or "")
    if not isinstance(server, str):
        yield Wrong("a token is lent without fhirServer", "$.fhirServer", "send the FHIR base beside it",
                    base or "the FHIR base", shown(server))  # fmt: skip
        return
    parts = urlsplit(server)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        yield Wrong("the fhirServer is not an https address", "$.fhirServer",
                    "serve FHIR over TLS and name that address", "https://…", shown(server))  # fmt: skip
    elif base and server.rstrip("/") != base:
        yield Wrong("the fhirServer is not the FHIR base that the service knows", "$.fhirServer",
                    f'send {base}, or set [[ehr]] fhir_base = "{shown(server)}": nothing is read from another address',
                    base, shown(server), acts="integration-engineer")  # fmt: skip


def _whole(_: Probe, one: Came) -> Iterable[Wrong]:
    held = given(one)
    for name in _REQUIRED:
        if name not in held:
            yield Wrong(f"the lent token comes without {name}", f"$.fhirAuthorization.{name}", f"send {name}",
                        "there", "absent")  # fmt: skip
    if held.get("token_type", "Bearer") != "Bearer":
        yield Wrong("the lent token is not of the type Bearer", "$.fhirAuthorization.token_type",
                    "send Bearer", "Bearer", shown(held.get("token_type")))  # fmt: skip
    life = held.get("expires_in", 1)
    if not isinstance(life, int) or isinstance(life, bool) or life <= 0:
        yield Wrong("the life of the lent token is no number of seconds", "$.fhirAuthorization.expires_in",
                    "send the seconds that the token lives, as a number", "300", shown(life))  # fmt: skip


def _patient(_: Probe, one: Came) -> Iterable[Wrong]:
    held = given(one)
    patient = held.get("patient")
    of_patient = any(found.context == "patient" for found in grants(str(held.get("scope", ""))))
    if patient is None and of_patient:
        yield Wrong("the token is for one patient and does not say which", "$.fhirAuthorization.patient",
                    "send patient with scopes that begin with patient/", "the patient in the context",
                    "absent")  # fmt: skip
    elif isinstance(patient, str) and patient.startswith("Patient/"):
        yield Wrong("the patient of the token is a reference, not an id: the call is refused",
                    "$.fhirAuthorization.patient", "send the id alone, without Patient/ before it", "123",
                    "Patient/…")  # fmt: skip
    elif patient is not None and patient != one.patient:
        yield Wrong("the token is for another patient than the context: the call is refused",
                    "$.fhirAuthorization.patient", "stop: make the token for the patient in the context",
                    "the patient in the context", "another patient")  # fmt: skip


def _scope(_: Probe, one: Came) -> Iterable[Wrong]:
    parts: tuple[tuple[bool, Verdict], ...] = ((True, "fail"), (False, "warn"))
    text = str(given(one)["scope"])
    for required, verdict in parts:
        lacking = _uncovered(text, required=required)
        if lacking:
            scopes = " ".join(f"patient/{kind}.rs" for kind in lacking)
            needed = "is required" if required else "the templates read"
            yield Wrong(f"the scope does not cover what {needed}: {', '.join(lacking)}", "$.fhirAuthorization.scope",
                        f"grant {scopes}", scopes, shown(text), verdict)  # fmt: skip
    if any(word.endswith((".read", ".write", ".*")) for word in text.split()):
        yield Wrong("the scope is in SMART 1's spelling, which CDS Hooks 3 no longer has", "$.fhirAuthorization.scope",
                    "write .rs for .read", "patient/*.rs", shown(text), "warn")  # fmt: skip


def _uncovered(scope: str, *, required: bool) -> list[str]:
    """Return the types that templates read or search and the scope does not cover."""
    held = grants(scope)
    wanted = {
        (one.template.partition("?")[0].partition("/")[0], "s" if "?" in one.template else "r"): None
        for one in templates()
        if one.required is required
    }
    return [
        kind for kind, letter in wanted
        if not any(found.type in (kind, "*") and letter in found.letters for found in held)
    ]  # fmt: skip


async def _works(probe: Probe) -> Sequence[Told]:
    """A type that the EHR does not have is no fault of the token."""
    answers = [one for call in probe.compared() for t in templates() for one in probe.read_back(call, t.key)[:1]]
    if not answers:
        raise Untested("nothing was read with the call's token")
    refused = [one for one in answers if one.status in (401, 403) or one.error]
    if not refused:
        return passed(f"the token opened all {len(answers)} reads", *(one.number for one in answers[:3]))
    first = refused[0]
    kinds = sorted({urlsplit(one.asked.url).path.rpartition("/fhir/")[2].partition("/")[0] for one in refused})
    return failed(
        f"the token of a call opens {len(answers) - len(refused)} of {len(answers)} reads",
        *(one.number for one in refused[:5]),
        expected="200",
        got=f"{first.error or first.status} for {', '.join(kinds)}",
        path="$.fhirAuthorization",
        fix="lend a token that reads these types of this patient, and lives as long as expires_in says",
    )


CHECKS: tuple[Check[Probe], ...] = (
    Check("access.server", "The FHIR address", _GROUP, must.A1, "blocks-start", "ehr-team",
          each(_serving, _server, "the fhirServer is the EHR's")),
    Check("access.whole", "The lent token is whole", _GROUP, must.A2, "degrades", "ehr-team",
          each(_lent, _whole, "the lent token comes with all that belongs to it")),
    Check("access.patient", "The lent token is the patient's", _GROUP, must.A3, "blocks-start", "ehr-team",
          each(_lent, _patient, "the token is for the patient in the context")),
    Check("access.scope", "The scope of the lent token", _GROUP, must.A4, "degrades", "ehr-team",
          each(_scoped, _scope, "the scope covers every template")),
    Check("access.works", "The lent token opens", _GROUP, must.A5, "degrades", "ehr-team", _works),
)  # fmt: skip
