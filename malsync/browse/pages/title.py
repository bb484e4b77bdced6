"""One title: its details from MAL, the user's entry, and the history of that entry."""

import json
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse import filters
from malsync.browse.page_context import PageRequest, Row, medium_of
from malsync.browse.pages.lists import progress
from malsync.model.medium import MEDIA, Field, Kind, Medium

_PARTS = {
    "names": "SELECT kind, title FROM {0}_alternative_title WHERE media_id = :id ORDER BY kind, place",
    "genres": "SELECT genre.id, genre.name FROM {0}_genre AS held JOIN genre ON genre.id = held.genre WHERE media_id = :id",
    "recommendations": "SELECT title.id, title.title, title.picture, num_recommendations FROM {0}_recommendation AS told"
    " JOIN {0} AS title ON title.id = told.recommended WHERE media_id = :id ORDER BY told.place LIMIT 12",
    "pictures": "SELECT picture, picture_large FROM {0}_picture WHERE media_id = :id ORDER BY place LIMIT 12",
}
_PARTS_OF = {
    "anime": {
        "makers": "SELECT studio.name, NULL AS role FROM anime_studio AS held JOIN studio ON studio.id = held.studio"
        " WHERE media_id = :id ORDER BY studio.name",
        "statistics": "SELECT status, num_users FROM anime_statistic WHERE media_id = :id AND status <> 'all'",
        "songs": "SELECT kind, text FROM anime_theme WHERE media_id = :id ORDER BY kind DESC, place",
    },
    "manga": {
        "makers": "SELECT trim(coalesce(first_name, '') || ' ' || coalesce(last_name, '')) AS name, role"
        " FROM manga_author AS held JOIN person ON person.id = held.person WHERE media_id = :id ORDER BY held.place",
        "magazines": "SELECT magazine.name FROM manga_serialization AS held JOIN magazine ON magazine.id = held.magazine"
        " WHERE media_id = :id",
    },
}
_RELATED = (
    "SELECT title.id, title.title, title.picture, type_formatted AS type FROM {0}_related_{1} AS told"
    " JOIN {1} AS title ON title.id = told.related WHERE media_id = :id ORDER BY told.place"
)
_CALLS = (
    "SELECT run_call.run, run.kind, run_call.op, run_call.state, run.started_at FROM run_call JOIN run ON run.id = run_call.run"
    " WHERE medium = :medium AND media_id = :id AND run.user = :user ORDER BY run_call.run DESC LIMIT 50"
)


async def page(request: PageRequest) -> Any:
    """GET /anime/5114, /manga/2."""
    medium, id = medium_of(request.path_text("medium")), request.path_number("id")
    title = await request.mirror.first(f"SELECT * FROM {medium.name} WHERE id = :id", id=id)
    versions = await request.rows(f"{medium.name}_history", id=id, user=request.user_id)
    if title is None and not any(row["here"] for row in versions):
        raise NotFound(f"There is no {medium.name} {id} in the mirror.")
    newest = await request.newest(medium)
    parts = {
        name: await request.mirror.query(sql.format(medium.name), id=id)
        for name, sql in {**_PARTS, **_PARTS_OF[medium.name]}.items()
    }
    related = {other: await request.mirror.query(_RELATED.format(medium.name, other), id=id) for other in MEDIA}
    entry = next((row for row in versions if newest and row["snapshot"] == newest["id"] and row["here"]), None)
    return await request.render(
        "title.html",
        medium=medium,
        id=id,
        title=title or {"title": ""},
        entry=entry,
        progress=progress(medium, {**(title or {}), **entry}) if entry else {},
        fields=medium.writable,
        shown=shown,
        timeline=timeline(medium, versions),
        related=related,
        calls=await request.mirror.query(_CALLS, medium=medium.name, id=id, user=request.user_id),
        data=request.data(f"{medium.name}_history", id=id, user=request.user_id),
        **parts,
    )


def timeline(medium: Medium, versions: list[Row]) -> list[Row]:
    """Return the snapshots in which the entry changed, the newest first, each with what `happened` and the `changes`."""
    steps: list[Row] = []
    before: Row | None = None
    for row in versions:
        if not row["here"]:
            happened = "removed" if before else ""
            changes: list[Row] = []
        else:
            changes = changes_between(medium, before or {}, row)
            happened = "" if before and not changes else "changed" if before else "added" if steps else "first seen"
        if happened:
            steps.append({**row, "happened": happened, "changes": changes})
        before = row if row["here"] else None
    return steps[::-1]


def changes_between(medium: Medium, old: Row, new: Row, *, was: str = "", now: str = "") -> list[Row]:
    """Return the fields that differ, in words; blank and missing are equal. `was` and `now` are suffixes of column names."""
    pairs = (
        (field, shown(field, old.get(field.name + was)), shown(field, new.get(field.name + now)))
        for field in medium.writable
    )
    return [
        {"field": filters.field(field.name), "name": field.name, "from": before, "to": after}
        for field, before, after in pairs
        if before != after
    ]


def shown(field: Field, value: Any) -> str:
    """Return a field's value as people write it, from a column or from JSON; empty if it is not set."""
    if value in (None, "", 0, "[]", []):
        return ""
    if field.kind is Kind.FLAG:
        return "yes"
    if field.kind is Kind.TAGS:
        return ", ".join(filters.tags(json.dumps(value) if isinstance(value, list) else value))
    return filters.word(value) if field.kind is Kind.WORD else str(value)
