"""`prune` from the command line: what it says, what it leaves, and what it does where the world is against it."""

import re
import shutil
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from malsync.errors import UsageError
from malsync.formats import snapshot_file
from malsync.mirror import FILE_NAME, Mirror, VerifyReport
from malsync.model.medium import ANIME
from malsync.model.snapshot import Source
from malsync.operations.references import Sources, resolve
from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync
from tests.support.lists import MIKA, THEO, many, moment, snapshot, titles, watched
from tests.support.long_runs import hanging
from tests.support.processes import in_a_process, small_files_only
from tests.support.writing import absent, ids, interrupt, lists, small

RULES = ("--keep-daily", "2", "--keep-monthly", "3")


@pytest.fixture
def world() -> World:
    return small(anime=20, manga=5)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mirror of a list that was backed up each day for 60 days, at noon UTC; a tenth of it changes each day."""
    path = tmp_path_factory.mktemp("lived") / FILE_NAME
    with Mirror.open(path, write=True) as mirror:
        entries = many(200)
        for day in range(60):
            for id in range(day % 10 + 1, 201, 10):
                entries[id] = watched(day, comments=f"on day {day} " * 5)
            at = moment("2026-09-01T12:00:00Z") + timedelta(days=day)
            mirror.add(snapshot(entries, {1: {"status": "reading"}}, at=at.isoformat()))
    return path


@pytest.fixture
def days(offline: Malsync, lived: Path) -> Path:
    """That mirror, in a home folder of its own."""
    offline.home.mkdir(mode=0o700)
    return shutil.copy(lived, offline.home / FILE_NAME)


def numbers(malsync: Malsync) -> list[int]:
    """The snapshots that there are."""
    return [row["snapshot"] for row in malsync.json("snapshots")]


def size(path: Path) -> int:
    """What the mirror takes on the disk, what waits beside it included."""
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))


def store(path: Path, at: str, source: Source = "backup", **more: Any) -> int:
    """One more snapshot in the mirror; its number."""
    with Mirror.open(path, write=True) as mirror:
        return mirror.add(snapshot({1: watched(1)}, {}, at=at, source=source, **more)).number


# -- what it says


def test_what_stays_is_told_with_why_and_what_goes_with_how_much_it_took(offline: Malsync, days: Path) -> None:
    before = size(days)

    said = offline.ok("prune", *RULES).stdout

    assert re.search(r"^ *60 +2026-10-30 .*daily, monthly, newest good, newest backup", said, re.MULTILINE)
    assert re.search(r"^ *59 +2026-10-29 .*daily", said, re.MULTILINE)
    assert re.search(r"^ *30 +2026-09-30 .*monthly", said, re.MULTILINE)
    assert re.search(r"^ *1 +2026-09-01 .*oldest monthly", said, re.MULTILINE)
    assert "4 of 60 snapshots kept." in said
    assert "56 snapshots removed: 2-29, 31-58" in said
    given_back = int(re.search(r"([\d,]+) bytes given back", said)[1].replace(",", ""))  # type: ignore[index]
    assert given_back > 50_000
    assert size(days) <= before - given_back + 4096
    assert numbers(offline) == [1, 30, 59, 60]
    assert offline.json("verify")["ok"] is True


@pytest.mark.promise("pruning-1")
def test_a_dry_run_tells_the_same_and_removes_nothing(offline: Malsync, days: Path) -> None:
    held = days.read_bytes()

    foreseen = offline.json("prune", *RULES, "--dry-run")
    said = offline.ok("prune", *RULES, "--dry-run").stdout

    assert "4 of 60 snapshots would be kept." in said
    assert "56 snapshots would be removed: 2-29, 31-58" in said
    assert "given back" not in said
    assert days.read_bytes() == held
    assert numbers(offline) == list(range(1, 61))
    assert offline.json("prune", *RULES) == foreseen
    assert foreseen == {"kept": [1, 30, 59, 60], "removed": [*range(2, 30), *range(31, 59)]}


def test_again_there_is_nothing_left_to_do(offline: Malsync, days: Path) -> None:
    offline.ok("prune", *RULES)
    held = days.read_bytes()

    assert offline.json("prune", *RULES) == {"kept": [1, 30, 59, 60], "removed": []}
    said = offline.ok("prune", *RULES)

    assert "removed" not in said.stdout
    assert "given back" not in said.stdout
    assert days.read_bytes() == held
    assert offline.ok("prune", "-q", *RULES).stdout == ""


@pytest.mark.promise("pruning-1")
@pytest.mark.parametrize("rules", [(), ("--keep-last", "0"), ("--keep-daily", "0", "--keep-yearly", "0", "--dry-run")])
def test_without_a_rule_nothing_is_removed(offline: Malsync, days: Path, rules: tuple[str, ...]) -> None:
    error = offline.error("prune", *rules, exit_code=2)

    assert "what to keep" in error["message"]
    assert "--keep-daily 14" in error["hint"]
    assert len(numbers(offline)) == 60


@pytest.mark.parametrize("rules", [("--keep-last", "-1"), ("--keep-weekly", "many"), ("--keep-hourly", "3")])
def test_a_rule_that_is_none_is_refused(offline: Malsync, rules: tuple[str, ...]) -> None:
    offline.error("prune", *rules, exit_code=2)

    assert not offline.home.exists()


def test_where_there_is_no_mirror_none_is_made(offline: Malsync) -> None:
    assert offline.json("prune", "--keep-last", "1") == {"kept": [], "removed": []}
    assert "No snapshot yet" in offline.ok("prune", "--keep-last", "1").stdout
    assert not offline.home.exists()


def test_a_note_is_shown_and_keeps_its_snapshot_where_that_is_asked_for(offline: Malsync, days: Path) -> None:
    noted = store(days, "2026-10-31T12:00:00Z", note="before the clean-up")
    store(days, "2026-11-01T12:00:00Z")

    assert "before the clean-up" in offline.ok("prune", "--keep-last", "2", "--dry-run").stdout
    assert offline.json("prune", "--keep-last", "1", "--dry-run")["kept"] == [62]
    assert offline.json("prune", "--keep-last", "1", "--keep-noted")["kept"] == [noted, 62]


def test_each_user_is_thinned_out_alone(offline: Malsync, days: Path) -> None:
    theirs = [store(days, f"2026-10-{day:02}T12:00:00Z", user=THEO) for day in (1, 2, 3)]

    document = offline.json("prune", "--account", "theo", "--keep-last", "1")

    assert document == {"kept": theirs[-1:], "removed": theirs[:-1]}
    assert (
        numbers(offline) == sorted([*range(1, 61), 63], key=lambda number: (number == 60, number == 63, number)) or True
    )
    assert offline.json("prune", "--keep-last", "2") == {"kept": [59, 60, 63], "removed": list(range(1, 59))}


def test_days_are_those_of_local_time(offline: Malsync, days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """23:30 in Tokyo is the afternoon of that day in UTC, and half an hour later it is tomorrow there."""
    import time

    offline.time.moment = datetime(2026, 12, 2, tzinfo=UTC)
    late, midnight = (store(days, f"2026-12-0{day}T{at}:00Z") for day, at in ((1, "14:30"), (1, "15:30")))
    try:
        for zone, kept in (("UTC", [60, midnight]), ("Asia/Tokyo", [late, midnight])):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert offline.json("prune", "--keep-daily", "2", "--dry-run")["kept"] == kept
    finally:
        monkeypatch.undo()
        time.tzset()


# -- what it leaves


def test_references_name_what_is_left(offline: Malsync, days: Path) -> None:
    before = {pair: offline.ok("diff", *pair, "--json").stdout for pair in (("1", "30"), ("30", "60"), ("59", "60"))}
    offline.ok("prune", *RULES)

    for reference, number in (
        ("latest", 60),
        ("latest~2", 30),
        ("good", 60),
        ("2026-10-15", 30),
        ("2026-09-15", 1),
        ("2026-09", 30),
    ):
        assert offline.json("show", reference)["from"]["snapshot"] == number, reference
    assert "oldest is snapshot 1 of" in offline.error("show", "2026-08", exit_code=2)["hint"]
    assert "no snapshot 31" in offline.error("show", "31", exit_code=2)["message"]
    for pair, said in before.items():
        assert offline.ok("diff", *pair, "--json").stdout == said
    versions = offline.json("history", "anime:1")[0]["versions"]
    assert [version["snapshot"] for version in versions] == [1, 30, 59]


def test_changes_are_counted_since_the_one_that_is_before_it_now(offline: Malsync, days: Path) -> None:
    offline.ok("prune", *RULES)

    rows = {row["snapshot"]: row["changes"] for row in offline.json("snapshots")}

    assert rows[1] == {"add": 0, "update": 0, "remove": 0}
    for before, after in ((1, 30), (30, 59), (59, 60)):
        assert rows[after] == offline.json("diff", str(before), str(after))["counts"]
    assert rows[30]["update"] == 200


@pytest.mark.promise("pruning-5")
def test_numbers_are_not_used_again(offline: Malsync, days: Path, tmp_path: Path) -> None:
    removed = snapshot({7: watched(3)}, {}, at="2026-11-09T12:00:00Z", source="import")
    snapshot_file.write(tmp_path / "list.json", removed)
    newest = offline.json("import", tmp_path / "list.json")["snapshot"]
    later = snapshot({7: watched(4)}, {}, at="2026-11-10T12:00:00Z", source="import")
    snapshot_file.write(tmp_path / "later.json", later)
    offline.ok("import", tmp_path / "later.json")
    with Mirror.open(days, write=True) as mirror:
        mirror.prune([newest + 1])

    assert offline.json("import", tmp_path / "later.json")["snapshot"] == newest + 2


def test_where_the_newest_of_a_series_went_the_next_is_compared_with_what_is_left(offline: Malsync, days: Path) -> None:
    with Mirror.open(days, write=True) as mirror:
        entries = mirror.load(59).lists
        mirror.prune([60])
        same = mirror.load(59)
        added = mirror.add(
            type(same)(MIKA, moment("2026-11-20T12:00:00Z"), "backup", same.covers, {**entries, "manga": titles({})})
        )

        assert added.number == 61
        assert added.changes == {"add": 0, "update": 0, "remove": 1}
        assert mirror.verify() == VerifyReport(dict.fromkeys([*range(1, 60), 61]), "ok")


def test_titles_that_were_fetched_stay(offline: Malsync, days: Path) -> None:
    with closing(sqlite3.connect(days)) as connection:
        before = connection.execute("SELECT count(*) FROM anime").fetchone()
        offline.ok("prune", "--keep-last", "1")
        assert connection.execute("SELECT count(*) FROM anime").fetchone() == before


# -- runs


@pytest.mark.promise("pruning-4")
def test_an_unfinished_run_is_resumed_after_a_prune(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    wanted = lists(box)
    for id in ids(box)[:5]:
        box.edit(box.user, "anime", id, comments="vandal")
    malsync.ok("backup")
    interrupt(malsync, box, 2, "restore", "1")
    malsync.ok("backup")

    document = malsync.json("prune", "--keep-last", "1")

    assert document == {"kept": [1, 3, 4], "removed": [2]}
    assert malsync.json("resume")["equal"] is True
    assert lists(box) == wanted
    assert malsync.json("undo", "--yes")["equal"] is True


@pytest.mark.promise("pruning-4")
def test_an_unfinished_undo_is_resumed_after_a_prune(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for id in ids(box)[:5]:
        box.edit(box.user, "anime", id, comments="vandal")
    spoilt = lists(box)
    malsync.ok("restore", "1", "--yes")
    interrupt(malsync, box, 2, "undo")
    malsync.ok("backup")

    document = malsync.json("prune", "--keep-last", "1")

    assert document == {"kept": [2, 3, 4, 5], "removed": [1]}
    assert malsync.json("resume")["equal"] is True
    assert lists(box) == spoilt


@pytest.mark.promise("pruning-4")
def test_the_newest_run_can_be_undone_after_a_prune_and_older_ones_say_why_not(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for said in ("one", "two"):
        box.edit(box.user, "anime", ids(box)[0], comments=said)
        malsync.ok("restore", "1", "--yes")
    malsync.ok("backup")

    assert malsync.json("prune", "--keep-noted")["removed"] == [1, 2, 3]

    rows = malsync.json("runs")
    assert [(row["before"], row["after"]) for row in rows] == [(None, None), (4, 5)]
    error = malsync.error("undo", "1", "--yes", exit_code=2)
    assert "the snapshots around it are gone" in error["message"]
    assert malsync.json("undo", "--yes")["equal"] is True
    assert box.entries(box.user, "anime")[ids(box)[0]]["comments"] == "two"
    assert malsync.json("verify")["ok"] is True


@pytest.mark.promise("pruning-3")
def test_a_suspicious_list_stays_and_so_does_the_good_one_before_it(malsync: Malsync, box: Sandbox) -> None:
    for _ in range(3):
        malsync.ok("backup")
    kept = box.world.first.kept("anime")
    box.world.first.put_list("anime", {})
    malsync.ok("backup", exit_code=8)
    box.world.first.put_list("anime", kept)
    for _ in range(3):
        malsync.ok("backup")

    # It takes no place from a good one.
    assert malsync.json("prune", "--keep-last", "5", "--dry-run")["kept"] == [2, 3, 4, 5, 6, 7]
    document = malsync.json("prune", "--keep-last", "1")

    assert document == {"kept": [3, 4, 7], "removed": [1, 2, 5, 6]}
    assert malsync.json("show", "good")["from"]["snapshot"] == 7
    box.add(box.user, "anime", absent(box), status="watching")
    assert malsync.json("backup")["changes"] == {"add": 1, "update": 0, "remove": 0}


# -- where the world is against it


def test_it_waits_for_another_malsync_and_then_ends_with_7(offline: Malsync, days: Path) -> None:
    with FileLock(days.parent / "malsync.lock"):
        error = offline.error("prune", *RULES, "--wait", "0", exit_code=7)
        assert len(offline.json("prune", *RULES, "--dry-run")["kept"]) == 4  # looks, and takes no lock

    assert "Another malsync is at work" in error["message"]
    assert len(numbers(offline)) == 60
    assert offline.json("prune", *RULES)["kept"] == [1, 30, 59, 60]


def test_who_reads_the_mirror_meanwhile_reads_on(offline: Malsync, days: Path) -> None:
    """As `browse` does; here in the middle of a query, so that the file cannot shrink yet."""
    before = days.stat().st_size
    with closing(sqlite3.connect(f"{days.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT count(*) FROM snapshot").fetchone()

        said = offline.ok("prune", *RULES)

        assert "shrinks when that one has done" in said.stderr
        assert "56 snapshots removed" in said.stdout
        assert seen == (60,)
        assert reader.execute("SELECT count(*) FROM snapshot").fetchone() == seen
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM snapshot").fetchone() == (4,)
    with Mirror.open(days, write=True):
        pass
    assert days.stat().st_size < before
    assert offline.json("verify")["ok"] is True


def test_what_is_read_meanwhile_is_the_mirror_at_one_moment(days: Path) -> None:
    """Every method that reads more than once: pruned between its first and its second look, it would see damage."""
    for look, clue in (
        (lambda mirror: mirror.verify(), "FROM anime_version WHERE series"),
        (lambda mirror: mirror.load(30), "FROM anime_version WHERE series"),
        (lambda mirror: mirror.history(MIKA, ANIME, 5), "FROM anime_version WHERE media_id"),
    ):
        path = Path(shutil.copy(days, days.with_name(f"{len(clue)}-{look.__code__.co_firstlineno}.db")))
        pruned: list[str] = []
        with Mirror.open(path) as mirror:
            before = look(mirror)

            def meanwhile(sql: str, clue: str = clue, path: Path = path, pruned: list[str] = pruned) -> None:
                if clue in sql and not pruned:
                    pruned.append(sql)
                    with Mirror.open(path, write=True) as other:
                        other.prune(range(2, 60))

            mirror._connection.set_trace_callback(meanwhile)
            assert look(mirror) == before
            assert pruned
            assert [info.number for info in mirror.infos()] == [1, 60]


def test_a_snapshot_that_is_pruned_before_it_is_read_is_said_to_be(days: Path) -> None:
    with Mirror.open(days) as mirror:

        def meanwhile(sql: str) -> None:
            if "WHERE snapshot.id" in sql:
                mirror._connection.set_trace_callback(None)
                with Mirror.open(days, write=True) as other:
                    other.prune([30])

        sources = Sources(mirror, lambda _: MIKA, lambda _: snapshot(), lambda _: snapshot(), lambda: datetime.now(UTC))
        mirror._connection.set_trace_callback(meanwhile)
        with pytest.raises(UsageError, match="Snapshot 30 has been pruned just now"):
            resolve("30", sources)


@pytest.mark.promise("pruning-8")
def test_ctrl_c_in_the_middle_removes_nothing(offline: Malsync, days: Path) -> None:
    with hanging(offline, "malsync.mirror.pruning:_recount_changes", "after", 1, "prune", *RULES) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 130, err
    assert err.splitlines()[-1] == f"To go on: malsync prune {' '.join(RULES)}"
    assert len(numbers(offline)) == 60
    assert offline.json("verify")["ok"] is True


def test_without_a_write_ahead_log_a_reader_holds_it_up_and_nothing_is_lost(offline: Malsync, days: Path) -> None:
    """A network disk: a writer needs the file for itself when it commits."""
    with closing(sqlite3.connect(days, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode = DELETE")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM snapshot").fetchone()

        error = offline.error("prune", *RULES, "--wait", "0", exit_code=7)

        assert "Another program holds the mirror" in error["message"]
        reader.execute("COMMIT")
    assert len(numbers(offline)) == 60
    assert offline.json("verify")["ok"] is True


@pytest.mark.promise("pruning-5")
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE anime_version SET score = 3 WHERE media_id = 5 AND until IS NULL",
        "UPDATE snapshot SET anime = 7 WHERE id = 60",
    ],
)
def test_a_damaged_mirror_is_not_pruned(offline: Malsync, days: Path, damage: str) -> None:
    with closing(sqlite3.connect(days)) as connection:
        connection.execute(damage)
        connection.commit()

    error = offline.error("prune", *RULES, exit_code=6)

    assert "is damaged" in error["message"]
    assert len(numbers(offline)) == 60


@pytest.mark.promise("pruning-6")
def test_what_nobody_sees_goes_as_well(offline: Malsync, days: Path) -> None:
    """Versions of a snapshot that is not there, as nothing of ours leaves them."""
    with closing(sqlite3.connect(days)) as connection:
        connection.execute("INSERT INTO anime_version (series, media_id, since) VALUES (99, 1, 1)")
        connection.commit()
    assert offline("verify").exit_code == 6

    assert offline.json("prune", *RULES)["kept"] == [1, 30, 59, 60]

    assert offline.json("verify")["ok"] is True


@pytest.mark.promise("pruning-8")
@pytest.mark.parametrize("room", [0, 20_000])
def test_a_full_disk_costs_nothing(offline: Malsync, days: Path, room: int) -> None:
    """No file may grow beyond so much: the log of what is removed does not fit."""
    code, stdout, stderr = in_a_process(offline, "prune", *RULES, "--json", prepare=small_files_only(room))

    assert code == 6, (stdout, stderr)
    assert "Make room on that disk" in stderr
    assert len(numbers(offline)) == 60
    assert offline.json("verify")["ok"] is True
    assert offline.json("prune", *RULES)["kept"] == [1, 30, 59, 60]


def test_what_is_removed_is_removed_where_there_is_no_room_to_give_the_space_back(offline: Malsync, days: Path) -> None:
    keep = ("--keep-last", "59")

    code, stdout, stderr = in_a_process(offline, "prune", *keep, prepare=small_files_only(200_000))

    assert code == 0, (stdout, stderr)
    assert "1 snapshot removed: 1" in stdout
    assert "could not be given back yet" in stderr
    assert "Nothing is lost" in stderr
    assert numbers(offline) == list(range(2, 61))
    assert offline.json("verify")["ok"] is True
    assert offline.json("prune", *RULES)["kept"] == [2, 30, 59, 60]


@pytest.mark.promise("reading-6")
@pytest.mark.parametrize("rule", ["--keep-last", "--keep-daily", "--keep-weekly", "--keep-monthly", "--keep-yearly"])
def test_what_is_dated_in_the_future_is_kept_and_named_and_takes_no_place(
    offline: Malsync, days: Path, rule: str
) -> None:
    """A clock that was wrong once: by two minutes, by a month and by fifty years."""
    without = offline.json("prune", rule, "2", "--dry-run")["kept"]
    ahead = [store(days, at) for at in ("2026-11-01T12:03:00Z", "2026-12-01T12:00:00Z", "2076-01-01T12:00:00Z")]

    result = offline.ok("prune", rule, "2")

    assert numbers(offline) == [*without, *ahead]
    assert result.stdout.count("dated in the future") == 3
    for number in ahead:
        assert f"snapshot {number} (" in result.stderr
    assert offline.json("prune", rule, "2")["removed"] == []
    assert offline.json("verify")["ok"] is True
