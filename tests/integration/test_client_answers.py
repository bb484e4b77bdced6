"""What the client takes for an answer: what is new or missing passes and is kept, what is of another type is named."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from malsync import ANIME, MANGA, ApiError, Client, Medium
from malsync.sandbox import Sandbox
from tests.support.harness import TestTime
from tests.support.servers import FarSide, told

pytestmark = pytest.mark.promise("reading-16")

Ask = Callable[[Client], Any]
ID = 5_000_001
TITLE = f"Strange Tale {ID}"

both = pytest.mark.parametrize("medium", [ANIME, MANGA], ids=lambda medium: medium.name)

# Words that MAL has and its reference has not, members of tomorrow, and totals that are not known.
STRANGE: dict[str, dict[str, Any]] = {
    "anime": {
        "media_type": "hologram",
        "status": "postponed",
        "source": "dream",
        "rating": "x++",
        "nsfw": "beige",
        "broadcast": {"day_of_the_week": "someday", "time_zone": "UTC"},
        "start_season": {"year": 2031, "season": "monsoon"},
        "num_episodes": 0,
        "tomorrow": {"deep": [1, {"er": None}]},
        "genres": [{"id": 1, "name": "Action", "colour": "red"}],
        "related_anime": [{"node": {"id": 1, "title": "Cowboy Bebop", "more": 1}, "relation_type": "dream_of"}],
    },
    "manga": {
        "media_type": "scroll",
        "status": "resting",
        "num_volumes": 0,
        "num_chapters": 0,
        "tomorrow": [None, "x"],
        "authors": [{"node": {"id": 1}, "role": "Letters & Dreams", "since": 2031}],
        "serialization": [{"node": {"id": 1, "name": "Weekly", "paper": "thin"}}],
    },
}


@pytest.fixture
def strange(box: Sandbox) -> None:
    with box.world.lock:
        box.world.put_state(
            {"titles": {medium: [{"id": ID, "title": TITLE, **members}] for medium, members in STRANGE.items()}}
        )


@pytest.mark.usefixtures("strange")
@both
def test_new_words_and_new_members_are_kept_as_they_came(client: Client, medium: Medium) -> None:
    members = STRANGE[medium.name]
    fields = [*medium.detailed, "tomorrow"]

    found = client.details(medium, ID, fields=fields)
    (listed,) = client.search(medium, TITLE, fields=fields)
    (ranked,) = [one for one in client.ranking(medium, "bypopularity", fields=fields) if one["node"]["id"] == ID]

    for title in (found, listed, ranked["node"]):
        assert {name: title.get(name) for name in members} == members


@both
def test_members_that_are_missing_are_missing(client: Client, box: Sandbox, medium: Medium) -> None:
    """What was only announced has no mean, no rank and no end, whoever asks; nothing is put in their place."""
    with box.world.lock:
        box.world.put_state({"titles": {medium.name: [{"id": ID, "title": TITLE, "start_date": "2031-05"}]}})

    found = client.details(medium, ID, fields=medium.detailed)
    bare = client.details(medium, ID)

    assert found["start_date"] == "2031-05"
    assert not {"mean", "rank", "end_date"} & found.keys()
    assert bare.keys() - {"main_picture"} == {"id", "title"}


WRONG: list[tuple[str, Any, str]] = [
    ("mean", "8.5", "mean"),
    ("rank", [1], "rank"),
    ("num_list_users", "12", "num_list_users"),
    ("synopsis", 7, "synopsis"),
    ("genres", {"1": "Action"}, "genres"),
    ("genres", [{"id": 1, "name": "Action"}, {"id": "2", "name": "Drama"}], "genres.1.id"),
    ("alternative_titles", {"synonyms": ["a", 2]}, "alternative_titles.synonyms.1"),
    ("pictures", [{"medium": 1}], "pictures.0.medium"),
]


@both
@pytest.mark.parametrize(("member", "wrong", "place"), WRONG)
def test_a_wrong_type_is_named_with_endpoint_entry_and_member(
    client: Client, time: TestTime, box: Sandbox, medium: Medium, member: str, wrong: Any, place: str
) -> None:
    with box.world.lock:
        box.world.put_state({"titles": {medium.name: [{"id": ID, "title": TITLE, member: wrong}]}})
    asks: dict[str, Ask] = {
        f"/{medium.name}/{ID}: {place}: ": lambda client: client.details(medium, ID, fields=[member]),
        f"/{medium.name}: entry {ID} ({TITLE}) node.{place}: ": lambda client: list(
            client.search(medium, TITLE, fields=[member])
        ),
        f"/{medium.name}/ranking: entry {ID} ({TITLE}) node.{place}: ": lambda client: list(
            client.ranking(medium, "bypopularity", fields=[member])
        ),
    }

    for words, ask in asks.items():
        with pytest.raises(ApiError) as caught:
            ask(client)
        assert caught.value.message.startswith(f"GET {words}")
        assert "does not know" in caught.value.hint

    assert len(box.requests) == 3
    assert time.slept == []


def of(data: Any) -> Any:
    return {"data": data, "paging": {}}


def ask_topic(client: Client) -> Any:
    return list(client.topic(5))


def ask_topics(client: Client) -> Any:
    return list(client.topics())


@pytest.fixture
def far() -> Iterator[tuple[FarSide, Client]]:
    with FarSide() as side, Client.signed_in("t", api_url=side.api_url) as client:
        yield side, client


@pytest.mark.parametrize(
    ("ask", "document", "words"),
    [
        (lambda client: client.profile(), {"id": 1, "name": "x", "location": 4}, "GET /users/@me: location: "),
        (lambda client: client.profile(), {"id": 1, "name": "x", "anime_statistics": {"num_items": "9"}},
         "GET /users/@me: anime_statistics"),
        (lambda client: client.details(ANIME, 1), [], "GET /anime/1: the answer: "),
        (lambda client: client.details(ANIME, 1), {"title": "One"}, "GET /anime/1: the answer: "),
        (lambda client: list(client.search(MANGA, "one")), of([{"node": {"id": 1, "title": "One"}}, {}]),
         "GET /manga: entry number 1 of this page: "),
        (lambda client: list(client.search(MANGA, "one")), {"data": []}, "GET /manga: the answer: "),
        (lambda client: list(client.ranking(ANIME, "all")), of([{"node": {"id": 1, "title": "One"}}]),
         "GET /anime/ranking: entry 1 (One): "),
        (lambda client: list(client.ranking(ANIME, "all")),
         of([{"node": {"id": 1, "title": "One"}, "ranking": {"rank": "1"}}]),
         "GET /anime/ranking: entry 1 (One) ranking.rank: "),
        (lambda client: list(client.season(2010, "fall")), of([{"node": {"id": 1, "title": 1}}]),
         "GET /anime/season/2010/fall: entry 1 node.title: "),
        (lambda client: list(client.suggestions()), of([{"node": {"id": "1"}}]),
         "GET /anime/suggestions: entry 1 node.id: "),
        (lambda client: client.boards(), {"categories": [{"title": "A", "boards": [{"id": "1"}]}]},
         "GET /forum/boards: categories.0.boards.0.id: "),
        (ask_topics, of([{"id": 1, "title": "One"}, {"id": 2, "title": "Two", "is_locked": "no"}]),
         "GET /forum/topics: entry 2 (Two) is_locked: "),
        (ask_topic, of([]), "GET /forum/topic/5: data: "),
        (ask_topic, of({"title": "Five", "posts": {}}), "GET /forum/topic/5: data.posts: "),
        (ask_topic, of({"title": "Five", "posts": [{"id": 8, "body": None}]}), "GET /forum/topic/5: entry 8 body: "),
        (ask_topic, of({"title": "Five", "posts": ["text"]}), "GET /forum/topic/5: entry number 0 of this page: "),
    ],
)  # fmt: skip
def test_an_answer_of_another_form_is_an_error_that_names_the_place(
    far: tuple[FarSide, Client], ask: Ask, document: Any, words: str
) -> None:
    side, client = far
    side.answer = lambda heard: told(document)

    with pytest.raises(ApiError) as caught:
        ask(client)

    assert caught.value.message.startswith(words)
    assert len(side.heard) == 1


@pytest.mark.parametrize("medium", [ANIME, MANGA], ids=lambda medium: medium.name)
def test_a_write_that_is_answered_in_another_form_is_an_error(far: tuple[FarSide, Client], medium: Medium) -> None:
    side, client = far
    side.answer = lambda heard: told({"status": "completed", "tags": "a,b"})

    with pytest.raises(ApiError) as caught:
        client.update(medium, 1, {"score": 1})

    assert caught.value.message.startswith(f"PATCH /{medium.name}/1/my_list_status: tags: ")


@pytest.mark.parametrize(
    ("ask", "document", "expected"),
    [
        (lambda client: client.profile(), {"id": 1, "name": "x", "shoe_size": 44}, {"id": 1, "name": "x", "shoe_size": 44}),
        (lambda client: client.boards(), {"categories": [{"title": "A", "boards": [], "colour": 1}], "more": 1},
         [{"title": "A", "boards": [], "colour": 1}]),
        (ask_topics, of([{"id": 1, "title": "One", "views": 12}]), [{"id": 1, "title": "One", "views": 12}]),
        (ask_topic, of({"title": "Five", "posts": [{"id": 8, "likes": [3]}], "poll": None, "more": 1}),
         [{"id": 8, "likes": [3]}]),
        (lambda client: list(client.season(2010, "fall")), {**of([{"node": {"id": 1, "title": "One"}}]), "more": 1},
         [{"id": 1, "title": "One"}]),
    ],
)  # fmt: skip
def test_members_of_tomorrow_pass_everywhere(
    far: tuple[FarSide, Client], ask: Ask, document: Any, expected: Any
) -> None:
    side, client = far
    side.answer = lambda heard: told(document)

    assert ask(client) == expected


@pytest.mark.parametrize("setting", ["number", "text"])
def test_counts_may_be_texts(world: Any, setting: str) -> None:
    """Whether a title's statistics are numbers or texts is not established."""
    with (
        Sandbox(world, settings={"statistics_type": setting}) as box,
        Client.public(box.client_id, api_url=box.api_url) as client,
    ):
        statistics = client.details(ANIME, 1, fields=["statistics"])["statistics"]

    assert {type(count) for count in statistics["status"].values()} == {int if setting == "number" else str}
