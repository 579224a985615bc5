"""What the EHR has of the patient's consent in the moment of a signature.

A Consent that denies may have come since the draft was held. It is looked for with the signer's own token, by the
search that the tenant's profile has for Consents, and read as it is before anything is drafted.
"""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted
from fhir_adapters.errors import InputError
from fhir_adapters.survey import searches, wanted
from fhir_adapters.survey.searches import Request
from recommender.gate import gates
from service import site_time, telemetry
from service.drafts import consenting
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.records import Draft
from service.drafts.states import UNSIGNED
from service.ehr.transport import EhrRefused
from service.errors import Conflict, EhrFailed, Unauthenticated

if TYPE_CHECKING:
    from service.bootstrap import Services

# What the audit of a signature says where the EHR has no Consents to search.
NOT_READ: Final = {"consent": "not-read"}
_CONSENTS: Final = next(template for template in wanted.templates() if template.key == "consents")


class _Page(msgspec.Struct, frozen=True):
    entry: list[msgspec.Raw] = []


async def check(services: "Services", draft: Draft, token: str) -> dict[str, str]:
    """Return what the audit says of the reading: nothing where it was done, ``NOT_READ`` where it cannot be.

    Conflict U-CONSENT-WITHHELD where the patient's consent is denied, or missing where the site asks for one: the
    patient's unsigned drafts are then withdrawn. Unauthenticated U-AUTH, EhrFailed where the EHR does not say.
    """
    profile, patient = services.profiles[draft.ehr], draft.patient.removeprefix("Patient/")
    asked = searches.request(_CONSENTS, patient, profile)
    found = None if asked is None else await _searched(services, draft, asked, token)
    if found is None:
        telemetry.log().warning("consent not read at signing", draft=draft.id, ehr=draft.ehr)
        return dict(NOT_READ)
    today = site_time.local(await services.store.now(), profile).date()
    try:
        adapted = adapt_prefetch({"patient": _patient(patient), "consents": found}, patient, today, profile)
    except InputError as error:
        raise _unreadable() from error
    if adapted.patient.lists["consents"] != "supplied":
        raise _unreadable()
    recorded = await consenting.of_patient(services.store, draft.ehr, draft.patient)
    if _withheld(services, draft, consenting.with_word(adapted, recorded, profile)):
        await _withdraw(services, draft)
        msg = "the patient has withheld consent to drafts by AI; open the chart again"
        raise Conflict("U-CONSENT-WITHHELD", msg)
    return {}


async def _searched(services: "Services", draft: Draft, asked: Request, token: str) -> bytes | None:
    """Return the patient's Consents as one Bundle; None where the EHR has no such type."""
    try:
        pages = await services.clients[draft.ehr].search(asked.query, token, post=asked.post)
    except EhrRefused as error:
        if error.http_status == 401:
            raise Unauthenticated("U-AUTH", "Sign in at the EHR and try again.") from error
        if error.http_status == 404:
            return None
        raise
    if len(pages) == 1:
        return pages[0]
    try:
        entries = [one for page in pages for one in msgspec.json.decode(page, type=_Page).entry]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable() from error
    return msgspec.json.encode({"resourceType": "Bundle", "type": "searchset", "entry": entries})


def _withheld(services: "Services", draft: Draft, adapted: Adapted) -> bool:
    """Ask the gate of a chart that has nothing but Consents; what else keeps that one closed is not asked here."""
    ehr = services.tenant(draft.ehr)
    gate, _ = gates.evaluate(
        adapted.patient,
        adapted.features,
        services.knowledge,
        jurisdiction=ehr.jurisdiction,
        consent_default=ehr.consent_default,
    )
    return gate.status == "consent-withheld"


async def _withdraw(services: "Services", draft: Draft) -> None:
    held = await services.store.find(ehr=draft.ehr, patient=draft.patient, states=UNSIGNED)
    detail: dict[str, Any] = {"code": "U-CONSENT-WITHHELD"}
    await services.store.mark([one.id for one in held], "withdrawn", SERVICE_ACTOR, detail)
    telemetry.log().info("withdrawn by a Consent of the EHR", draft=draft.id, ehr=draft.ehr)


def _patient(ident: str) -> bytes:
    return msgspec.json.encode({"resourceType": "Patient", "id": ident})


def _unreadable() -> EhrFailed:
    return EhrFailed("U-EHR-ANSWER", "The EHR's Consents cannot be read, so nothing is signed; ask its operators.")
