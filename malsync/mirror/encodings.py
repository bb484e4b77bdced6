"""Find out which fields of an older mirror's snapshots are HTML-encoded: that is recorded since version 4."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from sqlite3 import Connection
from typing import Any

import orjson

from malsync.model.medium import MEDIA, Field, Kind, Medium
from malsync.model.plain_text import is_bare, plain_value, text_fields, texts_of
from malsync.model.snapshot import Covers, User, is_from_mal

_SNAPSHOTS = (
    "SELECT snapshot.id, series, source, CAST(covers AS BLOB), mal_id, CAST(name AS BLOB) FROM snapshot"
    " JOIN series ON series.id = snapshot.series JOIN mal_user ON mal_user.id = series.user ORDER BY snapshot.id"
)
_SPECIAL = "[&<>\"''\\\r\n]"  # in JSON, quotes and line breaks follow a backslash


def record_encodings(connection: Connection) -> None:
    """Store in each snapshot's `encoded` which of its fields are encoded, by the rule of `model.snapshot.judged`.

    Rows that cannot be read count as not encoded; `verify` reports them.
    """
    by_series: dict[int, list[int]] = defaultdict(list)
    for number, series, source, covers, mal_id, name in connection.execute(_SNAPSHOTS).fetchall():
        document = _json(covers)
        covered: Covers = document if isinstance(document, dict) else {}
        if is_from_mal(source, User("", mal_id, name), covered):
            by_series[series].append(number)
    encoded: dict[int, dict[str, list[str]]] = defaultdict(dict)
    for series, numbers in by_series.items():
        for medium in MEDIA.values():
            for field in text_fields(medium):
                for number in _encoded_at(connection, series, numbers, medium, field):
                    encoded[number].setdefault(medium.name, []).append(field.name)
    for number, fields in encoded.items():
        connection.execute("UPDATE snapshot SET encoded = ? WHERE id = ?", (orjson.dumps(fields).decode(), number))


def _encoded_at(connection: Connection, series: int, numbers: list[int], medium: Medium, field: Field) -> Iterator[int]:
    """Those of the snapshots `numbers` (sorted) with an entity but no bare special character in `field`."""
    counts = [[0] * (len(numbers) + 1) for _ in range(2)]
    rows = connection.execute(
        f"SELECT since, until, CAST({field.name} AS BLOB) FROM {medium.name}_version"
        f" WHERE series = ? AND {field.name} GLOB '*{_SPECIAL}*'",
        (series,),
    )
    for since, until, text in rows.fetchall():
        value = _json(text) if field.kind is Kind.TAGS else text.decode(errors="replace")
        if (has_bare := _any_bare(texts_of(value))) is None:
            continue
        first, past = bisect_left(numbers, since), len(numbers) if until is None else bisect_left(numbers, until)
        counts[has_bare][first] += 1
        counts[has_bare][past] -= 1
    encoded = bare = 0
    for place, number in enumerate(numbers):
        encoded, bare = encoded + counts[0][place], bare + counts[1][place]
        if encoded and not bare:
            yield number


def _any_bare(texts: Iterable[str]) -> bool | None:
    """Whether any of `texts` has a bare special character; None if they have neither that nor an entity."""
    special = [text for text in texts if is_bare(text) or plain_value(text) != text]
    return any(map(is_bare, special)) if special else None


def _json(text: Any) -> Any:
    try:
        return orjson.loads(text)
    except (TypeError, ValueError):
        return None
