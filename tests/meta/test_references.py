"""Every document that a file of the project mentions is part of the project, and so is the section that it names."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from malsync.sandbox.settings import Settings
from tests.support.harness import ROOT

FOLDERS = ("malsync", "tests", "schemas", "fixtures", "docs", ".ci")
# A file that a test writes into its temporary folder is no document.
MENTION = re.compile(r"(?<!tmp_path / \")(?<![\w./-])((?:\.\./|[\w-]+/)*[\w-]+\.md)\b(?:#([\w-]+))?")


def slugs(document: Path) -> set[str]:
    """The anchors of the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dangling(text: str, folder: Path) -> Iterator[str]:
    """The mentions in `text` of a document or a section that does not exist.

    A path is relative to the project or to `folder`, where the text stands; a bare name may be that of any document.
    """
    for mention in MENTION.finditer(text):
        name, anchor = mention.groups()
        places = [place for place in (ROOT / name, folder / name, ROOT / "docs" / name) if place.is_file()]
        if not places or (anchor and not any(anchor in slugs(place) for place in places)):
            yield mention[0]


def files() -> Iterator[Path]:
    """The text files of the project."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix != ".lock")
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def test_no_file_mentions_a_document_that_is_not_in_the_project() -> None:
    wrong = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        wrong += [f"{path.relative_to(ROOT)}: {mention}" for mention in dangling(text, path.parent)]

    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The table in docs/restoring.md and limits.md", []),
        ("[mode](restoring.md#what-restore-does), docs/mal.md#totals.", []),
        ("[the README](../README.md#commands)", []),
        ("see contract" + ".md, section 5", ["contract" + ".md"]),
        ("see docs/nowhere" + ".md", ["docs/nowhere" + ".md"]),
        ("see docs/mal" + ".md#no-such-section", ["docs/mal" + ".md#no-such-section"]),
        ('tmp_path / "page.md", tmp_path', []),
        ("https://elsewhere.example/README.md, 'x.mdx', mal-api.py", []),
    ],
)
def test_a_mention_is_found_and_checked(text: str, expected: list[str]) -> None:
    assert list(dangling(text, ROOT / "docs")) == expected


def test_every_open_question_is_a_setting_of_the_sandbox() -> None:
    table = (ROOT / "docs" / "mal.md").read_text(encoding="utf-8").split("## Open questions")[1]
    named = {
        name for row in re.findall(r"^\| .* \| (`.*`) \|$", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }

    assert len(named) > 20
    assert named <= {field.name for field in fields(Settings)}
