"""The SQL files of this folder: queries of the browser's pages and of `stats`, which Datasette also offers by name, with a form.

A file begins with comment lines: `-- title:`, `-- about:`, and for each parameter with known values `-- choose PARAMETER:` and
a query that selects them. A file with `{medium}` in it is two queries, `anime_NAME` and `manga_NAME`. `_filled` has the other
placeholders, all of them SQL made from the field table. Values are always bound.
"""

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from malsync.model.medium import ANIME, MEDIA, Field, Kind, Medium
from malsync.model.plain_text import TEXTS, decode, plain_value, text_fields

_FOLDER = Path(__file__).parent
_HEADER = re.compile(r"-- (title|about|choose (\w+)): (.+)")
_READABLE = {
    Kind.NUMBER: "coalesce({0}, 0)",
    Kind.FLAG: "iif({0}, 'yes', '')",
    Kind.TAGS: "(SELECT group_concat(value, ', ') FROM json_each({0}))",
    Kind.TEXT: "coalesce({0}, '')",
}
_GROUPS = {
    "Time travel": ("list_at", "changes", "history", "days", "suspicious", "gone", "snapshots"),
    "Figures": ("by_status", "by_score", "by_genre", "by_year", "by_season", "by_month"),
    "Runs": ("runs", "calls"),
    "What was fetched": ("ranking", "season", "suggestions", "topics", "posts", "found_topics", "found_posts"),
}
# Parameters that mean the same in every query, and the query that selects their values.
_KNOWN = {
    "user": "SELECT id, name FROM mal_user ORDER BY name COLLATE NOCASE, id",
    "snapshot": "SELECT id, '#' || id || ', ' || substr(taken_at, 1, 10) || ', ' || {medium} || ' entries' FROM snapshot"
    " WHERE {medium} IS NOT NULL ORDER BY taken_at DESC, id DESC LIMIT 1000",
    "state": "SELECT column1, replace(column1, '_', ' ')"
    " FROM (VALUES ('done'), ('already'), ('skipped'), ('failed'), ('not_restorable'), ('planned'), ('sent'))",
    "topic": "SELECT id, title FROM forum_topic WHERE posts_at IS NOT NULL ORDER BY last_post_created_at DESC LIMIT 1000",
}
# The SQL literal of each kind's blank value (`Kind.blank`), which equals an absent one.
_BLANKS = {Kind.NUMBER: "0", Kind.FLAG: "0", Kind.TAGS: "'[]'", Kind.TEXT: "''", Kind.DATE: "''"}


@dataclass(frozen=True)
class Query:
    """One query, with the texts of its page."""

    name: str
    title: str
    about: str
    sql: str
    choices: dict[str, str] = field(default_factory=dict)
    """By parameter, a query for its possible values and their names."""
    group: str = ""
    medium: str = ""
    """The medium of the titles whose `id` is in its rows; empty for none, or both."""


def add_functions(connection: sqlite3.Connection) -> None:
    """Add the SQL functions `plain_text` and `plain_tags`, which decode HTML entities in a text and in a JSON list of texts."""
    connection.create_function("plain_text", 1, _plain_text, deterministic=True)
    connection.create_function("plain_tags", 1, _plain_tags, deterministic=True)


def _plain_text(text: Any) -> Any:
    return decode(text) if isinstance(text, str) else text


def _plain_tags(text: Any) -> Any:
    try:
        return json.dumps(plain_value(json.loads(text)), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return text


@cache
def all_queries() -> dict[str, Query]:
    """All queries by name."""
    queries: dict[str, Query] = {}
    for path in sorted(_FOLDER.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        media: Iterable[Medium | None] = MEDIA.values() if "{medium}" in text else (None,)
        for medium in media:
            query = _read(path.stem, medium, _filled(text, medium or ANIME))
            queries[query.name] = query
    return queries


def groups() -> dict[str, list[Query]]:
    """The queries that people may run, by group, in the order of `_GROUPS`."""
    return {
        name: sorted(
            (query for query in all_queries().values() if query.group == name),
            key=lambda query: (stems.index(query.name.removeprefix(f"{query.medium}_")), query.name),
        )
        for name, stems in _GROUPS.items()
    }


def sql(name: str) -> str:
    """The SQL of a query."""
    return all_queries()[name].sql


def metadata(database: str) -> dict[str, Any]:
    """Datasette's metadata for the queries of `database`."""
    offered = {
        query.name: {"sql": query.sql, "title": query.title, "description": query.about, "hide_sql": True}
        for query in all_queries().values()
    }
    return {"databases": {database: {"queries": offered}}}


def _read(stem: str, medium: Medium | None, text: str) -> Query:
    header: dict[str, str] = {}
    statement = _HEADER.sub("", text).strip()
    choices = {
        name: known.replace("{medium}", (medium or ANIME).name)
        for name, known in _KNOWN.items()
        if re.search(rf":{name}\b", statement)
    }
    for what, parameter, value in _HEADER.findall(text):
        if parameter:
            choices[parameter] = value
        else:
            header[what] = value
    title = header["title"][0].upper() + header["title"][1:]
    group = next((name for name, stems in _GROUPS.items() if stem in stems), "")
    own = medium.name if medium else "anime" if stem in ("season", "suggestions") else ""
    name = f"{medium.name}_{stem}" if medium else stem
    return Query(name, title, header["about"], statement, choices, group, own)


def _filled(text: str, medium: Medium) -> str:
    own = [field.name for field in medium.writable]
    parts = {
        "joins": joins(medium),
        "here": HERE,
        "readable": ", ".join(f"{_readable(medium, field)} AS {field.name}" for field in medium.fields),
        "version": ", ".join(f"{plain(medium, field.name)} AS {field.name}" for field in medium.fields),
        "was": ", ".join(f"{name}_was" for name in own),
        "now": ", ".join(f"{name}_now" for name in own),
        "old": ", ".join(f"iif(both_{field.name}, {_of_pair(field, 'old')}, NULL)" for field in medium.writable),
        "new": ", ".join(f"iif(both_{field.name}, {_of_pair(field, 'new')}, NULL)" for field in medium.writable),
        "both": ", ".join(
            [
                *(f"({_both_cover(medium, field)}) AS both_{field.name}" for field in medium.writable),
                *(
                    f"{_is_encoded(medium, field, row)} AS {row}_{field.name}"
                    for field in text_fields(medium)
                    for row in "ab"
                ),
            ]
        ),
        "differs": " OR ".join(_differ(field) for field in medium.writable),
        "previous": PREVIOUS,
        "alarming": ALARMING,
        "ranked": pairs(f"{medium.name}_ranking", "day", "type"),
        "in_season": pairs("season_title", "year", "season"),
        "medium": medium.name,
    }
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return text.replace("{medium}", medium.name)


# In a series the times never go back, and its index is by time.
PREVIOUS = """SELECT earlier.id FROM snapshot AS earlier
    WHERE earlier.series = snapshot.series AND (earlier.taken_at, earlier.id) < (snapshot.taken_at, snapshot.id)
    ORDER BY earlier.taken_at DESC, earlier.id DESC LIMIT 1"""

# Pairs of snapshots, one made just before the other, between which suspiciously much changed.
ALARMING = f"""snapshot JOIN series ON series.id = snapshot.series JOIN mal_user ON mal_user.id = series.user
JOIN snapshot AS before ON before.id =
    ({PREVIOUS})
WHERE snapshot.source IN ('backup', 'before-run')
    AND (snapshot.suspicious <> '[]' AND before.suspicious = '[]'
    OR (snapshot.updated + snapshot.removed >= 50
        AND (snapshot.updated + snapshot.removed) * 10 > coalesce(before.anime, 0) + coalesce(before.manga, 0)))"""

HERE = """snapshot.id = coalesce(nullif(:snapshot, ''),
    (SELECT id FROM snapshot WHERE {medium} IS NOT NULL ORDER BY taken_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 minute'),
        taken_at DESC, id DESC LIMIT 1))"""


def joins(medium: Medium) -> str:
    """The tables after FROM that give the entries of a snapshot, each with its title."""
    return f"""snapshot
JOIN {medium.name}_version AS version ON version.series = snapshot.series
    AND version.since <= snapshot.id AND (version.until IS NULL OR version.until > snapshot.id)
    AND snapshot.{medium.name} IS NOT NULL
LEFT JOIN {medium.name} AS title ON title.id = version.media_id"""


def pairs(table: str, first: str, second: str) -> str:
    """A WITH clause whose table `found` has each distinct pair of the first two columns of the key of `table`.

    It takes one step along the index for each pair. SELECT DISTINCT would read every row, and each pair has many.
    """
    return (
        f"WITH RECURSIVE firsts (value) AS (SELECT max({first}) FROM {table} UNION ALL"
        f" SELECT (SELECT max({first}) FROM {table} WHERE {first} < firsts.value) FROM firsts WHERE value IS NOT NULL),"
        f" known ({first}, {second}) AS (SELECT value, (SELECT min({second}) FROM {table} WHERE {first} = firsts.value)"
        f" FROM firsts WHERE value IS NOT NULL UNION ALL SELECT {first}, (SELECT min({second}) FROM {table}"
        f" WHERE {table}.{first} = known.{first} AND {table}.{second} > known.{second}) FROM known"
        f" WHERE {second} IS NOT NULL), found AS (SELECT * FROM known WHERE {second} IS NOT NULL)"
    )


def plain(medium: Medium, name: str) -> str:
    """SQL for a field of an entry of `joins`, texts decoded."""
    field = medium.by_name[name]
    if field.kind not in TEXTS:
        return f"version.{name}"
    return _decoded(field, f"version.{name}", _is_encoded(medium, field, "snapshot"))


def _decoded(field: Field, column: str, is_encoded: str) -> str:
    return f"iif({is_encoded}, {'plain_tags' if field.kind is Kind.TAGS else 'plain_text'}({column}), {column})"


def _is_encoded(medium: Medium, field: Field, snapshot: str) -> str:
    """SQL for whether the text of this field is HTML-encoded in a snapshot."""
    names = f"iif(json_valid({snapshot}.encoded), json_extract({snapshot}.encoded, '$.{medium.name}'), '')"
    return f"coalesce(instr({names}, '\"{field.name}\"') > 0, 0)"


def _readable(medium: Medium, field: Field) -> str:
    return _READABLE.get(field.kind, "{0}").format(plain(medium, field.name))


def _of_pair(field: Field, row: str) -> str:
    """SQL for a field of an entry in one of a pair of snapshots, texts decoded. `row` is `old` or `new`."""
    column = f"{row}.{field.name}"
    return _decoded(field, column, f"{'a' if row == 'old' else 'b'}_{field.name}") if field.kind in TEXTS else column


def _differ(field: Field) -> str:
    """SQL for whether a field that both snapshots and both entries know differs."""
    known = " AND ".join(f"coalesce(instr({row}.unknown, '\"{field.name}\"'), 0) = 0" for row in ("old", "new"))
    pair = [_comparable(field, _of_pair(field, row)) for row in ("old", "new")]
    if field.kind in TEXTS:
        known += f" AND old.{field.name} IS NOT new.{field.name}"
        pair = [f"replace(replace({text}, char(13, 10), char(10)), char(13), char(10))" for text in pair]
    return f"(both_{field.name} AND {pair[0]} IS NOT {pair[1]} AND {known})"


def _both_cover(medium: Medium, field: Field) -> str:
    """SQL for whether the snapshots `a` and `b` both cover this field."""
    return " AND ".join(
        f"EXISTS (SELECT 1 FROM json_each({row}.covers, '$.{medium.name}') WHERE value = '{field.name}')"
        for row in "ab"
    )


def _comparable(field: Field, column: str) -> str:
    blank = _BLANKS.get(field.kind)
    return column if blank is None else f"coalesce({column}, {blank})"
