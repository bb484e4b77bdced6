"""MAL's XML export as a table: its elements in their order, what each one is in a `list_status`, and how its text spells it.

The reader, the writer and the list of what XML cannot know are all derived from here. Layouts and vocabulary are those
that 23 public exports show (docs/mal.md#xml-exports): that of today, 1.1.0, and what that of 2008 has beside it.

What only XML has is kept in the `list_status` as `xml_` and the element's name, as the text that stood there. To the rest of
malsync these are members like any that it does not know: kept, shown, never planned, never sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import orjson

from malsync.model.medium import ANIME, MANGA, Json, Kind, Medium

KEPT = "xml_"
"""What the name of a member begins with that only XML has."""
ROOT = "myanimelist"
INFO = "myinfo"
UPDATE = "update_on_import"
STATUS = "my_status"
RANGED = {Kind.NUMBER, Kind.DATE}
"""The kinds of field whose values may be ones that MAL does not support, although their text can be understood."""
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that no XML 1.0 document may hold, however they are written (XML 1.0, production 2)."""

Facts = Mapping[int, Mapping[str, Any]]
"""What is known of titles: by id, the values of the catalogue's columns."""
_NUMBER = re.compile(r"-?[0-9]{1,20}")
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


class Code:
    """How an element's text spells a value. `cdata`: in a CDATA section, where every blank counts."""

    cdata = False
    keeps_spelling = False
    """Whether texts that say different things may come to one value, so that the text is kept beside it."""

    def spell(self, value: Json) -> str:
        """The text for `value`. What cannot be said at all comes out as something that `read` refuses or reads otherwise."""
        return value if isinstance(value, str) else orjson.dumps(value).decode()

    def read(self, text: str) -> Json:
        """The value that `text` spells; None where there is none. Raises ValueError that says what it should have been."""
        return text

    def says_all(self, text: str, value: Json) -> bool:
        """Whether `value` holds all that `text` says."""
        return self.spell(value) == text


class Text(Code):
    """Anything at all, as it stands."""

    cdata = True

    def spell(self, value: Json) -> str:
        """Without the characters that XML forbids."""
        return FORBIDDEN.sub("", super().spell(value))


class Number(Code):
    """A whole number; nothing is 0."""

    def spell(self, value: Json) -> str:
        """A whole number written as another kind of number (8.0) too."""
        return str(int(value)) if isinstance(value, float) and value.is_integer() else super().spell(value)

    def read(self, text: str) -> Json:
        """The number."""
        if not (text := text.strip()):
            return 0
        if not _NUMBER.fullmatch(text):
            raise ValueError("a whole number was expected")
        return int(text)


class Flag(Code):
    """Yes or no, in the words of one medium: anime have 1 and 0, manga YES and NO; old files, nothing for no."""

    _WORDS: Mapping[str, bool] = {"": False, "0": False, "no": False, "1": True, "yes": True}

    def __init__(self, no: str, yes: str) -> None:
        self._texts = (no, yes)

    def spell(self, value: Json) -> str:
        """The medium's word."""
        return self._texts[value] if isinstance(value, bool) else super().spell(value)

    def read(self, text: str) -> Json:
        """Either medium's words."""
        found = self._WORDS.get(text.strip().lower())
        if found is None:
            raise ValueError(f"{self._texts[0]} or {self._texts[1]} was expected")
        return found


class Words(Code):
    """A value from a list of words; `others` are read too. A number that has no word is written, and read, as a number."""

    def __init__(self, texts: Mapping[str | int, str], others: Mapping[str, str | int]) -> None:
        self._texts = texts
        self._values = {text.lower(): value for value, text in texts.items()} | dict(others)
        self._numbers = all(isinstance(value, int) for value in texts)

    def spell(self, value: Json) -> str:
        """The word for it."""
        known = self._texts.get(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
        return super().spell(value) if known is None else known

    def read(self, text: str) -> Json:
        """The value, whatever the word's case."""
        text = text.strip()
        found = self._values.get(text.lower())
        if found is not None:
            return found
        if self._numbers and _NUMBER.fullmatch(text):
            return int(text)
        raise ValueError(f"one of {', '.join(filter(None, self._texts.values()))} was expected")


class Date(Code):
    """A day, a month (2021-12-00) or a year (2021-00-00), which the API writes as 2021-12 and 2021."""

    keeps_spelling = True

    def spell(self, value: Json) -> str:
        """A date that the API wrote, filled up with zeros."""
        text = "0000" if value is None else super().spell(value)
        return text + "-00" * (2 - text.count("-")) if _DATE.fullmatch(text) else text

    def read(self, text: str) -> Json:
        """As much of the date as the API can say. A day that nobody entered is never invented."""
        year, month, day = self._parts(text)
        if year == "0000":
            return None
        if month == "00":
            return year
        return f"{year}-{month}" if day == "00" else f"{year}-{month}-{day}"

    def says_all(self, text: str, value: Json) -> bool:  # noqa: ARG002
        """Not where a part is missing that a smaller one needs: a month of no year, a day of no month."""
        if "-00" not in text and "0000" not in text:
            return True
        year, month, day = (int(part) for part in self._parts(text))
        return not ((day and not month) or (month and not year))

    @staticmethod
    def _parts(text: str) -> tuple[str, str, str]:
        match = _DATE.fullmatch(text.strip() or "0000")
        if match is None:
            raise ValueError("a date as 2021-12-31, 2021-12-00 or 2021-00-00 was expected")
        return match[1], match[2] or "00", match[3] or "00"


class Tags(Code):
    """One text with commas. Where each comma has a blank after it, so that it looks joined by both, it is cut at both.

    Elsewhere people wrote it (real lists have `,malSync::...::` and prose): it is cut at its commas, and blanks around a
    tag are no part of it. MAL has no empty tag.
    """

    cdata = True
    keeps_spelling = True

    def spell(self, value: Json) -> str:
        """Joined, without the characters that XML forbids."""
        tags = value if isinstance(value, list) else [value]
        return FORBIDDEN.sub("", ", ".join(super(Tags, self).spell(tag) for tag in tags))

    def read(self, text: str) -> Json:
        """The tags."""
        if text.count(",") == text.count(", "):
            return [tag for tag in text.split(", ") if tag]
        return [tag.strip() for tag in text.split(",") if tag.strip()]


@dataclass(frozen=True)
class Element:
    """One element of an entry: the member of the `list_status` that it is, and its text where that is not set.

    `optional`: it is written only where it is set, for the layout of today has it not.
    """

    name: str
    member: str
    code: Code
    unset: str
    optional: bool = False


@dataclass(frozen=True)
class Layout:
    """An entry of one medium. `id` and `title` name the title; `facts` are what the export says of it, by the catalogue's
    column; then come the elements that are the user's, in their order."""

    medium: Medium
    export_type: str
    id: str
    title: str
    facts: Mapping[str, str]
    elements: tuple[Element, ...]

    @cached_property
    def by_name(self) -> dict[str, Element]:
        """Every element of the user's by its name."""
        return {element.name: element for element in self.elements}

    @cached_property
    def passed_over(self) -> frozenset[str]:
        """The elements that say nothing of the user's: which title it is, and what, and whether an import overwrites."""
        return frozenset({*self.facts, UPDATE, self.id, self.title})

    @cached_property
    def by_member(self) -> dict[str, Element]:
        """Every element of the user's by the member that it is."""
        return {element.member: element for element in self.elements}

    @cached_property
    def totals(self) -> dict[str, str]:
        """What counts the entries of each status in `myinfo`, by status."""
        return {status: f"user_total_{status.replace('_', '')}" for status in self.medium.statuses}

    @property
    def total(self) -> str:
        """What counts all entries in `myinfo`."""
        return f"user_total_{self.medium.name}"


_RATING = ("", "Very Low", "Low", "Medium", "High", "Very High")
_BLANKS: Mapping[type[Code], Json] = {Number: 0, Flag: False, Words: 0, Date: None, Tags: []}


def _of(name: str, member: str, code: Code) -> Element:
    """An element that the API knows too."""
    return Element(name, member, code, "" if isinstance(code, Text) else code.spell(_BLANKS[type(code)]))


def _kept(name: str, unset: str = "", *, code: Code | None = None, optional: bool = False) -> Element:
    """An element that only XML has."""
    return Element(name, KEPT + name, code or Code(), unset, optional)


_STATUSES = {"on_hold": "On-Hold", "plan_to_watch": "Plan to Watch", "plan_to_read": "Plan to Read"}


def _status(medium: Medium, other: Medium) -> Element:
    """MAL's words for the statuses; the other medium's are read too, for Shikimori once wrote Plan to Read for anime."""
    words = {status: _STATUSES.get(status) or status.capitalize() for status in (*medium.statuses, *other.statuses)}
    texts: dict[str | int, str] = {status: words[status] for status in medium.statuses}
    pairs = zip(other.statuses, medium.statuses, strict=True)
    others = {words[theirs].lower(): ours for theirs, ours in pairs} | {"on hold": "on_hold"}  # Kitsu's spelling
    return Element(STATUS, "status", Words(texts, others), "")


def _priority(*texts: str) -> Element:
    return _of("my_priority", "priority", Words(dict(enumerate(texts)), {"": 0}))


def _value(name: str, member: str) -> Element:
    return _of(name, member, Words(dict(enumerate(_RATING)), {}))


_DATES = (_of("my_start_date", "start_date", Date()), _of("my_finish_date", "finish_date", Date()))
_SCORE = _of("my_score", "score", Number())
_COMMENTS = _of("my_comments", "comments", Text())
_TAGS = _of("my_tags", "tags", Tags())

_ANIME = Layout(
    medium=ANIME,
    export_type="1",
    id="series_animedb_id",
    title="series_title",
    facts={"series_type": "media_type", "series_episodes": "num_episodes"},
    elements=(
        _kept("my_id", "0"),
        _of("my_watched_episodes", "num_episodes_watched", Number()),
        *_DATES,
        _kept("my_rated"),
        _SCORE,
        _kept("my_dvd", optional=True),
        _kept("my_storage"),
        _kept("my_storage_value", "0.00"),
        _status(ANIME, MANGA),
        _COMMENTS,
        _of("my_times_watched", "num_times_rewatched", Number()),
        _value("my_rewatch_value", "rewatch_value"),
        _priority("LOW", "MEDIUM", "HIGH"),
        _TAGS,
        _of("my_rewatching", "is_rewatching", Flag("0", "1")),
        _kept("my_rewatching_ep", "0"),
        _kept("my_discuss", "1"),
        _kept("my_sns", "default"),
    ),
)
_MANGA = Layout(
    medium=MANGA,
    export_type="2",
    id="manga_mangadb_id",
    title="manga_title",
    facts={"manga_volumes": "num_volumes", "manga_chapters": "num_chapters"},
    elements=(
        _kept("my_id", "0"),
        _of("my_read_volumes", "num_volumes_read", Number()),
        _of("my_read_chapters", "num_chapters_read", Number()),
        *_DATES,
        _kept("my_scanalation_group", code=Text()),
        _SCORE,
        _kept("my_storage"),
        _kept("my_retail_volumes", "0"),
        _status(MANGA, ANIME),
        _COMMENTS,
        _of("my_times_read", "num_times_reread", Number()),
        _TAGS,
        _priority("Low", "Medium", "High"),
        _value("my_reread_value", "reread_value"),
        _of("my_rereading", "is_rereading", Flag("NO", "YES")),
        _kept("my_discuss", "YES"),
        _kept("my_sns", "default"),
    ),
)
LAYOUTS: dict[str, Layout] = {layout.medium.name: layout for layout in (_ANIME, _MANGA)}
"""Both layouts by the name of the medium, which is the entries' element too."""
TYPES = {layout.export_type: name for name, layout in LAYOUTS.items()}
"""`user_export_type`: which medium an export says that it holds."""


def media_type(word: str) -> str:
    """MAL's word in XML for the API's `media_type`: TV, TV Special, OVA, Movie."""
    return " ".join(part.upper() if part in _INITIALS else part.capitalize() for part in word.split("_"))


@lru_cache(maxsize=4096)
def fact(column: str, text: str) -> str | int | None:
    """What an export says of a title, as the catalogue has it in `column`; None where it knows nothing."""
    text = text.strip()
    if column == "media_type":
        word = text.lower().replace(" ", "_")
        return word if word not in ("", UNKNOWN.lower()) else None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) else None


_INITIALS = {"tv", "ova", "ona", "cm", "pv"}
UNKNOWN = "Unknown"
"""MAL's word for the type of a title of which it knows none."""
