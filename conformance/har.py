"""The evidence of a run as HAR 1.2, and back: what was recorded can be judged again without a network.

http://www.softwareishard.com/blog/har-12-spec/ . Members that start with ``_`` are ours, as HAR allows.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from conformance import masking
from conformance.errors import CheckError
from conformance.exchanges import Asked, Exchange

NAME = "Undersign"


def as_har(exchanges: Sequence[Exchange], run: Mapping[str, Any], *, keep_people: bool = False) -> dict[str, Any]:
    """Return a HAR document; ``run`` says what was run on what, so that it can be run again."""
    people = frozenset[str]().union(*(masking.named(body) for one in exchanges for body in (one.body, one.asked.body)))
    shown = partial(masking.body, keep_people=keep_people, people=people)
    entries = [_entry(one, shown) for one in exchanges]
    return {"log": {"version": "1.2", "creator": {"name": NAME, "version": "1"}, "_run": dict(run), "entries": entries}}


def read(path: Path) -> tuple[tuple[Exchange, ...], Mapping[str, Any]]:
    """Return the exchanges of a recording of ours, and what was run; CheckError U-CHECK-RECORDING."""
    try:
        log = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])["log"]
        return tuple(_exchange(entry) for entry in log["entries"]), dict(log["_run"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise CheckError(
            "U-CHECK-RECORDING", "this is no recording of a run; take the .har that undersign check wrote"
        ) from error


def _entry(one: Exchange, shown: Callable[[bytes], str]) -> dict[str, Any]:
    asked = one.asked
    answer = shown(one.body)
    sent = shown(asked.body) if asked.body else ""
    kind = asked.headers.get("content-type", "")
    request: dict[str, Any] = {
        "method": asked.method,
        "url": asked.key[1],
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "queryString": [],
        "headers": _pairs(masking.headers(asked.headers)),
        "headersSize": -1,
        "bodySize": len(asked.body),
    }
    if sent:
        request["postData"] = {"mimeType": kind, "text": sent}
    content = {"size": len(one.body), "mimeType": one.header("content-type"), "text": answer}
    response: dict[str, Any] = {
        "status": one.status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "redirectURL": "",
        "headers": _pairs(masking.headers(one.headers)),
        "headersSize": -1,
        "bodySize": len(one.body),
        "content": content,
    }
    return {
        "startedDateTime": one.started,
        "time": one.took_ms,
        "request": request,
        "response": response,
        "cache": {},
        "timings": {"send": 0, "wait": one.took_ms, "receive": 0},
        "_number": one.number,
        "_error": one.error,
        "_digest": asked.key[2],
        **({"_seen": dict(one.seen)} if one.seen else {}),
    }


def _exchange(entry: Mapping[str, Any]) -> Exchange:
    request, response = entry["request"], entry["response"]
    asked = Recorded(
        request["method"],
        request["url"],
        _mapping(request["headers"]),
        request.get("postData", {}).get("text", "").encode(),
        entry["_digest"],
    )
    body = response["content"]["text"].encode()
    headers = _mapping(response["headers"])
    return Exchange(
        int(entry["_number"]), asked, entry["startedDateTime"], float(entry["time"]),
        int(response["status"]), headers, body, entry["_error"], entry.get("_seen", {}),
    )  # fmt: skip


def _pairs(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _mapping(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {pair["name"].lower(): pair["value"] for pair in pairs}


class Recorded(Asked):
    """A request of a recording: its body may be masked, so the digest is the one of what was sent."""

    __slots__ = ("_digest",)

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes, digest: str) -> None:
        super().__init__(method, url, headers, body)
        object.__setattr__(self, "_digest", digest)

    @property
    def key(self) -> tuple[str, str, str]:
        """As ``Asked.key``."""
        return self.method, self.url, self._digest
