"""Encoded text and rows with gaps in the mirror: kept as received, and never a change by themselves."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.formats import snapshot_file
from malsync.mirror import FILE_NAME, Mirror
from malsync.mirror.encodings import record_encodings
from malsync.model.entry import Entry
from malsync.model.medium import ANIME, MANGA
from malsync.model.plain_text import encode
from malsync.model.snapshot import PLAIN, Snapshot
from tests.support.lists import MIKA, moment, snapshot, watched
from tests.support.mirrors import fresh, store
from tests.support.strategies import snapshots

COMMENTS = ("AT&T", "it's <i>so</i>\nand so", "&amp; typed", "plain")
signs = st.sampled_from(["a & b", "a &amp; b", "x<br />\ny", "x\ny", "plain", "&lt;", "'", "", "&unheardof;"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


def shown(comments: tuple[str, ...], day: int, *, as_html: bool, score: int = 5) -> Snapshot:
    """A list of anime on that day of November, whose first entry has `score`."""
    entries = {
        id: watched(1, comments=encode(text) if as_html else text, score=score if id == 1 else 5)
        for id, text in enumerate(comments, 1)
    }
    return snapshot(entries, {}, at=f"2026-11-{day:02}T12:00:00Z")


def test_a_change_of_encoding_alone_is_not_a_change(path: Path) -> None:
    raw, encoded = (shown(COMMENTS, day, as_html=day > 1) for day in (1, 2))
    more = shown(COMMENTS, 3, as_html=False, score=9)

    infos = store(path, raw, encoded, more)

    assert [info.changes for info in infos] == [
        {"add": 0, "update": 0, "remove": 0},
        {"add": 0, "update": 0, "remove": 0},
        {"add": 0, "update": 1, "remove": 0},
    ]
    assert [info.encoded.get("anime", ()) for info in infos] == [(), ("comments",), ()]
    with Mirror.open(path) as mirror:
        assert [mirror.load(info.number).digest for info in infos] == [raw.digest, encoded.digest, more.digest]
        assert mirror.load(2).plain.list_status(ANIME, 2) == raw.list_status(ANIME, 2)
        assert [version.snapshot for version in mirror.history(MIKA, ANIME, 2)] == [1]
        assert [version.snapshot for version in mirror.history(MIKA, ANIME, 1)] == [1, 3]
        assert {
            version.list_status["comments"] for version in mirror.history(MIKA, ANIME, 1) if version.list_status
        } == {"AT&T"}


def test_pruning_counts_changes_of_the_plain_text(path: Path) -> None:
    infos = store(path, *(shown(COMMENTS, day, as_html=day != 2, score=4 + (day > 2)) for day in (1, 2, 3)))
    with Mirror.open(path, write=True) as mirror:
        mirror.prune([infos[1].number])
        assert mirror.info(infos[2].number).changes == {"add": 0, "update": 1, "remove": 0}


@given(st.lists(st.lists(signs, min_size=1, max_size=4), min_size=1, max_size=5))
def test_migration_records_the_encoding_that_a_new_snapshot_would_have(days: list[list[str]]) -> None:
    with fresh() as mirror:
        for day, texts in enumerate(days, 1):
            entries = {id: watched(1, comments=text, tags=[text, "x"]) for id, text in enumerate(texts, 1)}
            mirror.add(snapshot(entries, entries if day % 2 else {}, at=f"2026-11-{day:02}T12:00:00Z"))
        stored = {info.number: info.encoded for info in mirror.infos()}
        with closing(sqlite3.connect(mirror.path)) as connection, connection:
            connection.execute("UPDATE snapshot SET encoded = '{}'")
            record_encodings(connection)
        assert {info.number: info.encoded for info in mirror.infos()} == stored


def test_migration_records_no_encoding_for_imports(path: Path) -> None:
    covers = {"anime": ("status", "comments"), "manga": None}
    lists = {"anime": {1: Entry(1, "One", {"status": "watching", "comments": "&lt;typed"})}, "manga": None}
    file = Snapshot(MIKA, moment("2026-11-01T12:00:00Z"), "import", covers, lists, encoded_as=PLAIN)
    store(path, file)
    with closing(sqlite3.connect(path)) as connection, connection:
        record_encodings(connection)
    with Mirror.open(path) as mirror:
        assert mirror.load(1).plain.list_status(ANIME, 1) == {"status": "watching", "comments": "&lt;typed"}


@given(snapshots(complete=False))
def test_unknown_fields_survive_the_mirror_and_a_file(made: Snapshot) -> None:
    with fresh() as mirror:
        stored = mirror.load(mirror.add(made).number)
    again = snapshot_file.decode(b"".join(snapshot_file.encode(stored)), "a file")

    for medium in (ANIME, MANGA):
        gaps = {id: entry.unknown for id, entry in made.entries(medium).items()}
        for found in (stored, again):
            assert {id: entry.unknown for id, entry in found.entries(medium).items()} == gaps
            assert found.digest == made.digest
            assert found.plain.entries(medium).keys() == gaps.keys()


@pytest.mark.parametrize("encoded_as", [PLAIN, {"anime": ("comments",), "manga": ()}, None])
def test_a_file_says_how_its_texts_are_meant_where_its_list_does_not(
    encoded_as: dict[str, tuple[str, ...]] | None,
) -> None:
    made = snapshot({1: watched(1, comments="&amp;")}, {})
    made = Snapshot(**{**vars(made), "encoded_as": encoded_as})

    written = b"".join(snapshot_file.encode(made))
    again = snapshot_file.decode(written, "a file")

    assert again.plain.list_status(ANIME, 1) == made.plain.list_status(ANIME, 1)
    assert (b'"encoded"' in written) == (encoded_as is PLAIN)
