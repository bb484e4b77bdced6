"""Plans and reverts beside an account: whatever the lists, what was promised of them holds.

The account is the sandbox's, which shares no field name with malsync, and so is the reading of what it came to hold
(`shown`): were a name, a blank or an order wrong in the product, both sides could not agree on the mistake.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsync.mal.client import form_of
from malsync.model.diff import diff
from malsync.model.entry import Key
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot
from malsync.planning.restore_plan import MODES, PREFERENCES, Filters, Left, Mode, Op, Plan, PlannedWrite, Prefer, plan
from malsync.planning.revert_plan import revert
from malsync.sandbox import Account, Catalogue
from malsync.sandbox.media import MEDIA as FAR_SIDE
from malsync.sandbox.media import Kind
from tests.support import strategies
from tests.support.effort import effort
from tests.support.invented_lists import (
    EDITS,
    TOTALS,
    Lists,
    Status,
    by_medium,
    chains,
    evolved,
    shown,
)
from tests.support.lists import snapshot

# A thousand examples of each law where there is time for them, and a quick look everywhere else.
law = settings(max_examples=effort(100, nightly=2000))
CATALOGUE = Catalogue(
    {name: [{"id": id, "title": "T", **totals} for (m, id), totals in TOTALS.items() if m == name] for name in MEDIA}
)
NOW = datetime(2026, 11, 1, 20, 0, 0, tzinfo=UTC)


def wanted(lists: Lists) -> Snapshot:
    """The snapshot of lists as they are given: what came from a file may lack any member."""
    return snapshot(**by_medium(lists))


class Site:
    """An account that holds `lists`, and whose clock is a second further at each write."""

    def __init__(self, lists: Lists) -> None:
        self.account = Account("mika", 11, CATALOGUE, by_medium(lists))
        self.requests = {"PATCH": 0, "DELETE": 0}
        self._seconds = itertools.count()

    @property
    def holds(self) -> Lists:
        """The lists as GET tells them."""
        return {(name, id): one for name in FAR_SIDE for id, one in self.account.entries(name).items()}

    @property
    def live(self) -> Snapshot:
        """The lists as malsync reads them."""
        return wanted(self.holds)

    def carry_out(self, calls: Iterable[PlannedWrite]) -> "Site":
        for call in calls:
            assert self.account.entry(*call.key) == call.expect
            if call.op == "remove":
                self.requests["DELETE"] += 1
                self.account.delete(*call.key)
            else:
                self.requests["PATCH"] += 1
                form = form_of(call.medium, {name: to for name, (_, to) in call.fields.items()})
                self.account.patch(*call.key, form, NOW + timedelta(seconds=next(self._seconds)))
        return self


def keys_of(found: Iterable[PlannedWrite | Left], *ops: Op) -> set[Key]:
    """Which entries these are about."""
    return {one.key for one in found if not ops or (isinstance(one, PlannedWrite) and one.op in ops)}


def written(made: Plan) -> dict[Key, PlannedWrite]:
    """What a run of a plan wrote."""
    return {call.key: call for call in made.calls}


def untouched(before: Lists, after: Lists, keys: Iterable[Key]) -> bool:
    """Whether these entries are what they were, to the byte: `updated_at`, types and order too."""
    return all(repr(before.get(key)) == repr(after.get(key)) for key in keys)


# -- plans


@pytest.mark.promise("planning-6", "planning-7")
@law
@given(chains(2))
def test_exact_makes_the_account_hold_what_is_wanted_and_takes_the_fewest_calls(pair: tuple[Lists, ...]) -> None:
    a, b = pair
    site = Site(b)

    made = plan(wanted(a), site.live, "exact")
    site.carry_out(made.calls)

    seen_a, seen_b = shown(a), shown(b)
    changed = {key for key in a if seen_a[key] != seen_b.get(key)}
    assert made.left == ()
    assert shown(site.holds) == seen_a
    assert site.requests == {"PATCH": len(changed), "DELETE": len(b.keys() - a.keys())}
    assert plan(wanted(a), site.live, "exact") == Plan(())
    assert untouched(Site(b).holds, site.holds, a.keys() - changed)


@pytest.mark.promise("planning-11")
@law
@given(chains(2))
def test_merge_makes_every_wanted_entry_what_it_was_and_leaves_the_others_alone(pair: tuple[Lists, ...]) -> None:
    a, b = pair
    site = Site(b)
    before = site.holds

    made = plan(wanted(a), site.live)
    site.carry_out(made.calls)

    assert site.requests["DELETE"] == 0
    assert {key: one for key, one in shown(site.holds).items() if key in a} == shown(a)
    assert site.holds.keys() == a.keys() | b.keys()
    assert untouched(before, site.holds, b.keys() - a.keys())
    assert plan(wanted(a), site.live) == Plan(())


@pytest.mark.promise("planning-11")
@law
@given(chains(2))
def test_missing_adds_what_lacks_and_leaves_what_is_there_alone(pair: tuple[Lists, ...]) -> None:
    a, b = pair
    site = Site(b)
    before = site.holds

    made = plan(wanted(a), site.live, "missing")
    site.carry_out(made.calls)

    lacking = a.keys() - b.keys()
    assert site.requests == {"PATCH": len(lacking), "DELETE": 0}
    assert {key: one for key, one in shown(site.holds).items() if key in lacking} == {
        key: one for key, one in shown(a).items() if key in lacking
    }
    assert untouched(before, site.holds, b)


@pytest.mark.promise("planning-7")
@law
@given(chains(1), st.sampled_from(MODES), st.sampled_from(PREFERENCES))
def test_an_equal_list_takes_no_call(alone: tuple[Lists, ...], mode: Mode, prefer: Prefer) -> None:
    """Whichever side spells its blanks out."""
    (a,) = alone
    site = Site(a)

    for one, other in [(wanted(a), site.live), (site.live, wanted(a)), (site.live, site.live)]:
        assert plan(one, other, mode, prefer=prefer) == Plan(())


@pytest.mark.promise("planning-9")
@law
@given(chains(2), st.sampled_from(MODES))
def test_entries_that_are_written_come_to_stand_in_the_order_that_they_had(pair: tuple[Lists, ...], mode: Mode) -> None:
    a, b = pair
    site = Site(b)

    made = plan(wanted(a), site.live, mode)
    site.carry_out(made.calls)

    now = site.holds
    rewritten = sorted(keys_of(made.calls, "add", "update"), key=lambda key: now[key]["updated_at"])
    # The moments that are drawn sort as text; an entry without one goes first.
    times = [a[key].get("updated_at") or "" for key in rewritten]
    assert times == sorted(times)


@law
@given(chains(2), st.data())
def test_a_plan_that_was_cut_off_and_made_again_does_the_rest(pair: tuple[Lists, ...], data: st.DataObject) -> None:
    a, b = pair
    site = Site(b)
    first = plan(wanted(a), site.live, "exact")

    done = data.draw(st.integers(0, len(first.calls)))
    site.carry_out(first.calls[:done])
    second = plan(wanted(a), site.live, "exact")
    site.carry_out(second.calls)

    assert second.calls == first.calls[done:]
    assert not keys_of(first.calls[:done]) & keys_of(second.calls)
    assert shown(site.holds) == shown(a)


NAMES = sorted({member.read for medium in FAR_SIDE.values() for member in medium.members})
filters = st.builds(
    Filters,
    st.sampled_from([None, None, *MEDIA]),
    st.just(frozenset()) | st.frozensets(st.sampled_from([*TOTALS]), max_size=4),
    st.just(frozenset()) | st.frozensets(st.sampled_from(["completed", "watching", "reading"])),
    st.just(frozenset()) | st.frozensets(st.sampled_from(NAMES), max_size=6),
)


def passing(
    calls: Iterable[PlannedWrite], chosen: Filters, *versions: Mapping[Key, Status]
) -> list[tuple[Op, Key, Any]]:
    """Of calls that were planned without filters, what is left of them with `chosen`."""
    found: list[tuple[Op, Key, Any]] = []
    for call in calls:
        statuses = {one[call.key].get("status") for one in versions if call.key in one}
        fields = {name: pair for name, pair in call.fields.items() if not chosen.fields or name in chosen.fields}
        if (
            (chosen.only is None or call.key[0] == chosen.only)
            and (not chosen.ids or call.key in chosen.ids)
            and (not chosen.statuses or statuses & chosen.statuses)
            and (not chosen.fields or (call.op == "update" and fields))
        ):
            found.append((call.op, call.key, fields))
    return found


@law
@given(chains(2), filters, st.sampled_from(MODES))
def test_filters_and_modes_let_pass_what_they_name_and_nothing_else(
    pair: tuple[Lists, ...], chosen: Filters, mode: Mode
) -> None:
    a, b = pair
    site = Site(b)
    before = site.holds
    ops: dict[Mode, set[Op]] = {"merge": {"add", "update"}, "exact": {"add", "update", "remove"}, "missing": {"add"}}

    made = plan(wanted(a), site.live, mode, filters=chosen)
    site.carry_out(made.calls)

    everything = [call for call in plan(wanted(a), wanted(before), "exact").calls if call.op in ops[mode]]
    assert [(call.op, call.key, call.fields) for call in made.calls] == passing(everything, chosen, a, b)
    assert untouched(before, site.holds, before.keys() - keys_of(made.calls))


@law
@given(chains(2), st.sampled_from(["target", "newest", "progress"]))
def test_a_choice_between_two_entries_takes_one_of_them_whole(pair: tuple[Lists, ...], prefer: Prefer) -> None:
    a, b = pair
    site = Site(b)

    made = plan(wanted(a), site.live, prefer=prefer)
    site.carry_out(made.calls)

    now, theirs, mine = shown(site.holds), shown(a), shown(b)
    assert now.keys() == a.keys() | b.keys()
    for key in a.keys() & b.keys():
        assert now[key] in ([mine[key]] if prefer == "target" else [mine[key], theirs[key]])
    if prefer == "newest":
        for key in keys_of(made.calls, "update"):
            assert (a[key].get("updated_at") or "") > (b[key].get("updated_at") or "")


# -- lists of any kind: with members of any type, and of which not everything is known


def arrived(call: PlannedWrite) -> Status:
    """What the far side reads in the form of a call: a reader that takes any number and any word."""
    form = form_of(call.medium, {name: to for name, (_, to) in call.fields.items()})
    members = FAR_SIDE[call.medium.name].by_form_name
    readers: dict[Kind, Callable[[str], Any]] = {
        Kind.NUMBER: int,
        Kind.FLAG: {"true": True, "false": False}.__getitem__,
        Kind.DATE: lambda text: text or None,
        Kind.TAGS: lambda text: text.split(",") if text else [],
    }
    return {members[name].read: readers.get(members[name].kind, str)(text) for name, text in form.items()}


odd = strategies.snapshots(misfits=True)
odd_pairs = odd.flatmap(lambda a: st.tuples(st.just(a), strategies.evolved(a, misfits=True) | odd))


@pytest.mark.promise("planning-4")
@given(odd_pairs, st.sampled_from(MODES))
def test_what_is_planned_is_known_to_both_lists_and_arrives_and_all_else_is_told(
    pair: tuple[Snapshot, Snapshot], mode: Mode
) -> None:
    a, b = pair
    made = plan(a, b, mode)

    told: dict[Key, set[str]] = {}
    for one in [*made.calls, *made.left]:
        name = one.medium.name
        known = {*(a.covers[name] or ())} & {*(b.covers[name] or ())} - {"updated_at"}
        assert one.fields.keys() <= known | ({"status"} if isinstance(one, Left) else set())
        told.setdefault(one.key, set()).update(one.fields)
    for call in made.calls:
        if call.op != "remove":
            assert arrived(call) == {name: to for name, (_, to) in call.fields.items()}
    for change in diff(b, a, unknowns=False):
        if mode == "exact" or change.op == "add" or (mode, change.op) == ("merge", "update"):
            key = change.medium.name, change.id
            assert told[key] == change.fields.keys() or (change.op == "add" and "status" in told[key])
    assert made.calls == tuple(call for call in plan(a, b, "exact").calls if call.key in keys_of(made.calls))


@given(odd_pairs, st.data(), st.booleans())
def test_what_is_reverted_is_known_to_the_lists_that_have_the_entry(
    pair: tuple[Snapshot, Snapshot], data: st.DataObject, force: bool
) -> None:
    good, bad = pair
    live = data.draw(strategies.evolved(bad, misfits=True))
    made = revert(good, bad, live, force=force)

    for call in made.calls:
        name = call.medium.name
        assert None not in (good.lists[name], bad.lists[name], live.lists[name])
        holders = [one for one in (good, bad) if call.id in (one.lists[name] or {})]
        for one in [*holders, live] if call.op != "add" else [good, live]:
            assert call.fields.keys() <= {*(one.covers[name] or ())} - {"updated_at"}


# -- reverts


def as_the_table_says(good: Lists, bad: Lists, live: Lists) -> tuple[Lists, dict[Key, set[str]]]:
    """The table in docs/restoring.md once more: the resulting list, and the fields in conflict (none: the whole entry)."""
    after: dict[Key, Status | None] = {}
    clashes: dict[Key, set[str]] = {}
    for key in TOTALS:
        g, b, now = good.get(key), bad.get(key), live.get(key)
        after[key] = now
        if now == b != g:
            after[key] = g  # nobody touched it since
        elif g is not None and b is not None and now is not None:
            changed = {name for name in g if g[name] != b[name]}
            after[key] = {name: g[name] if name in changed and now[name] == b[name] else now[name] for name in g}
            fields = {name for name in changed if now[name] not in (g[name], b[name])}
            clashes |= {key: fields} if fields else {}
        elif g != b and now != g:
            clashes[key] = set()
    return {key: one for key, one in after.items() if one is not None}, clashes


@pytest.mark.promise("planning-12")
@law
@given(chains(3))
def test_a_revert_does_what_the_table_says(three: tuple[Lists, ...]) -> None:
    good, bad, live = three
    site = Site(live)

    made = revert(wanted(good), wanted(bad), site.live)
    site.carry_out(made.calls)

    seen = {"good": shown(good), "bad": shown(bad), "live": shown(live)}
    expected, clashes = as_the_table_says(*seen.values())
    assert shown(site.holds) == expected
    assert {left.key for left in made.left} == clashes.keys()
    assert len(made.left) == len(clashes)
    for left in made.left:
        assert not clashes[left.key] or left.fields.keys() == clashes[left.key]
        for name, values in left.fields.items():
            assert values == {side: one.get(left.key, {}).get(name) for side, one in seen.items()}
    changed = {key for key in TOTALS if seen["good"].get(key) != seen["bad"].get(key)}
    assert made.already == len(changed - keys_of(made.calls) - keys_of(made.left))


@pytest.mark.promise("planning-14")
@law
@given(chains(2))
def test_a_revert_of_what_was_not_touched_since_brings_the_good_list_back(pair: tuple[Lists, ...]) -> None:
    good, bad = pair
    site = Site(bad)

    made = revert(wanted(good), wanted(bad), site.live)
    site.carry_out(made.calls)

    assert (made.left, made.already) == ((), 0)
    assert shown(site.holds) == shown(good)
    assert [(call.op, call.key, call.fields) for call in made.calls] == [
        (call.op, call.key, call.fields) for call in plan(wanted(good), wanted(bad), "exact").calls
    ]


@pytest.mark.promise("planning-14")
@law
@given(chains(2), st.booleans())
def test_where_nothing_changed_or_all_is_well_again_a_revert_is_empty(pair: tuple[Lists, ...], force: bool) -> None:
    good, other = wanted(pair[0]), wanted(pair[1])
    seen = [shown(one) for one in pair]

    assert revert(good, good, other, force=force) == Plan(())
    assert revert(good, other, good, force=force) == Plan(
        (), (), sum(seen[0].get(key) != seen[1].get(key) for key in TOTALS)
    )


@pytest.mark.promise("planning-12", "security-16")
@law
@given(chains(3), st.booleans())
def test_a_revert_touches_what_changed_alone_and_no_field_is_both_written_and_in_conflict(
    three: tuple[Lists, ...], force: bool
) -> None:
    good, bad, live = three
    site = Site(live)
    before = site.holds

    made = revert(wanted(good), wanted(bad), site.live, force=force)
    site.carry_out(made.calls)

    seen_good, seen_bad = shown(good), shown(bad)
    same = {key for key in TOTALS if seen_good.get(key) == seen_bad.get(key)}
    assert untouched(before, site.holds, same)
    assert not same & keys_of([*made.calls, *made.left])
    calls, conflicts = written(made), {left.key: left for left in made.left}
    assert (len(calls), len(conflicts)) == (len(made.calls), len(made.left))
    for key in calls.keys() & conflicts.keys():
        assert calls[key].op == "update"
        assert not calls[key].fields.keys() & conflicts[key].fields.keys()


@law
@given(chains(3))
def test_by_force_nothing_is_in_conflict_and_what_changed_is_as_it_was(three: tuple[Lists, ...]) -> None:
    good, bad, live = three
    site = Site(live)

    made = revert(wanted(good), wanted(bad), site.live, force=True)
    site.carry_out(made.calls)

    now, *versions = (shown(one) for one in (site.holds, good, bad, live))
    assert made.left == ()
    for key in TOTALS:
        g, b, was = (found.get(key) for found in versions)
        if g == b:
            assert now.get(key) == was
        elif g is None or b is None or was is None:
            assert now.get(key) == g
        else:
            assert now[key] == {name: g[name] if g[name] != b[name] else was[name] for name in g}


@law
@given(chains(3), filters)
def test_filters_let_pass_what_they_name_of_a_revert(three: tuple[Lists, ...], chosen: Filters) -> None:
    good, bad, live = three
    lists = wanted(good), wanted(bad), wanted(live)

    made, everything = revert(*lists, filters=chosen), revert(*lists)

    edited = good.keys() & bad.keys()
    expected = passing(everything.calls, chosen, good, live)
    if chosen.fields:
        expected = [one for one in expected if one[1] in edited]
    assert [(call.op, call.key, call.fields) for call in made.calls] == expected
    assert keys_of(made.left) <= keys_of(everything.left)
    assert made.already <= len(good.keys() | bad.keys())


# -- undo


@pytest.mark.promise("writing-18")
@law
@given(chains(2), st.sampled_from(MODES))
def test_an_undo_brings_back_the_list_that_a_run_found(pair: tuple[Lists, ...], mode: Mode) -> None:
    a, b = pair
    site = Site(b)
    before = site.live
    run = plan(wanted(a), before, mode)
    after = site.carry_out(run.calls).live

    undo = revert(before, after, after, written=written(run))
    site.carry_out(undo.calls)

    assert undo.left == ()
    assert undo.counts == {"add": run.counts["remove"], "update": run.counts["update"], "remove": run.counts["add"]}
    assert shown(site.holds) == shown(b)


@pytest.mark.promise("writing-18")
@law
@given(chains(2), st.data())
def test_an_undo_leaves_alone_what_the_run_did_not_write(pair: tuple[Lists, ...], data: st.DataObject) -> None:
    """While the run was under way, or since: other entries, and other fields of an entry that it updated."""
    a, b = pair
    site = Site(b)
    before = site.live
    run = plan(wanted(a), before, "exact")
    after = site.carry_out(run.calls).live

    edited = evolved(data.draw, site.holds, TOTALS.keys() - keys_of(run.calls))
    theirs: dict[Key, Status] = {}
    for call in run.calls:
        if call.op == "update":
            drawn = data.draw(EDITS[call.key])
            theirs[call.key] = {name: found for name, found in drawn.items() if name not in call.fields}
            edited[call.key] = {**edited[call.key], **theirs[call.key]}
    site = Site(edited)
    held = site.holds
    if data.draw(st.booleans()):
        after = site.live

    undo = revert(before, after, site.live, written=written(run))
    site.carry_out(undo.calls)

    assert undo.left == ()
    assert untouched(held, site.holds, TOTALS.keys() - keys_of(run.calls))
    expected, found = shown(held), shown(b)
    for call in run.calls:
        if call.op == "update":
            expected[call.key] |= {name: found[call.key][name] for name in call.fields}
        else:
            expected.pop(call.key, None)
            expected |= {call.key: found[call.key]} if call.op == "remove" else {}
    assert shown(site.holds) == expected
