"""`backup` and `snapshots`: what is read, what is stored, and what a person is told."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync, TestTime, until
from tests.support.servers import FarSide, Heard, Reply, free_port, page, told


def test_a_backup_stores_both_lists_whole(malsync: Malsync, box: Sandbox) -> None:
    document = malsync.json("backup")

    assert document["snapshot"] == 1
    assert document["account"] == "default"
    assert document["user"] == box.user
    assert document["source"] == "backup"
    assert document["counts"] == {medium: len(box.entries(box.user, medium)) for medium in ("anime", "manga")}
    assert document["changes"] == {"add": 0, "update": 0, "remove": 0}
    assert document["suspicious"] == []


def test_lists_of_up_to_a_thousand_cost_one_request_each_and_one_for_the_user(malsync: Malsync, box: Sandbox) -> None:
    document = malsync.json("backup")

    assert document["requests"] == {"GET": 3}
    assert box.counts == {"GET": 3}


@pytest.mark.promise("storing-14")
def test_the_newest_list_also_stands_beside_the_mirror(malsync: Malsync, box: Sandbox) -> None:
    document = malsync.json("backup")

    stored = malsync.home / "latest" / f"{box.user}.json.gz"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert malsync.json("show", stored)["from"]["digest"] == document["digest"]


def test_a_second_backup_says_what_changed(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    first, second, *_ = box.entries(box.user, "anime")
    box.remove(box.user, "anime", first)
    box.edit(box.user, "anime", second, score=3, comments="again")

    document = malsync.json("backup")

    assert document["changes"] == {"add": 0, "update": 1, "remove": 1}
    assert [row["snapshot"] for row in malsync.json("snapshots")] == [1, 2]


def test_what_the_api_gave_is_what_is_exported(malsync: Malsync, box: Sandbox) -> None:
    """Comments as MAL shows them included, which `show` decodes."""
    import requests

    malsync.ok("backup")
    names = "status,score,num_episodes_watched,is_rewatching,start_date,finish_date,priority,num_times_rewatched"
    page = requests.get(
        f"{box.api_url}/users/@me/animelist",
        {"fields": f"list_status{{{names},rewatch_value,tags,comments,updated_at}}", "nsfw": "true", "limit": 1000},
        headers={"Authorization": f"Bearer {box.access_token}"},
        timeout=30,
    ).json()

    exported = json.loads(malsync.ok("export", "latest").stdout)["anime"]
    shown = malsync.json("show", "latest", "--only", "anime")["entries"]

    assert {entry["node"]["id"]: entry["list_status"] for entry in exported} == {
        item["node"]["id"]: item["list_status"] for item in page["data"]
    }
    assert len(shown) > 250


# -- what a person is told


def test_a_backup_says_what_it_stored_and_where(malsync: Malsync, box: Sandbox) -> None:
    first = malsync.ok("backup").stdout
    box.edit(box.user, "manga", next(iter(box.entries(box.user, "manga"))), score=1)
    second = malsync.ok("backup").stdout
    third = malsync.ok("backup").stdout

    assert "Snapshot 1 of sandbox_mika: 280 anime, 90 manga" in first
    assert "first snapshot" in first
    assert str(malsync.home / "mirror.db") in first
    assert "0 added, 1 updated, 0 removed since snapshot 1" in second
    assert "nothing changed since snapshot 2" in third


def test_a_quiet_backup_that_is_well_says_nothing(malsync: Malsync) -> None:
    result = malsync.ok("backup", "--quiet")

    assert (result.stdout, result.stderr) == ("", "")


def test_a_quiet_backup_that_is_not_well_speaks(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "-q")
    _empty(box, "manga")
    suspicious = malsync.ok("backup", "-q", exit_code=8)
    box.add_faults("500:on=@me")
    failed = malsync.ok("backup", "-q", exit_code=4)

    assert suspicious.stdout == ""
    assert "suspicious" in suspicious.stderr
    assert failed.stdout == ""
    assert len(failed.stderr.splitlines()) == 2


# -- --note, --file


def test_a_note_is_kept(malsync: Malsync) -> None:
    malsync.ok("backup", "--note", "before the clean-up, 日本 🎻")

    assert malsync.json("snapshots")[0]["note"] == "before the clean-up, 日本 🎻"
    assert "before the clean-up" in malsync.ok("snapshots").stdout


def test_a_file_is_written_too_with_user_and_date_in_its_name(
    malsync: Malsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = malsync.json("backup", "--file", tmp_path / "{user}-{date}.json")
    malsync.ok("backup", "--file", tmp_path / "packed {{raw}} {user}.json.gz")
    monkeypatch.chdir(tmp_path)
    malsync.ok("backup", "--file", "plain.json")

    written = tmp_path / "sandbox_mika-2026-11-01.json"
    assert json.loads(written.read_text())["digest"] == document["digest"]
    assert written.stat().st_mode & 0o777 == 0o600
    packed = tmp_path / "packed {raw} sandbox_mika.json.gz"
    assert json.loads(gzip.decompress(packed.read_bytes()))["digest"] == document["digest"]
    assert (tmp_path / "plain.json").exists()
    assert malsync.json("show", written)["from"]["digest"] == document["digest"]


def test_a_file_is_read_back_whatever_it_is_called(malsync: Malsync, tmp_path: Path) -> None:
    document = malsync.json("backup", "--file", tmp_path / "list.xml")

    assert malsync.json("show", tmp_path / "list.xml")["from"]["digest"] == document["digest"]


def test_a_backup_is_not_written_to_standard_output(malsync: Malsync, box: Sandbox) -> None:
    assert "standard output" in malsync.error("backup", "--file", "-", exit_code=2)["message"]
    assert box.requests == []


@pytest.mark.parametrize(
    "pattern",
    [
        "{",
        "}",
        "{}",
        "{0}",
        "{name}",
        "{user!r}",
        "{user:99999999999}",
        "{user.__class__}",
        "{user[0]}",
        "{user[name]}",
        "{date:%Y}",
    ],
)
def test_a_pattern_that_cannot_be_filled_in_ends_with_2_before_anything_is_read(
    malsync: Malsync, box: Sandbox, pattern: str
) -> None:
    error = malsync.error("backup", "--file", f"{pattern}.json", exit_code=2)

    assert "cannot be filled in" in error["message"]
    assert box.requests == []
    assert malsync.json("snapshots") == []


def test_a_file_that_cannot_be_written_ends_with_2_and_says_that_the_snapshot_is_stored(
    malsync: Malsync, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "list.json", tmp_path):
        error = malsync.error("backup", "--file", place, exit_code=2)
        assert str(place.parent) in error["message"]
        assert "is stored in the mirror" in error["message"]

    assert [row["snapshot"] for row in malsync.json("snapshots")] == [1, 2]
    assert malsync.json("verify")["ok"] is True


# -- --user


def test_a_public_list_is_read_with_the_client_id_alone(malsync: Malsync, box: Sandbox) -> None:
    malsync.environment["MALSYNC_ACCESS_TOKEN"] = ""

    document = malsync.json("backup", "--user", "sandbox_theo")

    assert document["source"] == "public"
    assert document["account"] is None
    assert document["user"] == "sandbox_theo"
    assert document["counts"] == {medium: len(box.entries("sandbox_theo", medium)) for medium in ("anime", "manga")}
    assert document["requests"] == {"GET": 2}
    assert {row["user"] for row in box.requests} == {None}
    assert malsync.json("accounts") == []


def test_a_public_list_is_one_users_whatever_the_case_of_the_name(malsync: Malsync) -> None:
    malsync.ok("backup", "--user", "sandbox_theo")
    malsync.ok("backup", "--user", "SANDBOX_Theo")

    assert malsync.json("diff", "sandbox_theo@latest~1", "sandbox_theo@latest")["changes"] == []


@pytest.mark.promise("reading-17")
def test_a_private_half_is_left_out_with_a_warning(malsync: Malsync, box: Sandbox) -> None:
    box.set_private("sandbox_theo", "manga")

    result = malsync.ok("backup", "--user", "sandbox_theo", "-q")
    assert result.stderr.strip() == "The manga list of sandbox_theo is private: left out."

    document = malsync.json("backup", "--user", "sandbox_theo")
    assert document["counts"] == {"anime": 46, "manga": None}
    for row in malsync.json("snapshots"):
        assert row["covers"]["manga"] is None
        assert "comments" in row["covers"]["anime"]
    malsync.error("show", "sandbox_theo@latest", "--only", "manga", exit_code=2)


def test_a_half_that_becomes_private_is_no_loss(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "--user", "sandbox_theo")
    box.set_private("sandbox_theo", "manga")

    document = malsync.json("backup", "--user", "sandbox_theo")

    assert document["suspicious"] == []
    assert document["changes"] == {"add": 0, "update": 0, "remove": 0}
    box.set_private("sandbox_theo")
    malsync.ok("backup", "--user", "sandbox_theo")
    assert malsync.json("diff", "1", "3")["changes"] == []


def test_two_private_lists_end_with_3_and_nothing_is_stored(malsync: Malsync, box: Sandbox) -> None:
    box.set_private("sandbox_theo", "anime", "manga")

    error = malsync.error("backup", "--user", "sandbox_theo", exit_code=3)

    assert error["message"] == "Both lists of sandbox_theo are private."
    assert malsync.json("snapshots") == []


@pytest.mark.parametrize("error", ["not_permitted", "forbidden", "access_denied"])
def test_a_private_list_is_known_by_whatever_word(home: Path, world: World, error: str) -> None:
    """No record says what MAL calls it."""
    with Sandbox(world, settings={"private_error": error}) as box:
        box.set_private("sandbox_theo", "anime")
        document = Malsync(home, box).json("backup", "--user", "sandbox_theo")

    assert document["counts"] == {"anime": None, "manga": 14}


def test_an_unknown_user_ends_with_2_and_is_asked_for_once(malsync: Malsync, box: Sandbox) -> None:
    error = malsync.error("backup", "--user", "nobody_of_this_name", exit_code=2)

    assert "'nobody_of_this_name'" in error["message"]
    assert malsync.time.slept == []
    assert malsync.json("snapshots") == []


@pytest.mark.parametrize("name", ["@me", "", "a b", "../anime/1", "a/b", "name?x=1", "名前", "x" * 65, "a\n"])
def test_what_is_no_users_name_ends_with_2(malsync: Malsync, box: Sandbox, name: str) -> None:
    error = malsync.error("backup", "--user", name, exit_code=2)

    assert "is no MAL user's name" in error["message"]
    assert box.requests == []


@pytest.mark.parametrize(("client_id", "words"), [("", "MALSYNC_CLIENT_ID"), ("unknown", "MALSYNC_CLIENT_ID")])
def test_a_public_list_needs_a_client_id_that_mal_knows(malsync: Malsync, client_id: str, words: str) -> None:
    bare: dict[str, str | None] = {"MALSYNC_CLIENT_ID": client_id, "MALSYNC_ACCESS_TOKEN": ""}

    error = malsync.error("backup", "--user", "sandbox_theo", exit_code=3, env=bare)

    assert words in error["hint"]


def test_ones_own_list_and_the_same_seen_from_outside_are_two(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    malsync.ok("backup", "--user", box.user)

    assert [row["source"] for row in malsync.json("snapshots")] == ["backup", "public"]
    assert malsync.json("diff", "1", "2")["changes"] == []
    assert malsync.json("snapshots", "--account", "default") == malsync.json("snapshots")[:1]


# -- suspicious backups


def _empty(box: Sandbox, medium: str, but: int = 0) -> None:
    for id in list(box.entries(box.user, medium))[but:]:
        box.remove(box.user, medium, id)


def _good_list(malsync: Malsync, box: Sandbox) -> Any:
    stored = malsync.home / "latest" / f"{box.user}.json.gz"
    return json.loads(gzip.decompress(stored.read_bytes()))


@pytest.mark.promise("security-36")
def test_a_list_that_is_empty_all_at_once_is_stored_marked_and_ends_with_8(malsync: Malsync, box: Sandbox) -> None:
    good = malsync.json("backup")
    _empty(box, "anime")

    document = malsync.json("backup", exit_code=8)

    assert document["snapshot"] == 2
    assert document["suspicious"] == ["anime: the list is empty, and had 280 entries"]
    assert document["counts"]["anime"] == 0
    assert malsync.json("show", "good")["from"]["snapshot"] == 1
    assert malsync.json("show", "latest")["from"]["snapshot"] == 2
    assert _good_list(malsync, box)["digest"] == good["digest"]
    beside = malsync.home / "latest" / f"{box.user}.suspicious.json.gz"
    assert malsync.json("show", beside)["from"]["digest"] == document["digest"]


@pytest.mark.promise("guards-8")
def test_it_is_suspicious_each_time_until_it_is_accepted(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    _empty(box, "anime")

    for _ in range(3):
        malsync.ok("backup", exit_code=8)
    accepted = malsync.json("backup", "--accept")
    after = malsync.json("backup")

    assert accepted["suspicious"] == after["suspicious"] == []
    assert [bool(row["suspicious"]) for row in malsync.json("snapshots")] == [False, True, True, True, False, False]
    assert malsync.json("show", "good")["from"]["snapshot"] == 6
    assert _good_list(malsync, box)["digest"] == after["digest"]
    assert not (malsync.home / "latest" / f"{box.user}.suspicious.json.gz").exists()


def test_what_is_wrong_and_what_to_do_is_said(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    _empty(box, "manga", but=40)

    said = malsync.ok("backup", exit_code=8).stderr

    assert "manga: 50 of 90 entries are gone" in said
    assert "malsync diff good latest" in said
    assert "malsync backup --accept" in said


def test_what_to_do_is_said_for_the_account_or_the_user_whose_lists_these_are(malsync: Malsync, box: Sandbox) -> None:
    for whose in (("--account", "second"), ("--user", box.user)):
        malsync.ok("backup", *whose)
    _empty(box, "manga", but=40)

    account = malsync.ok("backup", "--account", "second", exit_code=8).stderr
    public = malsync.ok("backup", "--user", box.user, exit_code=8).stderr

    assert "Look: malsync --account second diff good latest." in account
    assert "If intended: malsync --account second backup --accept" in account
    assert f"Look: malsync diff {box.user}@good {box.user}@latest." in public
    assert f"If intended: malsync backup --user {box.user} --accept" in public


def test_a_list_that_comes_back_is_good_again(malsync: Malsync, box: Sandbox, home: Path) -> None:
    malsync.ok("backup")
    before = box.world.state()
    _empty(box, "anime")
    malsync.ok("backup", exit_code=8)
    box.world.put_state(before)

    assert malsync.json("backup")["suspicious"] == []


def test_an_accepted_first_backup_is_nothing_special(malsync: Malsync) -> None:
    assert malsync.json("backup", "--accept")["suspicious"] == []


# -- another malsync at work


@pytest.mark.promise("guards-13")
def test_another_malsync_at_work_ends_with_7_when_there_is_no_time_to_wait(malsync: Malsync, box: Sandbox) -> None:
    malsync.home.mkdir()
    with FileLock(malsync.home / "malsync.lock"):
        error = malsync.error("backup", "--wait", "0", exit_code=7)
        assert "Another malsync is at work" in error["message"]
        assert box.requests == []
        # Looking takes no lock.
        malsync.ok("snapshots")
        malsync.ok("show", "live")

    malsync.ok("backup", "--wait", "0")


@pytest.mark.promise("guards-13")
def test_a_backup_that_waits_goes_on_when_the_other_has_ended(home: Path, world: World) -> None:
    with Sandbox(world, faults="stall:on=animelist,times=1") as box:
        malsync = Malsync(home, box)
        first = malsync.process("backup", "--json")
        until(lambda: box.stalled)
        refused = malsync.ok("backup", "--wait", "0", exit_code=7)
        second = malsync.process("backup", "--json", "--wait", "30")
        assert second.stderr is not None
        said = second.stderr.readline()
        box.release()
        outs = [process.communicate(timeout=30) for process in (first, second)]

    assert (first.returncode, second.returncode) == (0, 0), outs
    assert [json.loads(out)["snapshot"] for out, _ in outs] == [1, 2]
    assert "at work" in refused.stderr
    assert "waiting up to 30 s" in said


# -- the home folder and what is beside the mirror


@pytest.mark.promise("secrets-1", "security-2", "security-4", "security-8", "security-17")
def test_everything_in_the_home_folder_is_its_owners_alone(malsync: Malsync) -> None:
    malsync.ok("backup")

    assert malsync.home.stat().st_mode & 0o777 == 0o700
    for path in malsync.home.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_two_users_of_one_name_have_a_file_each(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    malsync.ok("backup", "--user", box.user)

    files = sorted(path.name for path in (malsync.home / "latest").iterdir())

    assert files == ["sandbox_mika.json.gz", "sandbox_mika~2.json.gz"]


@pytest.mark.promise("security-30")
def test_a_name_that_is_a_path_leads_nowhere(offline: Malsync) -> None:
    def answer(heard: Heard) -> Reply:
        return (
            told({"id": 1, "name": "../../../evil\x1b[31m"})
            if heard.target.partition("?")[0].endswith("/@me")
            else page()
        )

    with FarSide(answer) as far:
        offline.ok("backup", env=far.environment())

    (written,) = (offline.home / "latest").iterdir()
    assert written.parent == offline.home / "latest"
    assert not list(offline.home.parent.glob("evil*"))


def test_the_folder_of_the_file_is_made_where_it_is_missing(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup", "--file", f"{tmp_path}/lists/{{user}}/{{date}}.json.gz")

    (file,) = (tmp_path / "lists" / box.user).iterdir()
    assert file.name.endswith(".json.gz")
    for folder in (file.parent, file.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


# -- what the profile counts


@pytest.mark.promise("reading-4")
def test_fewer_anime_than_the_profile_counts_are_suspicious(home: Path, world: World) -> None:
    with Sandbox(world, settings={"uncounted": "1"}) as box:
        malsync = Malsync(home, box)
        result = malsync.ok("backup", "--json", exit_code=8)

        count = len(box.entries(box.user, "anime"))
        assert result.json["suspicious"] == [
            f"anime: the list has {count} entries, and MAL's profile counts {count + 1}"
        ]
        assert result.json["counts"]["anime"] == count
        assert result.json["requests"] == {"GET": 3}
        assert [row["query"] for row in box.requests if row["path"].endswith("/@me")] == ["fields=anime_statistics"]
        assert malsync.error("show", "good", exit_code=2)["message"].startswith("Every backup")


@pytest.mark.parametrize("settings", [{}, {"statistics": "off"}])
def test_as_many_anime_as_counted_or_no_count_at_all_are_no_reason(
    home: Path, world: World, settings: dict[str, str]
) -> None:
    with Sandbox(world, settings=settings) as box:
        document = Malsync(home, box).json("backup")

        assert document["suspicious"] == []
        assert document["requests"] == {"GET": 3}


@pytest.mark.promise("reading-4")
def test_a_gap_that_was_accepted_is_not_told_again_and_a_wider_one_is(home: Path, world: World) -> None:
    def backup(uncounted: int, *words: str, exit_code: int = 0) -> None:
        with Sandbox(world, port=port, settings={"uncounted": f"{uncounted}"}) as box:
            malsync = Malsync(home, box, MALSYNC_API_URL=box.api_url)
            malsync.time.moment = times.pop(0)
            document = malsync.json("backup", *words, exit_code=exit_code)
            assert bool(document["suspicious"]) is (exit_code == 8)

    port = free_port()
    times = [TestTime().moment + timedelta(hours=hour) for hour in range(9)]
    backup(2, exit_code=8)
    backup(2, "--accept")
    backup(2)
    backup(3, exit_code=8)
    backup(1)
    backup(2, exit_code=8)
    backup(2, "--accept")
    backup(0)
    backup(1, exit_code=8)


@pytest.mark.parametrize(
    "statistics",
    [
        None,
        [],
        {},
        {"num_items": None},
        {"num_items": "many"},
        {"num_items": -1},
        {"num_items": True},
        {"num_days": "x"},
    ],
)
def test_a_count_that_is_not_understood_is_none(offline: Malsync, statistics: Any) -> None:
    def answer(heard: Heard) -> Reply:
        if heard.target.partition("?")[0].endswith("/@me"):
            return told({"id": 1, "name": "mika", "anime_statistics": statistics})
        return page()

    with FarSide(answer) as far:
        assert offline.json("backup", env=far.environment())["suspicious"] == []


def test_what_was_removed_while_the_list_was_read_is_not_missing(home: Path) -> None:
    with Sandbox(World.generated(entries=1_300, clock=TestTime().now)) as box:
        box.add_faults("remove:on=animelist,nth=2")

        assert Malsync(home, box).json("backup")["suspicious"] == []
