"""What browse says of a day on which suspiciously much changed: which command to type, and for how long it says so."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from itertools import islice
from typing import Any

import pytest
import requests

from malsync.browse.alarms import Alarms
from malsync.browse.server import Site
from malsync.mirror import FILE_NAME, Mirror
from malsync.sandbox import Sandbox
from tests.support.archive import Archive
from tests.support.harness import Malsync

EARLIER = "with unusually many changes"


@contextmanager
def looking(malsync: Malsync) -> Iterator["Look"]:
    with Site(malsync.home / FILE_NAME) as site, requests.Session() as session:
        session.get(site.url, timeout=10)
        yield Look(site.url.partition("/?")[0], session)


class Look:
    """Pages as their text."""

    def __init__(self, origin: str, session: requests.Session) -> None:
        self._origin, self._session = origin, session

    def page(self, path: str) -> str:
        answer = self._session.get(self._origin + path, timeout=10)
        assert answer.status_code == 200, path
        return answer.text

    def alarms(self, path: str) -> list[str]:
        """Each alarm on a page, without its marks."""
        found = re.findall(r'<article class="alarm[^>]*>(.*?)</article>', self.page(path), re.DOTALL)
        return [" ".join(unescape(re.sub(r"<[^>]+>", " ", one)).split()) for one in found]


def spoil(box: Sandbox, count: int) -> list[int]:
    """So many completed anime lose their score."""
    entries = box.entries(box.user, "anime")
    ids = list(islice((id for id in sorted(entries) if entries[id]["score"]), count))
    for id in ids:
        box.edit(box.user, "anime", id, score=0)
    return ids


def test_an_incident_is_shown_once_with_the_command_that_undoes_it_however_many_nights_pass(
    malsync: Malsync, box: Sandbox
) -> None:
    malsync.ok("backup")
    spoilt = spoil(box, 100)
    malsync.ok("backup", exit_code=8)
    box.edit(box.user, "manga", min(box.entries(box.user, "manga")), comments="my own doing")
    malsync.ok("backup", exit_code=8)
    malsync.ok("backup", exit_code=8)

    with looking(malsync) as look:
        for path in ("/", "/snapshots"):
            (alarm,) = look.alarms(path)
            assert f"{len(spoilt)} entries were changed or removed at once." in alarm
            assert alarm.endswith("malsync revert 1 2")
        assert "Looks suspicious" in look.page("/")
        assert EARLIER not in look.page("/")


def test_an_undone_incident_leaves_the_home_page_and_history_names_the_run(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    spoil(box, 100)
    malsync.ok("backup", exit_code=8)
    run = malsync.json("revert", "1", "2", "--yes")["run"]

    with looking(malsync) as look:
        assert look.alarms("/") == []
        assert f"One earlier day {EARLIER}" in look.page("/")
        (alarm,) = look.alarms("/snapshots")
        assert f"Run {run} undid it on " in alarm
        assert alarm.endswith("Since put right.")
        assert "malsync revert" not in look.page("/snapshots")


def test_an_accepted_incident_leaves_the_home_page(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    spoil(box, 100)
    malsync.ok("backup", exit_code=8)
    malsync.ok("backup", "--accept")

    with looking(malsync) as look:
        assert look.alarms("/") == []
        assert f"One earlier day {EARLIER}" in look.page("/")
        assert [alarm[-18:] for alarm in look.alarms("/snapshots")] == ["malsync revert 1 2"]


def test_many_changes_that_backup_does_not_mark_are_told_until_the_next_backup(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    spoil(box, 60)
    malsync.ok("backup")

    with looking(malsync) as look:
        assert [alarm[-18:] for alarm in look.alarms("/")] == ["malsync revert 1 2"]
        malsync.ok("backup")
        assert look.alarms("/") == []
        assert f"One earlier day {EARLIER}" in look.page("/")


def test_the_recommended_command_names_the_account(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "--account", "second")
    spoil(box, 100)
    malsync.ok("backup", "--account", "second", exit_code=8)
    typed = "malsync --account second revert 1 2"

    process = malsync.process("browse", stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with requests.Session() as session:
            session.get(url, timeout=10)
            look = Look(url.partition("/?")[0], session)
            for path in ("/", "/snapshots", "/changes"):
                assert f"<code>{typed}</code>" in look.page(path), path
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.mark.parametrize("count", [0, 30])
def test_an_ordinary_day_shows_no_incident(malsync: Malsync, box: Sandbox, count: int) -> None:
    malsync.ok("backup")
    spoil(box, count)
    malsync.ok("backup")

    with looking(malsync) as look:
        assert look.alarms("/") == look.alarms("/snapshots") == []
        assert EARLIER not in look.page("/")
        assert f"~{count}" in look.page("/snapshots") if count else "no change" in look.page("/snapshots")


# -- what was put right is not to be undone


MIKA = "user=1"
PLACES = (
    "/",
    "/snapshots",
    "/days",
    "/changes",
    "/changes?from={0}&to={1}",
    "/mirror/suspicious",
    "/mirror/suspicious.json",
)


def vandalise(box: Sandbox, updates: int, removes: int) -> dict[str, Any]:
    """Change so many anime and remove so many manga; what was there before is returned, as the sandbox's state."""
    before = box.world.state()
    for id in sorted(box.entries(box.user, "anime"))[:updates]:
        box.edit(box.user, "anime", id, score=1, comments="somebody else was here")
    for id in sorted(box.entries(box.user, "manga"))[:removes]:
        box.remove(box.user, "manga", id)
    return before


def put_back(box: Sandbox, state: dict[str, Any]) -> None:
    answer = requests.put(box.api_url.removesuffix("/v2") + "/_sandbox/state", json=state, timeout=10)
    assert answer.status_code == 200, answer.text


def backup(malsync: Malsync) -> int:
    """The number of a new backup, suspicious or not."""
    result = malsync("backup", "--json")
    assert result.exit_code in (0, 8), result
    return int(result.json["snapshot"])


def recommended(malsync: Malsync, before: int, after: int) -> set[str]:
    """Where undoing the changes between these two snapshots is recommended: pages, and commands."""
    command, places = re.compile(rf"revert {before} {after}\b"), set[str]()
    with looking(malsync) as look:
        for path in PLACES:
            address = f"{path.format(before, after)}{'&' if '?' in path else '?'}{MIKA}"
            if command.search(look.page(address)):
                places.add(path)
    for words in (["snapshots"], ["doctor"]):
        said = malsync(*words)
        if command.search(said.stdout + said.stderr):
            places.add(words[0])
    return places


@pytest.mark.promise("guards-5")
@pytest.mark.parametrize(
    ("updates", "removes", "nights"),
    [
        (108, 0, 0),
        (80, 28, 2),
        (60, 0, 2),
        *(pytest.param(*harm, marks=pytest.mark.nightly) for harm in [(108, 0, 2), (80, 28, 0), (60, 0, 0)]),
    ],
)
def test_undoing_a_repair_is_never_recommended(
    malsync: Malsync, box: Sandbox, updates: int, removes: int, nights: int
) -> None:
    """Even 60 changes, which `backup` does not mark."""
    first = backup(malsync)
    state = vandalise(box, updates, removes)
    harmed = backup(malsync)
    assert {"/", "/snapshots", "/changes", "/mirror/suspicious"} <= recommended(malsync, first, harmed)
    last = [harmed, *(backup(malsync) for _ in range(nights))][-1]
    put_back(box, state)
    repaired = backup(malsync)

    assert recommended(malsync, last, repaired) == set()
    assert recommended(malsync, first, harmed) == set()
    with looking(malsync) as look:
        assert [alarm.rpartition("#")[2] for alarm in look.alarms("/snapshots")] == [
            f"{repaired} . Looks like a repair.",
            f"{harmed} . Since put right.",
        ]
        assert look.alarms("/") == []
        assert "Looks like a repair." in look.page(f"/changes?from={last}&to={repaired}")
        assert "Since put right." in look.page(f"/changes?from={first}&to={harmed}")
        assert f"#{harmed}: since put right" in look.page("/days")
        rows = requests_rows(look)
    assert [(row["before"], row["id"], row["standing"], row["revert"]) for row in rows] == [
        (last, repaired, "looks like a repair", None),
        (first, harmed, "since put right", None),
    ]


def requests_rows(look: Look) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(look.page("/mirror/suspicious.json?_shape=array"))
    return found


@pytest.mark.promise("guards-5")
def test_half_a_repair_leaves_the_other_half_to_be_undone(malsync: Malsync, box: Sandbox) -> None:
    old = box.entries(box.user, "anime")
    first = backup(malsync)
    vandalise(box, 108, 0)
    harmed = backup(malsync)
    for id in sorted(old)[:60]:
        box.edit(box.user, "anime", id, score=old[id]["score"], comments=old[id].get("comments", ""))
    half = backup(malsync)

    assert recommended(malsync, harmed, half) == set()
    assert {"/snapshots", "/changes?from={0}&to={1}", "snapshots"} <= recommended(malsync, first, harmed)
    with looking(malsync) as look:
        assert "48 of 108 still in force" in look.page("/snapshots")
        assert "48 of 108 still in force" in look.page(f"/changes?from={first}&to={harmed}")
        assert "Looks like a repair." in look.page("/snapshots")


def test_the_backup_that_ends_half_a_repair_says_what_it_is(malsync: Malsync, box: Sandbox) -> None:
    old = box.entries(box.user, "anime")
    backup(malsync)
    vandalise(box, 200, 0)
    said = malsync.ok("backup", exit_code=8).stderr
    assert "200 of 200 still in force. To undo only these changes: malsync revert 1 2" in said
    for id in sorted(old)[:60]:
        box.edit(box.user, "anime", id, score=old[id]["score"], comments=old[id].get("comments", ""))

    said = malsync.ok("backup", exit_code=8).stderr

    assert "Looks like a repair." in said
    assert "revert" not in said


def test_both_steps_of_a_vandalism_are_to_be_undone_and_its_repair_is_not(malsync: Malsync, box: Sandbox) -> None:
    first = backup(malsync)
    state = vandalise(box, 60, 0)
    second = backup(malsync)
    for id in sorted(box.entries(box.user, "anime"))[100:180]:
        box.edit(box.user, "anime", id, score=2)
    third = backup(malsync)

    assert "/snapshots" in recommended(malsync, first, second)
    assert "/snapshots" in recommended(malsync, second, third)
    put_back(box, state)
    fourth = backup(malsync)
    for pair in ((first, second), (second, third), (third, fourth)):
        assert recommended(malsync, *pair) == set(), pair


def rate(box: Sandbox, score: int, first: int, last: int) -> None:
    """Give the anime at these places of the list another score, as somebody at the site would."""
    for id in sorted(box.entries(box.user, "anime"))[first:last]:
        box.edit(box.user, "anime", id, score=score, num_watched_episodes=score)


@pytest.mark.promise("guards-5")
def test_a_repair_of_damage_in_steps_too_small_to_be_suspicious_is_not_to_be_undone(
    malsync: Malsync, box: Sandbox
) -> None:
    rate(box, 9, 0, 98)
    malsync.ok("backup")
    rate(box, 1, 0, 49)
    malsync.ok("backup")
    rate(box, 1, 49, 98)
    malsync.ok("backup")
    rate(box, 9, 0, 98)

    said = malsync.ok("backup", exit_code=8).stderr

    assert "Looks like a repair." in said
    assert "revert" not in said
    assert recommended(malsync, 3, 4) == set()
    assert "4: Looks like a repair." in malsync.ok("snapshots").stdout


@pytest.mark.promise("guards-5")
def test_a_reset_to_values_of_many_earlier_days_is_to_be_undone(malsync: Malsync, box: Sandbox) -> None:
    rate(box, 5, 0, 98)
    malsync.ok("backup")
    for first in range(0, 98, 9):
        rate(box, 9, first, min(first + 9, 98))
        malsync.ok("backup")
    last = backup(malsync)
    rate(box, 5, 0, 98)

    said = malsync.ok("backup", exit_code=8).stderr

    assert f"98 of 98 still in force. To undo only these changes: malsync revert {last} {last + 1}" in said
    assert {"/", "/snapshots", "/mirror/suspicious", "snapshots"} <= recommended(malsync, last, last + 1)


@pytest.mark.promise("guards-5")
def test_the_removal_of_titles_that_were_added_at_once_is_to_be_undone(malsync: Malsync, box: Sandbox) -> None:
    state = vandalise(box, 0, 90)
    malsync.ok("backup")
    put_back(box, state)
    added = backup(malsync)
    vandalise(box, 0, 90)
    removed = backup(malsync)

    assert {"/", "/snapshots"} <= recommended(malsync, added, removed)


def test_what_was_vandalised_again_after_a_repair_in_small_steps_is_to_be_undone_again(
    malsync: Malsync, box: Sandbox
) -> None:
    rate(box, 9, 0, 98)
    malsync.ok("backup")
    rate(box, 1, 0, 98)
    malsync.ok("backup", exit_code=8)
    rate(box, 9, 0, 49)
    malsync.ok("backup")
    rate(box, 9, 49, 98)
    malsync.ok("backup")
    rate(box, 1, 0, 98)

    assert "To undo only these changes: malsync revert 4 5" in malsync.ok("backup", exit_code=8).stderr


def test_what_was_vandalised_again_is_to_be_undone_again(malsync: Malsync, box: Sandbox) -> None:
    backup(malsync)
    state = vandalise(box, 60, 0)
    backup(malsync)
    put_back(box, state)
    third = backup(malsync)
    vandalise(box, 60, 0)
    fourth = backup(malsync)

    assert {"/", "/snapshots", "/changes"} <= recommended(malsync, third, fourth)
    with looking(malsync) as look:
        assert "60 of 60 still in force" in look.page("/")


def test_an_undo_brings_back_what_a_revert_had_put_right(malsync: Malsync, box: Sandbox) -> None:
    backup(malsync)
    vandalise(box, 108, 0)
    backup(malsync)
    run = malsync.json("revert", "1", "2", "--yes")["run"]
    assert recommended(malsync, 1, 2) == set()

    malsync.ok("undo", str(run), "--yes")

    assert {"/snapshots", "/mirror/suspicious", "snapshots"} <= recommended(malsync, 1, 2)


def test_a_restore_puts_right_too(malsync: Malsync, box: Sandbox) -> None:
    backup(malsync)
    vandalise(box, 80, 20)
    backup(malsync)
    malsync.ok("restore", "1", "--yes")

    assert recommended(malsync, 1, 2) == set()
    assert recommended(malsync, 3, 4) == set()  # the run itself


def test_each_users_changes_are_measured_by_their_own_lists(malsync: Malsync, box: Sandbox) -> None:
    theirs = {"MALSYNC_ACCESS_TOKEN": box.token_for("sandbox_theo")}
    backup(malsync)
    state = vandalise(box, 108, 0)
    malsync.ok("backup", exit_code=8)
    malsync.ok("backup", "--account", "second", env=theirs)
    assert "/snapshots" in recommended(malsync, 1, 2)

    put_back(box, state)
    malsync.ok("backup", "--account", "second", env=theirs)
    assert "/snapshots" in recommended(malsync, 1, 2)
    repaired = backup(malsync)

    assert recommended(malsync, 1, 2) == recommended(malsync, 2, repaired) == set()


def test_judging_asks_as_little_of_a_long_history_as_of_a_short_one(archived: Archive) -> None:
    with Mirror.open(archived.path) as mirror:
        asked: list[str] = []

        def ask(sql: str, **values: Any) -> list[dict[str, Any]]:
            asked.append(sql)
            return mirror.query(sql, **values)

        alarms = Alarms(ask)
        alarms.status(archived.vandalised - 1, archived.vandalised)
        first = len(asked)
        alarms.status(archived.vandalised - 1, archived.vandalised)

    assert first < 40
    assert len(asked) - first <= 4
