"""A table for people: rich's, to the blank, and many times as fast.

rich measures and wraps every cell, half a millisecond a row: a list of 20,000 entries took ten seconds. Here a cell costs a
look at its width, and rich lays out only the head and the cells that do not fit.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

if TYPE_CHECKING:
    from rich.console import Console

_GAPS = (3, 1)
"""Places between two columns: the second where the first would break words in two."""
_LONGEST_WORD = 20
_NARROWEST = 12  # where words are cut to less, rich may spend more than one line on them
_ROOM_WHEN_PIPED = 1_000_000


class Column(NamedTuple):
    """A column as somebody asks for it. `is_long`: it gives way where there is no room; `most` places at most."""

    name: str
    is_right: bool
    is_long: bool
    most: int | None

    @property
    def justify(self) -> Literal["left", "right"]:
        """Which end its text stands at, in rich's words."""
        return "right" if self.is_right else "left"

    @property
    def overflow(self) -> Literal["fold", "ellipsis"]:
        """What becomes of a word that is too long, in rich's words."""
        return "fold" if self.most is None else "ellipsis"


def show(console: "Console", columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print the rows below a head, as wide as they need to be, or as the terminal allows."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        console.width = _ROOM_WHEN_PIPED
    gap = gap_for(columns, rows, console.width)
    # Where there are no letters but ASCII's, rich draws other lines, and knows what to write for the rest.
    widths = None if console.options.ascii_only else _fitted(columns, rows, console.width, gap)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, gap // 2))
    for place, column in enumerate(columns):
        table.add_column(
            column.name,
            justify=column.justify,
            overflow=column.overflow,
            no_wrap=not column.is_long,
            max_width=column.most,
            width=widths[place] if widths else None,
        )
    if widths is None:
        for row in rows:
            table.add_row(*map(Text, row))
    with console.capture() as head:
        console.print(table)
    lines = head.get().splitlines()
    if widths is not None:
        lines += [line for row in rows for line in _lines(console, columns, widths, row, gap)]
    # Nobody sees blanks at the end of a line on a terminal; in a pipe they are part of the data.
    click.echo("\n".join(lines if console.is_terminal else map(str.rstrip, lines)), file=console.file)


def gap_for(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> int:
    """How many places stand between two columns: fewer where the long one needs them for its words."""
    widths = _natural(columns, rows, room)
    for place, column in enumerate(columns):
        if column.is_long:
            words = (word for row in rows for word in row[place].split())
            longest = max((_width(word) for word in words if _width(word) <= _LONGEST_WORD), default=0)
            others = sum(widths) - widths[place]
            if room - others - _GAPS[0] * (len(widths) - 1) < min(longest, widths[place]):
                return _GAPS[1]
    return _GAPS[0]


def _natural(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """How wide each column would like to be."""
    return [
        min(max(map(_width, (column.name, *(row[place] for row in rows)))), column.most or room)
        for place, column in enumerate(columns)
    ]


def _fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, gap: int) -> list[int] | None:
    """How wide each column is; None where the long one cannot give way enough, for rich to do what can be done."""
    widths = _natural(columns, rows, room)
    over = sum(widths) + gap * (len(widths) - 1) - room
    if over > 0:
        for place, column in enumerate(columns):
            if column.is_long and widths[place] - over >= max(_width(column.name), _NARROWEST):
                widths[place] -= over
                return widths
        return None
    return widths


def _lines(
    console: "Console", columns: Sequence[Column], widths: Sequence[int], row: Sequence[str], gap: int
) -> Iterator[str]:
    cells = [_wrapped(console, *cell) for cell in zip(columns, widths, row, strict=True)]
    for parts in zip_longest(*cells, fillvalue=""):
        yield (" " * gap).join(map(_padded, columns, widths, parts))


def _wrapped(console: "Console", column: Column, width: int, text: str) -> list[str]:
    if "\n" not in text and _width(text) <= width:
        return [text]
    from rich.text import Text

    lines = Text(text).wrap(
        console, width, justify=column.justify, overflow=column.overflow, no_wrap=not column.is_long
    )
    return [line.plain for line in lines]


def _padded(column: Column, width: int, text: str) -> str:
    if column.is_right:
        text = text.rstrip()
        return " " * (width - _width(text)) + text
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """How many places of a terminal the longest line takes."""
    if text.isascii() and "\n" not in text:
        return len(text)
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")))
