"""What a profile may say: every key, name and value is checked at load, the nearest known one named."""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import cast, get_args
from zoneinfo import ZoneInfo

import msgspec
from msgspec import inspect

from fhir_adapters import terminology
from fhir_adapters.canonical import Taking
from fhir_adapters.dialect.profile_file import ProfileFile
from fhir_adapters.errors import ProfileError
from fhir_adapters.reading import repairs

VERSIONS = ("DSTU2", "STU3", "R4", "R4B", "R5")
RESOLVERS = ("rxnorm", "code-map", "ndc", "atc", "snomed", "text")
SEARCHED = (
    *("Patient", "Condition", "MedicationRequest", "MedicationStatement", "AllergyIntolerance", "Observation"),
    *("QuestionnaireResponse", "Consent", "any"),
)
# http://hl7.org/fhir/R4/valueset-observation-status.html, without those that never are a result.
OBSERVATION = ("final", "amended", "corrected", "preliminary", "registered", "unknown")
# http://hl7.org/fhir/R4/valueset-questionnaire-answers-status.html, likewise.
RESPONSE = ("completed", "amended", "in-progress", "stopped")
# http://hl7.org/fhir/R4/valueset-medicationrequest-status.html and -intent.html, statement-status.html; a draft,
# what was cancelled, entered in error or not taken is never read as taking, so that no profile names it.
REQUEST = ("active", "on-hold", "completed", "stopped", "unknown")
INTENT = ("plan", "order", "original-order", "reflex-order", "filler-order", "instance-order")
STATEMENT = ("active", "completed", "intended", "stopped", "on-hold", "unknown")
# The ways in which orders are written: ehr.write_back of a service (docs/configuration.md), but for card.
WRITING = ("unsigned-order", "sign-and-write", "document-only")
_PARAMETER = re.compile(r"[\w.:,|/$\-]+", re.ASCII)  # no &, = or #: a value stays one value
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d", re.ASCII)


def check_keys(tables: Mapping[str, object], where: str) -> None:
    """Raise U-PROFILE-KEY for a key of one file that a profile does not have."""
    _check_keys(tables, _shape(), where, "")


@cache
def _shape() -> inspect.Type:
    return inspect.type_info(ProfileFile)


def _check_keys(value: object, shape: inspect.Type, file: str, path: str) -> None:
    if not isinstance(value, dict):
        return
    table = cast("Mapping[str, object]", value)
    if isinstance(shape, inspect.StructType):
        fields = {field.encode_name: field.type for field in shape.fields}
        _known(table, fields, "U-PROFILE-KEY", f"{file}: {path}")
        for key, inner in table.items():
            _check_keys(inner, fields[key], file, f"{path}{key}.")
    elif isinstance(shape, inspect.DictType):
        for key, inner in table.items():
            _check_keys(inner, shape.value_type, file, f"{path}{key}.")


def checked(tables: Mapping[str, object], where: str) -> ProfileFile:
    """Return the merged tables as a profile; U-PROFILE-KEY and U-PROFILE-VALUE name what cannot be."""
    try:
        read = msgspec.convert(_searches(tables), ProfileFile)
    except msgspec.ValidationError as error:
        raise ProfileError("U-PROFILE-VALUE", f"{where}: {str(error).replace('$.', '')}") from None
    _check_names(read, where)
    _check_values(read, where)
    return read


def _searches(tables: Mapping[str, object]) -> Mapping[str, object]:
    """Return the tables with ``search.any`` under each ``search.TYPE``."""
    searches = _table(tables.get("search"))
    common = _table(searches.get("any"))
    laid = {kind: _laid(common, own) for kind, own in searches.items()}
    return {**tables, "search": laid} if searches else tables


def _laid(common: Mapping[str, object], own: object) -> object:
    return {**common, **cast("Mapping[str, object]", own)} if isinstance(own, dict) else own


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _check_names(read: ProfileFile, where: str) -> None:
    terms = terminology.load()
    _known(read.units, (*terms.analytes, "any"), "U-PROFILE-KEY", f"{where}: units.")
    _known(read.search, SEARCHED, "U-PROFILE-KEY", f"{where}: search.")
    _known(read.taking, ("MedicationRequest", "MedicationStatement"), "U-PROFILE-KEY", f"{where}: taking.")
    lists = terms.scale_tables.texts
    for key in ("answers", "answer_texts"):
        _known(getattr(read.instruments, key), lists, "U-PROFILE-KEY", f"{where}: instruments.{key}.")


def _check_values(read: ProfileFile, where: str) -> None:
    terms = terminology.load()
    parts = [f"{scale}.{part}" for scale, held in terms.scales.items() for part in held]
    _values(read.fhir_versions, VERSIONS, f"{where}: fhir_versions")
    _values(read.drugs.resolvers, RESOLVERS, f"{where}: drugs.resolvers")
    _values(read.tolerance.repairs, repairs.ALL, f"{where}: tolerance.repairs")
    _values(read.writing.refuses, WRITING, f"{where}: writing.refuses")
    _values(read.statuses.observation, OBSERVATION, f"{where}: statuses.observation")
    _values(read.statuses.questionnaire_response, RESPONSE, f"{where}: statuses.questionnaire_response")
    _values(read.observations.texts.values(), terms.analytes, f"{where}: observations.texts")
    _values(read.instruments.link_ids.values(), parts, f"{where}: instruments.link_ids")
    _values(read.instruments.codes.values(), parts, f"{where}: instruments.codes")
    requests = [*REQUEST, *(f"{status}/{intent}" for status in REQUEST for intent in INTENT)]
    for kind, known in (("MedicationRequest", requests), ("MedicationStatement", STATEMENT)):
        table = read.taking.get(kind, {})
        _values(table, known, f"{where}: taking.{kind}")
        _values(table.values(), get_args(Taking), f"{where}: taking.{kind}")
    _check_searches(read, where)
    _check_zone(read.dates.zone, where)


def _check_searches(read: ProfileFile, where: str) -> None:
    for kind, search in read.search.items():
        here = f"{where}: search.{kind}"
        for text in (*search.parameters, *search.parameters.values(), *search.omit, search.type or "x"):
            _require(_PARAMETER.fullmatch(text) is not None, f"{here}: {text} cannot stand in a search")
        _require(search.count is None or search.count > 0, f"{here}: count must be above 0")
        _require(search.max_count is None or search.max_count > 0, f"{here}: max_count must be above 0")
        _require("patient" not in search.omit, f"{here}: omit cannot name patient: the answer would be everyone's")
    _require(0 <= read.follow_up.cap <= 200, f"{where}: follow_up.cap must be 0 to 200")
    _require(1 <= read.follow_up.batch <= 20, f"{where}: follow_up.batch must be 1 to 20")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ProfileError("U-PROFILE-VALUE", message)


def _check_zone(zone: str | None, where: str) -> None:
    if zone is None or _OFFSET.fullmatch(zone):
        return
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        message = f"{where}: dates.zone: {zone} is neither an offset such as -05:00 nor a zone known here"
        raise ProfileError("U-PROFILE-VALUE", message) from None


def texts(value: object, where: str) -> list[str]:
    """Return a list of texts; U-PROFILE-VALUE for anything else."""
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    if isinstance(value, list) and all(isinstance(entry, str) for entry in entries):
        return cast("list[str]", entries)
    raise ProfileError("U-PROFILE-VALUE", f"{where} must be a list of texts")


def _known(keys: Iterable[str], known: Iterable[str], code: str, where: str) -> None:
    names = sorted(known)
    for key in sorted(set(keys) - set(names)):
        near = difflib.get_close_matches(key, names, 1, 0.0)[0]
        raise ProfileError(code, f"{where}{key} is not known in a profile; the nearest is {near}")


def _values(values: Iterable[str], known: Iterable[str], where: str) -> None:
    _known(values, known, "U-PROFILE-VALUE", f"{where}: ")
