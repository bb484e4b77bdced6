"""Where tests are and what they share: each in the folder of its kind, helpers in tests/support."""

import ast
from pathlib import Path

import pytest

from tests.support.harness import ROOT

TESTS = ROOT / "tests"
KINDS = {"unit", "property", "integration", "system", "sandbox", "meta"}
FILES = sorted(TESTS.rglob("test_*.py"))
UNWANTED_IN_UNIT = {"requests", "socket", "subprocess", "threading", "multiprocessing", "hypothesis.stateful"}


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere, and for `from a import b` also `a.b`."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", [*FILES, *sorted((TESTS / "support").rglob("*.py"))], ids=lambda path: path.stem)
def test_nothing_imports_from_a_test_file(path: Path) -> None:
    tests = [name for name in imports_of(path) if name.startswith("tests.") and ".test_" in name]

    assert tests == [], "move what is shared to tests/support"


def test_each_test_file_is_in_the_folder_of_its_kind() -> None:
    assert {str(path.relative_to(TESTS)) for path in FILES if path.parent.name not in KINDS} <= {"test_mutations.py"}
    assert {path.stem for path in TESTS.glob("*.py")} <= {"__init__", "conftest", "mutations", "test_mutations"}
    assert [path.name for path in (TESTS / "support").rglob("test_*.py")] == []


@pytest.mark.parametrize("path", sorted((TESTS / "unit").glob("test_*.py")), ids=lambda path: path.stem)
def test_unit_tests_use_no_process_socket_or_thread(path: Path) -> None:
    imported = imports_of(path)
    source = path.read_text(encoding="utf-8")

    assert not imported & UNWANTED_IN_UNIT
    assert not any(name.endswith((".Sandbox", ".FarSide", ".on_terminal")) for name in imported)
    assert not [name for name in ("box: Sandbox", "malsync: Malsync", "client: Client") if name in source]
