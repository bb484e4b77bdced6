"""The pace: how fast requests leave, when it slows, how it recovers, and how long a plan is said to take."""

import threading
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from malsync.errors import MalsyncError
from malsync.mal.credentials import FixedToken
from malsync.mal.transport import MalTransport
from malsync.sandbox import Sandbox
from malsync.throttle import Throttle
from malsync.transport import TRIES
from tests.support.harness import Malsync, TestTime

ENOUGH = ["429", "403", "500", "502", "503", "504"]
NOT_MALS_DOING = ["cut:at=before", "cut:at=middle", "truncated", "empty", "html"]
A_LITTLE = 1e-6


class OwnTime(TestTime):
    """A clock on which nothing but waiting takes time. Threads wait side by side, and the main one for all others."""

    def __init__(self) -> None:
        super().__init__()
        self._its = threading.local()

    def now(self) -> datetime:
        return self._now()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        end = self._now().timestamp() + seconds
        self._its.moment = datetime.fromtimestamp(end, self.moment.tzinfo)
        self.moment = max(self.moment, self._its.moment)

    def monotonic(self) -> float:
        return self._now().timestamp()

    def _now(self) -> datetime:
        if threading.current_thread() is threading.main_thread():
            return self.moment
        if not hasattr(self._its, "moment"):
            self._its.moment = self.moment
        its: datetime = self._its.moment
        return its


@pytest.fixture
def left_at(malsync: Malsync, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each request left, by malsync's own clock."""
    malsync.time = OwnTime()
    moments: list[float] = []
    real = requests.Session.request

    def noted(session: requests.Session, *arguments: Any, **named: Any) -> Any:
        moments.append(malsync.time.monotonic())
        return real(session, *arguments, **named)

    monkeypatch.setattr(requests.Session, "request", noted)
    return moments


def set_pace(malsync: Malsync, per_second: float) -> None:
    malsync.home.mkdir(exist_ok=True)
    (malsync.home / "config.toml").write_text(f"requests_per_second = {per_second}\n")


def spoil(box: Sandbox, number: int) -> None:
    """Give so many anime another score."""
    for id in sorted(box.entries(box.user, "anime"))[:number]:
        score = box.entries(box.user, "anime")[id]["score"]
        box.edit(box.user, "anime", id, score=score % 10 + 1)


# -- by itself


@pytest.mark.parametrize("per_second", [0, 0.5, 1, 3, 100])
@pytest.mark.parametrize("enough", [1, 2, TRIES])
def test_it_slows_where_mal_has_had_enough_and_recovers_by_and_by(per_second: float, enough: int) -> None:
    throttle = Throttle(per_second, TestTime().clock())
    usual = throttle.seconds
    assert usual == (1 / per_second if per_second else 0)

    throttle.record(enough)
    slowed = throttle.seconds
    steps = [slowed]
    while steps[-1] > usual:
        throttle.record(0)
        steps.append(throttle.seconds)
        assert len(steps) < 40

    assert slowed == min(Throttle.LONGEST_SECONDS, max(Throttle.FIRST_SLOWED_SECONDS, usual) * 2**enough)
    assert len(steps) > 2
    assert all(later < earlier for earlier, later in pairwise(steps))
    assert all(later > earlier / 2 for earlier, later in pairwise(steps[:-1]))
    assert throttle.seconds == usual
    throttle.record(0)
    assert throttle.seconds == usual


def test_it_slows_again_from_where_it_is() -> None:
    throttle = Throttle(1, TestTime().clock())

    throttle.record(1)
    assert throttle.seconds == 2
    throttle.record(1)
    assert throttle.seconds == 4
    throttle.record(0)
    assert throttle.seconds == 3
    throttle.record(2)
    assert throttle.seconds == 12


@given(st.sampled_from([0.0, 0.02, 0.05, 0.2, 1, 5, 50]), st.lists(st.integers(0, TRIES), max_size=60))
def test_it_is_never_faster_than_usual_and_never_slower_than_it_may_be(per_second: float, calls: list[int]) -> None:
    throttle = Throttle(per_second, TestTime().clock())
    usual = throttle.seconds

    for enough in calls:
        before = throttle.seconds
        throttle.record(enough)
        assert usual <= throttle.seconds <= max(Throttle.LONGEST_SECONDS, usual)
        assert throttle.seconds >= before if enough else throttle.seconds <= before

    for _ in range(60):
        throttle.record(0)
    assert throttle.seconds == usual


@pytest.mark.parametrize("per_second", [0.01, 0.02])
def test_who_wants_it_slower_than_that_gets_it(per_second: float) -> None:
    throttle = Throttle(per_second, TestTime().clock())

    throttle.record(1)

    assert throttle.seconds == 1 / per_second > Throttle.LONGEST_SECONDS


def test_threads_take_turns() -> None:
    time = OwnTime()
    throttle = Throttle(1, time.clock())
    left: list[float] = []

    def leave() -> None:
        for _ in range(20):
            throttle.wait()
            left.append(time.monotonic())

    threads = [threading.Thread(target=leave) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(left) == 80
    assert all(b - a >= 1 - A_LITTLE for a, b in pairwise(sorted(left)))
    assert max(left) - min(left) == pytest.approx(79)


# -- as the transport learns it


@pytest.fixture
def transport(box: Sandbox) -> MalTransport:
    """A transport of one request a second, whose back-off takes no time."""
    clock = OwnTime().clock()
    token = FixedToken(box.access_token)
    return MalTransport(
        box.api_url, token, user_agent="test", throttle=Throttle(1, clock), clock=clock, jitter=lambda: 0.0
    )


@pytest.mark.parametrize("fault", ENOUGH)
def test_what_mal_has_enough_of_slows_it(box: Sandbox, transport: MalTransport, fault: str) -> None:
    box.add_faults(f"{fault}:nth=2-4")
    transport.send("GET", "/users/@me")
    assert transport.throttle.seconds == 1

    transport.send("GET", "/users/@me")

    assert box.counts == {"GET": 5}
    assert transport.throttle.seconds == 8
    transport.send("GET", "/users/@me")
    assert transport.throttle.seconds == 6


@pytest.mark.parametrize("fault", NOT_MALS_DOING)
def test_a_connection_that_breaks_does_not_slow_it(box: Sandbox, transport: MalTransport, fault: str) -> None:
    kind, _, keys = fault.partition(":")
    box.add_faults(f"{kind}:nth=1-3,{keys}")

    transport.send("GET", "/users/@me")

    assert box.counts == {"GET": 4}
    assert transport.throttle.seconds == 1


@pytest.mark.parametrize("fault", ["bad_request", "gone", "forbidden", "expire"])
def test_a_refusal_does_not_slow_it(box: Sandbox, transport: MalTransport, fault: str) -> None:
    box.add_faults(fault)

    with pytest.raises(MalsyncError):
        transport.send("GET", "/users/@me")

    assert box.counts == {"GET": 1}
    assert transport.throttle.seconds == 1


@pytest.mark.parametrize("fault", ["503", "429:retry_after=400"])
def test_a_call_that_fails_slows_it_too(box: Sandbox, transport: MalTransport, fault: str) -> None:
    box.add_faults(fault)
    for _ in range(4):
        with pytest.raises(MalsyncError):
            transport.send("GET", "/users/@me")

    assert transport.throttle.seconds == (Throttle.LONGEST_SECONDS if fault == "503" else 16)


def test_writes_slow_it_like_readings(box: Sandbox, transport: MalTransport) -> None:
    id = min(box.entries(box.user, "anime"))
    box.add_faults("429:method=PATCH,times=1;503:method=DELETE,times=1")

    transport.send("PATCH", f"/anime/{id}/my_list_status", form={"score": "1"})
    assert transport.throttle.seconds == 2
    transport.send("DELETE", f"/anime/{id}/my_list_status")
    assert transport.throttle.seconds == 4


# -- in a whole run


@pytest.mark.promise("pace-5")
def test_no_two_requests_leave_within_a_second(malsync: Malsync, box: Sandbox, left_at: list[float]) -> None:
    set_pace(malsync, 1)
    malsync.ok("backup")
    spoil(box, 12)
    left_at.clear()

    malsync.ok("restore", "latest", "--yes")

    assert box.counts["PATCH"] == 12
    assert len(left_at) == 3 + 12 + 2
    gaps = [b - a for a, b in pairwise(sorted(left_at))]
    assert all(gap == pytest.approx(1) for gap in gaps)


@pytest.mark.parametrize(
    "fault", ["503:method=PATCH,nth=3-4", "cut:at=before,method=PATCH,nth=3-4", "429:on=list,p=0.3"]
)
def test_nor_do_they_where_some_fail(malsync: Malsync, box: Sandbox, left_at: list[float], fault: str) -> None:
    set_pace(malsync, 1)
    malsync.ok("backup")
    spoil(box, 12)
    left_at.clear()
    box.add_faults(fault)

    malsync.ok("restore", "latest", "--yes")

    assert len(left_at) > 17
    assert all(b - a >= 1 - A_LITTLE for a, b in pairwise(sorted(left_at)))


def test_a_run_slows_and_recovers_while_it_writes(malsync: Malsync, box: Sandbox, left_at: list[float]) -> None:
    set_pace(malsync, 1)
    malsync.ok("backup")
    spoil(box, 30)
    left_at.clear()
    box.add_faults("503:method=PATCH,nth=5-7")

    malsync.ok("restore", "latest", "--yes")

    gaps = [b - a for a, b in pairwise(left_at)]
    retried = 3 + 4 + 3  # what was read, four writes, and three tries of the fifth
    slow = gaps[retried + 1 :]
    assert gaps[:6] == pytest.approx([1] * 6)
    assert slow[0] == pytest.approx(8)
    assert slow[1:4] == pytest.approx([6, 4.5, 3.375])
    assert slow[-8:] == pytest.approx([1] * 8)


# -- what a plan says


@pytest.mark.parametrize(
    ("per_second", "words"),
    [(0, "a moment"), (50, "a moment"), (4, "about 15 s"), (1, "about 60 s"), (0.1, "about 10 minutes")],
)
def test_a_plan_says_how_long_it_takes(malsync: Malsync, box: Sandbox, per_second: float, words: str) -> None:
    malsync.ok("backup")
    spoil(box, 60)
    set_pace(malsync, per_second)

    shown = malsync.ok("restore", "latest", "--dry-run").stdout

    assert shown.splitlines()[0] == f"Plan for the lists of {box.user}: update 60 (60 writes, {words})."


def test_without_settings_it_is_a_request_a_second(home: Path) -> None:
    from malsync.cli.app import App
    from malsync.cli.environment import World
    from malsync.cli.output import Output

    app = App(World({}), str(home), None, Output(json=False, quiet=False, verbose=False))

    throttle = app.clients.mal(FixedToken("t")).transport.throttle

    assert throttle.seconds == 1
    assert throttle.expected_seconds(60) == 60


@pytest.mark.promise("pace-5")
@pytest.mark.parametrize("failures", [0, 1, 4])
def test_what_a_plan_says_is_what_it_takes(malsync: Malsync, box: Sandbox, left_at: list[float], failures: int) -> None:
    """Also where the reading of the lists met with failures: by then the pace is slow, and it recovers."""
    set_pace(malsync, 1)
    malsync.ok("backup")
    spoil(box, 60)
    left_at.clear()
    box.add_faults(f"503:on=users/@me,times={failures}")

    said = _seconds(malsync.ok("restore", "latest", "--yes").stdout)

    writes = left_at[3 + failures : -2]
    assert len(writes) == 60
    assert said == pytest.approx(writes[-1] - writes[0], rel=0.2)


def _seconds(shown: str) -> float:
    """How long a plan is said to take."""
    words = shown.splitlines()[0].rpartition("about ")[2].split()
    return float(words[0]) * {"s).": 1, "minutes).": 60}[words[1]]
