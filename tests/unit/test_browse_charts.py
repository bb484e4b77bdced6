"""The parts that pages are made of: charts, words, cells, and which query offers what."""

import re

import pytest
from defusedxml import ElementTree
from markupsafe import Markup

from malsync.browse import charts, filters
from malsync.browse.charts import Bar, Point
from malsync.mirror import queries

HOSTILE = '"><script>alert(1)</script>'


def numbers(name: str, drawn: Markup) -> list[float]:
    return [float(text) for text in re.findall(rf' {name}="(-?[\d.]+)%?"', drawn)]


# -- charts


def test_a_column_is_as_high_as_its_value_and_its_parts_stand_on_one_another() -> None:
    drawn = charts.columns(
        "Changes", [Bar("a", [("added", 1), ("updated", 3)]), Bar("b", [("added", 2), ("updated", 0)])]
    )

    heights, tops = numbers("height", drawn), numbers("y", drawn)
    assert heights[1] == pytest.approx(3 * heights[0], rel=0.01)
    assert heights[2] == pytest.approx(2 * heights[0], rel=0.01)
    assert tops[1] + heights[1] == pytest.approx(tops[0], abs=0.01)
    assert drawn.count("<rect") == 3


@pytest.mark.parametrize(
    ("label", "fits"), [("7", 12), ("1998", 8), ("2026-11", 5), ("2026-11-01", 3)], ids=lambda one: str(one)
)
@pytest.mark.parametrize("count", [1, 2, 10, 36, 400])
def test_no_more_labels_than_fit_a_telephone(label: str, fits: int, count: int) -> None:
    drawn = charts.columns("Any", [Bar(label, [("plain", 1)]) for _ in range(count)])

    assert 1 <= drawn.count(f">{label}</text>") <= min(fits, count)
    assert drawn.count("<rect") == count


def test_a_chart_of_nothing_is_a_chart() -> None:
    assert charts.columns("Scores", [Bar("1", [("plain", 0)])]).count("<rect") == 0
    assert charts.columns("Scores", []).startswith("<svg")
    assert "polyline" in charts.line("Growth", [("anime", [])])


def test_a_line_goes_by_time_on_one_scale_from_zero() -> None:
    points = [Point(0, 10, "ten", "/a"), Point(0.25, 20, "twenty", "/b"), Point(1, 20, "more", "/c")]
    drawn = charts.line("Growth", [("anime", points), ("manga", [Point(0.5, 0, "none", "/d")])])

    (anime, manga) = re.findall(r'points="([^"]+)"', drawn)
    assert [pair.split(",")[0] for pair in anime.split()] == ["0.00", "25.00", "100.00"]
    heights = [float(pair.split(",")[1]) for pair in anime.split()]
    floor = float(manga.split()[0].split(",")[1])
    assert floor - heights[1] == pytest.approx(2 * (floor - heights[0]), rel=0.01)
    # One point is a line from edge to edge.
    assert [pair.split(",")[0] for pair in manga.split()] == ["0.00", "100.00"]
    assert drawn.count("<circle") == 4
    assert "<circle" not in charts.line("Growth", [("anime", points)], small=True)


def test_what_stands_in_a_chart_is_text() -> None:
    drawn = charts.columns(HOSTILE, [Bar(HOSTILE, [("plain", 1)], HOSTILE, HOSTILE)])
    drawn += charts.line(HOSTILE, [("anime", [Point(0, 1, HOSTILE, HOSTILE)])])

    parsed = ElementTree.fromstring(f"<page>{drawn}</page>")
    assert {one.tag for one in parsed.iter()} == {
        "page",
        "svg",
        "a",
        "g",
        "rect",
        "title",
        "text",
        "polyline",
        "circle",
    }
    assert {one.get("href") for one in parsed.iter("a")} == {HOSTILE}
    assert {one.text for one in parsed.iter("title")} == {HOSTILE}


# -- words and cells


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("num_episodes_watched", "episodes watched"),
        ("num_chapters_read", "chapters read"),
        ("is_rewatching", "rewatching"),
        ("num_times_reread", "times reread"),
        ("finish_date", "finish date"),
        ("score", "score"),
    ],
)
def test_fields_have_the_names_that_people_use(name: str, said: str) -> None:
    assert filters.field(name) == said


def test_a_cell_of_a_table_leads_to_its_title_and_shows_a_status_in_its_colour() -> None:
    row = {"id": 5, "title": "A <Title>", "status": "on_hold"}

    assert filters.cell(row, "title", row["title"], "anime") == '<a href="/anime/5">A &lt;Title&gt;</a>'
    assert filters.cell({**row, "medium": "manga"}, "title", "", "") == '<a href="/manga/5">#5</a>'
    assert filters.cell(row, "status", "on_hold", "anime") == '<span class="status held">on hold</span>'
    for column, value, medium in [("title", "x", ""), ("status", "finished_airing", "anime"), ("id", 5, "anime")]:
        assert filters.cell(row, column, value, medium) is None
    assert filters.cell({"title": "x"}, "title", "x", "anime") is None
    assert filters.cell({"media_id": HOSTILE, "title": "x"}, "title", "x", "anime") is None


# -- queries


def test_every_query_is_offered_once_under_what_it_is_about() -> None:
    offered = [query.name for group in queries.groups().values() for query in group]

    assert sorted(offered) == sorted(queries.all_queries())
    assert all(query.title[0].isupper() and query.about for query in queries.all_queries().values())


def test_every_parameter_whose_values_are_known_is_chosen_from_them() -> None:
    free = {"rows", "skip", "id", "words"}
    for query in queries.all_queries().values():
        asked = set(re.findall(r"(?<![\w:]):([a-z_]+)", query.sql))
        assert asked - query.choices.keys() <= free, query.name
        assert query.choices.keys() <= asked, query.name
