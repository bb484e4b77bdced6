"""Ways in which the last good list could be lost, each tried: none of them may work."""

import gzip
import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from malsync.errors import UsageError
from malsync.formats import snapshot_file
from malsync.formats.latest_copy import LatestCopy
from malsync.mirror import FILE_NAME, Mirror
from malsync.sandbox import Sandbox
from tests.support.harness import Malsync
from tests.support.lists import snapshot, watched, write
from tests.support.servers import FarSide, Heard, Reply, entry, mal, page, rest_of, told


def empty(box: Sandbox, *media: str) -> None:
    """Take every entry off those lists, behind malsync's back."""
    for medium in media:
        for id in box.entries(box.user, medium):
            box.remove(box.user, medium, id)


def latest(malsync: Malsync, name: str = "sandbox_mika.json.gz") -> int:
    """How many anime the file beside the mirror holds."""
    return len(json.loads(gzip.decompress((malsync.home / "latest" / name).read_bytes()))["anime"])


@pytest.mark.promise("storing-14", "security-36")
def test_a_lost_mirror_and_an_emptied_list_leave_the_last_file_alone(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    (malsync.home / FILE_NAME).unlink()
    empty(box, "anime", "manga")

    document = malsync.json("backup", exit_code=8)

    assert len(document["suspicious"]) == 2
    assert latest(malsync) == 280
    assert latest(malsync, "sandbox_mika.suspicious.json.gz") == 0


def test_a_suspicious_file_stays_suspicious_in_another_home(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")
    empty(box, "anime")
    malsync.ok("backup", exit_code=8)
    another = Malsync(tmp_path / "another", box)

    document = another.json("import", malsync.home / "latest" / "sandbox_mika.suspicious.json.gz")

    (info,) = another.json("snapshots")
    assert document["suspicious"] == info["suspicious"] == malsync.json("snapshots")[-1]["suspicious"] != []
    another.error("show", "good", exit_code=2)


@pytest.mark.promise("storing-14")
def test_a_private_half_does_not_replace_the_file_that_holds_it(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "--user", "sandbox_theo")
    box.set_private("sandbox_theo", "anime")

    malsync.ok("backup", "--user", "sandbox_theo")

    assert latest(malsync, "sandbox_theo.json.gz") == 46
    assert (malsync.home / "latest" / "sandbox_theo.partial.json.gz").exists()
    box.set_private("sandbox_theo")
    malsync.ok("backup", "--user", "sandbox_theo")
    assert not (malsync.home / "latest" / "sandbox_theo.partial.json.gz").exists()


def test_a_list_of_a_few_fields_is_no_measure(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")
    whole = snapshot_file.read(malsync.home / "latest" / "sandbox_mika.json.gz")
    few = replace(whole, covers={"anime": ("score",), "manga": None}, lists={"anime": {}, "manga": None})
    snapshot_file.write(tmp_path / "few.json", replace(few, taken_at=malsync.time.now()))
    malsync.ok("import", tmp_path / "few.json")
    empty(box, "anime")

    assert malsync.json("backup", exit_code=8)["suspicious"] == ["anime: the list is empty, and had 280 entries"]


@pytest.mark.promise("guards-9")
def test_a_whole_list_from_a_file_is_no_measure_where_one_was_read_from_mal(
    malsync: Malsync, box: Sandbox, tmp_path: Path
) -> None:
    malsync.ok("backup")
    read = snapshot_file.read(malsync.home / "latest" / "sandbox_mika.json.gz")
    (one, *_), (another, *_) = (titles.items() for titles in read.lists.values() if titles is not None)
    short = replace(read, lists={"anime": dict([one]), "manga": dict([another])}, taken_at=malsync.time.now())
    snapshot_file.write(tmp_path / "short.json", short)
    malsync.ok("import", tmp_path / "short.json")
    for id in list(box.entries(box.user, "anime"))[1:]:
        box.remove(box.user, "anime", id)

    assert malsync.json("backup", exit_code=8)["suspicious"] == ["anime: 279 of 280 entries are gone"]


def test_a_clock_that_was_wrong_once_does_not_stop_accepting(malsync: Malsync, box: Sandbox) -> None:
    now = malsync.time.moment
    malsync.time.moment = now.replace(year=2040)
    malsync.ok("backup")
    malsync.time.moment = now
    empty(box, "anime")

    malsync.ok("backup", exit_code=8)
    malsync.ok("backup", "--accept")
    malsync.ok("backup")


@pytest.mark.promise("reading-17")
def test_forbidden_in_the_middle_of_a_public_list_is_not_a_private_list(offline: Malsync) -> None:
    def second_page_is_refused(heard: Heard) -> Reply:
        if "offset" in heard.target:
            return told({"message": "DoS detected", "error": "forbidden"}, 403)
        return page(entry(1), then=f"{far.api_url}/users/someone/animelist?{rest_of(heard)}&offset=1000")

    def far_list(heard: Heard) -> Reply:
        return second_page_is_refused(heard) if "animelist" in heard.target else page()

    with FarSide(far_list) as far:
        offline.error("backup", "--user", "someone", exit_code=4, env=far.environment())

    assert offline.json("snapshots") == []


@pytest.mark.promise("reading-8", "security-34")
@pytest.mark.parametrize(
    "path",
    [
        "/users/someone_else/animelist",
        "/users/@me/mangalist",
        "/admin",
        "/../admin",
        "/users/@me/animelist/../mangalist",
    ],
)
def test_a_next_page_of_another_list_is_not_asked_for(offline: Malsync, path: str) -> None:
    def leads_away(heard: Heard) -> Reply:
        return page(entry(1), then=f"{far.api_url}{path}?{rest_of(heard)}&offset=1000")

    with FarSide(mal(anime=leads_away)) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert "not the same list" in error["message"]
    assert not any("offset" in heard.target for heard in far.heard)


@pytest.mark.promise("reading-8", "security-34")
@pytest.mark.parametrize(
    "query", ["nsfw=true&fields=list_status", "fields=FIELDS", "nsfw=true&fields=FIELDS&status=completed"]
)
def test_a_next_page_that_shows_less_is_not_asked_for(offline: Malsync, query: str) -> None:
    def shows_less(heard: Heard) -> Reply:
        fields = next(pair for pair in rest_of(heard).split("&") if pair.startswith("fields=")).removeprefix("fields=")
        return page(entry(1), then=f"{far.api_url}/users/@me/animelist?{query.replace('FIELDS', fields)}&offset=1000")

    with FarSide(mal(anime=shows_less)) as far:
        offline.error("backup", exit_code=4, env=far.environment())

    assert not any("offset" in heard.target for heard in far.heard)


@pytest.mark.promise("security-38")
def test_data_too_deep_for_a_digest_is_refused_in_words(offline: Malsync) -> None:
    deep: object = 1
    for _ in range(150):
        deep = [deep]

    with FarSide(mal(anime=lambda heard: page(entry(1, mood=deep)))) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert "cannot be kept" in error["message"]


@pytest.mark.promise("security-44")
@pytest.mark.parametrize(
    "name", ["mirror.db", "tokens.json", "accounts.json", "config.toml", "latest/sandbox_mika.json.gz"]
)
def test_no_export_goes_over_what_is_malsyncs_own(malsync: Malsync, name: str) -> None:
    malsync.ok("backup")
    target = malsync.home / name
    before = target.read_bytes() if target.exists() else None

    assert "malsync's own" in malsync.error("export", "latest", "--output", target, exit_code=2)["message"]
    assert "malsync's own" in malsync.error("backup", "--file", target, exit_code=2)["message"]

    assert (target.read_bytes() if target.exists() else None) == before


def test_a_suspicious_list_does_not_go_over_a_file_of_a_good_one(
    malsync: Malsync, box: Sandbox, tmp_path: Path
) -> None:
    malsync.ok("backup", "--file", tmp_path / "mine.json.gz")
    good = (tmp_path / "mine.json.gz").read_bytes()
    empty(box, "anime")

    malsync.ok("backup", "--file", tmp_path / "mine.json.gz", exit_code=8)

    assert (tmp_path / "mine.json.gz").read_bytes() == good
    assert (tmp_path / "mine.suspicious.json.gz").exists()


@pytest.mark.promise("storing-8")
def test_no_backup_is_stored_upon_a_damaged_one(malsync: Malsync) -> None:
    import sqlite3

    malsync.ok("backup")
    with sqlite3.connect(malsync.home / FILE_NAME) as connection:
        connection.execute("UPDATE anime_version SET score = 1 WHERE score = 9")
    connection.close()

    malsync.error("backup", exit_code=6)

    assert [row["snapshot"] for row in malsync.json("snapshots")] == [1]


@pytest.mark.promise("security-30")
def test_a_file_of_another_user_of_that_name_is_not_replaced(tmp_path: Path) -> None:
    shelf = LatestCopy(tmp_path / "latest")
    first = snapshot({1: watched(1)}, {})
    second = replace(first, user=replace(first.user, id=77))

    paths = [shelf.put(first), shelf.put(second), shelf.put(first)]

    assert [path.name for path in paths] == ["mika.json.gz", "mika~2.json.gz", "mika.json.gz"]
    assert shelf.last(second.user) == second


@pytest.mark.promise("security-15")
def test_what_a_killed_write_left_behind_is_taken_away(malsync: Malsync) -> None:
    malsync.ok("backup")
    stray = malsync.home / "latest" / ".sandbox_mika.json.gz.abc123"
    stray.write_bytes(b"half")

    malsync.ok("backup")

    assert not stray.exists()


def test_a_mirror_with_one_bad_page_is_rebuilt_with_all_that_is_whole(malsync: Malsync, tmp_path: Path) -> None:
    malsync.ok("backup")
    malsync.ok("backup", "--user", "sandbox_theo")
    with Mirror.open(malsync.home / FILE_NAME, write=True) as mirror:
        (page_number,) = mirror._connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'manga_version'"
        ).fetchone()
        (size,) = mirror._connection.execute("PRAGMA page_size").fetchone()
    with (malsync.home / FILE_NAME).open("r+b") as file:
        file.seek((page_number - 1) * size)
        file.write(os.urandom(64))
    held = malsync.home / "latest" / "sandbox_mika.json.gz"

    document = malsync.json("mirror", "rebuild", held, schema="output-mirror")

    assert document["set_aside"].endswith("damaged-1")
    assert malsync.json("verify")["ok"]
    assert malsync.json("show", "sandbox_mika@latest")["from"]["counts"] == {"anime": 280, "manga": 90}


def test_a_refresh_token_goes_only_to_where_it_was_issued(malsync: Malsync, box: Sandbox) -> None:
    from malsync.errors import AuthError
    from malsync.mal.oauth import TokenEndpoint
    from malsync.mal.token_store import FileStore

    pair = box.token_pair(box.user)
    clock = malsync.time.clock()
    ours = TokenEndpoint(box.auth_url, box.client_id, "", clock, "test")
    from malsync.mal.oauth import Tokens

    tokens = Tokens("a", pair["refresh_token"], 0, 0, box.client_id, box.api_url.removesuffix("/v2"))
    fresh = ours.refresh(tokens)
    FileStore(malsync.home).save("default", fresh)
    with FarSide() as elsewhere:
        stranger = TokenEndpoint(f"{elsewhere.origin}/v1/oauth2", box.client_id, "", clock, "test")
        with pytest.raises(AuthError):
            stranger.refresh(fresh)

    assert elsewhere.heard == []


def test_a_file_with_a_time_that_nobody_lived_in_is_refused(tmp_path: Path) -> None:
    made = snapshot({1: watched(1)}, {})
    path = tmp_path / "list.json"
    snapshot_file.write(path, made)
    path.write_text(path.read_text().replace("2026-", "9999-"))

    with pytest.raises(UsageError, match="taken_at"):
        snapshot_file.read(path)


def test_lists_that_cannot_be_compared_are_not_equal(offline: Malsync, tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    snapshot_file.write(files[0], snapshot({1: watched(1)}, None))
    snapshot_file.write(files[1], snapshot(None, {1: {"status": "reading"}}))

    offline.error("diff", *files, "--exit-code", exit_code=2)
    offline.error("show", files[0], "--only", "manga", exit_code=2)


def test_with_several_accounts_a_token_says_whose_lists_are_meant(malsync: Malsync, box: Sandbox) -> None:
    theo = {"MALSYNC_ACCESS_TOKEN": box.token_for("sandbox_theo")}
    malsync.ok("backup")
    malsync.ok("--account", "two", "backup", env=theo)

    document = malsync.json("diff", env=theo)

    assert document["from"]["user"] == document["to"]["user"] == "sandbox_theo"
    assert document["changes"] == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE anime_version SET until = 99 WHERE media_id = 1",
        "UPDATE anime_version SET until = NULL WHERE media_id = 20",
        "DROP TABLE anime",
    ],
)
def test_damage_that_would_stop_the_next_backup_is_found_and_mended(
    malsync: Malsync, box: Sandbox, damage: str
) -> None:
    import sqlite3

    malsync.ok("backup")
    box.edit(box.user, "anime", 20, score=2)
    malsync.ok("backup")
    with sqlite3.connect(malsync.home / FILE_NAME) as connection:
        connection.execute(damage)
    connection.close()

    assert malsync("verify").exit_code == 6
    malsync.ok("mirror", "rebuild", malsync.home / "latest" / "sandbox_mika.json.gz")

    malsync.ok("verify")
    box.remove(box.user, "anime", 1)
    assert malsync.json("backup")["changes"]["remove"] == 1


def test_an_import_of_one_list_does_not_blind_the_guard_to_the_other(
    malsync: Malsync, box: Sandbox, tmp_path: Path
) -> None:
    """The newest list that is not suspicious knows nothing of the manga then; the backup before it does, and is `good`."""
    malsync.ok("backup")
    malsync.ok("export", "latest", "--output", tmp_path / "both.json")
    both = snapshot_file.read(tmp_path / "both.json")
    anime_only = replace(
        both,
        taken_at=both.taken_at + timedelta(milliseconds=1),
        covers=both.covers | {"manga": None},
        lists={**both.lists, "manga": None},
    )
    malsync.ok("import", write(tmp_path / "anime.json", anime_only))
    for id in box.entries(box.user, "manga"):
        box.remove(box.user, "manga", id)

    document = malsync.json("backup", exit_code=8)

    assert document["suspicious"] == ["manga: the list is empty, and had 90 entries"]
    assert malsync.json("show", "good")["from"]["counts"]["manga"] == 90
