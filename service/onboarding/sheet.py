"""The facts that an EHR's integration engineer types in, from the running configuration: no secret among them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fhir_adapters.dialect.profile import Profile
from fhir_adapters.rating import preferences
from fhir_adapters.survey import searches
from service.cds import client_auth, discovery
from service.cds.cards import ORDER_OVERRIDE_REASONS, OVERRIDE_REASONS
from service.cds.client_auth import LEEWAY_S, MAX_LIFE_S
from service.cds.discovery import Service
from service.ehr import modes
from service.ehr.prefetch import BUDGET_S
from service.settings import Ehr, Settings
from service.smart import launch
from service.switches.in_force import SHADOW, Switch

SPECIFICATION = "https://cds-hooks.hl7.org/2.0/"
_NONE = "none configured"
_ASKED = "a Questionnaire for the portal; its answers are read with the chart and weigh the options"
_LINKS: Mapping[str, str] = {
    "absolute": "a card's link opens the page by its address",
    "smart": "a card's link is a SMART launch: the EHR hands its appContext back in the token answer",
}
_WRITES: Mapping[str, str] = {
    "card": "the card's suggestion is signed in the EHR; the page compares and declines",
    "unsigned-order": "what is approved here is written as a draft order, which the EHR has signed",
    "sign-and-write": "what is signed here is written as an active order, and read back",
    "document-only": "what is signed here is written as a document, and a person enters it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A name, the values to type in (one a line), and what there is to know of them."""

    name: str
    values: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a title; ``lead`` says what they are for."""

    title: str
    lead: str
    rows: tuple[Row, ...]


def sections(settings: Settings, ehr: Ehr, profile: Profile) -> tuple[Section, ...]:
    """Return everything that is typed in at the EHR, in the order in which it is asked for there."""
    return (
        _services(settings),
        _tokens(settings, ehr),
        _prefetch(profile),
        _access(ehr, profile),
        _feedback(settings),
        _app(settings, ehr, profile),
        _cards(settings, ehr),
        _limits(settings, ehr),
    )


def warnings(settings: Settings, ehr: Ehr) -> tuple[str, ...]:
    """Return what keeps this tenant from going live, or would surprise the hospital."""
    return tuple(_warnings(settings, ehr))


def _warnings(settings: Settings, ehr: Ehr) -> Iterator[str]:
    if settings.server.development:
        yield "server.development is true: not for the care of a patient."
    if not settings.server.public_url.startswith("https:"):
        yield "server.public_url is not https: an EHR in production will not call it."
    if not settings.model.enabled:
        yield "model.enabled is false: every hook call is answered 503."
    if not ehr.cds_client.required:
        yield "cds_client.required is false: calls are taken without a token."
    else:
        deaf = [one.hook for one in discovery.services().values() if not _audiences(ehr, one.id)]
        if deaf:
            yield f"No audience is configured for {', '.join(deaf)}: these calls are answered 401."
    if ehr.jurisdiction is None:
        yield "ehr.jurisdiction is not set: rules of law are not checked, and cards say so."
    if ehr.crisis_contact is None:
        yield "ehr.crisis_contact is not set: crisis cards say only “your site's crisis team”."


def _services(settings: Settings) -> Section:
    base = f"{settings.server.public_url}/cds-services"
    rows = [Row("discovery", (base,), "GET, open to all; most EHRs take everything below from here")]
    rows += [Row(one.hook, (f"{base}/{one.id}",), one.title) for one in discovery.services().values()]
    rows.append(Row("version", (discovery.SPECIFICATION,), f"CDS Hooks, {SPECIFICATION}"))
    return Section("CDS services", "One service a hook. Each has an id of its own.", tuple(rows))


def _tokens(settings: Settings, ehr: Ehr) -> Section:
    client = ehr.cds_client
    keys = client.jwks_url or (f"file {client.jwks_file.name}" if client.jwks_file else _NONE)
    note = (
        "fetched and kept ten minutes; a jku in a token must be this" if client.jwks_url else "send us new keys first"
    )
    rows = (
        Row("iss", (client.issuer or _NONE,), "exactly, to the byte"),
        *(_audience(ehr, one, feedback=where) for where in (False, True) for one in discovery.services().values()),
        Row("alg", client.algorithms, "with kid in the header; jku is not needed"),
        Row("keys", (keys,), note),
        Row("exp, iat", (f"at most {MAX_LIFE_S // 60} minutes apart",), f"clocks may differ by {LEEWAY_S} s"),
        Row("jti", ("new in each token",), "a token counts once, for all workers"),
    )
    lead = "Each call carries Authorization: Bearer and a JWT signed by the EHR (CDS Hooks, Trusting CDS Clients)."
    return Section("Tokens of the EHR's calls", lead, rows)


def _audience(ehr: Ehr, service: Service, *, feedback: bool) -> Row:
    name = f"aud, feedback on {service.hook}" if feedback else f"aud, {service.hook}"
    return Row(name, _audiences(ehr, service.id, feedback=feedback) or (_NONE,))


def _audiences(ehr: Ehr, service: str, *, feedback: bool = False) -> tuple[str, ...]:
    return tuple(sorted(client_auth.audiences(ehr.cds_client.audiences, service, feedback=feedback)))


_READABLE = "optional, and 412 where it cannot be read"  # an error is never taken for none on record


def _prefetch(profile: Profile) -> Section:
    rows: list[Row] = []
    for one in discovery.templates():
        need = "required" if one.required else _READABLE if one.decisive else "optional"
        asked = searches.request(one, "{{context.patientId}}", profile)
        own = "" if asked is None or asked.query == one.template else "; read by us in this EHR's own form"
        lacking = "; this EHR has no such type" if asked is None else own
        rows.append(Row(one.key, (one.template,), f"{need}: {one.holds}{lacking}"))
    lead = (
        "The same for each service. What is not sent is read from fhirServer; without a required one the answer is 412."
    )
    return Section("Prefetch", lead, tuple(rows))


def _access(ehr: Ehr, profile: Profile) -> Section:
    named = searches.kinds(profile)
    rows = (
        Row("fhirServer", (ehr.fhir_base,), "exactly, to the byte; nothing else is ever asked"),
        Row("scopes", (" ".join(f"patient/{kind}.rs" for kind in named),), "SMART v2"),
        Row("scopes, as v1", (" ".join(f"patient/{kind}.read" for kind in named),), "where the EHR knows no v2"),
    )
    lead = "Of fhirAuthorization, for what prefetch leaves out. The token is for that call: never kept, never logged."
    return Section("Reading the chart", lead, rows)


def _feedback(settings: Settings) -> Section:
    base = f"{settings.server.public_url}/cds-services"
    reasons, of_orders = (
        tuple(f"{one['code']}: {one['display']}" for one in found)
        for found in (OVERRIDE_REASONS, ORDER_OVERRIDE_REASONS)
    )
    rows = (
        *(Row(one.hook, (f"{base}/{one.id}/feedback",)) for one in discovery.services().values()),
        Row(
            "override reasons, options", reasons, f"{OVERRIDE_REASONS[0]['system']}; the EHR's own codes are taken too"
        ),
        Row("override reasons, orders", of_orders, "of the same code system"),
    )
    return Section("Feedback", "What was done with a card. It is never taken for a signature.", rows)


def _app(settings: Settings, ehr: Ehr, profile: Profile) -> Section:
    public = settings.server.public_url
    rows = [
        Row("client id", (ehr.smart_client_id,)),
        Row("launch URL", (f"{public}/launch",)),
        Row("redirect URI", (f"{public}/callback",), "the only one; PKCE S256 is always used"),
        Row("scopes of a user", (" ".join((*launch.user_scopes(profile), "launch")),)),
        Row("our keys", (f"{public}/.well-known/jwks.json",), "ES384, for private_key_jwt and for signatures"),
    ]
    rows.append(Row("scopes of the service", (modes.SCOPES[ehr.write_back],), "SMART Backend Services"))
    return Section("The clinician's page (SMART app)", f"write_back is {ehr.write_back}.", tuple(rows))


def _cards(settings: Settings, ehr: Ehr) -> Section:
    kept = settings.cards
    silent = f"{kept.suppress_for_s / 86_400:g} days" if kept.suppress_overridden else "not at all"
    rows = (
        Row("language", (ehr.language,), "ehr.language; what comes from the knowledge is English in each"),
        Row("page_link", (ehr.page_link,), _LINKS[ehr.page_link]),
        Row("write_back", (ehr.write_back,), _WRITES[ehr.write_back]),
        Row("preferences", (f"{settings.server.public_url}/fhir/Questionnaire/{preferences.NAME}",), _ASKED),
        Row("silent after an override", (silent,), "for the same patient, facts and service"),
        Row("crisis contact", (ehr.crisis_contact or _NONE,), "as crisis cards say it"),
    )
    return Section("Cards and what becomes of them", "At most one card a call, three choices at most.", rows)


def switches(found: Sequence[Switch]) -> Section:
    """Return what acts at the tenant now, from its store."""
    rows = [
        Row(one.subject, ("in the shadow" if one.subject.startswith(SHADOW) else "stopped",), _since(one))
        for one in found
        if one.pulled
    ]
    lead = "Pulled by undersign switch, met by the next call. A stopped tenant answers 503, a shadowed call no card."
    return Section("Switches", lead, tuple(rows) or (Row("in force", ("none",)),))


def _since(one: Switch) -> str:
    where = "" if one.ehr else "for the whole service, "
    return f"{where}since {one.since:%Y-%m-%d %H:%M} UTC, {one.by}: {one.reason}"


def _limits(settings: Settings, ehr: Ehr) -> Section:
    limits = ehr.limits
    rows = (
        Row("calls a second", (f"{limits.calls_per_second:g}, {limits.burst} at once",), "429 beyond"),
        Row("body", (f"{settings.server.body_limit_bytes} bytes",), "413 beyond; JSON in UTF-8, no key twice"),
        Row("reading the EHR", (f"{BUDGET_S:g} s in all",), "then the call is answered with what there is"),
        Row("browser origins", ehr.origins or (_NONE,), "CORS, and who may frame the page"),
    )
    return Section("Limits and browsers", "What is refused, and when.", rows)
