"""malsync and the sandbox both keep to schemas/openapi.json: every request and every answer between them is held against it.

Were client and sandbox to agree on a mistake, all other tests would pass; the document is a third that is asked.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import requests

from malsync import ANIME, MANGA, Client, MalsyncError
from malsync.model.medium import MEDIA
from malsync.sandbox import Sandbox
from malsync.sandbox.settings import SETTINGS
from tests.support.harness import Malsync
from tests.support.openapi import REFERENCE
from tests.support.servers import free_port
from tests.support.signing import grants, log_in
from tests.support.witness import Contract, Exchange, Witness

STRICT = Contract.shipped(strict=True)
EIGHTEEN = {name for name, (method, path, _) in STRICT.operations.items() if (method, path) in REFERENCE}
SHARED = (
    *("alternative_titles", "start_date", "end_date", "synopsis", "mean", "rank", "popularity", "num_list_users"),
    *("num_scoring_users", "num_favorites", "nsfw", "created_at", "updated_at", "media_type", "status", "genres", "background"),
    *("pictures", "related_anime{mean}", "related_manga{mean}", "recommendations{media_type}", "my_list_status{tags,comments}"),
)  # fmt: skip
FIELDS = ",".join(
    [
        *SHARED,
        *("num_episodes", "start_season", "broadcast", "source", "average_episode_duration", "rating", "studios"),
        *("statistics", "opening_themes", "ending_themes", "videos", "num_volumes", "num_chapters"),
        *("authors{first_name,last_name}", "serialization", "list_status{priority,tags,comments}"),
    ]
)


@pytest.fixture
def witness(box: Sandbox) -> Iterator[Witness]:
    with Witness(box.api_url.removesuffix("/v2")) as standing_between:
        yield standing_between


@pytest.fixture
def malsync(home: Path, witness: Witness, box: Sandbox) -> Malsync:
    """malsync that talks to the sandbox through the witness."""
    return Malsync(home, box, MALSYNC_API_URL=witness.api_url, MALSYNC_AUTH_URL=witness.auth_url)


def signed_in(witness: Witness, box: Sandbox) -> Client:
    return Client.signed_in(box.access_token, api_url=witness.api_url)


def agreed(witness: Witness) -> set[str]:
    """The operations that were witnessed, after nothing was found wrong with any exchange. The page of consent is no part of
    the API."""
    found = [one for one in witness.exchanges if not one.target.startswith("/v1/oauth2/authorize")]
    assert found
    assert [complaint for one in found for complaint in STRICT.complaints(one)] == []
    return {str(STRICT.operation_of(one)) for one in found}


# -- the client


def every_method(client: Client) -> None:
    """Each method of the client, with all that it can be told, over more pages than one where there are more."""
    client.me()
    client.profile(["anime_statistics", "time_zone", "is_supporter", "birthday"])
    for medium, id, ranking in ((ANIME, 5114, "airing"), (MANGA, 2, "manga")):
        list(client.user_list(medium))
        list(client.user_list(medium, "sandbox_theo", ["tags"]))
        client.details(medium, id, fields=medium.detailed)
        client.details(medium, id, fields=FIELDS)
        list(client.search(medium, "the", fields=medium.listed, limit=150))
        list(client.ranking(medium, ranking, fields=FIELDS, nsfw=False))
        client.update(
            medium, id, {"status": "completed", "score": 7, "tags": ["a", "b, c"], "comments": "", "start_date": ""}
        )
        client.update(medium, id, dict.fromkeys(medium.progress, 1) | {"finish_date": "2020-02", "priority": 2})
        client.remove(medium, id)
        client.remove(medium, id)
    list(client.season(2010, "fall", sort="anime_score", fields=FIELDS))
    list(client.suggestions(fields=ANIME.listed))
    client.boards()
    list(client.topics())
    list(
        client.topics(board_id=19, subboard_id=1, q="episode", topic_user_name="kettle__", user_name="mikan3", limit=5)
    )
    longest = max(client.topics(), key=lambda topic: topic["number_of_posts"])
    list(client.topic(longest["id"]))


def test_every_method_of_the_client_and_every_answer_to_it_is_as_the_document_says(
    witness: Witness, box: Sandbox
) -> None:
    with signed_in(witness, box) as client:
        every_method(client)

    assert agreed(witness) == EIGHTEEN
    pages = [one for one in witness.exchanges if "offset=" in one.target]
    assert {STRICT.operation_of(one) for one in pages} >= {"forum_topics", "forum_topic"}


def test_the_client_id_alone_reads_as_the_document_says(witness: Witness, box: Sandbox) -> None:
    with Client.public(box.client_id, api_url=witness.api_url) as client:
        for medium in (ANIME, MANGA):
            list(client.user_list(medium, "sandbox_theo"))
            list(islice(client.search(medium, "the", fields=FIELDS), 3))
            client.details(medium, 2 if medium is MANGA else 1, fields=FIELDS)
            list(client.ranking(medium, "all", limit=2))
        list(client.season(2010, "fall"))
        client.boards()
        list(client.topics(limit=3))
        list(client.topic(2_000_001))

    everyones = {name for name, (*key, _) in STRICT.operations.items() if REFERENCE.get((key[0], key[1])) == "client"}
    assert agreed(witness) == everyones
    assert not any("authorization" in one.headers for one in witness.exchanges)


def test_what_the_client_is_refused_is_refused_as_the_document_says(witness: Witness, box: Sandbox) -> None:
    box.set_private("sandbox_theo", "manga")
    stranger = Client.public(box.client_id, api_url=witness.api_url)
    wrong = Client.public("of-nobody", api_url=witness.api_url)
    stale = Client.signed_in("of-old", api_url=witness.api_url)
    mine = signed_in(witness, box)
    refused: list[Callable[[], Any]] = [
        lambda: list(stranger.user_list(MANGA, "sandbox_theo")),
        lambda: list(stranger.user_list(MANGA, "sandbox_nobody")),
        lambda: stranger.details(ANIME, 999_002),
        lambda: stranger.topic(999_002),
        lambda: wrong.boards(),
        lambda: stale.boards(),
        lambda: mine.update(ANIME, 999_001, {"status": "completed"}),
        lambda: mine.update(ANIME, 999_002, {"status": "completed"}),
    ]

    for ask in refused:
        with pytest.raises(MalsyncError):
            ask()
    mine.remove(ANIME, 999_002)

    agreed(witness)
    assert [one.status for one in witness.exchanges] == [403, 404, 404, 404, 400, 401, 400, 404, 404]


# -- whole commands


def test_a_backup_a_restore_and_taking_it_back_keep_to_the_document(
    malsync: Malsync, witness: Witness, box: Sandbox
) -> None:
    malsync.ok("backup")
    first = box.world.first
    changed, lost = islice(first.kept("anime"), 2)
    extra = next(title["id"] for title in box.world.catalogue.titles("manga") if title["id"] not in first.kept("manga"))
    box.edit(box.user, "anime", changed, score=1, tags=["x"], comments="lost & <found>")
    box.edit(box.user, "manga", next(iter(first.kept("manga"))), score=1)
    box.remove(box.user, "anime", lost)
    box.edit(box.user, "manga", extra, status="reading")

    malsync.ok("diff")
    malsync.ok("restore", "1", "--yes", "--mode", "exact")
    malsync.ok("undo", "--yes")
    malsync.ok("show", "live")

    lists = {"me", "anime_list", "manga_list"}
    assert agreed(witness) == lists | {"update_anime", "update_manga", "remove_anime", "remove_manga"}


def test_a_public_backup_keeps_to_the_document(malsync: Malsync, witness: Witness) -> None:
    malsync.ok("backup", "--user", "sandbox_theo", env={"MALSYNC_ACCESS_TOKEN": None})

    assert agreed(witness) == {"anime_list", "manga_list"}


def test_filling_the_catalogue_keeps_to_the_document(malsync: Malsync, witness: Witness, box: Sandbox) -> None:
    first = box.world.first
    for medium in ("anime", "manga"):
        first.put_list(medium, dict(islice(first.kept(medium).items(), 3)))
    malsync.ok("backup")

    malsync.ok("fetch", "details")
    malsync.ok("fetch", "ranking", "all", "--limit", "5")
    malsync.ok("fetch", "season", "2010", "fall")
    malsync.ok("fetch", "suggestions")
    malsync.ok("fetch", "search", "the")
    malsync.ok("fetch", "forum", "boards")
    malsync.ok("fetch", "forum", "topics")
    malsync.ok("fetch", "forum", "topic", "2000001")

    writes = {"update_anime", "update_manga", "remove_anime", "remove_manga"}
    assert agreed(witness) == EIGHTEEN - writes


def test_signing_in_and_renewing_tokens_keep_to_the_document(malsync: Malsync, witness: Witness, box: Sandbox) -> None:
    malsync.environment |= {
        "MALSYNC_ACCESS_TOKEN": "",
        "MALSYNC_REDIRECT_URI": f"http://localhost:{free_port()}/callback",
    }
    done = log_in(malsync)
    assert done.returncode == 0, done.stderr

    malsync.time.moment += timedelta(days=100)
    malsync.ok("show", "live")

    assert grants(box) == ["authorization_code", "refresh_token"]
    assert agreed(witness) == {"token", "me", "anime_list", "manga_list"}


# -- the sandbox, however it is set


def asked(box: Sandbox, method: str, target: str, headers: dict[str, str], form: str = "") -> Exchange:
    """What the sandbox answers to a request that may be a wrong one."""
    sent = {"Accept-Encoding": "identity", **headers}
    if form:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    answer = requests.request(method, box.api_url + target, headers=sent, data=form or None, timeout=10)
    told = {name.lower(): text for name, text in answer.headers.items()}
    return Exchange(method, f"/v2{target}", sent, form, answer.status_code, told, answer.content)


def tour(box: Sandbox) -> Iterator[Exchange]:
    """Every operation, with requests that lead somewhere and with some that do not."""
    mine, client = {"Authorization": f"Bearer {box.access_token}"}, {"X-MAL-CLIENT-ID": box.client_id}
    yield asked(box, "GET", "/users/@me?fields=anime_statistics,time_zone,is_supporter,birthday", mine)
    yield asked(box, "GET", "/users/@me", client)
    yield asked(box, "GET", "/users/@me", {})
    yield asked(box, "GET", "/forum/boards", {"Authorization": "Bearer of-old"})
    yield asked(box, "GET", "/forum/boards", {"X-MAL-CLIENT-ID": "of-nobody"})
    for name in MEDIA:
        yield asked(box, "GET", f"/users/@me/{name}list?fields={FIELDS}&offset=5", mine)
        yield asked(box, "GET", f"/users/@me/{name}list?limit=5000&nsfw=true", mine)
        yield asked(box, "GET", f"/users/sandbox_theo/{name}list?fields={FIELDS}&sort=list_score", client)
        yield asked(box, "GET", f"/users/sandbox_theo/{name}list?sort={name}_id", client)
        yield asked(box, "GET", f"/users/sandbox_nobody/{name}list", client)
        yield asked(box, "GET", f"/{name}?q=the&fields={FIELDS}&offset=3", mine)
        yield asked(box, "GET", f"/{name}?q=ab", client)
        yield asked(box, "GET", f"/{name}?limit=2", client)
        yield asked(box, "GET", f"/{name}/{2 if name == 'manga' else 1}?fields={FIELDS}", mine)
        yield asked(box, "GET", f"/{name}/999002", client)
        yield asked(box, "GET", f"/{name}/ranking?ranking_type=all&fields={FIELDS}", mine)
        yield asked(box, "GET", f"/{name}/ranking?ranking_type=best", client)
    yield asked(box, "GET", f"/anime/season/2010/fall?fields={FIELDS}", mine)
    yield asked(box, "GET", "/anime/season/2010/autumn", client)
    yield asked(box, "GET", f"/anime/suggestions?fields={FIELDS}", mine)
    yield asked(box, "GET", "/anime/suggestions", client)
    yield asked(box, "GET", "/forum/boards", client)
    yield asked(box, "GET", "/forum/topics?limit=3&offset=3", client)
    yield asked(box, "GET", "/forum/topics?q=ab", client)
    yield asked(box, "GET", "/forum/topic/2000001", client)
    yield asked(box, "GET", "/forum/topic/999002", client)
    yield from writes(box, mine)


def writes(box: Sandbox, mine: dict[str, str]) -> Iterator[Exchange]:
    """Entries written in every way, and taken away twice."""
    for name in MEDIA:
        id = next(
            title["id"] for title in box.world.catalogue.titles(name) if title["id"] not in box.world.first.kept(name)
        )
        target = f"/{name}/{id}/my_list_status"
        for form in (
            "score=8.0",
            "status=completed&comments=a+%26+b&tags=a%2C%2C+b",
            "start_date=2021",
            "finish_date=2021-12-00",
            "num_episodes_watched=3",
        ):
            yield asked(box, "PATCH", target, mine, form)
        yield asked(box, "PUT", target, mine, "priority=2")
        yield asked(box, "DELETE", target, mine)
        yield asked(box, "DELETE", target, mine)
        yield asked(box, "DELETE", target, {"X-MAL-CLIENT-ID": box.client_id})
    yield asked(box, "PATCH", "/anime/999001/my_list_status", mine, "status=watching")


WAYS = [
    ("default_limit", "10"),
    *((one.name, value) for one in SETTINGS for value in one.allowed if value != one.default),
    ("private_error", "not_allowed"),
    ("not_found_message", "There is nothing here."),
    ("quota", "1"),
]


@pytest.mark.parametrize(
    ("setting", "value"),
    [pytest.param(*way, marks=pytest.mark.nightly if number % 3 else []) for number, way in enumerate(WAYS)],
)
def test_the_document_permits_what_the_sandbox_answers_with_every_setting(setting: str, value: str) -> None:
    """Strictly read: no answer has a member that the document does not name."""
    settings = {setting: value, **({"quota": "1"} if setting == "over_quota" else {})}
    with Sandbox(settings=settings) as box:
        box.set_private("sandbox_theo", "manga")
        found = list(tour(box))

    assert {STRICT.operation_of(one) for one in found} == STRICT.operations.keys() - {"token"}
    wrong = [(str(one), *STRICT.of_answer(str(STRICT.operation_of(one)), one)) for one in found]
    assert [one for one in wrong if len(one) > 1] == []


@pytest.mark.parametrize(
    "fault", ["500", "502", "503:retry_after=1", "504", "429:retry_after=1", "403", "overlap", "unstored"]
)
def test_the_document_permits_how_the_api_fails(fault: str) -> None:
    with Sandbox(faults=fault) as box:
        found = list(tour(box))

    wrong = [(str(one), *STRICT.of_answer(str(STRICT.operation_of(one)), one)) for one in found]
    assert [one for one in wrong if len(one) > 1] == []


# -- the checker, checked

GOOD = Exchange(
    "GET",
    "/v2/users/@me/animelist?fields=list_status&limit=1000&nsfw=true",
    {"authorization": "Bearer x"},
    "",
    200,
    {"content-type": "application/json; charset=UTF-8"},
    b'{"data":[{"node":{"id":1,"title":"One"},"list_status":{"status":"watching","score":1}}],"paging":{}}',
)
WRITE = Exchange(
    "PATCH",
    "/v2/anime/1/my_list_status",
    {"authorization": "Bearer x", "content-type": "application/x-www-form-urlencoded"},
    "status=watching&score=8&is_rewatching=true&start_date=&tags=a%2Cb",
    200,
    {"content-type": "application/json; charset=UTF-8"},
    b'{"status":"watching","score":8}',
)
EXPIRED = dataclasses.replace(
    GOOD,
    status=401,
    body=b'{"error":"invalid_token"}',
    answer_headers={**GOOD.answer_headers, "www-authenticate": 'Bearer error="invalid_token"'},
)
GONE = dataclasses.replace(WRITE, method="DELETE", form="", status=404, body=b"")
TAMPERED: dict[str, tuple[Exchange, dict[str, Any], str]] = {
    "a path that there is not": (GOOD, {"target": "/v2/users/@me/anime"}, "no such operation"),
    "a method that there is not": (GOOD, {"method": "POST"}, "no such operation"),
    "the API's path at the authorization server": (GOOD, {"target": "/v1/oauth2/anime"}, "no such operation"),
    "a name that is none": (GOOD, {"target": "/v2/users/a%20b/animelist"}, "path: user_name"),
    "an id that is none": (WRITE, {"target": "/v2/anime/one/my_list_status"}, "path: anime_id"),
    "a parameter that is not known": (GOOD, {"target": GOOD.target + "&size=3"}, "query: size is not known"),
    "a parameter twice": (GOOD, {"target": GOOD.target + "&limit=3"}, "query: limit is there twice"),
    "a limit above the greatest": (GOOD, {"target": GOOD.target.replace("1000", "1001")}, "query: limit"),
    "a limit that is no number": (GOOD, {"target": GOOD.target.replace("1000", "ten")}, "query: limit"),
    "a flag in another spelling": (GOOD, {"target": GOOD.target.replace("true", "True")}, "query: nsfw"),
    "a parameter that is missing": (GOOD, {"target": "/v2/anime/ranking"}, "query: ranking_type is missing"),
    "a word that is none": (GOOD, {"target": "/v2/anime/ranking?ranking_type=best"}, "query: ranking_type"),
    "nobody": (GOOD, {"headers": {}}, "security"),
    "a client id where a user is needed": (
        WRITE,
        {"headers": {**WRITE.headers, "authorization": "", "x-mal-client-id": "x"}},
        "security",
    ),
    "a form beside a GET": (GOOD, {"form": "a=b"}, "form: there is one"),
    "a form that is JSON": (
        WRITE,
        {"headers": {**WRITE.headers, "content-type": "application/json"}},
        "form: the content type",
    ),
    "a field by the name of GET": (WRITE, {"form": "num_episodes_watched=3"}, "form: the whole: Additional properties"),
    "a field twice": (WRITE, {"form": "score=1&score=2"}, "form: a field is there twice"),
    "a score of 11": (WRITE, {"form": "score=11"}, "form: score"),
    "a flag in the form in another spelling": (WRITE, {"form": "is_rewatching=True"}, "form: is_rewatching"),
    "a date that is none": (WRITE, {"form": "start_date=yesterday"}, "form: start_date"),
    "a status that is not documented": (GOOD, {"status": 418}, "status: 418"),
    "an answer of another type": (GOOD, {"answer_headers": {"content-type": "text/html"}}, "content: text/html"),
    "an answer without a type": (GOOD, {"answer_headers": {}}, "content: no type"),
    "an answer that is cut off": (GOOD, {"body": GOOD.body[:-5]}, "content: no JSON"),
    "an answer that is empty": (GOOD, {"body": b""}, "content: there is none"),
    "a page without paging": (GOOD, {"body": b'{"data":[]}'}, "content: the whole"),
    "a member of another type": (GOOD, {"body": GOOD.body.replace(b'"score":1', b'"score":"1"')}, "content:"),
    "a member that nobody knows": (GOOD, {"body": GOOD.body.replace(b'"score"', b'"stars"')}, "content:"),
    "a member deep down that nobody knows": (
        WRITE,
        {"body": b'{"status":"watching","notes":""}'},
        "'notes' was unexpected",
    ),
    "a 401 without its header": (EXPIRED, {"answer_headers": GOOD.answer_headers}, "header: WWW-Authenticate"),
    "an empty answer where one is needed": (GONE, {"status": 403}, "content: there is none"),
}


@pytest.mark.parametrize("good", [GOOD, WRITE, EXPIRED, GONE], ids=str)
def test_nothing_is_said_against_what_is_right(good: Exchange) -> None:
    assert STRICT.complaints(good) == []


@pytest.mark.parametrize(("good", "change", "complaint"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_is_found(good: Exchange, change: dict[str, Any], complaint: str) -> None:
    (found, *_) = STRICT.complaints(dataclasses.replace(good, **change))

    assert complaint in found


def test_a_member_that_nobody_knows_is_wrong_only_where_the_document_is_read_strictly() -> None:
    newer = dataclasses.replace(WRITE, body=b'{"status":"watching","notes":""}')

    assert Contract.shipped().complaints(newer) == []
    assert STRICT.complaints(newer) != []


def test_the_witness_hears_what_goes_on_behind_it(witness: Witness, box: Sandbox) -> None:
    """The next page is asked of the witness too."""
    headers = {"Authorization": f"Bearer {box.access_token}"}
    first = requests.get(f"{witness.api_url}/users/@me/animelist?limit=3", headers=headers, timeout=10).json()
    requests.get(first["paging"]["next"], headers=headers, timeout=10)

    assert [re.sub(r".*\?", "", one.target) for one in witness.exchanges] == ["limit=3", "offset=3&limit=3"]
    assert len(box.requests) == 2
