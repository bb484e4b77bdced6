"""Reading over HTTP: bytes, members, order, pages, and who may."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from malsync.sandbox import Sandbox, World

EVERYTHING = "list_status{priority,num_times_rewatched,rewatch_value,tags,comments}"


@pytest.fixture(scope="module")
def reading() -> Iterator[SimpleNamespace]:
    """A sandbox that nobody writes to, and `get(path)` with a token of the first account."""
    with Sandbox(World.demo()) as box, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {box.access_token}"

        def get(path: str, **headers: str) -> requests.Response:
            return session.get(box.api_url + path, headers=headers)

        yield SimpleNamespace(box=box, get=get)


def ids(response: requests.Response) -> list[int]:
    return [entry["node"]["id"] for entry in response.json()["data"]]


def test_json_is_compact_and_escaped_as_php_writes_it(reading):
    response = reading.get("/users/@me/animelist?limit=1000&nsfw=true&fields=" + EVERYTHING)

    assert response.headers["content-type"] == "application/json; charset=UTF-8"
    assert response.content.isascii()
    assert rb'"medium":"http:\/\/127.0.0.1:' in response.content
    assert rb"\ud834\udd1e the soundtrack!" in response.content
    assert b"/" not in response.content.replace(rb"\/", b"")


def test_the_members_of_a_page_stand_in_the_recorded_order(reading):
    """go-myanimelist testdata userAnimeList.json."""
    entry = reading.get("/users/@me/animelist?fields=list_status&limit=1").json()["data"][0]

    assert list(entry) == ["node", "list_status"]
    assert list(entry["node"]) == ["id", "title", "main_picture"]
    assert list(entry["list_status"])[:5] == ["status", "score", "num_episodes_watched", "is_rewatching", "updated_at"]


def test_manga_have_an_order_of_their_own(reading):
    """go-myanimelist testdata userMangaList.json: what was asked for comes last, in the order asked for."""
    url = "/users/@me/mangalist?fields=list_status{comments, tags}&limit=1000"

    entry = next(one for one in reading.get(url).json()["data"] if one["node"]["id"] == 138673)

    assert list(entry["list_status"]) == [
        "status", "is_rereading", "num_volumes_read", "num_chapters_read", "score", "updated_at",
        "start_date", "finish_date", "comments", "tags",
    ]  # fmt: skip


def test_list_status_comes_only_when_asked_for(reading):
    assert list(reading.get("/users/@me/animelist?limit=1").json()["data"][0]) == ["node"]


def test_braces_add_members_to_those_that_always_come(reading):
    status = reading.get("/users/@me/animelist?fields=list_status{priority}&limit=1").json()["data"][0]["list_status"]

    assert {"status", "score", "updated_at", "priority"} <= status.keys()
    assert not status.keys() & {"tags", "comments", "rewatch_value"}


def test_dates_are_absent_when_unset_and_all_else_shows_its_blank(reading):
    page = reading.get(f"/users/@me/animelist?limit=1000&fields={EVERYTHING}").json()["data"]

    bare = next(entry["list_status"] for entry in page if entry["node"]["id"] == 25013)

    assert bare == {
        "status": "plan_to_watch", "score": 0, "num_episodes_watched": 0, "is_rewatching": False,
        "updated_at": "2024-05-04T03:12:07+00:00",
        "priority": 0, "num_times_rewatched": 0, "rewatch_value": 0, "tags": [], "comments": "",
    }  # fmt: skip


def test_fields_of_the_node_are_told_and_unknown_ones_passed_over(reading):
    url = "/users/@me/animelist?fields=num_chapters,media_type, num_episodes,nsfw,nonsense{a{b}},list_status&limit=1"

    node = reading.get(url).json()["data"][0]["node"]

    assert list(node) == ["id", "title", "main_picture", "media_type", "num_episodes", "nsfw"]
    assert node["nsfw"] == "white"


def test_my_list_status_stands_in_the_node(reading):
    node = reading.get("/users/@me/animelist?fields=my_list_status{tags}&limit=1").json()["data"][0]["node"]

    assert node["my_list_status"]["tags"] is not None
    assert "comments" not in node["my_list_status"]


def test_some_titles_have_no_picture_and_some_no_large_one(reading):
    nodes = {
        e["node"]["id"]: e["node"] for e in reading.get("/users/@me/animelist?limit=1000&nsfw=true").json()["data"]
    }

    assert "main_picture" not in nodes[31115]
    assert list(nodes[731]["main_picture"]) == ["medium"]


def test_gray_and_black_titles_are_missing_without_nsfw(reading):
    shown = set(ids(reading.get("/users/@me/animelist?limit=1000")))
    everything = set(ids(reading.get("/users/@me/animelist?limit=1000&nsfw=true")))

    assert len(everything) == 280
    assert shown < everything
    assert {8074, 40750} <= everything - shown


def test_a_page_has_ten_entries_by_default_and_next_names_no_limit(reading):
    page = reading.get("/users/@me/animelist?fields=list_status").json()

    assert len(page["data"]) == 10
    assert page["paging"] == {"next": f"{reading.box.api_url}/users/@me/animelist?offset=10&fields=list_status"}


def test_next_has_the_offset_first_and_the_rest_in_alphabetical_order(reading):
    sent = "/users/@me/animelist?sort=anime_title&limit=100&nsfw=true&fields=list_status{tags, comments},num_episodes"

    first = reading.get(sent).json()["paging"]
    second = requests.get(first["next"], headers={"Authorization": f"Bearer {reading.box.access_token}"}).json()[
        "paging"
    ]

    tail = "fields=list_status%7Btags%2C+comments%7D%2Cnum_episodes&limit=100&nsfw=true&sort=anime_title"
    base = f"{reading.box.api_url}/users/@me/animelist"
    assert first == {"next": f"{base}?offset=100&{tail}"}
    assert second == {"previous": f"{base}?offset=0&{tail}", "next": f"{base}?offset=200&{tail}"}


def test_following_next_reads_every_entry_once(reading):
    url, found = "/users/@me/animelist?limit=37&nsfw=true", []
    while url:
        response = reading.get(url)
        found += ids(response)
        following = response.json()["paging"].get("next")
        url = following and following.removeprefix(reading.box.api_url)

    assert len(found) == len(set(found)) == 280
    assert "next" not in response.json()["paging"]


def test_a_page_that_holds_all_has_an_empty_paging(reading):
    assert reading.get("/users/@me/mangalist?limit=1000").content.endswith(b'"paging":{}}')


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=1001", "invalid limit"), ("limit=0", "invalid limit"), ("limit=-1", "invalid limit"),
        ("limit=ten", "invalid limit"), ("offset=-1", "invalid offset"), ("sort=anime_id", "invalid sort"),
        ("sort=manga_title", "invalid sort"), ("status=reading", "invalid status"),
    ],
)  # fmt: skip
def test_a_parameter_that_is_not_right_is_a_400(reading, query, message):
    response = reading.get(f"/users/@me/animelist?{query}")

    assert response.status_code == 400
    assert response.text == f'{{"message":"{message}","error":"bad_request"}}'


def test_lists_are_in_order_of_title_unless_sorted(reading):
    titles = [e["node"]["title"] for e in reading.get("/users/@me/animelist?limit=1000").json()["data"]]

    assert titles == sorted(titles, key=str.casefold)


@pytest.mark.parametrize(("sort", "member"), [("list_score", "score"), ("list_updated_at", "updated_at")])
def test_score_and_time_sort_downwards(reading, sort, member):
    page = reading.get(f"/users/@me/animelist?limit=1000&fields=list_status&sort={sort}").json()["data"]

    values = [entry["list_status"][member] for entry in page]

    assert values == sorted(values, reverse=True)


def test_a_completed_title_that_is_seen_again_is_filed_under_the_current_ones(reading):
    """Katsute/Mal4J TestAnimeListStatus: its JSON still says completed."""
    watching = reading.get("/users/@me/animelist?limit=1000&status=watching&fields=list_status").json()["data"]
    completed = ids(reading.get("/users/@me/animelist?limit=1000&status=completed"))

    again = next(entry for entry in watching if entry["node"]["id"] == 37521)

    assert (again["list_status"]["status"], again["list_status"]["is_rewatching"]) == ("completed", True)
    assert 37521 not in completed


def test_the_statuses_are_a_partition_of_the_list(reading):
    statuses = ["watching", "completed", "on_hold", "dropped", "plan_to_watch"]

    parts = [ids(reading.get(f"/users/@me/animelist?limit=1000&nsfw=true&status={status}")) for status in statuses]

    assert sorted(id for part in parts for id in part) == sorted(
        ids(reading.get("/users/@me/animelist?limit=1000&nsfw=true"))
    )


def test_me_tells_more_on_request(reading):
    plain = reading.get("/users/@me").json()
    more = reading.get("/users/@me?fields=anime_statistics,time_zone,is_supporter,birthday").json()

    assert list(plain) == ["id", "name", "gender", "location", "joined_at", "picture"]
    assert list(more)[6:] == ["anime_statistics", "time_zone", "is_supporter", "birthday"]
    assert more["anime_statistics"]["num_items"] == 280
    assert (
        sum(more["anime_statistics"][f"num_items_{s}"] for s in ("watching", "completed", "on_hold", "dropped")) < 280
    )


def test_the_statistics_have_every_recorded_member_and_add_up(reading):
    """ModerNews/MAL-API-Client-Upgraded, models.User."""
    told = reading.get("/users/@me?fields=anime_statistics").json()["anime_statistics"]
    filed = ("watching", "completed", "on_hold", "dropped")

    assert set(told) == {
        "num_items", "num_items_plan_to_watch", "num_days", "num_days_watched", "num_episodes", "num_times_rewatched",
        "mean_score", *(f"num_items_{status}" for status in filed), *(f"num_days_{status}" for status in filed),
    }  # fmt: skip
    assert sum(told[f"num_items_{status}"] for status in (*filed, "plan_to_watch")) == told["num_items"]
    assert told["num_days_watched"] == told["num_days"] == pytest.approx(told["num_episodes"] / 60, abs=0.01)


def test_the_picture_of_a_user_is_the_sandboxs_own(reading):
    picture = reading.get("/users/@me").json()["picture"]

    assert picture.startswith(f"http://127.0.0.1:{reading.box.port}/images/users/")
    assert requests.get(picture).headers["content-type"] == "image/svg+xml"


def test_details_tell_my_list_status_with_every_member(reading):
    title = reading.get("/anime/5114?fields=my_list_status,num_episodes").json()

    assert list(title) == ["id", "title", "main_picture", "my_list_status", "num_episodes"]
    assert {"tags", "comments", "priority", "num_times_rewatched", "rewatch_value"} <= title["my_list_status"].keys()


def test_details_leave_my_list_status_out_for_a_title_that_is_not_on_the_list(reading):
    assert "my_list_status" not in reading.get("/anime/999001?fields=my_list_status").json()


@pytest.mark.parametrize(
    "path", ["/anime/424242424", "/manga/5114000", "/users/nobody/animelist", "/nonsense", "/users/sandbox_theo"]
)
def test_what_is_not_there_is_not_found(reading, path):
    response = reading.get(path)

    assert (response.status_code, response.text) == (404, '{"message":"","error":"not_found"}')


def test_without_credentials_everything_is_forbidden(reading):
    response = requests.get(f"{reading.box.api_url}/anime/1")

    assert (response.status_code, response.text) == (403, '{"message":"","error":"forbidden"}')


def test_an_unknown_client_is_a_bad_request(reading):
    response = requests.get(f"{reading.box.api_url}/anime/1", headers={"X-MAL-CLIENT-ID": "somebody"})

    assert (response.status_code, response.json()["message"]) == (400, "Invalid client id")


def test_an_unknown_token_is_told_in_a_header_and_without_a_message(reading):
    response = reading.get("/anime/1", Authorization="Bearer nonsense")

    assert (response.status_code, response.text) == (401, '{"error":"invalid_token"}')
    assert response.headers["WWW-Authenticate"] == (
        'Bearer error="invalid_token",error_description="The access token expired"'
    )


def test_a_client_id_alone_reads_titles_and_public_lists_but_nobody_is_me(reading):
    client = {"X-MAL-CLIENT-ID": reading.box.client_id}

    def status(path: str) -> int:
        return requests.get(reading.box.api_url + path, headers=client).status_code

    assert [status("/anime/1"), status("/users/SANDBOX_theo/animelist"), status("/users/@me/animelist")] == [
        200,
        200,
        403,
    ]


def test_a_private_list_is_shown_to_its_owner_only(box):
    box.set_private("sandbox_theo", "manga")

    def status(path: str, **headers: str) -> int:
        return requests.get(box.api_url + path, headers=headers).status_code

    other = {"Authorization": f"Bearer {box.access_token}"}
    owner = {"Authorization": f"Bearer {box.token_for('sandbox_theo')}"}
    assert status("/users/sandbox_theo/animelist", **other) == 200
    assert status("/users/sandbox_theo/mangalist", **other) == 403
    assert status("/users/sandbox_theo/mangalist", **{"X-MAL-CLIENT-ID": box.client_id}) == 403
    assert status("/users/sandbox_theo/mangalist", **owner) == 200
    assert status("/users/@me/mangalist", **owner) == 200


@pytest.mark.promise("security-45")
def test_another_host_name_is_misdirected(reading):
    port = urlsplit(reading.box.api_url).port

    def status(host: str) -> int:
        return reading.get("/anime/1", Host=host).status_code

    assert status(f"localhost:{port}") == 200
    assert [status(f"evil.example:{port}"), status("127.0.0.1"), status(f"[::1]:{port}")] == [421, 421, 421]


def test_next_is_under_the_name_that_the_client_used(reading):
    host = f"localhost:{urlsplit(reading.box.api_url).port}"

    following = reading.get("/users/@me/animelist", Host=host).json()["paging"]["next"]

    assert urlsplit(following).netloc == host
    assert dict(parse_qsl(urlsplit(following).query)) == {"offset": "10"}


def test_what_changed_is_told_at_once(box):
    """The server remembers encoded entries and orders: neither may outlive a change."""
    url = f"{box.api_url}/users/@me/animelist?limit=1&sort=list_updated_at&fields=list_status"
    me = {"Authorization": f"Bearer {box.access_token}"}
    requests.get(url, headers=me)

    box.edit("sandbox_mika", "anime", 20, score=3)
    first = requests.get(url, headers=me).json()["data"][0]

    assert (first["node"]["id"], first["list_status"]["score"]) == (20, 3)


def test_the_log_and_the_counts_hold_every_request_and_no_secret(box):
    me = {"Authorization": f"Bearer {box.access_token}", "User-Agent": "tester/1"}
    requests.get(f"{box.api_url}/users/@me/animelist?limit=5&access_token={box.access_token}", headers=me)
    requests.patch(f"{box.api_url}/anime/1/my_list_status", data={"score": "9"}, headers=me)
    requests.post(
        f"{box.auth_url}/token",
        data={"client_id": box.client_id, "grant_type": "refresh_token", "refresh_token": "secret"},
    )

    shown = requests.get(box.api_url.replace("/v2", "/_sandbox/requests")).json()

    assert shown == {"counts": {"GET": 1, "PATCH": 1}, "log": box.requests}
    assert box.counts == {"GET": 1, "PATCH": 1}
    assert [(row["method"], row["kind"], row["status"]) for row in box.requests] == [
        ("GET", "api", 200), ("PATCH", "api", 200), ("POST", "oauth", 401),
    ]  # fmt: skip
    assert box.requests[0]["user_agent"] == "tester/1"
    assert box.requests[1]["form"] == {"score": "9"}
    assert box.requests[2]["grant_type"] == "refresh_token"
    assert box.access_token not in json.dumps(shown)
    assert "secret" not in json.dumps(shown)
