"""What a command was asked for, as the journal keeps it: written and read again it plans the same."""

from datetime import UTC, datetime
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot
from malsync.planning.request import RequestKind, WriteRequest, left_document, left_of
from malsync.planning.restore_plan import MODES, PREFERENCES, Filters, Left, plan
from malsync.planning.revert_plan import Window, revert
from tests.support import strategies
from tests.support.lists import snapshot, watched

KINDS = get_args(RequestKind)
FIELDS = sorted({field.name for medium in MEDIA.values() for field in medium.writable})
STATUSES = sorted({status for medium in MEDIA.values() for status in medium.statuses})

filters = st.builds(
    Filters,
    st.none() | st.sampled_from(sorted(MEDIA)),
    st.frozensets(st.tuples(st.sampled_from(sorted(MEDIA)), st.integers(0, 2**63)), max_size=4),
    st.frozensets(st.sampled_from(STATUSES), max_size=3),
    st.frozensets(st.sampled_from(FIELDS), max_size=3),
)
windows = st.builds(Window, st.none() | strategies.moments, st.none() | strategies.moments)
intents = st.builds(
    WriteRequest,
    st.sampled_from(KINDS),
    st.sampled_from(MODES),
    st.sampled_from(PREFERENCES),
    filters,
    windows,
    force=st.booleans(),
    round_dates=st.booleans(),
    max_deletes=st.none() | st.integers(0, 2**31),
)


def through_json(document: Any) -> Any:
    """As the journal keeps it."""
    return orjson.loads(orjson.dumps(document))


# -- there and back


@given(intents)
def test_an_intent_comes_back_as_it_was(intent: WriteRequest) -> None:
    document = intent.document()
    found = WriteRequest.of(through_json(document))

    assert found == intent
    assert through_json(found.document()) == through_json(document)


@given(intents)
def test_the_same_intent_is_written_in_the_same_bytes(intent: WriteRequest) -> None:
    """A set has no order of its own."""
    again = WriteRequest.of(through_json(intent.document()))

    assert orjson.dumps(intent.document()) == orjson.dumps(again.document())


@given(
    intents, strategies.snapshots(misfits=True), strategies.snapshots(misfits=True), strategies.snapshots(misfits=True)
)
def test_what_comes_back_plans_the_same(intent: WriteRequest, a: Snapshot, b: Snapshot, live: Snapshot) -> None:
    lists = {"wanted": a, "good": a, "bad": b}
    found = WriteRequest.of(through_json(intent.document()))

    assert set(intent.needs) <= lists.keys()
    assert found.needs == intent.needs
    assert found.plan(lists, live) == intent.plan(lists, live)


@given(strategies.snapshots(), strategies.snapshots(), strategies.snapshots(), intents)
def test_each_kind_plans_in_its_own_way(a: Snapshot, b: Snapshot, live: Snapshot, intent: WriteRequest) -> None:
    made = intent.plan({"wanted": a, "good": a, "bad": b}, live)

    if intent.kind in ("revert", "undo"):
        expected = revert(
            a,
            b,
            live,
            filters=intent.filters,
            window=intent.window,
            force=intent.force,
            round_dates=intent.round_dates,
        )
        assert intent.name == intent.kind
    else:
        expected = plan(
            a, live, intent.mode, filters=intent.filters, prefer=intent.prefer, round_dates=intent.round_dates
        )
        assert intent.name == intent.mode
    assert made == expected


@pytest.mark.parametrize("kind", ["revert", "undo"])
def test_a_revert_is_planned_with_its_force_and_its_rounded_dates(kind: RequestKind) -> None:
    days = {"good": "2021", "bad": "2019-05-05", "live": "2020-05-05"}
    lists = {role: snapshot({1: watched(1, start_date=day)}, {}) for role, day in days.items()}

    def days_set(**flags: bool) -> list[object]:
        made = WriteRequest(kind, **flags).plan(lists, lists["live"])  # type: ignore[arg-type]
        return [call.fields["start_date"][1] for call in made.calls]

    assert days_set() == days_set(round_dates=True) == []  # a conflict
    assert days_set(force=True) == ["2021"]
    assert days_set(force=True, round_dates=True) == ["2021-01-01"]


def test_an_undo_is_limited_to_what_was_written() -> None:
    good, bad = snapshot({1: watched(1), 2: watched(1)}, {}), snapshot({1: watched(2), 2: watched(2)}, {})
    written = {call.key: call for call in plan(bad, good).calls if call.id == 1}

    made = WriteRequest("undo").plan({"good": good, "bad": bad}, bad, written)

    assert [call.id for call in made.calls] == [1]


lefts = st.builds(
    Left,
    st.sampled_from(sorted(MEDIA)).map(MEDIA.__getitem__),
    strategies.ids,
    strategies.texts,
    strategies.texts,
    st.dictionaries(
        st.sampled_from(FIELDS),
        st.dictionaries(
            st.sampled_from(["from", "to", "good", "bad", "live", "wanted"]), strategies.json_values, max_size=3
        ),
        max_size=3,
    ),
)


@given(lefts)
def test_what_is_left_comes_back_as_it_was(left: Left) -> None:
    assert left_of(through_json(left_document(left))) == left


# -- what nobody wrote


DOCUMENT = WriteRequest(
    "revert",
    filters=Filters("anime", frozenset({("anime", 1), ("manga", 2)}), frozenset({"dropped"}), frozenset({"score"})),
    window=Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)),
    max_deletes=3,
).document()
WRONG: list[tuple[str, Any]] = [
    *[("kind", wrong) for wrong in ("", "merge", None, 1, ["revert"])],
    *[("mode", wrong) for wrong in ("", "revert", "Merge", None, [])],
    *[("prefer", wrong) for wrong in ("", "merge", None, {})],
    *[("force", wrong) for wrong in (None, "no", 1, [])],
    *[("round_dates", wrong) for wrong in (None, "yes", 0)],
    *[("max_deletes", wrong) for wrong in ("3", 3.5, True, [])],
    *[("filters", wrong) for wrong in (None, [], "anime", 1, {})],
    *[("filters.only", wrong) for wrong in ("novels", "", 1, ["anime"])],
    *[
        ("filters.ids", wrong)
        for wrong in (None, [["anime"]], [["novels", 1]], [["anime", "one"]], [["anime", 1.5]], "ab", [5])
    ],
    *[("filters.statuses", wrong) for wrong in (None, "dropped", [1], [None])],
    *[("filters.fields", wrong) for wrong in (None, "score", [1], [["score"]])],
    *[("window", wrong) for wrong in (None, [], "2026")],
    *[("window.since", wrong) for wrong in ("", "soon", 1, "2026-11-01T12:00:00", [])],
    *[("window.until", wrong) for wrong in ("never", False)],
]


def changed(place: str, wrong: Any) -> Any:
    """The document, with something else at that place; `...` for nothing."""
    document = through_json(DOCUMENT)
    *way, last = place.split(".")
    inner = document
    for name in way:
        inner = inner[name]
    if wrong is ...:
        del inner[last]
    else:
        inner[last] = wrong
    return document


def test_the_document_that_is_broken_below_is_whole() -> None:
    assert through_json(WriteRequest.of(through_json(DOCUMENT)).document()) == through_json(DOCUMENT)


@pytest.mark.parametrize(("place", "wrong"), WRONG, ids=lambda one: repr(one))
def test_what_nobody_wrote_is_not_believed(place: str, wrong: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        WriteRequest.of(changed(place, wrong))


@pytest.mark.parametrize(
    "place", [*DOCUMENT, *(f"{part}.{name}" for part in ("filters", "window") for name in DOCUMENT[part])]
)
def test_what_is_missing_is_missed(place: str) -> None:
    with pytest.raises(KeyError):
        WriteRequest.of(changed(place, ...))
