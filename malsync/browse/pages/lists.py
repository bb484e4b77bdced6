"""The library: one list as of a snapshot, with search, filters, sorting and pages."""

from dataclasses import dataclass
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse import filters
from malsync.browse.page_context import PageRequest, Row, medium_of
from malsync.mirror import queries
from malsync.model.medium import Medium
from malsync.model.plain_text import text_fields

PAGE = 60
FACETS = ("status", "media_type", "score", "genre", "year", "tag")
_MANY = 200
"""At most this many values of a facet are shown; search finds the rest."""

# By parameter of the address, the SQL condition on a row; the value is bound.
_CONDITIONS = {
    "status": "version.status = :status",
    "media_type": "title.media_type = :media_type",
    "score": "coalesce(version.score, 0) = CAST(:score AS INTEGER)",
    "genre": "version.media_id IN (SELECT media_id FROM {0}_genre WHERE genre = :genre)",
    "year": "substr(title.start_date, 1, 4) = :year",
    "tag": "EXISTS (SELECT 1 FROM json_each({tags}) WHERE value = :tag)",
    # Titles without details are not in the full-text index.
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
    """An order of the library: its label and its SQL."""

    name: str
    sql: str


def sorts(medium: Medium) -> dict[str, Sort]:
    """Return the orders by name, the default one first. Equal rows are sorted by title."""
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
class FacetValue:
    """One value of a facet: its label, how many entries have it, and the address that adds or removes the filter."""

    label: str
    entries: int
    href: str
    chosen: bool
    tone: str = ""


async def show_list(request: PageRequest, medium: Medium, snapshot: Row | None) -> Any:
    """The page of one list at one snapshot."""
    where, values = _conditions(request, medium)
    at = {"snapshot": snapshot["id"] if snapshot else 0}
    orders = sorts(medium)
    order = orders.get(request.text("sort"), next(iter(orders.values())))
    counted = await request.mirror.query(facets_sql(medium, where), **at, **values)
    total = next(row["entries"] for row in counted if row["facet"] == "all")
    page, pages = request.page_number(total, PAGE)
    rows = await request.mirror.query(
        rows_sql(medium, where, order), **at, **values, limit=PAGE, offset=(page - 1) * PAGE
    )
    return await request.render(
        "library.html",
        medium=medium,
        snapshot=snapshot,
        is_newest=not request.text("at"),
        known=await _known(request, medium, snapshot),
        rows=[{**row, "progress": progress(medium, row).values()} for row in rows],
        total=total,
        facets=_facets(request, medium, counted),
        chosen=[name for name in (*FACETS, "q") if request.text(name)],
        sorts=orders,
        sort=next(name for name, sort in orders.items() if sort is order),
        page=page,
        pages=pages,
        data=request.data(f"{medium.name}_list_at", snapshot=at["snapshot"]),
    )


async def page(request: PageRequest) -> Any:
    """GET /anime, /manga: the list as of snapshot `at`, by default the newest."""
    medium = medium_of(request.path_text("medium"))
    snapshot = await request.newest(medium)
    if at := request.text("at"):
        snapshot = await request.snapshot(at)
        if snapshot[medium.name] is None:
            raise NotFound(f"Snapshot {at} has no {medium.name} list.")
    return await show_list(request, medium, snapshot)


async def _known(request: PageRequest, medium: Medium, shown: Row | None) -> list[Row]:
    """Return the snapshots to choose from, the newest first, and always the one that is shown."""
    rows = await request.mirror.query(_KNOWN.format(medium.name), user=request.user_id)
    if shown is not None and all(row["id"] != shown["id"] for row in rows):
        rows.append(shown)
    return rows


def rows_sql(medium: Medium, where: str, order: Sort) -> str:
    """Return the SQL of a page's rows: entries with what the page shows of their titles."""
    counts = ", ".join(
        part
        for name, total in medium.totals.items()
        for part in (f"coalesce(version.{name}, 0) AS {name}", f"title.{total}")
    )
    return (
        f"SELECT {_SHOWN.format(**_texts(medium))}, {counts} FROM {queries.joins(medium)} WHERE {where}"
        f" ORDER BY {order.sql} LIMIT :limit OFFSET :offset"
    )


def facets_sql(medium: Medium, where: str) -> str:
    """Return the SQL that counts the entries, in all and by each value of each facet."""
    return _FACETS_SQL.format(joins=queries.joins(medium), medium=medium.name, where=where, **_texts(medium))


def _texts(medium: Medium) -> dict[str, str]:
    """Return the SQL of each text field by name."""
    return {field.name: queries.plain(medium, field.name) for field in text_fields(medium)}


def progress(medium: Medium, row: Row) -> dict[str, Row]:
    """Return by progress field how many are `done`, `of` how many (0: unknown), and their `unit`."""
    return {
        name: {"done": row[name] or 0, "of": row.get(total) or 0, "unit": total.removeprefix("num_")}
        for name, total in medium.totals.items()
    }


def _conditions(request: PageRequest, medium: Medium) -> tuple[str, Row]:
    """Return the SQL condition of the filters in the address, and the values to bind."""
    where = ["snapshot.id = :snapshot"]
    values: Row = {}
    for name, condition in _CONDITIONS.items():
        text = request.text(name)
        if not text:
            continue
        where.append(condition.format(medium.name, **_texts(medium)))
        if name == "q":
            values |= {"words": words(text), "like": like(text)}
        else:
            values[name] = text
    return " AND ".join(where), values


def words(text: str) -> str:
    """Return a search in the syntax of SQLite's full-text search: all words, each as a prefix."""
    return " ".join(f'"{word}"*' for word in text.replace('"', " ").replace("\0", " ").split()) or '""'


def like(text: str) -> str:
    """Return a search as a LIKE pattern, with `\\` before its special characters."""
    for sign in "\\%_":
        text = text.replace(sign, f"\\{sign}")
    return f"%{text}%"


def _facets(request: PageRequest, medium: Medium, counted: list[Row]) -> list[tuple[str, list[FacetValue], bool]]:
    """Return each facet: its label, its values, and whether one of them is chosen."""
    facets = []
    for name in FACETS:
        rows = [row for row in counted if row["facet"] == name and row["value"] is not None]
        chosen = request.text(name)
        values = [_value(request, name, row, str(row["value"]) == chosen) for row in _ordered(name, medium, rows)]
        facets.append((name.replace("_", " "), values[:_MANY], bool(chosen)))
    return facets


def by_status(medium: Medium, rows: list[Row], column: str) -> list[Row]:
    """Return rows in the medium's order of the statuses in `column`; unknown ones last."""
    places = {status: place for place, status in enumerate(medium.statuses)}
    return sorted(rows, key=lambda row: places.get(row[column], len(places)))


def _ordered(name: str, medium: Medium, rows: list[Row]) -> list[Row]:
    if name == "status":
        return by_status(medium, rows, "value")
    if name in ("score", "year"):
        return sorted(rows, key=lambda row: str(row["value"]).zfill(4), reverse=True)
    return sorted(rows, key=lambda row: (-row["entries"], str(row["name"] or row["value"])))


def _value(request: PageRequest, name: str, row: Row, chosen: bool) -> FacetValue:
    text = str(row["value"])
    label = {"status": filters.word, "media_type": filters.word}.get(name, filters.link_text)(row["name"] or text)
    if name == "score" and text == "0":
        label = "no score"
    tone = text if name == "status" else ""
    return FacetValue(label, row["entries"], request.address_with(**{name: None if chosen else text}), chosen, tone)
