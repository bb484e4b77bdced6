"""The journal: what was sent is on disk before it leaves, and what came of it is told as it was, whatever happens between."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from malsync.cli.errors import hint_of
from malsync.errors import Busy, Damaged, MirrorError, Refused
from malsync.mirror import FILE_NAME, Journal, JournalEntry, Mirror, Run, VerifyReport
from malsync.mirror.journal import KINDS, RUN_STATES
from malsync.model.snapshot import User
from malsync.model.timestamps import local_time
from malsync.planning.journal_entry import CALL_STATES, OUTCOMES
from tests.support.harness import ROOT
from tests.support.journals import (
    ADD,
    AFTER,
    BEFORE,
    CALLS,
    REMOVE,
    THEIRS,
    UPDATE,
    another_reader,
    at,
    begin,
    fill,
    states,
)
from tests.support.lists import MIKA, THEO, snapshot


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fill(tmp_path / FILE_NAME)


@pytest.fixture
def mirror(path: Path) -> Iterator[Mirror]:
    with Mirror.open(path, write=True, wait=0) as opened:
        yield opened


@pytest.fixture
def journal(mirror: Mirror) -> Journal:
    return mirror.journal


def tamper(path: Path, *statements: str) -> None:
    """Edit the file as any program can that does not care about what the tables demand."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            assert connection.execute(statement).rowcount, statement
        connection.commit()


# -- a run from its beginning to its end


def test_begin_stores_a_run_with_all_its_writes_planned(path: Path, journal: Journal) -> None:
    head = {"wanted": {"snapshot": 1}, "mode": "exact", "filters": {"ids": [["anime", 1]]}, "ä": None}

    run = journal.begin(MIKA, "default", "restore", head, CALLS, before=BEFORE, now=at(5))

    assert run == Run(
        1, MIKA, "default", "restore", head, BEFORE, None, None, "unfinished", started_at=at(5), ended_at=None
    )
    with another_reader(path) as seen:
        assert seen.runs() == [run]
        assert seen.run(1) == run
        assert seen.unfinished(MIKA) == run
        assert seen.lines(1) == [
            JournalEntry(seq, call, "planned", 0, None, None, None, None, "") for seq, call in enumerate(CALLS, 1)
        ]
        assert seen.pending(1) == 3
        assert seen.outcomes(1) == {"done": 0, "already": 0, "skipped": 0, "failed": 0, "not_restorable": 0}


def test_a_write_is_recorded_from_sending_to_outcome(journal: Journal) -> None:
    begin(journal)

    journal.sent(1, 2, at(1))
    sent = journal.line(1, 2)
    answered = journal.answered(1, 2, "done", now=at(2), tries=3, http=200, answer={"score": 8}, why="said so")

    assert sent == JournalEntry(2, UPDATE, "sent", 0, at(1), None, None, None, "")
    assert answered == JournalEntry(2, UPDATE, "done", 3, at(1), at(2), 200, {"score": 8}, "said so")
    assert journal.lines(1)[1] == answered
    assert states(journal, 1) == ["planned", "done", "planned"]


def test_a_finished_run_has_outcomes_and_the_snapshot_after_it(journal: Journal) -> None:
    begin(journal, (*CALLS, ADD, ADD, ADD, ADD))
    for seq, state in enumerate(OUTCOMES, 1):
        journal.answered(1, seq, state, now=at(1), tries=0)
    journal.sent(1, 6, at(2))

    counted, pending = journal.outcomes(1), journal.pending(1)
    run = journal.ended(1, "finished", at(9), after=AFTER)

    assert counted == {"done": 1, "already": 1, "skipped": 1, "failed": 1, "not_restorable": 1}
    assert pending == 2
    assert (run.state, run.ended_at, run.before, run.after) == ("finished", at(9), BEFORE, AFTER)
    assert journal.run(1) == run
    assert journal.unfinished(MIKA) is None


def test_a_write_that_was_never_sent_can_have_an_outcome(journal: Journal) -> None:
    begin(journal)

    line = journal.answered(1, 1, "skipped", now=at(2), tries=0, why="moved: score was 7 and is 9")

    assert (line.state, line.sent_at, line.answered_at, line.tries) == ("skipped", None, at(2), 0)
    assert line.why == "moved: score was 7 and is 9"


def test_a_write_with_an_unknown_outcome_is_sent_again_and_its_tries_add_up(journal: Journal) -> None:
    begin(journal)
    journal.sent(1, 1, at(1))
    journal.answered(1, 1, "failed", now=at(2), tries=5, http=503, why="MAL is down")

    unknown = journal.answered(1, 1, "sent", now=at(3), tries=0, why="MAL is down")
    journal.sent(1, 1, at(30))
    again = journal.line(1, 1)
    done = journal.answered(1, 1, "done", now=at(31), tries=1, http=200, answer={})

    assert (unknown.state, unknown.sent_at, unknown.answered_at, unknown.http) == ("sent", at(1), None, 503)
    assert (again.sent_at, again.answered_at, again.http, again.answer, again.why) == (at(30), None, None, None, "")
    assert (done.state, done.tries, done.http, done.answer) == ("done", 6, 200, {})


def test_a_corrected_outcome_keeps_mals_answer(journal: Journal) -> None:
    begin(journal)
    journal.sent(1, 1, at(1))
    journal.answered(1, 1, "done", now=at(2), tries=1, http=200, answer={"score": 8})

    line = journal.answered(1, 1, "failed", now=at(9), tries=0, why="the last reading does not show it")

    assert (line.state, line.http, line.answer, line.tries) == ("failed", 200, {"score": 8}, 1)
    assert (line.answered_at, line.why) == (at(9), "the last reading does not show it")


# -- one run at a time


def test_an_unfinished_run_prevents_another(path: Path, journal: Journal) -> None:
    begin(journal, kind="revert")
    journal.answered(1, 1, "already", now=at(1), tries=0)

    with pytest.raises(Refused) as caught:
        begin(journal, second=30)

    assert caught.value.exit == 7
    begun = local_time(datetime(2026, 11, 5, 20, tzinfo=UTC))
    assert f"Run 1 (revert, begun {begun}) is unfinished" in caught.value.message
    assert "2 of its writes have no outcome yet. Nothing was sent." in caught.value.message
    for command in ("malsync resume 1", "malsync undo 1", "malsync runs --abandon 1"):
        assert command in hint_of(caught.value)
    with another_reader(path) as seen:
        assert [run.number for run in seen.runs()] == [1]
        with pytest.raises(Refused, match="Run 1"):
            seen.refuse_unfinished(MIKA)
        seen.refuse_unfinished(MIKA, undoes=1)
        seen.refuse_unfinished(THEO)


@pytest.mark.parametrize("state", ["finished", "undone", "abandoned"])
def test_a_run_can_begin_after_the_previous_one_has_ended(journal: Journal, state: Any) -> None:
    begin(journal)

    assert journal.ended(1, state, at(5)).state == state
    assert begin(journal, second=30).number == 2
    assert [run.state for run in journal.runs()] == [state, "unfinished"]


def test_an_unfinished_run_does_not_prevent_another_users_run(journal: Journal) -> None:
    mine = begin(journal)
    theirs = begin(journal, user=THEO, before=THEIRS)

    assert [run.user for run in journal.runs()] == [MIKA, THEO]
    assert journal.runs(MIKA) == [mine]
    assert journal.runs(THEO) == [theirs]
    assert journal.unfinished(THEO) == theirs
    journal.ended(mine.number, "finished", at(5))
    assert (journal.unfinished(MIKA), journal.unfinished(THEO)) == (None, theirs)


def test_an_unknown_user_has_no_runs(journal: Journal) -> None:
    begin(journal)
    stranger = User(MIKA.origin, 99, "stranger")

    assert journal.runs(stranger) == []
    assert journal.unfinished(stranger) is None
    with pytest.raises(ValueError, match="snapshot 1 is not one of this user's"):
        begin(journal, user=stranger)


def test_a_run_belongs_to_its_user_after_a_renaming(mirror: Mirror) -> None:
    begin(mirror.journal)
    renamed = User(MIKA.origin, MIKA.id, "mika_the_second")
    mirror.add(snapshot({}, {}, at="2026-11-04T12:00:00Z", user=renamed))

    assert [run.user for run in mirror.journal.runs(MIKA)] == [renamed]
    with pytest.raises(Refused):
        begin(mirror.journal, user=renamed)


@pytest.mark.promise("guards-6")
def test_no_program_can_store_a_second_unfinished_run(path: Path, journal: Journal) -> None:
    begin(journal)

    with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute("INSERT INTO run SELECT 2, user, account, kind, plan, 1, 1, NULL, state, 'x', NULL FROM run")


# -- undoing


def test_an_undo_makes_an_unfinished_run_undone(journal: Journal) -> None:
    begin(journal)

    undo = begin(journal, (REMOVE,), kind="undo", before=AFTER, second=9, undoes=1)

    undone = journal.run(1)
    assert (undone.state, undone.ended_at, undone.undoes) == ("undone", at(9), None)
    assert (undo.number, undo.kind, undo.undoes, undo.state) == (2, "undo", 1, "unfinished")
    assert journal.unfinished(MIKA) == undo
    assert states(journal, 1) == ["planned"] * 3


def test_an_undo_leaves_a_finished_run_finished(journal: Journal) -> None:
    begin(journal)
    finished = journal.ended(1, "finished", at(5), after=AFTER)

    begin(journal, kind="undo", before=AFTER, second=9, undoes=1)

    assert journal.run(1) == finished


def test_an_undo_is_a_run_and_can_be_undone(journal: Journal) -> None:
    begin(journal)
    begin(journal, kind="undo", second=9, undoes=1)

    begin(journal, kind="undo", second=20, undoes=2)

    assert [(run.state, run.undoes) for run in journal.runs()] == [("undone", None), ("undone", 1), ("unfinished", 2)]


def test_an_undo_of_another_run_than_the_unfinished_one_is_refused(journal: Journal) -> None:
    begin(journal)
    journal.ended(1, "finished", at(5))
    begin(journal, second=10)

    with pytest.raises(Refused, match="Run 2"):
        begin(journal, kind="undo", second=20, undoes=1)

    assert [run.state for run in journal.runs()] == ["finished", "unfinished"]


def test_an_undo_needs_an_existing_run_of_the_same_user(journal: Journal) -> None:
    begin(journal, user=THEO, before=THEIRS)

    with pytest.raises(KeyError):
        begin(journal, kind="undo", undoes=40)
    with pytest.raises(ValueError, match="another user's"):
        begin(journal, kind="undo", undoes=1)

    assert [run.state for run in journal.runs()] == ["unfinished"]


def test_an_undo_that_cannot_be_begun_leaves_the_run_as_it_was(journal: Journal) -> None:
    begin(journal)

    with pytest.raises(ValueError, match="snapshot 3"):
        begin(journal, kind="undo", before=THEIRS, undoes=1)

    assert [run.state for run in journal.runs()] == ["unfinished"]


# -- the snapshots around a run


def test_an_interrupted_run_can_have_a_snapshot_after_it(journal: Journal) -> None:
    begin(journal)

    journal.set_after(1, AFTER)

    assert (journal.run(1).after, journal.run(1).state) == (AFTER, "unfinished")
    assert journal.ended(1, "abandoned", at(9)).after == AFTER


def test_the_snapshots_around_a_run_must_be_its_users(journal: Journal) -> None:
    begin(journal)

    for wrong in (THEIRS, 99):
        with pytest.raises(ValueError, match=f"snapshot {wrong}"):
            journal.ended(1, "finished", at(9), after=wrong)
        with pytest.raises(ValueError, match=f"snapshot {wrong}"):
            begin(journal, kind="undo", before=wrong, undoes=1)

    assert (journal.run(1).state, journal.run(1).after) == ("unfinished", None)


def test_a_run_outlives_the_snapshots_around_it(path: Path, mirror: Mirror) -> None:
    begin(mirror.journal)
    mirror.journal.ended(1, "finished", at(9), after=AFTER)

    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA foreign_keys = ON")
        other.execute("DELETE FROM snapshot WHERE id = 1")
        other.commit()

    assert (mirror.journal.run(1).before, mirror.journal.run(1).after) == (None, AFTER)
    assert len(mirror.journal.lines(1)) == 3


# -- what would be a bug


def test_a_write_that_is_done_cannot_be_sent_again(journal: Journal) -> None:
    begin(journal)
    journal.sent(1, 1, at(1))
    done = journal.answered(1, 1, "done", now=at(2), tries=1, http=200, answer={"score": 8})

    with pytest.raises(ValueError, match="line 1 of run 1"):
        journal.sent(1, 1, at(3))
    with pytest.raises(ValueError, match="line 1 of run 1"):
        journal.answered(1, 1, "sent", now=at(3), tries=1)

    assert journal.line(1, 1) == done


def test_a_write_that_was_never_sent_cannot_become_sent(journal: Journal) -> None:
    begin(journal)

    with pytest.raises(ValueError, match="line 1 of run 1"):
        journal.answered(1, 1, "sent", now=at(3), tries=1)

    assert states(journal, 1) == ["planned"] * 3


@pytest.mark.parametrize("state", ["finished", "undone", "abandoned"])
def test_nothing_is_sent_for_a_run_that_has_ended(journal: Journal, state: Any) -> None:
    begin(journal)
    ended = journal.ended(1, state, at(5))

    with pytest.raises(ValueError, match="line 1 of run 1"):
        journal.sent(1, 1, at(6))
    with pytest.raises(ValueError, match=f"run 1 is {state} already"):
        journal.ended(1, "finished", at(7), after=AFTER)

    assert states(journal, 1) == ["planned"] * 3
    assert journal.run(1) == ended


def test_unknown_numbers_raise_key_error(journal: Journal) -> None:
    begin(journal)

    for missing in (
        lambda: journal.run(7),
        lambda: journal.line(1, 7),
        lambda: journal.set_after(7, AFTER),
        lambda: journal.ended(7, "finished", at(1)),
    ):
        with pytest.raises(KeyError, match="7"):
            missing()
    with pytest.raises(ValueError, match="line 7 of run 1"):
        journal.sent(1, 7, at(1))
    with pytest.raises(ValueError, match="line 7 of run 1"):
        journal.answered(1, 7, "done", now=at(1), tries=1)


# -- between two statements


@pytest.mark.promise("writing-2")
def test_other_processes_see_sent_at_once(path: Path, journal: Journal) -> None:
    begin(journal)

    with another_reader(path) as seen:
        for seq in (1, 2, 3):
            journal.sent(1, seq, at(seq))
            assert seen.line(1, seq).state == "sent"
            journal.answered(1, seq, "done", now=at(seq), tries=1)
            assert seen.line(1, seq).state == "done"
        journal.ended(1, "finished", at(9))
        assert seen.unfinished(MIKA) is None


# -- where the file fails it

WRITING: dict[str, Callable[[Journal], object]] = {
    "begin": lambda journal: begin(journal, user=THEO, before=THEIRS),
    "sent": lambda journal: journal.sent(1, 1, at(1)),
    "answered": lambda journal: journal.answered(1, 1, "done", now=at(1), tries=1),
    "ended": lambda journal: journal.ended(1, "finished", at(1)),
    "after": lambda journal: journal.set_after(1, AFTER),
}


@pytest.mark.parametrize("write", WRITING)
def test_a_mirror_opened_for_reading_refuses_new_runs(path: Path, write: str) -> None:
    with Mirror.open(path, write=True) as opened:
        run = begin(opened.journal)

    with Mirror.open(path) as mirror:
        with pytest.raises(MirrorError, match="read-only") as caught:
            WRITING[write](mirror.journal)
        assert mirror.journal.runs() == [run]
        assert states(mirror.journal, 1) == ["planned"] * 3

    assert caught.value.exit == 6


@pytest.mark.parametrize("write", WRITING)
def test_a_locked_mirror_is_busy(path: Path, journal: Journal, write: str) -> None:
    begin(journal)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy):
            WRITING[write](journal)
        other.execute("ROLLBACK")

    assert states(journal, 1) == ["planned"] * 3
    assert [run.state for run in journal.runs()] == ["unfinished"]


def test_a_missing_mirror_has_no_runs(tmp_path: Path) -> None:
    with Mirror.open(tmp_path / FILE_NAME) as mirror:
        assert mirror.journal.runs() == []
        assert mirror.journal.unfinished(MIKA) is None

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("table", ["run", "run_call"])
def test_a_mirror_without_a_table_is_damaged(path: Path, journal: Journal, table: str) -> None:
    begin(journal)
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"DROP TABLE {table}")

    with pytest.raises(Damaged):
        journal.ended(1, "finished", at(1)) if table == "run" else journal.lines(1)
    with another_reader(path) as seen, pytest.raises(Damaged):
        seen.runs() if table == "run" else seen.pending(1)


LINE_DAMAGE = [
    "fields = '{\"score\": [7,'",
    "fields = '[]'",
    "fields = 'null'",
    "fields = '5'",
    "fields = 5",
    "fields = ''",
    "fields = '{\"score\": 8}'",
    "fields = '{\"score\": [7]}'",
    'fields = \'{"score": {"from": 7, "to": 8}}\'',
    "fields = '{\"no_such_field\": [7, 8]}'",
    "fields = CAST(x'7b2273636f7265223a5b22c328222c385d7d' AS TEXT)",  # half a letter in a text that would be sent
    "expect = 'half'",
    "expect = '[]'",
    "expect = ''",
    "expect = 'null'",
    "expect = x'ff00'",
    "answer = '{'",
    "answer = '7'",
    "op = 'replace'",
    "medium = 'novel'",
    "media_id = 'five'",
    "title = x'00'",
    "state = 'perhaps'",
    "tries = 'many'",
    "tries = 1.5",
    "sent_at = 'yesterday'",
    "sent_at = '2026-11-05T20:00:00'",
    "answered_at = 5",
    "http = 'OK'",
    "why = x'00'",
]
RUN_DAMAGE = [
    "plan = '{\"half'",
    "plan = '[]'",
    "plan = ''",
    "plan = CAST(x'7b2261223a22c328227d' AS TEXT)",
    "kind = 'guess'",
    "state = 'perhaps'",
    "started_at = 'yesterday'",
    "started_at = 5",
    "ended_at = 'soon'",
    "account = x'00'",
    "before = 'one'",
    "user = 99",
]


@pytest.mark.parametrize("damage", LINE_DAMAGE)
def test_an_unreadable_entry_is_named_as_damage(path: Path, journal: Journal, damage: str) -> None:
    begin(journal)
    begin(journal, user=THEO, before=THEIRS)
    tamper(path, f"UPDATE run_call SET {damage} WHERE run = 1 AND seq = 2")

    with Mirror.open(path) as mirror:
        with pytest.raises(Damaged) as caught:
            mirror.journal.lines(1)
        assert len(mirror.journal.lines(2)) == 3
        assert "line 2 of run 1 cannot be read" in mirror.verify().database

    assert caught.value.exit == 6
    assert f"The mirror {path} is damaged: line 2 of run 1 cannot be read" in caught.value.message
    assert "malsync mirror rebuild" in hint_of(caught.value)


@pytest.mark.parametrize("damage", RUN_DAMAGE)
def test_an_unreadable_run_is_named_as_damage(path: Path, journal: Journal, damage: str) -> None:
    begin(journal)
    begin(journal, user=THEO, before=THEIRS)
    tamper(path, f"UPDATE run SET {damage} WHERE id = 1")

    with Mirror.open(path) as mirror:
        for read in (lambda: mirror.journal.run(1), mirror.journal.runs):
            with pytest.raises(Damaged, match="run 1 cannot be read") as caught:
                read()
            assert caught.value.exit == 6
        assert mirror.journal.run(2).user == THEO
        assert "run 1 cannot be read" in mirror.verify().database


def test_an_unknown_state_is_reported_and_not_counted(path: Path, journal: Journal) -> None:
    begin(journal)
    tamper(path, "UPDATE run_call SET state = 'perhaps' WHERE seq = 2")

    for count in (journal.pending, journal.outcomes):
        with pytest.raises(Damaged, match="run 1 cannot be read"):
            count(1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE run SET state = 'perhaps'",
        "UPDATE run SET kind = 'guess'",
        "UPDATE run SET state = 'finished'",
        "UPDATE run SET ended_at = 'now'",
        "UPDATE run SET undoes = 1",
        "UPDATE run SET kind = 'undo'",
        "UPDATE run SET plan = NULL",
        "UPDATE run_call SET state = 'perhaps'",
        "UPDATE run_call SET op = 'replace'",
        "UPDATE run_call SET medium = 'novel'",
        "UPDATE run_call SET fields = NULL",
        "UPDATE run_call SET seq = 1",
    ],
)
def test_the_tables_reject_impossible_runs(path: Path, journal: Journal, statement: str) -> None:
    begin(journal)

    with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute(statement)


def test_the_tables_accept_every_state_of_the_journal(path: Path, journal: Journal) -> None:
    begin(journal, CALLS)
    journal.ended(1, "finished", at(1))

    with closing(sqlite3.connect(path)) as other:
        for kind in KINDS:
            undoes = "1" if kind == "undo" else "NULL"
            assert other.execute(f"UPDATE run SET kind = '{kind}', undoes = {undoes}").rowcount == 1
        for state in RUN_STATES:
            ended = "NULL" if state == "unfinished" else "'x'"
            assert other.execute(f"UPDATE run SET state = '{state}', ended_at = {ended}").rowcount == 1
        for state in CALL_STATES:
            assert other.execute(f"UPDATE run_call SET state = '{state}'").rowcount == 3


# -- the mirror that it is in


def test_a_mirror_with_runs_is_whole(mirror: Mirror) -> None:
    begin(mirror.journal)
    mirror.journal.sent(1, 1, at(1))

    assert mirror.verify() == VerifyReport({1: None, 2: None, 3: None}, "ok")


def test_a_copy_of_the_mirror_holds_its_runs(mirror: Mirror, tmp_path: Path) -> None:
    run = begin(mirror.journal)
    mirror.journal.sent(1, 2, at(1))
    mirror.copy(tmp_path / "copy.db")

    with Mirror.open(tmp_path / "copy.db", write=True) as copied:
        assert copied.journal.runs() == [run]
        assert copied.journal.lines(1) == mirror.journal.lines(1)
        assert copied.journal.ended(1, "abandoned", at(2)).state == "abandoned"
    assert mirror.journal.run(1).state == "unfinished"


# -- what the document says

DOCUMENT = (ROOT / "docs" / "mirror.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", ["run", "run_call"])
def test_every_column_is_in_the_document(path: Path, table: str) -> None:
    part = DOCUMENT.split(f"| column of `{table}` |")[1].split("\n\n")[0]
    named = {name for row in part.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}

    with closing(sqlite3.connect(path)) as connection:
        columns = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
    assert named == columns


def test_the_documented_query_lists_a_runs_outcomes(path: Path, journal: Journal) -> None:
    for number in (1, 2):
        begin(journal)
        journal.ended(number, "finished", at(1))
    begin(journal)
    journal.answered(3, 1, "failed", now=at(2), tries=5, http=503, why="MAL is down")
    journal.answered(3, 2, "done", now=at(2), tries=1, http=200)
    query = DOCUMENT.split("What run 3 wrote")[1].split("\n\n")[1]

    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(query).fetchall()

    assert found == [
        ("update", "anime", 1, "Title 1", "done", "", "score", 7, 8),
        ("update", "anime", 1, "Title 1", "done", "", "finish_date", "2021", None),
        ("add", "anime", 20, "Naruto", "failed", "MAL is down", "status", None, "completed"),
        ("add", "anime", 20, "Naruto", "failed", "MAL is down", "tags", None, '["a","b,c"]'),
    ]
