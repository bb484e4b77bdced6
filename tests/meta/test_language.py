"""Sentences that were replaced because nobody would say them, and that must not return."""

from functools import cache
from pathlib import Path

import pytest

from tests.support.harness import ROOT

RETIRED = (
    "Say each request, on stderr.",
    "Say nothing but errors.",
    "The local name of a MAL user ('default').",
    "Back up a MyAnimeList account whole, see what changed, and keep every list you ever had.",
    "Say what changed between two lists.",
    "Say both lists in figures.",
    "Show one entry through every snapshot: a version wherever it changed, came or went.",
    "Show one entry through every snapshot.",
    "Make the live list what REF says.",
    "Take back only what changed from GOOD to BAD.",
    "Carry a list into another account.",
    "Take a run back.",
    "List the runs, or give one up.",
    "Make the mirror again from exported files.",
    "Fill the mirror's catalogue: the rest of the API.",
    "Serve the MAL API on this machine.",
    "Tell the whole story on a sandbox.",
    "Open the address on any machine and paste where you land.",
    "Entries whose title holds TEXT.",
    "exact deletes too what REF lacks",
    "Delete N entries at most; without it, 10.",
    "take a list that looks wrong.",
    "Make a date without a day the first day of its month or year.",
    "Carry it out on a sandbox that holds a copy of the live lists.",
    "It was reviewed, so it does not ask.",
    "The same file again: nothing happens.",
    "Titles that MAL does not have are told, and written down in a report.",
    "Titles that have none yet: what is done without a choice.",
    "Of several choices all must hold.",
    "Begun by this member.",
    "To be deleted from the list:",
    "MAL itself sets updated_at; the order in which entries were updated is kept.",
    "The first of its kind",
    "touched, nothing changed",
    "All of them are proven by: malsync verify",
    "No config.toml: the usual settings hold.",
    "Prove that every snapshot is whole.",
    "Thin out snapshots, and give the space back.",
    "Nobody came back",
    "The progress that nobody watches",
    "You said no",
)
TEXTS = [
    path
    for folder in ("malsync", "docs")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".md", ".html", ".sql"}
] + [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@cache
def text_of(path: Path) -> str:
    """A file's text with every run of white space as one blank: sentences go over lines."""
    return " ".join(path.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("phrase", RETIRED)
def test_a_retired_sentence_does_not_return(phrase: str) -> None:
    assert [str(path.relative_to(ROOT)) for path in TEXTS if phrase in text_of(path)] == []


def test_the_texts_are_looked_at() -> None:
    assert len(TEXTS) > 250
