"""A decision worked out again from its record gives the same bytes, or says why it cannot be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from service import replay
from service.bootstrap import Services
from service.cli import main
from service.drafts.canonical_json import load_object
from service.drafts.records import Draft
from service.drafts.trail import inputs
from service.errors import Unprocessable
from service.settings import Audit
from tests.fixtures import card_samples, prefetch
from tests.integration.running import PATH, held, running, settings


def called(client: TestClient) -> tuple[Services, list[Draft]]:
    """Return the services and every draft that is held, by rank."""
    assert client.portal is not None
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    found = client.portal.call(services.store.find)
    return services, sorted(found, key=lambda one: (one.created, one.rank))


def detail(client: TestClient, services: Services, draft: Draft) -> Mapping[str, Any]:
    """Return what the first entry of a draft's chain says."""
    assert client.portal is not None
    return client.portal.call(services.store.history, draft.id)[0].detail


def view(client: TestClient) -> None:
    """Open the fixtures' chart."""
    assert client.post(PATH, json=prefetch.request()).status_code == 200
    assert held(client) > 0


def test_every_draft_of_the_card_samples_is_replayed_to_the_byte() -> None:
    """From what was kept, each draft and all that it says beside come out with the digests of the audit chain."""
    replayed: list[str] = []
    for sample, spoken, _, client in card_samples.cards():
        if spoken != "en":
            break
        if sample is not card_samples.SAMPLES[-1]:
            continue
        services, drafts = called(client)
        for draft in drafts:
            kept = inputs.unpacked(load_object(draft.context))
            model = services.model if kept.ranked else None
            found = replay.compared(draft, detail(client, services, draft), kept, services.knowledge, model)
            assert found == {"same": True, "context": True}, draft.ingredient
            replayed.append(draft.patient)
    assert len(replayed) > len(set(replayed)) > 3


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    """The inputs of a draft, read and packed again, are the same text."""
    with running(settings(tmp_path)) as client:
        view(client)
        for draft in called(client)[1]:
            text = load_object(draft.context)[inputs.NAME]
            assert inputs.packed(inputs.unpacked({inputs.NAME: text})) == text


def test_a_changed_fact_comes_out_as_another_draft(tmp_path: Path) -> None:
    """A replay compares with what was recorded, not with itself: other facts are not the same."""
    with running(settings(tmp_path)) as client:
        view(client)
        services, (draft, *_) = called(client)
        kept = inputs.unpacked(load_object(draft.context))
        other = msgspec.structs.replace(kept, stopped={draft.ingredient: "switched off"})
        found = replay.compared(draft, detail(client, services, draft), other, services.knowledge, services.model)
        assert found == {"same": False, "context": False}


@pytest.mark.parametrize("part", ["features", "knowledge", "model"])
def test_other_versions_are_named_and_not_replayed(tmp_path: Path, part: str) -> None:
    """U-REPLAY-VERSION names the version that it was made with and the one at hand."""
    with running(settings(tmp_path)) as client:
        view(client)
        services, (draft, *_) = called(client)
        made = {**load_object(draft.context)["versions"]}
        replay.check_versions(made, services.knowledge, services.model)
        with pytest.raises(Unprocessable) as caught:
            replay.check_versions({**made, part: "1999"}, services.knowledge, services.model)
        assert caught.value.code == "U-REPLAY-VERSION"
        assert f"{part} 1999 (here {made[part]})" in str(caught.value)


def test_nothing_is_kept_where_the_site_does_not_want_it(tmp_path: Path) -> None:
    """With keep_inputs off a draft has no inputs, and a replay says so."""
    with running(settings(tmp_path, audit=Audit(keep_inputs=False))) as client:
        view(client)
        for draft in called(client)[1]:
            with pytest.raises(Unprocessable) as caught:
                inputs.unpacked(load_object(draft.context))
            assert caught.value.code == "U-REPLAY-INPUTS"


@pytest.mark.parametrize("text", ["", "not base64!", "aGVsbG8=", "eJwDAAAAAAE="])
def test_what_cannot_be_read_is_said_so(text: str) -> None:
    """Inputs of another form are U-REPLAY-RECORD, never a crash."""
    with pytest.raises(Unprocessable) as caught:
        inputs.unpacked({inputs.NAME: text})
    assert caught.value.code == "U-REPLAY-RECORD"


def test_the_command_says_that_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """``undersign audit replay`` works a held draft out again from the store alone, with status 0."""
    with running(settings(tmp_path)) as client:
        view(client)
        draft = called(client)[1][0].id
    (tmp_path / "undersign.toml").write_text(
        '[server]\ndevelopment = true\n[store]\nurl = "sqlite:///undersign.db"\n[sign]\nkey_file = "key.json"\n'
        '[[ehr]]\nid = "north"\nname = "North"\nfhir_base = "http://127.0.0.1:8050/fhir"\n'
        "[ehr.cds_client]\nrequired = false\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["undersign", "audit", "replay", draft])
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    told = msgspec.json.decode(capfd.readouterr().out)
    assert (ended.value.code, told["same"], told["context"]) == (0, True, True)
