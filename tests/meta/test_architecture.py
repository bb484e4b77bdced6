"""docs/architecture.md names packages, modules and functions that exist."""

import ast
import re
from pathlib import Path

from tests.support.harness import ROOT

PACKAGE = ROOT / "malsync"
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FACTS = (ROOT / "docs" / "mal.md").read_text(encoding="utf-8")


def names_in(path: Path) -> set[str]:
    """The functions and classes that a module defines, and the methods as Class.method."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def test_every_module_that_is_named_exists() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", DOCUMENT + FACTS))
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", DOCUMENT, re.MULTILINE)
    modules = {f"{package}/{name}" for package, text in rows for name in re.findall(r"`(\w+)(?:\.py|/)?`", text)}

    assert len(named) > 20
    assert len(modules) > 50
    wrong = [name for name in named if not any((place / name).is_file() for place in (PACKAGE, PACKAGE / "cli"))]
    wrong += [name for name in modules if not (PACKAGE / f"{name}.py").is_file() and not (PACKAGE / name).is_dir()]
    assert sorted(wrong) == []


def test_every_package_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.split("## Packages")[1].split("\n## ")[0], re.MULTILINE))

    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == described


def test_every_function_of_the_walks_exists() -> None:
    named = re.findall(r"`([\w.]+)\(\)`\s+in\s+`([\w/]+\.py)`", DOCUMENT)
    anywhere = set().union(*(names_in(path) for path in PACKAGE.rglob("*.py")))

    assert len(named) >= 5
    assert [(name, module) for name, module in named if name not in names_in(PACKAGE / module)] == []
    assert set(re.findall(r"`([\w.]+)\(\)`", DOCUMENT)) <= anywhere
