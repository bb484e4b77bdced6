"""Who may import whom: the folder names say it (docs/architecture.md). Imports for annotations alone count as any other."""

import ast
import re
import sys
from collections import Counter
from keyword import iskeyword
from pathlib import Path

import click
import pytest

from malsync.cli.main import cli
from tests.support.harness import ROOT

VALUES = {"model", "planning"}
BORDERS = {"mal", "anilist", "mirror", "formats", "schedule"}
USE_CASES = {*VALUES, *BORDERS, "operations"}
MAY_IMPORT = {
    "model": set[str](),
    "planning": {"model"},
    **dict.fromkeys(BORDERS, VALUES),
    "operations": {*VALUES, *BORDERS, "sandbox"},
    "browse": USE_CASES,
    "doctor": USE_CASES,
    "cli": {*USE_CASES, "browse", "doctor", "sandbox"},
    "sandbox": set[str](),
    "": set[str](),  # the root modules
}
FRONT = ("__init__.py", "__main__.py")  # the public API and the entry point name what they hand on
OUTSIDE_WORLD = {
    "asyncio", "gzip", "http", "io", "os", "pathlib", "random", "secrets", "shutil", "signal", "socket", "sqlite3",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
FILES = [
    path for path in sorted((ROOT / "malsync").rglob("*.py")) if str(path.relative_to(ROOT / "malsync")) not in FRONT
]


def package_of(file: Path) -> str:
    parts = file.relative_to(ROOT / "malsync").parts
    return parts[0] if len(parts) > 1 else ""


def imports_of(file: Path) -> set[str]:
    """The modules that a file imports anywhere, with the names that it takes of them."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    froms = {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return froms | {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_imports_only_what_its_package_may(file: Path) -> None:
    package = package_of(file)
    imported = {name.split(".")[1] for name in imports_of(file) if name.startswith("malsync.")}

    assert (imported & MAY_IMPORT.keys()) - {package} <= MAY_IMPORT[package]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_leans_on_the_outside_only_where_it_may(file: Path) -> None:
    outside = {name.partition(".")[0] for name in imports_of(file)}
    source = ast.unparse(ast.parse(file.read_text(encoding="utf-8")))

    if package_of(file) in VALUES:
        assert outside - sys.stdlib_module_names <= {"malsync", "orjson", "rfc8785"}
        assert not outside & OUTSIDE_WORLD
        assert "datetime.now(" not in source
        assert "date.today(" not in source
    if package_of(file) != "cli":
        assert "click" not in outside
    if package_of(file) not in {"cli", "sandbox"}:
        assert not [
            call
            for call in ("print(", "input(", "sys.exit(", "os._exit(", "sys.stdout")
            if f" {call}" in f" {source}".replace("\n", " ")
        ]


def test_no_two_classes_have_one_name() -> None:
    """Outside the sandbox, which is a program of its own."""
    files = [file for file in FILES if package_of(file) != "sandbox"]
    names = [
        node.name
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]

    assert sorted(name for name, count in Counter(names).items() if count > 1) == []


def test_a_small_module_has_several_users_or_a_place_of_its_own() -> None:
    """Commands have modules of their own, however short; so have those that docs/architecture.md names."""
    named = set(re.findall(r"`(\w+)(?:\.py)?`", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")))
    commands = {f"{name}_" if iskeyword(name) else name for name in cli.list_commands(click.Context(cli))}
    imports = {file: imports_of(file) for file in (*FILES, *(ROOT / "malsync" / name for name in FRONT))}
    for file in FILES:
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        users = [
            other for other, names in imports.items() if any(f"{name}.".startswith(f"{module}.") for name in names)
        ]
        if (
            len(file.read_text(encoding="utf-8").splitlines()) < 60
            and file.name != "__init__.py"
            and package_of(file) != "sandbox"
        ):
            assert len(users) != 1 or file.stem in named | commands, f"{module} is small, and only {users} uses it"
