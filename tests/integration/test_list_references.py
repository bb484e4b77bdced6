"""List references: `[WHO@]REF`, each form of it, in local time, and what is said where there is no such list."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from malsync.errors import UsageError
from malsync.operations.accounts import Accounts
from malsync.operations.references import end_of, parse
from malsync.sandbox import Sandbox
from tests.support.harness import Malsync
from tests.support.lists import MIKA, ORIGIN, THEO, moment, snapshot, watched, write

# Zones as POSIX spells them, so that they are the same on every machine.
UTC_ZONE = "UTC0"
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
LOS_ANGELES = "PST8PDT,M3.2.0,M11.1.0"
TOKYO = "JST-9"
HAVANA = "CST5CDT,M3.2.0/0,M11.1.0/1"  # where the summer begins at midnight, which there is none of on that day

SOURCES = [
    ("2026-09-10T10:00:00Z", "backup"),  # 1
    ("2026-10-15T08:00:00Z", "backup"),  # 2
    ("2026-10-20T12:00:00Z", "import"),  # 3
    ("2026-10-25T01:00:00Z", "before-run"),  # 4
    ("2026-10-25T01:05:00Z", "after-run"),  # 5
    ("2026-10-31T23:30:00Z", "backup"),  # 6
    ("2026-11-01T07:30:00.250Z", "backup"),  # 7
    ("2026-11-01T11:00:00Z", "backup"),  # 8: the list is empty, which is suspicious
]
OLDEST = "The oldest is snapshot 1 of 2026-09-10 10:00."

Zone = Callable[[str], None]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """Sets the machine's time zone; it is UTC unless a test says otherwise."""

    def move_to(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    move_to(UTC_ZONE)
    yield move_to
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def stocked(offline: Malsync, tmp_path: Path, zone: Zone) -> Malsync:
    """A mirror of eight snapshots of mika."""
    files = [
        write(
            tmp_path / f"{number}.json",
            replace(
                snapshot({} if number == 8 else {1: watched(number)}, {}, at=at, source=source),  # type: ignore[arg-type]
                suspicious=("anime: the list is empty, and had 1 entries",) if number == 8 else (),
            ),
        )
        for number, (at, source) in enumerate(SOURCES, 1)
    ]
    offline.ok("mirror", "rebuild", *files)
    assert [row["snapshot"] for row in offline.json("snapshots") if row["suspicious"]] == [8]
    return offline


def chosen(malsync: Malsync, reference: str, *arguments: str) -> int | None:
    """The number of the snapshot that a reference names, as `show` says it in JSON and on stderr."""
    result = malsync.ok(*arguments, "show", reference, "--json")
    found = result.json["from"]
    assert found["reference"] == reference
    if found["snapshot"] is not None and reference != str(found["snapshot"]):
        assert f"{reference} is snapshot {found['snapshot']}, of " in result.stderr
    number: int | None = found["snapshot"]
    return number


# -- in the mirror


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("latest", 8),
        ("latest~0", 8),
        ("latest~1", 7),
        ("latest~3", 2),
        ("latest~4", 1),
        ("good", 7),
        ("1", 1),
        ("3", 3),
        ("8", 8),
        ("007", 7),
        ("2026-09", 1),
        ("2026-10", 6),
        ("2026-11", 8),
        ("2099-01", 8),
        ("2026-09-10", 1),
        ("2026-10-14", 1),
        ("2026-10-15", 2),
        ("2026-10-25", 5),
        ("2026-10-31", 6),
        ("2026-11-01", 8),
        ("yesterday", 6),
        ("2026-10-31T23:29", 5),
        ("2026-10-31T23:30", 6),
        ("2026-10-31T23:30:00", 6),
        ("2026-10-31T23:29:59", 5),
        ("2026-10-31T23:30Z", 6),
        ("2026-11-01T00:30+01:00", 6),
        ("2026-11-01T00:29+01:00", 5),
        ("2026-10-31T15:30-0800", 6),
        ("2026-11-01T07:30:00.249Z", 6),
        ("2026-11-01T07:30:00.25Z", 7),
        ("2026-11-01T07:30:00.250Z", 7),
        ("mika@latest", 8),
        ("MIKA@latest~1", 7),
        ("mika@3", 3),
        ("mika@2026-10", 6),
        ("mika@yesterday", 6),
    ],
)
def test_a_reference_names_one_snapshot(stocked: Malsync, reference: str, number: int) -> None:
    assert chosen(stocked, reference) == number


@pytest.mark.parametrize(
    ("name", "reference", "number"),
    [
        (TOKYO, "2026-10-31", 5),  # 23:30 UTC is the morning after in Tokyo
        (TOKYO, "2026-10", 5),
        (TOKYO, "2026-11-01T08:29", 5),
        (TOKYO, "2026-11-01T08:30", 6),
        (TOKYO, "2026-10-31T23:30Z", 6),
        (TOKYO, "yesterday", 5),
        (LOS_ANGELES, "2026-10-31", 6),  # its midnight is 07:00 UTC: the clocks go back two hours later
        (LOS_ANGELES, "yesterday", 6),
        (BERLIN, "2026-10-25", 5),
        (BERLIN, "2026-10-31", 5),  # 23:30 UTC is half past midnight in Berlin
    ],
)
def test_a_time_is_local_unless_it_says_otherwise(
    stocked: Malsync, zone: Zone, name: str, reference: str, number: int
) -> None:
    zone(name)

    assert chosen(stocked, reference) == number


def test_the_time_of_the_chosen_snapshot_is_said_in_local_time(stocked: Malsync, zone: Zone) -> None:
    zone(TOKYO)

    assert "latest~2 is snapshot 6, of 2026-11-01 08:30." in stocked.ok("show", "latest~2").stderr


def test_a_number_that_was_given_is_not_said_again(stocked: Malsync) -> None:
    assert "is snapshot" not in stocked.ok("show", "3").stderr


def test_an_error_shows_local_time(stocked: Malsync, zone: Zone) -> None:
    zone(TOKYO)

    for reference in ("2026-08", "latest~99"):
        assert stocked.error("show", reference, exit_code=2)["hint"] == OLDEST.replace("10:00", "19:00")


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("2026-08", "There is no snapshot at or before 2026-08.", OLDEST),
        ("2026-09-09", "There is no snapshot at or before 2026-09-09.", OLDEST),
        ("2026-09-10T09:59:59Z", "There is no snapshot at or before 2026-09-10T09:59:59Z.", OLDEST),
        ("0001-01-01", "There is no snapshot at or before 0001-01-01.", OLDEST),
        ("latest~5", "There is no latest~5: the oldest backup of mika is latest~4.", OLDEST),
        ("latest~99", "There is no latest~99: the oldest backup of mika is latest~4.", OLDEST),
        ("9", "There is no snapshot 9.", "malsync snapshots"),
        ("0", "There is no snapshot 0.", "malsync snapshots"),
        ("2026", "There is no snapshot 2026.", "malsync snapshots"),
        ("bob@latest", "There is no account and no MAL user 'bob' here.", "mika"),
        ("bob@live", "There is no account and no MAL user 'bob' here.", "mika"),
        ("bob@1", "There is no account and no MAL user 'bob' here.", "mika"),
        ("bob@", "'bob@' names no list.", "latest~1"),
        ("@latest", "'@latest' names no list.", "latest~1"),
        ("@", "'@' names no list.", "latest~1"),
        ("", "'' names no list.", "latest~1"),
        *(
            (text, f"Unknown reference '{text}'.", "A reference is one of: live, latest")
            for text in (
                "2026-13-45",
                "2026-13",
                "2026-00",
                "2026-02-30",
                "2026-11-01T24:30",
                "2026-11-01T20:60",
                "2026-11-01T20",
                "2026-11-01 20:00",
                "2026-11-01Z",
                "2026-11-01T20:00+25:00",
                "2026-11-01T20:00X",
                "2026-1-1",
                "26-11-01",
                "9999-12-31",
                "9999-12",
                "2026-W44",
                "latest~",
                "latest~-1",
                "latest-1",
                "latest~1.5",
                "LATEST",
                "tomorrow",
            )
        ),
    ],
)
def test_a_reference_that_names_nothing_is_refused(stocked: Malsync, reference: str, message: str, hint: str) -> None:
    error = stocked.error("show", reference, exit_code=2)

    assert message in error["message"]
    assert hint in error["hint"]


def test_a_number_is_every_users_but_not_another_users(stocked: Malsync, tmp_path: Path) -> None:
    stocked.ok("mirror", "rebuild", write(tmp_path / "theo.json", snapshot({}, {}, user=THEO)))

    assert chosen(stocked, "9", "--account", "mika") == 9
    assert chosen(stocked, "theo@9") == 9
    error = stocked.error("show", "theo@3", exit_code=2)
    assert error["message"] == "Snapshot 3 is not theo's but mika's."


# -- sources and suspicion


def test_latest_is_a_backup_and_nothing_else(offline: Malsync, tmp_path: Path) -> None:
    offline.ok("import", write(tmp_path / "one.json", snapshot({1: {}}, {})))

    for reference in ("latest", "good"):
        error = offline.error("show", reference, exit_code=2)
        assert error["message"] == "There is no backup of mika yet, only 1 imported or made for a run."
        assert "malsync backup" in error["hint"]
    assert chosen(offline, "2026-11") == 1


@pytest.mark.promise("guards-9")
def test_a_newer_import_is_not_good(offline: Malsync, tmp_path: Path) -> None:
    """A file of yesterday's is dated after last week's backup, and must not become what is restored."""
    backup = snapshot({1: {"score": 1}}, {}, at="2026-11-01T12:00:00Z")
    offline.ok("mirror", "rebuild", write(tmp_path / "one.json", backup))
    offline.time.moment = moment("2026-11-21T12:00:00Z")
    offline.ok("import", write(tmp_path / "two.json", snapshot({1: {"score": 2}}, {}, at="2026-11-20T12:00:00Z")))

    assert (chosen(offline, "good"), chosen(offline, "latest"), chosen(offline, "2026-11")) == (1, 1, 2)


def test_a_backup_of_a_public_list_is_a_backup(offline: Malsync, tmp_path: Path) -> None:
    offline.ok("mirror", "rebuild", write(tmp_path / "one.json", snapshot({1: {}}, {}, source="public")))

    assert chosen(offline, "latest") == 1


def test_good_passes_over_what_is_suspicious_until_it_is_accepted(malsync: Malsync, box: Sandbox, zone: Zone) -> None:
    malsync.ok("backup")
    for id in box.entries(box.user, "manga"):
        box.remove(box.user, "manga", id)
    malsync.ok("backup", exit_code=8)

    assert (chosen(malsync, "good"), chosen(malsync, "latest")) == (1, 2)
    malsync.ok("backup", "--accept")
    assert (chosen(malsync, "good"), chosen(malsync, "latest~1")) == (3, 2)


# -- who


def test_without_a_name_it_is_the_only_user_there_is(stocked: Malsync) -> None:
    assert chosen(stocked, "latest") == 8


def test_without_a_name_it_must_be_clear_whose_list_is_meant(stocked: Malsync, tmp_path: Path) -> None:
    stocked.ok("mirror", "rebuild", write(tmp_path / "theo.json", snapshot({}, {}, user=THEO)))

    error = stocked.error("show", "latest", exit_code=2)

    assert "Whose list?" in error["message"]
    assert all(word in error["hint"] for word in ("WHO@REF", "--account", "mika", "theo"))
    assert chosen(stocked, "theo@latest") == 9
    assert chosen(stocked, "Theo@2026-11") == 9
    assert chosen(stocked, "latest", "--account", "theo") == 9
    assert chosen(stocked, "mika@latest", "--account", "theo") == 8


def test_an_account_goes_before_a_user_of_that_name(stocked: Malsync, tmp_path: Path) -> None:
    stocked.ok("mirror", "rebuild", write(tmp_path / "theo.json", snapshot({}, {}, user=THEO)))
    accounts = Accounts.of(stocked.home)
    accounts.bind("default", THEO)
    accounts.bind("theo", MIKA)

    assert chosen(stocked, "latest") == 9
    assert chosen(stocked, "theo@latest") == 8
    assert chosen(stocked, "default@latest") == 9
    assert chosen(stocked, "latest", "--account", "theo") == 8


def test_an_account_without_a_snapshot_is_told_to_make_one(stocked: Malsync) -> None:
    Accounts.of(stocked.home).bind("second", THEO)

    error = stocked.error("show", "second@latest", exit_code=2)

    assert error["message"] == "There is no snapshot of theo yet."
    assert "malsync backup" in error["hint"]


def test_a_reference_to_an_empty_mirror_says_how_to_begin(offline: Malsync) -> None:
    for reference in ("latest", "good", "2026-11", "yesterday"):
        assert "malsync backup" in offline.error("show", reference, exit_code=2)["hint"]
    assert not offline.home.exists()


def test_a_mirror_of_nobodys_lists_alone_says_how_to_name_one(offline: Malsync, tmp_path: Path) -> None:
    from malsync.model.snapshot import User

    nobody = User("https://graphql.anilist.co", None, "")
    offline.ok("import", write(tmp_path / "list.json", snapshot({1: watched(1)}, None, user=nobody, source="import")))

    error = offline.error("show", "latest", exit_code=2)

    assert "nobody's" in error["message"]
    assert "malsync snapshots" in error["hint"]
    assert chosen(offline, "1") == 1


def test_the_origin_tells_users_of_one_name_apart(offline: Malsync, tmp_path: Path) -> None:
    """MAL's own mika is meant where both stand in one mirror: the API in use is MAL's."""
    from malsync.model.snapshot import User

    here = User("https://api.myanimelist.net", 99, "mika")
    files = [write(tmp_path / f"{user.id}.json", snapshot({}, {}, user=user)) for user in (MIKA, here)]
    offline.ok("mirror", "rebuild", *files)

    assert MIKA.origin == ORIGIN
    assert chosen(offline, "mika@latest") == 2


# -- live, and files


def test_live_is_read_now_and_has_no_number(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    first = min(box.entries(box.user, "anime"))
    box.edit(box.user, "anime", first, comments="just now")

    for reference in ("live", "default@live", f"{box.user}@live"):
        assert chosen(malsync, reference) is None
        shown = malsync.json("show", reference, "--only", "anime")["entries"]
        assert {entry["id"]: entry["list_status"].get("comments") for entry in shown}[first] == "just now"


@pytest.mark.parametrize(
    "name", ["list.json", "list.json.gz", "LIST.JSON", "./list.json", "sub/list", "sub/list.json", ".hidden"]
)
def test_a_path_names_a_file_wherever_it_is(
    offline: Malsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    made = snapshot({1: watched(7)}, None, note="mine")
    write(Path(name), made)

    for reference in (name, str(tmp_path / name)):
        found = offline.json("show", reference)["from"]
        assert (found["snapshot"], found["digest"], found["user"]) == (None, made.digest, "mika")
        assert found["reference"] == reference


def test_two_references_of_any_kind_are_compared(stocked: Malsync, tmp_path: Path) -> None:
    file = write(tmp_path / "list.json", snapshot({1: watched(100)}, {}))

    document = stocked.json("diff", "2026-09", file)

    assert document["from"]["snapshot"] == 1
    assert document["to"]["snapshot"] is None
    assert document["changes"][0]["fields"] == {"num_episodes_watched": {"from": 1, "to": 100}}


def test_a_reference_is_taken_apart_at_the_last_at_sign() -> None:
    assert (parse("a@b@latest").who, parse("a@b@latest").which) == ("a@b", "latest")
    assert (parse("latest").who, parse("latest").which) == (None, "latest")
    assert (parse("bob@live").is_live, parse("live").is_live, parse("./live").is_live) == (True, True, False)
    assert (parse("bob@list.json").is_path, parse("bob@list.json").who) == (True, None)


# -- where a time ends


@pytest.mark.parametrize(
    ("name", "text", "end"),
    [
        (UTC_ZONE, "2026-11", "2026-12-01T00:00:00Z"),
        (UTC_ZONE, "2026-12", "2027-01-01T00:00:00Z"),
        (UTC_ZONE, "2026-02", "2026-03-01T00:00:00Z"),
        (UTC_ZONE, "2028-02", "2028-03-01T00:00:00Z"),
        (UTC_ZONE, "2026-11-01", "2026-11-02T00:00:00Z"),
        (UTC_ZONE, "2026-12-31", "2027-01-01T00:00:00Z"),
        (UTC_ZONE, "2028-02-29", "2028-03-01T00:00:00Z"),
        (UTC_ZONE, "2026-11-01T20:00", "2026-11-01T20:01:00Z"),
        (UTC_ZONE, "2026-11-01T20:00:30", "2026-11-01T20:00:31Z"),
        (UTC_ZONE, "2026-11-01T20:00:30.5", "2026-11-01T20:00:30.500001Z"),
        (UTC_ZONE, "2026-11-01T23:59", "2026-11-02T00:00:00Z"),
        (TOKYO, "2026-11", "2026-11-30T15:00:00Z"),
        (TOKYO, "2026-11-01", "2026-11-01T15:00:00Z"),
        (TOKYO, "2026-11-01T20:00", "2026-11-01T11:01:00Z"),
        (TOKYO, "2026-11-01T20:00Z", "2026-11-01T20:01:00Z"),
        (TOKYO, "2026-11-01T20:00:00.123Z", "2026-11-01T20:00:00.123001Z"),
        (TOKYO, "2026-11-01T20:00+02:00", "2026-11-01T18:01:00Z"),
        (TOKYO, "2026-11-01T20:00-0930", "2026-11-02T05:31:00Z"),
        (BERLIN, "2026-03-28", "2026-03-28T23:00:00Z"),
        (BERLIN, "2026-03-29", "2026-03-29T22:00:00Z"),  # 23 hours long
        (BERLIN, "2026-03", "2026-03-31T22:00:00Z"),
        (BERLIN, "2026-03-29T01:59", "2026-03-29T01:00:00Z"),
        (BERLIN, "2026-03-29T03:00", "2026-03-29T01:01:00Z"),
        (BERLIN, "2026-10-24", "2026-10-24T22:00:00Z"),
        (BERLIN, "2026-10-25", "2026-10-25T23:00:00Z"),  # 25 hours long
        (BERLIN, "2026-10-25T01:59", "2026-10-25T00:00:00Z"),
        (BERLIN, "2026-10-25T03:00", "2026-10-25T02:01:00Z"),
        (BERLIN, "2026-10", "2026-10-31T23:00:00Z"),
        (HAVANA, "2026-03-07", "2026-03-08T05:00:00Z"),  # its end does not exist on any clock there
    ],
)
def test_a_time_ends_where_the_next_one_begins(zone: Zone, name: str, text: str, end: str) -> None:
    zone(name)

    assert end_of(text, datetime(2026, 11, 1, 12, tzinfo=UTC)) == moment(end)


@pytest.mark.parametrize(
    ("name", "now", "end"),
    [
        (UTC_ZONE, "2026-11-01T12:00:00Z", "2026-11-01T00:00:00Z"),
        (UTC_ZONE, "2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        (TOKYO, "2026-11-01T12:00:00Z", "2026-10-31T15:00:00Z"),
        (TOKYO, "2026-11-01T16:00:00Z", "2026-11-01T15:00:00Z"),
        (LOS_ANGELES, "2026-11-01T12:00:00Z", "2026-11-01T07:00:00Z"),
        (LOS_ANGELES, "2026-11-02T12:00:00Z", "2026-11-02T08:00:00Z"),
        (BERLIN, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z"),
        (BERLIN, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z"),
        (BERLIN, "2026-10-25T00:30:00Z", "2026-10-24T22:00:00Z"),
    ],
)
def test_yesterday_ends_at_midnight_of_whichever_day_it_is_here(zone: Zone, name: str, now: str, end: str) -> None:
    """On the day on which the clocks change, midnight had the other offset."""
    zone(name)

    assert end_of("yesterday", moment(now)) == moment(end)


def test_what_is_no_time_is_refused() -> None:
    for text in ("", "soon", "2026", "2026-11-01T", "T20:00", "2026-11-31"):
        with pytest.raises(UsageError, match="Unknown reference"):
            end_of(text, datetime(2026, 11, 1, 12, tzinfo=UTC))


# -- dated in the future


@pytest.mark.promise("reading-6")
@pytest.mark.parametrize("at", ["2026-11-01T12:02:00Z", "2026-11-30T12:00:00Z", "2036-01-01T00:00:00Z"])
@pytest.mark.parametrize("reference", ["latest", "latest~1", "good", "2026-11", "2026-11-01T12:00", "2040-01"])
def test_what_is_dated_in_the_future_is_skipped_and_named(
    stocked: Malsync, tmp_path: Path, at: str, reference: str
) -> None:
    before = chosen(stocked, reference)
    stocked.ok("import", write(tmp_path / "ahead.json", snapshot({5: watched(5)}, {}, at=at, source="backup")))

    said = stocked.ok("show", reference, "--json").stderr

    assert chosen(stocked, reference) == before
    assert "Dated in the future, so skipped: snapshot 9 (" in said
    assert chosen(stocked, "9") == 9
    listed = stocked.ok("snapshots")
    assert listed.stdout.count("dated in the future") == 1
    assert "snapshot 9 (" in listed.stderr
    assert "snapshot 9 (" in stocked.ok("stats").stderr


def test_a_minute_is_no_future(stocked: Malsync, tmp_path: Path) -> None:
    stocked.ok("import", write(tmp_path / "ahead.json", snapshot({5: watched(5)}, {}, at="2026-11-01T12:01:00Z")))

    assert "future" not in stocked.ok("show", "latest").stderr


def test_where_all_is_dated_in_the_future_it_is_said(offline: Malsync, tmp_path: Path, zone: Zone) -> None:
    offline.ok("import", write(tmp_path / "ahead.json", snapshot({5: watched(5)}, {}, at="2027-01-01T00:00:00Z")))

    error = offline.error("show", "latest", exit_code=2)

    assert "in the future" in error["message"]
    assert chosen(offline, "1") == 1
