"""The end of a run: the last reading decides what became of each write, whatever was answered."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from malsync.mirror import Mirror
from malsync.model.medium import ANIME
from malsync.model.snapshot import Snapshot
from malsync.operations.reconcile import reconcile
from malsync.planning.journal_entry import Outcome
from malsync.planning.preconditions import remaining
from malsync.planning.request import RequestKind, left_document
from malsync.planning.restore_plan import Left, Plan, PlannedWrite
from tests.support.lists import MIKA, moment, snapshot, watched

NOW = moment("2026-11-01T12:00:09Z")
CALL = PlannedWrite("update", ANIME, 1, "One", {"num_episodes_watched": (1, 5)}, watched(1))
REMOVAL = PlannedWrite("remove", ANIME, 2, "Two", {}, watched(2))
WRITTEN, NOT_WRITTEN = watched(5), watched(1)
SHOWN, NOT_SHOWN = "the last reading shows it as wanted", "the last reading does not show it as wanted"
MEANWHILE = "changed while the run was under way"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with Mirror.open(tmp_path / "mirror.db", write=True) as opened:
        yield opened


def final(**entries: dict[str, Any] | None) -> Snapshot:
    ids = {"one": 1, "two": 2, "three": 3}
    return snapshot({ids[name]: status for name, status in entries.items() if status is not None}, {})


def settled(
    mirror: Mirror,
    state: Outcome,
    last: Snapshot,
    *,
    call: PlannedWrite = CALL,
    still: Plan | None = None,
    head: tuple[Left, ...] = (),
    undoes: bool = False,
    sent: bool = True,
    answer: dict[str, Any] | None = None,
) -> tuple[tuple[Left, ...], tuple[str, str]]:
    """What is left of a run of one write that came to `state`, and what the journal says of that in the end.

    `still` is the plan made anew; by default it is what remains of the write.
    """
    journal = mirror.journal
    before = mirror.add(snapshot({1: watched(1), 2: watched(2)}, {}, source="before-run")).number
    undone = None
    if undoes:
        undone = journal.begin(MIKA, "default", "restore", {}, [], before=before, now=NOW).number
        journal.ended(undone, "finished", now=NOW)
    document = {"left": [left_document(one) for one in head]}
    run = journal.begin(
        MIKA, "default", "undo" if undoes else "restore", document, [call], before=before, now=NOW, undoes=undone
    )
    if sent:
        journal.sent(run.number, 1, now=NOW)
    journal.answered(run.number, 1, state, now=NOW, tries=1, http=200, answer=answer, why="said")
    plan = remaining([call], last) if still is None else still
    left = reconcile(journal, run, plan, last, rounded=lambda one: one, now=NOW)
    line = journal.line(run.number, 1)
    return left, (line.state, line.why)


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        ("done", ("done", "said")),
        ("already", ("already", "said")),
        ("failed", ("done", SHOWN)),
        ("not_restorable", ("done", SHOWN)),
        ("skipped", ("already", SHOWN)),
    ],
)
def test_what_the_last_reading_shows_is_done(mirror: Mirror, state: Outcome, becomes: tuple[str, str]) -> None:
    assert settled(mirror, state, final(one=WRITTEN)) == ((), becomes)


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        ("done", ("failed", NOT_SHOWN)),
        ("already", ("failed", NOT_SHOWN)),
        ("failed", ("failed", "said")),
        ("not_restorable", ("not_restorable", "said")),
        ("skipped", ("skipped", "said")),
    ],
)
def test_what_the_last_reading_does_not_show_is_left(mirror: Mirror, state: Outcome, becomes: tuple[str, str]) -> None:
    (left,), line = settled(mirror, state, final(one=NOT_WRITTEN))

    assert line == becomes
    assert (left.key, left.title, left.why) == (("anime", 1), "One", becomes[1])
    assert left.fields == {"num_episodes_watched": {"wanted": 5, "live": 1}}


@pytest.mark.parametrize(("there", "becomes"), [(False, "done"), (True, "failed")])
def test_a_deletion_is_confirmed_by_reading(mirror: Mirror, there: bool, becomes: str) -> None:
    left, line = settled(mirror, "done", final(two=watched(2) if there else None), call=REMOVAL)

    assert (line[0], [one.key for one in left]) == (becomes, [("anime", 2)] if there else [])


@pytest.mark.parametrize("state", ["skipped", "already"])
def test_what_the_plan_made_anew_is_content_with_was_settled_by_somebody_else(mirror: Mirror, state: Outcome) -> None:
    assert settled(mirror, state, final(one=watched(4)), still=Plan(())) == ((), ("already", SHOWN))


@pytest.mark.parametrize("state", ["done", "failed", "not_restorable"])
def test_what_was_written_is_left_though_the_plan_made_anew_is_content(mirror: Mirror, state: Outcome) -> None:
    left, _ = settled(mirror, state, final(one=watched(4)), still=Plan(()))

    assert [one.fields for one in left] == [{"num_episodes_watched": {"wanted": 5, "live": 4}}]


@pytest.mark.parametrize(
    ("state", "last", "still"),
    [("failed", WRITTEN, None), ("done", NOT_WRITTEN, None), ("skipped", watched(4), Plan(()))],
    ids=["shown", "not shown", "settled by somebody else"],
)
def test_reading_counts_no_request_and_keeps_what_mal_answered(
    mirror: Mirror, state: Outcome, last: dict[str, Any], still: Plan | None
) -> None:
    settled(mirror, state, final(one=last), still=still)

    line = mirror.journal.line(1, 1)
    assert (line.state != state, line.tries, line.http) == (True, 1, 200)


def conflict(**fields: dict[str, Any]) -> Left:
    return Left(ANIME, 1, "One", "conflict: edited since", fields)


@pytest.mark.parametrize("state", ["done", "failed", "skipped"])
def test_a_conflict_is_named_once(mirror: Mirror, state: Outcome) -> None:
    found = conflict(num_episodes_watched={"good": 5, "bad": 1, "live": 9})

    left, line = settled(mirror, state, final(one=watched(9)), still=Plan((), (found,)))

    assert (left, line) == ((found,), (state, "said"))


def test_a_conflict_is_named_without_the_fields_that_a_write_did_not_restore(mirror: Mirror) -> None:
    found = conflict(num_episodes_watched={"good": 5}, score={"good": 1})

    left, _ = settled(mirror, "not_restorable", final(one=watched(9)), still=Plan((), (found,)))

    assert [(one.why, list(one.fields)) for one in left] == [
        ("said", ["num_episodes_watched"]),
        ("conflict: edited since", ["score"]),
    ]


@pytest.mark.parametrize(("state", "becomes"), [("failed", "said"), ("done", NOT_SHOWN), ("skipped", "said")])
def test_a_conflict_of_one_field_hides_no_write_of_another(mirror: Mirror, state: Outcome, becomes: str) -> None:
    last = final(one=watched(1, score=9))
    found = conflict(score={"good": 1, "bad": 2, "live": 9})

    left, line = settled(mirror, state, last, still=Plan(remaining([CALL], last).calls, (found,)))

    assert [(one.why, one.fields) for one in left] == [
        (becomes, {"num_episodes_watched": {"wanted": 5, "live": 1}}),
        (found.why, found.fields),
    ]
    assert line[1] == becomes


def test_what_changed_under_way_is_left(mirror: Mirror) -> None:
    other = PlannedWrite("update", ANIME, 3, "Three", {"score": (1, 9)}, watched(1, score=1))

    (left,), line = settled(mirror, "done", final(one=WRITTEN), still=Plan((other,)))

    assert (left.key, left.why, left.fields) == (("anime", 3), MEANWHILE, {"score": {"wanted": 9, "live": 1}})
    assert line[0] == "done"


@pytest.mark.parametrize("sent", [True, False])
def test_what_the_run_itself_wrote_is_no_conflict(mirror: Mirror, sent: bool) -> None:
    """What another wrote before the run got to it is one."""
    found = conflict(num_episodes_watched={"good": 1, "bad": 2, "live": 5})

    left, _ = settled(mirror, "skipped", final(one=WRITTEN), still=Plan((), (found,)), sent=sent)

    assert left == (() if sent else (found,))


@pytest.mark.parametrize(
    ("answer", "live", "is_conflict"), [(watched(3), 3, False), (watched(3), 4, True), (None, 3, True)]
)
def test_what_mal_made_of_a_write_is_no_conflict(
    mirror: Mirror, answer: dict[str, Any] | None, live: int, is_conflict: bool
) -> None:
    found = conflict(num_episodes_watched={"good": 1, "bad": 2, "live": live})

    left, _ = settled(mirror, "done", final(one=watched(live)), still=Plan((), (found,)), answer=answer)

    assert [one.why for one in left] == [found.why if is_conflict else NOT_SHOWN]


ADDITION = PlannedWrite(
    "add", ANIME, 3, "Three", {"status": (None, "watching"), "num_episodes_watched": (None, 5)}, None
)


@pytest.mark.parametrize(("score", "is_left"), [(0, False), (7, True)])
def test_every_field_of_an_entry_that_the_run_added_is_its_own_while_it_is_blank(
    mirror: Mirror, score: int, is_left: bool
) -> None:
    found = Left(ANIME, 3, "Three", "conflict: edited since", {"score": {"good": 2, "bad": 1, "live": score}})
    last = final(three=watched(5, score=score))

    left, _ = settled(mirror, "done", last, call=ADDITION, still=Plan((), (found,)), answer=watched(5))

    assert left == ((found,) if is_left else ())


def test_an_entry_that_came_back_after_its_deletion_is_in_conflict(mirror: Mirror) -> None:
    found = Left(ANIME, 2, "Two", "conflict: edited since", {"score": {"good": 2, "bad": 1, "live": 0}})

    left, _ = settled(mirror, "done", final(two=watched(2)), call=REMOVAL, still=Plan((), (found,)))

    assert left == (found,)


def test_a_conflict_of_fields_that_a_write_did_not_restore_is_not_named_again(mirror: Mirror) -> None:
    found = conflict(num_episodes_watched={"good": 5})

    left, _ = settled(mirror, "not_restorable", final(one=watched(9)), still=Plan((), (found,)))

    assert [one.why for one in left] == ["said"]


def test_another_field_than_those_that_were_written_is_in_conflict_as_it_was(mirror: Mirror) -> None:
    found = conflict(score={"good": 2, "bad": 1, "live": 0})

    assert settled(mirror, "done", final(one=WRITTEN), still=Plan((), (found,)), answer=WRITTEN)[0] == (found,)


def test_a_field_that_is_as_wanted_by_now_is_not_left(mirror: Mirror) -> None:
    found = Left(ANIME, 3, "Three", "tags: said", {"tags": {"from": [], "to": ["a"]}, "score": {"from": 1, "to": 2}})

    def left(**three: Any) -> list[list[str]]:
        found_again, _ = settled(mirror, "done", final(one=WRITTEN, three=watched(**three)), still=Plan((), (found,)))
        mirror.journal.ended(mirror.journal.runs()[-1].number, "finished", now=NOW)
        return [list(one.fields) for one in found_again]

    assert left() == [["tags", "score"]]
    assert left(tags=["a"]) == [["score"]]
    assert left(tags=["a"], score=2) == []


def test_what_is_left_of_no_field_stays(mirror: Mirror) -> None:
    found = Left(ANIME, 3, "Three", "the title is gone", {})

    assert settled(mirror, "done", final(one=WRITTEN), still=Plan((), (found,)))[0] == (found,)


def test_fields_that_this_version_does_not_know_stay_as_they_were_named(mirror: Mirror) -> None:
    """The journal may have been written by a newer malsync."""
    found = conflict(mood={"from": "sad", "to": "glad"})

    assert settled(mirror, "done", final(one=WRITTEN), still=Plan((), (found,)), head=(found,))[0] == (found,)


UNSAYABLE = Left(ANIME, 3, "Three", "tags: MAL cuts tags at commas", {"tags": {"from": [], "to": ["a, b"]}})


@pytest.mark.parametrize(("tags", "is_left"), [([], True), (["a, b"], False), (None, True)])
def test_what_no_write_could_mend_is_left_until_somebody_has(
    mirror: Mirror, tags: list[str] | None, is_left: bool
) -> None:
    last = final(one=WRITTEN, three=None if tags is None else watched(tags=tags))

    left, _ = settled(mirror, "done", last, still=Plan(()), head=(UNSAYABLE,))

    assert left == ((UNSAYABLE,) if is_left else ())


def test_what_no_write_could_mend_is_named_once(mirror: Mirror) -> None:
    assert settled(mirror, "done", final(one=WRITTEN), still=Plan((), (UNSAYABLE,)), head=(UNSAYABLE,))[0] == (
        UNSAYABLE,
    )


@pytest.mark.parametrize("undoes", [True, False])
def test_an_undo_names_what_changed_along_with_its_writes(mirror: Mirror, undoes: bool) -> None:
    """The plan of any other run made anew would name it."""
    last = final(one={**WRITTEN, "status": "completed"})

    left, line = settled(mirror, "done", last, undoes=undoes)

    expected = [(MEANWHILE, {"status": {"wanted": "watching", "live": "completed"}})] if undoes else []
    assert ([(one.why, one.fields) for one in left], line[0]) == (expected, "done")


def test_an_undo_names_nothing_of_an_entry_that_it_removed_or_that_is_gone(mirror: Mirror) -> None:
    assert settled(mirror, "done", final(), call=REMOVAL, undoes=True)[0] == ()


def test_an_undo_names_nothing_of_an_entry_that_came_back_after_it_was_gone(mirror: Mirror) -> None:
    """It was gone when the deletion was due, and the plan made anew leaves it to who added it."""
    again = final(two=watched(9, score=9))

    assert settled(mirror, "already", again, call=REMOVAL, still=Plan(()), undoes=True)[0] == ()


def test_an_undo_names_what_mal_set_in_an_entry_that_it_added(mirror: Mirror) -> None:
    (left,), _ = settled(mirror, "done", final(three=watched(5, score=7)), call=ADDITION, undoes=True)

    assert (left.why, left.fields) == (MEANWHILE, {"score": {"wanted": 0, "live": 7}})


@pytest.mark.parametrize("sent", [True, False])
def test_an_undo_names_what_changed_beside_the_writes_that_it_sent_alone(mirror: Mirror, sent: bool) -> None:
    left, _ = settled(mirror, "already", final(one={**WRITTEN, "score": 7}), undoes=True, sent=sent)

    assert [one.fields for one in left] == ([{"score": {"wanted": 0, "live": 7}}] if sent else [])


def of_several(
    mirror: Mirror, lines: list[tuple[PlannedWrite, Outcome]], last: Snapshot, still: Plan, *, undoes: bool = False
) -> list[tuple[int, str]]:
    """What is left of a run of several writes that were sent: ids and reasons. Its journal names nothing that was left."""
    journal = mirror.journal
    before = mirror.add(snapshot({1: watched(1)}, {}, source="before-run")).number
    undone = None
    if undoes:
        undone = journal.begin(MIKA, "default", "restore", {}, [], before=before, now=NOW).number
        journal.ended(undone, "finished", now=NOW)
    made = [call for call, _ in lines]
    kind: RequestKind = "undo" if undoes else "restore"
    run = journal.begin(MIKA, "default", kind, {}, made, before=before, now=NOW, undoes=undone)
    for number, (_, state) in enumerate(lines, start=1):
        journal.sent(run.number, number, now=NOW)
        journal.answered(run.number, number, state, now=NOW, tries=1, http=200, why="said")
    return [(one.id, one.why) for one in reconcile(journal, run, still, last, rounded=lambda one: one, now=NOW)]


def test_each_write_is_settled_whatever_became_of_those_before_it(mirror: Mirror) -> None:
    shown, clashing, content, missing = (replace(CALL, id=id) for id in (1, 2, 3, 4))
    last = snapshot({1: WRITTEN, 2: watched(9), 3: watched(4), 4: NOT_WRITTEN}, {})
    still = Plan(remaining([missing], last).calls, (replace(conflict(num_episodes_watched={"good": 1}), id=2),))
    lines: list[tuple[PlannedWrite, Outcome]] = [
        (shown, "done"),
        (clashing, "done"),
        (content, "skipped"),
        (missing, "done"),
    ]

    assert of_several(mirror, lines, last, still) == [(4, NOT_SHOWN), (2, "conflict: edited since")]


def test_an_undo_names_what_changed_along_after_a_deletion_too(mirror: Mirror) -> None:
    last = final(one={**WRITTEN, "score": 7})

    assert of_several(mirror, [(REMOVAL, "done"), (CALL, "done")], last, Plan(()), undoes=True) == [(1, MEANWHILE)]


def test_what_no_write_could_mend_is_named_without_the_fields_that_need_no_naming(mirror: Mirror) -> None:
    fields = {"mood": {"from": "sad", "to": "glad"}, "score": {"good": 1}, "comments": {"from": "x", "to": "y"}}
    last = final(one=WRITTEN, three=watched(tags=[], comments="y"))

    left, _ = settled(
        mirror, "done", last, still=Plan(()), head=(replace(UNSAYABLE, fields={**fields, **UNSAYABLE.fields}),)
    )

    assert left == (UNSAYABLE,)


@pytest.mark.parametrize(("live", "is_conflict"), [("c &gt; d", False), ("c &lt; d", True)])
def test_encoded_text_that_mal_made_of_a_write_is_no_conflict(mirror: Mirror, live: str, is_conflict: bool) -> None:
    """It trimmed the text, and shows comments encoded."""
    call = replace(CALL, fields={"comments": ("", " c > d ")})
    found = conflict(comments={"good": " c > d ", "bad": "", "live": live})
    last = final(one=watched(1, comments=live))

    left, _ = settled(mirror, "done", last, call=call, still=Plan((), (found,)), answer=watched(1, comments="c &gt; d"))

    assert [one.why for one in left] == [found.why if is_conflict else NOT_SHOWN]


def test_an_undo_names_an_entry_once(mirror: Mirror) -> None:
    (left,), _ = settled(mirror, "done", final(one={**NOT_WRITTEN, "status": "completed"}), undoes=True)

    assert left.why == NOT_SHOWN
