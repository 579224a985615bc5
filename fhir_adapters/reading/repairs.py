"""Named repairs that make a resource fit its R4 shape without changing what it says.

``wrap-list`` one value where a list is expected, ``unwrap-list`` a list of one where one is expected,
``drop-null`` a null element, ``number-from-string`` a plain decimal literal in quotes,
``integer-from-decimal`` 12.0 for 12. Anything else stays as it is and does not fit. ``trim``, ``drop-name``,
``drop-identifier`` and ``id-from-full-url`` are made where a resource is read (``resources``, ``coding``),
``date-from-issued`` where an Observation without a time of its own is (``elements``).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import msgspec
from msgspec import inspect

from fhir_adapters.reading.datatypes import Foreign

ALL = frozenset(
    {"date-from-issued", "drop-identifier", "drop-name", "drop-null", "id-from-full-url", "integer-from-decimal"}
    | {"number-from-string", "trim", "unwrap-list", "wrap-list"}
)
_FOREIGN = inspect.type_info(Foreign)
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)


@dataclass(slots=True)
class _Mending:
    """What may be repaired and what was."""

    allowed: frozenset[str]
    made: set[str] = field(default_factory=set[str])

    def may(self, repair: str) -> bool:
        """True, and noted, when the repair is allowed."""
        if repair in self.allowed:
            self.made.add(repair)
            return True
        return False


def mend(value: object, shape: type[msgspec.Struct], allowed: frozenset[str]) -> tuple[object, frozenset[str]]:
    """Return the elements of ``shape`` in the decoded JSON ``value``, bent to it, and the repairs made."""
    mending = _Mending(allowed)
    return _mend(value, shape_of(shape), mending), frozenset(mending.made)


@cache
def shape_of(shape: type[msgspec.Struct]) -> inspect.Type:
    """Return what msgspec knows of a struct."""
    return inspect.type_info(shape)


def _mend(value: Any, shape: inspect.Type, mending: _Mending) -> object:
    if isinstance(shape, inspect.UnionType):
        shape = next(one for one in shape.types if not isinstance(one, inspect.NoneType))
    for kind, rule in _RULES.items():
        if isinstance(shape, kind):
            return rule(value, shape, mending)
    return value


def _one(value: Any, mending: _Mending) -> Any:
    if isinstance(value, list) and len(cast("list[Any]", value)) == 1 and mending.may("unwrap-list"):
        return cast("list[Any]", value)[0]
    return cast("Any", value)


def _struct(value: Any, shape: Any, mending: _Mending) -> object:
    value = _one(value, mending)
    if not isinstance(value, dict):
        return value
    elements = cast("dict[str, object]", value)
    tag = {"resourceType": elements.get("resourceType")} if shape.tag_field else {}
    mended: dict[str, object] = {}
    for element in shape.fields:
        name = element.encode_name
        if element.type == _FOREIGN:  # not telling here: what R4 does not have is left out
            continue
        if name in elements and not (elements[name] is None and mending.may("drop-null")):
            mended[name] = _mend(elements[name], element.type, mending)
    return tag | mended


def _list(value: Any, shape: Any, mending: _Mending) -> object:
    if not isinstance(value, list):
        if not mending.may("wrap-list"):
            return value
        value = [value]
    entries = cast("list[object]", value)
    if isinstance(shape.item_type, inspect.StrType) and None in entries and mending.may("drop-null"):
        # http://hl7.org/fhir/R4/json.html#primitive: null keeps the place of an element with extensions only.
        entries = [entry for entry in entries if entry is not None]
    return [_mend(entry, shape.item_type, mending) for entry in entries]


def _number(value: Any, shape: Any, mending: _Mending) -> object:
    value = _one(value, mending)
    whole = isinstance(shape, inspect.IntType) and isinstance(value, float) and value.is_integer()
    if whole and mending.may("integer-from-decimal"):
        return int(value)
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or not mending.may("number-from-string"):
        return value
    return msgspec.json.decode(value)


def _plain(value: Any, shape: Any, mending: _Mending) -> object:
    return _one(value, mending)


_RULES: dict[type[inspect.Type], Callable[[Any, Any, _Mending], object]] = {
    inspect.StructType: _struct,
    inspect.VarTupleType: _list,
    inspect.FloatType: _number,
    inspect.IntType: _number,
    inspect.StrType: _plain,
    inspect.BoolType: _plain,
}
