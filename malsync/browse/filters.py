"""How pages show values: words, dates, numbers, tags, covers, and cleaned HTML of forum posts."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import nh3
from markupsafe import Markup, escape

from malsync.model.medium import MEDIA
from malsync.model.timestamps import is_future
from malsync.text import pluralize

_SHORT = {"tv": "TV", "ova": "OVA", "ona": "ONA", "tv_special": "TV special", "cm": "CM", "pv": "PV"}
_RATINGS = {"g": "G", "pg": "PG", "pg_13": "PG-13", "r": "R", "r+": "R+", "rx": "Rx"}
_TONES = {
    "watching": "doing", "reading": "doing", "completed": "completed", "on_hold": "held", "dropped": "dropped",
    "plan_to_watch": "planned", "plan_to_read": "planned",
}  # fmt: skip
# The HTML that MAL's forum makes of BBCode, without images and whatever else loads from another host.
_FORUM_TAGS = {"a", "b", "strong", "i", "em", "u", "s", "del", "br", "p", "div", "span", "blockquote", "code", "pre", "ul", "ol",
               "li", "hr", "sub", "sup"}  # fmt: skip
_SIGNS = {"add": "+", "update": "~", "remove": "−"}


def word(text: Any) -> str:
    """Return one of MAL's words as people write it: `plan_to_watch` is "plan to watch", `tv` is "TV"."""
    return _SHORT.get(str(text), str(text or "").replace("_", " "))


def field(name: Any) -> str:
    """Return a field's name for people: `num_episodes_watched` is "episodes watched", `is_rewatching` is "rewatching"."""
    return str(name).removeprefix("num_").removeprefix("is_").replace("_", " ")


def rating(text: Any) -> str:
    """Return an age rating as people write it."""
    return _RATINGS.get(str(text), word(text))


def status(text: Any) -> Markup:
    """Return a status as a word with its colour."""
    if not text:
        return Markup('<span class="unset">—</span>')
    return Markup('<span class="status {}">{}</span>').format(_TONES.get(str(text), "other"), word(text))


def number(value: Any) -> str:
    """Return a number with commas between thousands; a dash for None."""
    if value is None or value == "":
        return "—"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def moment(text: Any) -> Markup:
    """Return a time of the mirror's or MAL's in local time."""
    return _time(text, "%-d %b %Y, %H:%M")


def day(text: Any) -> Markup:
    """Return the local day of a time. A date without a time stays as MAL wrote it, complete or not."""
    return _time(text, "%-d %b %Y")


def is_ahead(text: str) -> bool:
    """Return whether a snapshot's time or day, in UTC, is in the future: a wrong clock dated it."""
    moment = datetime.fromisoformat(text)
    return is_future(moment if moment.tzinfo else moment.replace(tzinfo=UTC), datetime.now(UTC))


def _time(text: Any, form: str) -> Markup:
    written = str(text or "")
    try:
        then = datetime.fromisoformat(written) if len(written) > len("2026-11-01") else None
        local = None if then is None else then.astimezone()
    except (ValueError, OverflowError):
        local = None  # not a time, or one that has no local date
    if local is None:
        return escape(written or "—")
    return Markup('<time datetime="{}">{}</time>').format(written, local.strftime(form.replace("%-d", str(local.day))))


def tags(text: Any) -> list[str]:
    """Return the tags of a row, from JSON."""
    try:
        names = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def link_text(text: Any, instead: str = "(blank)") -> str:
    """Return a title or a tag as the text of a link; `instead` where it is blank, so that the link can be seen."""
    written = str(text or "")
    return written if any(sign.isprintable() and not sign.isspace() for sign in written) else instead


def sign(op: str) -> str:
    """Return the sign of a change."""
    return _SIGNS.get(op, op)


def allowed(address: Any, sources: str) -> str:
    """Return an image's address where a page may load it, otherwise an empty text."""
    try:
        parts = urlsplit(str(address or ""))
    except ValueError:
        return ""
    return str(address) if f"{parts.scheme}://{parts.netloc}" in sources.split() else ""


def harmless(body: Any) -> Markup:
    """Return a post's HTML without anything that runs, loads from another host or imitates this site."""
    return Markup(  # noqa: S704 - cleaned by nh3
        nh3.clean(
            str(body or ""),
            tags=_FORUM_TAGS,
            attributes={"a": {"href"}},
            url_schemes={"http", "https"},
            link_rel="noopener noreferrer nofollow",
        )
    )


_IMPROVED = (
    ('<select name="_filter_column', '<select aria-label="Column" name="_filter_column'),
    ('<select name="_filter_op', '<select aria-label="Comparison" name="_filter_op'),
    ('<select name="_sort"', '<select aria-label="Sort by" name="_sort"'),
    ('<input type="text" name="_filter_value', '<input aria-label="Value" type="text" name="_filter_value'),
    ('<div class="table-wrapper">', '<div class="table-wrapper" role="region" aria-label="Rows" tabindex="0">'),
    ("<h3>", "<h2>"),
    ("</h3>", "</h2>"),
)


def accessible(page: Markup) -> Markup:
    """Return Datasette's table page with labels on its form fields and no skipped heading level.

    Values from the table are escaped in it, so they cannot contain the HTML that is replaced.
    """
    text = str(page)
    for html, better in _IMPROVED:
        text = text.replace(html, better)
    return Markup(text)  # noqa: S704 - Datasette's own HTML


def cell(row: Any, column: str, value: Any, medium: str) -> Markup | None:
    """Return a value in Datasette's tables as a link, a status or code; None for plain text. `medium` is that of the rows."""
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
    """Return the greatest value of a column, as the length of the longest bar; 1 where there is none."""
    return max((row[name] or 0 for row in rows), default=0) or 1


FILTERS = {
    "word": word, "field": field, "rating": rating, "status": status, "number": number, "moment": moment,
    "day": day, "tags": tags, "sign": sign, "harmless": harmless, "most": most,
    "many": pluralize, "link_text": link_text, "is_ahead": is_ahead, "accessible": accessible,
}  # fmt: skip
