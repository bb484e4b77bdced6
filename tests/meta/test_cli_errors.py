"""The library's errors name advice; the command line has the words for each, and no others."""

import ast
import re
from pathlib import Path

import click
import pytest

from malsync.cli.errors import ADVICE, hint_of
from malsync.cli.main import cli
from malsync.errors import UsageError
from tests.support.harness import ROOT, Malsync

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
    """Every advice that an error of the library names: advice="...", and error.then = "..."."""
    nodes = [node for path in LIBRARY for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    given = [
        keyword.value
        for node in nodes
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "advice"
    ]
    set_later = [
        node.value
        for node in nodes
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"error.then", "error.advice"}
    ]
    values = [value for node in (*given, *set_later) for value in ast.walk(node) if isinstance(value, ast.Constant)]
    return {value.value for value in values if isinstance(value.value, str)} - {""}


def test_every_advice_that_is_named_has_words_and_no_words_are_idle() -> None:
    assert named_advice() == ADVICE.keys()


def test_advice_is_filled_with_the_facts_of_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADVICE, "resume", "Finish it: malsync resume {run}")

    assert hint_of(UsageError("A run is unfinished.", advice="resume", run=7)) == "Finish it: malsync resume 7"


def test_without_advice_the_hint_is_the_errors_own() -> None:
    assert hint_of(UsageError("No file.", "Name one.")) == "Name one."


def test_the_words_of_an_advice_are_one_line() -> None:
    assert not [name for name, words in ADVICE.items() if re.search(r"\n|^$|^\s|\s$", words)]


QUIET = ("model", "planning", "mal", "anilist", "mirror", "formats", "operations")
COMMANDS = "|".join(sorted(cli.list_commands(click.Context(cli))))
NAMES_A_COMMAND = re.compile(rf"(?<!a )\bmalsync (?:{COMMANDS})\b|`(?:{COMMANDS})`|(?<![\w-])--[a-z]")
SPEAKS_FOR_BOTH = "text.py"  # the terminal and the pages have their command lines from it
QUIET_FILES = [
    path
    for path in LIBRARY
    if path.relative_to(ROOT / "malsync").parts[0] in (*QUIET, path.name) and path.name != SPEAKS_FOR_BOTH
]


def texts(path: Path) -> list[tuple[int, str]]:
    """The string constants of a module, with their lines; not its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    ]


@pytest.mark.parametrize("path", QUIET_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_of_the_library_names_a_command_or_a_flag(path: Path) -> None:
    assert [(line, text) for line, text in texts(path) if NAMES_A_COMMAND.search(text)] == []


def test_advice_names_the_home_folder_that_was_named(tmp_path: Path) -> None:
    offline = Malsync(tmp_path / "home")

    error = offline.error("--home", tmp_path / "a folder", "show", "latest", exit_code=2)

    assert error["hint"] == f"Make one: malsync --home '{tmp_path / 'a folder'}' backup"
