"""Every history of lists comes back from the mirror as it was stored."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.mirror import SnapshotInfo
from malsync.model.diff import count, diff
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot, User
from tests.support.lists import MIKA, ORIGIN, THEO
from tests.support.mirrors import assert_holds, assert_whole, data, fresh, rows, total
from tests.support.strategies import exact, histories, snapshots, users

VERSION_ROWS = " UNION ALL ".join(
    f"SELECT '{name}' AS medium, series, media_id, since, until FROM {name}_version" for name in MEDIA
)


# -- what is stored


def assert_one_version_at_a_time(path: Path) -> None:
    """No entry has two versions at once, looked at beside what `verify` says of it."""
    spans: dict[tuple[Any, ...], list[tuple[int, float]]] = {}
    for *entry, since, until in rows(path, VERSION_ROWS):
        spans.setdefault(tuple(entry), []).append((since, float("inf") if until is None else until))
    for intervals in spans.values():
        intervals.sort()
        assert all(since < until for since, until in intervals)
        assert all(one[1] <= two[0] for one, two in pairwise(intervals))


@pytest.mark.promise("storing-4")
@given(histories(misfits=True))
def test_every_snapshot_of_a_list_through_time_rebuilds_to_what_was_stored(history: list[Snapshot]) -> None:
    with fresh() as mirror:
        infos = [mirror.add(made) for made in history]

        assert mirror.infos() == infos
        for info, made in zip(infos, history, strict=True):
            assert_holds(mirror, info, made)
        assert_whole(mirror)


@given(st.lists(snapshots(), min_size=1, max_size=5), users)
def test_snapshots_of_any_time_and_source_in_any_order_rebuild_to_what_was_stored(
    made: list[Snapshot], user: User
) -> None:
    made = [Snapshot(user, one.taken_at, one.source, one.covers, one.lists, one.note) for one in made]
    with fresh() as mirror:
        infos = [mirror.add(one) for one in made]

        for info, one in zip(infos, made, strict=True):
            assert data(mirror.load(info.number)) == data(one)
        assert [info.taken_at for info in mirror.infos()] == sorted(
            {info.number: info.taken_at for info in infos}.values()
        )
        assert_whole(mirror)
        assert_one_version_at_a_time(mirror.path)


@given(st.data())
def test_two_users_of_one_mirror_keep_their_lists_apart(draw: st.DataObject) -> None:
    mine, theirs = (draw.draw(histories(longest=3)) for _ in range(2))
    both = [
        (made, User(ORIGIN, id, "same name"))
        for pair in zip(mine, theirs, strict=False)
        for made, id in zip(pair, (1, 2), strict=True)
    ]
    with fresh() as mirror:
        made = [Snapshot(user, one.taken_at, one.source, one.covers, one.lists, one.note) for one, user in both]
        infos = [mirror.add(one) for one in made]

        for info, one in zip(infos, made, strict=True):
            assert_holds(mirror, info, one)
            assert info in mirror.infos(one.user)
        assert len(mirror.users()) == 2
        assert not {i.series for i in mirror.infos(made[0].user)} & {i.series for i in mirror.infos(made[1].user)}


@given(histories())
def test_changes_are_those_from_the_snapshot_before(history: list[Snapshot]) -> None:
    """What the one before did not cover is unknown: it can neither have come nor gone."""
    with fresh() as mirror:
        infos = [mirror.add(made) for made in history]

        assert infos[0].changes == {"add": 0, "update": 0, "remove": 0}
        for (before, after), info in zip(pairwise(history), infos[1:], strict=True):
            assert info.changes == count(diff(before, after))


# -- what it costs


@pytest.mark.promise("storing-9")
@given(histories())
def test_a_day_costs_a_row_for_each_entry_that_came_or_changed(history: list[Snapshot]) -> None:
    with fresh() as mirror:
        stored: dict[str, int] = dict.fromkeys(MEDIA, 0)
        seen: dict[str, dict[int, bytes]] = {name: {} for name in MEDIA}
        for made in history:
            mirror.add(made)
            for name, found in data(made).items():
                if found is None:
                    continue
                stored[name] += sum(seen[name].get(id) != text for id, text in found.items())
                seen[name] = found

            found_rows = total(mirror.path)
            assert {name: found_rows[f"{name}_version"] for name in MEDIA} == stored
        assert total(mirror.path)["snapshot"] == len(history)
        assert total(mirror.path)["mal_user"] == total(mirror.path)["series"] == 1


# -- titles and history


@given(histories())
def test_history_tells_what_the_snapshots_hold(history: list[Snapshot]) -> None:
    with fresh() as mirror:
        numbers = [mirror.add(made).number for made in history]

        for medium in MEDIA.values():
            for id in {id for made in history for id in made.entries(medium)}:
                versions = {one.snapshot: one.list_status for one in mirror.history(history[0].user, medium, id)}
                now = None
                for number, made in zip(numbers, history, strict=True):
                    if made.lists[medium.name] is not None:
                        now = versions.get(number, now)
                        entry = made.entries(medium).get(id)
                        assert exact(now) == exact(None if entry is None else entry.list_status)


# -- the views


@given(st.lists(snapshots(user=st.sampled_from([MIKA, THEO])), min_size=1, max_size=5))
def test_the_views_have_one_row_for_each_entry_of_each_users_newest_list(made: list[Snapshot]) -> None:
    with fresh() as mirror:
        for one in made:
            mirror.add(one)

        for name in MEDIA:
            newest: dict[Any, SnapshotInfo] = {}
            for info in mirror.infos():
                if info.counts[name] is not None:
                    newest[info.user.key] = info
            expected = {
                (info.number, id) for info in newest.values() for id in mirror.load(info.number).lists[name] or ()
            }
            found = rows(mirror.path, f"SELECT snapshot, id FROM {name}_list")
            assert len(found) == len(expected)
            assert set(found) == expected
