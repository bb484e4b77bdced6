"""MAL's catalogue in the mirror: titles, rankings, seasons and the forum, as tables. The user's own data is never in it.

Which part of an answer fills which table is data (`TITLE_TABLES` and `ANSWER_TABLES`, in the terms of `mapping.py`), and one
loop stores it. It runs its own SQL: sqlite-utils' upsert cannot keep a stored value where the new one is missing, and takes
150 times as long for the few rows of a title's table. The members are those of MAL's reference; songs, videos and
num_favorites are not in it but are sent (MAL-API-Client-Upgraded, Inconsistencies.rst), and so is `forum_avator`, spelt so
(go-myanimelist, forumTopicDetails.json).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from malsync.mirror import users
from malsync.mirror.database import File
from malsync.mirror.mapping import (
    ITSELF,
    PLACE,
    Columns,
    Item,
    TableMapping,
    columns,
    constant,
    given,
    items,
    member,
    parent,
    prefixed,
    root,
    without_html,
    without_members,
)
from malsync.mirror.title_columns import paths_of, requested_members
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import User
from malsync.model.timestamps import parse_timestamp, timestamp

RESUME_WITHIN = timedelta(days=2)
"""How long an interrupted fetch of all details can be resumed. After that its first answers are old."""

Title = Mapping[str, Any]
"""A title in an answer of MAL's API (`mal.types.Title`)."""

# Members without a column: what a title says twice, and the reader's own entry, which is private.
_IGNORED = ("id", "opening_themes.anime_id", "ending_themes.anime_id", "my_list_status")


def _title_tables(medium: Medium) -> tuple[TableMapping, ...]:
    name = medium.name

    def own(table: str, path: str, key: Columns, others: Columns | None = None) -> TableMapping:
        """A table of the title's own rows, such as its pictures."""
        return TableMapping(f"{name}_{table}", path, {"media_id": given("id"), **key}, others or {}, ("media_id",))

    def mention(other: str, path: str) -> TableMapping:
        """What an answer tells of a title that it only mentions."""
        others = columns("title picture:main_picture.medium picture_large:main_picture.large")
        return TableMapping(other, path, columns("id"), others)

    place, number = {"place": PLACE}, {"num_users": ITSELF}
    genre = prefixed(f"{name}:", "id")  # the same number is another genre in the other medium
    tables = [
        *(
            own("alternative_title", f"alternative_titles.{path}", {"kind": constant(kind), **place}, {"title": ITSELF})
            for kind, path in (("en", "en"), ("ja", "ja"), ("synonym", "synonyms"))
        ),
        TableMapping("genre", "genres", {"id": genre}, {"medium": constant(name), **columns("mal_id:id name")}),
        own("genre", "genres", {"genre": genre}),
        TableMapping("studio", "studios", columns("id"), columns("name")),
        own("studio", "studios", columns("studio:id")),
        TableMapping("person", "authors.node", columns("id"), columns("first_name last_name")),
        own("author", "authors", place, columns("person:node.id role")),
        TableMapping("magazine", "serialization.node", columns("id"), columns("name")),
        own("serialization", "serialization", columns("magazine:node.id")),
        own("picture", "pictures", place, columns("picture:medium picture_large:large")),
        mention(name, "recommendations.node"),
        own("recommendation", "recommendations", place, columns("recommended:node.id num_recommendations")),
        own("statistic", "statistics.num_list_users", {"status": constant("all")}, number),
        *(
            own("statistic", f"statistics.status.{status}", {"status": constant(status)}, number)
            for status in medium.statuses
        ),
        *(
            own("theme", f"{kind}_themes", {"kind": constant(kind), **place}, columns("theme:id text"))
            for kind in ("opening", "ending")
        ),
        own("video", "videos", place, columns("video:id title url thumbnail created_at updated_at")),
    ]
    for other in MEDIA:
        related = columns("related:node.id type:relation_type type_formatted:relation_type_formatted")
        tables += [mention(other, f"related_{other}.node"), own(f"related_{other}", f"related_{other}", place, related)]
    members = requested_members(medium.detailed)
    return tuple(table for table in tables if root(table.items) in members)


TITLE_TABLES = {name: _title_tables(medium) for name, medium in MEDIA.items()}
"""By medium, the tables that a title fills beside its own row; a table comes after those that it refers to."""

_NOW = {"fetched_at": given("now")}
_BOARD = {"board": given("board"), "subboard": given("subboard")}

ANSWER_TABLES: dict[str, tuple[TableMapping, ...]] = {
    **{
        f"{name} ranking": (
            TableMapping(f"{name}_ranking", "data",
                {"day": given("day"), "type": given("type"), "media_id": member("node.id")},
                columns("rank:ranking.rank previous_rank:ranking.previous_rank"), replace=("day", "type")),
        )
        for name in MEDIA
    },
    "season": (
        TableMapping("season_title", "data",
            {"year": given("year"), "season": given("season"), "media_id": member("id")},
            {"place": PLACE}, replace=("year", "season")),
    ),
    "suggestions": (
        TableMapping("suggestion", "data", {"user": given("user"), "place": PLACE}, columns("media_id:id"), replace=("user",)),
    ),
    "search": (),
    "boards": (
        TableMapping("forum_category", "data", columns("title"), {"place": PLACE}),
        TableMapping("forum_board", "data.boards", columns("id"),
            {"category": parent("title"), "place": PLACE, **columns("title description"), **_NOW}),
        TableMapping("forum_subboard", "data.boards.subboards", columns("id"),
            {"board": parent("id"), "place": PLACE, **columns("title"), **_NOW}),
    ),
    "topics": (
        TableMapping("forum_board", "data", {"id": given("board")}, {}),  # stored only with a topic: else it may not exist
        TableMapping("forum_subboard", "data", {"id": given("subboard")}, {}),
        TableMapping("forum_member", "data.created_by", columns("id"), columns("name")),
        TableMapping("forum_member", "data.last_post_created_by", columns("id"), columns("name")),
        TableMapping("forum_topic", "data", columns("id"), {
            **columns("title created_at created_by:created_by.id number_of_posts last_post_created_at"
                " last_post_created_by:last_post_created_by.id is_locked"), **_BOARD, **_NOW}),
    ),
    "topic": (
        TableMapping("forum_topic", "", {"id": given("id")}, {**columns("title"), **_NOW, "posts_at": given("now")}),
        TableMapping("forum_member", "posts.created_by", columns("id"), columns("name picture:forum_avator")),
        TableMapping("forum_post", "posts", columns("id"), {
            "topic": given("id"), **columns("number created_at created_by:created_by.id body"),
            "text": without_html("body"), **columns("signature")}, replace=("topic",)),
        TableMapping("forum_poll", "poll", {"topic": given("id")}, columns("poll:id question closed"), replace=("topic",)),
        TableMapping("forum_poll_option", "poll.options", {"topic": given("id"), "place": PLACE},
            columns("option:id text votes"), replace=("topic",)),
    ),
}  # fmt: skip
"""By kind of answer, the tables that it fills, apart from those of the titles in it."""


@dataclass(frozen=True, slots=True)
class TitlesToFetch:
    """A title whose details are to be fetched."""

    medium: Medium
    id: int
    title: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """A fetch of the details of every title, which can be resumed if it is interrupted."""

    number: int
    started_at: datetime
    is_new: bool
    """False if it resumes an interrupted one."""


class Catalogue:
    """The catalogue in the mirror's file. What a method stores is stored whole, or not at all.

    Every method raises MirrorError or Busy if the file cannot be used.
    """

    def __init__(self, file: File) -> None:
        self._file = file

    # -- what to fetch

    def has_list(self, user: User, medium: Medium) -> bool:
        """Whether the mirror has a snapshot of this list of `user`."""
        return bool(
            self._file.rows(f"SELECT * FROM ({_NEWEST.format(medium.name)})", users.number_of(self._file, user))
        )

    def titles_to_fetch(self, user: User, medium: Medium, since: datetime | None = None) -> list[TitlesToFetch]:
        """The titles of the newest list of `user` whose details were never requested, or not since `since`; oldest first.

        An answer that there is no such title (404) counts. Titles that have left the list and were not requested after that
        come first: only a request shows whether MAL itself deleted them.
        """
        bound = "0" if since is None else timestamp(since)  # "0" sorts after '', never, and before any time
        number = users.number_of(self._file, user)
        rows = self._file.rows(_LEFT_A_LIST.format(medium.name), number)
        rows += self._file.rows(_ON_A_LIST.format(medium.name), number, bound)
        return [TitlesToFetch(medium, id, title or "") for id, title, _ in rows]

    def begin_fetch(self, user: User, what: str, now: datetime) -> Fetch:
        """Begin a fetch, or resume an unfinished one of the same kind that began within `RESUME_WITHIN`."""
        number, earliest = users.number_of(self._file, user), timestamp(now - RESUME_WITHIN)
        for unfinished, started_at in self._file.rows(
            "SELECT id, started_at FROM fetch WHERE user = ? AND what = ? AND ended_at IS NULL AND started_at >= ?"
            " ORDER BY id DESC LIMIT 1",
            *(number, what, earliest),
        ):
            with self._file.decoding(f"fetch {unfinished}"):
                return Fetch(unfinished, parse_timestamp(started_at), is_new=False)
        sql = "INSERT INTO fetch (user, what, started_at) VALUES (?, ?, ?)"
        return Fetch(self._file.insert(sql, number, what, timestamp(now)), now, is_new=True)

    def end_fetch(self, fetch: Fetch, now: datetime) -> None:
        """Record that `fetch` is complete."""
        self._file.execute("UPDATE fetch SET ended_at = ? WHERE id = ?", timestamp(now), fetch.number)

    # -- what is known

    def facts(self, medium: Medium, columns: Sequence[str]) -> dict[int, dict[str, Any]]:
        """These columns of every title of `medium` with a value in one of them, by id."""
        known = " OR ".join(f"{column} IS NOT NULL" for column in columns)
        rows = self._file.rows(f"SELECT id, {', '.join(columns)} FROM {medium.name} WHERE {known}")
        return {id: dict(zip(columns, row, strict=True)) for id, *row in rows}

    def names(self, medium: Medium, ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """MAL's titles of these ids, the main one first. Ids whose title comes from an imported file alone are left out."""
        some = orjson.dumps(sorted(ids)).decode()
        names: dict[int, tuple[str, ...]] = {
            id: (title,) for id, title in self._file.rows(_FROM_MAL.format(medium.name), some)
        }
        sql = f"SELECT media_id, title FROM {medium.name}_alternative_title WHERE media_id IN ({_SOME}) AND title != ''"
        for id, title in self._file.rows(sql, some):
            names[id] = (*names.get(id, (title,)), title)
        return names

    def totals(self, medium: Medium, ids: Iterable[int]) -> dict[int, dict[str, int]]:
        """The totals of these titles (episodes, volumes, chapters) by id and progress field, if MAL has told them."""
        columns = ", ".join(medium.totals.values())
        sql = f"SELECT id, {columns} FROM {medium.name} WHERE id IN ({_SOME}) AND fetched_at IS NOT NULL"
        return {
            id: {
                name: total for name, total in zip(medium.totals, row, strict=True) if isinstance(total, int) and total
            }
            for id, *row in self._file.rows(sql, orjson.dumps(sorted(ids)).decode())
        }

    # -- storing

    def learn(self, medium: Medium, facts: Mapping[int, Mapping[str, Any]]) -> None:
        """Store facts from a file about titles in the mirror, by id and column, if MAL itself has not told them."""
        columns = sorted({column for values in facts.values() for column in values})
        if columns:
            sets = ", ".join(f"{name} = coalesce(nullif({name}, 0), ?)" for name in columns)
            with self._file.transaction():
                self._file.execute_many(
                    f"UPDATE {medium.name} SET {sets} WHERE id = ?",
                    [(*(values.get(name) for name in columns), id) for id, values in facts.items()],
                )

    def keep_details(self, medium: Medium, title: Title, now: datetime) -> None:
        """Store everything that MAL tells of a title. Whatever it no longer tells is deleted."""
        more = {"extra": _extra(medium, title), "details_at": timestamp(now), "gone_at": None}
        with self._file.transaction():
            self._store_title(medium, title, medium.detailed, more, now)

    def keep_gone(self, medium: Medium, id: int, now: datetime) -> None:
        """Record that MAL no longer has a title. Its data stays."""
        self._file.execute(f"UPDATE {medium.name} SET gone_at = ? WHERE id = ?", timestamp(now), id)

    def keep(
        self, what: str, answer: Any, now: datetime, *, titles: Iterable[tuple[Medium, Title]] = (), **arguments: Any
    ) -> None:
        """Store an answer of the kind `what` (see `ANSWER_TABLES`) and the titles in it. `arguments` are read by `given`."""
        with self._file.transaction():
            for medium, title in titles:
                self._store_title(medium, title, medium.listed, {}, now)
            self._fill(ANSWER_TABLES[what], answer, {**arguments, "now": timestamp(now)})

    def keep_user(self, user: User) -> int:
        """Store `user` if new, and return the row's number."""
        with self._file.transaction():
            return users.ensure(self._file, user, rename=True)

    # -- parts of storing

    def _store_title(
        self, medium: Medium, title: Title, fields: Iterable[str], more: Mapping[str, Any], now: datetime
    ) -> None:
        """Store the members that were requested or came, and no others: a ranking must not delete what details brought."""
        members = requested_members(fields) | title.keys()
        row = {
            name: _SOURCES[name].read(Item(title), {})
            for name, path in paths_of(medium).items()
            if root(path) in members
        }
        row |= {"id": title["id"], "title": title.get("title") or "", "fetched_at": timestamp(now), **more}
        sets = [f"{name} = excluded.{name}" for name in row if name not in ("id", "title")]
        self._file.execute(
            f"INSERT INTO {medium.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
            f" ON CONFLICT (id) DO UPDATE SET {_SET_IF_KNOWN.format('title')}, {', '.join(sets)}",
            *row.values(),
        )
        if "extra" not in row and (extra := _extra(medium, title)):
            # Part of a title: unknown members that are not in it may exist all the same.
            sql = f"UPDATE {medium.name} SET extra = json_patch(coalesce(extra, '{{}}'), ?) WHERE id = ?"
            self._file.execute(sql, extra, title["id"])
        tables = [table for table in TITLE_TABLES[medium.name] if root(table.items) in members]
        self._fill(tables, title, {"id": title["id"]})

    def _fill(self, tables: Sequence[TableMapping], answer: Any, arguments: Mapping[str, Any]) -> None:
        for table in reversed(tables):
            if table.replace:
                where = " AND ".join(f"{name} = ?" for name in table.replace)
                by_name = {**table.key, **table.columns}
                values = [by_name[name].read(Item(answer), arguments) for name in table.replace]
                self._file.execute(f"DELETE FROM {table.table} WHERE {where}", *values)
        for table in tables:
            sources = [*table.key.values(), *table.columns.values()]
            rows = [tuple(source.read(item, arguments) for source in sources) for item in items(answer, table.items)]
            self._file.execute_many(_upsert(table), [row for row in rows if None not in row[: len(table.key)]])


_SOURCES = {name: member(path) for medium in MEDIA.values() for name, path in paths_of(medium).items()}
_SET_IF_KNOWN = "{0} = coalesce(nullif(excluded.{0}, ''), {0})"


def _upsert(table: TableMapping) -> str:
    names = (*table.key, *table.columns)
    sets = ", ".join(("{0} = excluded.{0}" if table.replace else _SET_IF_KNOWN).format(name) for name in table.columns)
    # A title's column is NOT NULL, and a related title may come without its name.
    marks = ["coalesce(?, '')" if table.table in MEDIA and name == "title" else "?" for name in names]
    return (
        f"INSERT INTO {table.table} ({', '.join(names)}) VALUES ({', '.join(marks)})"
        f" ON CONFLICT ({', '.join(table.key)}) DO {f'UPDATE SET {sets}' if sets else 'NOTHING'}"
    )


def _stored_members(medium: Medium) -> dict[str, Any]:
    """Every member of a title that has a column, nested as in the answer."""
    paths = [*paths_of(medium).values(), *_IGNORED]
    for table in TITLE_TABLES[medium.name]:
        sources = (*table.key.values(), *table.columns.values())
        paths += [table.items, *(f"{table.items}.{path}" for source in sources for path in source.members)]
    shape: dict[str, Any] = {}
    for path in paths:
        inner = shape
        for name in path.split("."):
            inner = inner.setdefault(name, {})
    return shape


_STORED_MEMBERS = {name: _stored_members(medium) for name, medium in MEDIA.items()}


def _extra(medium: Medium, title: Title) -> str | None:
    """The members of a title without a column, as JSON, so that nothing is lost; None if there are none."""
    left = without_members(title, _STORED_MEMBERS[medium.name])
    return None if left is None else orjson.dumps(left, option=orjson.OPT_SORT_KEYS).decode()


_SOME = "SELECT value FROM json_each(?)"
# A title that was never fetched is MAL's own if it was on a list read from MAL (`Mirror._store_titles`).
_FROM_MAL = f"""
    SELECT id, title FROM {{0}} WHERE id IN ({_SOME}) AND title != '' AND (
        fetched_at IS NOT NULL OR id IN (
            SELECT media_id FROM {{0}}_version JOIN series ON series.id = {{0}}_version.series WHERE kind != 'import'
        )
    )
"""
_NEWEST = """
    SELECT snapshot.id, snapshot.series FROM snapshot JOIN series ON series.id = snapshot.series
    WHERE series.user = ? AND snapshot.{0} IS NOT NULL ORDER BY taken_at DESC, snapshot.id DESC LIMIT 1
"""
_ON_A_LIST = f"""
    SELECT version.media_id, title, max(coalesce(details_at, ''), coalesce(gone_at, '')) AS asked_at
    FROM ({_NEWEST}) AS newest JOIN {{0}}_version AS version ON version.series = newest.series
        AND since <= newest.id AND (until IS NULL OR until > newest.id)
    LEFT JOIN {{0}} ON {{0}}.id = version.media_id
    WHERE asked_at < ? ORDER BY asked_at, version.media_id
"""
_LEFT_A_LIST = f"""
    SELECT version.media_id, title, max(coalesce(details_at, '')) AS asked_at
    FROM ({_NEWEST}) AS newest JOIN {{0}}_version AS version ON version.series = newest.series AND until <= newest.id
    LEFT JOIN {{0}} ON {{0}}.id = version.media_id
    WHERE gone_at IS NULL GROUP BY version.media_id
    HAVING NOT EXISTS (
        SELECT 1 FROM {{0}}_version AS later WHERE later.series = newest.series AND later.media_id = version.media_id
            AND (later.until IS NULL OR later.until > newest.id)
    ) AND asked_at < (SELECT min(taken_at) FROM snapshot WHERE series = newest.series AND id >= max(version.until))
    ORDER BY version.media_id
"""
