"""``undersign drafts verify``, ``audit verify`` and the signing keys of their configuration."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from service.cli import main
from service.drafts.records import Draft
from service.drafts.signature import rejections
from service.drafts.signature.signing import Signer
from service.drafts.sqlite.store import SqliteStore
from tests.contract.samples import START, hold_one, practitioner, prepared_bytes, signature_of

CONFIG = """
[server]
development = true
[store]
url = "sqlite:///store.db"
[sign]
key_file = "key.json"
"""
ASSERTION = {"method": "smart-bearer"}
Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run ``undersign`` in a folder with a configuration."""
    (tmp_path / "undersign.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["undersign", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def decided(folder: Path, decision: str) -> Draft:
    """Hold a draft and sign it (with a JWS that is none: ``broken``) or reject it; return it."""

    async def story() -> Draft:
        signer, store = Signer.load_or_create(folder / "key.json"), SqliteStore(folder / "store.db")
        await store.open()
        try:
            draft = await hold_one(store)
            if decision == "reject":
                detail = rejections.signed("reject", draft, practitioner(), {}, ASSERTION, signer, await store.now())
                await store.reject(draft.id, 1, practitioner().reference, detail)
                return draft
            shown = prepared_bytes(draft)
            await store.prepare(draft.id, 1, shown, None)
            jws = signer.sign_detached(shown.order) if decision == "sign" else "header..value"
            await store.sign(signature_of(shown, jws), write_back=True, detail={})
            return draft
        finally:
            await store.close()

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("decision", "status", "line"),
    [
        ("sign", 0, "passed   signature"),
        ("broken", 1, "failed   format           U-SIG-FORMAT: "),
        ("reject", 0, "signed rejection"),
    ],
)
def test_a_draft_is_verified_by_name(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], decision: str, status: int, line: str
) -> None:
    """The command prints each check, and ends with 1 exactly where one failed; what is not asked is unknown."""
    draft = decided(tmp_path, decision)
    assert command("drafts", "verify", draft.id, "--offline") == status
    told = capsys.readouterr().out
    assert line in told
    assert "unknown  signer-active    the EHR was not asked" in told
    assert command("drafts", "verify", draft.id, "--offline", "--json") == status
    answer = json.loads(capsys.readouterr().out)
    checks = {one["check"]: one["outcome"] for one in answer["findings"]}
    assert all(one["payload"] and one["jws"] for one in answer["signed"])
    assert [one["what"] for one in answer["signed"]] == ["rejection" if decision == "reject" else "signature"]
    assert ("failed" in checks.values()) is bool(status)


def test_an_ehr_that_does_not_answer_leaves_its_part_unknown(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked and out of reach is unknown, with the code of why, and no failure of the draft."""
    tenant = (
        '[[ehr]]\nid = "north"\nname = "N"\nfhir_base = "http://127.0.0.1:9/fhir"\n[ehr.cds_client]\nrequired = false\n'
    )
    (tmp_path / "undersign.toml").write_text(CONFIG + tenant)
    draft = decided(tmp_path, "sign")
    assert command("drafts", "verify", draft.id) == 0
    told = capsys.readouterr().out
    assert "unknown  signer-active    U-EHR-UNREACHABLE" in told
    assert "0 failed" in told


def test_an_unknown_draft_ends_with_its_code(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A draft that is not there is one line on standard error and status 2."""
    decided(tmp_path, "sign")
    assert command("drafts", "verify", "none") == 2
    assert capsys.readouterr().err.startswith("U-DRAFT-UNKNOWN: ")


def changed_key(folder: Path) -> Signer:
    """Move the signing key away and make another; return the first one."""
    first = Signer.load(folder / "key.json")
    (folder / "key.json").rename(folder / "old-key.json")
    Signer.load_or_create(folder / "key.json")
    return first


@pytest.mark.parametrize(
    ("past", "revoked", "found"),
    [(False, None, "U-SIG-KEY"), (True, None, ""), (True, -1, "U-SIG-REVOKED"), (True, 1, "")],
)
def test_what_an_earlier_key_signed_still_verifies(
    command: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    past: bool,
    revoked: int | None,
    found: str,
) -> None:
    """With its public part in sign.past_keys_file a signature verifies, unless the key was revoked by then."""
    decided(tmp_path, "sign")
    first = changed_key(tmp_path)
    (tmp_path / "past.json").write_text(json.dumps(first.public_jwks()))
    named = 'past_keys_file = "past.json"\n' if past else ""
    if revoked is not None:
        since = (START + timedelta(days=revoked)).isoformat()
        named += f'[[sign.revoked_keys]]\nkid = "{first.kid}"\nsince = {since}\n'
    (tmp_path / "undersign.toml").write_text(CONFIG + named)
    status = command("audit", "verify")
    told = capsys.readouterr().out
    assert (found in told) if found else "whole: " in told
    assert status == (1 if found else 0)


def test_a_private_key_among_the_past_ones_does_not_come_out(tmp_path: Path) -> None:
    """Of a file of past keys only the public members are taken."""
    from service.drafts.signature import keys
    from service.settings import Sign

    old, new = Signer.load_or_create(tmp_path / "old.json"), Signer.load_or_create(tmp_path / "new.json")
    private = json.loads((tmp_path / "old.json").read_text())
    assert "d" in private
    (tmp_path / "past.json").write_text(json.dumps({"keys": [private]}))
    found = keys.known(Sign(past_keys_file=tmp_path / "past.json"), new)["keys"]
    assert [key["kid"] for key in found] == [new.kid, old.kid]
    assert all("d" not in key for key in found)


@pytest.mark.parametrize("text", ["{", "{}", '{"keys": [{"kty": "EC"}]}', '{"keys": {}}'])
def test_past_keys_that_cannot_be_read_are_refused(command: Command, tmp_path: Path, text: str) -> None:
    """A file that is no key set ends the command with 2, not with a verification that knows fewer keys."""
    decided(tmp_path, "sign")
    (tmp_path / "past.json").write_text(text)
    (tmp_path / "undersign.toml").write_text(CONFIG + 'past_keys_file = "past.json"\n')
    assert command("audit", "verify") == 2


def test_a_service_does_not_start_with_a_revoked_key(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``serve`` with its own key among the revoked ones ends with U-KEY-REVOKED before anything listens."""
    signer = Signer.load_or_create(tmp_path / "key.json")
    revoked = f'[[sign.revoked_keys]]\nkid = "{signer.kid}"\nsince = 2026-11-01T00:00:00Z\n'
    (tmp_path / "undersign.toml").write_text(CONFIG + revoked)
    assert command("serve", "--port", "1") == 2
    assert "U-KEY-REVOKED: " in capsys.readouterr().err
