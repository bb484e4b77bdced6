"""Carrying out a plan, write by write, so that a run can be cut off at any moment and finished, or taken back, later.

Each write is in the journal as `sent`, on disk, before it leaves; what MAL answers is compared with what was wanted; what
others did meanwhile is not overwritten; and at the end both lists are read again, for an answer is no proof.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

from malsync.backup import Shelf, doubts
from malsync.clock import Clock
from malsync.diff import FieldChanges
from malsync.entry import Entry, same, value
from malsync.errors import ApiError, AuthError, Interrupted, Later, MalsyncError, MirrorError, NotFound, Rejected
from malsync.intent import Kind, left_of
from malsync.medium import Json, ListStatus
from malsync.plan import Call, Key, Left, Plan, is_partial, judge, remaining, sendable
from malsync.snapshot import Snapshot, Source, User

if TYPE_CHECKING:
    from malsync.api import Client
    from malsync.mirror import Info, Journal, Line, Mirror, Run

DEAD_CALLS = 3
"""So many calls in a row that fail after all their tries, and the API is taken for down."""
STALE = timedelta(minutes=5)
"""A reading older than this is no ground to write on."""
_DOUBTED = (
    "Beside the last good list, this one (snapshot {}) looks suspicious: {}. If it is as you want it, say so: "
    "malsync backup --accept"
)
Planner = Callable[[Snapshot], Plan]
"""What is still to be done, beside a reading of the live lists."""


def _unshielded() -> AbstractContextManager[object]:
    return nullcontext()


def _untold(line: "Line", number: int) -> None:
    """The progress that nobody watches."""


@dataclass(frozen=True)
class Surroundings:
    """What a run needs beside its plan: `read` reads both live lists anew, `told` hears of each line that is settled and how
    many are by then, `shield` is held while a write is under way, so that Ctrl-C waits for its end."""

    client: "Client"
    mirror: "Mirror"
    shelf: Shelf
    clock: Clock
    read: Callable[[], Snapshot]
    told: Callable[["Line", int], object] = _untold
    shield: Callable[[], AbstractContextManager[object]] = _unshielded
    force: bool = False
    round_dates: bool = False

    def rounded(self, call: Call) -> Call:
        """The call with its dates rounded, where that was said only when the run was gone on with."""
        rounded = sendable(call, round_dates=True)[0] if self.round_dates else []
        return rounded[0] if rounded else call


@dataclass(frozen=True)
class Result:
    """What a run came to: what is left of it, by the last reading, which is stored as snapshot `after`."""

    run: int
    outcomes: dict[str, int]
    left: tuple[Left, ...]
    before: int | None
    after: int
    remarks: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the lists are as wanted, within what was meant."""
        return not self.left


def keep(mirror: "Mirror", shelf: Shelf, live: Snapshot, source: Source) -> "Info":
    """Store a reading of the live lists around a run.

    It is judged like any backup: a list that somebody has emptied must not become what `good` means because it was read.
    """
    snapshot = replace(live.known_as(source), suspicious=())
    return mirror.add(replace(snapshot, suspicious=tuple(doubts(mirror, shelf, snapshot))))


def begin(
    around: Surroundings,
    plan: Plan,
    live: Snapshot,
    *,
    account: str,
    kind: Kind,
    head: dict[str, Any],
    undoes: int | None = None,
) -> "tuple[Run, Snapshot]":
    """Store the live lists, then the plan: from here on the run can be resumed and undone. Returns it and that reading.

    Raises Refused when the user has an unfinished run.
    """
    live = fresh(around, live)
    before = keep(around.mirror, around.shelf, live, "before-run").number
    now = around.clock.now()
    journal = around.mirror.journal
    try:
        run = journal.begin(live.user, account, kind, head, plan.calls, before=before, now=now, undoes=undoes)
    except KeyboardInterrupt as stop:
        begun = journal.unfinished(live.user)
        if begun is None or begun.number == undoes:
            raise
        raise Interrupted(*_broken_off("Interrupted", journal, begun)) from stop
    return run, live


def fresh(around: Surroundings, live: Snapshot) -> Snapshot:
    """`live`, or a new reading where that one is too old, or where another malsync has read these lists since."""
    newest = max((info.taken_at for info in around.mirror.infos(live.user)), default=live.taken_at)
    return around.read() if newest > live.taken_at or is_stale(live, around.clock) else live


def is_stale(live: Snapshot, clock: Clock) -> bool:
    """Whether a reading is too old to write on; or, by this clock, from a time that is yet to come."""
    return not timedelta(0) <= clock.now() - live.taken_at <= STALE


def carry_out(around: Surroundings, run: "Run", live: Snapshot, planner: Planner) -> Result:
    """Send what the journal has of `run` as planned or sent; then read both lists again, store and compare them.

    `live` is a reading to begin with. Raises Interrupted, ApiError or AuthError where the run could not be ended, its
    journal in order: it can be resumed.
    """
    writer, journal = _Writer(around, run, live), around.mirror.journal
    try:
        final = writer.work_and_read()
        after = keep(around.mirror, around.shelf, final, "after-run")
        left = _settle(around, run, planner(final), final)
        journal.ended(run.number, "finished", now=around.clock.now(), after=after.number)
    except KeyboardInterrupt as stop:
        raise Interrupted(*_broken_off("Interrupted", journal, run)) from stop
    except MalsyncError as error:
        first = f"{error.hint.rstrip('.')}. " if isinstance(error, AuthError | MirrorError) else ""
        error.message, on = _broken_off(error.message, journal, run)
        error.hint = first + on
        raise
    remarks = [*writer.remarks, *(_DOUBTED.format(after.number, reason) for reason in after.suspicious)]
    outcomes = around.mirror.journal.outcomes(run.number)
    return Result(run.number, outcomes, left, run.before, after.number, tuple(remarks))


def _broken_off(what: str, journal: "Journal", run: "Run") -> tuple[str, str]:
    lines = journal.lines(run.number)
    ended = sum(line.state not in ("planned", "sent") for line in lines)
    is_open = journal.run(run.number).state == "unfinished"
    return (
        f"{what.rstrip('.')}. Run {run.number}: {ended} of {len(lines)} writes are settled.",
        f"To go on: malsync resume {run.number}" if is_open else "It had come to its end. To look at it: malsync runs",
    )


class _Writer:
    """One run's writes, in order."""

    def __init__(self, around: Surroundings, run: "Run", live: Snapshot) -> None:
        self.remarks: list[str] = []
        self._around = around
        self._client = around.client
        self._journal = around.mirror.journal
        self._number = run.number
        self._live = live
        self._dead: list[Line] = []

    def work_and_read(self) -> Snapshot:
        """Send what is open, and read both lists then. Raises what ends the run before that: of calls that failed last, nobody
        knows what came of them, and they are open again."""
        try:
            self._send_all()
            return self._around.read()
        except BaseException:
            for dead in self._dead:
                self._settled(dead, "sent", tries=0, why=dead.why)
            raise

    def _send_all(self) -> None:
        lines = self._journal.lines(self._number)
        open_lines = [line for line in lines if line.state in ("planned", "sent")]
        for settled, line in enumerate(open_lines, start=len(lines) - len(open_lines) + 1):
            if is_stale(self._live, self._around.clock):
                self._live = self._around.read()
            with self._around.shield():
                self._around.told(self._one(line), settled)

    def _one(self, line: "Line") -> "Line":
        now = self._now(line.call)
        verdict = judge(self._around.rounded(line.call), now, force=self._around.force)
        if verdict.state != "send":
            return self._settled(line, verdict.state, tries=0, why=verdict.why)
        self._journal.sent(self._number, line.seq, now=self._around.clock.now())
        before = self._client.requests.total()
        try:
            settled = self._written(line, verdict.fields, now)
        except (Later, AuthError):
            raise
        except ApiError as error:
            settled = self._failed(line, error, self._client.requests.total() - before)
        else:
            self._dead.clear()
        return settled

    def _written(self, line: "Line", fields: FieldChanges, now: ListStatus | None) -> "Line":
        attempt = _Attempt(self._client, line.call, fields, now)
        try:
            attempt.make()
        except (NotFound, Rejected) as error:
            state = "not_restorable" if _is_gone(error) else "failed"
            why = "MAL has no such title now" if _is_gone(error) else error.message
            self._dead.clear()
            return self._settled(line, state, tries=attempt.tries, http=error.status, why=why)
        if attempt.meanwhile:
            self.remarks.append(f"{line.call.medium.name} {line.call.id} {line.call.title}: {attempt.meanwhile}")
        state = "not_restorable" if attempt.why else "done"
        why = attempt.why or attempt.meanwhile
        return self._settled(line, state, tries=attempt.tries, http=200, answer=attempt.answer, why=why)

    def _failed(self, line: "Line", error: ApiError, tries: int) -> "Line":
        """A call that failed after all its tries. Whether MAL carried it out nobody knows: the last reading will tell."""
        settled = self._settled(line, "failed", tries=tries, http=error.status, why=error.message)
        self._dead.append(settled)
        if len(self._dead) == DEAD_CALLS:
            raise error
        return settled

    def _settled(self, line: "Line", state: Any, *, tries: int, why: str, **answer: Any) -> "Line":
        now = self._around.clock.now()
        self._journal.answered(self._number, line.seq, state, now=now, tries=tries, why=why, **answer)
        return replace(line, state=state, why=why)

    def _now(self, call: Call) -> ListStatus | None:
        entry = self._live.entries(call.medium).get(call.id)
        return None if entry is None else entry.list_status


def _is_gone(error: NotFound | Rejected) -> bool:
    return isinstance(error, NotFound) or error.code == "invalid_content"


class _Attempt:
    """One entry's write, and once more what did not arrive.

    `why` says what could not be restored, `meanwhile` what somebody else did to the entry since it was read.
    """

    def __init__(self, client: "Client", call: Call, fields: FieldChanges, now: ListStatus | None) -> None:
        self.answer: ListStatus | None = None
        self.why = ""
        self.meanwhile = ""
        self._client = client
        self._call = call
        self._fields = fields
        self._now = now or {}
        self._begun_at = client.requests.total()

    @property
    def tries(self) -> int:
        """Requests that this took."""
        return self._client.requests.total() - self._begun_at

    def make(self) -> None:
        """Send it. Raises what the client raises."""
        if self._call.op == "remove":
            self._client.remove(self._call.medium, self._call.id)
            return
        wanted = {name: to for name, (_, to) in self._fields.items()}
        refused = self._sent(wanted)
        self.meanwhile = self._changed_meanwhile()
        wrong = self._unlike({name: to for name, to in wanted.items() if name not in refused})
        if wrong:
            self.answer = self._update(self._once_more(wrong))
            wrong = self._unlike(wrong)
        reasons = [f"{name}: MAL refuses {wanted[name]}" for name in refused]
        reasons += [f"{name}: wanted {wanted[name]!r}, MAL keeps {got!r}" for name, got in wrong.items()]
        self.why = "; ".join(reasons)

    def _sent(self, wanted: dict[str, Json]) -> list[str]:
        """Send it all; where MAL takes no date without a day, the rest. Returns the names of those dates."""
        by_name = self._call.medium.by_name
        partial = [name for name, to in wanted.items() if is_partial(by_name[name], to)]
        try:
            self.answer = self._update(wanted)
        except Rejected as error:
            if not partial or _is_gone(error):
                raise
        else:
            return []
        rest = {name: to for name, to in wanted.items() if name not in partial}
        if rest:
            self.answer = self._update(rest)
        return partial

    def _once_more(self, wrong: dict[str, Json]) -> dict[str, Json]:
        """What did not arrive, with status and progress: alone, progress was ignored at times (imau#2).

        A day that MAL made of a month or a year is taken back: nobody entered it. Where there was a month or a year before,
        MAL would make a day of that as well, so no date is left.
        """
        medium = self._call.medium
        again: dict[str, Json] = {}
        for name, got in wrong.items():
            field, (was, to) = medium.by_name[name], self._fields[name]
            if is_partial(field, to) and not same(got, was):
                again[name] = None if is_partial(field, was) else was
            else:
                again[name] = _decoded(to, got)
        for name in ("status", *medium.progress):
            if name in self._fields and name not in again:
                again[name] = self._fields[name][1]
        answer = self.answer or {}
        again.setdefault("status", answer.get("status"))
        return {name: to for name, to in again.items() if name != "status" or to}

    def _unlike(self, wanted: Iterable[str]) -> dict[str, Json]:
        """Those of `wanted` that the answer shows otherwise, with what it shows."""
        answer, by_name = self.answer or {}, self._call.medium.by_name
        got = {name: value(by_name[name], answer) for name in wanted}
        return {name: found for name, found in got.items() if not same(found, self._fields[name][1])}

    def _changed_meanwhile(self) -> str:
        """What the answer shows of fields that were not sent and are not as they were read: somebody else was here."""
        if self.answer is None:
            return ""
        others = [field for field in self._call.medium.writable if field.name not in self._fields]
        pairs = {field.name: (value(field, self._now), value(field, self.answer)) for field in others}
        changed = [f"{name} {got!r}, which was {was!r}" for name, (was, got) in pairs.items() if not same(was, got)]
        return f"changed meanwhile, and not by this run: {', '.join(changed)}" if changed else ""

    def _update(self, values: dict[str, Json]) -> ListStatus:
        return self._client.update(self._call.medium, self._call.id, values)


def _decoded(to: Json, got: Json) -> Json:
    """What to send so that `to` is shown. Where MAL encodes what it shows, it would encode what it has encoded before."""
    is_encoded = isinstance(to, str) and isinstance(got, str) and unescape(got) == to
    return unescape(str(to)) if is_encoded else to


def _settle(around: Surroundings, run: "Run", open_plan: Plan, final: Snapshot) -> tuple[Left, ...]:
    """What is left by the last reading, whose `open_plan` is; and each line's state set right by it.

    A line is judged by what it was to write, for the plan made anew may be content with less: `missing` keeps what is there,
    `newest` what was touched last, and to a revert what MAL made of our own write looks like somebody else's.
    """
    journal, now = around.mirror.journal, around.clock.now()
    lines = journal.lines(run.number)
    unlike = {call.key: call for call in remaining([around.rounded(line.call) for line in lines], final).calls}
    still: dict[Key, Call] = {call.key: call for call in open_plan.calls}
    conflicts = {one.key for one in open_plan.left}
    left: list[Left] = []
    ours: dict[Key, FieldChanges] = {}
    for line in lines:
        key = line.call.key
        if key not in unlike:
            if line.state in _MENDED:
                journal.answered(run.number, line.seq, _MENDED[line.state], now=now, tries=0, why=_SHOWN)
            continue
        call = still.pop(key, None)
        if call is None and key in conflicts and line.state != "not_restorable":
            continue  # a conflict, which is told as one
        if call is None and line.state in ("skipped", "already"):
            # Somebody else has settled it, in a way that will do.
            journal.answered(run.number, line.seq, "already", now=now, tries=0, why=_SHOWN)
            continue
        call = call or unlike[key]
        why = line.why
        if line.state not in _MENDED:
            why = _NOT_SHOWN
            journal.answered(run.number, line.seq, "failed", now=now, tries=0, why=why)
        left.append(_left(call, why))
        ours[key] = call.fields
    left += [_left(call, "changed while the run was under way") for call in still.values()]
    left += _without(open_plan.left, ours)
    return (*left, *_unmended(run, final, {(one.key, name) for one in left for name in one.fields}))


def _unmended(run: "Run", final: Snapshot, told: Container[tuple[Key, str]]) -> Iterator[Left]:
    """What the first plan said that no write can mend, and nobody has: one made anew may be content with what is there."""
    for one in map(left_of, run.head.get("left", ())):
        entry = final.entries(one.medium).get(one.id)
        now = {} if entry is None else entry.list_status
        for name, sides in one.fields.items():
            field = one.medium.by_name.get(name)
            if field is None or "to" not in sides or (one.key, name) in told:
                continue
            if not same(value(field, now), sides["to"]):
                yield replace(one, fields={name: sides})


def _without(left: Iterable[Left], ours: Mapping[Key, FieldChanges]) -> Iterator[Left]:
    """`left` without those fields that are told already as what became of a write."""
    for one in left:
        fields = {name: sides for name, sides in one.fields.items() if name not in ours.get(one.key, {})}
        if fields or not one.fields:
            yield replace(one, fields=fields)


_MENDED: dict[str, Any] = {"failed": "done", "skipped": "already", "not_restorable": "done"}
_SHOWN = "the last reading shows it as wanted"
_NOT_SHOWN = "the last reading does not show it as wanted"


def _left(call: Call, why: str) -> Left:
    fields = {name: {"wanted": to, "live": is_now} for name, (is_now, to) in call.fields.items()}
    return Left(call.medium, call.id, call.title, why, fields)


def as_written(before: Snapshot, lines: "Iterable[Line]") -> Snapshot:
    """The lists as a run would have left them had nobody else been there: those before it, and over them its writes.

    Of each, what MAL answered; where no answer came, what was sent. It is what the undo of an interrupted run goes by: the
    lists as they are by then hold what the user did since, and that is not to be taken back.
    """
    lists = {name: None if titles is None else dict(titles) for name, titles in before.lists.items()}
    for line in lines:
        call, titles = line.call, lists.get(line.call.medium.name)
        if line.sent_at is None or titles is None:
            continue
        was = titles.pop(call.id, None)
        if call.op == "remove":
            continue
        sent = {name: to for name, (_, to) in call.fields.items()}
        status = line.answer or {**({} if was is None else was.list_status), **sent}
        titles[call.id] = Entry(call.id, call.title, status)
    return replace(before, lists=lists)


def same_person(a: User, b: User) -> bool:
    """Whether two MAL users are one: a public list, read by name, has no id to compare. A list that names nobody is anyone's."""
    if any(one.id is None and not one.name for one in (a, b)):
        return True
    if a.id is None or b.id is None:
        return a.origin == b.origin and a.name.lower() == b.name.lower()
    return a.key == b.key
