"""The service and its commands on a Redis store, as on a file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli import main
from service.settings import StoreSettings
from tests.contract.redis_process import RedisProcess
from tests.fixtures import prefetch
from tests.integration.running import PATH, held, running, settings


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    """An empty server."""
    with RedisProcess(tmp_path / "redis") as running_server:
        yield running_server


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``undersign`` and return its exit status."""
    monkeypatch.setattr("sys.argv", ["undersign", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_hook_call_holds_on_redis_and_the_commands_see_it(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The card's drafts are in Redis when it arrives; list, show, expire and verify answer from there."""
    found = settings(tmp_path)
    store = StoreSettings(url=server.url, receipts=tmp_path / "receipts.db")
    with running(found.model_copy(update={"store": store})) as client:
        answer = client.post(PATH, json=prefetch.request())
        assert answer.status_code == 200
        (card,) = answer.json()["cards"]
        ids = [one["uuid"] for one in card["suggestions"] if one.get("actions")]
        assert ids
        assert held(client) == len(ids)
        assert client.get("/readyz").status_code == 200
    config = tmp_path / "undersign.toml"
    config.write_text(
        f'[server]\ndevelopment = true\n[store]\nurl = "{server.url}"\n[sign]\nkey_file = "key.json"\n', "utf-8"
    )
    assert command(monkeypatch, "drafts", "list", "--json", "--config", str(config)) == 0
    assert {row["id"] for row in json.loads(capsys.readouterr().out)} == set(ids)
    assert command(monkeypatch, "drafts", "show", ids[0], "--json", "--config", str(config)) == 0
    assert json.loads(capsys.readouterr().out)["history"][0]["event"] == "held"
    assert command(monkeypatch, "audit", "verify", "--config", str(config)) == 0
    assert re.match(rf"whole: \d+ entries of {len(ids)} drafts", capsys.readouterr().out)
    server.ask("CONFIG", "SET", "appendfsync", "everysec")
    assert command(monkeypatch, "drafts", "expire", "--config", str(config)) == 2
    assert capsys.readouterr().err.startswith("U-STORE-AOF: ")


def test_a_call_while_redis_is_away_is_503_and_holds_nothing(server: RedisProcess, tmp_path: Path) -> None:
    """No card with drafts is shown that are not held; the answer has the store's code, and the next call works."""
    found = settings(tmp_path)
    store = StoreSettings(url=server.url, receipts=tmp_path / "receipts.db")
    with running(found.model_copy(update={"store": store})) as client:
        server.kill()
        answer = client.post(PATH, json=prefetch.request())
        assert answer.status_code == 503
        assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "U-STORE-UNREACHABLE"
        server.start()
        assert client.post(PATH, json=prefetch.request()).status_code == 200
