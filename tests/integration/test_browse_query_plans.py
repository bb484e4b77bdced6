"""How SQLite answers every query of ours: by an index wherever there is a key, and why a table is read whole where it is."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from datasette import hookimpl
from datasette.plugins import pm

from malsync.mirror import queries
from tests.support.archive import Archive
from tests.support.browsing import own_pages, query_pages, visiting

# What may be read whole, and why. Every other table is asked by a key.
READ_WHOLE = {
    "mal_user": "the people whose lists these are",
    "series": "a few for each of them",
    "snapshot": "is asked for all of one user's: in their order, to be listed, chosen from or added up",
    "run": "is listed whole, the newest first",
    "forum_board": "some sixty, and the page shows them all",
    "suggestion": "a hundred at most, and the page shows them all",
    "forum_topic": "without a board all topics are asked for, by the time of their last post",
}
# Of these one row is asked for, whichever comes first.
ANY_ROW = re.compile(r"SELECT 1(?: AS one)? FROM (\w+) LIMIT 1")
# What a query made itself: a subquery, a list of its own, the parts of a JSON text.
OWN = {"list", "changed", "newest", "last", "went", "dated", "pair", "firsts", "known", "found", "tag", "json_each"}
STEP = re.compile(r"(SCAN|SEARCH) (\(?[\w-]+\)?)(?: (.*))?")
ALIAS = re.compile(r"\b(?:FROM|JOIN) (\w+) AS (\w+)")


class _Watch:
    """Keeps each statement that a connection of Datasette's runs, its values filled in."""

    def __init__(self) -> None:
        self.seen: dict[str, None] = {}

    @hookimpl
    def prepare_connection(self, conn: sqlite3.Connection, database: str) -> None:
        if database == "mirror":
            conn.set_trace_callback(self._keep)

    def _keep(self, statement: str) -> None:
        # What a full-text search asks for inside begins with dashes or with its own tables.
        if not statement.startswith("--") and "_fts_" not in statement and "sqlite_master" not in statement:
            self.seen[statement] = None


@pytest.fixture(scope="module")
def statements(archived: Archive) -> list[str]:
    """Every statement that every page of ours and every canned query runs."""
    watch = _Watch()
    with visiting(archived.path) as visit:
        pm.register(watch)
        try:
            visit("/mirror")  # Datasette reads the schema once
            watch.seen.clear()
            visit.pages([*own_pages(archived), *query_pages(archived).values()])
        finally:
            pm.unregister(watch)
    return [text for text in watch.seen if not text.upper().startswith("PRAGMA")]


@pytest.fixture(scope="module")
def connection(archived: Archive) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(archived.path)) as opened:
        queries.add_functions(opened)
        opened.create_function("standing", 2, lambda *_: None)
        yield opened


def plan(connection: sqlite3.Connection, statement: str) -> list[tuple[str, str, str]]:
    """Each step that reads a table: SCAN or SEARCH, the table, and by which index."""
    names = {alias: table for table, alias in ALIAS.findall(statement)}
    found = []
    for *_, text in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
        if (step := STEP.match(text)) and not text.endswith("CONSTANT ROWS"):
            kind, name, how = step.groups()
            found.append((kind, names.get(name, name), how or ""))
    return found


def is_by_key(kind: str, how: str) -> bool:
    """Whether a step finds its rows; a virtual table says which of its ways it took, which is none where it is read whole."""
    return kind == "SEARCH" or how == "CONSTANT ROWS" or bool(re.match(r"VIRTUAL TABLE INDEX \d+:.", how))


def test_every_query_of_ours_goes_by_an_index_wherever_there_is_a_key(
    statements: list[str], connection: sqlite3.Connection
) -> None:
    assert len(statements) > 150
    for statement in statements:
        any_row = ANY_ROW.fullmatch(statement.strip())
        for kind, table, how in plan(connection, statement):
            is_made_here = table in OWN or table.startswith("(")
            assert is_by_key(kind, how) or is_made_here or table in READ_WHOLE or any_row, (table, how, statement)


def test_no_index_is_made_up_for_one_query(statements: list[str], connection: sqlite3.Connection) -> None:
    """SQLite builds one each time where it misses one, which costs as much as reading the table whole."""
    for statement in statements:
        for _, table, how in plan(connection, statement):
            is_small = table in OWN or table in READ_WHOLE or table.startswith("(")
            assert "AUTOMATIC" not in how or is_small, (table, how, statement)


def test_a_list_is_found_by_its_series_and_an_entry_by_series_and_number(
    statements: list[str], connection: sqlite3.Connection
) -> None:
    """So no page reads the lists of others."""
    ways: dict[str, set[str]] = {}
    for statement in statements:
        for _, table, how in plan(connection, statement):
            if table.endswith("_version"):
                ways.setdefault(table, set()).add(how.removesuffix(" LEFT-JOIN"))

    assert ways.keys() == {"anime_version", "manga_version"}
    for found in ways.values():
        assert found <= {
            "USING PRIMARY KEY (series=?)",
            "USING PRIMARY KEY (series=? AND media_id=?)",
            "USING PRIMARY KEY (series=? AND media_id=? AND since<?)",
        }


def test_reading_a_table_whole_is_noticed(connection: sqlite3.Connection) -> None:
    """What the tests above look for, in a query that has it."""
    (step,) = plan(connection, "SELECT * FROM anime AS title WHERE title.synopsis = 'x'")

    assert step == ("SCAN", "anime", "")
    assert not is_by_key("SCAN", "")


def test_the_choices_of_a_ranking_are_found_without_reading_it() -> None:
    """Each day and type is one step along the key, however many titles there are of it."""
    sql = f"{queries.pairs('anime_ranking', 'day', 'type')} SELECT day, type FROM found ORDER BY day DESC, type"
    kept = [(f"2026-01-{day:02}", kind) for day in (5, 4, 3, 2, 1) for kind in ("all", "movie", "tv")]
    costs = []
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "CREATE TABLE anime_ranking (day TEXT NOT NULL, type TEXT NOT NULL, media_id INTEGER NOT NULL,"
            " PRIMARY KEY (day, type, media_id)) WITHOUT ROWID"
        )
        assert connection.execute(sql).fetchall() == []
        for titles in (range(10), range(10, 1_000)):
            rows = [(day, kind, id) for day, kind in kept for id in titles]
            connection.executemany("INSERT INTO anime_ranking VALUES (?, ?, ?)", rows)
            steps: list[None] = []
            connection.set_progress_handler(lambda steps=steps: steps.append(None), 1)
            found = connection.execute(sql).fetchall()
            connection.set_progress_handler(None, 0)
            assert found == kept
            costs.append(len(steps))
    assert costs[1] <= costs[0]
