"""Tables for people: laid out by us, a row at a time, as rich would lay them out."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from malsync.cli.columns import Column, gap_for, show

WORDS = ("a", "title", "of the", "無職転生", "—", "é", "endlessness", "", "x" * 14, "one\ntwo", " ", "  ")
CELLS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Column], list[list[str]]]:
    names = draw(st.lists(st.sampled_from(["#", "id", "title", "so long a name"]), min_size=1, max_size=5))
    long = draw(st.integers(0, len(names) - 1))
    columns = [
        Column(name, draw(st.booleans()), place == long, draw(st.sampled_from([None, None, 5, 14])))
        for place, name in enumerate(names)
    ]
    return columns, draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=4))


def by_rich(console: Console, columns: list[Column], rows: list[list[str]]) -> None:
    gap = gap_for(columns, rows, console.width)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, gap // 2))
    for name, is_right, is_long, most in columns:
        table.add_column(
            name,
            justify="right" if is_right else "left",
            overflow="fold" if most is None else "ellipsis",
            no_wrap=not is_long,
            max_width=most,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def printed(how: Any, columns: list[Column], rows: list[list[str]], **terminal: Any) -> str:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    console = Console(file=screen, color_system=None, markup=False, highlight=False, emoji=False, **terminal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", screen)
        how(console, columns, rows)
    assert isinstance(screen.buffer, io.BytesIO)
    return screen.buffer.getvalue().decode()


@given(tables(), st.sampled_from([40, 60, 80, 120]))
def test_a_table_is_what_rich_makes_of_it_on_a_terminal(
    table: tuple[list[Column], list[list[str]]], width: int
) -> None:
    terminal = {"force_terminal": True, "width": width}

    assert printed(show, *table, **terminal) == printed(by_rich, *table, **terminal)


@given(tables())
def test_a_table_is_what_rich_makes_of_it_in_a_pipe(table: tuple[list[Column], list[list[str]]]) -> None:
    lines = printed(show, *table).split("\n")

    assert lines == [line.rstrip() for line in printed(by_rich, *table, width=10_000).split("\n")]


@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_no_word_is_broken_while_there_is_room_for_it(width: int) -> None:
    names = ["#", "taken", "user", "anime", "manga", "remarks"]
    columns = [Column(name, False, name == "remarks", None) for name in names]
    remark = "suspicious; before-run; moved the whole collection"
    rows = [["12", "2026-11-30 19:54", "sandbox_mika", "18335", "1637", remark]]

    shown = printed(show, columns, rows, force_terminal=True, width=width)

    assert max(map(len, shown.splitlines())) <= width
    assert set(remark.split()) <= set(shown.split())


def test_no_cell_of_a_long_list_is_laid_out_by_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a millisecond a row: a list of 20,000 took ten seconds. What fits costs a look at its width."""
    made: list[object] = []
    monkeypatch.setattr(Text, "wrap", lambda self, *_, **__: made.append(self) or [self])
    columns = [Column("id", True, False, None), Column("title", False, True, None)]

    text = printed(show, columns, [[str(number), "無職転生"] for number in range(1000)])

    assert len(text.splitlines()) == 1002
    assert len(made) <= len(columns)
