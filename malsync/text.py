"""Format text for people: counts, ages, values on one line, without characters that control a terminal."""

import re
import shlex
import unicodedata
from datetime import datetime
from typing import Any

import orjson

DEFAULT_ACCOUNT = "default"
"""The account that commands use where none is named."""


def pluralize(number: float, singular: str, plural: str = "") -> str:
    """Return a count with its noun: `1 entry`, `2,000 entries`. `plural` defaults to `singular` with an s."""
    text = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{text} {singular if number == 1 else plural or f'{singular}s'}"


def ago(moment: datetime, now: datetime) -> str:
    """Say how long ago `moment` was, in the largest unit of which at least two have passed."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{pluralize(seconds // size, unit)} ago"
    return "just now" if seconds < 60 else "a minute ago"


def command_line(words: str, account: str) -> str:
    """Return the command line that runs `words` for `account`."""
    return f"malsync {words}" if account == DEFAULT_ACCOUNT else f"malsync --account {shlex.quote(account)} {words}"


def duration(seconds: float) -> str:
    """Say a duration in the largest unit of which it has at least two."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


PAST_TENSE = {"add": "added", "update": "updated", "remove": "removed"}
"""The past tense of each operation on an entry."""
_LONGEST_VALUE = 100
_SHORTEST_KEPT = 14
# Bidirectional and line controls, which rearrange what a person reads (Trojan Source, CVE-2021-42574).
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029\u061c")


def visible(text: str) -> str:
    """Return `text` with control characters escaped, so that no list can move a terminal's cursor or change its colours."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in {"Cc", "Cs", "Cn"} and character not in _REORDERING:
        return character
    return character.encode("unicode_escape").decode()


def short_value(item: Any) -> str:
    """Return a field's value on one line, shortened where it is long."""
    return shorten(full_value(item))


def full_value(item: Any) -> str:
    """Return a field's value on one line."""
    if item is None:
        return "none"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, str):
        return visible(item) or "empty"
    if isinstance(item, list):
        if any(isinstance(part, str) and "," in part for part in item):
            return visible(_json(item))  # joined by commas, such a tag would look like two
        return visible(", ".join(part if isinstance(part, str) else _json(part) for part in item)) or "none"
    return visible(_json(item))


def shorten(text: str, longest: int = _LONGEST_VALUE) -> str:
    """Return `text` in at most `longest` characters: with an ellipsis, and the number of those left out where it fits."""
    if len(text) <= longest:
        return text
    kept = longest - 8
    return f"{text[:kept]}... (+{len(text) - kept})" if kept > _SHORTEST_KEPT else f"{text[: longest - 3]}..."


def short_repr(item: Any) -> str:
    """Return a value of a file as error messages show it: its repr, shortened."""
    return shorten(repr(item))


def _json(item: Any) -> str:
    return orjson.dumps(item).decode()


def display_width(text: str) -> int:
    """Return the columns of a terminal that `text` takes. Wide characters take two; those of no width count as one."""
    return (
        len(text)
        if text.isascii()
        else sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)
    )


def wrap(text: str, width: int) -> list[str]:
    """Break `text` into lines of at most `width` columns, between words where possible."""
    lines = [""]
    for word in re.findall(r"\S+\s*|\s+", text):
        if display_width(lines[-1]) + display_width(word.rstrip()) <= width:
            lines[-1] += word
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if display_width(lines[-1]) + display_width(character) > width:
                lines.append("")
            lines[-1] += character
    return [line.rstrip() for line in lines]
