"""What the EHR has of the patient's consent in the moment of a signature.

A Consent that denies may have come since the draft was held. It is looked for with the signer's own token, by the
search that the tenant's profile has for Consents, and read as it is before anything is drafted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted, ConsentDecision
from fhir_adapters.errors import InputError
from fhir_adapters.survey import searches, wanted
from fhir_adapters.survey.searches import Request
from recommender.gate import gates
from service import site_time, telemetry
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.decision import consenting
from service.drafts.records import Draft
from service.drafts.states import UNSIGNED
from service.ehr import denials
from service.ehr.transport import EhrRefused
from service.errors import Conflict, EhrFailed

if TYPE_CHECKING:
    from service.bootstrap import Services

# What the audit of a signature says where the EHR has no Consents to search.
NOT_READ: Final[Mapping[str, str]] = {"consent": "not-read"}
_CONSENTS: Final = next(template for template in wanted.templates() if template.key == "consents")


@dataclass(frozen=True, slots=True)
class Consents:
    """What is decided of AI use, by the EHR and here, and what the record of a signature says of the reading."""

    decisions: tuple[ConsentDecision, ...]
    said: Mapping[str, str]


class _Page(msgspec.Struct, frozen=True):
    entry: list[msgspec.Raw] = []


async def check(services: "Services", draft: Draft, token: str) -> Consents:
    """Return the patient's consents; ``said`` is empty where they were read, ``NOT_READ`` where they cannot be.

    Conflict U-CONSENT-WITHHELD where the patient's consent is denied, or missing where the site asks for one: the
    patient's unsigned drafts are then withdrawn. An EHR that has no Consents gives none, which is no permission where
    one is asked for. EhrDenied U-EHR-CONSENT where the EHR does not let them be searched, EhrFailed where it fails.
    """
    profile, patient = services.profiles[draft.ehr], draft.patient.removeprefix("Patient/")
    asked = searches.request(_CONSENTS, patient, profile)
    found = None if asked is None else await _searched(services, draft, asked, token)
    today = site_time.local(await services.store.now(), profile).date()
    values = {"patient": _patient(patient)} | ({} if found is None else {"consents": found})
    try:
        adapted = adapt_prefetch(values, patient, today, profile)
    except InputError as error:
        raise _unreadable() from error
    if found is not None and adapted.patient.lists["consents"] != "supplied":
        raise _unreadable()
    recorded = await consenting.of_patient(services.store, draft.ehr, draft.patient)
    adapted = consenting.with_word(adapted, recorded, profile)
    if _withheld(services, draft, adapted):
        await _withdraw(services, draft)
        msg = "the patient's consent to drafts by AI is withheld, or not on file where one is asked for; open the chart"
        raise Conflict("U-CONSENT-WITHHELD", f"{msg} again")
    if found is None:
        telemetry.log().warning("consent not read at signing", draft=draft.id, ehr=draft.ehr)
    return Consents(adapted.patient.consents, NOT_READ if found is None else {})


async def _searched(services: "Services", draft: Draft, asked: Request, token: str) -> bytes | None:
    """Return the patient's Consents as one Bundle; None where the EHR has no such type."""
    client = services.clients[draft.ehr]
    try:
        pages = await client.search(asked.query, token, post=asked.post)
    except EhrRefused as error:
        if error.passing:
            raise
        if await client.lacks(asked.query.partition("?")[0], error):
            return None
        # The token was good a moment ago, for the signer's own record: a 401 is a scope that is missing here as well.
        raise denials.of_consents(error, client.ehr.smart_client_id) from error
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
