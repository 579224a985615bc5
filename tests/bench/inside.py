"""What a call is made of, in this process: reading, adapting and assessing, beside two plain JSON readers."""

import gc
import json
from collections.abc import Callable, Mapping
from datetime import date

import msgspec

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.dialect import profile
from fhir_adapters.reading import reader, strict_json
from recommender.assess import assess
from recommender.catalog import knowledge
from recommender.ranker import model
from service.drafts.facts import facts_digest
from tests.bench.payload import PATIENT, Call
from tests.bench.rounds import Times, interleaved

JSON, MSGSPEC = "json.loads", "msgspec.json.decode"


def measure(call: Call, today: date, rounds: int) -> Times:
    """Return the milliseconds of each part; garbage is collected as it is in the service."""
    jobs = _jobs(call, today)
    gc.collect()
    gc.freeze()
    try:
        return interleaved(jobs, rounds)
    finally:
        gc.unfreeze()


def _jobs(call: Call, today: date) -> Mapping[str, Callable[[], object]]:
    dialect, rows, trained = profile.load("us-core-r4"), knowledge.load(), model.load()
    adapted = adapt_prefetch(call.values, PATIENT, today, dialect)
    assessment = assess(adapted, rows, trained, jurisdiction="US-MA")
    return {
        JSON: lambda: json.loads(call.body),
        MSGSPEC: lambda: msgspec.json.decode(call.body),
        "strict_json.check": lambda: strict_json.check(call.body),
        "reader.read_prefetch": lambda: reader.read_prefetch(call.values, PATIENT, checked=True),
        "adapt_prefetch": lambda: adapt_prefetch(call.values, PATIENT, today, dialect, checked=True),
        "assess": lambda: assess(adapted, rows, trained, jurisdiction="US-MA"),
        "facts_digest": lambda: facts_digest(adapted, assessment),
    }
