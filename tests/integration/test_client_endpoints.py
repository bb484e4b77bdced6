"""Each of the API's 18 endpoints has a method: what it asks, and that what it gives is what the far side said."""

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
import requests

from malsync import (
    ANIME,
    API_URL,
    MANGA,
    ApiError,
    AuthError,
    Client,
    Medium,
    NotFound,
    Pages,
    PrivateList,
    Rejected,
    UsageError,
    __version__,
)
from malsync.sandbox import Sandbox
from tests.support.harness import TestTime
from tests.support.servers import FarSide, Reply

pytestmark = pytest.mark.promise("planning-8")

ANIME_FIELDS = (
    "list_status{status,score,num_episodes_watched,is_rewatching,start_date,finish_date,priority,num_times_rewatched,"
    "rewatch_value,tags,comments,updated_at}"
)
MANGA_FIELDS = (
    "list_status{status,score,num_volumes_read,num_chapters_read,is_rereading,start_date,finish_date,priority,"
    "num_times_reread,reread_value,tags,comments,updated_at}"
)
TOPIC = 2_000_001

Ask = Callable[[Client], Any]
# What a call sends, in the words of MAL's reference: the endpoint's address and the whole query.
READS: dict[str, tuple[Ask, str, dict[str, str]]] = {
    "me": (lambda client: client.me(), "/users/@me", {}),
    "profile": (lambda client: client.profile(["anime_statistics", "time_zone"]), "/users/@me",
                {"fields": "anime_statistics,time_zone"}),
    "anime list": (lambda client: list(client.user_list(ANIME)), "/users/@me/animelist",
                   {"fields": ANIME_FIELDS, "limit": "1000", "nsfw": "true"}),
    "manga list": (lambda client: list(client.user_list(MANGA)), "/users/@me/mangalist",
                   {"fields": MANGA_FIELDS, "limit": "1000", "nsfw": "true"}),
    "a list's part": (lambda client: list(client.user_list(MANGA, "sandbox_theo", ["tags"])),
                      "/users/sandbox_theo/mangalist", {"fields": "list_status{tags}", "limit": "1000", "nsfw": "true"}),
    "anime search": (lambda client: list(client.search(ANIME, "Cowboy Bebop", fields="mean, rank", limit=3)), "/anime",
                     {"q": "Cowboy Bebop", "fields": "mean, rank", "limit": "3", "nsfw": "true"}),
    "manga search": (lambda client: list(client.search(MANGA, "the", nsfw=False)), "/manga", {"q": "the", "limit": "100"}),
    "anime details": (lambda client: client.details(ANIME, 1), "/anime/1", {}),
    "manga details": (lambda client: client.details(MANGA, 2, fields=["mean", "authors{first_name,last_name}"]), "/manga/2",
                      {"fields": "mean,authors{first_name,last_name}"}),
    "anime ranking": (lambda client: list(client.ranking(ANIME, "airing", fields=["rank"])), "/anime/ranking",
                      {"ranking_type": "airing", "fields": "rank", "limit": "500", "nsfw": "true"}),
    "manga ranking": (lambda client: list(client.ranking(MANGA, "novels", limit=1, nsfw=False)), "/manga/ranking",
                      {"ranking_type": "novels", "limit": "1"}),
    "season": (lambda client: list(client.season(2010, "fall", sort="anime_score", limit=7)), "/anime/season/2010/fall",
               {"sort": "anime_score", "limit": "7", "nsfw": "true"}),
    "suggestions": (lambda client: list(client.suggestions(fields=("mean",))), "/anime/suggestions",
                    {"fields": "mean", "limit": "100", "nsfw": "true"}),
    "boards": (lambda client: client.boards(), "/forum/boards", {}),
    "topics": (lambda client: list(client.topics(board_id=19, subboard_id=1, q="episode", limit=9)), "/forum/topics",
               {"board_id": "19", "subboard_id": "1", "q": "episode", "limit": "9"}),
    "topics by people": (lambda client: list(client.topics(topic_user_name="tea_and_mecha", user_name="mikan3", limit=9)),
                         "/forum/topics", {"topic_user_name": "tea_and_mecha", "user_name": "mikan3", "limit": "9"}),
    "topic": (lambda client: list(client.topic(TOPIC)), f"/forum/topic/{TOPIC}", {"limit": "100"}),
}  # fmt: skip
ENDPOINTS = {
    *("GET /users/@me", "GET /users/{}/animelist", "GET /users/{}/mangalist"),
    *("PATCH /anime/{}/my_list_status", "PATCH /manga/{}/my_list_status"),
    *("DELETE /anime/{}/my_list_status", "DELETE /manga/{}/my_list_status"),
    *("GET /anime", "GET /manga", "GET /anime/{}", "GET /manga/{}", "GET /anime/ranking", "GET /manga/ranking"),
    *("GET /anime/season/{}/{}", "GET /anime/suggestions"),
    *("GET /forum/boards", "GET /forum/topics", "GET /forum/topic/{}"),
}

both = pytest.mark.parametrize("medium", [ANIME, MANGA], ids=lambda medium: medium.name)


def heard(box: Sandbox) -> list[tuple[str, str, dict[str, str]]]:
    """What the sandbox was asked: method, path, query."""
    return [
        (row["method"], row["path"].removeprefix("/v2"), dict(pair.split("=", 1) for pair in _pairs(row["query"])))
        for row in box.requests
    ]


def _pairs(query: str) -> list[str]:
    return [pair.replace("+", " ") for pair in query.split("&") if pair]


def plain(box: Sandbox, path: str, query: dict[str, str]) -> Any:
    """The same question without the client."""
    headers = {"Authorization": f"Bearer {box.access_token}"}
    return requests.get(f"{box.api_url}{path}", params=query, headers=headers, timeout=10).json()


def in_plain(answer: Any) -> Any:
    """What a method gave, in the form of the JSON that it came from."""
    if isinstance(answer, list) and answer and isinstance(answer[0], tuple):
        return [({"id": id, "title": title}, list_status) for id, title, list_status, _ in answer]
    return answer


# -- reading


@pytest.mark.parametrize("what", READS)
def test_a_method_asks_its_endpoint_once_and_for_nothing_else(client: Client, box: Sandbox, what: str) -> None:
    ask, path, query = READS[what]

    ask(client)

    assert heard(box) == [("GET", path, query)]


@pytest.mark.parametrize("what", READS)
def test_a_method_gives_what_the_far_side_said(client: Client, box: Sandbox, what: str) -> None:
    ask, path, query = READS[what]
    said = plain(box, path, query)
    match what.split()[-1]:
        case "me":
            expected: Any = (box.api_url.removesuffix("/v2"), said["id"], said["name"])
        case "profile" | "details":
            expected = said
        case "list" | "part":
            expected = [
                ({name: row["node"][name] for name in ("id", "title")}, row["list_status"]) for row in said["data"]
            ]
        case "search" | "season" | "suggestions":
            expected = [row["node"] for row in said["data"]]
        case "boards":
            expected = said["categories"]
        case "topic":
            expected = said["data"]["posts"]
        case _:
            expected = said["data"]

    answer = in_plain(ask(client))

    assert expected
    assert (answer.origin, answer.id, answer.name) == expected if what == "me" else answer == expected


def test_every_endpoint_has_a_method(client: Client, box: Sandbox) -> None:
    for ask, *_ in READS.values():
        ask(client)
    for medium in (ANIME, MANGA):
        client.update(medium, 2 if medium is MANGA else 1, {"score": 7})
        client.remove(medium, 2 if medium is MANGA else 1)

    def template(method: str, path: str) -> str:
        path = re.sub(r"/users/(?!@me$)[^/]+", "/users/{}", path)
        return f"{method} {re.sub(r'/[0-9]+(/fall)?', lambda found: '/{}' * found[0].count('/'), path)}"

    assert {template(method, path) for method, path, _ in heard(box)} == ENDPOINTS
    assert len(ENDPOINTS) == 18


def test_a_thread_has_its_title_and_its_poll(client: Client, box: Sandbox) -> None:
    asked = [client.topic(topic["id"]) for topic in client.topics(limit=100)]
    said = {thread.title: thread.poll for thread in asked}
    polls = [poll for poll in said.values() if poll is not None]

    assert len(said) > 50
    assert None in said.values()
    for poll in polls:
        assert poll["question"]
        assert all(option["votes"] >= 0 and option["text"] for option in poll["options"])
    assert len(list(asked[0])) == plain(box, "/forum/topics", {"limit": "1"})["data"][0]["number_of_posts"] + 1


# -- writing


@both
def test_an_update_answers_with_the_whole_entry_and_a_removal_twice_is_no_error(
    client: Client, box: Sandbox, medium: Medium
) -> None:
    id = max(box.entries(box.user, medium.name))

    whole = client.update(medium, id, {"score": 9, "tags": ["a", "b"], "comments": "", medium.progress[0]: 1})

    assert whole == box.entries(box.user, medium.name)[id]
    assert (whole["score"], whole["tags"], whole[medium.progress[0]]) == (9, ["a", "b"], 1)
    client.remove(medium, id)
    assert id not in box.entries(box.user, medium.name)
    client.remove(medium, id)
    assert client.requests == {"PATCH": 1, "DELETE": 2}


@both
def test_a_title_that_is_not_there_cannot_be_put_on_a_list(client: Client, medium: Medium) -> None:
    with pytest.raises(NotFound):
        client.update(medium, 987_654_321, {"score": 1})


def test_a_title_that_waits_for_approval_is_refused_with_mals_word(client: Client) -> None:
    with pytest.raises(Rejected) as caught:
        client.update(ANIME, 999_001, {"score": 1})

    assert caught.value.code == "invalid_content"


# -- fields


def test_names_of_people_come_where_the_braces_ask_for_them(client: Client) -> None:
    bare, named = (client.details(MANGA, 2, fields=[text]) for text in ("authors", "authors{first_name,last_name}"))

    assert all(author["node"].keys() == {"id"} for author in bare["authors"])
    assert all(author["node"].keys() == {"id", "first_name", "last_name"} for author in named["authors"])


@both
def test_the_members_of_a_title_are_those_that_the_documents_name(medium: Medium, docs_members: Any) -> None:
    """docs/sandbox.md says what comes where; my_list_status is the user's and in no table."""
    in_lists, whole = docs_members[medium.name]
    names = [text.split("{")[0] for text in medium.detailed]

    assert {text.split("{")[0] for text in medium.listed} == in_lists
    assert set(names) == in_lists | whole
    assert len(names) == len(set(names))


@pytest.fixture
def docs_members() -> dict[str, tuple[set[str], set[str]]]:
    from tests.support.harness import ROOT

    section = (ROOT / "docs" / "sandbox.md").read_text().split("## Members of a title")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \| (yes|no) \|", section, re.MULTILINE)
    return {
        name: (
            {member for member, of, lists in rows if name in of and lists == "yes"},
            {member for member, of, lists in rows if name in of and lists == "no"},
        )
        for name in ("anime", "manga")
    }


@both
def test_all_listed_members_come_in_lists_and_all_detailed_ones_with_a_title(client: Client, medium: Medium) -> None:
    always = {"id", "title", "main_picture"}
    ranked = list(client.ranking(medium, "bypopularity", fields=medium.detailed, limit=300))
    in_lists = set[str]().union(*(one["node"] for one in ranked))
    whole = set[str]().union(
        *(client.details(medium, one["node"]["id"], fields=medium.detailed) for one in ranked[:40])
    )

    assert in_lists == always | {text.split("{")[0] for text in medium.listed}
    assert whole == always | {text.split("{")[0] for text in medium.detailed}


@both
def test_every_ranking_of_the_table_is_one_of_mals(client: Client, box: Sandbox, medium: Medium) -> None:
    for kind in medium.ranking_types:
        places = [ranked["ranking"]["rank"] for ranked in client.ranking(medium, kind)]
        assert places == list(range(1, len(places) + 1))

    assert len(medium.ranking_types) == 9


def test_hidden_titles_come_unless_they_are_not_wanted(client: Client) -> None:
    every = {one["node"]["id"]: one["node"].get("nsfw") for one in client.ranking(ANIME, "bypopularity", fields="nsfw")}
    white = {one["node"]["id"] for one in client.ranking(ANIME, "bypopularity", nsfw=False)}

    assert set(every.values()) >= {"white", "gray"}
    assert white == {id for id, shade in every.items() if shade == "white"}


# -- who asks


def test_a_client_id_reads_what_everybody_may_see(box: Sandbox) -> None:
    with Client.public(box.client_id, api_url=box.api_url) as client:
        assert client.details(ANIME, 1)["title"] == "Cowboy Bebop"
        assert len(list(client.user_list(ANIME, "sandbox_theo"))) == len(box.entries("sandbox_theo", "anime"))
        assert len(list(client.topics(limit=3))) == 3


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.me(),
        lambda client: list(client.suggestions()),
        lambda client: list(client.user_list(ANIME)),
        lambda client: client.update(ANIME, 1, {"score": 1}),
        lambda client: client.remove(ANIME, 1),
    ],
)
def test_what_is_a_users_own_needs_a_token(box: Sandbox, ask: Ask) -> None:
    with Client.public(box.client_id, api_url=box.api_url) as client, pytest.raises(AuthError):
        ask(client)

    assert len(box.requests) == 1


def test_a_list_that_its_owner_hides_is_a_private_list(box: Sandbox) -> None:
    box.set_private("sandbox_theo", "anime")

    with Client.public(box.client_id, api_url=box.api_url) as client, pytest.raises(PrivateList):
        list(client.user_list(ANIME, "sandbox_theo"))


def test_a_refused_token_is_an_error_that_does_not_show_it(box: Sandbox) -> None:
    with Client.signed_in("secret-of-mine", api_url=box.api_url) as client, pytest.raises(AuthError) as caught:
        client.me()

    assert "secret-of-mine" not in f"{caught.value.message}{caught.value.hint}{client!r}{vars(client)!r}"


def test_a_client_id_that_mal_does_not_know_is_an_error(box: Sandbox) -> None:
    with Client.public("f" * 32, api_url=box.api_url) as client, pytest.raises(AuthError, match="Invalid client id"):
        client.boards()


@pytest.mark.parametrize("url", ["http://api.example.org/v2", "ftp://127.0.0.1/v2", "https://me:word@example.org/v2"])
def test_no_token_is_sent_in_the_clear(url: str) -> None:
    with pytest.raises(UsageError, match="api_url"):
        Client.signed_in("t", api_url=url)


def test_a_client_is_mals_names_itself_and_asks_once_a_second() -> None:
    with Client.public("c" * 32) as client:
        assert client.api_url == API_URL == "https://api.myanimelist.net/v2"
        assert client.transport.throttle.seconds == 1.0


def test_who_asks_can_be_told_by_the_user_agent(box: Sandbox) -> None:
    for options in ({}, {"user_agent": "listwatch/2"}):
        with Client.public(box.client_id, api_url=box.api_url, **options) as client:  # type: ignore[arg-type]
            client.boards()

    assert [row["user_agent"] for row in box.requests] == [f"malsync/{__version__}", "listwatch/2"]


def test_a_client_that_was_closed_sends_nothing(client: Client, box: Sandbox) -> None:
    client.boards()
    client.close()

    with pytest.raises(ApiError, match="Stopped"):
        client.boards()

    assert len(box.requests) == 1


def test_two_threads_share_one_client(client: Client, box: Sandbox) -> None:
    from concurrent.futures import ThreadPoolExecutor

    ids = [one["node"]["id"] for one in client.ranking(ANIME, "bypopularity", limit=40)]
    with ThreadPoolExecutor(2) as pool:
        titles = list(pool.map(lambda id: client.details(ANIME, id), ids))

    assert [title["id"] for title in titles] == ids
    assert client.requests == {"GET": 41}


# -- refusals


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda client: client.search(MANGA, "     "), "searches for 1 to 64 characters, and '     ' has 0"),
        (lambda client: client.search(ANIME, "x" * 65), "has 65"),
        (lambda client: client.topics(q="x" * 65), "has 65"),
        (lambda client: client.season(2010, "autumn"), "'autumn' is not a season"),
        (lambda client: client.user_list(ANIME, "../admin"), "no MAL user's name"),
        (lambda client: client.user_list(ANIME, ""), "no MAL user's name"),
        (lambda client: list(client.search(ANIME, "\udcff\udcfeab")), "is not text"),
        (lambda client: list(client.topics(user_name="\ud800")), "is not text"),
        (lambda client: client.details(MANGA, cast("int", "../users/@me")), "'../users/@me' is not a number"),
        (lambda client: client.topic(cast("int", "481?limit=1")), "is not a number"),
        (lambda client: client.season(cast("int", "2010/fall/.."), "fall"), "is not a number"),
        (lambda client: client.remove(ANIME, cast("int", "1/../2")), "is not a number"),
        (lambda client: client.update(ANIME, cast("int", None), {"score": 1}), "None is not a number"),
        (lambda client: client.update(ANIME, 1, {"num_watched_episodes": 1}), "'num_watched_episodes' cannot be set"),
        (
            lambda client: client.update(MANGA, 2, {"score": 1, "updated_at": "", "fun": 1}),
            "'updated_at', 'fun' cannot",
        ),
    ],
)
def test_what_mal_cannot_be_asked_is_refused_before_anything_is_sent(
    client: Client, box: Sandbox, ask: Ask, words: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        ask(client)

    assert caught.value.hint
    assert box.requests == []


def test_a_whole_number_of_json_is_a_number(client: Client, box: Sandbox) -> None:
    assert client.details(ANIME, cast("int", 1.0))["id"] == 1
    assert [row["path"] for row in box.requests] == ["/v2/anime/1"]


@pytest.mark.parametrize("q", ["abc", "x" * 64, "日本語", "the best & <only>? #1+1=2"])
def test_a_text_is_searched_for_as_it_stands(client: Client, box: Sandbox, q: str) -> None:
    with box.world.lock:
        box.world.put_state({"titles": {"anime": [{"id": 5_000_001, "title": f"A {q} of mine"}]}})

    assert [title["id"] for title in client.search(ANIME, q) if title["id"] > 5_000_000] == [5_000_001]


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda client: client.details(ANIME, 987_654_321), NotFound, "GET /anime/987654321: "),
        (lambda client: client.details(MANGA, 987_654_321), NotFound, "GET /manga/987654321: "),
        (lambda client: client.topic(1), NotFound, "GET /forum/topic/1: "),
        (lambda client: list(client.user_list(ANIME, "nobody_here")), NotFound, "GET /users/nobody_here/animelist: "),
        (lambda client: list(client.ranking(ANIME, "worst")), Rejected, "GET /anime/ranking: MAL answered 400: "),
        (lambda client: list(client.ranking(MANGA, "airing")), Rejected, "invalid ranking_type"),
        (lambda client: list(client.season(2010, "fall", sort="title")), Rejected, "invalid sort"),
        (lambda client: list(client.topics(board_id=-1)), Rejected, "invalid board_id"),
    ],
)
def test_what_mal_refuses_is_told_once_in_its_words(
    client: Client, time: TestTime, box: Sandbox, ask: Ask, error: type[ApiError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        ask(client)

    assert caught.value.status == (404 if error is NotFound else 400)
    assert "later" not in caught.value.hint
    assert len(box.requests) == 1
    assert time.slept == []


@pytest.mark.parametrize(
    "ask", [lambda client, q: client.search(ANIME, q), lambda client, q: client.topics(q=q)], ids=["titles", "topics"]
)
def test_how_short_a_search_may_be_is_for_mal_to_say(ask: Callable[[Client, str], Pages[Any]]) -> None:
    for least, refused in (("3", True), ("1", False)):
        with Sandbox(settings={"q_minimum": least}) as box, Client.public(box.client_id, api_url=box.api_url) as client:
            if refused:
                with pytest.raises(UsageError, match="MAL does not search for 'ab'") as caught:
                    list(ask(client, "ab"))
                assert "longer" in caught.value.hint
            else:
                list(ask(client, "ab"))
            assert len(box.requests) == 1


@pytest.mark.parametrize(
    ("body", "error"),
    [("<html>Not Found</html>", ApiError), ("{", ApiError), ("", NotFound), ("null", NotFound), ("{}", NotFound)],
)
def test_a_404_that_is_no_answer_of_the_api_says_nothing_of_what_was_asked_for(
    body: str, error: type[ApiError]
) -> None:
    page = Reply(body, 404, {"Content-Type": "text/html"})
    with FarSide(lambda heard: page) as far, Client.signed_in("t", api_url=far.api_url) as client:
        for ask in (lambda: client.details(ANIME, 1), lambda: client.update(ANIME, 1, {"score": 1})):
            with pytest.raises(error, match="404") as caught:
                ask()
            assert type(caught.value) is error
        if error is NotFound:
            client.remove(ANIME, 1)
        else:
            with pytest.raises(ApiError, match="text/html"):
                client.remove(ANIME, 1)
        assert len(far.heard) == 3


@pytest.mark.promise("reading-10")
@pytest.mark.parametrize("what", READS)
def test_a_redirect_is_never_followed(what: str) -> None:
    with FarSide() as elsewhere, FarSide() as far, Client.signed_in("t", api_url=far.api_url) as client:
        far.answer = lambda heard: Reply("", 302, {"Location": f"{elsewhere.origin}/v2/anime"})
        with pytest.raises(ApiError, match="redirects"):
            READS[what][0](client)

    assert elsewhere.heard == []
