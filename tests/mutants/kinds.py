"""What a mutant is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """In `module`, a path below malsync/, `text`, which stands there once, becomes `instead`."""

    module: str
    text: str
    instead: str


@dataclass(frozen=True)
class Mutant:
    """A defect: what is wrong in words, the edits that make it so, and the tests that must fail then (files, or node ids)."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def mutant(name: str, module: str, text: str, instead: str, *tests: str) -> Mutant:
    """A defect of one edit. `tests` are named without `tests/test_` and `.py`."""
    return Mutant(name, (Edit(module, text, instead),), tuple(map(file_of, tests)))


def mutants(name: str, edits: tuple[Edit, ...], *tests: str) -> Mutant:
    """A defect that takes several edits."""
    return Mutant(name, edits, tuple(map(file_of, tests)))


def file_of(test: str) -> str:
    """`restore_http` or `restore_http::test_x` as pytest is told of it."""
    name, mark, rest = test.partition("::")
    return f"tests/test_{name}.py{mark}{rest}"
