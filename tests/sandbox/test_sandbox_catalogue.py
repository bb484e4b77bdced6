"""Reading the catalogue over HTTP: searches, rankings, seasons, suggestions."""

import json
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
import requests

from malsync.sandbox import Catalogue, Sandbox, World
from malsync.sandbox.media import MEDIA
from tests.support.asking import Get, bad, nodes, refused, titles

MEMBERS = "rank,media_type,status,start_date,start_season,nsfw"
NODE_ORDER = ["id", "title", "main_picture"]


@pytest.fixture(scope="module")
def everything(get: Get) -> dict[str, list[dict[str, Any]]]:
    """Every title of the catalogue with what the tests look at, by popularity."""
    return {
        medium: nodes(get(f"/{medium}/ranking", ranking_type="bypopularity", limit="500", nsfw="true", fields=MEMBERS))
        for medium in MEDIA
    }


# Searching.


def test_a_search_finds_titles_that_have_every_word(get: Get) -> None:
    found = titles(get("/anime", q="no KIMETSU yaiba", limit="100"))

    assert len(found) >= 4
    assert all("kimetsu no yaiba" in title.casefold() for title in found)


def test_a_search_puts_what_is_called_so_first(get: Get) -> None:
    found = titles(get("/anime", q="fullmetal alchemist", fields="popularity"))
    assert found == ["Fullmetal Alchemist", "Fullmetal Alchemist: Brotherhood"]  # the second one is the more popular
    assert titles(get("/anime", q="naruto"))[0] == "Naruto"
    assert titles(get("/manga", q="berserk")) == ["Berserk"]
    assert len(titles(get("/anime", q="naruto"))) > 1


def test_a_search_looks_at_other_names_too(get: Get) -> None:
    assert "Naruto" in titles(get("/anime", q="ナルト"))
    assert "KNY" in get("/anime/38000", fields="alternative_titles")["alternative_titles"]["synonyms"]
    assert titles(get("/anime", q="kny"))[0] == "Kimetsu no Yaiba"


def test_a_search_finds_titles_that_wait_for_approval(get: Get) -> None:
    assert nodes(get("/anime", q="waits for approval"))[0]["id"] == 999001


def test_a_search_that_finds_nothing_is_empty(get: Get) -> None:
    assert get("/anime", q="zzzzzz") == {"data": [], "paging": {}}


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("q", [None, "", "ab", "   ", " a ", "x" * 65])
def test_a_search_for_too_little_or_too_much_is_a_400(reading: Sandbox, medium: str, q: str | None) -> None:
    assert refused(reading, f"/{medium}", **({} if q is None else {"q": q})) == bad("invalid q")


@pytest.mark.parametrize("q", ["abc", "x" * 64, "アキラ", "進撃の" * 21 + "巨"])
def test_three_to_sixty_four_characters_may_be_searched_for(reading: Sandbox, q: str) -> None:
    assert refused(reading, "/anime", q=q)[0] == 200


def test_how_little_may_be_searched_for_is_a_switch() -> None:
    with Sandbox(World.demo(), settings={"q_minimum": "1", "q_missing": "all"}) as box:
        assert '"title":"86"' in refused(box, "/anime", q="86")[1]
        assert refused(box, "/anime", q="") == bad("invalid q")
        assert refused(box, "/forum/topics", q="a")[0] == 200
        every = json.loads(refused(box, "/anime", limit="100", fields="popularity", nsfw="true")[1])
        assert [node["popularity"] for node in nodes(every)] == list(range(1, 101))


def test_my_list_status_comes_with_a_token_and_with_what_its_braces_add(get: Get, reading: Sandbox) -> None:
    node = nodes(get("/anime", q="fullmetal alchemist: brotherhood", fields="my_list_status{tags},mean"))[0]

    assert list(node) == [*NODE_ORDER, "my_list_status", "mean"]
    assert "tags" in node["my_list_status"]
    assert "comments" not in node["my_list_status"]
    assert "my_list_status" not in refused(reading, "/anime", q="fullmetal", fields="my_list_status")[1]


# Rankings.


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("ranking_type", [None, "", "ALL", "nonsense", "score"])
def test_a_ranking_that_is_none_is_a_400(reading: Sandbox, medium: str, ranking_type: str | None) -> None:
    parameters = {} if ranking_type is None else {"ranking_type": ranking_type}

    assert refused(reading, f"/{medium}/ranking", **parameters) == bad("invalid ranking_type")


@pytest.mark.parametrize(
    ("medium", "ranking_type"), [("anime", "novels"), ("anime", "manga"), ("manga", "tv"), ("manga", "airing")]
)
def test_a_ranking_of_the_other_medium_is_a_400(reading: Sandbox, medium: str, ranking_type: str) -> None:
    assert refused(reading, f"/{medium}/ranking", ranking_type=ranking_type) == bad("invalid ranking_type")


@pytest.mark.parametrize(
    ("medium", "ranking_type", "member", "values"),
    [
        ("anime", "airing", "status", {"currently_airing"}), ("anime", "upcoming", "status", {"not_yet_aired"}),
        ("anime", "tv", "media_type", {"tv"}), ("anime", "ova", "media_type", {"ova"}),
        ("anime", "movie", "media_type", {"movie"}), ("anime", "special", "media_type", {"special", "tv_special"}),
        ("manga", "manga", "media_type", {"manga"}),
        ("manga", "novels", "media_type", {"light_novel"}), ("manga", "oneshots", "media_type", {"one_shot"}),
        ("manga", "manhwa", "media_type", {"manhwa"}), ("manga", "doujin", "media_type", set()),
        ("manga", "manhua", "media_type", set()),
    ],
)  # fmt: skip
def test_a_ranking_has_exactly_the_titles_of_its_kind(
    get: Get, everything: dict[str, Any], medium: str, ranking_type: str, member: str, values: set[str]
) -> None:
    page = get(f"/{medium}/ranking", ranking_type=ranking_type, limit="500", nsfw="true", fields="rank")

    expected = {
        one["id"]
        for one in everything[medium]
        if one[member] in values and ("rank" in one or "upcoming" in ranking_type)
    }
    assert {node["id"] for node in nodes(page)} == expected
    assert [entry["ranking"] for entry in page["data"]] == [{"rank": at} for at in range(1, len(expected) + 1)]
    ranks = [node.get("rank", 0) for node in nodes(page)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize(
    ("ranking_type", "member", "descending"),
    [("all", "rank", False), ("all", "mean", True), ("bypopularity", "popularity", False),
     ("bypopularity", "num_list_users", True), ("favorite", "num_favorites", True)],
)  # fmt: skip
def test_a_ranking_is_in_its_order(get: Get, medium: str, ranking_type: str, member: str, descending: bool) -> None:
    page = get(f"/{medium}/ranking", ranking_type=ranking_type, limit="500", nsfw="true", fields=member)

    values = [node[member] for node in nodes(page)]
    assert len(set(values)) > 50
    assert values == sorted(values, reverse=descending)


@pytest.mark.parametrize(("member", "ranking_type"), [("rank", "all"), ("popularity", "bypopularity")])
def test_the_place_in_the_whole_ranking_is_the_titles_own(get: Get, member: str, ranking_type: str) -> None:
    page = get("/anime/ranking", ranking_type=ranking_type, limit="500", nsfw="true", fields=member)

    assert all(entry["node"][member] == entry["ranking"]["rank"] for entry in page["data"])


def test_the_place_goes_on_from_page_to_page(get: Get) -> None:
    page = get("/anime/ranking", ranking_type="movie", limit="3", offset="5", fields="rank")

    assert [list(entry) for entry in page["data"]] == [["node", "ranking"]] * 3
    assert [entry["ranking"]["rank"] for entry in page["data"]] == [6, 7, 8]


def test_titles_on_many_lists_are_the_popular_ones(get: Get) -> None:
    found = titles(get("/anime/ranking", ranking_type="bypopularity", limit="10"))

    shipped = [one["title"] for one in Catalogue.shipped().titles("anime")[:30]]
    assert set(found) <= set(shipped)


def test_a_previous_rank_is_documented_and_can_be_had() -> None:
    with Sandbox(World.demo(), settings={"previous_rank": "on"}) as box:
        page = json.loads(refused(box, "/anime/ranking", ranking_type="all")[1])

    assert all(list(entry["ranking"]) == ["rank", "previous_rank"] for entry in page["data"])
    assert all(entry["ranking"]["previous_rank"] >= 1 for entry in page["data"])


# Seasons.


def season_of(node: dict[str, Any]) -> tuple[int, str]:
    return node["start_season"]["year"], node["start_season"]["season"]


@pytest.mark.parametrize(
    ("season", "months"), [("winter", "01 02 03"), ("spring", "04 05 06"), ("summer", "07 08 09"), ("fall", "10 11 12")]
)
def test_a_season_has_what_began_in_its_months_and_series_that_went_on(
    get: Get, everything: dict[str, Any], season: str, months: str
) -> None:
    page = get(
        f"/anime/season/2013/{season}", fields="start_season,start_date,end_date,media_type", limit="500", nsfw="true"
    )

    new = [node for node in nodes(page) if season_of(node) == (2013, season)]
    old = [node for node in nodes(page) if season_of(node) != (2013, season)]
    assert list(page) == ["data", "paging", "season"]
    assert page["season"] == {"year": 2013, "season": season}
    assert {node["id"] for node in new} == {
        one["id"]
        for one in everything["anime"]
        if one.get("start_date", "")[:7] in [f"2013-{month}" for month in months.split()]
    }
    first_day = f"2013-{months[:2]}-01"
    assert new
    assert old
    assert all(node["media_type"] in ("tv", "ona") and node["start_date"] < first_day for node in old)
    assert all("end_date" not in node or node["end_date"] >= first_day[: len(node["end_date"])] for node in old)


def test_a_series_goes_on_through_every_season_until_it_ends(get: Get) -> None:
    """Of 220 episodes, one a week."""
    ran = get("/anime/20", fields="start_season,end_date,start_date")
    seasons = [(year, name) for year in range(1995, 2012) for name in ("winter", "spring", "summer", "fall")]

    on = [
        at
        for at, (year, name) in enumerate(seasons)
        if "Naruto" in titles(get(f"/anime/season/{year}/{name}", limit="500"))
    ]

    assert seasons[on[0]] == season_of(ran)
    assert all(after == before + 1 for before, after in pairwise(on))
    days = date.fromisoformat(ran["end_date"]) - date.fromisoformat(ran["start_date"])
    assert days.days == 7 * 219
    assert abs(len(on) - days.days / 91) < 2


def test_what_still_runs_is_in_the_season_of_today(get: Get) -> None:
    assert "One Piece" in titles(get("/anime/season/2026/fall", limit="500"))
    assert "One Piece" not in titles(get("/anime/season/2027/winter", limit="500"))


@pytest.mark.parametrize(("sort", "member"), [("anime_score", "mean"), ("anime_num_list_users", "num_list_users")])
def test_a_season_sorts_downwards(get: Get, sort: str, member: str) -> None:
    values = [
        node.get(member, 0) for node in nodes(get("/anime/season/2013/spring", sort=sort, fields=member, limit="500"))
    ]

    assert len(set(values)) > 5
    assert values == sorted(values, reverse=True)


def test_a_season_is_by_users_unless_sorted(get: Get) -> None:
    assert titles(get("/anime/season/2013/spring")) == titles(
        get("/anime/season/2013/spring", sort="anime_num_list_users")
    )
    assert titles(get("/anime/season/2013/spring")) != titles(get("/anime/season/2013/spring", sort="anime_score"))


def test_a_season_of_long_ago_is_empty(get: Get) -> None:
    assert get("/anime/season/1901/fall") == {"data": [], "paging": {}, "season": {"year": 1901, "season": "fall"}}


@pytest.mark.parametrize(
    ("path", "parameters", "answer"),
    [
        ("/anime/season/2013/autumn", {}, bad("invalid season")),
        ("/anime/season/2013/Fall", {}, bad("invalid season")),
        ("/anime/season/0/fall", {}, bad("invalid year")),
        ("/anime/season/99999/fall", {}, bad("invalid year")),
        ("/anime/season/2013/fall", {"sort": "score"}, bad("invalid sort")),
        ("/anime/season/2013/fall", {"sort": ""}, bad("invalid sort")),
        ("/anime/season/soon/fall", {}, (404, '{"message":"","error":"not_found"}')),
        ("/anime/season/2013", {}, (404, '{"message":"","error":"not_found"}')),
        ("/manga/season/2013/fall", {}, (404, '{"message":"","error":"not_found"}')),
        ("/manga/suggestions", {}, (404, '{"message":"","error":"not_found"}')),
    ],
)
def test_a_season_that_cannot_be(
    reading: Sandbox, path: str, parameters: dict[str, str], answer: tuple[int, str]
) -> None:
    assert refused(reading, path, **parameters) == answer


# Suggestions.


def test_suggestions_are_what_is_recommended_and_not_on_the_list(get: Get, reading: Sandbox) -> None:
    mine = reading.entries("sandbox_mika", "anime")

    found = [node["id"] for node in nodes(get("/anime/suggestions", limit="100"))]

    assert len(found) > 20
    assert not set(found) & mine.keys()
    liked = [id for id, entry in mine.items() if entry["score"] >= 8]
    recommended = {
        other["node"]["id"]
        for id in liked
        for other in get(f"/anime/{id}", fields="recommendations")["recommendations"]
    }
    assert set(found[:10]) <= recommended


def test_everybody_has_suggestions_of_their_own(reading: Sandbox) -> None:
    def suggested(user: str) -> list[str]:
        headers = {"Authorization": f"Bearer {reading.token_for(user)}"}
        return titles(requests.get(f"{reading.api_url}/anime/suggestions", headers=headers).json())

    assert suggested("sandbox_theo")
    assert suggested("sandbox_theo") != suggested("sandbox_mika")


def test_a_newcomer_has_no_suggestions() -> None:
    world = World(Catalogue.shipped())
    world.put_state({"accounts": {"newcomer": {}}})
    with Sandbox(world) as box:
        headers = {"Authorization": f"Bearer {box.access_token}"}
        answer = requests.get(f"{box.api_url}/anime/suggestions", headers=headers)

        assert answer.text == '{"data":[],"paging":{}}'


def test_the_status_of_suggestions_without_a_user_is_a_switch() -> None:
    with Sandbox(World.demo(), settings={"me_without_user": "401"}) as box:
        assert refused(box, "/anime/suggestions") == (401, '{"message":"","error":"invalid_token"}')
