"""A mirror as it stands after years: long lists, many snapshots, everything fetched, runs. Tests look at a short one, the
benchmarks at one of full size. It is filled through the mirror's own methods, from the sandbox's answers but without HTTP."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from malsync.mirror import Mirror
from malsync.model.entry import Entry
from malsync.model.medium import ANIME, MEDIA, Medium
from malsync.model.snapshot import Snapshot, Source, User, whole
from malsync.planning.guards import suspicious
from malsync.planning.journal_entry import Outcome
from malsync.planning.restore_plan import PlannedWrite
from malsync.planning.restore_plan import plan as planned
from malsync.sandbox import World
from malsync.sandbox.api import Api
from malsync.sandbox.exchange import Call as Request
from malsync.sandbox.settings import Settings

ORIGIN = "https://api.myanimelist.net"
PICTURES = "https://cdn.myanimelist.net"
MIKA = User(ORIGIN, 9_000_001, "sandbox_mika")
THEO = User(ORIGIN, 9_000_002, "sandbox_theo")
BEGUN = datetime(2026, 1, 1, 20, 0, tzinfo=UTC)
SEASONS = ((2009, "spring"), (2023, "fall"), (2024, "winter"))
TOPICS = 12
"""So many of the forum's topics are fetched with their posts."""

Lists = dict[str, dict[int, Entry]]


@dataclass(frozen=True)
class Archive:
    """The mirror at `path`, and what tests ask for in it."""

    path: Path
    world: World
    snapshots: int
    """The newest snapshot of `MIKA`; those before it are 1, 2, ... ; `THEO` has the one after it."""
    vandalised: int
    """The snapshot in which suspiciously much changed."""
    gone: int
    """An anime that was on the list of `MIKA` until MAL took it away."""
    removed: int
    """An anime that `MIKA` took off the list."""
    run: int
    topic: int


def archive(path: Path, *, entries: int = 500, snapshots: int = 12, seed: int = 3) -> Archive:
    """A new mirror at `path`: lists of `entries` entries together at each of `snapshots` days, every title's details, and
    what `fetch` and `restore` leave."""
    world = World.generated(entries=entries, seed=seed)
    gone, removed = (sorted(world.first.entries("anime"))[place] for place in (3, 5))
    with Mirror.open(path, write=True) as mirror:
        mirror._connection.execute("PRAGMA synchronous = OFF")  # after a power cut nobody needs this file
        vandalised = _live(mirror, world, snapshots, gone, removed)
        mirror.add(_snapshot(THEO, _lists(world, THEO.name), BEGUN + timedelta(days=1)))
        _fetch(mirror, world, BEGUN + timedelta(days=snapshots))
        mirror.catalogue.keep_gone(ANIME, gone, BEGUN + timedelta(days=snapshots))
        run = _restore(mirror, vandalised, BEGUN + timedelta(days=snapshots, hours=1))
        topic = json.loads(_Answers(world)("topics", limit="1"))["data"][0]["id"]
    return Archive(path, world, snapshots, vandalised, gone, removed, run, topic)


# -- the lists, day by day


def _lists(world: World, name: str) -> Lists:
    account = world.named(name)
    return {
        medium: {
            id: Entry(id, str(world.catalogue.known(medium, id)["title"]), dict(status))
            for id, status in account.entries(medium).items()
        }
        for medium in MEDIA
    }


def _snapshot(
    user: User, lists: Lists, at: datetime, doubts: tuple[str, ...] = (), source: Source = "backup"
) -> Snapshot:
    copied = {medium: dict(titles) for medium, titles in lists.items()}
    return Snapshot(user, at, source, whole(copied), copied, suspicious=doubts)


def _live(mirror: Mirror, world: World, snapshots: int, gone: int, removed: int) -> int:
    """A day a snapshot: a few edits, an entry that is new, some that go; in the middle a third of the anime is vandalised,
    and taken back."""
    lists, chance = _lists(world, MIKA.name), random.Random(7)
    late = {medium: sorted(titles)[-snapshots:] for medium, titles in lists.items()}
    waiting = {medium: {id: lists[medium].pop(id) for id in ids} for medium, ids in late.items()}
    vandalised, good = snapshots // 2 + 1, None
    for day in range(snapshots):
        at = BEGUN + timedelta(days=day)
        for medium, titles in lists.items():
            for id in chance.sample(sorted(titles), 5):
                _edit(titles, id, at, score=chance.randint(1, 10))
            id, entry = waiting[medium].popitem()
            titles[id] = entry
        for id in {2: (gone,), 3: (removed,)}.get(snapshots - day, ()):
            del lists["anime"][id]
            lists["manga"].pop(min(lists["manga"]))
        kept = lists
        if day + 1 == vandalised:
            kept = {medium: dict(titles) for medium, titles in lists.items()}
            for id in sorted(kept["anime"])[::3]:
                _edit(kept["anime"], id, at, score=1, comments="somebody else was here")
        now = _snapshot(MIKA, kept, at)
        doubts = tuple(suspicious(good, now)) if good else ()
        mirror.add(_snapshot(MIKA, kept, at, doubts, "after-run" if day == vandalised else "backup"))
        good = good if doubts else now
    return vandalised


def _edit(titles: dict[int, Entry], id: int, at: datetime, **members: Any) -> None:
    entry = titles[id]
    status = {**entry.list_status, **members, "updated_at": at.isoformat()}
    titles[id] = entry._replace(list_status=status)


# -- what `fetch` brings


class _Answers:
    """The sandbox's answers to a call of an endpoint, as bytes."""

    def __init__(self, world: World) -> None:
        self._api = Api(world, Settings())
        self._user = world.first

    def __call__(self, endpoint: str, where: Mapping[str, Any] | None = None, **query: str) -> bytes:
        request = Request("GET", "/v2", PICTURES, query, {}, b"", where or {}, most=500, user=self._user)
        return bytes(self._api.handlers[endpoint](request).body)


def _fetch(mirror: Mirror, world: World, now: datetime) -> None:
    ask = _Answers(world)
    for medium in MEDIA.values():
        # Of everything that there is, and so of each list of either user too.
        for title in world.catalogue.titles(medium.name):
            where = {"medium": medium.name, "id": title["id"]}
            told = json.loads(ask("details", where, fields=",".join(medium.detailed)))
            mirror.catalogue.keep_details(medium, told, now)
        for kind in ("all", "bypopularity"):
            for day in (now - timedelta(days=1), now):
                _keep(mirror, ask, medium, f"{medium.name} ranking", "ranking", {"medium": medium.name}, now,
                      {"day": day.date().isoformat(), "type": kind}, ranking_type=kind)  # fmt: skip
    for year, season in SEASONS:
        where = {"year": year, "season": season}
        _keep(mirror, ask, ANIME, "season", "season", where, now, where)
    # Whoever has everything that is popular on the list gets no suggestions, so these are the popular ones.
    _keep(mirror, ask, ANIME, "suggestions", "ranking", {"medium": "anime"}, now,
          {"user": mirror.catalogue.keep_user(MIKA)}, ranking_type="bypopularity")  # fmt: skip
    boards = json.loads(ask("boards"))["categories"]
    mirror.catalogue.keep("boards", {"data": boards}, now)
    for board in (board["id"] for category in boards for board in category["boards"]):
        topics = json.loads(ask("topics", board_id=str(board), limit="100"))
        mirror.catalogue.keep("topics", topics, now, board=board, subboard=None)
    for topic in json.loads(ask("topics", limit=str(TOPICS)))["data"]:
        told = json.loads(ask("posts", {"topic_id": topic["id"]}, limit="100"))["data"]
        mirror.catalogue.keep("topic", told, now, id=topic["id"])


def _keep(
    mirror: Mirror, ask: _Answers, medium: Medium, what: str, endpoint: str, where: Mapping[str, Any], now: datetime,
    given: Mapping[str, Any], **query: str,
) -> None:  # fmt: skip
    fields = ",".join(medium.listed)
    told = json.loads(ask(endpoint, where, fields=fields, limit="100", nsfw="true", **query))["data"]
    titles = [(medium, item.get("node", item)) for item in told]
    nodes = [item if what.endswith("ranking") else item["node"] for item in told]
    mirror.catalogue.keep(what, {"data": nodes}, now, titles=titles, **given)


# -- what `restore` leaves


def _restore(mirror: Mirror, vandalised: int, now: datetime) -> int:
    """A run that took back what was vandalised, with every outcome that there is in it. The number of the run."""
    good, bad = mirror.load(vandalised - 1), mirror.load(vandalised)
    calls: list[PlannedWrite] = list(planned(good, bad, "merge").calls)
    run = mirror.journal.begin(MIKA, "default", "restore", {}, calls, before=vandalised, now=now)
    ends: tuple[Outcome, ...] = ("done", "done", "done", "already", "skipped", "failed", "not_restorable")
    for line in mirror.journal.lines(run.number)[:40]:
        state = ends[line.seq % len(ends)]
        if state in ("done", "failed", "not_restorable"):
            mirror.journal.sent(run.number, line.seq, now)
        why = "" if state == "done" else "moved: score was 1 and is 9"
        mirror.journal.answered(run.number, line.seq, state, now=now, tries=1, http=200, why=why)
    mirror.journal.ended(run.number, "finished", now, after=vandalised + 1)
    return run.number
