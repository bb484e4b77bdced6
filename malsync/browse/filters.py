"""How values look: words, dates, numbers, tags, covers, and the HTML of strangers made harmless."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import nh3
from markupsafe import Markup, escape

from malsync.model.medium import MEDIA
from malsync.text import pluralize

_SHORT = {"tv": "TV", "ova": "OVA", "ona": "ONA", "tv_special": "TV special", "cm": "CM", "pv": "PV"}
_RATINGS = {"g": "G", "pg": "PG", "pg_13": "PG-13", "r": "R", "r+": "R+", "rx": "Rx"}
_TONES = {
    "watching": "doing", "reading": "doing", "completed": "completed", "on_hold": "held", "dropped": "dropped",
    "plan_to_watch": "planned", "plan_to_read": "planned",
}  # fmt: skip
# What MAL's forum makes of BBCode, without pictures and whatever else would ask another host for something.
_FORUM_TAGS = {"a", "b", "strong", "i", "em", "u", "s", "del", "br", "p", "div", "span", "blockquote", "code", "pre", "ul", "ol",
               "li", "hr", "sub", "sup"}  # fmt: skip
_SIGNS = {"add": "+", "update": "~", "remove": "−"}


def word(text: Any) -> str:
    """One of MAL's words as people write it: `plan_to_watch` is "plan to watch", `tv` is "TV"."""
    return _SHORT.get(str(text), str(text or "").replace("_", " "))


def field(name: Any) -> str:
    """A field's name as people say it: `num_episodes_watched` is "episodes watched", `is_rewatching` is "rewatching"."""
    return str(name).removeprefix("num_").removeprefix("is_").replace("_", " ")


def rating(text: Any) -> str:
    """An age rating."""
    return _RATINGS.get(str(text), word(text))


def status(text: Any) -> Markup:
    """A status as a word with its colour."""
    if not text:
        return Markup('<span class="unset">—</span>')
    return Markup('<span class="status {}">{}</span>').format(_TONES.get(str(text), "other"), word(text))


def number(value: Any) -> str:
    """A number with its thousands apart; a dash for none."""
    if value is None or value == "":
        return "—"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def moment(text: Any) -> Markup:
    """A time of the mirror's or of MAL's, as the clock here showed it."""
    return _time(text, "%-d %b %Y, %H:%M")


def day(text: Any) -> Markup:
    """The day of a time, as the calendar here showed it. A date without a time stays as MAL wrote it, parts missing or not."""
    return _time(text, "%-d %b %Y")


def _time(text: Any, form: str) -> Markup:
    written = str(text or "")
    try:
        then = datetime.fromisoformat(written) if len(written) > len("2026-11-01") else None
        local = None if then is None else then.astimezone()
    except (ValueError, OverflowError):
        local = None  # no time, or one that the calendar here does not have
    if local is None:
        return escape(written or "—")
    return Markup('<time datetime="{}">{}</time>').format(written, local.strftime(form.replace("%-d", str(local.day))))


def tags(text: Any) -> list[str]:
    """The tags of a row."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(tag) for tag in found] if isinstance(found, list) else []


def named(text: Any, instead: str = "(blank)") -> str:
    """A title or a tag as the text of a link; something to see and to say in place of one that is blank."""
    written = str(text or "")
    return written if any(sign.isprintable() and not sign.isspace() for sign in written) else instead


def sign(op: str) -> str:
    """The sign of a change."""
    return _SIGNS.get(op, op)


def allowed(address: Any, sources: str) -> str:
    """A picture's address where a page may load it, else nothing."""
    try:
        parts = urlsplit(str(address or ""))
    except ValueError:
        return ""
    return str(address) if f"{parts.scheme}://{parts.netloc}" in sources.split() else ""


def harmless(body: Any) -> Markup:
    """HTML of strangers with nothing in it that acts, asks another host for something or dresses up as this page."""
    return Markup(  # noqa: S704 - cleaned by nh3
        nh3.clean(
            str(body or ""),
            tags=_FORUM_TAGS,
            attributes={"a": {"href"}},
            url_schemes={"http", "https"},
            link_rel="noopener noreferrer nofollow",
        )
    )


_UNNAMED = (
    ('<select name="_filter_column', '<select aria-label="Column" name="_filter_column'),
    ('<select name="_filter_op', '<select aria-label="Comparison" name="_filter_op'),
    ('<select name="_sort"', '<select aria-label="Sort by" name="_sort"'),
    ('<input type="text" name="_filter_value', '<input aria-label="Value" type="text" name="_filter_value'),
    ('<div class="table-wrapper">', '<div class="table-wrapper" role="region" aria-label="Rows" tabindex="0">'),
    ("<h3>", "<h2>"),
    ("</h3>", "</h2>"),
)


def accessible(page: Markup) -> Markup:
    """Datasette's page of a table with names for its fields, and no level of headings left out.

    What a table holds is escaped there, so none of this can occur in it.
    """
    text = str(page)
    for found, better in _UNNAMED:
        text = text.replace(found, better)
    return Markup(text)  # noqa: S704 - Datasette's own HTML


def cell(row: Any, column: str, value: Any, medium: str) -> Markup | None:
    """A value in Datasette's tables where it can be more than its text; None where it cannot. `medium` is the rows' own."""
    names = row.keys()
    if column == "status" and str(value) in _TONES:
        return status(value)
    if column == "revert" and value:
        return Markup('<code class="typed">{}</code>').format(value)
    number = next((row[name] for name in ("media_id", "id") if name in names and isinstance(row[name], int)), None)
    whose = row["medium"] if "medium" in names else medium
    if column == "title" and whose in MEDIA and number is not None:
        return Markup('<a href="/{}/{}">{}</a>').format(whose, number, value or f"#{number}")
    return None


def most(rows: list[dict[str, Any]], name: str) -> float:
    """The greatest value of a column; 1 where there is none, for what is measured by it."""
    return max((row[name] or 0 for row in rows), default=0) or 1


FILTERS = {
    "word": word, "field": field, "rating": rating, "status": status, "number": number, "moment": moment,
    "day": day, "tags": tags, "sign": sign, "harmless": harmless, "most": most,
    "many": pluralize, "named": named, "accessible": accessible,
}  # fmt: skip
