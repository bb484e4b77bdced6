"""Whether to recommend undoing what changed between two snapshots: one rule for pages, queries under Data and the terminal."""

import json
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from malsync.mirror.queries import ALARMING, PREVIOUS, joins
from malsync.model.diff import Change, diff
from malsync.model.entry import Entry, Key
from malsync.model.medium import MEDIA, Kind, ListStatus, Medium
from malsync.model.snapshot import Snapshot, User
from malsync.planning.in_force import ChangeStatus, TitleVersion, by_title, in_force, undone_snapshots

Row = dict[str, Any]
Ask = Callable[..., list[Row]]
"""Runs a SELECT on the mirror with values bound by name, and returns its rows as dicts."""
Lists = dict[str, int | None]
"""By medium, the snapshot to take the list from; None where no snapshot has that list."""
MOST_INCIDENTS = 4
"""The number of earlier incidents that a change is compared with."""

_HEADER = f"""
    SELECT snapshot.id, snapshot.series, snapshot.source, snapshot.anime, snapshot.manga, snapshot.covers, snapshot.encoded,
        series.user, ({PREVIOUS}) AS before
    FROM snapshot JOIN series ON series.id = snapshot.series WHERE snapshot.id = :snapshot
"""
# By number, not by time: the snapshot stored last is the newest, whatever a wrong clock said.
_NEWEST = """
    SELECT snapshot.id FROM series JOIN snapshot ON snapshot.series = series.id
    WHERE series.user = :user AND snapshot.{0} IS NOT NULL ORDER BY series.kind = 'import', snapshot.id DESC LIMIT 1
"""
_INCIDENTS = f"""
    SELECT snapshot.id FROM {ALARMING} AND series.user = :user AND snapshot.id <= :snapshot
    ORDER BY snapshot.id DESC LIMIT {MOST_INCIDENTS}
"""
_VERSIONS = """
    SELECT * FROM {0}_version WHERE series = :series AND since <= :snapshot
        AND media_id IN (SELECT value FROM json_each(:ids)) ORDER BY media_id, since
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
_DECODERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.FLAG: bool,
    Kind.TAGS: lambda text: [] if text == "[]" else json.loads(text),
}
_DECODED = {
    name: [(field.name, _DECODERS[field.kind]) for field in medium.fields if field.kind in _DECODERS]
    for name, medium in MEDIA.items()
}


class Alarms:
    """Judges pairs of snapshots in the mirror, which `ask` reads. Judgements are kept: snapshots never change."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._changes = lru_cache(maxsize=16)(self._compare)
        self._repairs = lru_cache(maxsize=1000)(self._is_repair)
        self._judged = lru_cache(maxsize=1000)(self._judge)

    def status(self, before: int, after: int) -> ChangeStatus:
        """Return what is left of the changes between two snapshots of one user; no changes where one does not exist."""
        older, newer = (self._header(number) for number in (before, after))
        if older is None or newer is None:
            return ChangeStatus(0, 0, is_repair=False)
        if newer["source"] == "after-run":
            # The user asked for what malsync's own run changed, and `undo` is the command that undoes it.
            return ChangeStatus(0, 0, is_repair=True)
        newest = tuple((name, self._newest(name, newer["user"])) for name in MEDIA)
        return self._judged(before, after, newest)

    def _judge(self, before: int, after: int, newest: tuple[tuple[str, int | None], ...]) -> ChangeStatus:
        changes, then = self._changes(before, after)
        if not changes:
            return ChangeStatus(0, 0, is_repair=False)
        now = self._snapshot(dict(newest), changes)
        kept = in_force(changes.values(), _between(then, now, changes), now)
        return ChangeStatus(len(changes), kept, is_repair=bool(kept) and self._repairs(before, after))

    def _is_repair(self, before: int, after: int) -> bool:
        """Return whether most of what changed was put back to what it was before earlier damage."""
        older, newer = (self._header(number) for number in (before, after))
        if older is None or newer is None:
            return False
        if newer["source"] == "after-run":
            return True
        changes, _ = self._changes(before, after)
        incidents = {row["id"] for row in self._ask(_INCIDENTS, user=older["user"], snapshot=before)}
        undone = undone_snapshots(changes, self._history(older, changes), incidents)
        if 2 * sum(undone.values()) <= len(changes):
            return False
        # Undoing a repair does the damage again: only what is not itself a repair can be repaired.
        damage = (titles for number, titles in undone.items() if not self._is_repair_at(number))
        return 2 * sum(damage) > len(changes)

    def _is_repair_at(self, number: int) -> bool:
        header = self._header(number)
        return header is not None and header["before"] is not None and self._repairs(header["before"], number)

    def _compare(self, before: int, after: int) -> tuple[dict[Key, Change], Snapshot]:
        """Return what changed between two snapshots, by title, and what the second one says of these titles."""
        keys = {
            (medium.name, row["media_id"])
            for medium in MEDIA.values()
            for row in self._ask(_TOUCHED.format(medium.name), before=before, after=after)
        }
        a, b = (self._snapshot(dict.fromkeys(MEDIA, number), keys) for number in (before, after))
        return _between(a, b, keys), b

    # -- reading the mirror

    def _header(self, number: int) -> Row | None:
        return next(iter(self._ask(_HEADER, snapshot=number)), None)

    def _newest(self, name: str, user: int) -> int | None:
        return next((int(row["id"]) for row in self._ask(_NEWEST.format(name), user=user)), None)

    def _history(self, header: Row, keys: Iterable[Key]) -> dict[Key, list[TitleVersion]]:
        """Return the versions of these titles up to a snapshot, in its series, oldest first."""
        history: dict[Key, list[TitleVersion]] = {}
        for medium in MEDIA.values():
            ids = [id for name, id in keys if name == medium.name]
            values = {"series": header["series"], "snapshot": header["id"], "ids": json.dumps(ids)}
            for row in self._ask(_VERSIONS.format(medium.name), **values) if ids else ():
                version = TitleVersion(row["since"], row["until"], _list_status(medium, row))
                history.setdefault((medium.name, row["media_id"]), []).append(version)
        return history

    def _snapshot(self, sources: Lists, keys: Collection[Key]) -> Snapshot:
        """Return the lists of these snapshots, of the titles `keys` alone."""
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
    """Return a row of a version table as the API sent it."""
    status: ListStatus = {name: row[name] for name in medium.names if row[name] is not None}
    for name, decode in _DECODED[medium.name]:
        if name in status:
            status[name] = decode(row[name])
    return status | json.loads(row["extra"]) if row["extra"] else status


def _between(a: Snapshot, b: Snapshot, keys: Collection[Key]) -> dict[Key, Change]:
    """Return what changed from `a` to `b`, of these titles alone."""
    return {key: change for key, change in by_title(diff(a, b, unknowns=False)).items() if key in keys}
