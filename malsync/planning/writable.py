"""Which values a PATCH request can set, and why it cannot set the others. Pure."""

import re
from datetime import date

from malsync.model.medium import Field, Json, Kind, Medium, is_date

LONGEST_TEXT = 2**20
"""A longer text is refused as a field's value. The longest comment in public exports has 686 characters."""

_PARTIAL = re.compile(r"\d{4}(-\d{2})?", re.ASCII)


def why_not_writable(medium: Medium, name: str, to: Json) -> str | None:
    """Return why no request can set the field `name` to `to`, or None if one can.

    MAL takes tags as one text, cut at its commas (Mal4J, TestAnimeListStatus), so a tag with a comma would come back as two;
    and it refuses the whole request for one word or number that it does not know.
    """
    field = medium.by_name[name]
    kind = field.kind
    if to is None:
        return None if kind is Kind.DATE else "there is no value to set"
    if kind is Kind.NUMBER:
        if isinstance(to, bool) or not isinstance(to, int | float) or to != int(to):
            return "it is not a whole number"
        return None if 0 <= to <= field.most else f"it is not between 0 and {field.most}"
    if kind is Kind.FLAG:
        return None if isinstance(to, bool) else "it is neither true nor false"
    if kind is Kind.TAGS:
        return _why_not_tags(to)
    if not isinstance(to, str):
        return "it is not text"
    if kind is Kind.WORD and to not in medium.statuses:
        return f"a status is one of {', '.join(medium.statuses)}"
    if kind is Kind.DATE and not is_date(to):
        return "it is not a date such as 2021-12-31, 2021-12 or 2021"
    return None if len(to) <= LONGEST_TEXT else "it is too long"


def _why_not_tags(to: Json) -> str | None:
    if not isinstance(to, list) or not all(isinstance(tag, str) for tag in to):
        return "it is not a list of tags"
    if any("," in str(tag) for tag in to):
        return "MAL splits tags at commas, so a tag cannot contain one"
    if to and not any(to):
        return "MAL has no empty tag"
    return None if sum(len(str(tag)) + 1 for tag in to) <= LONGEST_TEXT else "they are too long"


def is_partial(field: Field, to: Json) -> bool:
    """Whether `to` is a date without a day, such as `2021-12`. It is unknown whether MAL takes one: docs/mal.md#partial-dates."""
    if field.kind is not Kind.DATE or not isinstance(to, str):
        return False
    try:
        date.fromisoformat(to)
    except ValueError:
        return True
    return len(to) != len("2021-12-31")


def first_day(field: Field, to: Json) -> Json:
    """Return the first day of a month or a year; any other value as it is."""
    if field.kind is Kind.DATE and isinstance(to, str) and _PARTIAL.fullmatch(to):
        return f"{to}-01-01"[:10]
    return to
