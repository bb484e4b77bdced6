"""A snapshot: both lists of one MAL user as they stood while they were read, and the digest that says it is whole."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

import orjson

from malsync.entry import TitleList
from malsync.medium import LARGEST_EXACT, MEDIA, Json, ListStatus, Medium

Source = Literal["backup", "before-run", "after-run", "import", "public"]
AROUND_RUNS: frozenset[Source] = frozenset({"before-run", "after-run"})
"""The sources of lists that were stored because a run was about to change them, or had. Nobody has called them good."""
BACKUPS: frozenset[Source] = frozenset({"backup", "public"})
"""The sources of lists that were read from MAL because somebody wanted them kept."""
Covers = dict[str, tuple[str, ...] | None]
"""By medium, the names of the fields that a snapshot knows; None where it does not know the list at all."""

_DEEPEST = 100  # what writes JSON for us stops at 254, and nothing that a list says is nested at all
_PLAIN_TYPES = frozenset({str, bool, int, type(None)})
_TEXT_ONLY = frozenset({str})
_SORTED_AND_SAFE = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


@dataclass(frozen=True, slots=True)
class User:
    """A MAL user: the API's origin and the user's id. For a public list read by name no endpoint tells the id: None."""

    origin: str
    id: int | None
    name: str

    @property
    def key(self) -> tuple[str, int | str]:
        """What makes two users the same one: names change and differ in case, ids do not."""
        return self.origin, self.name.lower() if self.id is None else self.id


def same_person(a: User, b: User) -> bool:
    """Whether two MAL users are one: a public list, read by name, has no id to compare. A list that names nobody is anyone's."""
    if any(one.id is None and not one.name for one in (a, b)):
        return True
    if a.id is None or b.id is None:
        return a.origin == b.origin and a.name.lower() == b.name.lower()
    return a.key == b.key


@dataclass(frozen=True)
class Snapshot:
    """Both lists of one user, by medium and id; None for a list that is not covered."""

    user: User
    taken_at: datetime
    source: Source
    covers: Covers
    lists: Mapping[str, TitleList | None]
    note: str = ""
    suspicious: tuple[str, ...] = ()
    """Why the list is not to be trusted, as it was judged when it was read."""

    @property
    def counts(self) -> dict[str, int | None]:
        """Entries by medium; None for a list that is not covered."""
        return {name: None if titles is None else len(titles) for name, titles in self.lists.items()}

    @cached_property
    def digest(self) -> str:
        """`sha256:` and the hex SHA-256 over the canonical JSON of `{"anime": {id: list_status}, "manga": {id: list_status}}`."""
        return digest_of(
            {
                name: None if titles is None else [member(entry.id, entry.list_status) for entry in titles.values()]
                for name, titles in self.lists.items()
            }
        )

    @property
    def keys(self) -> set[tuple[str, int]]:
        """What names each entry: its medium's name and MAL's id."""
        return {(name, id) for name, titles in self.lists.items() for id in titles or ()}

    def entries(self, medium: Medium) -> TitleList:
        """The list of `medium`; empty where it is not covered."""
        return self.lists.get(medium.name) or {}

    def list_status(self, medium: Medium, id: int) -> ListStatus | None:
        """The user's data for one title; None where it is not on the list."""
        entry = self.entries(medium).get(id)
        return None if entry is None else entry.list_status

    def known_as(self, source: Source) -> "Snapshot":
        """The same lists with another account of where they came from."""
        return replace(self, source=source)


def whole(lists: Mapping[str, TitleList | None]) -> Covers:
    """What a reading through the API covers: every field of each list that was read."""
    return {name: None if lists.get(name) is None else medium.names for name, medium in MEDIA.items()}


def canonical(list_status: ListStatus) -> bytes:
    """RFC 8785 (JCS) of one entry's data.

    orjson with sorted keys writes the same bytes for strings, booleans and integers within 2^53 under ASCII names; anything
    else takes the exact path, where an integer beyond 2^53 is, as the RFC has it, the nearest IEEE double. Raises ValueError
    for data that is nested too deep to be written.
    """
    if _is_plain(list_status):
        try:
            written = orjson.dumps(list_status, option=_SORTED_AND_SAFE)
        except orjson.JSONEncodeError:
            pass  # an integer beyond 2^53
        else:
            # Names sort by UTF-16 units there and by UTF-8 bytes here, which differ beyond the basic plane.
            if written.isascii() or "".join(list_status).isascii():
                return written
    import rfc8785

    return rfc8785.dumps(_as_doubles(list_status))


def member(id: int, list_status: ListStatus) -> bytes:
    """One member of the canonical JSON's lists: `"id":{...}`. Sorted as bytes, members stand in the order of their keys."""
    return b'"%d":%b' % (id, canonical(list_status))


def digest_of(members: Mapping[str, Collection[bytes] | None]) -> str:
    """The digest from each list's members in any order, for callers that have them already."""
    hashed = hashlib.sha256()
    for place, name in enumerate(sorted(MEDIA)):
        found = members.get(name)
        hashed.update(b'%b"%b":' % (b"," if place else b"{", name.encode()))
        if found is None:
            hashed.update(b"null")
        else:
            # In three pieces: to put the braces around megabytes would copy them.
            hashed.update(b"{")
            hashed.update(b",".join(sorted(found)))
            hashed.update(b"}")
    hashed.update(b"}")
    return "sha256:" + hashed.hexdigest()


def _is_plain(list_status: ListStatus) -> bool:
    # A hundred thousand values a list, and each list is written twice in a backup: one look at each, and no call.
    for item in list_status.values():
        kind = type(item)
        if kind is list:
            if item and not _TEXT_ONLY.issuperset(map(type, item)):  # type: ignore[arg-type]
                return False
        elif kind not in _PLAIN_TYPES:
            return False
    return True


def _as_doubles(item: Json, room: int = _DEEPEST) -> Json:
    if not room:
        raise ValueError(f"a value is nested more than {_DEEPEST} deep")
    if isinstance(item, dict):
        return {name: _as_doubles(part, room - 1) for name, part in item.items()}
    if isinstance(item, list):
        return [_as_doubles(part, room - 1) for part in item]
    if isinstance(item, int) and not -LARGEST_EXACT <= item <= LARGEST_EXACT:
        return float(item)
    return item
