"""Real public files of every FHIR version: which version they tell, and that their R4 shape is read."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

import msgspec
import pytest

from fhir_adapters.fhir_versions import versions
from fhir_adapters.fhir_versions.version_elements import Version
from fhir_adapters.reading import wire

CORPUS = Path(os.environ.get("UNDERSIGN_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus: set UNDERSIGN_CORPUS to its folder")
Json = dict[str, Any]

_DECODERS = {kind.__name__: msgspec.json.Decoder(kind) for kind in get_args(wire.AnyResource)}
_KINDS = {*_DECODERS, "MedicationOrder"}
# Folder → the version that its profile would name first.
OTHERS: dict[str, Version] = {
    "hl7-dstu2-examples": "DSTU2",
    "synthea-dstu2": "DSTU2",
    "hl7-stu3-examples": "STU3",
    "synthea-stu3": "STU3",
    "smart-stu3": "STU3",
    "smart-stu3-pro": "STU3",
    "version-pairs-stu3-r4/stu3": "STU3",
    "hl7-r5-examples/fhir-core-examples": "R5",
    "version-cases-google": "R4",
}
R4 = ("hl7-r4-examples", "us-core-examples", "synthea-r4", "au-core-examples", "isik-medikation", "nhs-eps")


class Found(NamedTuple):
    """One resource of a folder, and the version that it was read as (None: it mixes versions)."""

    resource: Json
    told: Version | None
    version: Version | None


def _resources(value: Any) -> Iterator[Json]:
    """Yield every resource of our types in a document, contained ones not by themselves."""
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _resources(one)
    elif isinstance(value, dict):
        held = cast("Json", value)
        if held.get("resourceType") in _KINDS:
            yield held
        for name, inner in held.items():
            if name != "contained":
                yield from _resources(inner)


@cache
def found(folder: str, preferred: Version) -> tuple[Found, ...]:
    """Return the resources of all JSON files of a folder, each with its version."""
    read: list[Found] = []
    for path in sorted((CORPUS / folder).rglob("*.json")):
        for resource in _resources(json.loads(path.read_bytes())):
            kind = resource["resourceType"]
            head = msgspec.json.decode(msgspec.json.encode(resource), type=dict[str, msgspec.Raw])
            told = versions.written_in(kind, head).version
            read.append(Found(resource, told, versions.version_of(kind, head, preferred)))
    return tuple(read)


def _refused(resource: Json) -> str:
    """Return why the R4 decoder does not read a resource; empty when it does, or when a modifier forbids it."""
    raw = msgspec.json.encode(resource)
    if resource["resourceType"] == "Procedure" and isinstance(resource.get("code", {}).get("coding"), dict):
        return ""  # the samples of smart-stu3-pro write one Coding where every version has a list
    try:
        _DECODERS[resource["resourceType"]].decode(raw)
    except msgspec.ValidationError as error:
        return "" if b'"modifierExtension"' in raw else f"{resource['resourceType']}/{resource.get('id')}: {error}"
    return ""


@pytest.mark.parametrize(("folder", "preferred"), OTHERS.items())
def test_every_resource_is_read_in_its_r4_shape(folder: str, preferred: Version) -> None:
    """After conversion each resource decodes as its R4 struct, and converting it once more changes nothing."""
    read = found(folder, preferred)
    assert read
    refused: list[str] = []
    for one in read:
        assert one.version is not None
        converted = versions.to_r4(one.resource, one.version)
        assert versions.to_r4(converted, one.version) == converted
        refused += [reason] if (reason := _refused(converted)) else []
    told = Counter(one.told or "ambiguous" for one in read)
    logging.getLogger(__name__).info("%s: %d resources, told %s, refused %s", folder, len(read), dict(told), refused)
    assert refused == []


@pytest.mark.parametrize("folder", R4)
def test_r4_is_told_no_other_version_and_every_conversion_leaves_it(folder: str) -> None:
    """No R4 resource tells another version, and none is changed when it is taken for one."""
    read = found(folder, "R4")
    assert {one.version for one in read} == {"R4"}
    assert {one.told for one in read} <= {None, "R4"}
    for version in ("DSTU2", "STU3", "R5"):
        assert all(versions.to_r4(one.resource, version) == one.resource for one in read)


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("hl7-dstu2-examples", {"DSTU2": 58, "ambiguous": 269}),
        ("hl7-stu3-examples", {"STU3": 119, "ambiguous": 52}),
        ("synthea-dstu2", {"DSTU2": 88, "ambiguous": 617}),
        ("synthea-stu3", {"STU3": 185, "ambiguous": 16}),
    ],
)
def test_no_resource_tells_a_wrong_version(folder: str, told: dict[str, int]) -> None:
    """What is told is told right, of this many resources; the rest (Patients, plain Observations) tells nothing."""
    assert Counter(one.told or "ambiguous" for one in found(folder, OTHERS[folder])) == told


def test_a_converted_statement_agrees_with_another_tool() -> None:
    """The published STU3 statement of a drug that was not taken is not-taken here as it is there."""
    folder = CORPUS / "version-pairs-stu3-r4"
    old, other = (json.loads((folder / side / "MedicationStatement.json").read_bytes()) for side in ("stu3", "r4"))
    assert old["status"] == "active"
    assert versions.to_r4(old, "STU3")["status"] == other["status"] == "not-taken"
