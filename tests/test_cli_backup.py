"""`backup` and `snapshots`: what is read, what is stored, and what a person is told."""

from malsync.sandbox import Sandbox
from tests.harness import Malsync


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


def test_what_the_api_gave_is_what_show_gives(malsync: Malsync, box: Sandbox) -> None:
    import requests

    malsync.ok("backup")
    names = "status,score,num_episodes_watched,is_rewatching,start_date,finish_date,priority,num_times_rewatched"
    page = requests.get(
        f"{box.api_url}/users/@me/animelist",
        {"fields": f"list_status{{{names},rewatch_value,tags,comments,updated_at}}", "nsfw": "true", "limit": 1000},
        headers={"Authorization": f"Bearer {box.access_token}"},
        timeout=30,
    ).json()

    shown = malsync.json("show", "latest", "--only", "anime")["entries"]

    assert {entry["id"]: entry["list_status"] for entry in shown} == {
        item["node"]["id"]: item["list_status"] for item in page["data"]
    }
    assert len(shown) > 250
