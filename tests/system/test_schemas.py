"""What is wrong with a document: where it is, in words of one line, and without slowing down what is valid."""

import subprocess
import sys
from typing import Any

from malsync.schemas import find_problem
from tests.support.harness import ROOT, clean_environment

PAGE = "openapi#/components/schemas/AnimeListPage"


def page(*scores: Any) -> dict[str, Any]:
    """Return a page of an anime list with these scores, for the ids 1, 2, ..."""
    entries = [
        {"node": {"id": id, "title": f"Title {id}"}, "list_status": {"score": score}}
        for id, score in enumerate(scores, 1)
    ]
    return {"data": entries, "paging": {}}


def test_a_valid_document_has_no_problem() -> None:
    assert find_problem(PAGE, page(8, 9)) is None


def test_a_problem_has_the_path_through_the_whole_document() -> None:
    problem = find_problem(PAGE, page(*[8] * 900, "9", 10))

    assert problem is not None
    assert problem.path == ("data", 900, "list_status", "score")
    assert problem.message.startswith("'9' is not of type 'integer'")


def test_a_missing_member_is_named() -> None:
    document = page(8, 9)
    del document["data"][1]["node"]["id"]

    problem = find_problem(PAGE, document)

    assert problem is not None
    assert problem.path == ("data", 1, "node")
    assert problem.message == "'id' is a required property"


def test_a_problem_of_the_whole_document_has_an_empty_path() -> None:
    problem = find_problem(PAGE, [page(8)])

    assert problem is not None
    assert problem.path == ()
    assert "is not of type 'object'" in problem.message


def test_a_message_is_one_line_of_limited_length() -> None:
    problem = find_problem(PAGE, page("a line\nand another " * 100))

    assert problem is not None
    assert "\n" not in problem.message
    assert len(problem.message) <= 203


def test_the_library_that_explains_is_imported_only_for_a_problem() -> None:
    source = (
        "import sys; from malsync.schemas import find_problem\n"
        f"print(find_problem({PAGE!r}, {page(8)!r}), 'jsonschema' in sys.modules)\n"
        f"print(find_problem({PAGE!r}, {page('8')!r}) is None, 'jsonschema' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
        cwd=ROOT,
    )

    assert done.stdout.splitlines() == ["None False", "False True"]
