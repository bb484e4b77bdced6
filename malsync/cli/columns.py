"""Tables for people, laid out by us: rich takes half a millisecond a row, ten seconds for a list of 20,000 entries."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size

from malsync.text import wrap

_GAPS = (3, 1)
_LONGEST_WORD = 20
_NARROWEST = 12


@dataclass(frozen=True)
class Column:
    """`is_long`: wrap its cells if the table is too wide. `most`: cut them to this width."""

    name: str
    is_right: bool = False
    is_long: bool = False
    most: int | None = None


def lay_out(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: float = math.inf, rule: str = "─"
) -> Iterator[str]:
    """Yield the lines of a table, in at most `room` places: names, a rule, and the rows, whose cells may have several lines."""
    gap, widths = _widths(columns, rows, room)
    for number, row in enumerate([[column.name for column in columns], *rows]):
        cells = [_lines(*cell) for cell in zip(columns, widths, row, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            yield (" " * gap).join(map(_padded, columns, widths, parts)).rstrip()
        if number == 0:
            yield rule * (sum(widths) + gap * (len(widths) - 1))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: float) -> tuple[int, list[int]]:
    """The places between two columns, and those of each column: the long one gives way first, then the widest."""
    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    widths = [
        int(min(max(map(_width, (column.name, *texts))), column.most or math.inf))
        for column, texts in zip(columns, cells, strict=True)
    ]
    long = next((place for place, column in enumerate(columns) if column.is_long), None)
    needed = sum(widths)
    if long is not None:
        words = [_width(word) for text in cells[long] for word in text.split()]
        needed -= widths[long] - max((width for width in words if width <= _LONGEST_WORD), default=0)
    # A narrow gap is better than broken words.
    gaps = len(widths) - 1
    gap = next((gap for gap in _GAPS if needed + gap * gaps <= room), _GAPS[-1])
    excess = sum(widths) + gap * gaps - room
    if long is not None and excess > 0:
        widths[long] = int(max(widths[long] - excess, min(widths[long], _NARROWEST)))
    while sum(widths) + gap * gaps > room and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return gap, widths


def _lines(column: Column, width: int, text: str) -> list[str]:
    """The lines of a cell."""
    if _width(text) <= width:
        return text.split("\n")
    if column.most is None or column.is_long:
        return [part for line in text.split("\n") for part in wrap(line, width)]
    return [
        line if _width(line) <= width else f"{set_cell_size(line, width - 1).rstrip()}…" for line in text.split("\n")
    ]


def _padded(column: Column, width: int, text: str) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if column.is_right else text + blanks


def _width(text: str) -> int:
    """How many places of a terminal the longest line takes; Chinese letters take two."""
    return len(text) if text.isascii() and "\n" not in text else max(map(cell_len, text.split("\n")))
