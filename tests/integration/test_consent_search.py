"""An EHR that does not let Consents be searched: what a hook call, the page and a signature make of each answer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_adapters.dialect import profile
from fhir_adapters.dialect.profile_file import Search
from service.drafts.decision import consenting
from service.drafts.decision.consenting import Word
from tests.contract import samples
from tests.integration import fake_ehr, page_world
from tests.integration.fake_ehr import World
from tests.integration.page_world import ISS, JONAS

PATIENT = "Patient/example"
SIGNED = (200, "")
CLOSED = (502, "U-EHR-CONSENT")
BUSY, DOWN = (502, "U-EHR-BUSY"), (502, "U-EHR-UNREACHABLE")
WITHHELD = (409, "U-CONSENT-WITHHELD")
Handler = Callable[[httpx.Request], Any]
# Status of the search, whether the EHR declares Consent → what a signature comes to where opting out, and in.
ANSWERS: list[tuple[int, bool, tuple[int, str], tuple[int, str]]] = [
    *((status, True, CLOSED, CLOSED) for status in (400, 401, 403, 404, 405, 409, 410, 412, 422, 501)),
    *((status, False, SIGNED, WITHHELD) for status in (400, 404, 405, 410, 501)),
    *((status, False, CLOSED, CLOSED) for status in (401, 403, 409, 412, 422)),
    *((status, declared, BUSY, BUSY) for status in (408, 429) for declared in (True, False)),
    *((status, True, DOWN, DOWN) for status in (500, 503)),
]  # fmt: skip


def answered(answer: httpx.Response) -> tuple[int, str]:
    """Return status and stable code, empty for a success."""
    if answer.status_code == 200:
        return 200, ""
    return answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]


def consents_answer(scene: World, status: int, *, declared: bool) -> None:
    """Let the EHR answer the search of Consents with a status, and declare the type or not."""
    real = scene.ehr._write_or_read

    async def answer(request: httpx.Request, path: str) -> httpx.Response:
        return httpx.Response(status) if path == "Consent" else await real(request, path)

    scene.ehr._write_or_read = answer  # type: ignore[method-assign]
    if declared:
        scene.ehr.declared_too = ("Consent",)


@pytest.mark.parametrize(("status", "declared", "opt_out", "opt_in"), ANSWERS)
@pytest.mark.parametrize("default", ["opt-out", "opt-in"])
def test_each_answer_to_the_search_of_consents_at_a_signature(
    tmp_path: Path, status: int, declared: bool, opt_out: tuple[int, str], opt_in: tuple[int, str], default: str
) -> None:
    """Only an EHR that neither serves nor declares Consents is signed for, never where a permission is asked for."""

    async def story() -> None:
        async with fake_ehr.world(tmp_path, consent_default=default) as scene:
            draft = await scene.hold()
            parameters = await scene.prepared(draft.id)
            consents_answer(scene, status, declared=declared)
            answer = await scene.post(draft.id, "sign", *parameters)
            assert answered(answer) == (opt_out if default == "opt-out" else opt_in)
            signed = await scene.store.signature(draft.id) is not None
            assert signed is (answer.status_code == 200)
            if answered(answer) == CLOSED:
                said = answer.json()["issue"][0]
                assert said["code"] == "forbidden"
                for told in (str(status), "user/Consent.rs", "client undersign", "search.Consent.supported"):
                    assert told in said["details"]["text"]
                assert (await scene.store.read(draft.id)).state == "held"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("default", "recorded", "found"),
    [
        ("opt-out", None, SIGNED),
        ("opt-in", None, WITHHELD),
        ("opt-in", "permit", SIGNED),
        ("opt-out", "permit", SIGNED),
    ],
)
def test_a_site_whose_ehr_keeps_no_consents_says_so_in_its_profile(
    tmp_path: Path, default: str, recorded: Any, found: tuple[int, str]
) -> None:
    """With ``search.Consent.supported = false`` nothing is asked; a word recorded here is then the only permission."""

    async def story() -> None:
        async with fake_ehr.world(tmp_path, consent_default=default) as scene:
            known = profile.load("base-r4")
            without = replace(known, search={**known.search, "Consent": Search(supported=False)})
            scene.services.profiles["north"] = without  # type: ignore[index]
            if recorded:
                await consenting.record(scene.services, PATIENT, samples.practitioner(), Word(recorded, "patient"))
            draft = await scene.hold()
            answer = await scene.post(draft.id, "sign", *await scene.prepared(draft.id))
            assert answered(answer) == found
            assert not [one for one in scene.ehr.requests if one.url.path.endswith("/Consent")]

    asyncio.run(story())


class _Refusing(httpx.AsyncBaseTransport):
    """Answers the search of Consents with a status, and everything else as before."""

    def __init__(self, inner: httpx.AsyncClient, status: int) -> None:
        self._inner = inner
        self._status = status

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == f"{httpx.URL(ISS).path}/Consent":
            return httpx.Response(self._status)
        return await self._inner._transport.handle_async_request(request)


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_the_page_says_what_is_missing_and_whose_it_is_to_grant(tmp_path: Path, status: int) -> None:
    """On the page a signature that may not read the Consents ends in words with the code, and the draft stays."""
    with page_world.world(tmp_path) as scene:
        draft = scene.hold(JONAS)[0]
        scene.sign_in(draft.id)
        path = f"/review/{draft.id}"
        prepared = scene.post(f"{path}/prepare", csrf := scene.csrf(path))
        digest = prepared.headers["location"].partition("digest=")[2]
        transport = scene.services.clients["reference"]._transport
        transport._http = httpx.AsyncClient(transport=_Refusing(transport._http, status))
        answer = scene.post(f"{path}/sign", csrf, digest=digest)
        assert answer.status_code == 502
        for told in ("U-EHR-CONSENT", "user/Consent.rs", "search.Consent.supported", "nothing is signed"):
            assert told in answer.text
        assert scene.call(scene.services.store.signature, draft.id) is None
        assert scene.state(draft.id) == "presented"
