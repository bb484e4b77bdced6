"""What a writing command was asked for: enough to plan it, and to plan it again beside a later reading of the lists. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar, get_args

from malsync.medium import MEDIA
from malsync.plan import EVERYTHING, MODES, PREFERENCES, Filters, Left, Mode, Plan, Prefer, plan
from malsync.revert import ALWAYS, Window, Written, revert
from malsync.snapshot import Snapshot, parse_timestamp, timestamp

Kind = Literal["restore", "revert", "migrate", "apply", "undo"]
_T = TypeVar("_T")
_THREE_WAY = {"revert", "undo"}


@dataclass(frozen=True)
class Intent:
    """`kind` is the command. `round_dates` and `force` are its flags, `max_deletes` what it allowed."""

    kind: Kind
    mode: Mode = "merge"
    prefer: Prefer = "source"
    filters: Filters = EVERYTHING
    window: Window = ALWAYS
    force: bool = False
    round_dates: bool = False
    max_deletes: int | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The roles of the lists that planning takes beside the live one."""
        return ("good", "bad") if self.kind in _THREE_WAY else ("wanted",)

    @property
    def name(self) -> str:
        """What the plan file calls the way in which this plans: the mode, or the command where it has none."""
        return self.kind if self.kind in _THREE_WAY else self.mode

    def plan(self, lists: Mapping[str, Snapshot], live: Snapshot, written: Written | None = None) -> Plan:
        """The writes that this takes beside `live`. `lists` are those that it `needs`, by role."""
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
        """This as JSON, for the journal."""
        return {
            **asdict(self),
            "filters": {
                "only": self.filters.only,
                "ids": sorted(self.filters.ids),
                "statuses": sorted(self.filters.statuses),
                "fields": sorted(self.filters.fields),
            },
            "window": {side: _said(getattr(self.window, side)) for side in ("since", "until")},
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Intent":
        """What `document` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        filters, window = document["filters"], document["window"]
        return cls(
            kind=_one_of(get_args(Kind), document["kind"]),
            mode=_one_of(MODES, document["mode"]),
            prefer=_one_of(PREFERENCES, document["prefer"]),
            filters=Filters(
                _one_of((None, *MEDIA), filters["only"]),
                frozenset((_one_of(tuple(MEDIA), name), _typed(int, id)) for name, id in filters["ids"]),
                frozenset(_typed(str, status) for status in _typed(list, filters["statuses"])),
                frozenset(_typed(str, name) for name in _typed(list, filters["fields"])),
            ),
            window=Window(*(_moment(window[side]) for side in ("since", "until"))),
            force=_typed(bool, document["force"]),
            round_dates=_typed(bool, document["round_dates"]),
            max_deletes=None if document["max_deletes"] is None else _typed(int, document["max_deletes"]),
        )


def _one_of(words: Sequence[_T], found: object) -> _T:
    for word in words:
        if word == found:
            return word
    raise ValueError(f"{found!r:.40} is none of {', '.join(map(str, words))}")


def _typed(kind: type[_T], found: object) -> _T:
    if type(found) is not kind:
        raise TypeError(f"{found!r:.40} is not of type {kind.__name__}")
    return found


def _said(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_timestamp(text)


def left_document(left: Left) -> dict[str, Any]:
    """What is left of one entry, as every document that names some has it."""
    return {"medium": left.medium.name, "id": left.id, "title": left.title, "why": left.why, "fields": left.fields}


def left_of(document: Mapping[str, Any]) -> Left:
    """What `left_document` wrote."""
    return Left(MEDIA[document["medium"]], document["id"], document["title"], document["why"], dict(document["fields"]))
