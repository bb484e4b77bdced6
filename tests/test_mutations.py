"""The defects of `./run mutations` still apply: the text that each replaces stands where it says, once."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.mutants import MUTANTS, Edit, Mutant
from tests.mutations import broken, occurrences
from tests.support.harness import ROOT


@cache
def names_in(module: str) -> set[str]:
    """Return the names of the tests in a file; empty if there is no such file."""
    path = ROOT / module
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return names | {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


@pytest.mark.promise("other-12")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_defect_still_applies_and_is_a_program(mutant: Mutant) -> None:
    for edit in mutant.edits:
        assert occurrences(edit) == 1, (edit.module, edit.text)
        source = (ROOT / "malsync" / edit.module).read_text(encoding="utf-8")
        ast.parse(source.replace(edit.text, edit.instead))
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).exists(), test
        assert not name or name in names_in(file), test


def test_every_defect_has_a_name_of_its_own_and_there_are_enough() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40
    assert len({mutant.edits for mutant in MUTANTS}) == len(MUTANTS)


def test_a_defect_that_does_not_apply_is_told_and_a_checkout_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "malsync" / "plan.py"
    path.parent.mkdir()
    path.write_text("a = 1\na = 1\nb = 2\n")
    twice = Mutant("twice", (Edit("plan.py", "b = 2", "b = 3"), Edit("plan.py", "a = 1", "a = 2")), ())
    once = Mutant("once", twice.edits[:1], ())

    with pytest.raises(ValueError, match="does not stand once"), broken(twice, tmp_path):
        pass
    with broken(once, tmp_path):
        assert path.read_text() == "a = 1\na = 1\nb = 3\n"

    assert path.read_text() == "a = 1\na = 1\nb = 2\n"
