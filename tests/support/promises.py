"""Write the tables of promises in docs/promises.md and docs/security.md: `./run promises`.

The sentences are in promises.toml, next to this file. A test that holds a promise carries the promise's id:

    @pytest.mark.promise("reading-4")

`pytestmark = pytest.mark.promise("reading-4")` marks a whole file. A table in a page follows the comment
`<!-- promises: SECTION -->`, and its header names the columns: `tests`, and keys of promises.toml.
The markers are read from the source files; no test is imported.
"""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").exists())
SOURCE = Path(__file__).with_suffix(".toml")
PAGES = (ROOT / "docs" / "promises.md", ROOT / "docs" / "security.md")
MARKER = "pytest.mark.promise"
TABLE = re.compile(r"(<!-- promises: (\S+) -->\n\n\|(.+)\|\n\|.+\n)((?:\|.*\n)*)")

Promise = dict[str, str]
Sections = dict[str, list[Promise]]
Markers = list[tuple[str, str]]
"""Pairs of a promise's id and the name of a test: `test_reading::test_redirects`, or `test_soak` for a whole file."""


def read_promises(text: str) -> Sections:
    """Return the promises of each section. A promise has an `id` and the columns of its table."""
    return tomllib.loads(text)


def read_all_markers(folder: Path) -> Markers:
    """Return the markers of all test files in `folder` and its subfolders, sorted.

    Raises ValueError as `read_markers` does, and if two files have the same stem: the pages name files by it.
    """
    paths = list(folder.rglob("test_*.py"))
    twice = [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]
    if twice:
        raise ValueError(f"Two test files are named {twice[0]}.py")
    return sorted(marker for path in paths for marker in read_markers(path.stem, path.read_text(encoding="utf-8")))


def read_markers(stem: str, source: str) -> Markers:
    """Return the markers of the test file `stem`. Raises ValueError if a marker is not on a test or has no literal ids."""
    if MARKER not in source:
        return []
    tree = ast.parse(source)
    calls = list(_marker_calls(tree.body, stem))
    everywhere = sum(
        isinstance(node, ast.Attribute) and node.attr == "promise" and ast.unparse(node) == MARKER
        for node in ast.walk(tree)
    )
    if len(calls) != everywhere:
        raise ValueError(f"{stem}: a {MARKER} is neither the decorator of a test nor in pytestmark")
    return [(ast.literal_eval(argument), name) for name, call in calls for argument in call.args]


def _marker_calls(body: list[ast.stmt], name: str) -> Iterator[tuple[str, ast.Call]]:
    for statement in body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            yield from ((name, call) for call in _calls_in(statement.value))
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if statement.name.lower().startswith("test"):
                for decorator in statement.decorator_list:
                    yield from ((f"{name}::{statement.name}", call) for call in _calls_in(decorator))
            if isinstance(statement, ast.ClassDef):
                yield from _marker_calls(statement.body, f"{name}::{statement.name}")


def _calls_in(expression: ast.expr) -> Iterator[ast.Call]:
    return (n for n in ast.walk(expression) if isinstance(n, ast.Call) and ast.unparse(n.func) == MARKER)


def find_problems(sections: Sections, markers: Markers, pages: list[str]) -> list[str]:
    """Return what is wrong between promises, markers and pages, one sentence each; empty if nothing is."""
    ids = Counter(promise["id"] for promises in sections.values() for promise in promises)
    marked = {id for id, _ in markers}
    tables = {match[2]: _columns(match) for page in pages for match in TABLE.finditer(page)}
    return [
        *(f"{id} is the id of {count} promises." for id, count in ids.items() if count > 1),
        *(f"{id} is not marked on any test." for id in ids if id not in marked),
        *(f"{name} is marked {id}, which is not the id of a promise." for id, name in markers if id not in ids),
        *(f"No page has a table for the section {section}." for section in sections.keys() - tables.keys()),
        *(f"There is no section {section} for the table of a page." for section in tables.keys() - sections.keys()),
        *(
            f"The table of {promise['id']} has no column {key}."
            for section in sections.keys() & tables.keys()
            for promise in sections[section]
            for key in promise.keys() - set(tables[section])
        ),
    ]


def render(page: str, sections: Sections, markers: Markers) -> str:
    """Return `page` with the rows of its tables written anew."""

    def table(match: re.Match[str]) -> str:
        return match[1] + "".join(_row(promise, _columns(match), markers) for promise in sections[match[2]])

    return TABLE.sub(table, page)


def _columns(match: re.Match[str]) -> list[str]:
    return [column.strip() for column in match[3].split("|")]


def _row(promise: Promise, columns: list[str], markers: Markers) -> str:
    tests = ", ".join(f"`{name}`" for id, name in markers if id == promise["id"])
    cells = (tests if column == "tests" else promise.get(column, "") for column in columns)
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


def main() -> int:
    """Write the pages and return 0; if something is wrong, print what, leave the pages alone and return 1."""
    sections = read_promises(SOURCE.read_text(encoding="utf-8"))
    markers = read_all_markers(ROOT / "tests")
    pages = {path: path.read_text(encoding="utf-8") for path in PAGES}
    problems = find_problems(sections, markers, list(pages.values()))
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    for path, page in pages.items():
        path.write_text(render(page, sections, markers), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
