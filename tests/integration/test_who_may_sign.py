"""Who may sign, as one table: each row is asked of the EHR at the moment of signing, and nothing else is signed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from recommender.catalog import knowledge
from service.drafts.canonical_json import dumps
from service.drafts.records import Draft, NewDraft
from tests.contract import samples
from tests.integration.fake_ehr import DEPRESSION, DOCTOR, FakeEhr, World, user_token, world

T = TypeVar("T")
ROLE: dict[str, Any] = {
    "resourceType": "PractitionerRole",
    "id": "role-p1",
    "active": True,
    "practitioner": {"reference": "Practitioner/p1"},
    "code": [{"coding": [DOCTOR]}],
}
PRACTITIONER: dict[str, Any] = {"resourceType": "Practitioner", "id": "p1", "active": True}
NURSE = {"system": "http://terminology.hl7.org/CodeSystem/practitioner-role", "code": "nurse"}


def play(path: Path, story: Callable[[World], Awaitable[T]], **tenant: Any) -> T:
    """Run a story in a fresh world."""

    async def run() -> T:
        async with world(path, **tenant) as scene:
            return await story(scene)

    return asyncio.run(run())


def answered(answer: httpx.Response) -> tuple[int, str]:
    """Return status and stable code, empty for a success."""
    if answer.status_code == 200:
        return 200, ""
    return answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]


async def signs(scene: World, draft: Draft, token: str, parameters: list[dict[str, Any]]) -> tuple[int, str]:
    """Try to sign; where it is refused, nothing of it is kept."""
    found = answered(await scene.post(draft.id, "sign", *parameters, token=token))
    signature = await scene.store.signature(draft.id)
    assert (signature is not None) is (found[0] == 200)
    return found


def has(*resources: dict[str, Any]) -> Callable[[FakeEhr], None]:
    """Return a change of the EHR: these Practitioners and roles instead of the ones it had."""

    def change(ehr: FakeEhr) -> None:
        ehr.held.clear()
        for resource in ({"resourceType": "Patient", "id": "example"}, DEPRESSION, *resources):
            ehr.put(resource)

    return change


def ignores_search(ehr: FakeEhr) -> None:
    """Make the EHR answer everybody's roles, none of them p1's."""
    has(PRACTITIONER, {**ROLE, "practitioner": {"reference": "Practitioner/p9"}})(ehr)
    ehr.ignore_search = True


def goes_down(ehr: FakeEhr) -> None:
    """Take the EHR away; its keys are known from before."""
    ehr.down = True


P1, PATIENT, DEVICE = "Practitioner/p1", "Patient/example", "Device/undersign"
REFUSED: list[tuple[str, Any, Callable[[FakeEhr], None] | None, tuple[int, str]]] = [
    ("F01 no token that holds", lambda: user_token(P1, exp=int(time.time()) - 60), None, (401, "U-AUTH")),
    ("F02 a patient", lambda: user_token(PATIENT), None, (403, "U-SIGNER-NOT-PRACTITIONER")),
    ("F03 a device", lambda: user_token(DEVICE), None, (403, "U-SIGNER-NOT-PRACTITIONER")),
    ("F04 a related person", lambda: user_token("RelatedPerson/1"), None, (403, "U-SIGNER-NOT-PRACTITIONER")),
    ("F05 a system", lambda: user_token(None, scope="system/*.*"), None, (403, "U-SIGNER-NOT-PRACTITIONER")),
    ("F06 somebody of another EHR", lambda: user_token("https://other.example/fhir/Practitioner/p1"), None,
     (403, "U-SIGNER-NOT-PRACTITIONER")),
    ("F07 no longer active", user_token, has({**PRACTITIONER, "active": False}, ROLE), (403, "U-SIGNER-INACTIVE")),
    ("F08 active is not said", user_token, has({"resourceType": "Practitioner", "id": "p1"}, ROLE),
     (403, "U-SIGNER-INACTIVE")),
    ("F09 no role", user_token, has(PRACTITIONER), (403, "U-SIGNER-ROLE")),
    ("F10 the role is not active", user_token, has(PRACTITIONER, {**ROLE, "active": False}), (403, "U-SIGNER-ROLE")),
    ("F11 the role has ended", user_token, has(PRACTITIONER, {**ROLE, "period": {"end": "2020-12-31"}}),
     (403, "U-SIGNER-ROLE")),
    ("F11 the role has not begun", user_token, has(PRACTITIONER, {**ROLE, "period": {"start": "2999"}}),
     (403, "U-SIGNER-ROLE")),
    ("F12 a role that may not prescribe", user_token, has(PRACTITIONER, {**ROLE, "code": [{"coding": [NURSE]}]}),
     (403, "U-SIGNER-ROLE")),
    ("F13 somebody else's role", user_token, ignores_search, (403, "U-SIGNER-ROLE")),
    ("F14 the EHR cannot say", user_token, goes_down, (502, "U-EHR-UNREACHABLE")),
    ("not known to the EHR", user_token, has(ROLE), (403, "U-SIGNER-UNKNOWN")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "change", "found"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_whoever_is_not_an_active_prescriber_signs_nothing(
    tmp_path: Path, token: Callable[[], str], change: Callable[[FakeEhr], None] | None, found: tuple[int, str]
) -> None:
    """After p1 prepared, each of these is refused by name; p1's own signature then still counts."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        given = await scene.prepared(draft.id)
        before, searches = dict(scene.ehr.held), scene.ehr.ignore_search
        if change:
            change(scene.ehr)
        assert await signs(scene, draft, token(), given) == found
        scene.ehr.held, scene.ehr.ignore_search, scene.ehr.down = before, searches, False
        assert await signs(scene, draft, user_token(), given) == (200, "")

    play(tmp_path, story)


QTC = {"rule": "SR548", "severity": "caution", "message": "m", "source": "s", "verified": True}
NOW = int(time.time())
ACR = {"users": {"step_up_acr": ["urn:two"], "step_up_amr": ["mfa"]}}


@pytest.mark.parametrize(
    ("claims", "tenant", "reasons", "found"),
    [
        ({"auth_time": NOW - 3600}, {}, [], (200, "")),
        ({"auth_time": NOW - 3600}, {}, [QTC], (403, "U-STEP-UP")),
        ({"auth_time": None}, {}, [QTC], (403, "U-STEP-UP")),
        ({"auth_time": NOW - 3600}, {}, None, (403, "U-STEP-UP")),
        ({}, {}, [QTC], (200, "")),
        ({}, ACR, [QTC], (403, "U-STEP-UP")),
        ({"acr": "urn:two", "amr": ["pwd"]}, ACR, [QTC], (403, "U-STEP-UP")),
        ({"acr": "urn:two", "amr": ["pwd", "mfa"]}, ACR, [QTC], (200, "")),
    ],
)
def test_a_high_risk_draft_is_signed_by_a_new_and_strong_login(
    tmp_path: Path, claims: dict[str, Any], tenant: dict[str, Any], reasons: Any, found: tuple[int, str]
) -> None:
    """By a login that is old, unproved or too weak a usual draft is signed and one of high risk is not."""

    async def story(scene: World) -> dict[str, Any]:
        draft = await scene.hold(reasons=reasons, to_tell=[])
        given = await scene.prepared(draft.id)
        assert await signs(scene, draft, user_token(**claims), given) == found
        return dict((await scene.store.history(draft.id))[-1].detail.get("given", {}))

    kept = play(tmp_path, story, **tenant)
    if found == (200, ""):
        assert kept["risk"] == ("high" if reasons else "usual")
        assert "auth_time" in kept["assertion"]
        assert kept["assertion"].get("amr", []) == claims.get("amr", [])


SPECIALTY = {"system": "http://nucc.org/provider-taxonomy", "code": "2084P0800X"}
POLICY = {"specialist_role_codes": ["http://nucc.org/provider-taxonomy|2084P0800X"]}


@pytest.mark.parametrize(
    ("others_sign", "role", "told", "found"),
    [
        ("uncomplicated", ROLE, [], (200, "")),
        ("uncomplicated", ROLE, [{"to": "psychiatrist"}], (403, "U-SUPERVISION")),
        ("none", ROLE, [], (403, "U-SUPERVISION")),
        ("none", {**ROLE, "specialty": [{"coding": [SPECIALTY]}]}, [{"to": "psychiatrist"}], (200, "")),
        ("none", {**ROLE, "code": [{"coding": [DOCTOR, SPECIALTY]}]}, [], (200, "")),
    ],
)
def test_what_a_site_leaves_to_specialists_others_do_not_sign(
    tmp_path: Path, others_sign: str, role: dict[str, Any], told: list[dict[str, str]], found: tuple[int, str]
) -> None:
    """Neither prepared nor signed by a prescriber without a specialist's code or specialty, as the policy says."""

    async def story(scene: World) -> None:
        draft = await scene.hold(reasons=[], to_tell=told)
        has(PRACTITIONER, {**ROLE, "specialty": [{"coding": [SPECIALTY]}]})(scene.ehr)
        given = await scene.prepared(draft.id)
        has(PRACTITIONER, role)(scene.ehr)
        if found[0] != 200:
            assert answered(await scene.post(draft.id, "prepare")) == found
        assert await signs(scene, draft, user_token(), given) == found

    play(tmp_path, story, supervision={**POLICY, "others_sign": others_sign})


KNOWLEDGE = knowledge.load()
CONTROLLED = sorted({d.schedule: d.ingredient for d in KNOWLEDGE.drugs.values() if d.schedule != "none"}.values())
# A tablet of a controlled drug under the name of another: its code is a known product's.
PRODUCTS = {one.rxnorm for name in CONTROLLED for one in KNOWLEDGE.orderables[name]}


async def held_of(scene: World, ingredient: str, code: str = "312941") -> Draft:
    """Hold a draft of a drug as if its row had been another one when it was held."""
    coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}
    resource = samples.resource(medicationCodeableConcept={"coding": [coding]})
    context = dumps({"acknowledge": [], "reasons": [], "to_tell": [], "dose": samples.DOSE})
    new = NewDraft(ingredient, 0, dumps(resource), context)
    return (await scene.store.hold("north", "Patient/example", ingredient, [new], 3600, "Device/undersign"))[0]


async def slipped_in(scene: World, draft: Draft) -> list[dict[str, Any]]:
    """Keep bytes as if they had been prepared, and return the parameters of a signature over them."""
    shown = replace(samples.prepared_bytes(draft), acknowledgements=())
    await scene.store.prepare(draft.id, draft.version, shown, None)
    return [{"name": "version", "valueInteger": draft.version}, {"name": "digest", "valueString": shown.digest}]


@pytest.mark.parametrize("ingredient", CONTROLLED)
def test_a_controlled_drug_is_signed_in_the_ehrs_certified_function_only(tmp_path: Path, ingredient: str) -> None:
    """One of each schedule that was held before, and even prepared, is refused and the EHR's function named."""

    async def story(scene: World) -> None:
        draft = await held_of(scene, ingredient)
        answer = await scene.post(draft.id, "prepare")
        assert answered(answer) == (422, "U-ORDER-ROUTE")
        told = [one.id for one in KNOWLEDGE.routes[ingredient]]
        assert "GR07" in told
        given = await slipped_in(scene, draft)
        assert await signs(scene, draft, user_token(), given) == (422, "U-ORDER-ROUTE")
        if told == ["GR07"]:
            assert "EHR's own certified function" in answer.json()["issue"][0]["details"]["text"]

    play(tmp_path, story)


def test_a_controlled_product_under_another_drugs_name_is_not_signed(tmp_path: Path) -> None:
    """A draft that calls itself sertraline and orders a controlled drug's tablet is refused for what it orders."""
    assert PRODUCTS

    async def story(scene: World) -> None:
        draft = await held_of(scene, "sertraline", min(PRODUCTS))
        assert answered(await scene.post(draft.id, "prepare")) == (422, "U-ORDER-ROUTE")
        assert await signs(scene, draft, user_token(), await slipped_in(scene, draft)) == (422, "U-ORDER-ROUTE")

    play(tmp_path, story)


def test_a_drug_that_the_rules_no_longer_have_is_not_signed(tmp_path: Path) -> None:
    """A drug without a row has no rules: a draft of it, held before, is neither prepared nor signed."""

    async def story(scene: World) -> None:
        draft = await held_of(scene, "unheard-of")
        assert answered(await scene.post(draft.id, "prepare")) == (409, "U-DRAFT-RULES")
        assert await signs(scene, draft, user_token(), await slipped_in(scene, draft)) == (409, "U-DRAFT-RULES")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ([], {}),
        ([("shown", "valueCode", "basis"), ("shown", "valueCode", "chart"), ("dwell", "valueInteger", 41)],
         {"shown": ["basis", "chart"], "dwell_s": 41}),
        ([("dwell", "valueInteger", 0)], {"dwell_s": 0}),
        ([("dwell", "valueInteger", -1)], None),
        ([("dwell", "valueInteger", 10**6)], None),
        ([("shown", "valueCode", "Patient Jane Roe")], None),
        ([("shown", "valueCode", f"s-{n}") for n in range(51)], None),
    ],
)  # fmt: skip
def test_what_was_looked_at_is_in_the_record(
    tmp_path: Path, parameters: list[tuple[str, str, Any]], kept: dict[str, Any] | None
) -> None:
    """The audit entry of a signature has the sections and the seconds; what is no code is refused and signs nothing."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        given = [*await scene.prepared(draft.id), *({"name": n, e: v} for n, e, v in parameters)]
        found = await signs(scene, draft, user_token(), given)
        assert found == ((200, "") if kept is not None else (422, "U-SIGN-SEEN"))
        said = (await scene.store.history(draft.id))[-1].detail.get("given", {})
        assert {name: said[name] for name in ("shown", "dwell_s") if name in said} == (kept or {})

    play(tmp_path, story)
