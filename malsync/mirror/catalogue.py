"""The catalogue: what MAL says of titles, rankings, seasons and its forum, as tables. The user's own data is never here.

Which part of an answer fills which table is data, in the words of `paths.py`, and one loop carries it out. Members are
those of MAL's reference; songs, videos and num_favorites are not in it and live (MAL-API-Client-Upgraded,
Inconsistencies.rst), nor is `forum_avator`, so spelt (go-myanimelist, forumTopicDetails.json).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from malsync.mirror import users
from malsync.mirror.database import File
from malsync.mirror.paths import Spot, columns, members, root, spots, unknown, value
from malsync.mirror.titles import asked, columns_of
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import User
from malsync.model.timestamps import parse_timestamp, timestamp

GO_ON_WITHIN = timedelta(days=2)
"""A fetch of all details that was interrupted is gone on with for so long; after that its first answers are old."""

Title = Mapping[str, Any]
"""A title as MAL's API answers with it (`mal.types.Title`)."""

# What a title says of itself twice, and the reader's own entry, which is no part of a catalogue.
_PASSED_OVER = ("id", "opening_themes.anime_id", "ending_themes.anime_id", "my_list_status")


@dataclass(frozen=True)
class Rows:
    """Rows of one table: one for each item at `each`, known by the columns of `key`, with the other columns `told`.

    `of` are the columns whose rows are replaced together: what MAL does not tell any more goes. Rows without it are shared,
    and a member that is missing here leaves what another answer told.
    """

    table: str
    each: str
    key: str
    told: str = ""
    of: str = ""


def _rows_of_a_title(medium: Medium) -> tuple[Rows, ...]:
    m, mention = medium.name, "title picture:main_picture.medium picture_large:main_picture.large"
    genre = f"={m}:+id"  # the same number is another genre in the other medium

    def own(table: str, each: str, key: str, told: str = "") -> Rows:
        return Rows(f"{m}_{table}", each, f"media_id:@id {key}", told, "media_id")

    found = [
        own("alternative_title", "alternative_titles.en", "kind:=en place:#", "title:."),
        own("alternative_title", "alternative_titles.ja", "kind:=ja place:#", "title:."),
        own("alternative_title", "alternative_titles.synonyms", "kind:=synonym place:#", "title:."),
        Rows("genre", "genres", f"id:{genre}", f"medium:={m} mal_id:id name"),
        own("genre", "genres", f"genre:{genre}"),
        Rows("studio", "studios", "id", "name"),
        own("studio", "studios", "studio:id"),
        Rows("person", "authors.node", "id", "first_name last_name"),
        own("author", "authors", "place:#", "person:node.id role"),
        Rows("magazine", "serialization.node", "id", "name"),
        own("serialization", "serialization", "magazine:node.id"),
        own("picture", "pictures", "place:#", "picture:medium picture_large:large"),
        Rows(m, "recommendations.node", "id", mention),
        own("recommendation", "recommendations", "place:#", "recommended:node.id num_recommendations"),
        own("statistic", "statistics.num_list_users", "status:=all", "num_users:."),
        own("theme", "opening_themes", "kind:=opening place:#", "theme:id text"),
        own("theme", "ending_themes", "kind:=ending place:#", "theme:id text"),
        own("video", "videos", "place:#", "video:id title url thumbnail created_at updated_at"),
    ]
    found += [
        own("statistic", f"statistics.status.{word}", f"status:={word}", "num_users:.") for word in medium.statuses
    ]
    for other in MEDIA:
        told = "related:node.id type:relation_type type_formatted:relation_type_formatted"
        found.append(Rows(other, f"related_{other}.node", "id", mention))
        found.append(own(f"related_{other}", f"related_{other}", "place:#", told))
    return tuple(rows for rows in found if root(rows.each) in asked(medium.detailed))


TITLES = {name: _rows_of_a_title(medium) for name, medium in MEDIA.items()}
"""What a title's members fill beside its own row; what is referred to comes before what refers to it."""

LISTS: dict[str, tuple[Rows, ...]] = {
    **{
        f"{m} ranking": (
            Rows(f"{m}_ranking", "data", "day:@day type:@type media_id:node.id",
                 "rank:ranking.rank previous_rank:ranking.previous_rank", of="day type"),
        )
        for m in MEDIA
    },
    "season": (Rows("season_title", "data", "year:@year season:@season media_id:id", "place:#", of="year season"),),
    "suggestions": (Rows("suggestion", "data", "user:@user place:#", "media_id:id", of="user"),),
    "search": (),
    "boards": (
        Rows("forum_category", "data", "title", "place:#"),
        Rows("forum_board", "data.boards", "id", "category:^title place:# title description fetched_at:@now"),
        Rows("forum_subboard", "data.boards.subboards", "id", "board:^id place:# title fetched_at:@now"),
    ),
    "topics": (
        Rows("forum_board", "data", "id:@board"),  # a board without topics may be none
        Rows("forum_subboard", "data", "id:@subboard"),
        Rows("forum_member", "data.created_by", "id", "name"),
        Rows("forum_member", "data.last_post_created_by", "id", "name"),
        Rows("forum_topic", "data", "id",
             "title created_at created_by:created_by.id number_of_posts last_post_created_at"
             " last_post_created_by:last_post_created_by.id is_locked board:@board subboard:@subboard fetched_at:@now"),
    ),
    "topic": (
        Rows("forum_topic", "", "id:@id", "title fetched_at:@now posts_at:@now"),
        Rows("forum_member", "posts.created_by", "id", "name picture:forum_avator"),
        Rows("forum_post", "posts", "id",
             "topic:@id number created_at created_by:created_by.id body text:~body signature", of="topic"),
        Rows("forum_poll", "poll", "topic:@id", "poll:id question closed", of="topic"),
        Rows("forum_poll_option", "poll.options", "topic:@id place:#", "option:id text votes", of="topic"),
    ),
}  # fmt: skip
"""What every other answer fills, apart from the titles in it."""


@dataclass(frozen=True, slots=True)
class TitlesToFetch:
    """A title whose details are to be fetched."""

    medium: Medium
    id: int
    title: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """A fetch of every title's details, which goes on where it was interrupted. `is_new`: begun just now."""

    number: int
    started_at: datetime
    is_new: bool


class Catalogue:
    """The catalogue in the mirror's file. What a method keeps is stored whole, or not at all.

    Every method raises MirrorError or Busy where the file fails it.
    """

    def __init__(self, file: File) -> None:
        self._file = file

    # -- what to fetch

    def has_list(self, user: User, medium: Medium) -> bool:
        """Whether there is a snapshot of this list of `user`."""
        return bool(
            self._file.rows(f"SELECT * FROM ({_NEWEST.format(medium.name)})", users.number_of(self._file, user))
        )

    def not_asked_for(self, user: User, medium: Medium, since: datetime | None = None) -> list[TitlesToFetch]:
        """The titles of the newest list of `user` whose details were never asked for, or not `since` then; oldest first.

        That MAL had no such title (404) is an answer too. Titles that left the list and were not asked for since come
        first: whether MAL itself removed them is known no other way.
        """
        bound = "0" if since is None else timestamp(since)  # "0" is later than never, and earlier than any time
        number = users.number_of(self._file, user)
        rows = self._file.rows(_LEFT_A_LIST.format(medium.name), number)
        rows += self._file.rows(_ON_A_LIST.format(medium.name), number, bound)
        return [TitlesToFetch(medium, id, title or "") for id, title, _ in rows]

    def begin_fetch(self, user: User, what: str, now: datetime) -> Fetch:
        """Begin to fetch everything anew, or go on where the same was begun and not ended within `GO_ON_WITHIN`."""
        number, earliest = users.number_of(self._file, user), timestamp(now - GO_ON_WITHIN)
        for begun, started_at in self._file.rows(
            "SELECT id, started_at FROM fetch WHERE user = ? AND what = ? AND ended_at IS NULL AND started_at >= ?"
            " ORDER BY id DESC LIMIT 1",
            *(number, what, earliest),
        ):
            with self._file.decoding(f"fetch {begun}"):
                return Fetch(begun, parse_timestamp(started_at), is_new=False)
        sql = "INSERT INTO fetch (user, what, started_at) VALUES (?, ?, ?)"
        return Fetch(self._file.insert(sql, number, what, timestamp(now)), now, is_new=True)

    def end_fetch(self, fetch: Fetch, now: datetime) -> None:
        """Nothing of `fetch` is left to be fetched."""
        self._file.execute("UPDATE fetch SET ended_at = ? WHERE id = ?", timestamp(now), fetch.number)

    # -- what is known

    def told(self, medium: Medium, columns: Sequence[str]) -> dict[int, dict[str, Any]]:
        """Those columns of every title of `medium` that any of them is known of, by id."""
        known = " OR ".join(f"{column} IS NOT NULL" for column in columns)
        rows = self._file.rows(f"SELECT id, {', '.join(columns)} FROM {medium.name} WHERE {known}")
        return {id: dict(zip(columns, row, strict=True)) for id, *row in rows}

    def names(self, medium: Medium, ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """What MAL calls these titles: its title, then the alternative ones. Not those whose titles only a file has given."""
        some = orjson.dumps(sorted(ids)).decode()
        found: dict[int, tuple[str, ...]] = {
            id: (title,) for id, title in self._file.rows(_FROM_MAL.format(medium.name), some)
        }
        sql = f"SELECT media_id, title FROM {medium.name}_alternative_title WHERE media_id IN ({_SOME}) AND title != ''"
        for id, title in self._file.rows(sql, some):
            found[id] = (*found.get(id, (title,)), title)
        return found

    def totals(self, medium: Medium, ids: Iterable[int]) -> dict[int, dict[str, int]]:
        """How far these titles go, by progress field, where MAL has said so."""
        columns = ", ".join(medium.totals.values())
        sql = f"SELECT id, {columns} FROM {medium.name} WHERE id IN ({_SOME}) AND fetched_at IS NOT NULL"
        return {
            id: {
                name: total for name, total in zip(medium.totals, row, strict=True) if isinstance(total, int) and total
            }
            for id, *row in self._file.rows(sql, orjson.dumps(sorted(ids)).decode())
        }

    # -- what came

    def learn(self, medium: Medium, facts: Mapping[int, Mapping[str, Any]]) -> None:
        """What a file says of titles that are here, where MAL itself has not told it."""
        columns = sorted({column for told in facts.values() for column in told})
        if columns:
            sets = ", ".join(f"{name} = coalesce(nullif({name}, 0), ?)" for name in columns)
            with self._file.transaction():
                self._file.execute_many(
                    f"UPDATE {medium.name} SET {sets} WHERE id = ?",
                    [(*(told.get(name) for name in columns), id) for id, told in facts.items()],
                )

    def keep_details(self, medium: Medium, title: Title, now: datetime) -> None:
        """Everything that MAL says of one title. What it said before and does not say now goes."""
        more = {"extra": _extra(medium, title), "details_at": timestamp(now), "gone_at": None}
        with self._file.transaction():
            self._keep_title(medium, title, medium.detailed, more, now)

    def keep_gone(self, medium: Medium, id: int, now: datetime) -> None:
        """MAL has no such title any more. What is known of it stays."""
        self._file.execute(f"UPDATE {medium.name} SET gone_at = ? WHERE id = ?", timestamp(now), id)

    def keep(
        self, what: str, document: Any, now: datetime, *, titles: Iterable[tuple[Medium, Title]] = (), **given: Any
    ) -> None:
        """An answer that fills `LISTS[what]`, and the titles in it, with the members that come in lists."""
        with self._file.transaction():
            for medium, title in titles:
                self._keep_title(medium, title, medium.listed, {}, now)
            self._fill(LISTS[what], document, {**given, "now": timestamp(now)})

    def keep_user(self, user: User) -> int:
        """The number of `user` in the mirror, who may be new here."""
        with self._file.transaction():
            return users.ensure(self._file, user, rename=True)

    # -- inside

    def _keep_title(
        self, medium: Medium, title: Title, fields: Iterable[str], more: Mapping[str, Any], now: datetime
    ) -> None:
        """Set what was asked for or came, and nothing else: a ranking must not blank out what details brought."""
        told = asked(fields) | title.keys()
        own = {name: path for name, path in columns_of(medium).items() if root(path) in told}
        row = {name: value(Spot(title), path, {}) for name, path in own.items()}
        row |= {"id": title["id"], "title": title.get("title") or "", "fetched_at": timestamp(now), **more}
        sets = [f"{name} = excluded.{name}" for name in row if name not in ("id", "title")]
        self._file.execute(
            f"INSERT INTO {medium.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
            f" ON CONFLICT (id) DO UPDATE SET {_BETTER.format('title')}, {', '.join(sets)}",
            *row.values(),
        )
        if "extra" not in row and (extra := _extra(medium, title)):
            # A part of a title says nothing of the unknown members that it has not.
            sql = f"UPDATE {medium.name} SET extra = json_patch(coalesce(extra, '{{}}'), ?) WHERE id = ?"
            self._file.execute(sql, extra, title["id"])
        self._fill([rows for rows in TITLES[medium.name] if root(rows.each) in told], title, {"id": title["id"]})

    def _fill(self, fills: Sequence[Rows], document: Any, given: Mapping[str, Any]) -> None:
        for rows in reversed(fills):
            paths = columns(f"{rows.key} {rows.told}")
            if of := rows.of.split():
                sql = f"DELETE FROM {rows.table} WHERE {' AND '.join(f'{name} = ?' for name in of)}"
                self._file.execute(sql, *(value(Spot(document), paths[name], given) for name in of))
        for rows in fills:
            key, told = columns(rows.key), columns(rows.told)
            found = [
                tuple(value(spot, path, given) for path in (*key.values(), *told.values()))
                for spot in spots(document, rows.each)
            ]
            self._file.execute_many(
                _upsert(rows, [*key], [*told]), [row for row in found if None not in row[: len(key)]]
            )


_BETTER = "{0} = coalesce(nullif(excluded.{0}, ''), {0})"


def _upsert(rows: Rows, key: Sequence[str], told: Sequence[str]) -> str:
    sets = ", ".join(("{0} = excluded.{0}" if rows.of else _BETTER).format(name) for name in told)
    # A title must be called something, and what is related to another may come without its name.
    marks = ["coalesce(?, '')" if rows.table in MEDIA and name == "title" else "?" for name in (*key, *told)]
    return (
        f"INSERT INTO {rows.table} ({', '.join((*key, *told))}) VALUES ({', '.join(marks)})"
        f" ON CONFLICT ({', '.join(key)}) DO {f'UPDATE SET {sets}' if sets else 'NOTHING'}"
    )


def _known(medium: Medium) -> dict[str, Any]:
    """Every member of a title that has a place here, nested as the answer is."""
    paths = [*columns_of(medium).values(), *_PASSED_OVER]
    for rows in TITLES[medium.name]:
        taken = [member for path in columns(f"{rows.key} {rows.told}").values() for member in members(path)]
        paths += [rows.each, *(f"{rows.each}.{name}" for name in taken)]
    shape: dict[str, Any] = {}
    for path in paths:
        inner = shape
        for name in path.split("."):
            inner = inner.setdefault(name, {})
    return shape


_KNOWN = {name: _known(medium) for name, medium in MEDIA.items()}


def _extra(medium: Medium, title: Title) -> str | None:
    """The members of a title that have no place of their own, as JSON, so that nothing that MAL tells is lost."""
    left = unknown(title, _KNOWN[medium.name])
    return None if left is None else orjson.dumps(left, option=orjson.OPT_SORT_KEYS).decode()


_SOME = "SELECT value FROM json_each(?)"
# A title that was never fetched is MAL's where it was on a list that was read from MAL (store.py, `_keep_titles`).
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
