"""A machine that is suspended while a run waits: what somebody does to the lists meanwhile is not overwritten."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.catalogue import rows
from tests.support.effort import effort
from tests.support.farside import Sandbox
from tests.support.harness import Malsync, Result, TestTime
from tests.support.signing import sign_in
from tests.support.writing import harm, ids, small, writes

pytestmark = pytest.mark.writes

EXACT = ("restore", "1", "--mode", "exact", "--yes")


class Lid(TestTime):
    """A laptop's time. With the lid shut the time of day goes on, and what `monotonic` and `sleep` go by does not.

    Once `is_armed`, each use of the clock is a moment at which `shuts` may shut the lid: it gets the moment's number.
    """

    asleep = timedelta()
    moments = 0
    is_armed: Callable[[], bool] = staticmethod(lambda: False)
    shuts: Callable[[int], bool] = staticmethod(lambda _: False)
    meanwhile: Callable[[], object] = staticmethod(bool)

    def pass_moment(self) -> None:
        if self.is_armed():
            self.moments += 1
            if self.shuts(self.moments):
                self.asleep += timedelta(hours=1)
                self.meanwhile()

    def now(self) -> datetime:
        self.pass_moment()
        return super().now() + self.asleep

    def look(self) -> datetime:
        return self.moment + self.asleep

    def monotonic(self) -> float:
        self.pass_moment()
        return super().monotonic()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.pass_moment()


@dataclass
class Story:
    """A list that was backed up and then harmed: restoring it takes an add, an update and a delete."""

    malsync: Malsync
    box: Sandbox
    keys: tuple[tuple[str, int], ...]
    lid: Lid

    def restore(self, fault: str = "", *words: str) -> Result:
        """Restore, the lid being armed once both lists were read for the plan."""
        reads = len(self.answered("GET", "list"))
        self.lid.is_armed = lambda: len(self.answered("GET", "list")) >= reads + 2
        self.lid.moments = 0
        self.box.add_faults(fault)
        result = self.malsync(*(words or EXACT))
        self.box.clear_faults()
        return result

    def answered(self, method: str, ending: str) -> list[dict[str, Any]]:
        return [row for row in self.box.requests if row["method"] == method and row["path"].endswith(ending)]

    def edit(self) -> None:
        """Somebody else touches each of the entries, or adds it."""
        for medium, id in self.keys:
            self.box.edit(self.box.user, medium, id, comments="somebody else's", priority=2)

    def entries(self) -> dict[tuple[str, int], Any]:
        return {(medium, id): self.box.entries(self.box.user, medium).get(id) for medium, id in self.keys}


@contextmanager
def story(folder: Path, **sandbox: Any) -> Iterator[Story]:
    with Sandbox(small(), **sandbox) as box:
        malsync = Malsync(folder / "home", box)
        malsync.time = lid = Lid()
        sign_in(malsync, box)
        box.edit(box.user, "anime", ids(box)[1], start_date="2021-05")
        malsync.ok("backup")
        keys = harm(box)
        box.edit(box.user, "anime", keys["edited"], start_date=None)
        (malsync.home / "config.toml").write_text("requests_per_second = 0.1\n")
        yield Story(malsync, box, (("anime", keys["gone"]), ("anime", keys["edited"]), ("manga", keys["new"])), lid)


WAITS = {
    "the pace": "",
    "a back-off": "503:method=PATCH,nth=1",
    "a back-off before a delete": "503:method=DELETE,nth=1",
    "Retry-After": "429:method=PATCH,nth=1,retry_after=200",
    "Retry-After before a delete": "429:method=DELETE,nth=1,retry_after=200",
    "a refresh of the token": "expire:method=PATCH,nth=1",
    "an answer that is lost": "cut:at=before,method=PATCH,nth=1",
    "a write that is lost": "cut:at=before,method=PATCH,nth=1,done=no",
    "what did not arrive": "unstored:field=score,shows=kept,method=PATCH,nth=1",
}
REFUSED_DATE = "a date that is refused"
WAITS[REFUSED_DATE] = "503:method=PATCH,nth=3"
STRIDE = effort(10, nightly=1)
"""Of the moments of a run, every tenth; at night all."""


@pytest.mark.promise("writing-3")
@pytest.mark.parametrize("wait", WAITS)
def test_whenever_the_lid_is_shut_what_somebody_does_meanwhile_stays(tmp_path: Path, wait: str) -> None:
    sandbox = {"settings": {"partial_dates": "refuse"}} if wait == REFUSED_DATE else {}
    with story(tmp_path / "0", **sandbox) as calm:
        assert calm.restore(WAITS[wait]).exit_code == (5 if sandbox else 0)
        moments = calm.lid.moments
    assert moments > 30

    for moment in range(1 + list(WAITS).index(wait) % STRIDE, moments + 1, STRIDE):
        with story(tmp_path / f"{moment}", **sandbox) as one:
            made: dict[tuple[str, int], Any] = {}

            def meanwhile(one: Story = one, made: dict[tuple[str, int], Any] = made) -> None:
                one.edit()
                made |= one.entries()

            one.lid.shuts, one.lid.meanwhile = moment.__eq__, meanwhile
            result = one.restore(WAITS[wait])

            assert result.exit_code in (0, 5), (moment, result)
            if not made:  # which moment is the first depends on which list is answered first
                assert moment > moments - 5
                continue
            assert one.entries() == made, (moment, result, one.box.requests)
            assert one.malsync.json("verify")["ok"]


def test_what_did_not_arrive_is_sent_once_more_by_a_new_reading_of_an_entry_that_nobody_touched(tmp_path: Path) -> None:
    with story(tmp_path) as one:
        update = one.keys[1]

        def shuts(_: int) -> bool:
            """Once the first PATCH of the update was answered."""
            return not one.lid.asleep and bool(one.answered("PATCH", f"{update[1]}/my_list_status"))

        one.lid.shuts = shuts
        result = one.restore("unstored:field=score,shows=kept,method=PATCH", *EXACT, "--json")

        patches = one.answered("PATCH", f"{update[1]}/my_list_status")
        assert len(patches) == 2
        assert result.exit_code == 5
        assert {one["id"]: one["why"].partition(",")[0] for one in result.json["left"]} == {
            id: f"score: wanted {score}" for id, score in ((1, 5), (20, 7))
        }


@pytest.mark.promise("writing-3")
def test_a_clock_that_never_stops_jumping_ends_the_run_and_resume_finishes_it(tmp_path: Path) -> None:
    with story(tmp_path) as one:
        one.lid.shuts = lambda moment: moment > 20
        result = one.restore("", *EXACT, "--json")

        assert result.exit_code == 4, result
        assert "too old" in result.json["error"]["message"]
        assert "malsync resume 1" in result.json["error"]["hint"]
        sent = writes(one.box)
        assert sum(sent.values()) <= 1

        one.lid.shuts = lambda _: False
        assert one.malsync.json("resume")["equal"]
        assert sum(writes(one.box).values()) == 3


def test_a_write_that_never_left_is_not_in_the_journal_as_sent(tmp_path: Path) -> None:
    """Or undo would take back what somebody else did."""
    with story(tmp_path) as one:
        home = one.malsync.home
        one.lid.shuts = lambda _: not one.lid.asleep and bool(rows(home, "SELECT 1 FROM run_call WHERE state = 'sent'"))
        one.lid.meanwhile = one.edit
        assert one.restore().exit_code == 5

        made = one.entries()
        lines = rows(home, "SELECT state, sent_at, tries FROM run_call ORDER BY seq")
        assert lines == [("skipped", None, 0)] * 3
        assert writes(one.box) == {}
        one.malsync("undo", "--yes")
        assert one.entries() == made
