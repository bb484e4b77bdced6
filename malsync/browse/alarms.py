"""Days on which suspiciously much changed, and whether to recommend undoing that: one rule for the pages, the queries under
Data and the terminal."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from malsync.mirror.queries import ALARMING, joins
from malsync.model.diff import Change, diff
from malsync.model.entry import Entry
from malsync.model.medium import MEDIA, Kind, ListStatus, Medium
from malsync.model.snapshot import BACKUPS, Snapshot, User
from malsync.planning.in_force import Key, Standing, by_title, distance, in_force, undoes

Row = dict[str, Any]
Ask = Callable[..., list[Row]]
"""Runs a SELECT on the mirror with values bound by name, and returns its rows by their columns' names."""
Lists = dict[str, int | None]
"""By medium, the snapshot that a list is taken from; None where no snapshot has one."""
MOST_EARLIER = 4
"""How many earlier incidents a change is compared with at most."""

_HEADER = """
    SELECT snapshot.id, snapshot.source, snapshot.suspicious, snapshot.anime, snapshot.manga, snapshot.covers, snapshot.encoded,
        series.user
    FROM snapshot JOIN series ON series.id = snapshot.series WHERE snapshot.id = :snapshot
"""
# By number, not by time: the snapshot that was stored last is the newest, whatever a wrong clock said.
_NEWEST = """
    SELECT snapshot.id FROM series JOIN snapshot ON snapshot.series = series.id
    WHERE series.user = :user AND snapshot.{0} IS NOT NULL ORDER BY series.kind = 'import', snapshot.id DESC LIMIT 1
"""
_GOOD = f"""
    SELECT snapshot.id FROM series JOIN snapshot ON snapshot.series = series.id
    WHERE series.user = :user AND snapshot.id <= :snapshot AND snapshot.suspicious = '[]'
        AND snapshot.source IN ({", ".join(f"'{source}'" for source in sorted(BACKUPS))})
    ORDER BY snapshot.id DESC LIMIT 1
"""
_EARLIER = f"""
    SELECT before.id AS before, snapshot.id FROM {ALARMING} AND series.user = :user AND snapshot.id <= :snapshot
    ORDER BY snapshot.id DESC LIMIT {MOST_EARLIER}
"""
_TOUCHED = """
    SELECT old.media_id FROM snapshot AS a JOIN snapshot AS b ON b.id = :after
    JOIN {0}_version AS old ON old.series = a.series AND old.since <= a.id AND (old.until IS NULL OR old.until > a.id)
    LEFT JOIN {0}_version AS new ON new.series = b.series AND new.media_id = old.media_id
        AND new.since <= b.id AND (new.until IS NULL OR new.until > b.id)
    WHERE a.id = :before AND (new.series, new.since) IS NOT (old.series, old.since)
    UNION ALL
    SELECT new.media_id FROM snapshot AS a JOIN snapshot AS b ON b.id = :after
    JOIN {0}_version AS new ON new.series = b.series AND new.since <= b.id AND (new.until IS NULL OR new.until > b.id)
    WHERE a.id = :before AND NOT EXISTS (SELECT 1 FROM {0}_version AS old WHERE old.series = a.series
        AND old.media_id = new.media_id AND old.since <= a.id AND (old.until IS NULL OR old.until > a.id))
"""
_NO_TIME = datetime.min.replace(tzinfo=UTC)
_HOW: dict[Kind, Callable[[Any], Any]] = {
    Kind.FLAG: bool,
    Kind.TAGS: lambda text: [] if text == "[]" else json.loads(text),
}
_READ = {
    name: [(field.name, _HOW[field.kind]) for field in medium.fields if field.kind in _HOW]
    for name, medium in MEDIA.items()
}


class Alarms:
    """Judges pairs of snapshots in the mirror that `ask` reads. What was judged once is kept: snapshots never change."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._changes = lru_cache(maxsize=4 * MOST_EARLIER)(self._compared)
        self._repairs = lru_cache(maxsize=1000)(self._is_repair)
        self._judged = lru_cache(maxsize=1000)(self._judge)

    def standing(self, before: int, after: int) -> Standing:
        """What is left of the changes between two snapshots of one user. Nothing where one of them is not there."""
        headers = [self._header(number) for number in (before, after)]
        if headers[0] is None or headers[1] is None:
            return Standing(0, 0, is_repair=False)
        if headers[1]["source"] == "after-run":
            # What malsync's own run did between them was asked for, and `undo` is what undoes it.
            return Standing(0, 0, is_repair=True)
        user = headers[1]["user"]
        newest = tuple((name, self._first(_NEWEST.format(name), user=user)) for name in MEDIA)
        return self._judged(before, after, newest)

    def _judge(self, before: int, after: int, newest: tuple[tuple[str, int | None], ...]) -> Standing:
        changes, (_, then) = self._changes(before, after)
        if not changes:
            return Standing(0, 0, is_repair=False)
        now = self._snapshot(dict(newest), changes)
        kept = in_force(changes.values(), _between(then, now, changes), now)
        return Standing(len(changes), kept, is_repair=bool(kept) and self._repairs(before, after))

    def _is_repair(self, before: int, after: int) -> bool:
        """Whether these changes brought the list nearer to the last good one before it was damaged."""
        header = self._header(before)
        if header is None:
            return False
        good = self._first(_GOOD, user=header["user"], snapshot=before)
        changes, (a, b) = self._changes(before, after)
        if good is not None and good != before:
            whole = self._snapshot(dict.fromkeys(MEDIA, good), changes)
            was, is_now = (_between(whole, one, changes) for one in (a, b))
            if distance(is_now.values()) < distance(was.values()):
                return True
        # A list that nothing is said against may be damaged all the same: by fewer changes, or accepted by mistake.
        harm: dict[Key, Change] = {}
        for row in reversed(self._ask(_EARLIER, user=header["user"], snapshot=before)):
            then, _ = self._changes(row["before"], row["id"])
            if not undoes(then.values(), harm):
                harm |= then
        return undoes(changes.values(), harm)

    def _compared(self, before: int, after: int) -> tuple[dict[Key, Change], tuple[Snapshot, Snapshot]]:
        """What changed between two snapshots, by title, and what both say of these titles."""
        keys = {
            (medium.name, row["media_id"])
            for medium in MEDIA.values()
            for row in self._ask(_TOUCHED.format(medium.name), before=before, after=after)
        }
        a, b = (self._snapshot(dict.fromkeys(MEDIA, number), keys) for number in (before, after))
        return _between(a, b, keys), (a, b)

    # -- what the mirror holds

    def _header(self, number: int) -> Row | None:
        return next(iter(self._ask(_HEADER, snapshot=number)), None)

    def _first(self, sql: str, **values: int) -> int | None:
        return next((int(row["id"]) for row in self._ask(sql, **values)), None)

    def _snapshot(self, sources: Lists, keys: "set[Key] | dict[Key, Change]") -> Snapshot:
        """The lists of these snapshots, as far as they are about the titles `keys`."""
        covers: dict[str, tuple[str, ...] | None] = dict.fromkeys(MEDIA)
        lists: dict[str, dict[int, Entry] | None] = dict.fromkeys(MEDIA)
        encoded: dict[str, tuple[str, ...]] = {}
        for name, number in sources.items():
            header = None if number is None else self._header(number)
            if header is None or header[name] is None:
                continue
            covers[name] = tuple(json.loads(header["covers"])[name] or ())
            encoded[name] = tuple(json.loads(header["encoded"]).get(name, ()))
            ids = [id for medium, id in keys if medium == name]
            lists[name] = self._entries(MEDIA[name], header["id"], ids)
        return Snapshot(User("", None, ""), _NO_TIME, "backup", covers, lists, encoded_as=encoded)

    def _entries(self, medium: Medium, number: int, ids: list[int]) -> dict[int, Entry]:
        columns = ", ".join(f"version.{name}" for name in (*medium.names, "extra", "unknown"))
        rows = self._ask(
            f"SELECT version.media_id, {columns} FROM {joins(medium)} WHERE snapshot.id = :snapshot"
            " AND version.media_id IN (SELECT value FROM json_each(:ids))",
            snapshot=number,
            ids=json.dumps(ids),
        )
        return {row["media_id"]: _entry(medium, row) for row in rows}


def _entry(medium: Medium, row: Row) -> Entry:
    gaps = frozenset(json.loads(row["unknown"])) if row["unknown"] else frozenset[str]()
    return Entry(row["media_id"], "", _list_status(medium, row), gaps)


def _list_status(medium: Medium, row: Row) -> ListStatus:
    """What a row of a version's table says, as the API said it."""
    found: ListStatus = {name: row[name] for name in medium.names if row[name] is not None}
    for name, read in _READ[medium.name]:
        if name in found:
            found[name] = read(row[name])
    return found | json.loads(row["extra"]) if row["extra"] else found


def _between(a: Snapshot, b: Snapshot, keys: "set[Key] | dict[Key, Change]") -> dict[Key, Change]:
    """What changed from `a` to `b`, of these titles alone."""
    return {key: change for key, change in by_title(diff(a, b, unknowns=False)).items() if key in keys}
