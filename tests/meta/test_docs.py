"""What the documents say is what the program does: commands, flags, exit codes, settings, schemas."""

import re
import shlex
from pathlib import Path

import click
import pytest

from malsync.cli.main import cli
from malsync.errors import Exit
from malsync.operations import config
from malsync.schemas import schema_folder
from tests.support.command_tree import COMMANDS
from tests.support.harness import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = README + "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
PATHS = [path for path in COMMANDS if path]


def _help(command: click.Command, path: str) -> str:
    return command.get_help(click.Context(command, info_name=f"malsync {path}"))


@pytest.mark.parametrize("path", PATHS)
def test_every_command_is_in_the_readme_and_has_an_example(path: str) -> None:
    command = COMMANDS[path]
    text = _help(command, path)

    assert re.search(rf"`(malsync )?{re.escape(path)}\b|, `{re.escape(path)}\b", README), f"{path} is not in README.md"
    assert command.help
    summary = re.search(rf"^  {path.split()[-1]} +(\w.*)$", _help(COMMANDS[path.rpartition(" ")[0]], ""), re.MULTILINE)
    assert summary is not None
    assert len(summary[1]) <= 60
    assert "Examples:" in text
    assert f"malsync {path}" in text.split("Examples:")[1] or re.search(
        rf"malsync .*{re.escape(path)}", text.split("Examples:")[1]
    )


@pytest.mark.parametrize("path", PATHS)
def test_every_flag_is_documented_and_has_help(path: str) -> None:
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            flag = max(parameter.opts, key=len)
            assert flag in DOCS, f"{flag} of {path} is in no document"
            assert parameter.help, f"{flag} of {path} has no help"


@pytest.mark.parametrize("path", PATHS)
def test_help_fits_a_terminal_of_80_columns(path: str) -> None:
    context = click.Context(COMMANDS[path], info_name=f"malsync {path}", terminal_width=80)
    text = COMMANDS[path].get_help(context)

    assert max(len(line) for line in text.splitlines()) <= 80
    assert " RANGE" not in text, "an option's value has no name of its own"


@pytest.mark.parametrize("path", PATHS)
def test_every_example_is_a_command_line_that_parses(path: str) -> None:
    """Up to the options' values: a flag that does not exist would be a usage error."""
    command = COMMANDS[path]
    for example in getattr(command, "examples", ()):
        flags = re.findall(r"(?<=\s)--[a-z-]+", example.split(" > ")[0])
        known = {
            name
            for one in (cli, command, *getattr(command, "commands", {}).values())
            for p in one.params
            for name in p.opts
        }
        assert set(flags) <= known, example


_PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


def _command_lines(text: str) -> list[str]:
    """The arguments of every command line of malsync's in a document: in a block, and between back quotes."""
    prose = re.sub(r"^```[a-z]+\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    shown = re.findall(r"^ {4}(?:\$ )?(.*)$", prose, re.MULTILINE)
    starts = r"(?:\./run )?malsync "
    parts = [part for line in shown for part in re.split(r"\s(?:\|\|?|&&|;)\s|\$\(", line)]
    spans = re.findall(rf"(?<!`)`({starts}[^`]+)`", text)
    return [re.sub(starts, "", line, count=1) for line in (*parts, *spans) if re.match(starts, line)]


def _words(line: str) -> list[str]:
    """The words of a command line, without what a shell would take for itself: a comment, where its output goes."""
    return shlex.split(re.sub(r"\s(?:2?>|<|&&|;).*|\)+$|;$", "", line.partition("  #")[0]), comments=True)


def _parse(words: list[str]) -> None:
    """Read a command line as malsync would, and do nothing of it. Raises click.UsageError."""
    command: click.Command = cli
    context = cli.make_context("malsync", list(words))
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", _PAGES, ids=lambda path: path.name)
def test_every_command_line_in_a_document_is_one_that_malsync_takes(page: Path) -> None:
    wrong = []
    for line in _command_lines(page.read_text(encoding="utf-8")):
        words = _words(line)
        if " ".join(words) in PATHS or "[" in line or {"...", "COMMAND", "--version", "--help"} & set(words):
            continue  # a command is named, or how it is written; that is no line to type
        try:
            _parse(words)
        except click.UsageError as error:
            wrong.append(f"malsync {line}: {error.format_message()}")

    assert wrong == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda path: path.name)
def test_every_command_that_a_document_names_is_there(page: Path) -> None:
    """Forms such as `malsync export REF` too, of which no value could be read."""
    names = {path.partition(" ")[0] for path in PATHS} | {""}
    for line in _command_lines(page.read_text(encoding="utf-8")):
        first = next((word for word in re.split(r"[\s`]", line) if re.fullmatch("[a-z]+", word)), "")
        assert first in names or "--account" in line or "--home" in line, f"{page.name}: malsync {line}"


def test_a_wrong_command_line_in_a_document_would_be_found() -> None:
    text = "Type `malsync restore good --dryrun` or\n\n    malsync backup --nothing | jq .  # so\n"
    lines = _command_lines(text)

    assert lines == ["backup --nothing", "restore good --dryrun"]
    for line in lines:
        with pytest.raises(click.UsageError):
            _parse(_words(line))


def test_the_index_of_the_documents_names_each_of_them() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")

    for path in (ROOT / "docs").glob("*.md"):
        assert path.name == "README.md" or f"]({path.name})" in index, f"{path.name} is not in docs/README.md"


def test_every_place_inside_a_document_that_is_linked_to_is_there() -> None:
    for document in _PAGES:
        for target, place in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", document.read_text(encoding="utf-8")):
            page = document.parent / target if target else document
            headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert place in slugs, f"{document.name} links to {target}#{place}"


def test_every_exit_code_is_documented_under_its_name() -> None:
    table = (ROOT / "docs" / "scripting.md").read_text(encoding="utf-8")

    assert dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", table, re.MULTILINE)) == {
        str(int(code)): code.name for code in Exit
    }


def test_every_setting_and_variable_is_in_the_readme() -> None:
    for name in config.FROM_ENVIRONMENT.values():
        assert f"`{name}`" in README
    example = README.split("```toml")[1].split("```")[0]
    named = {line.split(" = ")[0] for line in example.strip().splitlines()}
    assert named | set(config.FROM_ENVIRONMENT) >= set(config.KEYS)
    assert named <= set(config.KEYS)


def test_every_output_schema_is_documented() -> None:
    named = set(re.findall(r"`(output-[a-z]+\.json)`", DOCS))

    assert named == {path.name for path in schema_folder().glob("output-*.json")}


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in _PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_example_in_the_snapshot_document_is_a_valid_head() -> None:
    import json

    from malsync.schemas import find_problem

    text = (ROOT / "docs" / "snapshots.md").read_text(encoding="utf-8").split("```json")[1].split("```")[0]

    assert find_problem("snapshot-1", json.loads(text)) is None


def test_the_example_of_a_plan_in_the_document_of_formats_can_be_applied() -> None:
    from malsync.formats import plan_file

    text = (ROOT / "docs" / "snapshots.md").read_text(encoding="utf-8").split("```json")[2].split("```")[0]
    made = plan_file.decode(text.encode(), "the example")

    assert [(call.op, call.key, call.fields) for call in made.plan.calls] == [
        ("update", ("anime", 20), {"score": (1, 7)})
    ]


@pytest.mark.promise("storing-5")
def test_the_recipe_in_the_snapshot_document_recomputes_a_digest() -> None:
    """The Python of docs/snapshots.md, run as it stands over a snapshot that malsync wrote."""
    import os
    import subprocess
    import sys
    import tempfile
    from datetime import UTC, datetime
    from pathlib import Path

    from malsync.formats import snapshot_file
    from malsync.model.entry import Entry
    from malsync.model.snapshot import Snapshot, User, whole

    lists = {
        "anime": {5: Entry(5, "Five", {"status": "completed", "score": 8}), 40: Entry(40, "Forty", {})},
        "manga": None,
    }
    recipe = (ROOT / "docs" / "snapshots.md").read_text(encoding="utf-8").split("```python")[1].split("```")[0]
    with tempfile.TemporaryDirectory() as place:
        user = User("https://api.example", 1, "someone")
        written = Snapshot(user, datetime(2026, 11, 1, tzinfo=UTC), "backup", whole(lists), lists)
        snapshot_file.write(Path(place) / "list.json.gz", written)
        said = subprocess.check_output([sys.executable, "-c", recipe], cwd=place, text=True, env=dict(os.environ))

    assert said.strip() == "True"
