"""Times of a run's requests by kind: how many, p50, p95, p99 and the slowest, in milliseconds."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from conformance.exchanges import Exchange


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile, 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0.0


def table(exchanges: Iterable[Exchange]) -> list[dict[str, Any]]:
    """Return one row a kind of request, the slowest p95 first; requests without an answer do not count."""
    kinds: dict[str, list[float]] = {}
    for one in exchanges:
        if not one.error:
            kinds.setdefault(kind_of(one), []).append(one.took_ms)
    rows = [
        {"kind": kind, "count": len(times), "p50": percentile(times, 50), "p95": percentile(times, 95),
         "p99": percentile(times, 99), "slowest": max(times)}
        for kind, times in kinds.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row["p95"], row["kind"]))


def kind_of(one: Exchange) -> str:
    """Return what a request was for, in words that are no address: ``search Observation``, ``read Patient``, …"""
    path, query = urlsplit(one.asked.url).path, urlsplit(one.asked.url).query
    last = path.rstrip("/").rpartition("/")[2]
    if last in ("metadata", "smart-configuration"):
        return last
    typed = re.search(r"/([A-Z][A-Za-z]+)(/[^/]+)?$", path)
    if typed is None:
        posted = "token" if "token" in last else "transaction"
        return posted if one.asked.method == "POST" else "other"
    kind, below = typed[1], typed[2] or ""
    if one.asked.method in ("PUT", "DELETE"):
        return f"{'update' if one.asked.method == 'PUT' else 'delete'} {kind}"
    if one.asked.method == "POST":
        return f"search {kind}" if below == "/_search" else f"create {kind}"
    return f"search {kind}" if query or not below else f"read {kind}"
