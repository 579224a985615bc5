"""What was decided is checked by whoever has the trail and the published keys, with nothing of ours."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.cli import main
from service.drafts.signature.signing import Signer
from tests.integration import fake_ehr
from tests.integration.fake_ehr import World, world

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
CONFIG = """
[server]
development = true
[store]
url = "sqlite:///drafts.db"
[sign]
key_file = "key.json"
[[ehr]]
id = "north"
name = "North"
fhir_base = "https://ehr.north.example/fhir"
[ehr.cds_client]
required = false
"""
Command = Callable[..., str]


async def _filled(folder: Path) -> str:
    """Sign one draft and reject another, with words that are no ASCII; return the signed one's id."""

    async def story(scene: World) -> str:
        signed = await scene.signed()
        other = await scene.hold()
        said = [{"name": "reason", "valueCode": "preference"}, {"name": "comment", "valueString": "möchte nicht – 🙂"}]
        assert (await scene.post(other.id, "reject", *said)).status_code == 200
        return signed.id

    async with world(folder) as scene:
        return await story(scene)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run ``undersign`` beside a configuration and return what it printed."""
    (tmp_path / "undersign.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNDERSIGN_CONFIG", raising=False)

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["undersign", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capfd.readouterr().out

    return run


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program of the page on what is in a folder."""
    text = PAGE.read_text("utf-8").partition("#### Checked by others")[2]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    (folder / "check.py").write_text(found[1], encoding="utf-8")
    asked = [sys.executable, "check.py", "jwks.json", "trail.jsonl", "signed.json"]
    return subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)


def test_the_program_of_the_page_finds_what_is_wrong(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes what was exported, and neither a changed trail, nor another order, nor another key."""
    signer = Signer.load_or_create(tmp_path / "key.json")
    monkeypatch.setattr(fake_ehr, "SIGNER", signer)
    draft = asyncio.run(_filled(tmp_path))
    command("audit", "checkpoint")
    (tmp_path / "trail.jsonl").write_text(command("audit", "export", "--format", "jsonl"), encoding="utf-8")
    (tmp_path / "signed.json").write_text(command("drafts", "verify", draft, "--offline", "--json"))
    (tmp_path / "jwks.json").write_text(json.dumps(signer.public_jwks()))
    whole = checked(tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert "chains whole, 1 drafts as they were signed" in whole.stdout

    for name, was, now in (
        ("trail.jsonl", '"reason":"preference"', '"reason":"refusal"'),
        ("trail.jsonl", '"act":"reject"', '"act":"revoke"'),
        ("signed.json", '"payload": "ey', '"payload": "eW'),
        ("jwks.json", '"x": "', '"x": "A'),
    ):
        text = (tmp_path / name).read_text("utf-8")
        assert was in text
        (tmp_path / name).write_text(text.replace(was, now), encoding="utf-8")
        assert checked(tmp_path).returncode != 0, was
        (tmp_path / name).write_text(text, encoding="utf-8")
