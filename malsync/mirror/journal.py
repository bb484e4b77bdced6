"""The journal: each run that writes to MAL, call by call, so that one that was cut short can be gone on with or taken back.

A call is planned, then sent, then it has an outcome. `sent` is on disk before the request leaves: after a crash nothing went
out that the journal does not name. That a call was sent does not say that MAL did it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args

import orjson

from malsync.errors import Refused
from malsync.mirror import users
from malsync.mirror.database import File, is_number
from malsync.mirror.rows import Row
from malsync.model.diff import OPS, FieldChanges
from malsync.model.medium import MEDIA, Json, ListStatus, Medium
from malsync.model.plain_text import text_fields
from malsync.model.row_values import maybe, moment, one_of, typed
from malsync.model.snapshot import Snapshot, User
from malsync.model.timestamps import local_time, parse_timestamp, timestamp
from malsync.planning.request import RequestKind
from malsync.planning.restore_plan import Key, PlannedWrite

KINDS: tuple[RequestKind, ...] = get_args(RequestKind)
Ending = Literal["finished", "undone", "abandoned"]
RunState = Literal["unfinished"] | Ending
"""`undone` is what became of an unfinished run that was taken back; a finished one stays `finished`."""
RUN_STATES: tuple[RunState, ...] = ("unfinished", *get_args(Ending))
Outcome = Literal["done", "already", "skipped", "failed", "not_restorable"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
CallState = Literal["planned", "sent"] | Outcome
CALL_STATES: tuple[CallState, ...] = ("planned", "sent", *OUTCOMES)

_RUNS = (
    "SELECT run.id, origin, mal_id, name, account, kind, CAST(plan AS BLOB), before, after, undoes, state, started_at, ended_at"
    " FROM run LEFT JOIN mal_user ON mal_user.id = run.user"
)
# JSON is read as the bytes that it is: as text, what is not UTF-8 would be mended, and sent to MAL as the user's own.
_LINES = (
    "SELECT seq, op, medium, media_id, title, CAST(expect AS BLOB), CAST(fields AS BLOB),"
    " state, tries, sent_at, answered_at, http, CAST(answer AS BLOB), why"
    " FROM run_call WHERE run = ?"
)

# Only texts with a sign that MAL encodes say whether it does; in JSON, quotes and line breaks are behind a backslash.
_TEXT_LINES = r"""
    SELECT run, seq FROM run_call JOIN run ON run.id = run_call.run
    WHERE run.user = ? AND sent_at IS NOT NULL AND op <> 'remove' AND fields GLOB '*[&<>''\]*'
    ORDER BY sent_at, run, seq
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One application of a plan. `head` is what was wanted, and how, for whoever began it.

    `before` and `after` are the snapshots around it: None where there is none yet, or where it has been pruned.
    """

    number: int
    user: User
    account: str
    kind: RequestKind
    head: dict[str, Any]
    before: int | None
    after: int | None
    undoes: int | None
    state: RunState
    started_at: datetime
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it was begun and neither finished, undone nor abandoned."""
        return self.state == "unfinished"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One call of a run and what came of it. `sent_at` is when it last went out, `answered_at` when its outcome was known."""

    seq: int
    call: PlannedWrite
    state: CallState
    tries: int
    sent_at: datetime | None
    answered_at: datetime | None
    http: int | None
    answer: ListStatus | None
    why: str

    @property
    def is_open(self) -> bool:
        """Whether it has no outcome yet: planned, or sent and nobody knows."""
        return self.state in ("planned", "sent")


class Journal:
    """The runs in the mirror's file. Each change is on disk when the method returns.

    Every method raises MirrorError or Busy where the file fails it, and Damaged for a row that cannot be understood.
    """

    def __init__(self, file: File) -> None:
        self._file = file

    # -- reading

    def runs(self, user: User | None = None) -> list[Run]:
        """Every run, or those of one user, oldest first."""
        if user is None:
            return self._runs("")
        return self._runs("WHERE run.user = ?", users.find(self._file, user))

    def run(self, number: int) -> Run:
        """The run of that number. Raises KeyError when there is none."""
        if is_number(number):
            for run in self._runs("WHERE run.id = ?", number):
                return run
        raise KeyError(number)

    def unfinished(self, user: User) -> Run | None:
        """The run of `user` that was begun and neither finished, undone nor abandoned. There is one at most."""
        found = self._runs("WHERE run.user = ? AND state = 'unfinished'", users.find(self._file, user))
        return found[0] if found else None

    def refuse_unfinished(self, user: User, undoes: int | None = None) -> Run | None:
        """Raise Refused while `user` has an unfinished run, unless `undoes` names it; then that run is returned."""
        unfinished = self.unfinished(user)
        if unfinished is None or unfinished.number == undoes:
            return unfinished
        number = unfinished.number
        raise Refused(
            f"Run {number} ({unfinished.kind}, begun {local_time(unfinished.started_at)}) is unfinished:"
            f" {self.pending(number)} of its writes have no outcome yet. Nothing was sent.",
            f"Finish it: malsync resume {number}. Take it back: malsync undo {number}."
            f" Give it up: malsync runs --abandon {number}",
        )

    def lines(self, number: int) -> list[JournalEntry]:
        """The calls of a run in their order, each with what came of it so far."""
        return self._lines("ORDER BY seq", number)

    def line(self, number: int, seq: int) -> JournalEntry:
        """One call of a run. Raises KeyError when there is none."""
        for line in self._lines("AND seq = ?", number, seq):
            return line
        raise KeyError(seq)

    def outcomes(self, number: int) -> dict[str, int]:
        """How many calls of a run came to what."""
        counted = self._counted(number)
        return {outcome: counted.get(outcome, 0) for outcome in OUTCOMES}

    def pending(self, number: int) -> int:
        """How many calls of a run have no outcome yet: planned, or sent and nobody knows."""
        counted = self._counted(number)
        return counted.get("planned", 0) + counted.get("sent", 0)

    def informed(self, live: Snapshot) -> Snapshot:
        """`live`, which was read from MAL, with the texts that were sent to its entries and what MAL answered (None: unknown)."""
        written: dict[Key, dict[str, tuple[Json, Json]]] = {}
        for number, seq in self._file.rows(_TEXT_LINES, users.find(self._file, live.user)):
            line = self.line(number, seq)
            call, answer = line.call, line.answer or {}
            names = [field.name for field in text_fields(call.medium) if field.name in call.fields]
            written.setdefault(call.key, {}).update({name: (call.fields[name][1], answer.get(name)) for name in names})
        return replace(live, written=written) if written else live

    def problems(self) -> list[str]:
        """What of the journal cannot be read, in words; nothing when it is whole."""
        found: list[str] = []
        for row in self._file.rows(f"{_RUNS} ORDER BY run.id"):
            found += _problem(_run, row, f"run {row[0]}")
            for line in self._file.rows(f"{_LINES} ORDER BY seq", row[0]):
                found += _problem(_line, line, f"line {line[0]} of run {row[0]}")
        return found

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
        """Write down a run with all its calls, planned, in one transaction. `before`: the snapshot of the live lists.

        Raises Refused while `user` has an unfinished run. With `undoes` naming that very run, it becomes `undone` instead.
        """
        with self._file.transaction():
            self._make_way(user, undoes, now)
            row = users.find(self._file, user)
            self._check_snapshot(before, row)
            number = self._file.insert(
                "INSERT INTO run (user, account, kind, plan, before, undoes, state, started_at)"
                " VALUES (?, ?, ?, ?, ?, ?, 'unfinished', ?)",
                *(row, account, kind, _text(head), before, undoes, timestamp(now)),
            )
            self._file.change_many(
                "INSERT INTO run_call (run, seq, op, medium, media_id, title, expect, fields, state, tries, why)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'planned', 0, '')",
                (
                    (number, seq, call.op, *call.key, call.title, _text_or_none(call.expect), _text(call.fields))
                    for seq, call in enumerate(calls, 1)
                ),
            )
        return self.run(number)

    def sent(self, number: int, seq: int, now: datetime) -> None:
        """Say that a call is about to go out: do it first. What came of an earlier sending is forgotten.

        Raises ValueError, for that would be a bug, for a call that is done and for a run that is not unfinished.
        """
        changed = self._file.change(
            "UPDATE run_call SET state = 'sent', sent_at = ?, answered_at = NULL, http = NULL, answer = NULL, why = ''"
            " WHERE run = ? AND seq = ? AND state <> 'done'"
            " AND EXISTS (SELECT * FROM run WHERE id = run_call.run AND state = 'unfinished')",
            *(timestamp(now), number, seq),
        )
        if not changed:
            raise ValueError(f"line {seq} of run {number} is none that can be sent")

    def unsent(self, number: int, seq: int) -> None:
        """Say that a call which was about to go out did not. One of which a request left stays as it is."""
        self._file.change(
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
        """Say what came of a call, sent or not, and return its line. `tries` is how many more requests it took.

        Without `http` or `answer`, what MAL said last stands. `sent` is for a call of which nobody knows whether it did
        anything. Raises ValueError, for that would be a bug, if such a one was done or was never sent.
        """
        changed = self._file.change(
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
            raise ValueError(f"line {seq} of run {number} is none that can become {state}")
        return self.line(number, seq)

    def ended(self, number: int, state: Ending, now: datetime, after: int | None = None) -> Run:
        """Close an unfinished run; `after` is the snapshot of what it left. Raises ValueError where it is closed already."""
        with self._file.transaction():
            if after is not None:
                self.set_after(number, after)
            self._end(number, state, now)
        return self.run(number)

    def set_after(self, number: int, after: int) -> None:
        """Say which snapshot holds the lists as a run left them, also where it was interrupted."""
        for (row,) in self._file.rows("SELECT user FROM run WHERE id = ?", number):
            self._check_snapshot(after, row)
            self._file.change("UPDATE run SET after = ? WHERE id = ?", after, number)
            return
        raise KeyError(number)

    # -- inside

    def _runs(self, which: str, *values: int | None) -> list[Run]:
        found = []
        for row in self._file.rows(f"{_RUNS} {which} ORDER BY run.id", *values):
            with self._file.understood(f"run {row[0]}"):
                found.append(_run(row))
        return found

    def _lines(self, which: str, number: int, *values: int) -> list[JournalEntry]:
        found = []
        for row in self._file.rows(f"{_LINES} {which}", number, *values):
            with self._file.understood(f"line {row[0]} of run {number}"):
                found.append(_line(row))
        return found

    def _counted(self, number: int) -> dict[CallState, int]:
        rows = self._file.rows("SELECT state, count(*) FROM run_call WHERE run = ? GROUP BY state", number)
        with self._file.understood(f"run {number}"):
            return {one_of(CALL_STATES, state): total for state, total in rows}

    def _make_way(self, user: User, undoes: int | None, now: datetime) -> None:
        """Close the unfinished run that is to be undone. Raises Refused for any other."""
        if undoes is not None and self.run(undoes).user.key != user.key:
            raise ValueError(f"run {undoes} is another user's")
        unfinished = self.refuse_unfinished(user, undoes)
        if unfinished is not None:
            self._end(unfinished.number, "undone", now)

    def _end(self, number: int, state: RunState, now: datetime) -> None:
        changed = self._file.change(
            "UPDATE run SET state = ?, ended_at = ? WHERE id = ? AND state = 'unfinished'",
            state,
            timestamp(now),
            number,
        )
        if not changed:
            raise ValueError(f"run {number} is {self.run(number).state} already")

    def _check_snapshot(self, number: int, user: int | None) -> None:
        """Raise ValueError, for that would be a bug, where that snapshot is not one of the user's lists."""
        theirs = self._file.rows(
            "SELECT 1 FROM snapshot JOIN series ON series.id = snapshot.series WHERE snapshot.id = ? AND user = ?",
            *(number, user),
        )
        if not theirs:
            raise ValueError(f"snapshot {number} is not one of this user's")


# -- rows, and back: whatever we did not write raises TypeError or ValueError


def _run(row: Row) -> Run:
    number, origin, mal_id, name, account, kind, head, before, after, undoes, state, started_at, ended_at = row
    return Run(
        number=number,
        user=users.read(origin, mal_id, name),
        account=typed(str, account),
        kind=one_of(KINDS, kind),
        head=_object(head),
        before=maybe(int, before),
        after=maybe(int, after),
        undoes=maybe(int, undoes),
        state=one_of(RUN_STATES, state),
        started_at=parse_timestamp(typed(str, started_at)),
        ended_at=moment(ended_at),
    )


def _line(row: Row) -> JournalEntry:
    seq, op, medium, media_id, title, expect, fields, state, tries, sent_at, answered_at, http, answer, why = row
    of = MEDIA[one_of(tuple(MEDIA), medium)]
    return JournalEntry(
        seq=seq,
        call=PlannedWrite(
            op=one_of(OPS, op),
            medium=of,
            id=typed(int, media_id),
            title=typed(str, title),
            fields=_fields(of, fields),
            expect=None if expect is None else _object(expect),
        ),
        state=one_of(CALL_STATES, state),
        tries=typed(int, tries),
        sent_at=moment(sent_at),
        answered_at=moment(answered_at),
        http=maybe(int, http),
        answer=None if answer is None else _object(answer),
        why=typed(str, why),
    )


def _problem(read: Any, row: Row, what: str) -> Iterator[str]:
    try:
        read(row)
    except (TypeError, ValueError) as error:
        yield f"{what} cannot be read ({error})"


def _fields(medium: Medium, text: object) -> FieldChanges:
    found: FieldChanges = {}
    for name, pair in _object(text).items():
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"{one_of(medium.names, name)} has no two values")
        found[one_of(medium.names, name)] = pair[0], pair[1]
    return found


def _object(text: object) -> dict[str, Json]:
    return typed(dict, orjson.loads(typed(bytes, text)))


def _text(item: object) -> str:
    return orjson.dumps(item).decode()


def _text_or_none(item: ListStatus | None) -> str | None:
    return None if item is None else _text(item)
