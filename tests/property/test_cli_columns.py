"""Tables for people: aligned, within the terminal, and without loss."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from malsync.cli.columns import Column, lay_out

WORDS = ("a", "title", "of the", "無職転生", "—", "é", "endlessness", "", "x" * 14, "one\ntwo", " ", "  ")
CELLS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Column], list[list[str]]]:
    names = draw(st.lists(st.sampled_from(["#", "id", "title", "so long a name"]), min_size=1, max_size=5))
    long = draw(st.integers(0, len(names) - 1))
    columns = [Column(name, draw(st.booleans()), place == long) for place, name in enumerate(names)]
    return columns, draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=4))


def letters(text: str) -> list[str]:
    """Every letter of a text, sorted: wrapping moves them, and loses none."""
    return sorted(re.sub(r"\s", "", text))


@given(tables(), st.sampled_from([40, 60, 80, 120]))
def test_table_fits_the_terminal_and_loses_no_letter(table: tuple[list[Column], list[list[str]]], width: int) -> None:
    columns, rows = table
    head, rest = [], list(lay_out(columns, rows, width))
    while not rest[0] or set(rest[0]) != {"─"}:
        head.append(rest.pop(0))

    assert all(cell_len(line) <= width for line in head + rest)
    assert letters("".join(head)) == letters("".join(column.name for column in columns))
    assert letters("".join(rest[1:])) == letters("".join(cell for row in rows for cell in row))


@given(tables())
def test_piped_table_has_each_line_of_a_cell_at_the_same_place(table: tuple[list[Column], list[list[str]]]) -> None:
    columns, rows = table
    widths = [
        max(cell_len(line) for text in (column.name, *cells) for line in text.split("\n"))
        for column, *cells in zip(columns, *rows, strict=True)
    ]
    expected = []
    for number, row in enumerate([[column.name for column in columns], *rows]):
        cells = [text.split("\n") for text in row]
        for line in range(max(map(len, cells))):
            parts = [cell[line] if line < len(cell) else "" for cell in cells]
            blanks = [" " * (width - cell_len(part)) for width, part in zip(widths, parts, strict=True)]
            padded = [
                blank + part if column.is_right else part + blank
                for column, part, blank in zip(columns, parts, blanks, strict=True)
            ]
            expected.append("   ".join(padded).rstrip())
        if number == 0:
            expected.append("─" * (sum(widths) + 3 * (len(widths) - 1)))

    assert list(lay_out(columns, rows)) == expected


@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_words_are_not_broken_while_there_is_room(width: int) -> None:
    names = ["#", "taken", "user", "anime", "manga", "remarks"]
    columns = [Column(name, is_long=name == "remarks") for name in names]
    remark = "suspicious; before-run; moved the whole collection"
    rows = [["12", "2026-11-30 19:54", "sandbox_mika", "18335", "1637", remark]]

    lines = list(lay_out(columns, rows, width))

    assert max(map(len, lines)) <= width
    assert set(remark.split()) <= set(" ".join(lines).split())


@pytest.mark.parametrize(("text", "shown"), [("無職転生", "無職…"), ("short", "short"), ("too long", "too…")])
def test_cell_of_a_limited_column_is_cut(text: str, shown: str) -> None:
    assert list(lay_out([Column("title", most=5)], [[text]]))[2] == shown


def test_table_without_rows_is_a_header() -> None:
    assert list(lay_out([Column("id", is_right=True), Column("title")], [], rule="-")) == ["id   title", "----------"]
