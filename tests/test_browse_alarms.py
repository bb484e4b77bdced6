"""What browse says of a day on which suspiciously much changed: which command to type, and for how long it says so."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from itertools import islice

import pytest
import requests

from malsync.browse.server import Site
from malsync.mirror import FILE_NAME
from malsync.sandbox import Sandbox
from tests.harness import Malsync

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


def test_an_alarm_is_told_once_with_the_good_list_before_it_however_many_nights_pass(
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


def test_an_alarm_leaves_the_home_page_when_it_was_taken_back_and_history_says_by_what(
    malsync: Malsync, box: Sandbox
) -> None:
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


def test_an_alarm_leaves_the_home_page_when_it_was_meant(malsync: Malsync, box: Sandbox) -> None:
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


def test_what_to_type_names_the_account_whose_list_it_is(malsync: Malsync, box: Sandbox) -> None:
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
def test_an_ordinary_day_is_no_alarm(malsync: Malsync, box: Sandbox, count: int) -> None:
    malsync.ok("backup")
    spoil(box, count)
    malsync.ok("backup")

    with looking(malsync) as look:
        assert look.alarms("/") == look.alarms("/snapshots") == []
        assert EARLIER not in look.page("/")
        assert f"~{count}" in look.page("/snapshots") if count else "no change" in look.page("/snapshots")
