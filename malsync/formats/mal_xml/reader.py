"""MAL's XML export as a snapshot: today's layout and that of 2008, anime and manga, every value where it belongs.

The file is believed no more than any stranger's: DTDs and entities are refused (defusedxml), and what cannot be understood
is named with its line rather than passed over. A snapshot of it covers what its entries say, so never `updated_at`, and of an
older layout less; what a row has no element for is unknown to that entry.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.parsers.expat import ErrorString

from malsync.clock import has_local_time
from malsync.errors import UsageError
from malsync.formats.mal_xml.layout import INFO, KEPT, LAYOUTS, RANGED, ROOT, STATUS, TYPES, Element, Layout, fact
from malsync.model.entry import Entry, TitleList
from malsync.model.medium import LARGEST_EXACT, MEDIA, ListStatus, Medium
from malsync.model.snapshot import PLAIN, Covers, Snapshot, User
from malsync.model.timestamps import parse_timestamp, to_the_millisecond
from malsync.planning.writable import why_not_writable
from malsync.text import short_repr, shorten

if TYPE_CHECKING:
    from malsync.formats.mal_xml.repair import Repair

_ANOTHER = "Use another copy of the file, or export it anew: https://myanimelist.net/panel.php?go=export"
_MEND = "Mend that line in the file; nothing was stored."
_DEEPEST = 3  # the export, an entry, an element of it
_WRITTEN = re.compile(r"\btaken at (\S{1,40}Z)\b")
_EPOCH = re.compile(r"(?:anime|manga)list_(\d{9,11})_")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00")


TimedBy = Literal["file", "name", "modified"]
"""Where a list's time stood: in the file, in the name that MAL gave it, or nowhere, so that the file's modification counts."""


@dataclass(frozen=True)
class ImportedList:
    """What a file holds, what was mended in it to read it, and what one should know of it.

    `facts` are what it says of the titles themselves, by medium and id: columns of the catalogue, no part of a snapshot.
    `timed_by` is what the snapshot's time was taken from.
    """

    snapshot: Snapshot
    repairs: "tuple[Repair, ...]" = ()
    remarks: tuple[str, ...] = ()
    facts: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    timed_by: TimedBy = "file"


def decode(content: bytes, name: str, *, origin: str, written: datetime, repair: bool = False) -> ImportedList:
    """The list in `content`, of the MAL user that it names at the API of `origin`; `name` is what an error calls it.

    Its time is the one that malsync wrote into it, else the one in the name that MAL gave it, else `written`. With `repair`,
    a file that is not well-formed is mended first. Raises UsageError that names the line for a file that is no such export,
    and for an entry without an id, an id that stands twice, and a value that cannot be understood or that MAL does not
    support. An empty status, which MAL's own exports contain (docs/mal.md#xml-exports), is no status.
    """
    try:
        return _read(content, name, origin, written)
    except _Malformed as error:
        from malsync.formats.mal_xml.repair import mend

        mended, repairs = mend(content)
        if not (repair and repairs):
            if repairs:
                raise UsageError(error.message, advice="repair the file") from error
            raise UsageError(error.message, _ANOTHER) from error
    try:
        return replace(_read(mended, name, origin, written), repairs=repairs)
    except _Malformed as error:
        raise UsageError(error.message, _ANOTHER) from error


class _Malformed(UsageError):
    """The file is no well-formed XML."""


def _read(content: bytes, name: str, origin: str, written: datetime) -> ImportedList:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    export = _Export(name)
    parser = DefusedXMLParser(target=export, forbid_dtd=True)
    expat = export.place = parser.parser
    # Past ElementTree's own methods in between, which cost as much as ours: it is 23 elements an entry.
    expat.StartElementHandler, expat.EndElementHandler = export.start, export.end
    expat.CharacterDataHandler = export.texts.append
    # Called for each end of a CDATA section, and of use in documents with a DTD alone, which are refused before.
    expat.DefaultHandlerExpand = None
    try:
        parser.feed(_with_its_line_ends(content))
        parser.close()
    except ParseError as error:
        line, column = error.position
        raise _Malformed(
            f"{name} is not well-formed XML: line {line}, column {column + 1}: {ErrorString(error.code)}."
        ) from error
    except DefusedXmlException as error:
        raise export.error("it declares a document type or entities, which no MAL export does", _ANOTHER) from error
    except (ValueError, LookupError) as error:
        raise _Malformed(f"{name} has an encoding that cannot be read: {error}.") from error
    taken_at, timed_by = _moment(export.said, name, written)
    return replace(export.reading(origin, taken_at), timed_by=timed_by)


_CDATA = re.compile(rb"<!\[CDATA\[.*?\]\]>", re.DOTALL)


def _with_its_line_ends(content: bytes) -> bytes:
    """`content` with the carriage returns kept that are in its texts.

    A browser's text box ends lines with CR LF, and a parser makes that LF (XML 1.0, 2.11). In a file whose own lines end with
    LF they are the comment's own, so they are kept; in one whose lines all end so, nobody can tell.
    """
    first = content.find(b"\n")
    if b"\r" not in content or content[max(first - 1, 0) : first] == b"\r" or content.startswith(_WIDE):
        return content
    return _CDATA.sub(lambda match: match[0].replace(b"\r", b"]]>&#13;<![CDATA["), content)


def _moment(comment: str, name: str, written: datetime) -> tuple[datetime, TimedBy]:
    """When the list was taken, to the millisecond, and what says so."""
    said, epoch = _WRITTEN.search(comment), _EPOCH.match(Path(name).name)
    moment = written
    timed_by: TimedBy = "modified"
    try:
        if said:
            moment, timed_by = parse_timestamp(said[1]), "file"
        elif epoch:
            moment, timed_by = datetime.fromtimestamp(int(epoch[1]), UTC), "name"
    except (ValueError, OverflowError, OSError):
        pass
    if not has_local_time(moment):
        moment, timed_by = written, "modified"
    return to_the_millisecond(moment), timed_by


class _Export:
    """What the parser tells of the file, put together: the lists, and who they are of."""

    def __init__(self, name: str) -> None:
        self.place: Any = None
        self.said = ""
        self._name = name
        self._info: dict[str, str] = {}
        self._lists: dict[str, TitleList] = {}
        self._facts: dict[str, dict[int, dict[str, Any]]] = {}
        self._lines: dict[tuple[str, int], int] = {}
        self._shapes: dict[str, dict[int, frozenset[str]]] = {}
        self._seen: dict[frozenset[str], frozenset[str]] = {}
        self._strange: dict[str, int] = {}
        self._depth = 0
        self.texts: list[str] = []
        self._told_of: dict[str, dict[tuple[str, str], ListStatus]] = {}
        self._without_status: dict[str, list[str]] = {}
        # Of the entry that is being read:
        self._of = ""
        self._layout: Layout | None = None
        self._line = 0
        self._found: dict[str, str] = {}
        self._status: ListStatus = {}
        self._told: dict[tuple[str, str], ListStatus] = {}

    # -- what the parser calls: 23 times an entry, so what happens each time is done here and at once

    def start(self, tag: str, attributes: Sequence[str]) -> None:  # noqa: ARG002
        """An element begins."""
        self.texts.clear()
        self._depth = depth = self._depth + 1
        if depth != _DEEPEST:
            self._enter(tag)

    def end(self, tag: str) -> None:
        """An element ends."""
        depth = self._depth
        self._depth = depth - 1
        if depth != _DEEPEST:
            if depth == 2:
                self._leave()
            return
        texts, found = self.texts, self._found
        text = texts[0] if len(texts) == 1 else "".join(texts)
        if tag in found and self._layout is not None:
            raise self.error(f"{tag} stands twice in one {self._of}")
        found[tag] = text
        told = self._told.get((tag, text))
        if told is None and self._layout is not None:
            told = self._told_by(self._layout, tag, text)
        if told:
            self._status.update(told)

    def comment(self, text: str) -> None:
        """A comment. The first one may say when malsync wrote the file."""
        self.said = self.said or text

    def close(self) -> None:
        """The end of the file."""

    # -- an entry

    def _enter(self, tag: str) -> None:
        """What is no element of an entry begins: the export, an entry, or something that has no place there."""
        if self._depth == 1 and tag != ROOT:
            raise self.error(f"it is XML, but not a MAL export: it begins with {short_repr(tag)}", _ANOTHER)
        if self._depth == 2:
            self._of, self._layout, self._line = tag, LAYOUTS.get(tag), self.place.CurrentLineNumber
            self._found, self._status = {}, {}
            self._told = self._told_of.setdefault(tag, {})
            if self._layout is None and tag != INFO:
                self._strange.setdefault(tag, self._line)
        if self._depth > _DEEPEST and self._of not in self._strange:
            raise self.error(f"an element {short_repr(tag)} stands where there should be text")

    def _leave(self) -> None:
        if self._layout is not None:
            self._finish(self._layout)
        elif self._of == INFO:
            self._info = {name: text.strip() for name, text in self._found.items()}

    def _told_by(self, layout: Layout, tag: str, text: str) -> ListStatus:
        """The members that an element fills. Most texts come again and again, so what they tell is kept."""
        if tag in layout.passed_over:
            if tag not in (layout.id, layout.title):
                self._told[tag, text] = {}
            return {}
        element = layout.by_name.get(tag)
        if element is None:
            return {KEPT + tag: text}
        try:
            told = _told(layout.medium, element, text)
        except ValueError as error:
            which = self._which(layout, self._found.get(layout.id, "").strip())
            raise self.error(f"{tag} is {short_repr(text)}; {error}: {which}") from error
        if not element.code.cdata or not text:
            self._told[tag, text] = told
        return told

    def _which(self, layout: Layout, id: int | str) -> str:
        """The entry that is being read, as a message names it."""
        title = self._found.get(layout.title, "").strip()
        return f"{layout.medium.name} {id} ({shorten(title) or 'no title'})"

    def _finish(self, layout: Layout) -> None:
        medium, title = layout.medium.name, self._found.get(layout.title, "").strip()
        said = self._found.get(layout.id, "").strip()
        id = _id(said)
        if id is None:
            which = f" ({shorten(title)})" if title else ""
            what = f"the id {short_repr(said)}" if said else "no id"
            raise self.error(f"the {medium}{which} has {what} in {layout.id}", line=self._line)
        if (medium, id) in self._lines:
            raise self.error(
                f"{medium} {id} ({shorten(title)}) stands on line {self._lines[medium, id]} already", line=self._line
            )
        self._lines[medium, id] = self._line
        self._lists.setdefault(medium, {})[id] = Entry(id, title, self._status)
        self._keep_facts(layout, id)
        shape = frozenset(self._found)
        if STATUS in shape and "status" not in self._status:
            # MAL's own exports have it so: what the status is, such a row does not say.
            shape -= {STATUS}
            self._without_status.setdefault(medium, []).append(f"line {self._line}: {self._which(layout, id)}")
        self._shapes.setdefault(medium, {})[id] = self._seen.setdefault(shape, shape)

    def _keep_facts(self, layout: Layout, id: int) -> None:
        facts = {column: fact(column, self._found.get(tag, "")) for tag, column in layout.facts.items()}
        if any(facts.values()):
            self._facts.setdefault(layout.medium.name, {})[id] = facts

    # -- the whole

    def error(self, what: str, hint: str = _MEND, *, line: int | None = None) -> UsageError:
        """What is wrong on a line, by default the one that is being read."""
        return UsageError(f"{self._name}, line {line or self.place.CurrentLineNumber}: {what}.", hint)

    def reading(self, origin: str, taken_at: datetime) -> ImportedList:
        """The snapshot, and remarks. Raises UsageError where the file does not even say which list it is of."""
        said = TYPES.get(self._info.get("user_export_type", ""))
        told = [medium for medium, layout in LAYOUTS.items() if layout.total in self._info]
        media = [medium for medium in MEDIA if medium in self._lists] or told[:1] or ([said] if said else [])
        if not media:
            raise UsageError(
                f"{self._name} holds no entries, and does not say whether it is of anime or of manga.", _ANOTHER
            )
        remarks = [f"{self._name}: <{tag}> on line {line} is passed over." for tag, line in self._strange.items()]
        if said and said not in media:
            kind = LAYOUTS[media[0]].export_type
            remarks.append(
                f"{self._name} says that it is of {said} (user_export_type) and holds {media[0]}: read as {media[0]}. "
                f"MAL refuses such a file; one that malsync exports says {kind}."
            )
        for which in self._without_status.values():
            more = f", and so have {len(which) - 1:,} more" if len(which) > 1 else ""
            remarks.append(f"{self._name}, {which[0]} has an empty my_status{more}: read without a status.")
        covers: Covers = {name: self._covered(medium) if name in media else None for name, medium in MEDIA.items()}
        lists = {name: None if names is None else self._with_gaps(name, names) for name, names in covers.items()}
        snapshot = Snapshot(self._user(origin), taken_at, "import", covers, lists, encoded_as=PLAIN)
        return ImportedList(snapshot, remarks=tuple(remarks), facts=self._facts)

    def _user(self, origin: str) -> User:
        return User(origin, _id(self._info.get("user_id", "")), self._info.get("user_name", ""))

    def _covered(self, medium: Medium) -> tuple[str, ...]:
        """The fields that any entry says something of; in a file without entries, all that the layout has."""
        by_name = LAYOUTS[medium.name].by_name
        shapes = self._shapes.get(medium.name)
        said = frozenset[str]().union(*set(shapes.values())) if shapes else frozenset(by_name)
        if medium.name in self._without_status:
            said |= {STATUS}
        members = {by_name[name].member for name in said & by_name.keys()}
        return tuple(name for name in medium.names if name in members)

    def _with_gaps(self, name: str, covered: tuple[str, ...]) -> TitleList:
        """The list, each entry with the covered fields that its row has no element for: Kitsu writes only what is set."""
        by_name, titles, shapes = LAYOUTS[name].by_name, self._lists.get(name, {}), self._shapes.get(name, {})
        unknown = {
            shape: frozenset(covered) - {by_name[tag].member for tag in shape & by_name.keys()}
            for shape in set(shapes.values())
        }
        if not any(unknown.values()):
            return titles
        return {id: entry._replace(unknown=unknown[shapes[id]]) for id, entry in titles.items()}


def _told(medium: Medium, element: Element, text: str) -> ListStatus:
    """The members that the text of `element` fills. Raises ValueError that says what it should have been."""
    code = element.code
    if element.name == STATUS and not text.strip():
        return {}
    if element.member.startswith(KEPT):
        text = text if code.cdata else text.strip()
        return {} if text == element.unset else {element.member: text}
    value = code.read(text)
    if value is not None and medium.by_name[element.member].kind in RANGED:
        why = why_not_writable(medium, element.member, value)
        if why is not None:
            raise ValueError(why)
    told: ListStatus = {} if value is None else {element.member: value}
    if code.keeps_spelling and not code.says_all(text, value):
        told[KEPT + element.name] = text
    return told


def _id(text: str) -> int | None:
    """The id that a text says; None where it is none that anything at MAL can have."""
    is_one = text.isascii() and text.isdecimal() and len(text) <= 16 and 0 < int(text) <= LARGEST_EXACT
    return int(text) if is_one else None
