"""The faults of the EHR as a CDS client, by name: what it calls, signs, sends, lends, repeats and tells of cards."""

from collections.abc import Mapping
from dataclasses import replace

from conformance.reference_ehr.faults.calling import (
    NOTHING,
    OTHER,
    again,
    body,
    claims,
    context,
    drop,
    failed,
    fields,
    foreign,
    forged,
    head,
    items,
    lent,
    lists,
    no_token,
    orders,
    overridden,
    prefetch,
    raw,
    stale,
    stubborn,
    typed_in,
    unsigned,
)
from conformance.reference_ehr.habits import Habit

_DATA = ("prefetch", "fhirServer", "fhirAuthorization")
HABITS: Mapping[str, Habit] = {
    one.name: one
    for one in (
        Habit("no-discovery", "calls a service without reading discovery", services=typed_in),
        Habit("naked-discovery", "reads discovery without a JWT", no_token("discovery")),
        Habit("no-jwt", "sends no JWT with calls", no_token("call")),
        Habit("no-typ", "leaves typ out of the JWT", head(typ="at+jwt")),
        Habit("no-kid", "leaves kid out of the JWT", head(kid=None)),
        Habit("alg-none", "does not sign the JWT", sealed=unsigned("none")),
        Habit("alg-hs256", "signs the JWT with a shared secret", sealed=unsigned("HS256")),
        Habit("unknown-kid", "signs with a key that it does not publish", head(kid="no-such-key")),
        Habit("wrong-signature", "changes the JWT after signing", sealed=forged),
        Habit("lost-keys", "names an address of keys that is not there", head(jku="http://127.0.0.1:18930/lost.json")),
        Habit("plain-jku", "names an address of keys without TLS", head(jku="http://keys.example/jwks.json")),
        Habit("foreign-jku", "names an address of keys on another host", head(jku="https://keys.example/jwks.json")),
        Habit("wrong-issuer", "calls itself by another issuer", claims(iss="https://another.example/fhir")),
        Habit("wrong-audience", "makes the JWT out to the root of the service",
              claims("call", aud=lambda one: one.address.partition("/cds-services")[0])),
        Habit("old-jwt", "sends a JWT that has expired", claims(exp=1_700_000_300, iat=1_700_000_000)),
        Habit("long-jwt", "makes JWTs that live for a day",
              claims(exp=lambda one: dict(one.claims or {})["iat"] + 86_400)),
        Habit("same-jti", "uses one jti for every JWT", claims(jti="the-one")),
        Habit("no-jti", "leaves jti out", claims(jti=None)),
        Habit("changing-sub", "sends another sub to every address", claims(sub=lambda one: one.address)),
        Habit("text-plain", "sends calls as text", lambda one: replace(
            one, headers={**one.headers, "Content-Type": "text/plain"}) if one.kind == "call" else one),
        Habit("repeated-name", "sends a name twice in one object", body(lambda body: raw(body))),
        Habit("unlisted-service", "calls a service that is not listed", lambda one: replace(
            one, address=f"{one.address}-old") if one.kind == "call" else one),
        Habit("wrong-hook", "sends another hook than the service's", fields(hook="medication-prescribe")),
        Habit("short-instance", "makes hookInstance from a counter", fields(hookInstance="17")),
        Habit("same-instance", "uses one hookInstance for all calls",
              fields(hookInstance="3f1d0c8e-5d0c-4c3e-9f43-3f6a0b6f0001")),
        Habit("listed-extension", "sends extension as a list", fields(extension=[{"url": "x"}])),
        Habit("empty-fields", "sends empty fields", context(encounterId="")),
        Habit("bare-user", "sends userId without its type",
              context(userId=lambda old: str(old).rpartition("/")[2])),
        Habit("patients-too", "calls for a patient who reads the chart", context(userId="Patient/self")),
        Habit("patient-reference", "sends patientId as a reference", context(patientId=lambda old: f"Patient/{old}")),
        Habit("encounter-reference", "sends encounterId as a reference", context(encounterId="Encounter/1")),
        Habit("listed-orders", "sends draftOrders as a list",
              context(draftOrders=lambda old: [entry["resource"] for entry in old["entry"]])),
        Habit("stray-selection", "selects what is not among the orders",
              context(selections=lambda _: ["MedicationRequest/not-there"])),
        Habit("loose-orders", "sends orders that are not R4", orders(
            lambda order: order.update(category={"text": "outpatient"}))),
        Habit("named-orders", "names drugs in words only", orders(
            lambda order: order.update(medicationCodeableConcept={"text": "the usual"}))),
        Habit("active-orders", "sends orders being chosen as active", orders(
            lambda order: order.update(status="active"))),
        Habit("foreign-orders", "sends another patient's orders", orders(
            lambda order: order.update(subject={"reference": f"Patient/{OTHER}"}))),
        Habit("no-server", "leaves fhirServer out", body(
            lambda body: {name: value for name, value in body.items() if name != "fhirServer"})),
        Habit("other-server", "names another FHIR address", fields(fhirServer="https://another.example/fhir")),
        Habit("plain-server", "names a FHIR address without TLS", fields(fhirServer="http://ehr.example/fhir")),
        Habit("half-access", "leaves expires_in and subject out of what it lends", lent(("expires_in", "subject"))),
        Habit("token-of-other", "lends another patient's token", lent(patient=OTHER)),
        Habit("thin-scope", "lends a token for Patient alone", lent(scope="patient/Patient.rs")),
        Habit("old-scope", "writes scopes as SMART 1 did", lent(scope="patient/*.read")),
        Habit("dead-token", "lends a token that opens nothing", lent(access_token=NOTHING)),
        Habit("no-data", "sends no prefetch and lends no token", body(
            lambda body: {name: value for name, value in body.items() if name not in _DATA})),
        Habit("no-prefetch", "sends no prefetch", body(
            lambda body: {name: value for name, value in body.items() if name != "prefetch"})),
        Habit("omits-allergies", "leaves allergies out of the prefetch", prefetch(
            lambda prefetch: prefetch.pop("allergies", None))),
        Habit("bare-lists", "sends lists of resources for Bundles", body(lambda body: {
            **body, "prefetch": {key: [entry["resource"] for entry in value["entry"]] if value.get("entry") else value
                                 for key, value in body["prefetch"].items()}})),
        Habit("failed-prefetch", "could not read allergies", failed("allergies")),
        Habit("null-lists", "sends null for every list", body(lambda body: {
            **body, "prefetch": {key: None if value.get("resourceType") == "Bundle" else value
                                 for key, value in body["prefetch"].items()}})),
        Habit("paged-lists", "sends the first page of lists", lists(
            lambda bundle: bundle.update(link=[{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]))),
        Habit("lost-entries", "sends lists with one resource less", lists(drop)),
        Habit("stale-prefetch", "sends resources of an older version", lists(stale)),
        Habit("foreign-prefetch", "sends another patient's data", lists(foreign)),
        Habit("unasked-key", "sends a key that nobody asked for", prefetch(
            lambda prefetch: prefetch.update(encounters={"resourceType": "Bundle", "type": "searchset"}))),
        Habit("double-calls", "calls a service twice when its hook fires", copies=2),
        Habit("impatient", "hangs up after half a second", lambda one: replace(
            one, timeout_s=0.5) if one.kind == "call" else one),
        Habit("hasty", "does not wait for Retry-After", again=again(0.0, (429, 503), 1)),
        Habit("storming", "repeats a failed call again and again", again=again(0.0, (500,), 6)),
        Habit("deaf-to-412", "repeats a call that was answered 412", again=stubborn(412)),
        Habit("wants-a-card", "repeats a call that was answered without cards", again=again(0.0, (200,), 1)),
        Habit("no-feedback", "tells nothing of cards", silent=True),
        Habit("no-feedback-jwt", "sends feedback without a JWT", no_token("feedback")),
        Habit("feedback-audience", "makes the JWT of feedback out to the service",
              claims("feedback", aud=lambda one: one.address.removesuffix("/feedback"))),
        Habit("bare-feedback", "sends feedback as a list", body(lambda body: body["feedback"], "feedback")),
        Habit("half-feedback", "leaves outcome out of feedback", items(lambda item: item.update(outcome="ignored"))),
        Habit("unknown-card", "names a card that was never given", items(
            lambda item: item.update(card="none-of-ours"))),
        Habit("unknown-suggestion", "names a suggestion that was never given", items(
            lambda item: item.update(acceptedSuggestions=[{"id": "x"}]) if item["outcome"] == "accepted" else None)),
        Habit("empty-reason", "overrides with an empty reason", overridden({})),
        Habit("loose-reason", "overrides with a code of no system", overridden({"reason": {"code": "7"}})),
        Habit("local-time", "tells times without a zone", items(
            lambda item: item.update(outcomeTimestamp=str(item["outcomeTimestamp"])[:19]))),
    )
}  # fmt: skip
