"""What the sandbox holds: the demo, generated lists, and the state as JSON."""

import base64
import json
from datetime import UTC, date, datetime

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from malsync.sandbox import Catalogue, Sandbox, SandboxError, World
from malsync.sandbox.catalogue import fixtures_folder
from malsync.sandbox.errors import OAuthRefusal
from malsync.sandbox.forum import forum, members
from malsync.sandbox.media import MEDIA

DEMO = World.demo()
MIKA = DEMO.named("sandbox_mika")
ANIME = MIKA.kept("anime").values()


def title(id: int) -> dict[str, object]:
    return dict(Catalogue.shipped().known("anime", id))


def test_the_catalogue_is_of_hundreds_of_titles_that_make_sense():
    catalogue = Catalogue.shipped()

    assert len(catalogue.titles("anime")) >= 300
    assert len(catalogue.titles("manga")) >= 100
    for medium in MEDIA.values():
        for one in catalogue.titles(medium.name):
            assert isinstance(one["id"], int)
            assert one["title"] == str(one["title"]).strip() != ""
            assert all(isinstance(one[total], int) and one[total] >= 0 for total in medium.totals)
            assert one.get("nsfw", "white") in ("white", "gray", "black")
    types = {one["media_type"] for one in catalogue.titles("anime")}
    assert types == {"tv", "movie", "ova", "special", "ona", "music", "tv_special", "pv", "cm", "unknown"}


def test_two_people_have_lists_of_shipped_titles():
    assert list(DEMO.accounts) == ["sandbox_mika", "sandbox_theo"]
    assert (len(MIKA.kept("anime")), len(MIKA.kept("manga"))) == (280, 90)
    assert DEMO.catalogue.added("anime") == DEMO.catalogue.added("manga") == []


@pytest.mark.parametrize("medium", MEDIA)
def test_every_status_is_in_the_big_lists(medium):
    found = {status["status"] for status in MIKA.kept(medium).values()}

    assert found == set(MEDIA[medium].statuses)


@pytest.mark.parametrize("account", DEMO.accounts.values(), ids=DEMO.accounts)
@pytest.mark.parametrize("medium", MEDIA)
def test_the_accounts_have_only_members_and_values_that_exist(account, medium):
    known = MEDIA[medium].by_read_name

    for status in account.kept(medium).values():
        assert status.keys() <= known.keys()
        assert {"status", "updated_at"} <= status.keys()
        assert datetime.fromisoformat(status["updated_at"]).tzinfo == UTC
        for name in ("start_date", "finish_date"):
            if len(text := status.get(name, "")) == 10:
                date.fromisoformat(text)
        assert MEDIA[medium].sparse(status) == status


ODDITIES = {
    "a year as a date": lambda s, t: len(s.get("start_date", "")) == 4,
    "a month as a date": lambda s, t: len(s.get("start_date", "")) == 7,
    "a finish without a start": lambda s, t: "finish_date" in s and "start_date" not in s,
    "a finish before the start": lambda s, t: "" < s.get("finish_date", "") < s.get("start_date", ""),
    "progress above the total": lambda s, t: s.get("num_episodes_watched", 0) > t["num_episodes"] > 0,
    "completed and below the total": lambda s, t: (
        s["status"] == "completed" and s.get("num_episodes_watched", 0) < t["num_episodes"]
    ),
    "completed and being seen again": lambda s, t: s["status"] == "completed" and s.get("is_rewatching"),
    "an unknown total": lambda s, t: t["num_episodes"] == 0 and s.get("num_episodes_watched"),
    "a gray title": lambda s, t: t.get("nsfw") == "gray",
    "a black title": lambda s, t: t.get("nsfw") == "black",
    "a title without a picture": lambda s, t: t.get("picture") == "none",
    "a status and nothing else": lambda s, t: s.keys() == {"status", "updated_at"},
    "a counter at its old limit": lambda s, t: s.get("num_times_rewatched") == 255,
    "a tag with a quote": lambda s, t: any('"' in tag for tag in s.get("tags", [])),
    "a tag that is a space": lambda s, t: " " in s.get("tags", []),
    "a tag that ends in a line feed": lambda s, t: any(tag.endswith("\n") for tag in s.get("tags", [])),
    "a tag that starts with a space": lambda s, t: any(tag.startswith(" ") for tag in s.get("tags", [])),
    "BBCode": lambda s, t: "[b]" in s.get("comments", ""),
    "line feeds": lambda s, t: "\n\n" in s.get("comments", ""),
    "carriage returns": lambda s, t: "\r\n" in s.get("comments", ""),
    "entities": lambda s, t: "&quot;" in s.get("comments", ""),
    "markup": lambda s, t: "<script>" in s.get("comments", ""),
    "the end of a CDATA section": lambda s, t: "]]>" in s.get("comments", ""),
    "a closing bracket at the end": lambda s, t: s.get("comments", "").endswith("]"),
    "a formula": lambda s, t: s.get("comments", "").startswith("="),
    "an escape character": lambda s, t: "\x1b" in s.get("comments", ""),
    "astral characters": lambda s, t: any(ord(letter) > 0xFFFF for letter in s.get("comments", "")),
    "Arabic": lambda s, t: any("\u0600" <= letter <= "\u06ff" for letter in s.get("comments", "")),
    "Hebrew": lambda s, t: any("\u0590" <= letter <= "\u05ff" for letter in s.get("comments", "")),
    "a zero-width non-joiner": lambda s, t: "\u200c" in s.get("comments", ""),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_the_big_list_has_every_oddity(oddity):
    assert any(ODDITIES[oddity](status, title(id)) for id, status in MIKA.kept("anime").items())


def test_a_tag_is_what_a_browser_extension_stores():
    tags = [tag for status in ANIME for tag in status.get("tags", []) if tag.startswith("malSync::")]

    assert tags
    assert all(json.loads(base64.b64decode(tag.split("::")[1]))["u"].startswith("https://") for tag in tags)


def test_entries_of_one_import_have_the_same_time():
    times = [status["updated_at"] for status in ANIME]

    assert max(times.count(time) for time in set(times)) >= 10


def test_lists_are_read_without_what_only_the_rest_needs(box):
    """Start-up and backups stay quick because nothing of it is loaded or worked out before somebody asks."""
    lazy = (forum, members)
    for one in lazy:
        one.cache_clear()
    me = {"Authorization": f"Bearer {box.access_token}"}
    for medium in MEDIA:
        fields = "list_status{tags,comments},num_episodes,num_chapters"
        assert requests.get(f"{box.api_url}/users/@me/{medium}list?limit=1000&fields={fields}", headers=me).json()[
            "data"
        ]
    requests.patch(f"{box.api_url}/anime/1/my_list_status", data={"score": "9"}, headers=me)

    assert [one.cache_info().currsize for one in lazy] == [0, 0]


def test_the_shipped_data_is_of_a_modest_size():
    assert sum(path.stat().st_size for path in fixtures_folder().rglob("*.json")) < 3_000_000


# Generated lists.


def test_generated_lists_have_the_number_of_entries_asked_for():
    world = World.generated(10_900)

    assert (len(world.first.kept("anime")), len(world.first.kept("manga"))) == (10_000, 900)
    assert len(world.named("sandbox_theo").kept("anime")) == 46


@given(st.integers(1, 1500), st.integers(0, 5))
@settings(max_examples=15)
def test_generated_lists_come_again_from_their_seed(entries, seed):
    one, other, third = (
        World.generated(entries, seed),
        World.generated(entries, seed),
        World.generated(entries, seed + 1),
    )

    assert sum(len(one.first.kept(medium)) for medium in MEDIA) == entries
    assert one.state() == other.state()
    assert one.state() != third.state()


def test_generated_lists_begin_with_real_titles_and_go_on_with_invented_ones():
    world = World.generated(2_000)
    ids = list(world.first.kept("anime"))

    real = [one["id"] for one in Catalogue.shipped().titles("anime") if not one.get("pending")]
    assert ids == [*real, *range(1_000_001, 1_000_001 + len(ids) - len(real))]
    assert all(world.catalogue.get("anime", id) for id in ids)
    titles = [str(one["title"]) for one in world.catalogue.titles("anime")]
    assert len(titles) == len(set(titles))


def test_generated_lists_are_about_as_odd_as_real_ones():
    entries = World.generated(10_900).first.kept("anime").values()

    def share(name: str) -> float:
        return sum(name in status for status in entries) / len(entries)

    assert 0.1 < share("comments") < 0.14
    assert 0.22 < share("tags") < 0.28
    assert share("start_date") > 0.3
    assert {status["status"] for status in entries} == set(MEDIA["anime"].statuses)
    assert any(len(status.get("start_date", "")) in (4, 7) for status in entries)
    assert any(status.get("is_rewatching") for status in entries)


@pytest.mark.parametrize("entries", [0, -1, 1_000_001])
def test_lists_of_a_size_that_cannot_be_are_refused(entries):
    with pytest.raises(SandboxError, match="1 to 1000000"):
        World.generated(entries)


# The state.


def entry(id: int, **status: object) -> dict[str, object]:
    return {
        "node": {"id": id, "title": f"Title {id}"},
        "list_status": {"status": "completed", "updated_at": "2020-01-01T00:00:00+00:00", **status},
    }


@pytest.mark.parametrize("world", [World.demo(), World.generated(1_000)], ids=["demo", "generated"])
def test_a_state_put_into_another_world_gives_the_same_world(world):
    other = World(Catalogue.shipped())
    world.withdraw("manga", 28)

    other.put_state(json.loads(json.dumps(world.state())))

    assert other.state() == world.state()
    assert other.catalogue.get("manga", 28) is None


def test_a_state_may_hold_some_accounts_and_some_lists_only():
    world = World.demo()
    before = world.state()["accounts"]

    world.put_state({"accounts": {"sandbox_theo": {"anime": [entry(1)]}, "third": {"manga": [entry(7_000_000)]}}})

    after = world.state()["accounts"]
    assert after["sandbox_mika"] == before["sandbox_mika"]
    assert after["sandbox_theo"]["manga"] == before["sandbox_theo"]["manga"]
    assert [one["node"] for one in after["sandbox_theo"]["anime"]] == [{"id": 1, "title": "Cowboy Bebop"}]
    assert world.catalogue.known("manga", 7_000_000)["title"] == "Title 7000000"
    assert world.named("third").id == 9_000_003


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ([], "a state"),
        ({"format": "something-else"}, "malsync-sandbox-state"),
        ({"version": 2}, "version 1"),
        ({"accounts": []}, "accounts"),
        ({"accounts": {"a": []}}, "accounts.a"),
        ({"accounts": {"a": {"id": "1"}}}, "accounts.a.id"),
        ({"accounts": {"a": {"profile": {"shoe_size": 43}}}}, "accounts.a.profile"),
        ({"accounts": {"a": {"private": ["films"]}}}, r"accounts.a.private\[0\]"),
        ({"accounts": {"a": {"private": ["anime", {}]}}}, r"accounts.a.private\[1\]"),
        ({"accounts": {"a": {"anime": {}}}}, "accounts.a.anime"),
        ({"accounts": {"a": {"anime": [entry(1), 5]}}}, r"accounts.a.anime\[1\]"),
        ({"accounts": {"a": {"anime": [{"list_status": {}}]}}}, r"accounts.a.anime\[0\].node"),
        ({"accounts": {"a": {"manga": [entry(1, status="watching")]}}}, "plan_to_read"),
        ({"accounts": {"a": {"anime": [entry(1, updated_at=None)]}}}, "updated_at"),
        ({"titles": {"manga": [{"id": 1}]}}, r"titles.manga\[0\]"),
        ({"tokens": [{"user": "a"}]}, "tokens"),
        (
            {
                "tokens": [
                    dict.fromkeys(("user", "client_id", "access_token", "refresh_token"), "a")
                    | {"access_until": "soon", "refresh_until": 1}
                ]
            },
            "tokens",
        ),
        (
            {
                "tokens": [
                    dict.fromkeys(("user", "client_id", "refresh_token"), "a")
                    | {"access_token": [], "access_until": 1, "refresh_until": 1}
                ]
            },
            "tokens",
        ),
    ],
)
def test_a_state_that_is_not_right_names_the_place_and_changes_nothing(state, place):
    world = World.demo()
    before = world.state()

    with pytest.raises(SandboxError, match=place):
        world.put_state(state)

    assert world.state() == before


def test_a_rehearsal_holds_a_copy_of_live_lists():
    live = [entry(1, num_episodes_watched=30, brand_new_member="kept"), entry(7_000_000, tags=["a b"])]

    world = World.holding("me", {"anime": live}, {"anime": [{"id": 7_000_001, "title": "Wanted", "num_episodes": 3}]})

    assert list(world.accounts) == ["me"]
    assert world.first.entry("anime", 1)["num_episodes_watched"] == 30
    assert world.first.entry("anime", 1)["brand_new_member"] == "kept"
    answer = world.first.patch("anime", 7_000_001, {"status": "watching", "num_watched_episodes": "9"}, world.clock())
    assert answer["num_episodes_watched"] == 3


@pytest.mark.parametrize("value", ["7", None, [], 10**400, 7.5])
def test_what_is_no_number_in_a_state_is_told_and_counts_for_nothing(box, value):
    odd = {"score": value, "num_episodes_watched": value, "num_times_rewatched": value}
    box.world.put_state({"accounts": {"sandbox_mika": {"anime": [entry(1, **odd), entry(20, score=8)]}}})

    def get(path):
        answer = requests.get(box.api_url + path, headers={"Authorization": f"Bearer {box.access_token}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    listed = get("/users/@me/animelist?fields=list_status&sort=list_score")["data"]
    assert [one["node"]["id"] for one in listed] == [20, 1]
    assert listed[1]["list_status"]["score"] == value
    statistics = get("/users/@me?fields=anime_statistics")["anime_statistics"]
    assert (statistics["mean_score"], statistics["num_episodes"]) == (8.0, 0)
    assert get("/anime/suggestions")["data"]


def test_the_control_address_shows_the_state_without_tokens(box):
    state = requests.get(box.api_url.replace("/v2", "/_sandbox/state")).json()

    assert state == box.world.state()
    assert "tokens" not in state
    assert box.access_token not in json.dumps(state)


def test_the_control_address_takes_a_state_over(box):
    control = box.api_url.replace("/v2", "/_sandbox/state")

    good = requests.put(control, json={"accounts": {"sandbox_mika": {"anime": [], "manga": [entry(2, score=3)]}}})
    wrong = requests.put(control, json={"accounts": {"sandbox_mika": {"anime": [{}]}}})
    broken = requests.put(control, data=b"\xff{")
    deep = requests.put(control, data=b"[" * 100_000)

    assert good.json() == requests.get(control).json()
    assert box.entries("sandbox_mika", "anime") == {}
    assert box.entries("sandbox_mika", "manga")[2]["score"] == 3
    assert (wrong.status_code, wrong.json()["error"]) == (
        400, "accounts.sandbox_mika.anime[0].node must be a JSON object",
    )  # fmt: skip
    assert broken.status_code == 400
    assert (deep.status_code, deep.json()) == (400, {"error": "it is nested too deep"})


# The state file.


def test_a_sandbox_remembers_itself_in_its_state_file(tmp_path):
    path = tmp_path / "state.json"
    with Sandbox(World.demo(), state_file=path) as box:
        token = box.access_token
        box.edit("sandbox_mika", "anime", 20, comments="remembered")
        box.withdraw("anime", 30)

    with Sandbox(World.demo(), state_file=path) as box:
        me = {"Authorization": f"Bearer {token}"}

        assert requests.get(f"{box.api_url}/users/@me", headers=me).status_code == 200
        assert box.entries("sandbox_mika", "anime")[20]["comments"] == "remembered"
        assert requests.get(f"{box.api_url}/anime/30", headers=me).status_code == 404


def test_a_refreshed_token_stays_dead_in_the_state_file(tmp_path):
    path = tmp_path / "state.json"
    with Sandbox(World.demo(), state_file=path) as box:
        old = box.refresh_token_for("sandbox_mika")
        form = {"grant_type": "refresh_token", "refresh_token": old, "client_id": box.client_id}
        requests.post(f"{box.auth_url}/token", data=form)

    with Sandbox(World.demo(), state_file=path) as box, pytest.raises(OAuthRefusal):
        box.world.authority.token(form, None, box.settings)


def test_the_state_file_is_the_owners_only_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "state.json"

    with Sandbox(World.demo(), state_file=path):
        assert path.stat().st_mode & 0o777 == 0o600

    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9}', "\xff", "[" * 100_000])
def test_a_state_file_that_is_none_is_named(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text, "latin-1")

    with pytest.raises(SandboxError, match=r"other\.json cannot be loaded"):
        Sandbox(World.demo(), state_file=path)

    assert path.read_text("latin-1") == text


def test_a_state_file_that_cannot_be_written_is_known_at_once(tmp_path):
    path = tmp_path / "no" / "f"

    with pytest.raises(SandboxError, match="cannot be saved") as caught, Sandbox(World.demo(), state_file=path):
        pass

    assert str(caught.value) == f"the state cannot be saved in {path}: No such file or directory"
