"""Titles over HTTP: every member that `fields` can name, and who sees which titles."""

import json
import re
from typing import Any

import pytest
import requests

from malsync.sandbox import Catalogue, Sandbox, World
from malsync.sandbox.fields import FIELDS
from malsync.sandbox.media import MEDIA
from tests.support.asking import Get, nodes, titles

ALL_FIELDS = ",".join(FIELDS)
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
DAY = r"\d{4}(-\d\d){0,2}"
NODE = {"id", "title", "main_picture"}
EXTRA = {"num_favorites", "opening_themes", "ending_themes", "videos"}

# The list of the reference, typed again.
BOTH = {
    "alternative_titles", "start_date", "end_date", "synopsis", "mean", "rank", "popularity", "num_list_users",
    "num_scoring_users", "nsfw", "created_at", "updated_at", "media_type", "status", "genres", "pictures", "background",
    "related_anime", "related_manga", "recommendations",
}  # fmt: skip
ANIME = {
    "num_episodes", "start_season", "broadcast", "source", "average_episode_duration", "rating", "studios", "statistics",
}  # fmt: skip
MANGA = {"num_volumes", "num_chapters", "authors", "serialization"}
MEMBERS = {"anime": BOTH | ANIME, "manga": BOTH | MANGA}


@pytest.fixture(scope="module")
def everything(get: Get) -> dict[str, list[dict[str, Any]]]:
    """Every title of the catalogue with all members that lists tell, by popularity."""
    return {
        medium: nodes(
            get(f"/{medium}/ranking", ranking_type="bypopularity", limit="500", nsfw="true", fields=ALL_FIELDS)
        )
        for medium in MEDIA
    }


@pytest.fixture(scope="module")
def details(get: Get, everything: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Forty titles of each medium with all members."""
    return {
        medium: [get(f"/{medium}/{one['id']}", fields=ALL_FIELDS) for one in everything[medium][::4][:40]]
        for medium in MEDIA
    }


# Members.


def test_a_title_tells_three_members_unless_asked_for_more(get: Get) -> None:
    assert (
        list(get("/anime/5114"))
        == list(get("/anime/5114", fields="nonsense{a{b}},,"))
        == ["id", "title", "main_picture"]
    )


@pytest.mark.parametrize("medium", MEDIA)
def test_all_members_of_the_reference_come_on_request(details: dict[str, Any], medium: str) -> None:
    told = {name for one in details[medium] for name in one}

    assert told - NODE - EXTRA == MEMBERS[medium]
    assert told & EXTRA == (EXTRA if medium == "anime" else {"num_favorites"})


@pytest.mark.parametrize("medium", MEDIA)
def test_members_come_in_the_order_asked_for(get: Get, medium: str) -> None:
    backwards = sorted(["genres", "mean", "status", "my_list_status", "media_type", "alternative_titles"], reverse=True)
    id = {"anime": 5114, "manga": 21}[medium]

    assert list(get(f"/{medium}/{id}", fields=",".join(backwards))) == ["id", "title", "main_picture", *backwards]


def test_one_medium_passes_over_the_members_of_the_other(get: Get) -> None:
    asked = "num_chapters,num_volumes,num_episodes,authors,studios,start_season"

    assert get("/anime/5114", fields=asked).keys() - NODE == {"num_episodes", "studios", "start_season"}
    assert get("/manga/21", fields=asked).keys() - NODE == {"num_chapters", "num_volumes", "authors"}


def test_lists_leave_out_what_only_a_titles_own_page_tells(get: Get, everything: dict[str, Any]) -> None:
    whole = {one.name for one in FIELDS.values() if one.whole}

    assert whole >= {"pictures", "background", "related_anime", "related_manga", "recommendations", "statistics"}
    assert not any(whole & one.keys() for one in everything["anime"] + everything["manga"])
    assert not whole & nodes(get("/users/@me/animelist", fields=ALL_FIELDS))[0].keys()


PATTERNS = {
    "start_date": DAY, "end_date": DAY, "created_at": STAMP, "updated_at": STAMP, "nsfw": "white|gray|black",
    "rating": r"g|pg|pg_13|r|r\+|rx", "source": r"[a-z0-9_]+",
    "media_type": "tv|ova|movie|special|ona|music|tv_special|cm|pv|unknown|manga|light_novel|novel|one_shot|manhwa|doujinshi",
    "status": "finished(_airing)?|currently_(airing|publishing)|not_yet_(aired|published)|on_hiatus|discontinued",
}  # fmt: skip


@pytest.mark.parametrize("medium", MEDIA)
def test_every_member_has_its_type(everything: dict[str, Any], medium: str) -> None:
    for one in everything[medium]:
        for name in one.keys() & PATTERNS.keys():
            assert re.fullmatch(PATTERNS[name], one[name]), (name, one)
        for name in one.keys() & {"rank", "popularity", "num_list_users", "num_scoring_users", "num_favorites"}:
            assert isinstance(one[name], int)
        assert one["num_scoring_users"] <= one["num_list_users"]
        assert one["synopsis"] == one["synopsis"].strip()
        assert one["alternative_titles"].keys() == {"synonyms", "en", "ja"}
        for part in one["genres"] + one.get("studios", []):
            assert part.keys() == {"id", "name"}
        for author in one.get("authors", []):
            assert author.keys() == {"node", "role"}


def test_what_is_not_known_is_left_out(everything: dict[str, Any]) -> None:
    by_status: dict[str, list[dict[str, Any]]] = {}
    for one in everything["anime"]:
        by_status.setdefault(one["status"], []).append(one)

    assert by_status.keys() == {"finished_airing", "currently_airing", "not_yet_aired"}
    assert all("end_date" in one for one in by_status["finished_airing"])
    assert not any("end_date" in one for one in by_status["currently_airing"] + by_status["not_yet_aired"])
    assert not any({"mean", "rank", "average_episode_duration"} & one.keys() for one in by_status["not_yet_aired"])
    assert not any("broadcast" in one for one in everything["anime"] if one["media_type"] != "tv")
    assert {frozenset(one.get("broadcast", {"day_of_the_week", "start_time"})) for one in everything["anime"]} == {
        frozenset({"day_of_the_week", "start_time"}),
        frozenset({"day_of_the_week"}),
    }
    assert {len(one.get("start_date", "")) for one in everything["anime"]} == {0, 4, 7, 10}
    assert all(("start_season" in one) == (len(one.get("start_date", "")) >= 7) for one in everything["anime"])


def test_the_catalogues_own_marks_are_never_told(get: Get) -> None:
    assert get("/anime/53236", fields="picture,pending,withdrawn").keys() == {"id", "title"}
    assert get("/anime/999001", fields="picture,pending,withdrawn").keys() == NODE


def test_statistics_add_up(details: dict[str, Any]) -> None:
    for one in details["anime"]:
        counts = one["statistics"]["status"]
        assert list(counts) == ["watching", "completed", "on_hold", "dropped", "plan_to_watch"]
        assert min(counts.values()) >= 0
        assert sum(counts.values()) == one["statistics"]["num_list_users"] == one["num_list_users"]


def test_statistics_may_be_texts() -> None:
    with Sandbox(World.demo(), settings={"statistics_type": "text"}) as box:
        headers = {"X-MAL-CLIENT-ID": box.client_id}
        told = requests.get(f"{box.api_url}/anime/1?fields=statistics", headers=headers).json()["statistics"]

    assert all(isinstance(count, str) and count.isdecimal() for count in told["status"].values())
    assert isinstance(told["num_list_users"], int)


def test_a_person_has_names_only_where_they_are_asked_for(get: Get) -> None:
    """go-myanimelist testdata mangaDetails.json: in the order asked for; NOD's recorded search has people of one name."""

    def people(fields: str) -> list[dict[str, Any]]:
        return [author["node"] for author in get("/manga/21", fields=fields)["authors"]]

    assert [list(person) for person in people("authors")] == [["id"]] * len(people("authors"))
    assert list(people("authors{last_name, first_name}")[0]) == ["id", "last_name", "first_name"]
    assert list(people("authors{first_name}")[0]) == ["id", "first_name"]


def test_authors_have_roles_and_some_titles_two_of_them(everything: dict[str, Any]) -> None:
    roles = {tuple(author["role"] for author in one["authors"]) for one in everything["manga"]}

    assert roles == {("Story & Art",), ("Story", "Art")}


def test_a_magazine_has_a_name(details: dict[str, Any]) -> None:
    magazines = [magazine for one in details["manga"] for magazine in one["serialization"]]

    assert magazines
    assert all(magazine.keys() == {"node"} and magazine["node"].keys() == {"id", "name"} for magazine in magazines)


def test_braces_reach_into_other_titles_and_deeper(get: Get) -> None:
    fields = "recommendations{mean,genres},related_anime{media_type, alternative_titles{en},related_anime}"
    told = get("/anime/30831", fields=fields)

    assert [list(one["node"]) for one in told["recommendations"]] == [[*NODE_ORDER, "mean", "genres"]] * len(
        told["recommendations"]
    )
    assert list(told["related_anime"][0]["node"]) == [*NODE_ORDER, "media_type", "alternative_titles"]
    assert list(told["related_anime"][0]) == ["node", "relation_type", "relation_type_formatted"]
    assert list(get("/anime/30831", fields="related_anime")["related_anime"][0]["node"]) == NODE_ORDER


NODE_ORDER = ["id", "title", "main_picture"]


def test_relations_are_told_from_the_titles_and_from_both_sides(get: Get) -> None:
    def related(id: int) -> dict[str, str]:
        told = get(f"/anime/{id}", fields="related_anime")["related_anime"]
        return {one["node"]["title"]: one["relation_type_formatted"] for one in told}

    assert related(30831)["Kono Subarashii Sekai ni Shukufuku wo! 2"] == "Sequel"
    assert related(32937)["Kono Subarashii Sekai ni Shukufuku wo!"] == "Prequel"
    special = "Kono Subarashii Sekai ni Shukufuku wo! Kono Subarashii Choker ni Shukufuku wo!"
    assert related(30831)[special] == "Side story"
    assert related(32380) == {"Kono Subarashii Sekai ni Shukufuku wo!": "Parent story"}


def test_titles_of_the_other_medium_are_never_related(details: dict[str, Any]) -> None:
    """ModerNews/MAL-API-Client-Upgraded, "Broken Relations"."""
    assert all(one["related_manga"] == [] for one in details["anime"])
    assert all(one["related_anime"] == [] for one in details["manga"])
    assert any(one["related_anime"] for one in details["anime"])


@pytest.mark.parametrize("medium", MEDIA)
def test_recommendations_are_of_other_titles_the_most_recommended_first(details: dict[str, Any], medium: str) -> None:
    assert any(one["recommendations"] for one in details[medium])
    for one in details[medium]:
        counts = [other["num_recommendations"] for other in one["recommendations"]]
        ids = [other["node"]["id"] for other in one["recommendations"]]
        assert counts == sorted(counts, reverse=True)
        assert one["id"] not in ids
        assert len(set(ids)) == len(ids)


def test_no_two_songs_have_one_id(get: Get, everything: dict[str, Any]) -> None:
    ids = {one["id"] for one in everything["anime"]}
    neighbours = [id for id in ids if ids & {id - 2, id - 1, id + 1, id + 2}]

    told = [get(f"/anime/{id}", fields="opening_themes,ending_themes") for id in neighbours]
    songs = [song["id"] for one in told for name in ("opening_themes", "ending_themes") for song in one.get(name, [])]

    assert len(songs) == len(set(songs)) > 10


def test_songs_and_videos_are_as_recorded(details: dict[str, Any]) -> None:
    songs = [song for one in details["anime"] for song in one.get("opening_themes", []) + one.get("ending_themes", [])]
    videos = [video for one in details["anime"] for video in one["videos"]]

    assert len({song["id"] for song in songs}) == len(songs) > 10
    assert all(list(song) == ["id", "anime_id", "text"] for song in songs)
    assert re.fullmatch(r'"[^"]+" by .+', songs[0]["text"])
    assert all(list(one) == ["id", "title", "url", "created_at", "updated_at", "thumbnail"] for one in videos)


def test_made_up_details_come_again_and_say_so() -> None:
    def told() -> list[Any]:
        with Sandbox(World.demo()) as box:
            headers = {"X-MAL-CLIENT-ID": box.client_id}
            answers = [
                requests.get(f"{box.api_url}/{path}?fields={ALL_FIELDS}", headers=headers)
                for path in ("anime/1", "manga/2")
            ]
            return [json.loads(answer.text.replace(str(box.port), "PORT")) for answer in answers]

    first = told()
    assert first == told()
    assert all("In the sandbox's telling" in one["synopsis"] for one in first)


@pytest.mark.parametrize(
    ("id", "ja"),
    [
        (20, "ナルト"),
        (24439, "ケッカイ センセン"),
        (38000, "キメツ ノ ヤイバ"),
        (5114, "Fullmetal Alchemist: Brotherhood"),
    ],
)
def test_japanese_titles_are_spelt_from_the_romanised_ones(get: Get, id: int, ja: str) -> None:
    assert get(f"/anime/{id}", fields="alternative_titles")["alternative_titles"]["ja"] == ja


def test_real_totals_and_types_stand_in_the_details(get: Get) -> None:
    one = get("/anime/5114", fields="num_episodes,media_type,synopsis")

    assert (one["num_episodes"], one["media_type"]) == (64, "tv")
    assert one["synopsis"].startswith("A TV series of 64 episodes.")


def test_invented_titles_of_generated_worlds_have_details_too() -> None:
    world = World.generated(2_000)
    with Sandbox(world) as box:
        headers = {"X-MAL-CLIENT-ID": box.client_id}
        told = {
            medium: requests.get(f"{box.api_url}/{medium}/{id}?fields={ALL_FIELDS}", headers=headers).json()
            for medium, id in (("anime", 1_000_001), ("anime", 1_000_500))
        }
        titles = {one["id"]: one["title"] for one in world.catalogue.titles("anime")}

        assert told["anime"]["title"] == titles[1_000_500]
        assert {"synopsis", "genres", "num_list_users", "popularity", "statistics", "pictures"} <= told["anime"].keys()


def test_what_a_state_says_of_a_title_goes_before_what_is_made_up() -> None:
    given = {
        "id": 7_000_000, "title": "Given", "mean": 9.99, "num_list_users": 99_999_999, "synopsis": "Mine.",
        "start_date": "2013-04", "media_type": "tv", "num_episodes": 3, "added_later": {"a": [1]},
    }  # fmt: skip
    world = World(Catalogue.shipped())
    world.put_state({"titles": {"anime": [given]}, "accounts": {"someone": {}}})
    with Sandbox(world) as box:

        def get(path: str) -> Any:
            return requests.get(box.api_url + path, headers={"X-MAL-CLIENT-ID": box.client_id}).json()

        one = get("/anime/7000000?fields=mean,synopsis,added_later,rank,popularity,start_season,genres")

        assert (one["mean"], one["synopsis"], one["added_later"], one["rank"], one["popularity"]) == (
            9.99,
            "Mine.",
            {"a": [1]},
            1,
            1,
        )
        assert one["start_season"] == {"year": 2013, "season": "spring"}
        assert one["genres"]
        assert titles(get("/anime/ranking?ranking_type=all&limit=1")) == ["Given"]
        assert "Given" in titles(get("/anime/season/2013/spring?limit=500"))


def test_a_title_of_nonsense_is_told_all_the_same() -> None:
    """A state may hold anything beside id and title."""
    odd = {
        "id": 7_000_001,
        "title": "",
        "num_episodes": "many",
        "start_date": "soon",
        "mean": "high",
        "media_type": None,
    }
    world = World(Catalogue.shipped())
    world.put_state({"titles": {"anime": [odd]}, "accounts": {"someone": {}}})
    with Sandbox(world) as box:
        for path in (
            f"/anime/7000001?fields={ALL_FIELDS}",
            "/anime/ranking?ranking_type=all",
            "/anime/season/2020/fall",
        ):
            assert requests.get(box.api_url + path, headers={"X-MAL-CLIENT-ID": box.client_id}).status_code == 200


def test_a_whole_mean_is_written_as_php_does(everything: dict[str, Any]) -> None:
    means = [one["mean"] for medium in MEDIA for one in everything[medium] if "mean" in one]

    assert any(isinstance(mean, int) for mean in means)
    assert not any(isinstance(mean, float) and mean.is_integer() for mean in means)


def test_a_title_that_is_gone_leaves_every_page(box: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {box.access_token}"}

    def ids(path: str) -> list[int]:
        return [node["id"] for node in nodes(requests.get(box.api_url + path, headers=headers).json())]

    paths = ("/anime?q=fullmetal", "/anime/ranking?ranking_type=all&limit=500")
    assert all(5114 in ids(path) for path in paths)

    box.withdraw("anime", 5114)

    assert not any(5114 in ids(path) for path in paths)
    assert requests.get(f"{box.api_url}/anime/5114", headers=headers).status_code == 404


# Gray and black titles.


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("/anime?q=monster", 30307),
        ("/manga?q=machi", 8483),
        ("/anime/ranking?ranking_type=all&limit=500", 40750),
        ("/manga/ranking?ranking_type=bypopularity&limit=500", 447),
    ],
)
def test_gray_and_black_titles_are_missing_without_nsfw(get: Get, path: str, id: int) -> None:
    def ids(**parameters: str) -> list[int]:
        return [node["id"] for node in nodes(get(path, **parameters))]

    assert id not in ids()
    assert ids() == ids(nsfw="false")
    assert id in ids(nsfw="true")
    assert id in ids(nsfw="1")
    assert get(path.split("?")[0].replace("/ranking", "") + f"/{id}", fields="nsfw")["nsfw"] in ("gray", "black")


def test_seasons_hide_them_too(get: Get, everything: dict[str, Any]) -> None:
    gray = next(one for one in everything["anime"] if one["nsfw"] == "gray" and "start_season" in one)
    path = f"/anime/season/{gray['start_season']['year']}/{gray['start_season']['season']}"

    assert gray["title"] not in titles(get(path, limit="500"))
    assert gray["title"] in titles(get(path, limit="500", nsfw="true"))


# Lists know the members too.


def test_a_users_list_tells_the_same_members(get: Get, everything: dict[str, Any]) -> None:
    known = {one["id"]: one for one in everything["anime"]}
    page = get("/users/@me/animelist", fields=f"list_status,{ALL_FIELDS}", limit="1000", nsfw="true")

    assert len(page["data"]) == 280
    assert all(node == known[node["id"]] for node in nodes(page))


@pytest.mark.parametrize("medium", MEDIA)
def test_a_users_list_sorts_by_start_date_downwards(get: Get, medium: str) -> None:
    page = get(f"/users/@me/{medium}list", sort=f"{medium}_start_date", fields="start_date", limit="1000")

    days = [node.get("start_date", "") for node in nodes(page)]
    assert len(set(days)) > 50
    assert days == sorted(days, reverse=True)


def test_what_lists_remember_does_not_outlive_a_change_of_the_catalogue(box: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {box.access_token}"}

    def places() -> dict[int, int]:
        page = requests.get(f"{box.api_url}/users/@me/animelist?limit=1000&fields=popularity", headers=headers).json()
        return {node["id"]: node["popularity"] for node in nodes(page)}

    before = places()
    box.world.put_state({"titles": {"anime": [{"id": 7_000_000, "title": "New", "num_list_users": 99_999_999}]}})

    assert places() == {id: place + 1 for id, place in before.items()}


def test_pictures_are_under_the_name_that_the_client_used(reading: Sandbox) -> None:
    for host in (f"127.0.0.1:{reading.port}", f"localhost:{reading.port}"):
        headers = {"X-MAL-CLIENT-ID": reading.client_id, "Host": host}
        page = requests.get(f"{reading.api_url}/users/sandbox_mika/animelist?limit=1", headers=headers).json()
        assert nodes(page)[0]["main_picture"]["medium"].startswith(f"http://{host}/images/anime/")
