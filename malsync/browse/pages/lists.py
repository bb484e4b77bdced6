"""The library: one list as of a snapshot, to be searched, narrowed by facets, sorted and leafed through."""

from dataclasses import dataclass
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse import filters
from malsync.browse.page_context import Asked, Row, medium_of
from malsync.mirror import queries
from malsync.model.medium import Medium
from malsync.model.plain_text import text_fields

PAGE = 60
FACETS = ("status", "media_type", "score", "genre", "year", "tag")
_MANY = 200
"""At most so many values of one facet are told: a person with more tags than that searches."""

# What a value in the address asks of a row; the value is always bound.
_CONDITIONS = {
    "status": "version.status = :status",
    "media_type": "title.media_type = :media_type",
    "score": "coalesce(version.score, 0) = CAST(:score AS INTEGER)",
    "genre": "version.media_id IN (SELECT media_id FROM {0}_genre WHERE genre = :genre)",
    "year": "substr(title.start_date, 1, 4) = :year",
    "tag": "EXISTS (SELECT 1 FROM json_each({tags}) WHERE value = :tag)",
    # Titles of which nothing was fetched are not in the full-text index.
    "q": "(version.media_id IN (SELECT rowid FROM {0}_fts WHERE {0}_fts MATCH :words)"
    " OR title.title LIKE :like ESCAPE '\\' OR {comments} LIKE :like ESCAPE '\\'"
    " OR EXISTS (SELECT 1 FROM json_each({tags}) WHERE value LIKE :like ESCAPE '\\'))",
}
_SHOWN = (
    "version.media_id AS id, title.title, version.status, coalesce(version.score, 0) AS score, {tags} AS tags,"
    " {comments} AS comments, version.updated_at, title.media_type, substr(title.start_date, 1, 4) AS year, title.mean,"
    " title.picture, title.gone_at, title.fetched_at"
)
_KNOWN = """
    SELECT snapshot.id, taken_at, suspicious, {0} FROM snapshot JOIN series ON series.id = snapshot.series
    WHERE series.user = :user AND {0} IS NOT NULL ORDER BY taken_at DESC, snapshot.id DESC LIMIT 400
"""
_FACETS_SQL = """
    WITH list AS MATERIALIZED (
        SELECT version.media_id, version.status, coalesce(version.score, 0) AS score, {tags} AS tags, title.media_type,
            substr(title.start_date, 1, 4) AS year
        FROM {joins} WHERE {where}
    )
    SELECT 'all' AS facet, NULL AS value, NULL AS name, count(*) AS entries FROM list
    UNION ALL SELECT 'status', status, NULL, count(*) FROM list GROUP BY status
    UNION ALL SELECT 'media_type', media_type, NULL, count(*) FROM list GROUP BY media_type
    UNION ALL SELECT 'score', score, NULL, count(*) FROM list GROUP BY score
    UNION ALL SELECT 'year', year, NULL, count(*) FROM list GROUP BY year
    UNION ALL SELECT 'genre', genre.id, genre.name, count(*) FROM list
        JOIN {medium}_genre AS held ON held.media_id = list.media_id JOIN genre ON genre.id = held.genre GROUP BY genre.id
    UNION ALL SELECT 'tag', tag.value, NULL, count(*) FROM list, json_each(list.tags) AS tag GROUP BY tag.value
"""


@dataclass(frozen=True)
class Sort:
    """An order of the library: its name for people, and its SQL."""

    name: str
    sql: str


def sorts(medium: Medium) -> dict[str, Sort]:
    """The orders that there are, the one to begin with first. The title settles what is equal."""
    then = "title.title COLLATE NOCASE, version.media_id"
    return {
        "updated": Sort("last updated", f"version.updated_at DESC, {then}"),
        "title": Sort("title", then),
        "score": Sort("your score", f"version.score DESC, {then}"),
        "progress": Sort("progress", f"version.{medium.progress[-1]} DESC, {then}"),
        "mean": Sort("MAL's mean score", f"title.mean DESC, {then}"),
        "year": Sort("year", f"title.start_date DESC, {then}"),
        "started": Sort("start date", f"version.start_date DESC, {then}"),
        "finished": Sort("finish date", f"version.finish_date DESC, {then}"),
    }


@dataclass(frozen=True)
class Value:
    """One value of a facet, how many entries have it, and the address that takes it or lets it go."""

    label: str
    entries: int
    href: str
    chosen: bool
    tone: str = ""


async def show_list(asked: Asked, medium: Medium, snapshot: Row | None) -> Any:
    """The page of one list at one snapshot."""
    where, values = _asked_for(asked, medium)
    at = {"snapshot": snapshot["id"] if snapshot else 0}
    orders = sorts(medium)
    order = orders.get(asked.text("sort"), next(iter(orders.values())))
    counted = await asked.mirror.found(facets_sql(medium, where), **at, **values)
    total = next(row["entries"] for row in counted if row["facet"] == "all")
    page, pages = asked.leaf(total, PAGE)
    rows = await asked.mirror.found(
        rows_sql(medium, where, order), **at, **values, limit=PAGE, offset=(page - 1) * PAGE
    )
    return await asked.page(
        "library.html",
        medium=medium,
        snapshot=snapshot,
        is_newest=not asked.text("at"),
        known=await _known(asked, medium, snapshot),
        rows=[{**row, "progress": progress(medium, row).values()} for row in rows],
        total=total,
        facets=_facets(asked, medium, counted),
        chosen=[name for name in (*FACETS, "q") if asked.text(name)],
        sorts=orders,
        sort=next(name for name, one in orders.items() if one is order),
        page=page,
        pages=pages,
        data=asked.data(f"{medium.name}_list_at", snapshot=at["snapshot"]),
    )


async def page(asked: Asked) -> Any:
    """GET /anime, /manga. `at` is a snapshot's number, the newest by default."""
    medium = medium_of(asked.place("medium"))
    snapshot = await asked.newest(medium)
    if at := asked.text("at"):
        snapshot = await asked.snapshot(at)
        if snapshot[medium.name] is None:
            raise NotFound(f"Snapshot {at} says nothing of a list of {medium.name}.")
    return await show_list(asked, medium, snapshot)


async def _known(asked: Asked, medium: Medium, shown: Row | None) -> list[Row]:
    """The snapshots to go to, the newest first, with the one that is shown however old it is."""
    rows = await asked.mirror.found(_KNOWN.format(medium.name), user=asked.user_id)
    if shown is not None and all(row["id"] != shown["id"] for row in rows):
        rows.append(shown)
    return rows


def rows_sql(medium: Medium, where: str, order: Sort) -> str:
    """The rows of a page: entries with what is shown of their titles."""
    counts = ", ".join(
        part for name in medium.progress for part in (f"coalesce(version.{name}, 0) AS {name}", f"title.{_of(name)}")
    )
    return (
        f"SELECT {_SHOWN.format(**_texts(medium))}, {counts} FROM {queries.joins(medium)} WHERE {where}"
        f" ORDER BY {order.sql} LIMIT :limit OFFSET :offset"
    )


def facets_sql(medium: Medium, where: str) -> str:
    """How many entries there are, and how many have each value of each facet."""
    return _FACETS_SQL.format(joins=queries.joins(medium), medium=medium.name, where=where, **_texts(medium))


def _texts(medium: Medium) -> dict[str, str]:
    """The SQL of the fields that hold text, by name."""
    return {field.name: queries.plain(medium, field.name) for field in text_fields(medium)}


def progress(medium: Medium, row: Row) -> dict[str, Row]:
    """How far one is, by each of the fields that count it: done, of how many (0: unknown), and of what."""
    return {
        name: {"done": row[name] or 0, "of": row.get(_of(name)) or 0, "unit": _of(name).removeprefix("num_")}
        for name in medium.progress
    }


def _of(name: str) -> str:
    # num_episodes_watched counts what num_episodes is the whole of, and so do volumes and chapters.
    return name.rpartition("_")[0]


def _asked_for(asked: Asked, medium: Medium) -> tuple[str, Row]:
    """The conditions of the address, and their values."""
    where = ["snapshot.id = :snapshot"]
    values: Row = {}
    for name, condition in _CONDITIONS.items():
        text = asked.text(name)
        if not text:
            continue
        where.append(condition.format(medium.name, **_texts(medium)))
        if name == "q":
            values |= {"words": words(text), "like": like(text)}
        else:
            values[name] = text
    return " AND ".join(where), values


def words(text: str) -> str:
    """A search as SQLite's full-text search takes it: every word, each as the beginning of one."""
    return " ".join(f'"{word}"*' for word in text.replace('"', " ").replace("\0", " ").split()) or '""'


def like(text: str) -> str:
    """A search as LIKE takes it, with `\\` before what would mean something there."""
    for sign in "\\%_":
        text = text.replace(sign, f"\\{sign}")
    return f"%{text}%"


def _facets(asked: Asked, medium: Medium, counted: list[Row]) -> list[tuple[str, list[Value], bool]]:
    """Each facet with its values, and whether one of them is chosen."""
    found = []
    for name in FACETS:
        rows = [row for row in counted if row["facet"] == name and row["value"] is not None]
        chosen = asked.text(name)
        values = [_value(asked, name, row, str(row["value"]) == chosen) for row in _ordered(name, medium, rows)]
        found.append((name.replace("_", " "), values[:_MANY], bool(chosen)))
    return found


def by_status(medium: Medium, rows: list[Row], column: str) -> list[Row]:
    """Rows in the order of the medium's statuses, of which `column` holds one; others last."""
    places = {status: place for place, status in enumerate(medium.statuses)}
    return sorted(rows, key=lambda row: places.get(row[column], len(places)))


def _ordered(name: str, medium: Medium, rows: list[Row]) -> list[Row]:
    if name == "status":
        return by_status(medium, rows, "value")
    if name in ("score", "year"):
        return sorted(rows, key=lambda row: str(row["value"]).zfill(4), reverse=True)
    return sorted(rows, key=lambda row: (-row["entries"], str(row["name"] or row["value"])))


def _value(asked: Asked, name: str, row: Row, chosen: bool) -> Value:
    text = str(row["value"])
    label = {"status": filters.word, "media_type": filters.word}.get(name, filters.named)(row["name"] or text)
    if name == "score" and text == "0":
        label = "no score"
    tone = text if name == "status" else ""
    return Value(label, row["entries"], asked.changed(**{name: None if chosen else text}), chosen, tone)
