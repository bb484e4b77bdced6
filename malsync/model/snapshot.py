"""A snapshot: both lists of a MAL user at the time of a read, and the digest that verifies them."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

import orjson

from malsync.model.entry import Key, TitleList
from malsync.model.medium import LARGEST_EXACT, MEDIA, Json, ListStatus, Medium
from malsync.model.plain_text import is_encoded, is_what_was_sent, plain_status, plain_value, text_fields, texts_of

Source = Literal["backup", "before-run", "after-run", "import", "public"]
AROUND_RUNS: frozenset[Source] = frozenset({"before-run", "after-run"})
"""The sources of lists that were stored before or after a run. No user has chosen to keep them."""
BACKUPS: frozenset[Source] = frozenset({"backup", "public"})
"""The sources of lists that were read from MAL to keep them."""
Covers = dict[str, tuple[str, ...] | None]
"""By medium, the names of the fields that a snapshot covers; None if it does not cover the list."""
Encoded = Mapping[str, Collection[str]]
"""By medium, the names of the fields whose text is HTML-encoded, as MAL returns comments."""
Written = Mapping[Key, Mapping[str, tuple[Json, Json]]]
"""What malsync last wrote into entries, by medium and id: of each field what was sent and what MAL answered, None if unknown."""
PLAIN: Encoded = {}
"""No field is encoded: every text is as its user wrote it."""

_DEEPEST = 100  # orjson stops at 254; no known member of a list is nested
_PLAIN_TYPES = frozenset({str, bool, int, type(None)})
_TEXT_ONLY = frozenset({str})
_SORTED_AND_SAFE = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


@dataclass(frozen=True, slots=True)
class User:
    """A MAL user: the API's origin and the user's id. The id is None for a public list, which is read by name."""

    origin: str
    id: int | None
    name: str

    @property
    def key(self) -> tuple[str, int | str]:
        """The identity of the user: the id if it is known, since names change and differ in case."""
        return self.origin, self.name.lower() if self.id is None else self.id


def same_person(a: User, b: User) -> bool:
    """Return whether two MAL users are the same, by name if an id is missing. A user without id and name matches every user."""
    if any(user.id is None and not user.name for user in (a, b)):
        return True
    if a.id is None or b.id is None:
        return a.origin == b.origin and a.name.lower() == b.name.lower()
    return a.key == b.key


@dataclass(frozen=True)
class Snapshot:
    """Both lists of a user, by medium and id; None for a list that is not covered."""

    user: User
    taken_at: datetime
    source: Source
    covers: Covers
    lists: Mapping[str, TitleList | None]
    note: str = ""
    suspicious: tuple[str, ...] = ()
    """The reasons why the list looked suspicious when it was read."""
    encoded_as: Encoded | None = field(default=None, compare=False)
    """Which fields are encoded, where that is known already; None: the lists themselves decide."""
    written: Written = field(default_factory=dict, compare=False)
    """Texts that malsync wrote into a live list before it was read."""
    read_at: datetime | None = field(default=None, compare=False)
    """For a live list, the time of the read by this machine's clock; `taken_at` is MAL's time. Not stored."""

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
    def keys(self) -> set[Key]:
        """The keys of all entries."""
        return {(name, id) for name, titles in self.lists.items() for id in titles or ()}

    @cached_property
    def encoded(self) -> Encoded:
        """Which fields are HTML-encoded. Text from files of others never is; of a list from MAL, the list decides."""
        if self.encoded_as is not None:
            return self.encoded_as
        return judged(self.lists, self.written) if is_from_mal(self.source, self.user, self.covers) else PLAIN

    @cached_property
    def plain(self) -> "Snapshot":
        """The same lists with every text as its user wrote it: what is compared, planned, sent, shown and exported."""
        if self.encoded_as is PLAIN:
            return self
        if not any(self.encoded.values()) and not self.written:
            return replace(self, encoded_as=PLAIN)
        lists = {
            name: None if titles is None else self._plain_list(name, titles) for name, titles in self.lists.items()
        }
        return replace(self, lists=lists, encoded_as=PLAIN, written={})

    def judged_like(self, other: "Snapshot") -> "Snapshot":
        """The same lists, with no field taken for encoded that `other` shows not to be.

        A list may have lost the one comment that showed it. Had the encoding changed, no text with an entity would have stayed
        the same; so where one did, it is still as it was. Files of others, and texts that were decoded already, say nothing of
        how MAL shows a text.
        """
        if any(one.encoded_as is PLAIN or not is_from_mal(one.source, one.user, one.covers) for one in (self, other)):
            return self
        kept = {
            name: [
                field
                for field in fields
                if field in other.encoded.get(name, ()) or not _stays(name, field, self, other)
            ]
            for name, fields in self.encoded.items()
        }
        return (
            self if all(len(kept[name]) == len(self.encoded[name]) for name in kept) else replace(self, encoded_as=kept)
        )

    def _plain_list(self, name: str, titles: TitleList) -> TitleList:
        encoded, plain = self.encoded.get(name, ()), {}
        for id, entry in titles.items():
            status = plain_status(entry.list_status, encoded)
            ours = self.written.get((name, id), {})
            known = {
                one: sent
                for one, (sent, answered) in ours.items()
                if _is_ours(sent, answered, entry.list_status.get(one))
            }
            plain[id] = (
                entry if status is entry.list_status and not known else entry._replace(list_status={**status, **known})
            )
        return plain

    def entries(self, medium: Medium) -> TitleList:
        """Return the list of `medium`; an empty one if it is not covered."""
        return self.lists.get(medium.name) or {}

    def list_status(self, medium: Medium, id: int) -> ListStatus | None:
        """Return the user's data for a title, or None if it is not on the list."""
        entry = self.entries(medium).get(id)
        return None if entry is None else entry.list_status

    def with_source(self, source: Source) -> "Snapshot":
        """Return the same lists with another source."""
        return replace(self, source=source)


def plain_together(*snapshots: Snapshot) -> tuple[Snapshot, ...]:
    """Return each of these snapshots with plain text, so that texts can be compared among them."""
    result = []
    for snapshot in snapshots:
        for other in snapshots:
            snapshot = snapshot.judged_like(other) if other is not snapshot else snapshot
        result.append(snapshot.plain)
    return tuple(result)


def _stays(name: str, field: str, a: Snapshot, b: Snapshot) -> bool:
    """Return whether both lists have the same text with an entity under the same title."""
    others = b.lists.get(name) or {}
    for id, entry in (a.lists.get(name) or {}).items():
        text = entry.list_status.get(field)
        if id in others and text == others[id].list_status.get(field) and plain_value(text) != text:
            return True
    return False


def judged(lists: Mapping[str, TitleList | None], written: Written) -> Encoded:
    """Return which fields of `lists`, which came from MAL, are HTML-encoded. Each is decided over the whole list."""
    found: dict[str, tuple[str, ...]] = {}
    for medium in MEDIA.values():
        statuses = {id: entry.list_status for id, entry in (lists.get(medium.name) or {}).items()}
        ours = [
            (fields, statuses[id]) for (name, id), fields in written.items() if name == medium.name and id in statuses
        ]
        found[medium.name] = tuple(
            one.name
            for one in text_fields(medium)
            if is_encoded(
                (text for status in statuses.values() for text in texts_of(status.get(one.name))),
                _as_shown(one.name, ours),
            )
        )
    return found


def _as_shown(
    name: str, ours: Iterable[tuple[Mapping[str, tuple[Json, Json]], ListStatus]]
) -> Iterator[tuple[str, str]]:
    """Yield each text that malsync wrote into the field `name` and that is still there, with what the list shows for it."""
    for fields, status in ours:
        if name in fields and _is_ours(*fields[name], status.get(name)):
            yield from zip(texts_of(fields[name][0]), texts_of(status.get(name)), strict=True)


def _is_ours(sent: Json, answered: Json, shown: Json) -> bool:
    """Return whether an entry shows what malsync sent, in either form and unchanged since MAL answered."""
    return is_what_was_sent(sent, shown) and answered in (None, shown)


def is_from_mal(source: Source, user: User, covers: Covers) -> bool:
    """Return whether a list was read through MAL's API, here or by the program that exported the file.

    Lists from other files have text as its user wrote it. MAL's XML does not know when an entry was updated, and a list of
    another service has no MAL user.
    """
    if source != "import":
        return True
    has_no_user = user.id is None and not user.name
    return not has_no_user and any("updated_at" in (names or ()) for names in covers.values())


def whole(lists: Mapping[str, TitleList | None]) -> Covers:
    """Return what a read through the API covers: every field of each list that was read."""
    return {name: None if lists.get(name) is None else medium.names for name, medium in MEDIA.items()}


def canonical(list_status: ListStatus) -> bytes:
    """Serialize the data of an entry by RFC 8785 (JCS).

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
    """Serialize a member of a list in canonical JSON: `"id":{...}`. Sorting members as bytes sorts them by key."""
    return b'"%d":%b' % (id, canonical(list_status))


def digest_of(members: Mapping[str, Collection[bytes] | None]) -> str:
    """Return the digest of lists whose members, in any order, are serialized already."""
    hashed = hashlib.sha256()
    for place, name in enumerate(sorted(MEDIA)):
        serialized = members.get(name)
        hashed.update(b'%b"%b":' % (b"," if place else b"{", name.encode()))
        if serialized is None:
            hashed.update(b"null")
        else:
            # In three pieces, because adding the braces would copy megabytes.
            hashed.update(b"{")
            hashed.update(b",".join(sorted(serialized)))
            hashed.update(b"}")
    hashed.update(b"}")
    return "sha256:" + hashed.hexdigest()


def _is_plain(list_status: ListStatus) -> bool:
    # A list has a hundred thousand values and is serialized twice in a backup, so this calls no function for each.
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
