"""The two kinds of list, as the API shapes them.

Written from the reference and from the records of public clients, and on purpose not shared with the rest of malsync: if a
name were wrong in a shared table, client and sandbox would agree on the mistake and every test would pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Any

Status = dict[str, Any]
"""A list status under the names of GET."""

Columns = tuple[tuple[str, Any], ...]
"""Members that GET shows, each with the value that it shows if nothing was set."""


class Kind(Enum):
    """How the form of a PATCH spells a member; `forms` holds the reader of each."""

    STATUS = auto()
    NUMBER = auto()
    FLAG = auto()
    DATE = auto()
    TAGS = auto()
    TEXT = auto()
    SERVER = auto()  # read-only


BLANKS: dict[Kind, Any] = {Kind.NUMBER: 0, Kind.FLAG: False, Kind.TAGS: [], Kind.TEXT: "", Kind.DATE: None}


@dataclass(frozen=True)
class Member:
    """One member of a list status.

    `write` is its name in a form if that differs, `high` the highest number in a form, `total` the member of the title that
    limits it, and `asked` members come in GET only if `fields` names them.
    """

    read: str
    kind: Kind
    write: str | None = None
    high: int | None = None
    total: str | None = None
    asked: bool = False

    @property
    def form_name(self) -> str:
        return self.write or self.read

    @property
    def blank(self) -> Any:
        """The value that the API shows if nothing was set; None for dates, which it leaves out."""
        return BLANKS.get(self.kind)


@dataclass(frozen=True)
class Medium:
    """One of the two lists. `members` are in the order of the API's answers."""

    name: str
    current: str
    planned: str
    again: str
    members: tuple[Member, ...]
    totals: tuple[str, ...]

    @cached_property
    def statuses(self) -> tuple[str, ...]:
        return (self.current, "completed", "on_hold", "dropped", self.planned)

    @cached_property
    def by_read_name(self) -> Mapping[str, Member]:
        return {member.read: member for member in self.members}

    @cached_property
    def by_form_name(self) -> Mapping[str, Member]:
        return {member.form_name: member for member in self.members if member.kind is not Kind.SERVER}

    def writable(self, name: str) -> Member | None:
        """Return the member of that name, in the form or in GET, if a PATCH can write it."""
        return self.by_form_name.get(name) or next(
            (member for member in self.by_form_name.values() if member.read == name), None
        )

    def columns(self, asked: Iterable[str] = ()) -> Columns:
        """Return the members that always come, then those in `asked`, in its order; unknown names are ignored."""
        always = [member for member in self.members if not member.asked]
        extra = [self.by_read_name[name] for name in asked if name in self.by_read_name]
        return tuple((member.read, member.blank) for member in [*always, *(member for member in extra if member.asked)])

    @cached_property
    def all_columns(self) -> Columns:
        return tuple((member.read, member.blank) for member in self.members)

    def filed_under(self, status: Status) -> str:
        """Return the status under which a list read with `status=` has the entry.

        A completed title that is being rewatched or reread is among the current ones, while its JSON still says completed
        (Katsute/Mal4J, TestAnimeListStatus and issue 25). Only completed titles are.
        """
        if status["status"] == "completed" and status.get(self.again):
            return self.current
        return str(status["status"])

    def shown(self, status: Status, columns: Columns) -> Status:
        """Return the list status as the API writes it: these members in this order.

        Unset members show their blank; unset dates are left out (go-myanimelist testdata userAnimeList, userMangaList).
        Members that this table does not have come last: a state may have some, to rehearse what MAL adds later.
        """
        out = {name: status.get(name, blank) for name, blank in columns if blank is not None or name in status}
        if not self.by_read_name.keys() >= status.keys():
            out.update((name, value) for name, value in status.items() if name not in self.by_read_name)
        return out

    def sparse(self, status: Status) -> Status:
        """Return the list status without unset members, which is how accounts keep it."""
        known = self.by_read_name
        return {
            name: value
            for name, value in status.items()
            if name not in known or name == "status" or value != known[name].blank
        }


def number(status: Mapping[str, Any], name: str) -> int:
    """Return a member that is a number; 0 if it is not set, or if a state has something else there."""
    value = status.get(name)
    return value if isinstance(value, int) and abs(value) < 2**53 else 0


def _personal(times: str, value: str) -> tuple[Member, ...]:
    return (
        Member("start_date", Kind.DATE),
        Member("finish_date", Kind.DATE),
        Member("priority", Kind.NUMBER, high=2, asked=True),
        Member(times, Kind.NUMBER, asked=True),
        Member(value, Kind.NUMBER, high=5, asked=True),
        Member("tags", Kind.TAGS, asked=True),
        Member("comments", Kind.TEXT, asked=True),
    )


ANIME = Medium(
    name="anime",
    current="watching",
    planned="plan_to_watch",
    again="is_rewatching",
    members=(
        Member("status", Kind.STATUS),
        Member("score", Kind.NUMBER, high=10),
        Member("num_episodes_watched", Kind.NUMBER, write="num_watched_episodes", total="num_episodes"),
        Member("is_rewatching", Kind.FLAG),
        Member("updated_at", Kind.SERVER),
        *_personal("num_times_rewatched", "rewatch_value"),
    ),
    totals=("num_episodes",),
)

MANGA = Medium(
    name="manga",
    current="reading",
    planned="plan_to_read",
    again="is_rereading",
    members=(
        Member("status", Kind.STATUS),
        Member("is_rereading", Kind.FLAG),
        Member("num_volumes_read", Kind.NUMBER, total="num_volumes"),
        Member("num_chapters_read", Kind.NUMBER, total="num_chapters"),
        Member("score", Kind.NUMBER, high=10),
        Member("updated_at", Kind.SERVER),
        *_personal("num_times_reread", "reread_value"),
    ),
    totals=("num_volumes", "num_chapters"),
)

MEDIA: Mapping[str, Medium] = {medium.name: medium for medium in (ANIME, MANGA)}
