"""The form of a PATCH: text in, values under the names of GET out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from malsync.sandbox.errors import bad_request
from malsync.sandbox.media import Kind, Medium, Member, Status
from malsync.sandbox.settings import Settings

EXTRA = "This form should not contain extra fields."

_UNCHANGED = object()
_ZEROS = re.compile(r"^0000-00-00$|(-00){1,2}$")


def read_form(medium: Medium, form: Mapping[str, str], title: Mapping[str, Any], settings: Settings) -> Status:
    """Return the changes of a form under the names of GET; a cleared date is None.

    Raises Refusal 400 for an unknown field (recorded in SuperMarcus/myanimelist-api-specification issue 1, where a client
    sent the name of GET) and for an invalid value.
    """
    if form.keys() - medium.by_form_name.keys():
        raise bad_request(EXTRA)
    changes: Status = {}
    for name, text in form.items():
        member = medium.by_form_name[name]
        try:
            value = _READERS[member.kind](text, _Field(member, medium, title, settings))
        except ValueError:
            raise bad_request(f"invalid {name}") from None
        if value is not _UNCHANGED:
            changes[member.read] = value
    return changes


class _Field:
    """The context of a value: its member, its title's total, and the settings."""

    def __init__(self, member: Member, medium: Medium, title: Mapping[str, Any], settings: Settings) -> None:
        self.member = member
        self.medium = medium
        self.total: int | None = title.get(member.total, 0) if member.total else None
        self.settings = settings


def _status(text: str, field: _Field) -> str:
    if text not in field.medium.statuses:
        raise ValueError(text)
    return text


def _number(text: str, field: _Field) -> object:
    """A whole number; "8.0" is valid (mihon sends scores so). Progress stops at the total, and -1 does nothing:
    both reported in Zai-Kun/AniWatch pull request 3."""
    if not re.fullmatch(r"-?\d{1,9}(\.0+)?", text, re.ASCII):
        raise ValueError(text)
    number = int(float(text))
    if field.total is not None:
        return _progress(number, field.total, field.settings)
    if number < 0 or (field.member.high is not None and number > field.member.high):
        raise ValueError(text)
    return number


def _progress(number: int, total: int, settings: Settings) -> object:
    if number < 0:
        return _UNCHANGED
    if total:
        return min(number, total)
    return 0 if settings.unknown_total == "zero" else number


def _flag(text: str, _: _Field) -> bool:
    """Everything but a lower-case `false` is true: that is how "False" came to set it (jellyfin-ani-sync issue 67)."""
    return text not in ("false", "0", "")


def _date(text: str, field: _Field) -> object:
    """A day; the empty text clears it (go-myanimelist README, "Remove an existing date"). Settings decide on
    partial dates, and on zeros, with which erengy/taiga writes unknown parts (FuzzyDate::to_string)."""
    if field.settings.zero_dates == "accept":
        text = _ZEROS.sub("", text)
    if not text:
        return None
    if not re.fullmatch(r"\d{4}(-\d\d){0,2}", text, re.ASCII):
        raise ValueError(text)
    whole = f"{text}-01-01"[:10]
    date.fromisoformat(whole)
    partial = field.settings.partial_dates
    if text == whole or partial == "accept":
        return text
    if partial == "refuse":
        raise ValueError(text)
    return whole if partial == "round" else _UNCHANGED


def _tags(text: str, field: _Field) -> list[str]:
    """A text, split at its commas: a tag cannot hold one, and the empty text clears them (Katsute/Mal4J)."""
    tags = text.split(",") if text else []
    if field.settings.tag_spaces == "trim":
        tags = [tag.strip() for tag in tags]
    return tags if field.settings.empty_tags == "keep" else [tag for tag in tags if tag]


def _text(text: str, _: _Field) -> str:
    return text


_READERS: dict[Kind, Callable[[str, _Field], object]] = {
    Kind.STATUS: _status,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
    Kind.DATE: _date,
    Kind.TAGS: _tags,
    Kind.TEXT: _text,
}
