"""Whatever comes in pages, the client reads it in one way: when it asks, when it stops, and what it never follows."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from malsync import ANIME, MANGA, ApiError, Client, Pages, PrivateList, RetryAfterTooLong, Thread, Transient, UsageError
from malsync.sandbox import Sandbox, World
from tests.support.harness import TestTime
from tests.support.servers import FarSide, Heard, Reply, rest_of, told

LONG_TOPIC = 2_000_100
FIRST, LISTED, KNOWN = 5_000_001, 1_050, 1_600

# What comes in pages: how it is asked for, its address, how many there are, and how many in a page (MAL's reference).
PAGED: dict[str, tuple[Callable[[Client], Pages[Any]], str, int, int]] = {
    "anime list": (lambda client: client.user_list(ANIME), "/users/@me/animelist", LISTED, 1000),
    "manga list": (lambda client: client.user_list(MANGA), "/users/@me/mangalist", LISTED, 1000),
    "anime search": (lambda client: client.search(ANIME, "paged tale"), "/anime", KNOWN, 100),
    "manga search": (lambda client: client.search(MANGA, "paged tale"), "/manga", KNOWN, 100),
    "anime ranking": (lambda client: client.ranking(ANIME, "bypopularity"), "/anime/ranking", 2061, 500),
    "manga ranking": (lambda client: client.ranking(MANGA, "bypopularity"), "/manga/ranking", 1765, 500),
    "season": (lambda client: client.season(1991, "spring"), "/anime/season/1991/spring", KNOWN, 500),
    "suggestions": (lambda client: client.suggestions(), "/anime/suggestions", 268, 100),
    "topics": (lambda client: client.topics(), "/forum/topics", 236, 100),
    "posts": (lambda client: client.topic(LONG_TOPIC), f"/forum/topic/{LONG_TOPIC}", 240, 100),
}
LIMITED: dict[str, Callable[[Client, int], Pages[Any]]] = {
    "anime search": lambda client, limit: client.search(ANIME, "paged tale", limit=limit),
    "manga ranking": lambda client, limit: client.ranking(MANGA, "bypopularity", limit=limit),
    "season": lambda client, limit: client.season(1991, "spring", limit=limit),
    "suggestions": lambda client, limit: client.suggestions(limit=limit),
    "topics": lambda client, limit: client.topics(limit=limit),
    "posts": lambda client, limit: client.topic(LONG_TOPIC, limit=limit),
}
PASSING = ["500", "503", "429", "403", "cut:at=before", "cut:at=middle", "truncated", "empty", "html"]

each = pytest.mark.parametrize("what", PAGED)
each_limited = pytest.mark.parametrize("what", LIMITED)


@pytest.fixture(scope="module")
def world() -> World:
    """The demo, and so many more titles that everything takes several pages."""

    def tale(medium: str, id: int) -> dict[str, Any]:
        kind = {"anime": "tv", "manga": "manga"}[medium]
        return {"id": id, "title": f"Paged Tale {id}", "media_type": kind, "start_date": "1991-04-03"}

    def listed(id: int) -> dict[str, Any]:
        status = {"status": "completed", "updated_at": "2020-01-01T00:00:00+00:00"}
        return {"node": {"id": id, "title": f"Paged Tale {id}"}, "list_status": status}

    made = World.demo()
    own = [listed(id) for id in range(FIRST, FIRST + LISTED)]
    made.put_state(
        {
            "titles": {
                medium: [tale(medium, id) | {"end_date": "1991-06-30"} for id in range(FIRST, FIRST + KNOWN)]
                for medium in ("anime", "manga")
            },
            "accounts": {"sandbox_mika": {"anime": own, "manga": own}},
        }
    )
    return made


def id_of(item: Any) -> int:
    if isinstance(item, tuple):
        return int(item[0])
    return int(item.get("node", item)["id"])


def asked(box: Sandbox) -> list[str]:
    """The paths that were asked for, in order."""
    return [row["path"].removeprefix("/v2") for row in box.requests]


# -- all of it


@each
def test_everything_comes_once_in_as_few_requests_as_there_are_pages(client: Client, box: Sandbox, what: str) -> None:
    ask, path, number, size = PAGED[what]

    ids = [id_of(item) for item in ask(client)]

    assert len(ids) == len(set(ids)) == number
    assert asked(box) == [path] * -(-number // size)
    assert client.requests == box.counts == {"GET": -(-number // size)}


@each
def test_pages_come_as_they_are(client: Client, box: Sandbox, what: str) -> None:
    ask, _, number, size = PAGED[what]

    lengths = [len(page) for page in ask(client).pages()]

    assert sum(lengths) == number
    assert set(lengths[:-1]) == {size}


@each
def test_a_page_is_asked_for_when_it_is_needed(client: Client, box: Sandbox, what: str) -> None:
    ask, path, _, size = PAGED[what]

    found = ask(client)
    assert asked(box) == ([path] if isinstance(found, Thread) else [])
    loop = iter(found)
    assert len(list(islice(loop, size))) == size
    assert asked(box) == [path]
    next(loop)
    assert asked(box) == [path, path]


@each
def test_every_loop_begins_anew(client: Client, box: Sandbox, what: str) -> None:
    found = PAGED[what][0](client)

    first, second = ([id_of(item) for item in islice(found, 5)] for _ in range(2))

    assert first == second
    assert len(asked(box)) == (1 if isinstance(found, Thread) else 2)


@each_limited
def test_a_limit_below_a_page_is_all_that_is_asked_for(client: Client, box: Sandbox, what: str) -> None:
    everything = [id_of(item) for item in islice(PAGED[what][0](client), 5)]
    before = len(box.requests)

    assert [id_of(item) for item in LIMITED[what](client, 5)] == everything
    assert ["limit=5" in row["query"].split("&") for row in box.requests[before:]] == [True]


@each_limited
@pytest.mark.parametrize(("beyond", "requests"), [(0, 1), (1, 2)])
def test_a_limit_of_a_page_or_one_more_takes_no_more_than_it_must(
    client: Client, box: Sandbox, what: str, beyond: int, requests: int
) -> None:
    limit = PAGED[what][3] + beyond

    assert len(list(LIMITED[what](client, limit))) == limit
    assert len(box.requests) == requests


@each_limited
def test_a_limit_beyond_the_end_is_no_error(client: Client, box: Sandbox, what: str) -> None:
    assert len(list(LIMITED[what](client, 9_999))) == PAGED[what][2]


@each_limited
@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_asks_for_nothing_is_refused_at_once(client: Client, box: Sandbox, what: str, limit: int) -> None:
    with pytest.raises(UsageError, match=f"limit of {limit}"):
        LIMITED[what](client, limit)

    assert box.requests == []


# -- pages that are not as they should be


@each
def test_what_two_pages_both_have_comes_once(client: Client, box: Sandbox, what: str) -> None:
    ask, _, number, size = PAGED[what]
    usual = [id_of(item) for item in ask(client)]

    box.add_faults("overlap:nth=1")
    found = ask(client)
    pages = [[id_of(item) for item in page] for page in found.pages()]

    assert len(pages[0]) == size + 1
    assert pages[0][-1] == pages[1][0]
    box.clear_faults()
    box.add_faults("overlap:nth=1")
    assert [id_of(item) for item in ask(client)] == usual
    assert len(usual) == number


@each_limited
def test_what_comes_twice_counts_once_towards_a_limit(client: Client, box: Sandbox, what: str) -> None:
    size = PAGED[what][3]
    box.add_faults("overlap:nth=1")

    ids = [id_of(item) for item in LIMITED[what](client, size + 2)]

    assert len(ids) == len(set(ids)) == size + 2


@each
def test_a_next_page_elsewhere_is_never_asked(client: Client, box: Sandbox, what: str) -> None:
    ask, path, _, size = PAGED[what]
    with FarSide() as elsewhere:
        box.add_faults(f"foreign_next:to={elsewhere.origin}")
        found = iter(ask(client))
        assert len(list(islice(found, size))) == size

        with pytest.raises(ApiError) as caught:
            next(found)

    assert elsewhere.heard == []
    assert caught.value.message.startswith(f"GET {path}: the next page is said to be at {elsewhere.origin}")
    assert asked(box) == [path]


@each
def test_pages_without_end_are_an_error(client: Client, box: Sandbox, what: str) -> None:
    ask, path, *_ = PAGED[what]
    box.add_faults("endless")

    with pytest.raises(ApiError) as caught:
        list(ask(client))

    assert caught.value.message.startswith(f"GET {path}: the pages have no end")
    assert len(asked(box)) < 4


def _is_usual(what: str, fault: str) -> bool:
    """Whether a pair is tried in every run: all faults on a list and on posts, and one fault on each of the others."""
    turn = [*PAGED].index(what)
    return what in ("anime list", "posts") or fault == PASSING[turn % len(PASSING)]


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        pytest.param(what, fault, marks=[] if _is_usual(what, fault) else pytest.mark.nightly)
        for what in PAGED
        for fault in PASSING
    ],
)
def test_a_failure_between_pages_passes_unseen(
    client: Client, time: TestTime, box: Sandbox, what: str, fault: str
) -> None:
    ask, _, number, size = PAGED[what]
    kind, _, own = fault.partition(":")
    box.add_faults(f"{kind}:{','.join(['nth=2', *([own] if own else [])])}")

    ids = [id_of(item) for item in ask(client)]

    assert len(ids) == len(set(ids)) == number
    assert time.slept[0] == 1.0  # and after it, where MAL had enough, what the pace was slowed by
    assert len(asked(box)) == -(-number // size) + 1


@each
@pytest.mark.parametrize("fault", ["502", "html", "cut:at=middle"])
def test_a_failure_that_stays_is_an_error_after_what_came_before(
    client: Client, box: Sandbox, what: str, fault: str
) -> None:
    ask, path, _, size = PAGED[what]
    found = iter(ask(client))
    came = list(islice(found, size))
    box.add_faults(fault)

    with pytest.raises(Transient) as caught:
        next(found)

    assert len(came) == size
    assert caught.value.message.startswith(f"GET {path}: ")
    assert caught.value.message.endswith("Tried 5 times.")
    assert len(asked(box)) == 6


@each
def test_mal_may_ask_for_a_longer_wait_than_a_program_takes(client: Client, box: Sandbox, what: str) -> None:
    box.add_faults("429:retry_after=3600")

    with pytest.raises(RetryAfterTooLong, match="60 minutes") as caught:
        list(PAGED[what][0](client))

    assert caught.value.retry_after == 3600
    assert len(asked(box)) == 1


# -- what is taken for the next page


def _far_pages(far: FarSide, then: Callable[[Heard], str]) -> Callable[[Heard], Reply]:
    """A search whose first page names the next one by `then`."""

    def answer(heard: Heard) -> Reply:
        if heard.target.startswith("/v2/users/@me?") or heard.target == "/v2/users/@me":
            return told({"id": 7, "name": "far_user"})
        if "offset=" in heard.target:
            return told({"data": [{"node": {"id": 2, "title": "Two"}, "list_status": {}}], "paging": {}})
        item = {"node": {"id": 1, "title": "One"}, "list_status": {}}
        return told({"data": [item], "paging": {"next": then(heard)}})

    return answer


@pytest.fixture
def far(time: TestTime) -> Iterator[tuple[FarSide, Client]]:
    with FarSide() as side, Client.signed_in("t", api_url=side.api_url, clock=time.clock()) as client:
        yield side, client


@pytest.mark.parametrize(
    "then",
    [
        "{api}/anime?offset=100&{rest}",
        "{api}/anime?{rest}&offset=100",
        "{api}/anime?offset=100&fields=mean%2Crank&limit=50&nsfw=true&q=one+two",
        "{api}/anime?q=one%20two&nsfw=true&limit=100&fields=mean,rank&offset=100",
    ],
)
def test_the_same_question_in_other_words_is_the_next_page(far: tuple[FarSide, Client], then: str) -> None:
    side, client = far
    side.answer = _far_pages(side, lambda heard: then.format(api=side.api_url, rest=rest_of(heard)))

    assert [title["id"] for title in client.search(ANIME, "one two", fields=("mean", "rank"))] == [1, 2]
    assert side.heard[1].target == then.format(api="/v2", rest=rest_of(side.heard[0]))


@pytest.mark.parametrize(
    "then",
    [
        "{api}/manga?{rest}&offset=100",
        "{api}/anime/ranking?{rest}&offset=100",
        "{api}/anime/../anime?{rest}&offset=100",
        "{api}/anime?offset=100&fields=mean&limit=100&nsfw=true&q=one+two",
        "{api}/anime?offset=100&limit=100&nsfw=true&q=one+two",
        "{api}/anime?offset=100&fields=mean%2Crank&limit=100&q=one+two",
        "{api}/anime?offset=100&fields=mean%2Crank&limit=100&nsfw=true&q=one",
        "{api}/anime?{rest}&offset=100&status=completed",
        "{api}/anime?{rest}&offset=100&q=another",
        "{api}/anime",
    ],
)
def test_another_question_is_no_next_page(far: tuple[FarSide, Client], then: str) -> None:
    side, client = far
    side.answer = _far_pages(side, lambda heard: then.format(api=side.api_url, rest=rest_of(heard)))

    with pytest.raises(ApiError, match="not the same list"):
        list(client.search(ANIME, "one two", fields=("mean", "rank")))

    assert len(side.heard) == 1


def test_the_name_in_place_of_me_is_the_same_list(world: World, time: TestTime) -> None:
    """Whether MAL keeps `@me` in `next` is not known; whose name it is, one request more tells."""
    with (
        Sandbox(world, settings={"next_user": "name"}) as box,
        Client.signed_in(box.access_token, api_url=box.api_url, clock=time.clock()) as client,
    ):
        assert len(list(client.user_list(ANIME))) == LISTED
        assert len(list(client.user_list(MANGA))) == LISTED
        paths = [row["path"].removeprefix("/v2") for row in box.requests]

    own = f"/users/{box.user}"
    assert paths == [
        "/users/@me/animelist",
        "/users/@me",
        f"{own}/animelist",
        "/users/@me/mangalist",
        f"{own}/mangalist",
    ]


def test_another_name_in_place_of_me_is_another_list(far: tuple[FarSide, Client]) -> None:
    side, client = far
    side.answer = _far_pages(
        side, lambda heard: f"{side.api_url}/users/somebody/animelist?{rest_of(heard)}&offset=1000"
    )

    with pytest.raises(ApiError, match="not the same list"):
        list(client.user_list(ANIME))

    assert not any("somebody" in heard.target for heard in side.heard)


def test_a_list_that_is_refused_after_its_first_page_is_not_private(far: tuple[FarSide, Client]) -> None:
    side, client = far
    first = _far_pages(side, lambda heard: f"{side.api_url}/users/somebody/animelist?{rest_of(heard)}&offset=1000")
    refused = told({"message": "", "error": "not_permitted"}, 403)
    side.answer = lambda heard: refused if "offset=" in heard.target else first(heard)

    with pytest.raises(ApiError, match=r"It had shown 1 page\."):
        list(client.user_list(ANIME, "somebody"))

    side.answer = lambda heard: refused
    with pytest.raises(PrivateList):
        list(client.user_list(ANIME, "somebody"))
