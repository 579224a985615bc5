"""Elements that change what the elements around them mean, and that we do not know.

http://hl7.org/fhir/R4/extensibility.html#modifierExtension and http://hl7.org/fhir/R4/resource.html#Resource
(implicitRules): whoever does not know them may not go on. They are looked for in the elements that are read.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
from msgspec import inspect

from fhir_adapters.reading.repairs import shape_of

_NAMES = ("implicitRules", "modifierExtension")


def first(value: object, shape: type[msgspec.Struct]) -> str:
    """Return the path of the first one in the decoded JSON ``value``, read as ``shape``; empty for none."""
    return next(_all(value, shape_of(shape), ""), "")


def _all(value: Any, shape: inspect.Type, path: str) -> Iterator[str]:
    if isinstance(shape, inspect.UnionType):
        shape = next(one for one in shape.types if not isinstance(one, inspect.NoneType))
    if isinstance(shape, inspect.VarTupleType):
        shape = shape.item_type
    if not isinstance(shape, inspect.StructType):
        return
    for one in cast("list[Any]", value) if isinstance(value, list) else (value,):
        if isinstance(one, dict):
            yield from _in_element(cast("dict[str, Any]", one), shape, path)


def _in_element(value: Mapping[str, Any], shape: inspect.StructType, path: str) -> Iterator[str]:
    fields = {field.encode_name: field.type for field in shape.fields}
    for name, held in value.items():
        inner = f"{path}.{name}" if path else name
        if name in _NAMES and name in fields and held:
            yield inner
        elif name in fields:
            yield from _all(held, fields[name], inner)
