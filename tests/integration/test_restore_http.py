"""restore, resume and undo over real HTTP: what the account holds in the end, and what it was sent, by the sandbox's own log.

What an account shows, and what a form must carry, is told by the sandbox's table of fields, which shares no name with
malsync's: were one wrong in the product, both sides could not agree on the mistake.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsync.mal.oauth import Tokens
from malsync.mal.token_store import FileStore
from malsync.model.snapshot import PLAIN
from malsync.sandbox import World
from malsync.sandbox.media import MEDIA as FAR_SIDE
from malsync.sandbox.media import Kind
from tests.support.effort import effort
from tests.support.far_lists import USER, Log, fault, holds, key_of, put, world_of
from tests.support.farside import Sandbox
from tests.support.harness import Malsync, Result, TestTime
from tests.support.invented_lists import MOMENTS, TOTALS, Draw, Key, Lists, Status, chains, shown
from tests.support.lists import write
from tests.support.writing import mine

pytestmark = pytest.mark.writes
# Each example is four or more commands: fewer of them than where nothing but values is compared.
http_law = settings(max_examples=effort(10, nightly=100))


# -- an account, and what is sent to it


def form_of(key: Key, was: Status | None, wanted: Status) -> dict[str, str]:
    """The form that makes `was` into `wanted`, both as `shown`: what differs, and nothing else."""
    found = {}
    for member in FAR_SIDE[key[0]].members:
        if member.kind is not Kind.SERVER and wanted[member.read] != (was or {member.read: member.blank})[member.read]:
            found[member.form_name] = text_of(wanted[member.read])
    return found


def text_of(one: Any) -> str:
    if isinstance(one, bool):
        return "true" if one else "false"
    if isinstance(one, list):
        return ",".join(one)
    return "" if one is None else str(one)


@contextmanager
def beside(lists: Lists, titles: Mapping[Key, Mapping[str, int]], **sandbox: Any) -> Iterator[Malsync]:
    """malsync with an empty home folder, beside an account that holds `lists`."""
    with (
        tempfile.TemporaryDirectory(prefix="malsync-") as folder,
        Sandbox(world_of(lists, titles), **sandbox) as box,
    ):
        yield Malsync(Path(folder) / "home", box)


def box_of(malsync: Malsync) -> Sandbox:
    assert malsync.box is not None
    return malsync.box


def run(malsync: Malsync, *arguments: str | Path, exit_code: int = 0) -> Any:
    """The document of a writing command."""
    return malsync.json(*arguments, exit_code=exit_code, schema="output-run")


def refused_as_empty(wanted: Lists, live: Lists) -> bool:
    """Whether `exact` takes --force: a wanted list is empty, and the live one is not, or both wanted ones are."""
    media = {name for name, _ in wanted}
    return not media or not {name for name, _ in live} <= media


def untouched(before: Lists, after: Lists, keys: set[Key]) -> bool:
    """Whether these entries are what they were, to the byte: `updated_at` too."""
    return all(repr(before.get(key)) == repr(after.get(key)) for key in keys)


# -- any two lists

SHELVES = range(5)
"""So many times the titles that chains are made of: an example over HTTP is dear, so each is a big one."""
MANY_TITLES = {(name, id + 1000 * shelf): totals for shelf in SHELVES for (name, id), totals in TOTALS.items()}


@st.composite
def pairs(draw: Draw) -> tuple[Lists, Lists]:
    """Two lists of up to thirty titles, the second evolved from the first."""
    found: tuple[Lists, Lists] = {}, {}
    for shelf in SHELVES:
        for whole, part in zip(found, draw(chains(2)), strict=True):
            whole |= {(name, id + 1000 * shelf): one for (name, id), one in part.items()}
    return found


@pytest.mark.comments
@http_law
@given(pairs())
def test_exact_makes_the_account_hold_what_it_held_and_undo_takes_that_back(pair: tuple[Lists, Lists]) -> None:
    a, b = pair
    with beside(a, MANY_TITLES) as malsync:
        box = box_of(malsync)
        malsync.ok("backup")
        put(box.world, b)
        was, seen_a, seen_b = holds(box), shown(a), shown(b)
        changed = {key for key in a if seen_a[key] != seen_b.get(key)}
        extra = b.keys() - a.keys()
        command = ["restore", "latest", "--mode", "exact", "--yes", "--max-deletes", str(len(extra))]

        if refused_as_empty(a, b):
            log = Log(box)
            malsync.error(*command, exit_code=7)
            assert log.writes == []
            command.append("--force")
        log = Log(box)
        document = run(malsync, *command)

        now = holds(box)
        assert shown(now) == seen_a
        assert log.counts == {"PATCH": len(changed), "DELETE": len(extra)}
        assert log.forms == {key: form_of(key, seen_b.get(key), seen_a[key]) for key in changed}
        assert document["requests"] == {"GET": len(log.rows) - len(log.writes), **log.counts}
        assert (document["equal"], document["left"]) == (True, [])
        assert document["outcomes"]["done"] == len(changed) + len(extra)
        assert untouched(was, now, b.keys() - changed - extra)
        by_time = sorted(changed, key=lambda key: now[key]["updated_at"])
        times = [a[key].get("updated_at") or "" for key in by_time]
        assert times == sorted(times)
        assert len({now[key]["updated_at"] for key in changed}) == len(changed)

        log = Log(box)
        again = run(malsync, *command)
        assert (again["run"], again["plan"], again["equal"]) == (None, {"add": 0, "update": 0, "remove": 0}, True)
        assert log.writes == []

        if document["run"] is None:
            assert not changed | extra
            return
        log = Log(box)
        undone = run(malsync, "undo", "--yes", "--max-deletes", str(len(MANY_TITLES)))
        assert shown(holds(box)) == seen_b
        assert (undone["equal"], undone["left"]) == (True, [])
        assert sum(log.counts.values()) == len(changed) + len(extra)
        assert untouched(was, holds(box), b.keys() - changed - extra)


@pytest.mark.comments
@http_law
@given(pairs(), st.sampled_from(["merge", "missing"]))
def test_merge_deletes_nothing_and_missing_changes_nothing_that_is_there(pair: tuple[Lists, Lists], mode: str) -> None:
    a, b = pair
    with beside(a, MANY_TITLES) as malsync:
        box = box_of(malsync)
        malsync.ok("backup")
        put(box.world, b)
        was, seen_a, seen_b = holds(box), shown(a), shown(b)
        written = {key for key in a if key not in b or (mode == "merge" and seen_a[key] != seen_b[key])}

        log = Log(box)
        document = run(malsync, "restore", "latest", "--mode", mode, "--yes")

        now = holds(box)
        assert log.counts == {"PATCH": len(written), "DELETE": 0}
        assert log.keys == written
        assert now.keys() == a.keys() | b.keys()
        assert {key: one for key, one in shown(now).items() if key in written} == {key: seen_a[key] for key in written}
        assert untouched(was, now, b.keys() - written)
        assert document["equal"]
        log = Log(box)
        assert run(malsync, "restore", "latest", "--mode", mode, "--yes")["run"] is None
        assert log.writes == []


# -- by example


@pytest.mark.promise("planning-7")
def test_five_edits_in_thousands_of_entries_take_five_calls(home: Path, tmp_path: Path) -> None:
    entries = effort(2_000, nightly=10_900)
    with Sandbox(World.generated(entries, clock=TestTime().now)) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        before = shown(holds(box))
        edited = [("anime", id) for id in sorted(box.entries(box.user, "anime"))[:: entries // 4]] + [("manga", 2)]
        for name, id in edited:
            box.edit(box.user, name, id, comments="Somebody was here.")

        log = Log(box)
        for look in (["--dry-run"], ["--plan", tmp_path / "plan.json"], ["--rehearse"]):
            looked = run(malsync, "restore", "latest", *look)
            assert (looked["run"], looked["plan"]) == (None, {"add": 0, "update": 5, "remove": 0})
        assert log.writes == []
        assert looked["rehearsal"]["PATCH"] == 5
        assert looked["equal"]

        document = run(malsync, "restore", "latest", "--yes")
        assert log.counts == {"PATCH": 5, "DELETE": 0}
        assert log.keys == set(edited)
        assert document["equal"]
        assert shown(holds(box)) == before

        assert run(malsync, "restore", "latest", "--mode", "exact", "--yes")["run"] is None
        assert log.counts == {"PATCH": 5, "DELETE": 0}


def cannot_be_stored(world: World, key: Key, status: Status) -> set[str]:
    """The members that no PATCH can make: progress above the title's total, and tags with a comma in them."""
    title = world.catalogue.known(*key)
    found = {"tags"} if any("," in tag for tag in status["tags"]) else set()
    for member in FAR_SIDE[key[0]].members:
        total = title.get(member.total or "", 0)
        if total and status[member.read] > total:
            found.add(member.read)
    return found


@pytest.mark.comments
@pytest.mark.parametrize("user", ["sandbox_mika", pytest.param("sandbox_theo", marks=pytest.mark.nightly)])
def test_an_emptied_list_comes_back_but_for_what_mal_cannot_store(home: Path, user: str) -> None:
    world = World.demo(clock=TestTime().now)
    with Sandbox(world) as box:
        malsync = Malsync(home, box, MALSYNC_ACCESS_TOKEN=box.token_for(user))
        malsync.ok("backup")
        before = holds(box, user)
        for key in before:
            box.remove(user, *key)
        odd = {key: lost for key, one in shown(before).items() if (lost := cannot_be_stored(world, key, one))}

        document = run(malsync, "restore", "latest", "--yes", exit_code=5 if odd else 0)

        after = holds(box, user)
        assert after.keys() == before.keys()
        wrong = {
            key: {name for name in one if shown(before)[key][name] != one[name]} for key, one in shown(after).items()
        }
        assert {key: names for key, names in wrong.items() if names} == odd
        left: dict[Key, set[str]] = {}
        for one in document["left"]:
            left.setdefault((one["medium"], one["id"]), set()).update(one["fields"])
        assert left == odd
        assert (user == "sandbox_mika") == bool(odd)
        times = [before[key]["updated_at"] for key in sorted(after, key=lambda key: after[key]["updated_at"])]
        assert times == sorted(times)


# -- two lists on which everything happens: six adds, six updates, six deletes, and four entries that are as wanted

SITE_TITLES: dict[Key, dict[str, int]] = {
    (name, id): {"num_episodes": 24} if name == "anime" else {"num_volumes": 9, "num_chapters": 80}
    for name in FAR_SIDE
    for id in range(1, 13)
}
PROGRESS = {"anime": "num_episodes_watched", "manga": "num_chapters_read"}


def _wanted(name: str, id: int) -> Status:
    minute = id * 2 + (name == "manga")
    return {
        "status": "completed",
        "score": 1 + id % 9,
        PROGRESS[name]: 10 + id,
        "tags": ["one", f"tag {id}"],
        "comments": f"kept & <{id}>",
        "start_date": f"2020-01-{id:02}",
        "updated_at": f"2026-10-01T12:{minute:02}:00+00:00",
    }


def _changed(name: str, id: int) -> Status:
    return _wanted(name, id) | {
        "status": "dropped",
        PROGRESS[name]: 3,
        "comments": "",
        "start_date": "2021-05-05",
        "finish_date": "2021-06-06",
        "updated_at": "2026-10-20T20:00:00+00:00",
    }


ADDED = {(name, id) for name in FAR_SIDE for id in (1, 2, 3)}
UPDATED = {(name, id) for name in FAR_SIDE for id in (4, 5, 6)}
DELETED = {(name, id) for name in FAR_SIDE for id in (7, 8, 9)}
WITNESSES = {(name, id) for name in FAR_SIDE for id in (10, 11)}
WANTED: Lists = {key: _wanted(*key) for key in sorted(ADDED | UPDATED | WITNESSES)}
LIVE: Lists = {key: _changed(*key) for key in sorted(UPDATED | DELETED)} | {
    key: WANTED[key] for key in sorted(WITNESSES)
}
FIRST, MIDDLE, LAST = 1, 9, 18
"""An add, an update and a deletion: adds are wanted with the oldest times, and deletions go last."""
EXACT = ("restore", "latest", "--mode", "exact", "--yes", "--max-deletes", "6")


@dataclass
class Site:
    """A backup of WANTED beside an account that holds LIVE now."""

    malsync: Malsync
    box: Sandbox
    log: Log

    @property
    def wrong(self) -> set[Key]:
        """The entries that are not as wanted."""
        now, wanted = shown(holds(self.box)), shown(WANTED)
        return {key for key in now.keys() | wanted.keys() if now.get(key) != wanted.get(key)}

    def assert_others_are_untouched(self) -> None:
        assert untouched(LIVE_TOLD, holds(self.box), WITNESSES)
        assert self.log.keys <= ADDED | UPDATED | DELETED

    def restored(self, exit_code: int, *more: str) -> Any:
        """Restore, and the document of it: what it says is left is what is wrong."""
        document = run(self.malsync, *EXACT, *more, exit_code=exit_code)
        self.assert_is_true_of_the_account(document)
        return document

    def assert_is_true_of_the_account(self, document: Any) -> None:
        self.assert_others_are_untouched()
        assert {(one["medium"], one["id"]) for one in document["left"]} == self.wrong
        assert document["equal"] == (not self.wrong)
        assert all(one["why"] and one["title"] for one in document["left"])
        assert document["requests"] == {"GET": len(self.log.rows) - len(self.log.writes), **self.log.counts}

    def stopped(self, exit_code: int) -> Result:
        """Restore, which must break off and say how to go on."""
        result = self.malsync(*EXACT)
        assert result.exit_code == exit_code, result
        assert result.stderr.splitlines()[-1].endswith("To go on: malsync resume 1"), result
        self.assert_others_are_untouched()
        assert [row["state"] for row in self.malsync.json("runs")] == ["unfinished"]
        return result

    def resumed(self) -> Any:
        """Go on without any fault: it must end with the lists as wanted."""
        self.box.clear_faults()
        before = Log(self.box)
        document = run(self.malsync, "resume")
        assert self.wrong == set()
        assert (document["equal"], document["left"]) == (True, [])
        self.assert_others_are_untouched()
        self.log.assert_nothing_done_is_sent_twice()
        assert [row["state"] for row in self.malsync.json("runs")] == ["finished"]
        self.assert_converged()
        assert len(before.writes) == document["requests"]["PATCH"] + document["requests"]["DELETE"]
        return document

    def assert_converged(self) -> None:
        """A restore without any fault mends what is left, and another has nothing to do."""
        self.box.clear_faults()
        wrong = self.wrong
        log = Log(self.box)
        run(self.malsync, *EXACT)
        assert log.keys == wrong
        assert self.wrong == set()
        assert run(self.malsync, *EXACT)["run"] is None
        assert self.malsync.json("verify")["ok"]
        self.assert_others_are_untouched()


LIVE_TOLD: Lists = {}


@pytest.fixture(scope="module")
def prepared(comments_shown: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Malsync]]:
    """A sandbox, and a home folder with a backup of WANTED, to be copied: so that each test begins at once."""
    with Sandbox(world_of(WANTED, SITE_TITLES)) as box:
        malsync = Malsync(tmp_path_factory.mktemp("prepared") / "home", box)
        malsync.ok("backup")
        put(box.world, LIVE)
        LIVE_TOLD.update(holds(box))
        yield box, malsync


@pytest.fixture
def site(prepared: tuple[Sandbox, Malsync], home: Path) -> Iterator[Site]:
    box, before = prepared
    shutil.copytree(before.home, home)
    put(box.world, LIVE)
    malsync = Malsync(home, box, MALSYNC_ACCESS_TOKEN=box.token_for(USER))
    malsync.time.moment = before.time.moment
    yield Site(malsync, box, Log(box))
    box.clear_faults()


at_each_place = pytest.mark.parametrize("place", [FIRST, MIDDLE, LAST], ids=["first", "middle", "last"])


@pytest.mark.comments
def test_without_a_fault_it_takes_eighteen_calls(site: Site) -> None:
    document = site.restored(0)

    assert document["plan"] == {"add": 6, "update": 6, "remove": 6}
    assert site.log.counts == {"PATCH": 12, "DELETE": 6}
    kinds = [ADDED, UPDATED, DELETED]
    assert [next(n for n, kind in enumerate(kinds) if key_of(row) in kind) for row in site.log.writes] == (
        [0] * 6 + [1] * 6 + [2] * 6
    )
    site.log.assert_nothing_done_is_sent_twice()


@pytest.mark.parametrize("look", ["--dry-run", "--plan", "--rehearse"])
def test_looking_sends_nothing_but_get(site: Site, look: str, tmp_path: Path) -> None:
    before = holds(site.box)
    arguments = [look, tmp_path / "plan.json"] if look == "--plan" else [look]

    document = run(site.malsync, *EXACT, *arguments)

    assert {row["method"] for row in site.log.rows} == {"GET"}
    assert (document["run"], document["plan"]) == (None, {"add": 6, "update": 6, "remove": 6})
    assert holds(site.box) == before
    assert site.malsync.json("runs") == []


def test_where_nobody_can_answer_nothing_is_sent(site: Site) -> None:
    site.malsync.error("restore", "latest", "--mode", "exact", exit_code=2)
    site.malsync.error("restore", "latest", "--mode", "exact", "--yes", "--max-deletes", "5", exit_code=7)

    assert site.log.writes == []


@pytest.mark.comments
def test_a_plan_that_was_looked_at_is_carried_out_as_it_stands(site: Site, tmp_path: Path) -> None:
    run(site.malsync, *EXACT, "--plan", tmp_path / "plan.json")

    document = run(site.malsync, "apply", tmp_path / "plan.json", "--max-deletes", "6")

    assert site.wrong == set()
    assert document["equal"]
    assert site.log.counts == {"PATCH": 12, "DELETE": 6}


# -- one fault

PASSING = (
    "500",
    "500:done=yes",
    "502",
    "503",
    "504",
    "504:done=yes",
    "429",
    "429:retry_after=3",
    "403",
    "cut:at=before,done=no",
    "cut:at=before,done=yes",
    "cut:at=middle,done=no",
    "cut:at=middle,done=yes",
    "truncated",
    "empty",
    "html",
)


@pytest.mark.comments
@pytest.mark.parametrize(
    ("spec", "place"),
    [
        # Each fault at one place and each place with many faults; at night all pairs.
        pytest.param(spec, place, marks=[] if number % 3 == turn else pytest.mark.nightly)
        for number, spec in enumerate(PASSING)
        for turn, place in enumerate((FIRST, MIDDLE, LAST))
    ],
)
def test_a_failure_that_passes_is_tried_again(site: Site, spec: str, place: int) -> None:
    site.box.add_faults(fault(spec, place))

    document = site.restored(0)

    struck = [key_of(row) for row in site.log.writes if row.get("faults")]
    assert len(struck) == 1
    again = 0 if (spec, place) == ("empty", LAST) else 1  # a DELETE has nothing to say
    assert len(site.log.writes) == 18 + again
    assert document["outcomes"]["done"] == 18
    site.log.assert_nothing_done_is_sent_twice()
    if again:
        # What comes after the wait before another try is the pace, which slows where MAL has had enough.
        assert site.malsync.time.slept[0] == (3.0 if "retry_after" in spec else 1.0)
    assert run(site.malsync, *EXACT)["run"] is None


NAMED = {
    "redirect": ("failed", "failed", "failed"),
    "bad_request": ("failed", "failed", "failed"),
    "invalid_content": ("not_restorable", "not_restorable", "not_restorable"),
    "gone": ("not_restorable", "not_restorable", "failed"),
    "unstored": ("failed", "failed", "failed"),
}


@pytest.mark.comments
@pytest.mark.promise("writing-11")
@at_each_place
@pytest.mark.parametrize("spec", NAMED)
def test_what_is_refused_or_lost_is_named_and_nothing_else_is_kept_from_its_end(
    site: Site, spec: str, place: int
) -> None:
    site.box.add_faults(fault(spec, place))

    document = site.restored(5)

    (struck,) = [key_of(row) for row in site.log.writes if row.get("faults")]
    assert site.wrong == {struck}
    assert len(site.log.writes) == 18
    outcome = NAMED[spec][(FIRST, MIDDLE, LAST).index(place)]
    assert {name: number for name, number in document["outcomes"].items() if number} == {"done": 17, outcome: 1}
    site.log.assert_nothing_done_is_sent_twice()
    site.assert_converged()


@pytest.mark.comments
@pytest.mark.promise("writing-8")
@pytest.mark.parametrize("place", [FIRST, MIDDLE])
def test_what_the_answer_does_not_show_is_sent_once_more(site: Site, place: int) -> None:
    site.box.add_faults(fault("unstored:shows=kept", place))

    site.restored(0)

    assert len(site.log.writes) == 19
    first, second = [row for row in site.log.writes if key_of(row) == key_of(site.log.writes[place - 1])]
    assert second["form"] == {"status": "completed"} | first["form"]
    site.log.assert_nothing_done_is_sent_twice()


@pytest.mark.comments
@pytest.mark.promise("writing-8")
@pytest.mark.parametrize(("place", "field"), [(FIRST, "score"), (MIDDLE, "comments"), (MIDDLE, "start_date")])
@pytest.mark.parametrize("shows", ["wanted", "kept"])
def test_a_field_that_mal_never_stores_is_named_with_both_values(
    site: Site, place: int, field: str, shows: str
) -> None:
    site.box.add_faults(fault(f"unstored:field={field},shows={shows}", f"{place}-99"))

    document = site.restored(5)

    for one in document["left"]:
        key = one["medium"], one["id"]
        live = shown(holds(site.box))[key][field]
        assert one["fields"] == {field: {"wanted": shown(WANTED)[key][field], "live": live}}
    assert document["outcomes"]["done"] + len(document["left"]) == 18
    site.assert_converged()


@pytest.mark.comments
def test_a_deletion_that_is_answered_and_not_carried_out_is_named(site: Site) -> None:
    site.box.add_faults(fault("unstored:shows=kept", LAST))

    site.restored(5)

    assert site.wrong == {key_of(site.log.writes[-1])}
    site.assert_converged()


@pytest.mark.comments
@pytest.mark.promise("writing-7")
@at_each_place
@pytest.mark.parametrize("what", ["score", "comments", "remove"])
def test_what_somebody_else_does_at_that_very_moment_is_told(site: Site, what: str, place: int) -> None:
    """Whether it hurts depends: what the write carries too is overwritten, what it does not carry stays, and is named."""
    site.box.add_faults(fault(f"meanwhile:what={what}", place))
    carried = {("remove", FIRST), ("remove", LAST), ("score", FIRST), ("comments", FIRST), ("comments", MIDDLE)}
    harmless = (what, place) in carried or place == LAST

    document = site.restored(0 if harmless else 5)

    (struck,) = [key_of(row) for row in site.log.writes if row.get("faults")]
    assert site.wrong == (set() if harmless else {struck})
    assert len(site.log.writes) == 18
    if not harmless:
        (left,) = document["left"]
        name = "score"
        assert left["fields"][name]["wanted"] == WANTED[struck]["score"]
    site.log.assert_nothing_done_is_sent_twice()
    site.assert_converged()


@pytest.mark.comments
@pytest.mark.promise("pace-3")
@at_each_place
def test_asked_to_wait_for_longer_than_five_minutes_it_stops_and_goes_on_later(site: Site, place: int) -> None:
    site.box.add_faults(fault("429:retry_after=400", place))

    result = site.stopped(4)

    assert len(site.log.writes) == place
    assert site.malsync.time.slept == []
    assert f"{place - 1} of 18 writes are settled" in result.stderr
    site.resumed()
    assert len(site.log.writes) == 19


@pytest.mark.comments
@pytest.mark.promise("writing-12")
@at_each_place
@pytest.mark.parametrize("spec", ["forbidden", "expire"])
def test_a_refused_token_stops_it_and_another_one_goes_on(site: Site, spec: str, place: int) -> None:
    site.box.add_faults(fault(spec, place))

    site.stopped(3)

    assert len(site.log.writes) == place
    site.malsync.environment["MALSYNC_ACCESS_TOKEN"] = site.box.token_for(USER)
    site.resumed()
    assert len(site.log.writes) == 19


@pytest.mark.comments
@at_each_place
def test_an_expired_token_is_refreshed_on_the_way(site: Site, place: int) -> None:
    del site.malsync.environment["MALSYNC_ACCESS_TOKEN"]
    log_in(site)
    site.box.add_faults(fault("expire", place))

    asked = len(site.box.requests)
    document = run(site.malsync, *EXACT, exit_code=0)

    assert document["equal"]
    assert site.wrong == set()
    assert [row["grant_type"] for row in site.box.requests[asked:] if row["kind"] == "oauth"] == ["refresh_token"]
    assert len(site.log.writes) == 19
    site.log.assert_nothing_done_is_sent_twice()


def log_in(site: Site) -> None:
    """Tokens of its own for the home folder; the environment has none."""
    site.malsync.environment["MALSYNC_ACCESS_TOKEN"] = ""
    pair, box = site.box.token_pair(USER), site.box
    origin = box.api_url.removesuffix("/v2")
    tokens = Tokens(
        pair["access_token"], pair["refresh_token"], 0, 1e11, box.client_id, origin, f"{box.auth_url}/token"
    )
    FileStore(site.malsync.home).save("default", tokens)


# -- faults that do not pass


@pytest.mark.comments
@pytest.mark.promise("writing-12")
@pytest.mark.parametrize("place", [FIRST, MIDDLE])
@pytest.mark.parametrize("done", ["no", "yes"])
@pytest.mark.parametrize("kind", ["503", "403", "cut", "html"])
def test_three_calls_in_a_row_that_fail_stop_it(site: Site, kind: str, done: str, place: int) -> None:
    site.box.add_faults(fault(f"{kind}:done={done}", f"{place}-999"))

    site.stopped(4)

    assert len(site.log.writes) == place - 1 + 15
    before = Log(site.box)
    document = site.resumed()
    repeated = 3 if done == "no" else 0
    assert len(before.writes) == 18 - (place - 1) - 3 + repeated
    assert document["outcomes"] == {
        "done": 18 - (3 - repeated),
        "already": 3 - repeated,
        "skipped": 0,
        "failed": 0,
        "not_restorable": 0,
    }


@pytest.mark.comments
@pytest.mark.promise("writing-12")
@at_each_place
@pytest.mark.parametrize("done", ["no", "yes"])
def test_one_entry_that_fails_for_good_stops_nothing_and_the_last_reading_tells(
    site: Site, done: str, place: int
) -> None:
    key = [*writes_in_order()][place - 1]
    site.box.add_faults(f"502:on={key[0]}/{key[1]}/,done={done}")

    document = site.restored(5 if done == "no" else 0)

    assert site.wrong == ({key} if done == "no" else set())
    assert document["outcomes"]["failed"] == (1 if done == "no" else 0)
    assert len(site.log.writes) == 17 + 5
    site.assert_converged()


def writes_in_order() -> Iterator[Key]:
    def when(key: Key) -> str:
        return str(WANTED[key]["updated_at"])

    yield from sorted(ADDED | UPDATED, key=when)
    yield from sorted(DELETED)


@pytest.mark.comments
def test_a_title_that_mal_keeps_otherwise_is_told_with_both_values(site: Site) -> None:
    site.box.add_faults("unstored:shows=kept,on=anime/4/")

    document = site.restored(5)

    (left,) = document["left"]
    assert (left["medium"], left["id"]) == ("anime", 4)
    assert left["fields"]["comments"] == {"wanted": "kept & <4>", "live": ""}
    assert left["fields"]["finish_date"] == {"wanted": None, "live": "2021-06-06"}
    assert document["outcomes"]["not_restorable"] == 1
    site.assert_converged()


# -- the last reading

UNREADABLE = {
    "503": (4, "2-6"),
    "403": (4, "2-6"),
    "html": (4, "2-6"),
    "429:retry_after=400": (4, "2"),
    "redirect": (4, "2"),
    "wrong_type": (4, "2"),
    "endless": (4, "2-9"),
    "foreign_next": (4, "2"),
    "forbidden": (3, "2"),
    "expire": (3, "2"),
}


@pytest.mark.comments
@pytest.mark.promise("writing-13")
@pytest.mark.parametrize("which", ["animelist", "mangalist"])
@pytest.mark.parametrize("spec", UNREADABLE)
def test_where_the_last_reading_fails_resume_reads_again_and_sends_nothing(site: Site, spec: str, which: str) -> None:
    exit_code, nth = UNREADABLE[spec]
    site.box.add_faults(f"{spec}{',' if ':' in spec else ':'}on={which},nth={nth}")

    result = site.stopped(exit_code)

    assert "18 of 18 writes are settled" in result.stderr
    assert site.wrong == set()
    site.malsync.environment["MALSYNC_ACCESS_TOKEN"] = site.box.token_for(USER)
    site.resumed()
    assert site.log.counts == {"PATCH": 12, "DELETE": 6}


@pytest.mark.comments
@pytest.mark.parametrize("spec", ["503", "429", "cut:at=middle", "truncated", "empty", "overlap"])
def test_a_last_reading_that_fails_once_is_tried_again(site: Site, spec: str) -> None:
    site.box.add_faults(f"{spec}{',' if ':' in spec else ':'}on=list,method=GET,nth=3")

    site.restored(0)

    assert len(site.log.writes) == 18


@pytest.mark.comments
@pytest.mark.promise("writing-13")
def test_what_is_changed_before_the_last_reading_is_named(site: Site) -> None:
    """An entry that this run wrote, and one that it did not."""
    site.box.add_faults("edit:on=animelist,nth=2,id=1;remove:on=mangalist,nth=2,id=10")

    document = run(site.malsync, *EXACT, exit_code=5)

    named = {(one["medium"], one["id"]): one["fields"] for one in document["left"]}
    assert named.keys() == {("anime", 1), ("manga", 10)} == site.wrong
    assert named["anime", 1] == {"score": {"wanted": 2, "live": 3}}
    assert not document["equal"]


@pytest.mark.comments
@pytest.mark.promise("writing-6")
def test_what_moved_since_the_plan_was_made_is_not_overwritten(site: Site, tmp_path: Path) -> None:
    run(site.malsync, *EXACT, "--plan", tmp_path / "plan.json")
    site.box.edit(USER, "anime", 4, comments="mine, since")
    site.box.edit(USER, "anime", 7, score=9)
    site.box.add(USER, "anime", 1, status="watching")
    site.box.remove(USER, "manga", 5)
    held = holds(site.box)

    document = run(site.malsync, "apply", tmp_path / "plan.json", "--max-deletes", "6", exit_code=5)

    moved = {("anime", 4), ("anime", 7), ("anime", 1), ("manga", 5)}
    assert {(one["medium"], one["id"]) for one in document["left"]} == moved == site.wrong
    assert untouched(held, holds(site.box), moved)
    assert document["outcomes"]["skipped"] == 4
    assert site.log.keys == (ADDED | UPDATED | DELETED) - moved


@pytest.mark.comments
@pytest.mark.promise("writing-4")
def test_lists_that_were_read_long_ago_are_read_again_before_another_write(site: Site) -> None:
    """What others did until then is kept: of a deletion, that they touched the entry is enough."""
    edited = {"anime": 5, "manga": 8}
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if seconds == 200.0 and slept.count(seconds) == 2:
            site.box.edit(USER, "anime", 5, comments="mine, meanwhile")
            site.box.edit(USER, "manga", 8)
            site.box.add(USER, "manga", 3, status="on_hold")
        TestTime.sleep(site.malsync.time, seconds)

    site.malsync.time.sleep = sleep  # type: ignore[method-assign]
    site.box.add_faults(";".join(fault("429:retry_after=200", place) for place in (1, 3)))
    moved = {*edited.items(), ("manga", 3)}

    document = run(site.malsync, *EXACT, exit_code=5)

    assert slept.count(200.0) == 2
    assert {(one["medium"], one["id"]) for one in document["left"]} == moved == site.wrong
    assert document["outcomes"]["skipped"] == 3
    assert site.log.keys == (ADDED | UPDATED | DELETED) - moved
    assert holds(site.box)["anime", 5]["comments"] == "mine, meanwhile"
    assert holds(site.box)["manga", 3]["status"] == "on_hold"


@pytest.mark.comments
def test_by_force_what_moved_is_overwritten_all_the_same(site: Site, tmp_path: Path) -> None:
    run(site.malsync, *EXACT, "--plan", tmp_path / "plan.json")
    site.box.edit(USER, "anime", 4, comments="mine, since")
    site.box.edit(USER, "anime", 7, score=9)
    site.box.add(USER, "anime", 1, status="watching", score=2)
    site.box.remove(USER, "manga", 5)

    document = run(site.malsync, "apply", tmp_path / "plan.json", "--max-deletes", "6", "--force")

    assert site.wrong == set()
    assert document["equal"]


# -- an interrupted run, and what others do until it goes on


def interrupted(site: Site, place: int = MIDDLE) -> None:
    site.box.add_faults(fault("429:retry_after=400", place))
    site.stopped(4)
    site.box.clear_faults()


@pytest.mark.comments
def test_resume_overwrites_nothing_that_was_done_meanwhile(site: Site) -> None:
    interrupted(site)
    written, due = [*writes_in_order()][: MIDDLE - 1], [*writes_in_order()][MIDDLE:]
    mine = [written[0], due[0], due[-1]]
    for key in mine:
        site.box.edit(USER, *key, comments="mine, meanwhile")
    held = holds(site.box)

    document = run(site.malsync, "resume", exit_code=5)

    assert untouched(held, holds(site.box), set(mine))
    assert {(one["medium"], one["id"]) for one in document["left"]} == set(mine) == site.wrong
    assert document["outcomes"]["skipped"] == 2
    site.log.assert_nothing_done_is_sent_twice()


@pytest.mark.comments
def test_an_unfinished_run_lets_no_other_begin_until_it_is_taken_back(site: Site) -> None:
    interrupted(site)
    log = Log(site.box)
    site.malsync.error(*EXACT, exit_code=7)
    assert log.writes == []

    document = run(site.malsync, "undo", "--yes", "--max-deletes", "12")

    assert shown(holds(site.box)) == shown(LIVE)
    assert document["equal"]
    assert [row["state"] for row in site.malsync.json("runs")] == ["undone", "finished"]
    assert {key_of(row) for row in log.writes} == set([*writes_in_order()][: MIDDLE - 1])
    site.assert_converged()


@pytest.mark.comments
@at_each_place
@pytest.mark.parametrize("done", ["no", "yes"])
def test_a_write_of_which_nobody_knows_is_taken_back_if_it_was_carried_out(site: Site, done: str, place: int) -> None:
    site.box.add_faults(fault(f"429:retry_after=400,done={done}", place))
    site.stopped(4)
    site.box.clear_faults()
    log = Log(site.box)

    document = run(site.malsync, "undo", "--yes", "--max-deletes", "12")

    assert document["equal"]
    assert shown(holds(site.box)) == shown(LIVE)
    assert len(log.writes) == (place if done == "yes" else place - 1)
    site.assert_others_are_untouched()


@pytest.mark.comments
@at_each_place
def test_a_write_of_which_nobody_knows_is_not_sent_again_if_it_was_carried_out(site: Site, place: int) -> None:
    site.box.add_faults(fault("429:retry_after=400,done=yes", place))
    site.stopped(4)

    document = site.resumed()

    assert len(site.log.writes) == 18
    assert (document["outcomes"]["done"], document["outcomes"]["already"]) == (17, 1)


@pytest.mark.comments
def test_what_is_given_up_stays_and_can_be_taken_back(site: Site) -> None:
    interrupted(site)
    held = holds(site.box)

    site.malsync.ok("runs", "--abandon", "1")
    assert holds(site.box) == held
    run(site.malsync, "undo", "1", "--yes", "--max-deletes", "12")

    assert shown(holds(site.box)) == shown(LIVE)


@pytest.mark.comments
def test_an_undo_that_a_guard_refused_forgets_nothing_that_is_written_afterwards(site: Site) -> None:
    """It has read the lists as the interrupted run left them; then the run went on, and was interrupted again."""
    interrupted(site, FIRST + 3)
    site.malsync.error("undo", "--yes", "--max-deletes", "1", exit_code=7)
    site.box.add_faults(fault("429:retry_after=400", 8))
    assert site.malsync("resume").exit_code == 4
    site.box.clear_faults()

    document = run(site.malsync, "undo", "--yes", "--max-deletes", "12")

    assert shown(holds(site.box)) == shown(LIVE)
    assert document["equal"]


@pytest.mark.comments
@pytest.mark.promise("writing-18")
def test_an_undo_that_was_interrupted_is_resumed_and_can_be_undone(site: Site) -> None:
    run(site.malsync, *EXACT)
    site.box.add_faults(fault("503", "7-999"))
    assert site.malsync("undo", "--yes", "--max-deletes", "12").exit_code == 4
    site.box.clear_faults()

    document = run(site.malsync, "resume")

    assert document["equal"]
    assert shown(holds(site.box)) == shown(LIVE)
    assert run(site.malsync, "undo", "--yes", "--max-deletes", "12")["equal"]
    assert site.wrong == set()


# -- what the last reading is compared with, where the plan would be another one by then


@pytest.mark.comments
def test_an_entry_that_only_lacked_is_looked_at_again_all_the_same(site: Site) -> None:
    site.box.add_faults("unstored:field=score,on=anime/1/")

    document = run(site.malsync, "restore", "latest", "--mode", "missing", "--yes", exit_code=5)

    (left,) = document["left"]
    assert (left["medium"], left["id"], left["fields"]) == ("anime", 1, {"score": {"wanted": 2, "live": 0}})
    assert (document["equal"], document["outcomes"]["failed"]) == (False, 1)


@pytest.mark.comments
def test_an_entry_that_leaves_the_status_that_was_asked_for_is_looked_at_again_all_the_same(site: Site) -> None:
    site.box.add_faults("unstored:field=start_date,on=anime/4/")

    document = run(site.malsync, "restore", "latest", "--status", "dropped", "--yes", exit_code=5)

    (left,) = document["left"]
    assert (left["medium"], left["id"]) == ("anime", 4)
    assert left["fields"] == {"start_date": {"wanted": "2020-01-04", "live": "2021-05-05"}}
    assert not document["equal"]


@pytest.mark.parametrize("mode", ["merge", "exact", "missing"])
def test_what_no_write_can_mend_is_named_when_all_else_is_done(mode: str) -> None:
    wanted = {("anime", 1): as_status(("anime", 1), {"tags": ["one, two"], "score": 8})}
    with beside(wanted, SITE_TITLES) as malsync:
        document, log = restored_beside(malsync, {}, exit_code=5, more=("--mode", mode))

        (left,) = document["left"]
        assert (left["id"], left["fields"].keys()) == (1, {"tags"})
        assert (document["equal"], document["outcomes"]["done"]) == (False, 1)
        assert log.forms == {("anime", 1): {"status": "watching", "score": "8"}}


@pytest.mark.parametrize("prefer", ["newest", "progress"])
def test_an_entry_that_won_is_looked_at_again_all_the_same(home: Path, prefer: str) -> None:
    world = World.demo(clock=TestTime().now)
    theirs, key = world.named("sandbox_theo"), ("anime", 1)
    with Sandbox(world, faults="unstored:field=comments,on=anime/1/") as box:
        box.edit("sandbox_theo", *key, status="watching", num_episodes_watched=1, comments="theirs")
        theirs.put_entry(*key, {**theirs.kept("anime")[1], "updated_at": "2010-01-01T00:00:00+00:00"})
        box.edit("sandbox_mika", *key, status="completed", num_episodes_watched=26, comments="mine")
        malsync = Malsync(home, box)
        malsync.ok("--account", "second", "backup", env={"MALSYNC_ACCESS_TOKEN": box.token_for("sandbox_theo")})
        malsync.ok("backup")
        pair = box.token_pair("sandbox_theo")
        origin = box.api_url.removesuffix("/v2")
        tokens = Tokens(pair["access_token"], pair["refresh_token"], 0, 1e11, box.client_id, origin)
        FileStore(home).save("second", tokens)

        command = ("migrate", "default@latest", "--to", "second", "--prefer", prefer, "--id", "anime:1", "--yes")
        document = run(malsync, *command, exit_code=5)

        assert box.entries("sandbox_theo", "anime")[1]["num_episodes_watched"] == 26
        assert box.entries("sandbox_theo", "anime")[1]["comments"] == "theirs"
        (left,) = document["left"]
        assert left["fields"] == {"comments": {"wanted": "mine", "live": "theirs"}}
        assert not document["equal"]


# -- what nobody knows about MAL: each way in which it may behave

DATED: dict[Key, tuple[Status, Status | None]] = {
    # wanted, and live
    ("anime", 1): ({"start_date": "2021-12", "score": 9}, None),
    ("anime", 2): ({"start_date": "2021", "finish_date": "2021-12-31", "score": 8}, {"score": 1}),
    ("anime", 3): ({"start_date": "2021-12"}, {"start_date": "2019-07-07"}),
    ("anime", 4): ({"start_date": "2021-12", "comments": "said"}, {"start_date": "2020"}),
    ("anime", 5): ({"start_date": "2021-12-01"}, {"start_date": "2021-12"}),
    ("anime", 6): ({}, {"start_date": "2021", "finish_date": "2021-12"}),
    ("manga", 1): ({"start_date": "2021-12", "finish_date": "2022"}, {"finish_date": "2022-02-02"}),
    ("manga", 2): ({"finish_date": "1999"}, {"finish_date": "1999-01-01"}),
}
FULL = re.compile(r"\d{4}-\d\d-\d\d")


def as_status(key: Key, given: Status) -> Status:
    return {"status": FAR_SIDE[key[0]].current, "updated_at": MOMENTS[key[1]], **given}


@pytest.mark.promise("writing-10")
@pytest.mark.parametrize("round_dates", [False, True], ids=["as they are", "rounded"])
@pytest.mark.parametrize("mal", ["accept", "refuse", "round", "ignore"])
def test_a_day_that_nobody_entered_comes_onto_no_list(mal: str, round_dates: bool) -> None:
    wanted = {key: as_status(key, one) for key, (one, _) in DATED.items()}
    live = {key: as_status(key, one) for key, (_, one) in DATED.items() if one is not None}
    with beside(wanted, SITE_TITLES, settings={"partial_dates": mal}) as malsync:
        box = box_of(malsync)
        malsync.ok("backup")
        put(box.world, live)
        more = ["--round-dates"] if round_dates else []
        partial = {
            (key, name) for key, one in wanted.items() for name, to in one.items() if "date" in name and len(to) < 10
        }
        partial.discard((("anime", 1), "updated_at"))
        stays = set() if round_dates or mal == "accept" else {key for key, _ in partial}

        document = run(malsync, "restore", "latest", "--yes", *more, exit_code=5 if stays else 0)

        now, entered = shown(holds(box)), shown(wanted)
        for key, one in now.items():
            was = shown(live).get(key, dict.fromkeys(one))
            for name, to in entered[key].items():
                if (key, name) not in partial or (mal == "accept" and not round_dates):
                    assert one[name] == to, (key, name)
                elif round_dates:
                    assert one[name] == f"{to}-01-01"[:10], (key, name)
                else:
                    is_a_day = FULL.fullmatch(one[name] or "")
                    assert one[name] in (was[name], None) if is_a_day is None else one[name] == was[name], (key, name)
        assert {(one["medium"], one["id"]) for one in document["left"]} == stays
        for one in document["left"]:
            assert {((one["medium"], one["id"]), name) for name in one["fields"]} <= partial
        again = run(malsync, "restore", "latest", "--dry-run", *more)
        assert again["plan"] == {"add": 0, "update": len(stays), "remove": 0}


def restored_beside(
    malsync: Malsync, live: Lists, *, exit_code: int = 0, more: tuple[str, ...] = ("--mode", "exact")
) -> tuple[Any, Log]:
    """Back up what there is, put `live` in its place, restore exactly."""
    box = box_of(malsync)
    malsync.ok("backup")
    put(box.world, live)
    log = Log(box)
    return run(malsync, "restore", "latest", "--yes", "--max-deletes", "9", *more, exit_code=exit_code), log


def test_progress_that_mal_does_not_keep_for_want_of_a_total_is_named() -> None:
    titles: dict[Key, dict[str, int]] = {("anime", 1): {"num_episodes": 0}, ("anime", 2): {"num_episodes": 12}}
    wanted = {key: as_status(key, {"num_episodes_watched": 7, "score": 8}) for key in titles}
    with beside(wanted, titles, settings={"unknown_total": "zero"}) as malsync:
        document, _ = restored_beside(malsync, {}, exit_code=5)

        (left,) = document["left"]
        assert (left["id"], left["fields"]) == (1, {"num_episodes_watched": {"wanted": 7, "live": 0}})
        assert document["outcomes"]["not_restorable"] == 1
        assert shown(holds(box_of(malsync)))["anime", 1]["score"] == 8
        assert shown(holds(box_of(malsync)))["anime", 2] == shown(wanted)["anime", 2]


def test_tags_that_mal_trims_are_named() -> None:
    tags = {1: [" lent", "own: 1-7"], 2: ["own: 1-7", "two words"]}
    wanted = {("anime", id): as_status(("anime", id), {"tags": one, "score": 8}) for id, one in tags.items()}
    with beside(wanted, SITE_TITLES, settings={"tag_spaces": "trim"}) as malsync:
        document, _ = restored_beside(malsync, {}, exit_code=5)

        (left,) = document["left"]
        trimmed = {"wanted": [" lent", "own: 1-7"], "live": ["lent", "own: 1-7"]}
        assert (left["id"], left["fields"]) == (1, {"tags": trimmed})
        now = shown(holds(box_of(malsync)))
        assert now == shown(wanted) | {("anime", 1): shown(wanted)["anime", 1] | {"tags": ["lent", "own: 1-7"]}}


COMMENTS = (
    "a & b",
    "<b>bold</b> > 1",
    '"quoted", it\'s',
    "&amp; stays &amp;amp;",
    "&lt;b&gt; &#39; &copy &notin; &#x27;",
    "& < > \" ' all\r\nof them\n&",
    "[b]plain[/b] 🎻 何度でも",
)


@pytest.mark.parametrize("how", ["raw", "encoded"])
def test_comments_survive_to_the_character_however_mal_shows_them(how: str) -> None:
    keys = [("anime", id) for id in range(1, len(COMMENTS) + 1)]
    wanted = {key: as_status(key, {"comments": text, "score": 3}) for key, text in zip(keys, COMMENTS, strict=True)}
    # Half of them lost, half of them overwritten.
    live = {key: {**one, "comments": "<overwritten> & more", "score": 1} for key, one in [*wanted.items()][::2]}
    with beside(wanted, SITE_TITLES, settings={"comment_entities": how}) as malsync:
        document, log = restored_beside(malsync, live)

        assert document["equal"]
        assert shown(holds(box_of(malsync))) == shown(wanted)
        assert len(log.writes) == len(COMMENTS)
        assert run(malsync, "restore", "good", "--dry-run")["changes"] == []


@pytest.mark.parametrize("how", ["raw", "encoded"])
@pytest.mark.parametrize("comment", [*COMMENTS, "&amp;", "&quot;", "<br />", "a\nb", "a<br />\nb"])
def test_the_only_comment_of_a_list_is_restored_with_one_write_and_equal_ever_after(how: str, comment: str) -> None:
    """Entities alone do not show whether the list is encoded: what malsync wrote and what MAL answered does."""
    key = ("anime", 1)
    with beside({}, SITE_TITLES, settings={"comment_entities": how}) as malsync:
        box = box_of(malsync)
        put(box.world, {key: as_status(key, {"comments": "gone"})})
        lists = {"anime": {1: as_status(key, {"comments": comment})}, "manga": {}}
        file = write(malsync.home.parent / "list.json", replace(mine(box, lists), encoded_as=PLAIN))

        first = run(malsync, "restore", str(file), "--yes")
        again = run(malsync, "restore", str(file), "--yes")

        assert (first["equal"], first["requests"]["PATCH"]) == (True, 1)
        assert (again["equal"], again["requests"]["PATCH"]) == (True, 0)
        assert holds(box)[key]["comments"] == comment
        malsync.ok("backup")
        assert run(malsync, "restore", "latest", "--dry-run")["changes"] == []
        assert malsync.json("undo", "--yes")["equal"]
        assert holds(box)[key]["comments"] == "gone"


@pytest.mark.promise("writing-11")
@pytest.mark.parametrize("body", ["object", "null", "empty"])
def test_a_deletion_that_finds_nothing_is_done(body: str) -> None:
    wanted = {key: WANTED[key] for key in sorted(WITNESSES)}
    live = wanted | {key: LIVE[key] for key in sorted(DELETED)}
    with beside(wanted, SITE_TITLES, settings={"delete_404": body}) as malsync:
        box_of(malsync).add_faults("meanwhile:what=remove,method=DELETE,nth=2-3;cut:at=before,method=DELETE,nth=4")

        malsync.ok("backup")
        put(box_of(malsync).world, live)
        log = Log(box_of(malsync))
        result = malsync.ok("restore", "latest", "--mode", "exact", "--yes")

        assert "failed" not in result.stderr
        assert "Run 1: 6 done. Verified: your lists now match." in result.stdout
        assert [row["status"] for row in log.writes] == [200, 404, 404, 0, 404, 200, 200]
        assert shown(holds(box_of(malsync))) == shown(wanted)


@pytest.mark.promise("planning-6")
@pytest.mark.parametrize("status", ["planned", "current", "refuse"])
def test_an_add_says_its_status_itself(status: str) -> None:
    added = {key: as_status(key, {"status": one}) for key, one in zip(sorted(ADDED), _every_status(), strict=True)}
    with beside(added, SITE_TITLES, settings={"new_status": status}) as malsync:
        document, log = restored_beside(malsync, {})

        assert document["equal"]
        assert shown(holds(box_of(malsync))) == shown(added)
        assert {key: form["status"] for key, form in log.forms.items()} == {
            key: one["status"] for key, one in added.items()
        }


def _every_status() -> list[str]:
    return ["watching", "plan_to_watch", "on_hold", "reading", "plan_to_read", "dropped"]


@pytest.mark.comments
def test_an_entry_that_is_removed_under_an_update_is_not_made_of_a_few_fields_unsaid() -> None:
    wanted = {("anime", 1): WANTED["anime", 4]}
    live = {("anime", 1): WANTED["anime", 4] | {"comments": "theirs"}}
    with beside(wanted, SITE_TITLES, faults="meanwhile:what=remove,method=PATCH,times=1") as malsync:
        document, _ = restored_beside(malsync, live, exit_code=5)

        (left,) = document["left"]
        assert left["fields"]["score"] == {"wanted": 5, "live": 0}
        assert not document["equal"]
        assert run(malsync, "restore", "latest", "--yes")["equal"]
        assert shown(holds(box_of(malsync))) == shown(wanted)


@pytest.mark.comments
@pytest.mark.parametrize(("field", "stays"), [("tags", ["R&amp;B"]), ("comments", "&lt;3")])
@pytest.mark.parametrize("way", ["restore", "apply", "revert"])
def test_a_list_that_lost_its_only_bare_text_is_read_alike_by_plan_and_writer(field: str, stays: Any, way: str) -> None:
    """Nothing is encoded, which one text alone showed; somebody has put an entity into it since."""
    keys, bare = [("anime", 1), ("anime", 2)], "x<y" if field == "comments" else ["x<y"]
    wanted = {key: as_status(key, {field: text}) for key, text in zip(keys, (bare, stays), strict=True)}
    live = wanted | {keys[0]: as_status(keys[0], {field: "x&lt;y" if field == "comments" else ["x&lt;y"]})}
    with beside(wanted, SITE_TITLES, settings={"comment_entities": "raw"}) as malsync:
        box = box_of(malsync)
        malsync.ok("backup")
        put(box.world, live)
        file = malsync.home.parent / "plan.json"
        if way == "apply":
            malsync.ok("restore", "1", "--plan", file)
        if way == "revert":
            malsync.ok("backup")
        words = {
            "restore": ["restore", "1", "--yes"],
            "apply": ["apply", str(file)],
            "revert": ["revert", "1", "2", "--yes"],
        }
        log = Log(box)

        document = run(malsync, *words[way])

        assert (document["equal"], len(log.writes)) == (True, 1)
        assert shown(holds(box)) == shown(wanted)
