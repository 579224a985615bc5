"""The form of a run's JSON report, as structs: its JSON Schema is made from them, and reports are held to them.

https://json-schema.org/draft/2020-12 . A name is never given another meaning; what is new comes beside it, and
``FORMAT`` counts up when something is taken away.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from conformance.checks import Acts, Consequence, Verdict
from conformance.report.as_json import FORMAT
from conformance.runner import Status

ID = "https://undersign.dev/schema/report-1.json"


class Strict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Part of a report: what it does not name is not in it."""


class Requirement(Strict, frozen=True):
    """What is required: an id, one sentence, and where it is written."""

    id: str
    text: str
    url: str


class Told(Strict, frozen=True):
    """One thing that a check says.

    ``acts``: where another has to act than the check's own; ``exchanges``: numbers of requests in the evidence
    (``_number`` in the HAR).
    """

    verdict: Verdict
    message: str
    expected: str = ""
    got: str = ""
    path: str = ""
    fix: str = ""
    acts: Acts | None = None
    exchanges: list[int] = []


class Check(Strict, frozen=True):
    """One check and what it says; ``acts``: who has to act, by the gravest thing said; ``again`` repeats it alone."""

    id: str
    title: str
    group: str
    requirement: Requirement
    consequence: Consequence
    required: bool
    verdict: Verdict
    acts: Acts
    told: list[Told]
    waived: str = ""
    again: str = ""


class About(Struct, frozen=True, omit_defaults=True):
    """What was run on what, when, and the command that repeats it; further members may be added."""

    suite: str
    target: str
    started: str = ""
    seed: str = ""
    only: list[str] = []
    write: bool = False
    command: str = ""
    options: dict[str, Any] = {}


class Ehr(Strict, frozen=True):
    """What an EHR says it is."""

    software: str = ""
    release: str = ""
    fhir_version: str = ""
    profile: str = ""
    issuer: str = ""


class Feature(Strict, frozen=True):
    """One feature: what became of it → in how many patients, what follows where it lacks, and what to do."""

    name: str
    group: str
    meaning: str
    outcomes: dict[str, int]
    reasons: dict[str, int]
    read: bool
    effect: str
    fix: list[str]


class Line(Strict, frozen=True):
    """A line to check and paste under ``table``; ``fed``: patients in whom a feature is then fed."""

    table: str
    line: str
    problem: str
    patients: int
    read: int
    fed: int
    features: list[str]
    at: str = ""
    exchanges: list[int] = []


class Undecided(Strict, frozen=True):
    """What may mean several things, or none that is known: a person finds out."""

    table: str
    written: str
    means: str
    choices: list[str]


class Coverage(Strict, frozen=True):
    """What the charts feed: counts, codes and names of codes, never a patient's value."""

    patients: int
    profile: str
    as_of: str
    features: list[Feature]
    lists: dict[str, dict[str, int]]
    entries: dict[str, dict[str, int]]
    lines: list[Line]
    undecided: list[Undecided]
    unseen: int


class Latency(Strict, frozen=True):
    """Times of one kind of request in milliseconds."""

    kind: str
    count: int
    p50: float
    p95: float
    p99: float
    slowest: float


class Sample(Strict, frozen=True):
    """One sample of an adapter's run: ``whole``, with ``holes`` in a list, or ``unreadable``."""

    name: str
    verdict: Literal["whole", "holes", "unreadable"]
    error: str = ""
    fhir_version: str = ""
    fed: int = 0
    left_out: int = 0
    partial: list[str] = []


class LeftOut(Strict, frozen=True):
    """What was seen in samples and not used: where, why, and what it would have told."""

    path: str
    reason: str
    tells: str
    count: int


class Heard(Strict, frozen=True):
    """What came of an EHR as a CDS client: hook → calls, patients, requests of feedback, seconds between two calls."""

    calls: dict[str, int]
    patients: int
    feedback: int
    shortest_gap_s: float | None = None


class Prefetch(Strict, frozen=True):
    """One prefetch key over all calls: what came → how often, and in how many it was what the same query returns."""

    key: str
    holds: str
    required: bool
    states: dict[Literal["sent", "empty", "null", "omitted", "error", "odd"], int]
    compared: int
    same: int


class Facts(Struct, frozen=True, omit_defaults=True):
    """What a report says beside the verdicts; each suite has its own, and further members may be added."""

    ehr: Ehr | None = None
    coverage: Coverage | None = None
    write_back: dict[str, Any] | None = None
    latency: list[Latency] = []
    samples: list[Sample] = []
    left_out: list[LeftOut] = []
    export: dict[str, Any] | None = None
    heard: Heard | None = None
    prefetch: list[Prefetch] = []


class Report(Strict, frozen=True):
    """A run of ``undersign check``."""

    format: Literal[1]
    suite: str
    title: str
    status: Status
    about: About
    counts: dict[Verdict, int]
    checks: list[Check]
    notes: list[str] = []
    facts: Facts | None = None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    found = msgspec.json.schema(Report)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": f"Undersign conformance report, format {FORMAT}",
        **found,
    }


def text() -> bytes:
    """Return the schema as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="deterministic"), indent=1) + b"\n"


def read(raw: bytes) -> Report:
    """Return a report; msgspec.ValidationError, with the path, for what is none."""
    return msgspec.json.decode(raw, type=Report)
