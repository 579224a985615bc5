"""Names, numbers and tokens that are planted wherever an EHR may write them are in no file of a run."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import msgspec
import pytest

from conformance import har, kinds, runner, running
from conformance.exchanges import Asked, Exchange, Replayed, Sender
from conformance.report import as_json
from conformance.running import Order
from tests.integration import test_check_bulk as bulk
from tests.integration.checked_ehr import NOW, WRITE, InMemory, judged

# Somebody whom no search of ours gives, the patients of the charts, and what lets in.
WHO = ("Quillfeather", "Zebediah", "77310042", "quill@mail.example", "1931-02-03", "+1 555 0142")
SECRETS = ("c00kie-secret", "s1gn3d-secret", "sas-secret")
SAID = "Patient QUILLFEATHER Zebediah Quillfeather (MRN 77310042, born 1931-02-03, quill@mail.example) is not yours"


class Talkative:
    """An EHR that names people in headers, errors, addresses and texts."""

    def __init__(self, inner: Sender) -> None:
        self._inner = inner

    async def send(self, asked: Asked, number: int) -> Exchange:
        """Send one request, and plant what must not be kept."""
        found = await self._inner.send(asked, number)
        headers = {**found.headers, "x-patient-name": "Zebediah Quillfeather", "set-cookie": "sid=c00kie-secret",
                   "x-mrn": "77310042"}  # fmt: skip
        return replace(found, headers=headers, body=self._spoken(found))

    def _spoken(self, found: Exchange) -> bytes:
        body = found.object()
        if body.get("resourceType") == "OperationOutcome":
            issues = [{**one, "diagnostics": SAID, "details": {"text": SAID}} for one in body["issue"]]
            return msgspec.json.encode({**body, "issue": issues})
        if body.get("resourceType") == "Bundle" and body.get("entry"):
            link = {"relation": "related", "url": "https://files.example/x?sig=s1gn3d-secret&sas_token=sas-secret"}
            return msgspec.json.encode(
                {**body, "link": [*body.get("link", []), link], "entry": list(map(_told, body["entry"]))}
            )
        return found.body

    async def close(self) -> None:
        """Close the EHR."""
        await self._inner.close()


def _told(entry: dict[str, object]) -> dict[str, object]:
    """Return an entry whose resource refers to somebody in every way that R4 has."""
    resource = entry.get("resource")
    if not isinstance(resource, dict) or resource.get("resourceType") not in ("Observation", "Condition"):
        return entry
    who = {"display": "Zebediah Quillfeather", "identifier": {"system": "urn:mrn", "value": "77310042"}}
    note = [{"text": SAID, "authorString": "Zebediah Quillfeather"}]
    kept = {name: value for name, value in resource.items() if name not in ("performer", "asserter", "note")}
    role = "performer" if resource["resourceType"] == "Observation" else "asserter"
    return {**entry, "resource": {**kept, role: [who] if role == "performer" else who, "note": note}}


def written(folder: Path, run: runner.Run, exchanges: list[Exchange], kind: str) -> dict[str, str]:
    """Write every file of a run; return their texts by name."""
    order = Order(kinds.KINDS[kind](), "http://127.0.0.1", 1, NOW, "s", "undersign check", out=folder)
    folder.mkdir()
    running.write(order, run, exchanges)
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def leaks(files: dict[str, str], words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return which word is in which file, as it is written or in capitals."""
    return [(name, word) for name, text in files.items() for word in words if word in text or word.upper() in text]


@pytest.mark.parametrize("faults", [(), ("forbidden=Condition",), ("read-only",), ("failing=Observation",)])
def test_what_an_ehr_says_of_people_is_in_no_file(faults: tuple[str, ...], tmp_path: Path) -> None:
    """Neither report, nor evidence, nor badge of a run on a talkative EHR names anybody or lets anybody in."""
    run, probe = judged(Talkative(InMemory("base-r4", *faults)), write=WRITE)
    files = written(tmp_path / "out", run, probe.session.exchanges, "ehr")
    assert len(files) == 7
    assert leaks(files, (*WHO, *SECRETS, "eyJ", "Papadakis", "Okafor")) == []


def test_what_a_talkative_ehr_said_is_judged_the_same_again(tmp_path: Path) -> None:
    """Masking takes nothing away that a verdict or its words stand on."""
    run, probe = judged(Talkative(InMemory("base-r4", "forbidden=Condition")), write=WRITE)
    file = tmp_path / "run.har"
    file.write_bytes(json.dumps(har.as_har(probe.session.exchanges, run.about)).encode())
    again, _ = judged(Replayed(har.read(file)[0]), write=WRITE)
    assert as_json.document(again) == as_json.document(run)


def test_the_files_of_an_export_name_nobody(tmp_path: Path) -> None:
    """NDJSON is masked line by line, and the address of a signed file keeps its signature to itself."""
    ticks = count()
    sender = bulk.InMemory("base-r4", clock=lambda: bulk.NOW + timedelta(milliseconds=next(ticks)))
    run, probe = bulk.judged(Talkative(sender))
    files = written(tmp_path / "out", run, probe.session.exchanges, "bulk")
    assert '"valueQuantity' in files["bulk.har"].replace("\\", "")
    assert leaks(files, (*WHO, *SECRETS, "eyJ", "Papadakis", "Okafor")) == []
