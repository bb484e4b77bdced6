"""A list as CSV (RFC 4180), a row an entry: for spreadsheets and scripts. Nothing comes back from it."""

import csv
import io
from collections.abc import Iterator

import orjson

from malsync.model.entry import unknown
from malsync.model.medium import Json, Medium
from malsync.model.snapshot import Snapshot

# What a cell begins with that a spreadsheet computes (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PIECE = 1000


def encode(snapshot: Snapshot, medium: Medium, *, spreadsheet: bool = False) -> Iterator[bytes]:
    """One list as CSV in UTF-8, in pieces: `id`, `title`, then each field that the list covers under MAL's own name, then
    members that malsync does not know; by id. What is not set is an empty cell, so this does not tell absent from blank.

    Tags are joined by a comma, as MAL takes them; where one holds a comma all the same, they are a list in JSON, and so is
    whatever else is no single value. `spreadsheet` puts a ' before what would be computed.
    """
    entries = [entry for _, entry in sorted(snapshot.plain.entries(medium).items())]
    covered = snapshot.covers[medium.name] or ()
    others = {name for entry in entries for name in unknown(medium, entry.list_status)}
    names = [*(name for name in medium.names if name in covered), *sorted(others)]
    rows: Iterator[list[str]] = (
        [str(entry.id), entry.title, *(_cell(entry.list_status.get(name)) for name in names)] for entry in entries
    )
    yield _lines([["id", "title", *names]], spreadsheet=spreadsheet)
    while piece := [row for _, row in zip(range(_PIECE), rows, strict=False)]:
        yield _lines(piece, spreadsheet=spreadsheet)


def _lines(rows: list[list[str]], *, spreadsheet: bool) -> bytes:
    if spreadsheet:
        rows = [[f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(item: Json) -> str:
    if item is None:
        return ""
    if isinstance(item, str):
        return item
    if isinstance(item, list) and all(isinstance(part, str) and "," not in part for part in item):
        return ",".join(map(str, item))
    return orjson.dumps(item).decode()
