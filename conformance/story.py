"""The story's steps. Each asks the running programs, checks what they answer, and then says it."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx

from conformance import chart
from conformance import plain_words as words
from conformance.evidence import digest, signed_by
from conformance.narrator import Narrator
from conformance.practitioner import FhirClient, Json, Parameters, Refused, sign_in
from conformance.stage import Stage, environment
from fhir_adapters.errors import UndersignError

PATIENT, SIGNER = "amara-osei", "dr-lindqvist"
MAY_NOT_SIGN = ("dr-aalto", "dr-costa", "nurse-ortiz")
CLIENT, REDIRECT = "reference-ehr-script", "http://127.0.0.1/callback"
WRITTEN_WITHIN_S = 20.0
Command = Callable[[list[str], dict[str, str]], tuple[int, str]]


class Untrue(UndersignError):
    """The story cannot be told, because a step did not end as it has to."""


class Story:
    """One telling; what one step learns, the next ones use."""

    def __init__(self, stage: Stage, http: httpx.Client, narrator: Narrator, run: Command) -> None:
        self._stage, self._http, self._narrator, self._run = stage, http, narrator, run
        self._ehr = FhirClient(http, stage.ehr_base)
        self._drafts = FhirClient(http, f"{stage.service}/fhir")

    def tell(self) -> None:
        """Tell the whole story; Untrue, Refused or NotGranted where it breaks."""
        self._open_chart()
        card = self._call_hook()
        ids = self._hold(card)
        prepared = self._prepare(ids[0])
        self._refuse_others(ids[0])
        self._sign(ids[0], prepared)
        self._second_signature(ids[0], prepared)
        self._audit()
        self._summary(ids)

    def _open_chart(self) -> None:
        token = self._sign_in(SIGNER)
        self._ehr = FhirClient(self._http, self._stage.ehr_base, token)
        who = words.full_name(self._ehr.read(f"Practitioner/{SIGNER}"))
        role = self._ehr.search(f"PractitionerRole?practitioner={SIGNER}&active=true")[0]
        patient = self._ehr.read(f"Patient/{PATIENT}")
        years = words.age(patient, datetime.now(UTC).date())
        self._narrator.step(1, "A chart opens")
        self._narrator.say(
            f"{who}, {words.concept(role['code'][0]).lower()}, opens the chart of "
            f"{words.full_name(patient)}, {patient['gender']}, {years}."
        )
        self._narrator.facts(chart.facts(self._ehr, PATIENT))

    def _call_hook(self) -> Json:
        self._narrator.step(2, "The EHR asks, the service answers with a card")
        call = self._hook(PATIENT)
        self._narrator.say(
            f"patient-view to {call['service']}: the answers to {len(call['queries'])} prefetch queries, "
            f"{call['request_bytes']:,} bytes out, {call['response_bytes']:,} bytes back, "
            f"{call['milliseconds']:.0f} ms."
        )
        card = _only(call["answer"]["cards"], "U-DEMO-CARD", "The answer does not hold exactly one card.")
        self._narrator.card(card["summary"], card["indicator"], card.get("detail", ""))
        self._narrator.facts(
            [
                ("offered", words.listed(s["label"] for s in card.get("suggestions", []))),
                *((link["label"], link["url"]) for link in card.get("links", [])),
                ("reasons to decline", words.listed(r["display"] for r in card.get("overrideReasons", []))),
                ("source", card["source"]["label"]),
            ]
        )
        return card

    def _hook(self, patient: str) -> Json:
        asked = {"patient": patient, "user": SIGNER}
        answer = self._http.post(f"{self._stage.ehr}/hooks/patient-view", json=asked)
        calls = answer.json().get("calls", [])
        call: Json = _only(calls, "U-DEMO-HOOK", "The EHR did not call exactly one patient-view service.")
        if call["status"] != 200:
            raise Untrue("U-DEMO-HOOK", f"The service answered the hook with status {call['status']}.")
        if call["problems"]:
            raise Untrue("U-DEMO-CARD", f"The answer breaks CDS Hooks: {'; '.join(call['problems'])}")
        return call

    def _hold(self, card: Json) -> list[str]:
        self._narrator.step(3, "The drafts are held")
        ids = _draft_ids(card)
        if not ids:
            raise Untrue("U-DEMO-DRAFTS", "The card holds no draft.")
        held = self._held()
        self._narrator.say(f"The service says that it holds {held}:")
        labels = {r["id"]: s["label"] for s in card["suggestions"] for r in _resources(s)}
        self._narrator.facts([(draft, labels[draft]) for draft in ids])
        call = self._hook(PATIENT)
        again = _draft_ids(call["answer"]["cards"][0])
        if again != ids or self._held() != held:
            raise Untrue("U-DEMO-AGAIN", "Opening the same chart again did not give the same drafts.")
        took = f"{call['milliseconds']:.0f} ms"
        self._narrator.done(f"The chart was opened again ({took}): the same {len(again)} drafts, none new.")
        return ids

    def _prepare(self, draft: str) -> Parameters:
        self._narrator.step(4, "The practitioner decides")
        self._drafts = self._service_as(SIGNER)
        self._narrator.say("Signed in at the EHR for this: authorisation code with PKCE.")
        prepared = self._drafts.prepare(draft)
        if digest(prepared.raw) != prepared.digest:
            raise Untrue("U-DEMO-DIGEST", "The digest is not that of the bytes.")
        self._narrator.say("The exact order that a signature would make:")
        self._narrator.facts(words.order_facts(prepared.order))
        self._narrator.facts([("digest", f"{prepared.digest} ({len(prepared.raw):,} bytes)")])
        self._narrator.say(f"To be acknowledged before signing: {len(prepared.acknowledgements) or 'nothing'}")
        self._narrator.facts([(f"{n}.", text) for n, text in enumerate(prepared.acknowledgements, 1)])
        return prepared

    def _refuse_others(self, draft: str) -> None:
        """Let users who may not prescribe try the same; each has to be refused."""
        self._narrator.say("Others who sign in at the EHR and try the same:")
        for username in MAY_NOT_SIGN:
            role = self._ehr.search(f"PractitionerRole?practitioner={username}")[0]
            who, colleague = role["practitioner"]["display"], self._service_as(username)
            refusal = _refusal(partial(colleague.prepare, draft))
            self._narrator.refused(f"{who} ({words.concept(role['code'][0]).lower()}): {_words(refusal)}")

    def _sign(self, draft: str, prepared: Parameters) -> None:
        before = self._ehr.read(f"MedicationRequest?patient={PATIENT}&_summary=count")["total"]
        self._drafts.sign(draft, prepared)
        self._narrator.done("Signed: this version, this digest, every point acknowledged.")
        self._narrator.step(5, "The order is in the EHR")
        order, provenance = self._written(prepared)
        after = self._ehr.read(f"MedicationRequest?patient={PATIENT}&_summary=count")["total"]
        if after != before + 1 or _content(order) != _content(prepared.order):
            raise Untrue("U-DEMO-WRITTEN", "The EHR does not hold exactly the signed order, once.")
        requester = self._ehr.read(order["requester"]["reference"])
        self._narrator.facts(
            [
                (
                    "in the EHR",
                    f"MedicationRequest/{order['id']}, {order['status']}, intent {order['intent']}",
                ),
                ("drug", words.drug(order)),
                ("ordered by", words.full_name(requester)),
                ("based on", _based_on(order, draft)),
            ]
        )
        self._narrator.done("One order more in the chart than before, and it is what was signed, element by element.")
        self._verify(provenance, prepared)

    def _written(self, prepared: Parameters) -> tuple[Json, Json]:
        """Wait until the EHR itself finds the order by its identifier, and its Provenance by the order."""
        identifier = prepared.order["identifier"][0]
        query = f"MedicationRequest?identifier={identifier['system']}|{identifier['value']}"
        deadline = time.monotonic() + WRITTEN_WITHIN_S
        while time.monotonic() < deadline:
            orders = self._ehr.search(query)
            provenances = self._ehr.search(f"Provenance?target=MedicationRequest/{orders[0]['id']}") if orders else []
            if len(orders) == 1 and len(provenances) == 1:
                return orders[0], provenances[0]
            time.sleep(0.1)
        raise Untrue("U-DEMO-WRITTEN", "The EHR did not get the order and its Provenance in time.")

    def _verify(self, provenance: Json, prepared: Parameters) -> None:
        jwks = self._http.get(f"{self._stage.service}/.well-known/jwks.json").json()
        key = signed_by(provenance, prepared.raw, jwks)
        if key is None or signed_by(provenance, prepared.raw + b" ", jwks) is not None:
            raise Untrue("U-DEMO-SIGNATURE", "The signature in the Provenance does not hold.")
        self._narrator.done(
            "The Provenance's signature holds over the bytes that were shown, by the service's published key "
            f"{key[:8]}…; over one byte more it does not."
        )

    def _second_signature(self, draft: str, prepared: Parameters) -> None:
        refusal = _refusal(lambda: self._drafts.sign(draft, prepared))
        self._narrator.refused(f"A second signature on the same draft: {_words(refusal)}")

    def _audit(self) -> None:
        self._narrator.step(6, "The audit chain")
        status, line = self._run(self._stage.audit_command, environment())
        if status != 0:
            raise Untrue("U-DEMO-AUDIT", f"undersign audit verify ended with status {status}: {line}")
        self._narrator.done(f"undersign audit verify: {line}")

    def _summary(self, ids: Sequence[str]) -> None:
        self._narrator.step(7, "What happened, and what is left")
        states = [self._drafts.read(f"MedicationRequest/{draft}")["status"] for draft in ids]
        held = [draft for draft, state in zip(ids, states, strict=True) if state == "draft"]
        closed = states.count("cancelled")
        self._narrator.say(
            f"{len(ids)} drafts were held. 1 was signed and is an order in the EHR; "
            f"{closed} closed with it, as the alternative that was not taken; {len(held)} still held."
        )
        active = self._ehr.search(f"MedicationRequest?patient={PATIENT}&status=active&_sort=authoredon")
        self._narrator.say("Active orders in the chart now; what is to stop, the practitioner stops in the EHR:")
        self._narrator.facts([(words.day(order.get("authoredOn")), chart.drug(self._ehr, order)) for order in active])
        draft = held[0] if held else self._another_draft()
        self._narrator.say("The clinician's page for a draft that is held now:")
        self._narrator.unbroken(f"{self._stage.service}/review/{draft}")
        self._narrator.say(
            "It sends you to the EHR to sign in: choose a synthetic user there, no password is asked. "
            "The EHR and its charts:"
        )
        self._narrator.unbroken(f"{self._stage.ehr}/")

    def _another_draft(self) -> str:
        """Open another chart, so that there is a draft to look at."""
        cards = self._hook("jonas-weber")["answer"]["cards"]
        ids = _draft_ids(cards[0]) if cards else []
        if not ids:
            raise Untrue("U-DEMO-DRAFTS", "No draft is left to look at.")
        self._narrator.say("Another chart was opened for this: Jonas Weber's.")
        return ids[0]

    def _sign_in(self, username: str) -> str:
        return sign_in(self._http, self._stage.ehr_base, CLIENT, REDIRECT, username)

    def _service_as(self, username: str) -> FhirClient:
        return FhirClient(self._http, f"{self._stage.service}/fhir", self._sign_in(username))

    def _held(self) -> int:
        found = FhirClient(self._http, f"{self._stage.service}/fhir")
        return found.read("MedicationRequest?status=draft&_summary=count")["total"]


def _only(found: Sequence[Json], code: str, message: str) -> Json:
    if len(found) != 1:
        raise Untrue(code, message)
    return found[0]


def _resources(suggestion: Mapping[str, Any]) -> list[Json]:
    return [action["resource"] for action in suggestion.get("actions", []) if "resource" in action]


def _draft_ids(card: Json) -> list[str]:
    return [resource["id"] for s in card.get("suggestions", []) for resource in _resources(s)]


def _refusal(attempt: Callable[[], object]) -> Refused:
    try:
        attempt()
    except Refused as refusal:
        return refusal
    raise Untrue("U-DEMO-NOT-REFUSED", "Something was signed that must not be.")


def _words(refusal: Refused) -> str:
    return f"refused, {refusal.status} {refusal.code} ({refusal.message})"


def _content(resource: Json) -> Json:
    """Return a resource without what a server adds: its id, version and time."""
    kept = {name: value for name, value in resource.items() if name not in ("id", "meta")}
    labels = resource.get("meta", {}).get("security", [])
    return {**kept, "security": sorted(f"{label['system']}|{label['code']}" for label in labels)}


def _based_on(order: Json, draft: str) -> str:
    references = [one["reference"] for one in order.get("basedOn", [])]
    if not any(draft in reference for reference in references):
        raise Untrue("U-DEMO-BASED-ON", "The order does not name its draft.")
    return "; ".join(references)
