"""Documentation is compared with code: errors, settings, metrics, routes, commands, the words of the tree."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from inspect import isclass
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.routing import iter_route_contexts
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

import fhir_adapters.errors
import recommender.errors
import service.errors
from fhir_adapters.errors import InputError, UndersignError
from service import body, settings_file, settings_rules, telemetry
from service.app import create_app
from service.cli import app
from service.ehr.transport import EhrRefused
from service.errors import BadRequest, ConfigError, ServiceError, http_status, operation_outcome
from service.settings import CdsClient, Ehr, Server, Settings, Sign, StoreSettings

ROOT = Path(__file__).parents[2]
PACKAGES = ("fhir_adapters", "recommender", "service", "conformance")
PAGES = sorted([*ROOT.glob("docs/*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))])
ERRORS, CONFIGURATION, OPERATIONS = (
    (ROOT / f"docs/{name}.md").read_text("utf-8") for name in ("errors", "configuration", "operations")
)
CODE = r"U-[A-Z0-9]+(?:-[A-Z0-9]+)*"
# Their classes have a status, but only commands and background loops raise them.
NEVER_ANSWERED = {
    "U-FILE", "U-JURISDICTION", "U-LEASE-LOST", "U-OUTBOX-UNKNOWN", "U-PREFERENCES", "U-PREFERENCES-KEY",
    "U-PREFERENCES-VALUE", "U-REPLAY-INPUTS", "U-REPLAY-RECORD", "U-REPLAY-VERSION", "U-SIG-DIGEST",
    "U-SIG-FORMAT", "U-SIG-KEY", "U-SIG-REVOKED", "U-SIG-VALUE",
}  # fmt: skip
# Given by the router with its own status.
BY_ROUTER = {"U-METHOD": 405}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def _rows(text: str, first: str) -> list[list[str]]:
    """Return the cells of all table rows whose first cell matches ``first``."""
    lines = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in cells] for cells in lines]
    return [row for row in rows if row and re.fullmatch(first, row[0])]


def _named(text: str) -> set[str]:
    """Return the codes that a text names; a family (``U-EHR-…``, ``U-JSON-*``) is not one."""
    return {token for token in re.findall(r"\bU-[A-Z0-9-]*", text) if not token.endswith("-")}


@cache
def _trees() -> Sequence[ast.Module]:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return [ast.parse(file.read_text("utf-8")) for file in files]


def _texts(tree: ast.Module, *, docstrings: bool) -> Iterator[str]:
    """Yield the texts that code uses, or those that stand by themselves and only describe it."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (id(node) in alone) is docstrings:
            yield node.value


@cache
def _raised() -> frozenset[str]:
    """Return every code that is a text of the code, or starts a line that it prints (``U-X: what``)."""
    texts = (text for tree in _trees() for text in _texts(tree, docstrings=False))
    return frozenset(code for text in texts for code in re.findall(rf"(?:^|\s)({CODE})(?=:|$)", text))


def _error_classes() -> Mapping[str, type[UndersignError]]:
    found = [*vars(fhir_adapters.errors).values(), *vars(recommender.errors).values(), *vars(service.errors).values()]
    classes = {kind.__name__: kind for kind in found if isclass(kind) and issubclass(kind, UndersignError)}
    return {**classes, "EhrRefused": EhrRefused}


def _status(kind: type[UndersignError], code: str) -> int | None:
    """Return the HTTP status of an error of this class, None for one that ends a start or a command."""
    if issubclass(kind, ConfigError) or not issubclass(kind, (ServiceError, InputError)):
        return None
    error = kind.__new__(kind)
    error.code = code
    return http_status(error)


def _statuses() -> Mapping[str, set[int | None]]:
    """Return the statuses of each code, read where an error is made."""
    classes, found = _error_classes(), dict[str, set[int | None]]()
    for call in (node for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        values = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
        for code in (value for value in values if isinstance(value, str) and re.fullmatch(CODE, value)):
            if name == "Refusal" and isinstance(values[0], int):
                found.setdefault(code, set()).add(values[0])
            elif name in classes:
                found.setdefault(code, set()).add(_status(classes[name], code))
    return found


def test_every_error_code_is_documented_once_and_no_other() -> None:
    """docs/errors.md has one row for each code that the code can raise or print, and for no other."""
    documented = [row[0].strip("`") for row in _rows(ERRORS, rf"`{CODE}`")]
    assert sorted(documented) == sorted(_raised())


def test_documented_http_statuses_are_those_of_the_errors() -> None:
    """The status of a code on the page is the one that its class answers with."""
    statuses, wrong = _statuses(), list[str]()
    for code, text, *_ in ((row[0].strip("`"), *row[1:]) for row in _rows(ERRORS, rf"`{CODE}`")):
        known = {BY_ROUTER[code]} if code in BY_ROUTER else statuses.get(code, set())
        said = {int(number) for number in re.findall(r"\d+", text)} or {None}
        if known and not said <= (known | ({None} if code in NEVER_ANSWERED else set())):
            wrong.append(f"{code}: {text} is documented, {known} answered")
    assert wrong == []


def test_every_row_of_the_errors_page_is_complete() -> None:
    """Each code has a status or –, a meaning and something to do."""
    rows = _rows(ERRORS, rf"`{CODE}`")
    assert [r[0] for r in rows if len(r) != 4 or not re.fullmatch(r"\d{3}|–", r[1]) or not all(r[2:])] == []


@each_page
def test_codes_named_on_a_page_exist(page: Path) -> None:
    """No page names a code that the code does not have."""
    assert _named(page.read_text("utf-8")) - _raised() == set()


def test_codes_named_in_docstrings_exist() -> None:
    """No docstring promises a code that is never raised."""
    promised = {code for tree in _trees() for text in _texts(tree, docstrings=True) for code in _named(text)}
    assert promised - _raised() == set()


def test_the_example_outcome_is_a_real_one() -> None:
    """The OperationOutcome on the errors page is what a body of the wrong type is answered with."""
    found = re.search(r"```json\n(.*?)```", ERRORS, re.DOTALL)
    with pytest.raises(BadRequest) as caught:
        body.check_type("text/plain")
    assert found is not None
    assert json.loads(found[1]) == operation_outcome(caught.value)


def _section(annotation: Any) -> type[BaseModel] | None:
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isclass(kind) and issubclass(kind, BaseModel)), None)


def _keys(section: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, field in section.model_fields.items():
        inner = _section(field.annotation)
        found |= _keys(inner, f"{prefix}{name}.") if inner else {f"{prefix}{name}": field}
    return {name: field for name, field in found.items() if name != "base"}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "–" if field.default is None else f"`{json.dumps(field.default, default=str)}`"


def _options(annotation: Any) -> list[str]:
    inner = get_args(annotation)
    return [annotation] if isinstance(annotation, str) else [text for part in inner for text in _options(part)]


KEYS = _keys(Settings)


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    """The table of keys names each key of the configuration with the default that it has."""
    rows = _rows(CONFIGURATION, r"`[a-z_]+\.[a-z_.]+`")
    documented = {row[0].strip("`"): row[2] for row in rows if len(row) == 4}
    assert documented == {key: _default(field) for key, field in KEYS.items()}


def test_every_choice_of_a_setting_is_documented() -> None:
    """A key with a fixed set of values names each of them."""
    types = {row[0].strip("`"): row[1] for row in _rows(CONFIGURATION, r"`[a-z_]+\.[a-z_.]+`")}
    choices = [(key, option) for key, field in KEYS.items() for option in _options(field.annotation)]
    assert choices
    assert [choice for choice in choices if f"`{choice[1]}`" not in types[choice[0]]] == []


def _example() -> str:
    found = re.search(r"```toml\n(.*?)```", CONFIGURATION, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_configuration_is_accepted(tmp_path: Path) -> None:
    """The complete file of the page starts a service, once its own files are there."""
    file = tmp_path / "undersign.toml"
    file.write_text(_example(), "utf-8")
    assert settings_file.load(file).ehr[0].id == "north"


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        inner: Any = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_example_configuration_is_complete() -> None:
    """The complete file has every key; of the two ways to give an EHR's keys, one is in a comment."""
    named = {*_flat(tomllib.loads(_example()))}
    assert set(KEYS) - named == {"ehr.cds_client.jwks_file"}
    assert "# or: jwks_file" in _example()


@each_page
def test_environment_variables_on_a_page_are_settings(page: Path) -> None:
    """Each UNDERSIGN_SECTION__KEY that a page shows is a key of the configuration."""
    names = set(re.findall(r"\bUNDERSIGN_[A-Z0-9]+__[A-Z0-9_]+", page.read_text("utf-8"))) - {"UNDERSIGN_SECTION__KEY"}
    keys = {name: name.removeprefix("UNDERSIGN_").lower().split("__") for name in names}
    assert [name for name, parts in keys.items() if ".".join(p for p in parts if not p.isdecimal()) not in KEYS] == []


@pytest.mark.parametrize("mode", _options(Ehr.model_fields["write_back"].annotation))
def test_a_mode_of_write_back_is_refused_where_the_page_says_so(mode: str) -> None:
    """The modes that the page calls missing from this version are those that stop the start."""
    row = next(row for row in _rows(CONFIGURATION, r"`[a-z-]+`(, `[a-z-]+`)*") if f"`{mode}`" in row[0])
    tenant: dict[str, Any] = {"id": "a", "name": "A", "fhir_base": "https://a.example", "write_back": mode}
    ehr = Ehr(cds_client=CdsClient(required=False), **tenant)
    try:
        settings_rules.check(Settings(server=Server(development=True), ehr=(ehr,)))
        refused = False
    except ConfigError:
        refused = True
    assert ("Not in this version" in row[1]) is refused


def _metrics() -> dict[str, Sequence[str]]:
    found = [metric for metric in vars(telemetry).values() if isinstance(metric, Counter | Gauge | Histogram)]
    return {m._name + ("_total" if isinstance(m, Counter) else ""): m._labelnames for m in found}


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    """docs/operations.md names the metrics as they are exposed, with their labels."""
    documented = {row[0].strip("`"): row[1] for row in _rows(OPERATIONS, r"`undersign_\w+`")}
    assert documented == {name: ", ".join(labels) or "–" for name, labels in _metrics().items()}


@each_page
def test_metrics_named_on_a_page_exist(page: Path) -> None:
    """No page names a metric that is not exposed."""
    assert set(re.findall(r"\bundersign_\w+", page.read_text("utf-8"))) - set(_metrics()) == set()


def test_every_route_is_documented_and_no_other(tmp_path: Path) -> None:
    """docs/operations.md lists each method and path that the application answers."""
    store, sign = StoreSettings(url=f"sqlite:///{tmp_path}/store.db"), Sign(key_file=tmp_path / "key.json")
    routes = iter_route_contexts(create_app(Settings(store=store, sign=sign)).routes)
    found = {(method, str(route.path)) for route in routes for method in (route.methods or {"GET"}) - {"HEAD"}}
    documented = {(row[0], row[1].strip("`")) for row in _rows(OPERATIONS, "GET|POST|PUT|PATCH|DELETE")}
    assert documented == found


def _commands() -> dict[str, str]:
    """Return the help of each command by its words."""
    found: dict[str, str] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None) or {"": command}
        found |= {f"{name} {word}".strip(): " ".join((one.help or "").split()) for word, one in inner.items()}
    return found


def test_every_command_has_an_example_in_its_help() -> None:
    """Each command's help ends with an example that calls it."""
    assert [name for name, text in _commands().items() if f"Example: undersign {name}" not in text] == []


@each_page
def test_commands_named_on_a_page_exist(page: Path) -> None:
    """Each ``undersign …`` on a page is a command."""
    named = re.findall(r"`undersign ([a-z-]+)(?: ([a-z][a-z-]*))?", page.read_text("utf-8"))
    known = {*_commands(), *(f"{name.partition(' ')[0]} " for name in _commands())}  # a group may be named alone
    unknown = [words for words in named if words[0] not in known and " ".join(words) not in known]
    assert unknown == []


def _paths(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each path in code marks and whether it is there; ``b.py`` after ``a/c.py`` is in the same folder."""
    for line in text.splitlines():
        folder: Path | None = None
        for token in re.findall(r"`([\w./-]+)`", line):
            if token.split("/")[0] in (*PACKAGES, "docs", "tests") and "/" in token:
                yield token, (ROOT / token).exists()
                folder = (ROOT / token).parent
            elif re.fullmatch(r"\w+\.(py|csv)", token):
                yield token, (folder / token).exists() if folder else _somewhere(token)


def _somewhere(name: str) -> bool:
    return any(True for package in PACKAGES for _ in (ROOT / package).rglob(name))


@each_page
def test_paths_named_on_a_page_exist(page: Path) -> None:
    """Every file and folder of the tree that a page names is there."""
    assert [path for path, there in _paths(page.read_text("utf-8")) if not there] == []


@each_page
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every relative link of a page leads to a file."""
    links = re.findall(r"\]\(([^)#:\s]+)\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_is_in_the_glossary_or_the_architecture(package: str) -> None:
    """Each folder of a package is named on one of the two pages that explain the tree."""
    pages = "".join((ROOT / f"docs/{name}.md").read_text("utf-8") for name in ("glossary", "architecture"))
    rooms = [folder.name for folder in (ROOT / package).iterdir() if folder.is_dir() and folder.name[0] not in "_."]
    assert [room for room in rooms if not re.search(rf"`{package}/{room}[`/]", pages)] == []
