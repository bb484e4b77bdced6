"""The library's errors name advice; the command line has the words for each, and no others."""

import ast
import re

import pytest

from malsync.cli.errors import ADVICE, hint_of
from malsync.errors import UsageError
from tests.support.harness import ROOT

LIBRARY = [
    path
    for folder in (
        "model",
        "planning",
        "mal",
        "anilist",
        "mirror",
        "formats",
        "operations",
        "schedule",
        "doctor",
        "browse",
    )
    for path in sorted((ROOT / "malsync" / folder).rglob("*.py"))
] + sorted((ROOT / "malsync").glob("*.py"))


def named_advice() -> set[str]:
    """Every advice that an error of the library names."""
    return {
        keyword.value.value
        for path in LIBRARY
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "advice" and isinstance(keyword.value, ast.Constant)
    }


def test_every_advice_that_is_named_has_words_and_no_words_are_idle() -> None:
    assert named_advice() == ADVICE.keys()


def test_advice_is_filled_with_the_facts_of_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADVICE, "resume", "Finish it: malsync resume {run}")

    assert hint_of(UsageError("A run is unfinished.", advice="resume", run=7)) == "Finish it: malsync resume 7"


def test_without_advice_the_hint_is_the_errors_own() -> None:
    assert hint_of(UsageError("No file.", "Name one.")) == "Name one."


def test_the_words_of_an_advice_are_one_line() -> None:
    assert not [name for name, words in ADVICE.items() if re.search(r"\n|^$|^\s|\s$", words)]
