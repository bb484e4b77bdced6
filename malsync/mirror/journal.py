"""The journal: every run that writes to MAL, write by write, so that an interrupted one can be resumed or undone.

A write is planned, then sent, then it has an outcome. `sent` is on disk before the request leaves: after a crash, MAL has
received nothing that the journal does not name. Whether MAL carried out a write that was sent is unknown until the outcome.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args

import orjson

from malsync.errors import UnfinishedRun
from malsync.mirror import users
from malsync.mirror.database import File, is_row_number
from malsync.mirror.rows import Row
from malsync.model.diff import OPS, FieldChanges
from malsync.model.entry import Key
from malsync.model.medium import MEDIA, Json, ListStatus, Medium
from malsync.model.plain_text import text_fields
from malsync.model.row_values import one_of, optional, optional_time, typed
from malsync.model.snapshot import Snapshot, User
from malsync.model.timestamps import local_time, parse_timestamp, timestamp
from malsync.planning.journal_entry import CALL_STATES, OUTCOMES, CallState, JournalEntry, Outcome
from malsync.planning.request import RequestKind
from malsync.planning.restore_plan import PlannedWrite

KINDS: tuple[RequestKind, ...] = get_args(RequestKind)
Ending = Literal["finished", "undone", "abandoned"]
RunState = Literal["unfinished"] | Ending
"""An unfinished run becomes `undone` by an undo; a finished one stays `finished`."""
RUN_STATES: tuple[RunState, ...] = ("unfinished", *get_args(Ending))

_RUNS = (
    "SELECT run.id, origin, mal_id, name, account, kind, CAST(plan AS BLOB), before, after, undoes, state, started_at, ended_at"
    " FROM run LEFT JOIN mal_user ON mal_user.id = run.user"
)
# JSON is read as bytes: in a text, bytes that are not UTF-8 would be replaced, and then sent to MAL as the user's own.
_ENTRIES = (
    "SELECT seq, op, medium, media_id, title, CAST(expect AS BLOB), CAST(fields AS BLOB),"
    " state, tries, sent_at, answered_at, http, CAST(answer AS BLOB), why"
    " FROM run_call WHERE run = ?"
)
# Only texts with a character that MAL encodes show whether it does. In JSON, quotes and line breaks follow a backslash.
_TEXT_WRITES = r"""
    SELECT run, seq FROM run_call JOIN run ON run.id = run_call.run
    WHERE run.user = ? AND sent_at IS NOT NULL AND op <> 'remove' AND fields GLOB '*[&<>''\]*'
    ORDER BY sent_at, run, seq
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan."""

    number: int
    user: User
    account: str
    kind: RequestKind
    head: dict[str, Any]
    """The request that the plan was made for, as JSON (`planning.request`)."""
    before: int | None
    """The snapshot of the lists before the run; None if it has been pruned."""
    after: int | None
    """The snapshot of the lists after the run; None if there is none yet, or it has been pruned."""
    undoes: int | None
    """The run that this one undoes."""
    state: RunState
    started_at: datetime
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it was neither finished, undone nor abandoned."""
        return self.state == "unfinished"


class Journal:
    """The runs in the mirror's file. Each change is on disk when its method returns.

    Every method raises MirrorError or Busy if the file cannot be used, and Damaged for a row that malsync did not write.
    """

    def __init__(self, file: File) -> None:
        self._file = file

    # -- reading

    def runs(self, user: User | None = None) -> list[Run]:
        """All runs, or those of one user, oldest first."""
        if user is None:
            return self._runs("")
        return self._runs("WHERE run.user = ?", users.number_of(self._file, user))

    def run(self, number: int) -> Run:
        """The run of that number. Raises KeyError if there is none."""
        if is_row_number(number):
            for run in self._runs("WHERE run.id = ?", number):
                return run
        raise KeyError(number)

    def unfinished(self, user: User) -> Run | None:
        """The unfinished run of `user`, of which there is at most one."""
        runs = self._runs("WHERE run.user = ? AND state = 'unfinished'", users.number_of(self._file, user))
        return runs[0] if runs else None

    def refuse_unfinished(self, user: User, undoes: int | None = None) -> Run | None:
        """Raise UnfinishedRun if `user` has one, unless it is the run `undoes`: that is returned."""
        unfinished = self.unfinished(user)
        if unfinished is None or unfinished.number == undoes:
            return unfinished
        number, begun = unfinished.number, local_time(unfinished.started_at)
        raise UnfinishedRun(
            f"Run {number} ({unfinished.kind}, begun {begun}) is unfinished: {self.pending(number)} of its writes have no"
            " outcome yet. Nothing was sent.",
            run=number,
        )

    def lines(self, number: int) -> list[JournalEntry]:
        """The writes of a run in their order."""
        return self._entries("ORDER BY seq", number)

    def line(self, number: int, seq: int) -> JournalEntry:
        """One write of a run. Raises KeyError if there is none."""
        for entry in self._entries("AND seq = ?", number, seq):
            return entry
        raise KeyError(seq)

    def outcomes(self, number: int) -> dict[str, int]:
        """The number of a run's writes by outcome."""
        counts = self._counts(number)
        return {outcome: counts.get(outcome, 0) for outcome in OUTCOMES}

    def pending(self, number: int) -> int:
        """The number of a run's writes without an outcome: planned, or sent without a known outcome."""
        counts = self._counts(number)
        return counts.get("planned", 0) + counts.get("sent", 0)

    def with_written_texts(self, live: Snapshot) -> Snapshot:
        """`live`, a list just read from MAL, with the texts that runs sent to its entries and MAL's answers (None: unknown).

        Together they show whether MAL HTML-encodes what it answers.
        """
        written: dict[Key, dict[str, tuple[Json, Json]]] = {}
        for number, seq in self._file.rows(_TEXT_WRITES, users.number_of(self._file, live.user)):
            entry = self.line(number, seq)
            call, answer = entry.call, entry.answer or {}
            names = [field.name for field in text_fields(call.medium) if field.name in call.fields]
            written.setdefault(call.key, {}).update({name: (call.fields[name][1], answer.get(name)) for name in names})
        return replace(live, written=written) if written else live

    def problems(self) -> list[str]:
        """What of the journal cannot be read, one sentence each; empty if it is whole."""
        problems: list[str] = []
        for row in self._file.rows(f"{_RUNS} ORDER BY run.id"):
            problems += _problem(_run, row, f"run {row[0]}")
            for entry in self._file.rows(f"{_ENTRIES} ORDER BY seq", row[0]):
                problems += _problem(_entry, entry, f"line {entry[0]} of run {row[0]}")
        return problems

    # -- writing

    def begin(
        self,
        user: User,
        account: str,
        kind: RequestKind,
        head: dict[str, Any],
        calls: Sequence[PlannedWrite],
        *,
        before: int,
        now: datetime,
        undoes: int | None = None,
    ) -> Run:
        """Store a run with all its writes, planned, in one transaction. `before` is the snapshot of the live lists.

        Raises UnfinishedRun if `user` has one, unless `undoes` is its number: then that run becomes `undone`.
        """
        with self._file.transaction():
            self._close_undone(user, undoes, now)
            user_number = users.number_of(self._file, user)
            self._check_snapshot(before, user_number)
            number = self._file.insert(
                "INSERT INTO run (user, account, kind, plan, before, undoes, state, started_at)"
                " VALUES (?, ?, ?, ?, ?, ?, 'unfinished', ?)",
                *(user_number, account, kind, _text(head), before, undoes, timestamp(now)),
            )
            self._file.execute_many(
                "INSERT INTO run_call (run, seq, op, medium, media_id, title, expect, fields, state, tries, why)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'planned', 0, '')",
                (
                    (number, seq, call.op, *call.key, call.title, _text_or_none(call.expect), _text(call.fields))
                    for seq, call in enumerate(calls, 1)
                ),
            )
        return self.run(number)

    def sent(self, number: int, seq: int, now: datetime) -> None:
        """Record that a write is about to be sent; call this first. The outcome of an earlier attempt is cleared.

        Raises ValueError, a bug, if the write is done or its run is not unfinished.
        """
        changed = self._file.execute(
            "UPDATE run_call SET state = 'sent', sent_at = ?, answered_at = NULL, http = NULL, answer = NULL, why = ''"
            " WHERE run = ? AND seq = ? AND state <> 'done'"
            " AND EXISTS (SELECT * FROM run WHERE id = run_call.run AND state = 'unfinished')",
            *(timestamp(now), number, seq),
        )
        if not changed:
            raise ValueError(f"line {seq} of run {number} cannot be sent")

    def unsent(self, number: int, seq: int) -> None:
        """Record that a write was not sent after all. Nothing changes if it has taken a request before."""
        self._file.execute(
            "UPDATE run_call SET state = 'planned', sent_at = NULL WHERE run = ? AND seq = ? AND state = 'sent' AND tries = 0",
            *(number, seq),
        )

    def answered(
        self,
        number: int,
        seq: int,
        state: Literal["sent"] | Outcome,
        *,
        now: datetime,
        tries: int,
        http: int | None = None,
        answer: ListStatus | None = None,
        why: str = "",
    ) -> JournalEntry:
        """Record the outcome of a write, sent or not, and return its entry. `tries` is the number of further requests.

        Without `http` or `answer`, MAL's last answer stays. The state `sent` means that the outcome is unknown. Raises
        ValueError, a bug, if a write that is done, or was never sent, is to become `sent`.
        """
        changed = self._file.execute(
            "UPDATE run_call SET state = :state, tries = tries + :tries, why = :why,"
            " http = coalesce(:http, http), answer = coalesce(:answer, answer),"
            " answered_at = CASE :state WHEN 'sent' THEN NULL ELSE :now END"
            " WHERE run = :run AND seq = :seq AND (:state <> 'sent' OR (state <> 'done' AND sent_at IS NOT NULL))",
            {
                "run": number,
                "seq": seq,
                "state": state,
                "now": timestamp(now),
                "tries": tries,
                "http": http,
                "answer": _text_or_none(answer),
                "why": why,
            },
        )
        if not changed:
            raise ValueError(f"line {seq} of run {number} cannot become {state}")
        return self.line(number, seq)

    def ended(self, number: int, state: Ending, now: datetime, after: int | None = None) -> Run:
        """Close an unfinished run; `after` is the snapshot of the lists after it. Raises ValueError if it is closed already."""
        with self._file.transaction():
            if after is not None:
                self.set_after(number, after)
            self._end(number, state, now)
        return self.run(number)

    def set_after(self, number: int, after: int) -> None:
        """Record the snapshot of the lists as a run left them, even if it was interrupted. Raises KeyError without the run."""
        for (user,) in self._file.rows("SELECT user FROM run WHERE id = ?", number):
            self._check_snapshot(after, user)
            self._file.execute("UPDATE run SET after = ? WHERE id = ?", after, number)
            return
        raise KeyError(number)

    # -- inside

    def _runs(self, clause: str, *values: int | None) -> list[Run]:
        runs = []
        for row in self._file.rows(f"{_RUNS} {clause} ORDER BY run.id", *values):
            with self._file.decoding(f"run {row[0]}"):
                runs.append(_run(row))
        return runs

    def _entries(self, clause: str, number: int, *values: int) -> list[JournalEntry]:
        entries = []
        for row in self._file.rows(f"{_ENTRIES} {clause}", number, *values):
            with self._file.decoding(f"line {row[0]} of run {number}"):
                entries.append(_entry(row))
        return entries

    def _counts(self, number: int) -> dict[CallState, int]:
        rows = self._file.rows("SELECT state, count(*) FROM run_call WHERE run = ? GROUP BY state", number)
        with self._file.decoding(f"run {number}"):
            return {one_of(CALL_STATES, state): total for state, total in rows}

    def _close_undone(self, user: User, undoes: int | None, now: datetime) -> None:
        """Close the unfinished run that is to be undone. Raises UnfinishedRun for any other."""
        if undoes is not None and self.run(undoes).user.key != user.key:
            raise ValueError(f"run {undoes} is another user's")
        unfinished = self.refuse_unfinished(user, undoes)
        if unfinished is not None:
            self._end(unfinished.number, "undone", now)

    def _end(self, number: int, state: RunState, now: datetime) -> None:
        changed = self._file.execute(
            "UPDATE run SET state = ?, ended_at = ? WHERE id = ? AND state = 'unfinished'",
            state,
            timestamp(now),
            number,
        )
        if not changed:
            raise ValueError(f"run {number} is {self.run(number).state} already")

    def _check_snapshot(self, number: int, user: int | None) -> None:
        """Raise ValueError, a bug, unless that snapshot is one of the user's."""
        matching = self._file.rows(
            "SELECT 1 FROM snapshot JOIN series ON series.id = snapshot.series WHERE snapshot.id = ? AND user = ?",
            *(number, user),
        )
        if not matching:
            raise ValueError(f"snapshot {number} is not one of this user's")


# -- decoding: rows that malsync did not write raise TypeError or ValueError


def _run(row: Row) -> Run:
    number, origin, mal_id, name, account, kind, head, before, after, undoes, state, started_at, ended_at = row
    return Run(
        number=number,
        user=users.user_of(origin, mal_id, name),
        account=typed(str, account),
        kind=one_of(KINDS, kind),
        head=_object(head),
        before=optional(int, before),
        after=optional(int, after),
        undoes=optional(int, undoes),
        state=one_of(RUN_STATES, state),
        started_at=parse_timestamp(typed(str, started_at)),
        ended_at=optional_time(ended_at),
    )


def _entry(row: Row) -> JournalEntry:
    seq, op, medium, media_id, title, expect, fields, state, tries, sent_at, answered_at, http, answer, why = row
    its_medium = MEDIA[one_of(tuple(MEDIA), medium)]
    return JournalEntry(
        seq=seq,
        call=PlannedWrite(
            op=one_of(OPS, op),
            medium=its_medium,
            id=typed(int, media_id),
            title=typed(str, title),
            fields=_fields(its_medium, fields),
            expect=None if expect is None else _object(expect),
        ),
        state=one_of(CALL_STATES, state),
        tries=typed(int, tries),
        sent_at=optional_time(sent_at),
        answered_at=optional_time(answered_at),
        http=optional(int, http),
        answer=None if answer is None else _object(answer),
        why=typed(str, why),
    )


def _problem(decode: Callable[[Row], object], row: Row, what: str) -> Iterator[str]:
    try:
        decode(row)
    except (TypeError, ValueError) as error:
        yield f"{what} cannot be read ({error})"


def _fields(medium: Medium, text: object) -> FieldChanges:
    changes: FieldChanges = {}
    for name, pair in _object(text).items():
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"{one_of(medium.names, name)} has no two values")
        changes[one_of(medium.names, name)] = pair[0], pair[1]
    return changes


def _object(text: object) -> dict[str, Json]:
    return typed(dict, orjson.loads(typed(bytes, text)))


def _text(item: object) -> str:
    return orjson.dumps(item).decode()


def _text_or_none(item: ListStatus | None) -> str | None:
    return None if item is None else _text(item)
