"""Who may import whom, read from the source: the core decides and knows no file, no clock and no command line."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness import ROOT

PACKAGE = ROOT / "malsync"

# Each part of malsync and the layer that it belongs to.
LAYERS = {
    "": "front",  # malsync/__init__.py: the version, and what others import
    "errors": "words",
    "medium": "words",
    "clock": "words",
    "wording": "words",
    "moments": "words",
    "answers": "core",
    "pages": "core",
    "entry": "core",
    "snapshot": "core",
    "diff": "core",
    "plain": "core",
    "suspicion": "core",
    "standing": "core",
    "plan": "core",
    "known": "core",
    "judging": "core",
    "revert": "core",
    "intent": "core",
    "readback": "core",
    "figures": "core",
    "render": "core",
    "files": "border",
    "validation": "border",
    "disk": "border",
    "address": "border",
    "credentials": "border",
    "pace": "border",
    "transport": "border",
    "auth": "shell",
    "callback": "shell",
    "accounts": "shell",
    "drift": "shell",
    "config": "shell",
    "api": "shell",
    "probe": "shell",
    "mirror": "shell",
    "schedule": "shell",
    "interchange": "shell",
    "browse": "site",
    "backup": "services",
    "fetch": "services",
    "prune": "services",
    "reading": "services",
    "refs": "services",
    "transfer": "services",
    "restore": "services",
    "attempt": "services",
    "settling": "services",
    "undoing": "services",
    "cli": "cli",
    "__main__": "cli",
    "sandbox": "sandbox",
}
# What each layer may import of malsync at run time. A part may always import itself.
ALLOWED = {
    "front": set[str](),
    "words": set[str](),
    "core": {"words", "core"},
    "border": {"words", "border"},
    "shell": {"words", "core", "border"},
    "site": {"words", "core"},
    "services": {"words", "core", "services"},
    "cli": {"words", "core", "border", "shell", "site", "services", "cli", "sandbox"},
    "sandbox": set[str](),
}
# What annotations alone may name besides, under `if TYPE_CHECKING`: services are given the shell's objects.
ALLOWED_AS_TYPES = ALLOWED | {
    "services": ALLOWED["services"] | {"shell"},
    "front": {"words", "core", "border", "shell"},  # imported when somebody first asks for them
}
THIRD_PARTY: dict[str, set[str] | None] = {
    "front": set(),
    "words": set(),
    "core": {"orjson", "rfc8785"},
    "border": {"orjson", "jsonschema_rs", "requests", "urllib3"},
    "shell": {"orjson", "requests", "urllib3", "sqlite_utils", "filelock", "keyring", "defusedxml"},
    "site": {"datasette", "markupsafe", "nh3", "uvicorn"},
    "services": set(),
    "cli": None,  # whatever it takes to talk to a person
    "sandbox": {"starlette", "uvicorn", "multipart", "python_multipart"},
}
# The core is given its values: it looks at no clock, no file, no environment, no network and no dice.
OUTSIDE_WORLD = {
    "asyncio", "gzip", "http", "io", "os", "pathlib", "random", "secrets", "shutil", "signal", "socket", "sqlite3",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One name that a file imports, and where."""

    file: Path
    line: int
    module: str
    only_types: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"

    @property
    def is_ours(self) -> bool:
        return self.module.partition(".")[0] == "malsync"

    @property
    def part(self) -> str:
        """The part of malsync that is imported; empty for the package itself."""
        return [*self.module.split("."), ""][1]


def imports_of(file: Path) -> Iterator[Import]:
    """Every import of a file, also those inside functions."""
    yield from _imports(ast.parse(file.read_text(encoding="utf-8")), file, only_types=False)


def _imports(node: ast.AST, file: Path, *, only_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            for each in child.body:
                yield from _imports(ast.Module([each], []), file, only_types=True)
            for each in child.orelse:
                yield from _imports(ast.Module([each], []), file, only_types=only_types)
        elif isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(file, child.lineno, alias.name, only_types)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{file}:{child.lineno}: a relative import hides whom it imports"
            for alias in child.names:
                yield Import(file, child.lineno, f"{child.module}.{alias.name}", only_types)
        else:
            yield from _imports(child, file, only_types=only_types)


def part_of(file: Path) -> str:
    """The part of malsync that a file belongs to: a module, or a package with all that is in it."""
    first = file.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [found for file in FILES for found in imports_of(file)]


def layer_of(part: str) -> str:
    """The layer of a part; the constants of malsync itself are words."""
    return LAYERS.get(part, "words" if part in {"__version__", "API_URL"} else "nowhere")


def test_every_part_of_malsync_has_a_layer() -> None:
    """A new module must be put in the table, and its layer's rules then hold for it."""
    assert {part_of(file) for file in FILES} == LAYERS.keys()


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_imports_only_what_it_may(layer: str) -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if found.is_ours
        and layer_of(part_of(found.file)) == layer
        and found.part != part_of(found.file)
        and layer_of(found.part) not in (ALLOWED_AS_TYPES if found.only_types else ALLOWED)[layer]
    ]

    assert wrong == []


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_leans_on_no_other_library_than_it_may(layer: str) -> None:
    allowed = THIRD_PARTY[layer]
    wrong = [
        str(found)
        for found in IMPORTS
        if layer_of(part_of(found.file)) == layer
        and not found.is_ours
        and (name := found.module.partition(".")[0]) not in sys.stdlib_module_names
        and allowed is not None
        and name not in allowed
    ]

    assert wrong == []


def test_the_core_knows_no_outside_world() -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if layer_of(part_of(found.file)) == "core" and found.module.partition(".")[0] in OUTSIDE_WORLD
    ]

    assert wrong == []


def test_the_core_and_the_services_ask_nobody_for_the_time() -> None:
    """`datetime.now()` and its like need no import of their own."""
    asking = {"now", "utcnow", "today", "time", "time_ns", "monotonic"}
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in FILES
        if layer_of(part_of(file)) in {"core", "services"}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in asking
        and ast.unparse(node.func.value) in {"datetime", "datetime.datetime", "date", "time"}
    ]

    assert wrong == []


def test_only_the_command_line_prints_and_exits() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno} calls {ast.unparse(node.func)}"
        for file in FILES
        if layer_of(part_of(file)) not in {"cli", "sandbox"}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "input", "exit", "sys.exit", "os._exit"}
    ]

    assert wrong == []


def test_nothing_but_the_command_line_starts_with_heavy_imports() -> None:
    """What every command pays for: click at the top, everything else where it is needed."""
    light = {"click", "malsync", *sys.stdlib_module_names}
    wrong = [
        str(found)
        for file in FILES
        if layer_of(part_of(file)) == "cli"
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for found in _imports(ast.Module([node], []), file, only_types=False)
        if found.module.partition(".")[0] not in light
        or (found.is_ours and layer_of(found.part) in {"shell", "site", "services", "sandbox"})
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os.path", [("os.path", False)]),
        ("from malsync import files", [("malsync.files", False)]),
        ("def f():\n    from malsync.api import Client", [("malsync.api.Client", False)]),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", [("a", True), ("b", False)]),
        ("try:\n    import a\nexcept ImportError:\n    import b", [("a", False), ("b", False)]),
    ],
)
def test_every_import_is_seen(tmp_path: Path, source: str, expected: list[tuple[str, bool]]) -> None:
    file = tmp_path / "module.py"
    file.write_text(source)

    assert [(found.module, found.only_types) for found in imports_of(file)] == expected
