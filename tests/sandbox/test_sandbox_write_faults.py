"""What can go wrong with a PATCH or a DELETE, over real HTTP: what was answered, and what was stored."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
import requests

from malsync.sandbox import Sandbox, World
from malsync.sandbox.exchange import Call
from tests.support.harness import TestTime

LISTED, ABSENT, OTHER = 20, 25835, 30
"""Anime of sandbox_mika's: one on the list, one that is not, and another one on it."""

Write = Callable[..., requests.Response]


def write_to(
    box: Sandbox, method: str, id: int = LISTED, form: dict[str, str] | None = None, medium: str = "anime"
) -> requests.Response:
    headers = {"Authorization": f"Bearer {box.access_token}"}
    return requests.request(
        method, f"{box.api_url}/{medium}/{id}/my_list_status", data=form, headers=headers, allow_redirects=False
    )


@pytest.fixture
def write(box: Sandbox) -> Write:
    return lambda *arguments, **named: write_to(box, *arguments, **named)


def anime(box: Sandbox) -> dict[int, dict[str, Any]]:
    return box.entries("sandbox_mika", "anime")


def told(box: Sandbox, id: int) -> dict[str, Any] | None:
    """The entry as a later GET tells it."""
    headers = {"Authorization": f"Bearer {box.access_token}"}
    status = requests.get(f"{box.api_url}/anime/{id}?fields=my_list_status", headers=headers).json()
    return status.get("my_list_status")


# Before and after the effect.


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("at", ["before", "middle"])
@pytest.mark.parametrize("done", ["yes", "no"])
def test_a_cut_loses_the_answer_before_or_after_the_write_was_carried_out(box, write, method, at, done):
    box.add_faults(f"cut:at={at},method={method},nth=2,done={done}")
    write(method, OTHER, {"comments": "first"})

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        write(method, LISTED, {"comments": "lost?"})

    entry = anime(box).get(LISTED)
    assert (entry is None or entry["comments"] == "lost?") is (done == "yes")
    assert [row["status"] for row in box.requests] == [200, 0]
    assert write(method, LISTED, {"comments": "again"}).status_code == (
        404 if (method, done) == ("DELETE", "yes") else 200
    )


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("kind", ["500", "502", "503", "504", "429", "403", "redirect"])
@pytest.mark.parametrize("done", ["yes", "no"])
def test_an_error_page_hides_whether_a_write_was_carried_out(box, write, method, kind, done):
    before = anime(box)[LISTED]
    box.add_faults(f"{kind}:method={method},done={done},times=1")

    status = write(method, LISTED, {"comments": "new"}).status_code

    assert status == (302 if kind == "redirect" else int(kind))
    assert (anime(box).get(LISTED) != before) is (done == "yes")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_too_many_writes_are_told_when_to_come_again(box, write, method):
    box.add_faults(f"429:method={method},nth=1,retry_after=2")

    first, second = write(method, LISTED, {"score": "1"}), write(method, LISTED, {"score": "1"})

    assert (first.status_code, first.headers["Retry-After"], second.status_code) == (429, "2", 200)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("spec", "status", "body"),
    [
        ("invalid_content", 400, '{"message":"Invalid content","error":"invalid_content"}'),
        ("bad_request", 400, '{"message":"invalid value","error":"bad_request"}'),
        ("bad_request:message=invalid start_date", 400, '{"message":"invalid start_date","error":"bad_request"}'),
        ("forbidden", 403, '{"message":"","error":"forbidden"}'),
        ("gone", 404, '{"message":"","error":"not_found"}'),
    ],
)  # fmt: skip
def test_a_refusal_of_the_api_is_json_and_nothing_is_carried_out(box, write, method, spec, status, body):
    before = anime(box)
    box.add_faults(spec)

    response = write(method, LISTED, {"score": "1"})

    assert (response.status_code, response.text) == (status, body)
    assert response.headers["content-type"].startswith("application/json")
    assert anime(box) == before


def test_one_title_is_named_by_its_path_with_a_slash_at_the_end(box, write):
    titles = [1, 20, 205]

    box.add_faults("invalid_content:on=anime/20/")
    exact = [write("PATCH", id, {"score": "1"}).status_code for id in titles]
    box.clear_faults()
    box.add_faults("invalid_content:on=anime/20")
    greedy = [write("PATCH", id, {"score": "1"}).status_code for id in titles]

    assert (exact, greedy) == ([200, 400, 200], [200, 400, 400])


# Not stored.


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_an_unstored_write_is_answered_as_if_it_had_been_stored(box, write, method):
    before = anime(box)
    box.add_faults("unstored:nth=1-2")

    changed = write(method, LISTED, {"score": "3", "comments": "new", "start_date": ""}).json()
    added = write(method, ABSENT, {"status": "completed", "num_watched_episodes": "24"}).json()

    assert (changed["score"], changed["comments"], "start_date" in changed) == (3, "new", False)
    assert (added["status"], added["num_episodes_watched"]) == ("completed", 24)
    assert changed["updated_at"] > before[LISTED]["updated_at"]
    assert list(anime(box).items()) == list(before.items())
    assert (told(box, LISTED), told(box, ABSENT)) == (before[LISTED], None)
    assert write(method, LISTED, {"score": "3"}).json() == anime(box)[LISTED]


@pytest.mark.parametrize("shows", ["wanted", "kept"])
def test_an_unstored_deletion_is_answered_as_one_that_was_stored(box, write, shows):
    before = anime(box)
    box.add_faults(f"unstored:shows={shows},times=2")

    first, absent = write("DELETE", LISTED), write("DELETE", ABSENT)

    assert (first.status_code, first.text, absent.status_code) == (200, "[]", 404)
    assert list(anime(box).items()) == list(before.items())
    assert told(box, LISTED) == before[LISTED]
    assert [write("DELETE", LISTED).status_code for _ in range(2)] == [200, 404]


def test_an_unstored_write_may_be_owned_up_to(box, write):
    before = anime(box)
    box.add_faults("unstored:shows=kept")

    changed = write("PATCH", LISTED, {"score": "3", "comments": "new"}).json()
    added = write("PATCH", ABSENT, {"status": "completed", "score": "3"}).json()

    assert changed == before[LISTED]
    assert (added["status"], added["score"], added["comments"]) == ("plan_to_watch", 0, "")
    assert anime(box) == before


@pytest.mark.parametrize("name", ["num_watched_episodes", "num_episodes_watched"])
@pytest.mark.parametrize("shows", ["wanted", "kept"])
def test_one_member_may_be_unstored_and_the_rest_is_stored(box, write, name, shows):
    before = anime(box)[LISTED]
    box.add_faults(f"unstored:field={name},shows={shows}")

    answer = write("PATCH", LISTED, {"num_watched_episodes": "3", "score": "2", "tags": "a,b"}).json()

    stored = anime(box)[LISTED]
    assert before["num_episodes_watched"] != 3
    assert (stored["score"], stored["tags"]) == (2, ["a", "b"])
    assert stored["num_episodes_watched"] == before["num_episodes_watched"]
    assert stored["updated_at"] > before["updated_at"]
    assert answer == ({**stored, "num_episodes_watched": 3} if shows == "wanted" else stored)


def test_an_unstored_member_is_one_that_was_not_there_before(box, write):
    box.add_faults("unstored:field=start_date;unstored:field=status,shows=kept")

    answer = write("PATCH", ABSENT, {"status": "dropped", "start_date": "2020-01-01", "score": "4"}).json()

    assert (answer["status"], answer["start_date"]) == ("plan_to_watch", "2020-01-01")
    stored = anime(box)[ABSENT]
    assert (stored["status"], stored.get("start_date"), stored["score"]) == ("plan_to_watch", None, 4)


def test_a_member_strikes_only_writes_that_have_it(box, write):
    box.add_faults("unstored:field=num_chapters_read,nth=1")

    write("PATCH", 2, {"score": "1"}, "manga")
    write("PATCH", LISTED, {"num_watched_episodes": "1"})
    write("DELETE", OTHER)
    write("PATCH", 2, {"num_chapters_read": "7"}, "manga")
    write("PATCH", 2, {"num_chapters_read": "8"}, "manga")

    assert [row.get("faults") for row in box.requests] == [None, None, None, ["unstored"], None]
    assert box.entries("sandbox_mika", "manga")[2]["num_chapters_read"] == 8


def test_an_unstored_write_that_is_not_right_is_refused(box, write):
    before = anime(box)
    box.add_faults("unstored")

    assert write("PATCH", LISTED, {"score": "11"}).status_code == 400
    assert write("PATCH", 424242, {"score": "1"}).status_code == 404
    assert anime(box) == before


def test_a_list_is_read_as_it_is_after_an_unstored_write(box, write):
    def page() -> list[dict[str, Any]]:
        url = f"{box.api_url}/users/@me/animelist?limit=1000&nsfw=true&fields=list_status{{comments}}&sort=list_score"
        return requests.get(url, headers={"Authorization": f"Bearer {box.access_token}"}).json()["data"]

    before = page()
    box.add_faults("unstored")
    write("PATCH", LISTED, {"score": "1", "comments": "new"})
    write("PATCH", ABSENT, {"score": "1"})
    write("DELETE", OTHER)

    assert page() == before


# Somebody else.


@pytest.mark.parametrize(("what", "sent"), [("score", "comments"), ("comments", "priority")])
def test_somebody_else_changes_the_entry_just_before_the_write(box, write, what, sent):
    before = anime(box)
    box.add_faults(f"meanwhile:what={what},method=PATCH,nth=1")

    answer = write("PATCH", LISTED, {sent: "1"}).json()

    assert str(answer[sent]) == "1"
    assert answer[what] != before[LISTED][what]
    assert answer == anime(box)[LISTED]
    assert {id: entry for id, entry in anime(box).items() if entry != before[id]} == {LISTED: answer}


def test_somebody_else_adds_the_entry_just_before_the_write(box, write):
    box.add_faults("meanwhile")

    answer = write("PATCH", ABSENT, {"status": "watching"}).json()

    assert (answer["status"], answer["score"]) == ("watching", 1)


def test_somebody_else_removes_the_entry_just_before_the_write(box, write):
    box.add_faults("meanwhile:what=remove,times=3")

    gone = write("DELETE", OTHER)
    updated = write("PATCH", LISTED, {"comments": "alone"}).json()
    added = write("PATCH", ABSENT, {"status": "watching"})

    assert (gone.status_code, added.status_code) == (404, 200)
    assert (updated["status"], updated["score"], updated["comments"]) == ("plan_to_watch", 0, "alone")
    assert OTHER not in anime(box)


def test_nothing_happens_to_a_title_that_cannot_be_on_a_list(box, write):
    before = anime(box)
    box.add_faults("meanwhile")

    assert [write("PATCH", id, {"score": "1"}).status_code for id in (424242, 999001)] == [404, 400]
    assert requests.delete(f"{box.api_url}/anime/{LISTED}/my_list_status").status_code == 403
    assert anime(box) == before


def test_reads_are_not_struck_by_what_is_for_writes(box, write):
    box.add_faults("unstored;meanwhile:what=remove")
    headers = {"Authorization": f"Bearer {box.access_token}"}

    for path in (f"anime/{LISTED}", "users/@me/animelist", "users/@me"):
        assert requests.get(f"{box.api_url}/{path}", headers=headers).status_code == 200

    assert all("faults" not in row for row in box.requests)
    assert LISTED in anime(box)


# Which writes.


def statuses(write: Write, method: str, ids: list[int]) -> list[int]:
    return [write(method, id, {"score": "1"}).status_code for id in ids]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_the_third_write_of_a_method(box, write, method):
    ids = list(anime(box))[:5]
    other = {"PATCH": "DELETE", "DELETE": "PATCH"}[method]
    box.add_faults(f"503:method={method},nth=3")

    assert statuses(write, other, [ABSENT]) == [200 if other == "PATCH" else 404]
    assert statuses(write, method, ids) == [200, 200, 503, 200, 200]
    assert box.counts == {method: 5, other: 1}
    assert sum("faults" in row for row in box.requests) == 1


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("seed", [7, 8])
def test_one_write_in_twenty_by_a_chance_that_comes_again(box, write, method, seed):
    ids = list(anime(box))[:100]
    chance = Random(seed)
    expected = [503 if chance.random() < 0.05 else 200 for _ in ids]
    box.add_faults(f"503:method={method},p=0.05,seed={seed}")

    assert statuses(write, method, ids) == expected
    assert 1 <= expected.count(503) <= 12
    assert sum(row.get("faults") == ["503"] for row in box.requests) == expected.count(503)


def test_a_chance_strikes_no_more_often_than_it_may(box, write):
    box.add_faults("unstored:p=0.5,seed=7,times=3")

    for id in list(anime(box))[:30]:
        write("PATCH", id, {"comments": "stored"})

    assert sum("faults" in row for row in box.requests) == 3
    assert sum(entry["comments"] == "stored" for entry in anime(box).values()) == 27


# What MAL does by itself.


@pytest.mark.parametrize(
    ("setting", "status", "seen"),
    [("accept", 200, "2021-12"), ("refuse", 400, None), ("round", 200, "2021-12-01"), ("ignore", 200, None)],
)
@pytest.mark.parametrize(("medium", "id"), [("anime", ABSENT), ("manga", 2)])
def test_a_partial_date_is_stored_refused_rounded_or_passed_over(world, setting, status, seen, medium, id):
    with Sandbox(world, settings={"partial_dates": setting}) as box:
        if id in box.entries("sandbox_mika", medium):
            box.remove("sandbox_mika", medium, id)
        response = write_to(box, "PATCH", id, {"score": "5", "start_date": "2021-12"}, medium)
        entry = box.entries("sandbox_mika", medium).get(id)

    assert response.status_code == status
    if status == 400:
        assert (response.text, entry) == ('{"message":"invalid start_date","error":"bad_request"}', None)
    else:
        assert (entry["score"], entry.get("start_date"), response.json()) == (5, seen, entry)


@pytest.mark.parametrize(
    ("medium", "id", "form", "read", "seen"),
    [
        ("anime", 5114, "num_watched_episodes", "num_episodes_watched", 64),
        ("manga", 28, "num_chapters_read", "num_chapters_read", 84),
        ("manga", 28, "num_volumes_read", "num_volumes_read", 21),
    ],
)
def test_progress_stops_at_the_total(box, write, medium, id, form, read, seen):
    answer = write("PATCH", id, {form: "99999"}, medium).json()

    assert answer[read] == box.entries("sandbox_mika", medium)[id][read] == seen


# Time, and how much of it.


def test_every_write_has_a_time_of_its_own_where_the_clock_moves():
    with Sandbox(World.demo(clock=TestTime(datetime(2026, 11, 1, tzinfo=UTC)).now)) as box:
        times = [write_to(box, "PATCH", LISTED, {"score": str(score)}).json()["updated_at"] for score in range(5)]

    assert times == sorted(set(times))


def test_a_rehearsal_has_a_clock_too():
    live = [{"node": {"id": 20, "title": "x"}, "list_status": {"status": "watching", "updated_at": ""}}]
    with Sandbox(World.holding("me", {"anime": live}, clock=lambda: datetime(2030, 1, 2, tzinfo=UTC))) as box:
        assert write_to(box, "PATCH", 20, {"score": "1"}).json()["updated_at"] == "2030-01-02T00:00:00+00:00"


def test_a_write_costs_no_more_in_a_long_list():
    """A thousand updates take some 30 ms beside HTTP; were something built anew for each of 20,000 entries, they would
    take longer than this by far."""
    world = World.generated(20_000)
    with Sandbox(world) as box:
        site, headers = box._site, {"authorization": f"Bearer {box.access_token}", "content-type": FORM}
        began = time.thread_time()
        for id in list(world.first.kept("anime"))[:1000]:
            where, path = {"medium": "anime", "id": id}, f"/v2/anime/{id}/my_list_status"
            call = Call("PATCH", path, box.api_url, {}, headers, b"score=3&comments=new", where)
            assert site._answer(call, site._api.update).status == 200
        took = time.thread_time() - began

    assert took < 2


FORM = "application/x-www-form-urlencoded"


# Reads that lag behind.


def listed(box: Sandbox, id: int = LISTED) -> str | None:
    """The comments of an entry as the list tells them; None where it is not there."""
    headers = {"Authorization": f"Bearer {box.access_token}"}
    address = f"{box.api_url}/users/@me/animelist?limit=1000&nsfw=true&fields=list_status{{comments}}"
    for entry in requests.get(address, headers=headers).json()["data"]:
        if entry["node"]["id"] == id:
            return str(entry["list_status"]["comments"])
    return None


def test_a_stale_list_is_the_one_before_the_latest_writes(box: Sandbox, write: Write) -> None:
    listed(box)
    write("PATCH", LISTED, {"comments": "first"})
    assert listed(box) == "first"
    write("PATCH", LISTED, {"comments": "second"})
    write("PATCH", LISTED, {"comments": "third"})
    write("DELETE", OTHER)
    write("PATCH", ABSENT, {"status": "watching"})

    box.add_faults("stale")
    assert [listed(box), listed(box, OTHER) is None, listed(box, ABSENT)] == ["first", False, None]
    box.clear_faults()
    assert [listed(box), listed(box, OTHER), listed(box, ABSENT)] == ["third", None, ""]

    box.add_faults("stale")
    assert listed(box) == "first"  # another server, which has not heard of it yet


def test_a_list_that_nobody_wrote_to_is_never_stale(box: Sandbox) -> None:
    box.edit(box.user, "anime", LISTED, comments="on the site")
    box.add_faults("stale")

    assert listed(box) == "on the site"


def test_the_entry_of_a_title_that_became_another_goes_along() -> None:
    with Sandbox(World.demo(), settings={"merged_titles": f"anime:{LISTED}=anime:{ABSENT}"}) as box:
        answer = write_to(box, "PATCH", LISTED, {"comments": "moved"}).json()

        assert LISTED not in anime(box)
        assert anime(box)[ABSENT] == answer
        assert answer["comments"] == "moved"
        assert write_to(box, "DELETE", LISTED).status_code == 404
