"""Mending XML that is not well-formed, as old exports are: what XML forbids goes, and each place is named.

Public exports hold raw control bytes (kitsu's nuck.xml.gz, line 200). Other tools write HTML's entities and bare ampersands,
which are not taken away but written as the characters that they mean.
"""

import re
from bisect import bisect_right
from html.entities import html5
from typing import NamedTuple

from malsync.formats.mal_xml.layout import FORBIDDEN

_TOKENS = re.compile(
    r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|&(?:#([0-9]{1,9});|#[xX]([0-9a-fA-F]{1,8});|([A-Za-z][A-Za-z0-9]*;))?",
    re.DOTALL,
)
_OWN = frozenset({"lt;", "gt;", "amp;", "apos;", "quot;"})
_DECLARED = re.compile(rb"\A(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_UTF_8 = {"utf-8", "utf8", "us-ascii", "ascii"}
_ESCAPED_BYTES = range(0xDC80, 0xDD00)  # what surrogateescape makes of bytes that are no UTF-8


class Repair(NamedTuple):
    """One place that was mended: its line in the file, and what was done there."""

    line: int
    what: str


def mend(content: bytes) -> tuple[bytes, tuple[Repair, ...]]:
    """`content` without what XML forbids, and what was done, by line. A file in another encoding than UTF-8 is left alone."""
    declared = _DECLARED.search(content)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or (declared and declared[1].decode().lower() not in _UTF_8):
        return content, ()
    text = content.decode(errors="surrogateescape")
    found: list[tuple[int, str]] = []
    text = _without_forbidden(text, found)
    text = _with_sound_references(text, found)
    return text.encode(), tuple(Repair(*one) for one in sorted(found, key=lambda one: one[0]))


class _Lines:
    """Which line of a text a place is on."""

    def __init__(self, text: str) -> None:
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def of(self, place: int) -> int:
        return bisect_right(self._ends, place - 1) + 1


def _without_forbidden(text: str, found: list[tuple[int, str]]) -> str:
    lines = _Lines(text)

    def gone(match: re.Match[str]) -> str:
        number = ord(match[0])
        what = f"byte 0x{number - 0xDC00:02X}, which is no UTF-8" if number in _ESCAPED_BYTES else f"U+{number:04X}"
        found.append((lines.of(match.start()), f"took away {what}"))
        return ""

    return FORBIDDEN.sub(gone, text)


def _with_sound_references(text: str, found: list[tuple[int, str]]) -> str:
    lines = _Lines(text)

    def sound(match: re.Match[str]) -> str:
        token, decimal, hexadecimal, named = match[0], match[1], match[2], match[3]
        if not token.startswith("&") or named in _OWN:
            return token
        line = lines.of(match.start())
        if decimal or hexadecimal:
            digits = (decimal or hexadecimal).lstrip("0")
            number = int(digits or "0", 10 if decimal else 16) if len(digits) < 10 else 0x110000
            if number < 0x110000 and not FORBIDDEN.match(chr(number)):
                return token
            found.append((line, f"took away {token}"))
            return ""
        if named in html5 and not FORBIDDEN.search(html5[named]):
            found.append((line, f"wrote {token} as the character that it means"))
            return html5[named].replace("&", "&amp;").replace("<", "&lt;")
        found.append((line, "wrote a bare & as &amp;"))
        return "&amp;" + token[1:]

    return _TOKENS.sub(sound, text)
