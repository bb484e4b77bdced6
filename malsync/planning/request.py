"""A request to write: all that is needed to plan it, and to plan it again with a newer read of the lists. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict, get_args

from malsync.errors import UsageError
from malsync.model.medium import MEDIA
from malsync.model.row_values import one_of, optional, optional_time, typed
from malsync.model.snapshot import Snapshot
from malsync.model.timestamps import maybe_timestamp
from malsync.planning.restore_plan import EVERYTHING, MODES, PREFERENCES, Filters, Left, Mode, Plan, Prefer, plan
from malsync.planning.revert_plan import ALWAYS, Window, Written, revert

RequestKind = Literal["restore", "revert", "migrate", "apply", "undo"]
_THREE_WAY = {"revert", "undo"}


class WriteFlags(TypedDict, total=False):
    """Options of every operation that writes.

    `force` overwrites changes made meanwhile and accepts a suspicious list; `round_dates` turns a date without a day into the
    first day of its month or year; `max_deletes` is the number of deletions to allow (default: 10).
    """

    force: bool
    round_dates: bool
    max_deletes: int | None


@dataclass(frozen=True)
class WriteRequest:
    """A request to write. `kind` is the operation; for `force`, `round_dates` and `max_deletes` see WriteFlags."""

    kind: RequestKind
    mode: Mode = "merge"
    prefer: Prefer = "source"
    filters: Filters = EVERYTHING
    window: Window = ALWAYS
    force: bool = False
    round_dates: bool = False
    max_deletes: int | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for a mode or a preference that there is not, and for a negative number of deletions."""
        if self.mode not in MODES:
            raise UsageError(f"There is no mode {self.mode!r}.", f"Modes: {', '.join(MODES)}.")
        if self.prefer not in PREFERENCES:
            raise UsageError(f"There is no preference {self.prefer!r}.", f"Preferences: {', '.join(PREFERENCES)}.")
        if self.max_deletes is not None and self.max_deletes < 0:
            raise UsageError("max_deletes is negative.", "Give 0 or more.")

    @property
    def needs(self) -> tuple[str, ...]:
        """The roles of the lists that planning needs in addition to the live one."""
        return ("good", "bad") if self.kind in _THREE_WAY else ("wanted",)

    @property
    def name(self) -> str:
        """The name that a plan file has for this way of planning: the mode, or the command if it has no mode."""
        return self.kind if self.kind in _THREE_WAY else self.mode

    def plan(self, lists: Mapping[str, Snapshot], live: Snapshot, written: Written | None = None) -> Plan:
        """Return the writes that carry this out on `live`. `lists` are those that it `needs`, by role."""
        if self.kind in _THREE_WAY:
            return revert(
                lists["good"],
                lists["bad"],
                live,
                filters=self.filters,
                window=self.window,
                written=written,
                force=self.force,
                round_dates=self.round_dates,
            )
        return plan(
            lists["wanted"],
            live,
            self.mode,
            filters=self.filters,
            prefer=self.prefer,
            round_dates=self.round_dates,
        )

    def document(self) -> dict[str, Any]:
        """Return this as JSON, for the journal."""
        return {
            **asdict(self),
            "filters": {
                "only": self.filters.only,
                "ids": sorted(self.filters.ids),
                "statuses": sorted(self.filters.statuses),
                "fields": sorted(self.filters.fields),
            },
            "window": {side: maybe_timestamp(getattr(self.window, side)) for side in ("since", "until")},
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "WriteRequest":
        """Read what `document` returned. Raises KeyError, TypeError or ValueError for anything else."""
        filters, window = document["filters"], document["window"]
        return cls(
            kind=one_of(get_args(RequestKind), document["kind"]),
            mode=one_of(MODES, document["mode"]),
            prefer=one_of(PREFERENCES, document["prefer"]),
            filters=Filters(
                one_of((None, *MEDIA), filters["only"]),
                frozenset((one_of(tuple(MEDIA), name), typed(int, id)) for name, id in filters["ids"]),
                frozenset(typed(str, status) for status in typed(list, filters["statuses"])),
                frozenset(typed(str, name) for name in typed(list, filters["fields"])),
            ),
            window=Window(*(optional_time(window[side]) for side in ("since", "until"))),
            force=typed(bool, document["force"]),
            round_dates=typed(bool, document["round_dates"]),
            max_deletes=optional(int, document["max_deletes"]),
        )


def left_document(left: Left) -> dict[str, Any]:
    """Return `left` as every JSON document has it."""
    return {"medium": left.medium.name, "id": left.id, "title": left.title, "why": left.why, "fields": left.fields}


def left_of(document: Mapping[str, Any]) -> Left:
    """Read what `left_document` returned."""
    return Left(MEDIA[document["medium"]], document["id"], document["title"], document["why"], dict(document["fields"]))
