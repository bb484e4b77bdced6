"""A list as MAL's XML export, so that MAL's own importer takes it, and whatever else reads such files.

Two things differ from what MAL writes: `update_on_import` is 1, for with MAL's 0 an import overwrites nothing, and the
comment at the top says who wrote it and when the list was taken. Each value is read back as it is written; what XML cannot
say is named.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from malsync.errors import UsageError
from malsync.formats.mal_xml.layout import (
    FORBIDDEN,
    INFO,
    KEPT,
    LAYOUTS,
    RANGED,
    ROOT,
    UNKNOWN,
    UPDATE,
    Code,
    Element,
    Facts,
    Layout,
    media_type,
)
from malsync.model.entry import Entry, same, value
from malsync.model.medium import Json, Kind, ListStatus, Medium
from malsync.model.snapshot import Snapshot
from malsync.model.timestamps import timestamp
from malsync.planning.writable import why_not_writable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_TOP = """<?xml version="1.0" encoding="UTF-8" ?>
<!--
 Created by malsync, in the layout of the XML Export feature at MyAnimeList.net
 Version 1.1.0
 The list was taken at {taken_at}
-->

"""


def encode(snapshot: Snapshot, medium: Medium, facts: Facts) -> tuple[list[bytes], list[str]]:
    """The export of one list, in pieces, by title; and what of the list it cannot say, a sentence each.

    `facts` has each title's type and length, where anybody knows them (MAL reads them from its own pages). Raises UsageError
    for a list that does not know every entry's status, since MAL would make up what is missing.
    """
    covered = snapshot.covers[medium.name] or ()
    layout = LAYOUTS[medium.name]
    if "status" not in covered:
        raise UsageError(
            f"This list does not know the status of its {medium.name}, and MAL's XML has no entry without one.",
            advice="export as JSON",
        )
    writer = _XmlWriter(layout, covered)
    titles = sorted(snapshot.plain.entries(medium).values(), key=lambda entry: (entry.title.casefold(), entry.id))
    pieces = [_TOP.format(taken_at=timestamp(snapshot.taken_at)).encode(), *_info(layout, snapshot)]
    pieces += (writer.entry(entry, facts.get(entry.id, {})) for entry in titles)
    pieces.append(f"</{ROOT}>\n".encode())
    return pieces, writer.losses()


def _info(layout: Layout, snapshot: Snapshot) -> Iterator[bytes]:
    titles = snapshot.entries(layout.medium).values()
    statuses = [entry.list_status.get("status") for entry in titles]
    said = {
        "user_id": str(snapshot.user.id or 0),
        "user_name": snapshot.user.name,
        "user_export_type": layout.export_type,
        layout.total: str(len(titles)),
        **{name: str(statuses.count(status)) for status, name in layout.totals.items()},
    }
    lines = "".join(f"\t\t<{name}>{_escaped(text)}</{name}>\n" for name, text in said.items())
    yield f"<{ROOT}>\n\n\t<{INFO}>\n{lines}\t</{INFO}>\n\n".encode()


class _XmlWriter:
    """Writes entries of one medium, and counts what it could not say. An element that the list knows nothing of is left out."""

    def __init__(self, layout: Layout, covered: tuple[str, ...]) -> None:
        self._layout = layout
        self._medium = layout.medium
        self._elements = [
            element for element in layout.elements if element.member in covered or element.member.startswith(KEPT)
        ]
        self._lines: dict[tuple[str, type, Json], tuple[str, str]] = {}
        self._known = {*self._medium.names, *layout.by_member}
        self._spellings = {KEPT + element.name for element in layout.elements if element.code.keeps_spelling}
        self._lost: dict[tuple[str, str], list[int]] = {}

    def entry(self, entry: Entry, facts: Mapping[str, Any]) -> bytes:
        """One entry."""
        name = self._medium.name
        lines = [
            f"\t<{name}>\n\t\t<{self._layout.id}>{entry.id}</{self._layout.id}>\n",
            self._title(entry),
            *(f"\t\t<{tag}>{_fact(column, facts.get(column))}</{tag}>\n" for tag, column in self._layout.facts.items()),
            # MAL's own exports write an empty status, and no importer expects a row without one.
            *(
                self._line(element, entry)
                for element in self._elements
                if element.member == "status" or element.member not in entry.unknown
            ),
        ]
        if not self._known >= entry.list_status.keys():
            lines += self._others(entry)
        lines.append(f"\t\t<{UPDATE}>1</{UPDATE}>\n\t</{name}>\n")
        return "".join(lines).encode()

    def losses(self) -> list[str]:
        """What could not be said, a sentence each."""
        found = []
        for (member, why), ids in self._lost.items():
            more = f" and {len(ids) - 1:,} more" if len(ids) > 1 else ""
            found.append(f"{member} of {self._medium.name} {ids[0]}{more}: {why}")
        return found

    def _title(self, entry: Entry) -> str:
        title = FORBIDDEN.sub("", entry.title)
        if title != entry.title:
            self._lose("title", "without the characters that XML forbids", entry)
        return _element(self._layout.title, title, cdata=True)

    def _line(self, element: Element, entry: Entry) -> str:
        """The element, spelled once for each value that is no list."""
        status = entry.list_status
        item = status.get(element.member)
        if element.code.keeps_spelling and isinstance(item, str | list | None):
            spelled = _spelling(self._medium, element, status)
            if spelled is not None:
                return _element(element.name, spelled, cdata=element.code.cdata)
        if isinstance(item, list | dict):
            line, lost = self._spelled(element, status)
        else:
            key = element.name, type(item), item
            if key not in self._lines:
                self._lines[key] = self._spelled(element, status)
            line, lost = self._lines[key]
        if lost:
            self._lose(element.member, lost, entry)
        return line

    def _spelled(self, element: Element, status: ListStatus) -> tuple[str, str]:
        """The element with its text, and why that does not say all, where it does not."""
        code = element.code
        if element.member.startswith(KEPT):
            item = status.get(element.member)
            if item is None:
                return ("" if element.optional else _element(element.name, element.unset, cdata=code.cdata)), ""
            text = FORBIDDEN.sub("", code.spell(item))
            return _element(
                element.name, text, cdata=code.cdata
            ), "" if text == item else "it is no text that XML can hold"
        field = self._medium.by_name[element.member]
        item = value(field, status)
        if item is None or (field.kind is Kind.TAGS and item == []):
            return _element(element.name, element.unset, cdata=code.cdata), ""  # so MAL writes a blank status too
        text = code.spell(item)
        try:
            read = code.read(text)
            is_supported = _is_supported(self._medium, element, read)
            if same(read, item) and is_supported:
                return _element(element.name, text, cdata=code.cdata), ""
            lost = _why(code)
        except ValueError:
            is_supported, lost = False, _why(code)
        if not is_supported:
            text = element.unset  # our own reader would refuse it, and so may others
        return _element(element.name, text, cdata=code.cdata), lost

    def _others(self, entry: Entry) -> Iterator[str]:
        """Elements that this version of malsync does not know and an export had; what only the API has, XML cannot say."""
        for member in sorted(entry.list_status.keys() - self._known - self._spellings):
            item, name = entry.list_status[member], member.removeprefix(KEPT)
            is_element = member.startswith(KEPT) and _NAME.fullmatch(name) and name not in self._reserved
            if is_element and isinstance(item, str) and not FORBIDDEN.search(item):
                yield _element(name, item, cdata=True)
            else:
                self._lose(member, "MAL's XML has no element for it", entry)

    @property
    def _reserved(self) -> set[str]:
        return {*self._layout.by_name, *self._layout.passed_over}

    def _lose(self, member: str, why: str, entry: Entry) -> None:
        self._lost.setdefault((member, why), []).append(entry.id)


def _spelling(medium: Medium, element: Element, status: ListStatus) -> str | None:
    """The text that an export had, where it says more than the value and the value is still what it says."""
    text = status.get(KEPT + element.name)
    if not isinstance(text, str) or FORBIDDEN.search(text):
        return None
    try:
        read = element.code.read(text)
    except ValueError:
        return None
    is_it = same(read, status.get(element.member)) and _is_supported(medium, element, read)
    return text if is_it else None


def _is_supported(medium: Medium, element: Element, item: Json) -> bool:
    """Whether our own reader takes this value."""
    return (
        item is None
        or medium.by_name[element.member].kind not in RANGED
        or why_not_writable(medium, element.member, item) is None
    )


def _why(code: Code) -> str:
    if code.cdata and not code.keeps_spelling:
        return "without the characters that XML forbids"
    return "MAL's XML cannot say it as it is"


def _fact(column: str, item: Any) -> str:
    """A title's type in MAL's words, or its length; Unknown or 0, as MAL has it, where nobody knows it."""
    if column == "media_type":
        return _escaped(media_type(item)) if isinstance(item, str) and item else UNKNOWN
    return str(item or 0)


def _element(name: str, text: str, *, cdata: bool) -> str:
    """A line. A carriage return as such would be read as a line feed, and `]]>` would end the text (XML 1.0, 2.7 and 2.11)."""
    if cdata:
        text = text.replace("]]>", "]]]]><![CDATA[>").replace("\r", "]]>&#13;<![CDATA[")
        return f"\t\t<{name}><![CDATA[{text}]]></{name}>\n"
    return f"\t\t<{name}>{_escaped(text)}</{name}>\n"


def _escaped(text: str) -> str:
    text = FORBIDDEN.sub("", text).replace("&", "&amp;").replace("<", "&lt;")
    return text.replace(">", "&gt;").replace("\r", "&#13;")
