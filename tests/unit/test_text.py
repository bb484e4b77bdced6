"""Numbers of things, ages and command lines in words."""

from datetime import UTC, datetime, timedelta

import pytest

from malsync.text import ago, command_line, pluralize

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1_234_567, "1,234,567 entries"), (0.5, "0.5 entries")],
)
def test_so_many_of_a_thing(number: float, said: str) -> None:
    assert pluralize(number, "entry", "entries") == said
    assert pluralize(number, "write") == said.replace("entries", "writes").replace("entry", "write")


def test_a_whole_number_has_no_fraction() -> None:
    assert pluralize(1 / 1.0, "request") == "1 request"


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (timedelta(seconds=-5), "just now"),  # a clock that was ahead
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "a minute ago"),
        (timedelta(seconds=119), "a minute ago"),
        (timedelta(minutes=2), "2 minutes ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(hours=47, minutes=59), "47 hours ago"),
        (timedelta(hours=48), "2 days ago"),
        (timedelta(days=3000), "3,000 days ago"),
    ],
)
def test_how_long_ago(past: timedelta, said: str) -> None:
    assert ago(NOW - past, NOW) == said


def test_the_usual_account_needs_no_name() -> None:
    assert command_line("backup --accept", "default") == "malsync backup --accept"
    assert command_line("backup --accept", "second") == "malsync --account second backup --accept"
