"""Write one entry: send it, compare the answer with the plan, and send once more what did not arrive."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from malsync.errors import NotFound, Rejected
from malsync.model.diff import FieldChanges, differing
from malsync.model.entry import same, same_value, value
from malsync.model.medium import Json, ListStatus
from malsync.model.plain_text import plain_answer
from malsync.model.snapshot import Snapshot
from malsync.planning.preconditions import why_kept
from malsync.planning.restore_plan import PlannedWrite
from malsync.planning.writable import is_partial

if TYPE_CHECKING:
    from malsync.mal.client import Client


def _nothing() -> None:
    """Default for what is called before each request: do nothing."""


class Stale(Exception):
    """The entry is not as it was when its write was judged. Nothing was sent on that."""


class WriteAttempt:
    """One entry's write, and once more what did not arrive.

    `before` is called just before each request leaves. It may raise Stale; if `send` is called again after that, it goes on
    where it stopped.

    `why` says what could not be restored, `meanwhile` what others changed in the entry since it was read.
    """

    def __init__(self, client: "Client", call: PlannedWrite, fields: FieldChanges, live: Snapshot) -> None:
        self.answer: ListStatus | None = None
        """The entry as MAL answered last, as received."""
        self.why = ""
        self.meanwhile = ""
        self._client = client
        self._call = call
        self._fields = fields
        self.before: Callable[[], object] = _nothing
        self._was = live.plain.list_status(call.medium, call.id)
        self._encoded = live.encoded.get(call.medium.name, ())
        self._refused: list[str] = []
        self._begun_at = self._sent_so_far

    @property
    def tries(self) -> int:
        """Writes that the last `send` took."""
        return self._sent_so_far - self._begun_at

    @property
    def _sent_so_far(self) -> int:
        requests = self._client.requests
        return requests.total() - requests["GET"]

    def send(self) -> None:
        """Send it. Raises what the client raises, and Stale."""
        self._begun_at = self._sent_so_far
        if self._call.op == "remove":
            self._client.remove(self._call.medium, self._call.id, self.before)
            return
        wanted = {name: to for name, (_, to) in self._fields.items()}
        if self.answer is None:
            self._refused = self._sent(wanted)
            self.meanwhile = self._changed_meanwhile()
        wrong = self._unlike({name: to for name, to in wanted.items() if name not in self._refused})
        if wrong:
            self.answer = self._update(self._once_more(wrong))
            wrong = self._unlike(wrong)
        reasons = [f"{name}: MAL refuses {wanted[name]}" for name in self._refused]
        if wrong:
            reasons.append(why_kept({name: (wanted[name], got) for name, got in wrong.items()}))
        self.why = "; ".join(reasons)

    def _sent(self, wanted: dict[str, Json]) -> list[str]:
        """Send it all; where MAL takes no date without a day, the rest. Returns the names of those dates."""
        by_name = self._call.medium.by_name
        partial = [name for name, to in wanted.items() if is_partial(by_name[name], to)]
        try:
            self.answer = self._update(wanted)
        except Rejected as error:
            if not partial or is_gone(error):
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
                again[name] = to
        for name in ("status", *medium.progress):
            if name in self._fields and name not in again:
                again[name] = self._fields[name][1]
        answer = self.answer or {}
        again.setdefault("status", answer.get("status"))
        return {name: to for name, to in again.items() if name != "status" or to}

    def _unlike(self, wanted: Iterable[str]) -> dict[str, Json]:
        """The fields of `wanted` whose value in the answer differs from the one sent, with the answer's value."""
        answer, by_name = self._shown, self._call.medium.by_name
        got = {name: value(by_name[name], answer) for name in wanted}
        return {
            name: found for name, found in got.items() if not same_value(by_name[name], found, self._fields[name][1])
        }

    def moved(self, now: ListStatus | None) -> str:
        """Why the next request must not leave: the entry, `now`, is not as it was read, or as the last answer showed it."""
        if self.answer is None:
            return "" if now == self._was else "moved: somebody changed it"
        if now is None:
            return "moved: it is no longer on the list"
        changed = differing(self._call.medium.writable, self._shown, now)
        return f"moved: somebody changed {', '.join(changed)}" if changed else ""

    def _changed_meanwhile(self) -> str:
        """What the answer shows of fields that were not sent and are not as they were read: somebody else was here."""
        if self.answer is None:
            return ""
        others = [field for field in self._call.medium.writable if field.name not in self._fields]
        changed = [
            f"{name} {got!r}, which was {was!r}"
            for name, (was, got) in differing(others, self._was or {}, self._shown).items()
        ]
        return f"changed meanwhile, and not by this run: {', '.join(changed)}" if changed else ""

    @property
    def _shown(self) -> ListStatus:
        """The answer with plain text."""
        sent = {name: to for name, (_, to) in self._fields.items()}
        return plain_answer(self._call.medium, self.answer or {}, {**(self._was or {}), **sent}, self._encoded)

    def _update(self, values: dict[str, Json]) -> ListStatus:
        return self._client.update(self._call.medium, self._call.id, values, self.before)


def is_gone(error: NotFound | Rejected) -> bool:
    """Whether MAL says that it has no such title now."""
    return isinstance(error, NotFound) or error.code == "invalid_content"
