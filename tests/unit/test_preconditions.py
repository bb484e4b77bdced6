"""A planned write beside a later reading of the lists: whether it may still go out, and what is left of it."""

from typing import Any

import pytest

from malsync.model.medium import ANIME
from malsync.planning.preconditions import judge, remaining, to_send
from malsync.planning.restore_plan import Op, PlannedWrite
from tests.support.lists import snapshot, watched

Status = dict[str, Any] | None
WAS = watched(1, score=5, comments="long", updated_at="2026-11-01T12:00:00+00:00")
FIELDS: dict[Op, dict[str, tuple[Any, Any]]] = {
    "add": {"status": (None, "watching"), "num_episodes_watched": (None, 3)},
    "update": {"score": (5, 8), "num_episodes_watched": (1, 3)},
    "remove": {"status": ("watching", None)},
}


def call(op: Op) -> PlannedWrite:
    return PlannedWrite(op, ANIME, 1, "Title", FIELDS[op], None if op == "add" else WAS)


ALL = {name: pair[1] for name, pair in FIELDS["update"].items()}
DONE = {**WAS, **ALL}


@pytest.mark.parametrize(
    ("op", "now", "state", "sent", "why"),
    [
        ("add", None, "send", {"status", "num_episodes_watched"}, ""),
        ("add", watched(3), "already", set(), ""),
        ("add", watched(3, score=9), "already", set(), ""),  # what it was not to write is none of its business
        ("add", watched(4), "skipped", set(), "moved: it is on the list again"),
        ("update", WAS, "send", {"score", "num_episodes_watched"}, ""),
        ("update", DONE, "already", set(), ""),
        ("update", {**WAS, "score": 8}, "send", {"num_episodes_watched"}, ""),
        ("update", {**WAS, "comments": "edited"}, "send", {"score", "num_episodes_watched"}, ""),
        ("update", {**WAS, "score": 2}, "skipped", set(), "moved: somebody changed score"),
        ("update", {**WAS, "score": 2, "num_episodes_watched": 3}, "skipped", set(), "moved: somebody changed score"),
        (
            "update",
            {**WAS, "score": 2, "num_episodes_watched": 4},
            "skipped",
            set(),
            "moved: somebody changed score, num_episodes_watched",
        ),
        ("update", None, "skipped", set(), "moved: it is no longer on the list"),
        ("remove", None, "already", set(), ""),
        ("remove", WAS, "send", {"status"}, ""),
        ("remove", {**WAS, "updated_at": "2026-11-01T12:00:01+00:00"}, "skipped", set(), "moved: somebody changed it"),
    ],
)
def test_a_write_is_sent_dropped_or_skipped(op: Op, now: Status, state: str, sent: set[str], why: str) -> None:
    found = judge(call(op), now)

    assert (found.state, set(found.fields), found.why) == (state, sent, why)
    live = snapshot({} if now is None else {1: now}, {})
    assert [(one.key, one.fields) for one in to_send([call(op)], live).calls] == (
        [(("anime", 1), found.fields)] if state == "send" else []
    )


@pytest.mark.parametrize(
    ("op", "now", "sent"),
    [
        ("add", watched(4), {"num_episodes_watched": (4, 3)}),
        ("update", {**WAS, "score": 2}, {"score": (2, 8), "num_episodes_watched": (1, 3)}),
        ("remove", {**WAS, "score": 2}, FIELDS["remove"]),
    ],
)
def test_by_force_what_moved_is_overwritten(op: Op, now: Status, sent: dict[str, Any]) -> None:
    found = judge(call(op), now, force=True)

    assert (found.state, found.fields) == ("send", sent)
    assert len(to_send([call(op)], snapshot({1: now or {}}, {}), force=True).calls) == 1


@pytest.mark.parametrize("op", ["add", "update", "remove"])
def test_force_sends_nothing_that_is_done(op: Op) -> None:
    now = {"add": watched(3), "update": DONE, "remove": None}[op]

    assert judge(call(op), now, force=True).state == "already"


def test_by_force_an_entry_that_went_is_made_whole_again() -> None:
    """A few fields alone would make an entry of them alone; what is blank is not sent."""
    found = judge(call("update"), None, force=True)

    assert found.state == "send"
    assert found.fields == {
        "status": (None, "watching"),
        "score": (None, 8),
        "num_episodes_watched": (None, 3),
        "comments": (None, "long"),
    }


@pytest.mark.parametrize(("comments", "state"), [("a < b", "send"), ("a > b", "skipped")])
def test_a_removal_may_expect_the_entry_with_encoded_text(comments: str, state: str) -> None:
    """Older versions wrote what MAL returned into plans and journals."""
    removal = PlannedWrite("remove", ANIME, 1, "Title", FIELDS["remove"], {**WAS, "comments": "a &lt; b"})

    assert judge(removal, {**WAS, "comments": comments}).state == state


def test_what_remains_is_what_the_lists_do_not_show() -> None:
    calls = [
        call("update"),
        PlannedWrite("add", ANIME, 2, "Two", FIELDS["add"], None),
        PlannedWrite("remove", ANIME, 3, "Three", {}, WAS),
    ]

    nothing = remaining(calls, snapshot({1: DONE, 2: watched(3)}, {}))
    made = remaining(calls, snapshot({1: {**DONE, "score": 1}, 3: DONE}, {}))
    gone = remaining(calls[:1], snapshot({}, {}))

    assert (nothing.calls, nothing.left) == ((), ())
    assert [(one.op, one.id, one.fields, one.expect) for one in made.calls] == [
        ("update", 1, {"score": (1, 8)}, {**DONE, "score": 1}),
        ("add", 2, FIELDS["add"], None),
        ("remove", 3, {}, DONE),
    ]
    assert [(one.op, one.expect) for one in gone.calls] == [("add", None)]
    changed = remaining(calls[1:2], snapshot({2: watched(4)}, {}))
    assert [(one.op, one.fields) for one in changed.calls] == [("update", {"num_episodes_watched": (4, 3)})]
