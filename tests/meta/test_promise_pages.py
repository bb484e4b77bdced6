"""docs/promises.md and docs/security.md list every promise with the tests that are marked with it."""

from pathlib import Path

import pytest

from tests.support import promises
from tests.support.promises import (
    MARKER,
    PAGES,
    ROOT,
    SOURCE,
    find_problems,
    read_all_markers,
    read_markers,
    read_promises,
    render,
)

PAGE = "# Page\n\n<!-- promises: reading -->\n\n| id | promise | tests | figure |\n| --- | --- | --- | --- |\n{rows}\nThe end.\n"
ONE = {"reading": [{"id": "reading-1", "promise": "Lists are read.", "figure": "two"}]}


@pytest.fixture(scope="module")
def sections() -> promises.Sections:
    return read_promises(SOURCE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def markers() -> promises.Markers:
    return read_all_markers(ROOT / "tests")


def test_promises_markers_and_pages_agree(sections: promises.Sections, markers: promises.Markers) -> None:
    assert find_problems(sections, markers, [page.read_text(encoding="utf-8") for page in PAGES]) == []
    assert sum(map(len, sections.values())) > 150


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_committed_page_is_the_generated_page(
    path: Path, sections: promises.Sections, markers: promises.Markers
) -> None:
    page = path.read_text(encoding="utf-8")

    assert page == render(page, sections, markers), "run: ./run promises"


def test_every_promise_is_a_row_with_a_test(sections: promises.Sections) -> None:
    lines = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()]

    for promise in (promise for section in sections.values() for promise in section):
        (row,) = (line for line in lines if line.startswith(f"| {promise['id']} |"))
        assert "| `test_" in row
        assert all(f"| {value} |" in row for value in promise.values())


def test_render_writes_rows_and_keeps_the_prose() -> None:
    markers = [("reading-1", "test_a"), ("reading-1", "test_b::test_c"), ("reading-2", "test_d")]
    rows = "| reading-1 | Lists are read. | `test_a`, `test_b::test_c` | two |\n"

    assert render(PAGE.format(rows=""), ONE, markers) == PAGE.format(rows=rows)
    assert render(PAGE.format(rows="| old |\n| older |\n"), ONE, markers) == PAGE.format(rows=rows)


def test_markers_are_found_on_files_classes_methods_and_functions() -> None:
    source = f"""
import pytest
pytestmark = [pytest.mark.slow, {MARKER}("a-1")]
@{MARKER}("a-2", "a-3")
@pytest.mark.slow
def test_function(): ...
@{MARKER}("a-4")
class TestClass:
    @{MARKER}("a-5")
    async def test_method(self): ...
"""

    assert read_markers("test_x", source) == [
        ("a-1", "test_x"),
        ("a-2", "test_x::test_function"),
        ("a-3", "test_x::test_function"),
        ("a-4", "test_x::TestClass"),
        ("a-5", "test_x::TestClass::test_method"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        f"@{MARKER}('a-1')\ndef helper(): ...",
        f"@{MARKER}\ndef test_without_ids(): ...",
        f"def test_outer():\n    @{MARKER}('a-1')\n    def test_inner(): ...",
        f"@{MARKER}(NAME)\ndef test_with_a_computed_id(): ...",
    ],
)
def test_a_marker_that_cannot_be_listed_is_an_error(source: str) -> None:
    with pytest.raises(ValueError, match=r"neither the decorator|malformed node"):
        read_markers("test_x", source)


def test_markers_of_subfolders_are_found(tmp_path: Path) -> None:
    (tmp_path / "unit" / "mal").mkdir(parents=True)
    for path in ("unit/mal/test_deep.py", "test_flat.py", "unit/helper.py"):
        (tmp_path / path).write_text(f"@{MARKER}('a-1')\ndef test_it(): ...\n")

    assert read_all_markers(tmp_path) == [("a-1", "test_deep::test_it"), ("a-1", "test_flat::test_it")]


def test_two_files_of_one_name_are_an_error(tmp_path: Path) -> None:
    for folder in ("unit", "system"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_a.py").write_text("")

    with pytest.raises(ValueError, match="Two test files are named test_a"):
        read_all_markers(tmp_path)


@pytest.mark.parametrize(
    ("sections", "markers", "page", "problem"),
    [
        ({"reading": ONE["reading"] * 2}, ["reading-1"], PAGE, "reading-1 is the id of 2 promises."),
        (ONE, [], PAGE, "reading-1 is not marked on any test."),
        (ONE, ["reading-1", "reading-9"], PAGE, "test_a is marked reading-9, which is not the id of a promise."),
        (ONE, ["reading-1"], "", "No page has a table for the section reading."),
        ({}, [], PAGE, "There is no section reading for the table of a page."),
        (ONE, ["reading-1"], PAGE.replace("figure", "cost"), "The table of reading-1 has no column figure."),
    ],
)
def test_problems_are_named(sections: promises.Sections, markers: list[str], page: str, problem: str) -> None:
    assert find_problems(sections, [(id, "test_a") for id in markers], [page.format(rows="")]) == [problem]


def test_pages_are_written_only_when_there_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests").mkdir()
    test, page, source = tmp_path / "tests" / "test_a.py", tmp_path / "page.md", tmp_path / "promises.toml"
    page.write_text(PAGE.format(rows="| old |\n"))
    source.write_text('[[reading]]\nid = "reading-1"\npromise = "Lists are read."\n')
    for name, value in {"ROOT": tmp_path, "SOURCE": source, "PAGES": (page,)}.items():
        monkeypatch.setattr(promises, name, value)

    test.write_text("def test_it(): ...\n")
    assert promises.main() == 1
    assert capsys.readouterr().err == "reading-1 is not marked on any test.\n"
    assert page.read_text() == PAGE.format(rows="| old |\n")

    test.write_text(f"@{MARKER}('reading-1')\ndef test_it(): ...\n")
    assert promises.main() == 0
    assert page.read_text() == PAGE.format(rows="| reading-1 | Lists are read. | `test_a::test_it` | |\n")
