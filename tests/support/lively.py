"""A mirror in which somebody has lived for a year: backups between edits, an evening of vandalism and how it was taken back,
a title that MAL removed, another account, and everything that `fetch` brings. All by malsync's own commands, over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from malsync.sandbox import Sandbox
from tests.support.harness import Malsync

VANDALISED = 120
"""So many anime were spoilt at once: more than a quarter of the list."""
EDGERUNNERS = 42310
"""A title that comes back through the whole history: planned, watched, finished, spoilt, and put right."""

POLL = 2000002
"""A topic of the forum with a poll."""


class Year:
    """A year of `malsync`'s user, whose last day is `ends`. `box` must take its time from `now`."""

    def __init__(self, malsync: Malsync, box: Sandbox, ends: datetime) -> None:
        self.malsync, self.box, self.ends = malsync, box, ends
        self.user = box.user
        self.gone: set[int] = set()

    def on(self, days_before: int, hour: int = 22) -> None:
        """Let it be that hour, so many days before the end."""
        day = (self.ends - timedelta(days=days_before)).replace(hour=hour, minute=0, second=0, microsecond=0)
        self.malsync.time.moment = day.astimezone(UTC)

    def live(self) -> None:
        """The whole year."""
        self._months()
        self._removed_by_mal()
        self._vandal()
        self._since()
        self._fetch()

    def _months(self) -> None:
        self.on(360)
        self.box.edit(self.user, "anime", EDGERUNNERS, status="plan_to_watch", score=0, num_episodes_watched=0, tags=[],
                      comments="", start_date=None, finish_date=None)  # fmt: skip
        self.malsync.ok("backup", "--note", "the first one")
        for days in range(330, 30, -30):
            self.on(days)
            self._watch(8)
            self._plan(3)
            if days == 210:
                self.box.edit(self.user, "anime", EDGERUNNERS, status="watching", num_episodes_watched=4,
                              start_date=f"{self.malsync.time.moment:%Y-%m-%d}")  # fmt: skip
            if days == 180:
                self.box.edit(self.user, "anime", EDGERUNNERS, status="completed", num_episodes_watched=10, score=9,
                              finish_date=f"{self.malsync.time.moment:%Y-%m-%d}", tags=["cyberpunk", "short but good"],
                              comments="Cried on the bus. Would do it again.")  # fmt: skip
            self.malsync.ok("backup")
        self.on(30)
        self.malsync.ok("backup", "--user", "sandbox_theo")

    def _removed_by_mal(self) -> None:
        self.on(21)
        finished = sorted(
            id for id, one in self.box.entries(self.user, "anime").items() if one["status"] == "completed"
        )
        self.box.withdraw("anime", finished[20])
        self.box.remove(self.user, "anime", finished[30])
        self.gone.add(finished[30])
        self.malsync.ok("backup")
        self.malsync.ok("fetch", "details", "--only", "anime")

    def _vandal(self) -> None:
        self.on(14, hour=20)
        spoilt = [*islice(self._anime("completed"), VANDALISED), EDGERUNNERS]
        for id in spoilt:
            self.box.edit(self.user, "anime", id, score=1, comments="", tags=[])
        for id in islice(self._anime("watching"), 6):
            self.box.remove(self.user, "anime", id)
        self.on(14)
        self.malsync.ok("backup", exit_code=8)
        self.on(13)
        good = self.malsync.json("snapshots")[-2]["snapshot"]
        self.malsync.ok("revert", str(good), str(good + 1), "--dry-run")
        # One title has a tag that MAL cannot hold.
        self.malsync.ok("revert", str(good), str(good + 1), "--yes", exit_code=5)
        self.malsync.ok("undo", "--yes", "--max-deletes", "20")
        self.malsync.ok("undo", "--yes")

    def _since(self) -> None:
        for days in range(12, 1, -2):
            self.on(days)
            self._watch(3)
            self._plan(1)
            self.malsync.ok("backup")
        self.on(1, hour=12)
        lost, *_ = self._anime("on_hold")
        self.box.remove(self.user, "anime", lost)
        self.malsync.ok("restore", "latest", "--id", f"anime:{lost}", "--yes")
        self.on(0, hour=3)
        self._watch(4)
        self.malsync.ok("backup", "--note", "the newest one")

    def _fetch(self) -> None:
        for days in (2, 1):
            self.on(days, hour=23)
            self.malsync.ok("fetch", "ranking", "all", "--limit", "100")
        for words in (("season", "2026", "fall"), ("season", "2026", "summer"), ("suggestions",), ("search", "cowboy"),
                      ("ranking", "manga", "--only", "manga", "--limit", "50"), ("forum", "boards"),
                      ("forum", "topics", "--board", "11"), ("forum", "topic", str(POLL))):  # fmt: skip
            self.malsync.ok("fetch", *words)

    def _anime(self, status: str) -> Iterator[int]:
        entries = self.box.entries(self.user, "anime")
        return (id for id in sorted(entries) if entries[id]["status"] == status and id != EDGERUNNERS)

    def _watch(self, count: int) -> None:
        """An episode more of some, and each second one of them is done."""
        for place, id in enumerate(islice(self._anime("watching"), count)):
            seen = self.box.entries(self.user, "anime")[id]["num_episodes_watched"] + 1
            whole = self.box.world.catalogue.known("anime", id).get("num_episodes", 0)
            changes: dict[str, Any] = {"num_episodes_watched": min(seen, whole or seen)}
            if place % 2 and whole:
                day = f"{self.malsync.time.moment:%Y-%m-%d}"
                changes = {
                    "status": "completed",
                    "num_episodes_watched": whole,
                    "score": 6 + id % 5,
                    "finish_date": day,
                }
            self.box.edit(self.user, "anime", id, **changes)

    def _plan(self, count: int) -> None:
        for medium, status in (("anime", "watching"), ("manga", "plan_to_read")):
            here = self.box.entries(self.user, medium).keys()
            titles = sorted(title["id"] for title in self.box.world.catalogue.titles(medium))
            for id in islice((id for id in titles if id not in here | self.gone and id < 900_000), count):
                self.box.add(self.user, medium, id, status=status)
