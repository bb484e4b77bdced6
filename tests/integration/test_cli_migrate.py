"""`migrate`: a list carried into another account, each account's token for its own lists and no other's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from malsync.model.snapshot import User
from malsync.sandbox import World
from tests.support.farside import Sandbox
from tests.support.harness import Malsync
from tests.support.lists import write
from tests.support.signing import kept, sign_in
from tests.support.writing import (
    MEDIA,
    absent,
    empty,
    ids,
    interrupt,
    keys,
    lists,
    mine,
    outcomes,
    small,
    writes,
    written,
)

pytestmark = pytest.mark.writes

MIKA, THEO = "sandbox_mika", "sandbox_theo"


@pytest.fixture
def world() -> World:
    """Two accounts of a few titles each, some of which both have."""
    world = small(anime=12, manga=6)
    for medium, number in zip(MEDIA, (9, 4), strict=True):
        theos = world.named(THEO)
        theos.put_list(medium, dict(sorted(theos.kept(medium).items())[:number]))
    return world


@pytest.fixture
def malsync(home: Path, box: Sandbox) -> Malsync:
    """Signed in as both: `default` is mika's, `second` is theo's. Snapshot 1 is mika's list, snapshot 2 theo's."""
    found = Malsync(home, box)
    sign_in(found, box, MIKA)
    sign_in(found, box, THEO, "second")
    found.ok("backup")
    found.ok("backup", "--account", "second")
    return found


def by(box: Sandbox, since: int = 0) -> dict[str, set[str]]:
    """Which methods each user's token was used for."""
    found: dict[str, set[str]] = {}
    for row in box.requests[since:]:
        if row["kind"] == "api":
            found.setdefault(row["user"], set()).add(row["method"])
    return found


def everything(box: Sandbox) -> tuple[Any, Any]:
    return lists(box, MIKA), lists(box, THEO)


# -- what is carried


@pytest.mark.comments
@pytest.mark.parametrize("reference", ["1", "latest", "live", "good", "default@latest", "sandbox_mika@1"])
def test_a_list_is_carried_into_another_account(malsync: Malsync, box: Sandbox, reference: str) -> None:
    source, target = everything(box)
    had = len(box.requests)

    document = malsync.json("migrate", reference, "--to", "second", "--yes")

    assert document["equal"] is True
    assert everything(box) == (
        source,
        {medium: dict(sorted({**target[medium], **source[medium]}.items())) for medium in MEDIA},
    )
    assert by(box, had) == {THEO: {"GET", "PATCH"}} | ({MIKA: {"GET"}} if reference == "live" else {})
    assert document["requests"] == {
        method: sum(row["method"] == method for row in box.requests[had:]) for method in ("GET", "PATCH", "DELETE")
    }
    rows = malsync.json("snapshots")
    assert [(row["source"], row["account"], row["user"]) for row in rows[2:]] == [
        ("before-run", "second", THEO),
        ("after-run", "second", THEO),
    ]
    assert [(row["kind"], row["account"], row["user"]) for row in malsync.json("runs")] == [("migrate", "second", THEO)]


def test_it_goes_in_the_other_direction_too(malsync: Malsync, box: Sandbox) -> None:
    source, target = everything(box)
    had = len(box.requests)

    malsync.ok("migrate", "second@live", "--to", "default", "--yes")

    assert lists(box, THEO) == target
    assert all(lists(box, MIKA)[medium].items() >= target[medium].items() for medium in MEDIA)
    assert by(box, had) == {THEO: {"GET"}, MIKA: {"GET", "PATCH"}}
    assert source


def test_from_the_second_account_to_the_first(malsync: Malsync, box: Sandbox) -> None:
    had = len(box.requests)

    malsync.ok("migrate", "live", "--to", "default", "--account", "second", "--yes")

    assert by(box, had) == {THEO: {"GET"}, MIKA: {"GET", "PATCH"}}
    assert malsync.json("runs")[0]["account"] == "default"


@pytest.mark.comments
def test_a_token_from_elsewhere_is_used_for_its_own_account_alone(malsync: Malsync, box: Sandbox) -> None:
    """Whichever account's it is, and however the accounts are called."""
    for env, source, target, whose in (
        (MIKA, "live", "second", {MIKA: {"GET"}, THEO: {"GET", "PATCH"}}),
        (THEO, "live", "default", {THEO: {"GET"}, MIKA: {"GET", "PATCH"}}),
    ):
        had = len(box.requests)
        token: dict[str, str | None] = {"MALSYNC_ACCESS_TOKEN": box.token_for(env)}
        malsync.ok("migrate", source, "--to", target, "--yes", "--force", env=token)
        assert by(box, had) == whose
        malsync.ok("undo", "--yes", "--max-deletes", "99")


@pytest.mark.comments
def test_only_what_is_not_there_is_carried_with_missing(malsync: Malsync, box: Sandbox) -> None:
    source, target = everything(box)

    document = malsync.json("migrate", "1", "--to", "second", "--mode", "missing", "--yes")

    assert document["plan"]["update"] == 0
    assert lists(box, THEO) == {m: dict(sorted({**source[m], **target[m]}.items())) for m in MEDIA}


@pytest.mark.comments
def test_the_other_list_becomes_the_same_with_exact(malsync: Malsync, box: Sandbox) -> None:
    source, target = everything(box)
    extra = [("remove", medium, id) for medium in MEDIA for id in target[medium].keys() - source[medium].keys()]
    assert extra
    assert len(extra) <= 10

    document = malsync.json(
        "migrate", "1", "--to", "second", "--mode", "exact", "--yes", "--max-deletes", str(len(extra))
    )

    assert keys(document) >= set(extra)
    assert lists(box, THEO) == source


def test_filters_narrow_it(malsync: Malsync, box: Sandbox) -> None:
    _, target = everything(box)
    new = next(id for id in ids(box) if id not in target["anime"])

    malsync.ok("migrate", "1", "--to", "second", "--id", f"anime:{new}", "--yes")

    assert written(box) == [("PATCH", "anime", new)]
    assert lists(box, THEO)["manga"] == target["manga"]


def test_a_half_that_is_not_known_is_left_alone(malsync: Malsync, box: Sandbox) -> None:
    box.set_private(THEO, "anime")
    malsync.ok("backup", "--user", THEO)
    source, target = everything(box)

    document = malsync.json("migrate", "3", "--to", "default", "--yes")

    assert {item["medium"] for item in document["changes"]} == {"manga"}
    assert lists(box, MIKA)["anime"] == source["anime"]
    assert lists(box, MIKA)["manga"].items() >= target["manga"].items()
    malsync.error("migrate", "3", "--to", "default", "--only", "anime", "--yes", exit_code=2)


@pytest.mark.comments
def test_a_list_from_another_address_may_be_carried(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    made = replace(mine(box, lists(box, MIKA)), user=User("https://api.myanimelist.net", 4711, "elsewhere"))

    document = malsync.json("migrate", write(tmp_path / "list.json", made), "--to", "second", "--yes")

    assert document["equal"] is True
    assert written(box, THEO) == written(box)


# -- whose entry wins


SOURCE, TARGET = "source", "target"
OLD, NEW = "2020-01-01T00:00:00+00:00", "2024-01-01T00:00:00+00:00"
# medium, the source's entry, the target's, and which of them wins by `newest` and by `progress`
PAIRS: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("anime", {"score": 1, "updated_at": NEW}, {"num_episodes_watched": 2, "updated_at": OLD}, SOURCE, TARGET),
    (
        "anime",
        {"num_episodes_watched": 3, "updated_at": OLD},
        {"num_episodes_watched": 2, "updated_at": NEW},
        TARGET,
        SOURCE,
    ),
    ("anime", {"score": 1, "updated_at": NEW}, {"score": 2, "updated_at": NEW}, TARGET, TARGET),
    (
        "anime",
        {"status": "completed", "num_episodes_watched": 1, "updated_at": OLD},
        {"num_episodes_watched": 9, "updated_at": NEW},
        TARGET,
        SOURCE,
    ),
    (
        "anime",
        {"status": "completed", "num_times_rewatched": 2, "updated_at": NEW},
        {"status": "completed", "num_episodes_watched": 9, "updated_at": OLD},
        SOURCE,
        SOURCE,
    ),
    (
        "manga",
        {"status": "reading", "num_chapters_read": 9, "updated_at": OLD},
        {"status": "reading", "num_volumes_read": 3, "num_chapters_read": 8, "updated_at": NEW},
        TARGET,
        SOURCE,
    ),
    (
        "manga",
        {"status": "reading", "num_volumes_read": 1, "num_chapters_read": 8, "updated_at": NEW},
        {"status": "reading", "num_volumes_read": 2, "num_chapters_read": 8, "updated_at": OLD},
        SOURCE,
        TARGET,
    ),
]


@pytest.mark.comments
@pytest.mark.parametrize("prefer", ["source", "target", "newest", "progress", None])
def test_whose_entry_wins_is_settled_entry_by_entry(malsync: Malsync, box: Sandbox, prefer: str | None) -> None:
    with box.world.lock:
        for number, (medium, source, target, *_) in enumerate(PAIRS, start=1_000_001):
            box.world.catalogue.put(medium, {"id": number, "title": f"Title {number}"})
            for user, status in ((MIKA, source), (THEO, target)):
                box.world.named(user).put_entry(medium, number, {"status": "watching", **status})
        box.world.catalogue.put("anime", {"id": 1_000_100, "title": "Mine alone"})
        box.world.named(MIKA).put_entry("anime", 1_000_100, {"status": "dropped", "updated_at": OLD})
    before = {SOURCE: lists(box, MIKA), TARGET: lists(box, THEO)}
    words = ["--prefer", prefer] if prefer else []

    document = malsync.json("migrate", "live", "--to", "second", *words, "--yes")

    after = lists(box, THEO)
    for number, (medium, _, _, newest, progress) in enumerate(PAIRS, start=1_000_001):
        winner = {"newest": newest, "progress": progress, None: SOURCE}.get(prefer, prefer)
        assert after[medium][number] == before[winner or ""][medium][number], (prefer, number)
    assert after["anime"][1_000_100]["status"] == "dropped"
    assert document["equal"] is True
    assert prefer != "target" or document["plan"]["update"] == 0


@pytest.mark.parametrize("prefer", ["source", "newest", "progress"])
def test_what_did_not_arrive_is_found_out_whoever_was_preferred(malsync: Malsync, box: Sandbox, prefer: str) -> None:
    """Once it was written to, the target's entry is the newer one, and as far along."""
    id = 1_000_001
    with box.world.lock:
        box.world.catalogue.put("anime", {"id": id, "title": "Title", "num_episodes": 12})
        for user, score, episodes, moment in ((MIKA, 8, 12, NEW), (THEO, 1, 3, OLD)):
            status = {"status": "watching", "score": score, "num_episodes_watched": episodes, "updated_at": moment}
            box.world.named(user).put_entry("anime", id, status)
    box.add_faults("unstored:field=score")

    document = malsync.json(
        "migrate", "live", "--to", "second", "--prefer", prefer, "--id", f"anime:{id}", "--yes", exit_code=5
    )

    assert document["outcomes"] == outcomes(failed=1)
    assert [(left["id"], left["fields"]) for left in document["left"]] == [(id, {"score": {"wanted": 8, "live": 1}})]


@pytest.mark.parametrize("mode", ["exact", "missing"])
@pytest.mark.parametrize("prefer", ["source", "target", "newest", "progress"])
def test_a_preference_fits_merge_alone(malsync: Malsync, box: Sandbox, mode: str, prefer: str) -> None:
    had = len(box.requests)

    error = malsync.error("migrate", "1", "--to", "second", "--mode", mode, "--prefer", prefer, "--yes", exit_code=2)

    assert "--prefer" in error["message"]
    assert len(box.requests) == had


@pytest.mark.parametrize("words", [("--prefer", "best"), ("--mode", "all")])
def test_what_no_flag_takes_ends_with_2(malsync: Malsync, words: tuple[str, str]) -> None:
    malsync.error("migrate", "1", "--to", "second", *words, exit_code=2)


# -- whose lists are written


def test_it_must_be_said_where_to(malsync: Malsync) -> None:
    assert "--to" in malsync.error("migrate", "1", "--yes", exit_code=2)["message"]


@pytest.mark.parametrize("token", [None, MIKA, THEO])
@pytest.mark.parametrize("account", ["third", "Second"])
def test_an_account_that_is_not_signed_in_is_not_written_to(
    malsync: Malsync, box: Sandbox, account: str, token: str | None
) -> None:
    """Least of all with the token of another: it would be the wrong lists that are written."""
    before, had = everything(box), malsync.json("accounts")
    env: dict[str, str | None] = {"MALSYNC_ACCESS_TOKEN": box.token_for(token) if token else None}

    error = malsync.error("migrate", "second@latest", "--to", account, "--yes", exit_code=3, env=env)
    malsync.error("migrate", "1", "--to", account, "--yes", "--mode", "exact", exit_code=3, env=env)

    assert "login" in error["hint"]
    assert writes(box) == {}
    assert everything(box) == before
    assert malsync.json("accounts") == had
    assert malsync.json("runs") == []


def test_no_name_is_no_account(malsync: Malsync, box: Sandbox) -> None:
    """A script whose variable is not set must not write to the default one."""
    error = malsync.error("migrate", "second@latest", "--to", "", "--yes", exit_code=2)

    assert "malsync accounts" in error["hint"]
    assert writes(box) == {}


def test_a_first_account_is_not_taken_for_another(home: Path, box: Sandbox) -> None:
    """With a token in the environment and nothing else, `default` is signed in, and nobody else."""
    malsync = Malsync(home, box)
    malsync.ok("backup", "--user", THEO)

    malsync.error("migrate", f"{THEO}@1", "--to", "second", "--yes", exit_code=3)
    assert writes(box) == {}

    assert malsync.json("migrate", f"{THEO}@1", "--to", "default", "--yes")["equal"] is True
    assert by(box)[MIKA] == {"GET", "PATCH"}


def test_an_account_that_was_signed_out_is_not_written_to(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("logout", "--account", "second")

    malsync.error("migrate", "1", "--to", "second", "--yes", exit_code=3)

    assert writes(box) == {}


def test_another_users_token_under_that_name_is_refused(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box, MIKA, "second")

    error = malsync.error("migrate", "1", "--to", "second", "--yes", exit_code=3)

    assert THEO in error["message"]
    assert writes(box) == {}


@pytest.mark.comments
def test_each_accounts_tokens_are_refreshed_for_itself(malsync: Malsync, box: Sandbox) -> None:
    tokens = {account: pair["access_token"] for account, pair in kept(malsync).items()}
    box.expire_tokens()

    malsync.ok("migrate", "live", "--to", "second", "--yes")

    now = {account: pair["access_token"] for account, pair in kept(malsync).items()}
    assert now.keys() == tokens.keys()
    assert all(now[account] != tokens[account] for account in now)
    assert len(set(now.values())) == 2


def test_ones_own_list_is_no_other_account(malsync: Malsync, box: Sandbox) -> None:
    wanted = lists(box, MIKA)
    box.remove(MIKA, "anime", ids(box)[0])

    malsync.ok("migrate", "1", "--to", "default", "--yes")

    assert lists(box, MIKA) == wanted


# -- guards


@pytest.mark.parametrize("mode", ["merge", "exact", "missing"])
def test_an_empty_list_is_not_carried_anywhere_unless_it_is_meant(malsync: Malsync, box: Sandbox, mode: str) -> None:
    before = lists(box, THEO)
    empty(box, *MEDIA)

    error = malsync.error("migrate", "live", "--to", "second", "--mode", mode, "--yes", exit_code=7)

    assert "no anime and no manga" in error["message"]
    assert "--force" in error["hint"]
    assert lists(box, THEO) == before
    number = str(sum(map(len, before.values())))
    malsync.ok("migrate", "live", "--to", "second", "--mode", mode, "--yes", "--force", "--max-deletes", number)
    assert lists(box, THEO) == ({"anime": {}, "manga": {}} if mode == "exact" else before)


@pytest.mark.comments
@pytest.mark.parametrize("mode", ["merge", "exact", "missing"])
def test_a_suspicious_list_is_not_carried_anywhere_unless_it_is_meant(
    malsync: Malsync, box: Sandbox, mode: str
) -> None:
    for id in ids(box)[:8]:
        box.remove(MIKA, "anime", id)
    malsync.ok("backup", exit_code=8)

    error = malsync.error("migrate", "latest", "--to", "second", "--mode", mode, "--yes", exit_code=7)

    assert "suspicious" in error["message"]
    assert writes(box) == {}
    malsync.ok("migrate", "latest", "--to", "second", "--mode", mode, "--yes", "--force", "--max-deletes", "99")


@pytest.mark.comments
def test_who_reads_no_manga_is_carried_all_the_same(malsync: Malsync, box: Sandbox) -> None:
    empty(box, "manga")

    assert malsync.json("migrate", "live", "--to", "second", "--yes")["equal"] is True
    assert (
        "no manga"
        in malsync.error("migrate", "live", "--to", "second", "--mode", "exact", "--yes", exit_code=7)["message"]
    )


def test_where_nobody_can_answer_nothing_is_sent(malsync: Malsync, box: Sandbox) -> None:
    said = malsync.ok("migrate", "1", "--to", "second", exit_code=2)

    assert f"Write to the lists of {THEO}" in said.stderr
    assert writes(box) == {}


@pytest.mark.comments
def test_a_look_sends_nothing_but_get(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    before, file = everything(box), tmp_path / "plan.json"
    words = ("--dry-run", "--rehearse", "--plan", file)

    document = malsync.json("migrate", "live", "--to", "second", *words)

    assert writes(box) == {}
    assert everything(box) == before
    assert document["rehearsal"]["PATCH"] == len(document["changes"]) > 0
    applied = malsync.json("apply", file)
    assert applied["changes"] == document["changes"]
    assert written(box, THEO) == written(box)
    assert applied["equal"] is True


# -- afterwards


@pytest.mark.comments
def test_it_is_taken_back_in_the_account_that_it_went_to(malsync: Malsync, box: Sandbox) -> None:
    before = everything(box)
    malsync.ok("migrate", "1", "--to", "second", "--yes")
    had = len(box.requests)

    document = malsync.json("undo", "--yes", "--max-deletes", "99")

    assert everything(box) == before
    assert set(by(box, had)) == {THEO}
    assert document["equal"] is True
    assert [(row["kind"], row["account"], row["undoes"]) for row in malsync.json("runs")] == [
        ("migrate", "second", None),
        ("undo", "second", 1),
    ]


@pytest.mark.comments
def test_it_cannot_be_taken_back_as_somebody_else(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("migrate", "1", "--to", "second", "--yes")
    sent = writes(box)

    error = malsync.error("undo", "1", "--account", "default", "--yes", exit_code=3)

    assert THEO in error["message"]
    assert "--account second" in error["hint"]
    assert writes(box) == sent


@pytest.mark.comments
def test_an_unfinished_migration_holds_up_its_own_account_alone(malsync: Malsync, box: Sandbox) -> None:
    source, target = everything(box)
    interrupt(malsync, box, 2, "migrate", "1", "--to", "second")
    box.remove(MIKA, "anime", ids(box)[0])

    assert "malsync resume 1" in malsync.error("migrate", "1", "--to", "second", "--yes", exit_code=7)["hint"]
    malsync.ok("restore", "1", "--yes")
    assert lists(box, MIKA) == source
    had = len(box.requests)
    malsync.ok("resume")

    assert set(by(box, had)) == {THEO}
    assert all(lists(box, THEO)[m] == dict(sorted({**target[m], **source[m]}.items())) for m in MEDIA)


@pytest.mark.comments
def test_a_new_title_of_the_target_is_kept(malsync: Malsync, box: Sandbox) -> None:
    new = absent(box, user=THEO)
    box.add(THEO, "anime", new, status="dropped", comments="mine")

    malsync.ok("migrate", "1", "--to", "second", "--prefer", "target", "--yes")

    assert box.entries(THEO, "anime")[new]["comments"] == "mine"
