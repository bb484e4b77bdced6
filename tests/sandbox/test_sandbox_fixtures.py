"""The shipped data is consistent: every link leads somewhere, and the numbers of a title agree with each other."""

import json
from itertools import chain, pairwise
from typing import Any

import pytest

from malsync.sandbox.catalogue import fixtures_folder
from malsync.sandbox.fields import FIELDS, HIDDEN
from malsync.sandbox.library import STANDS_AT
from malsync.sandbox.media import MEDIA

FOLDER = fixtures_folder() / "catalogue"
ROWS: dict[str, list[dict[str, Any]]] = {
    medium: json.loads((FOLDER / f"{medium}.json").read_text("utf-8")) for medium in MEDIA
}
FORUM = json.loads((FOLDER / "forum.json").read_text("utf-8"))
INVERSE = {
    "sequel": "prequel", "prequel": "sequel", "side_story": "parent_story", "parent_story": "side_story",
    "summary": "full_story", "full_story": "summary", "character": "other",
}  # fmt: skip
COMPUTED = {"rank", "popularity", "start_season", "pictures", "nsfw"}
OPTIONAL = {
    "start_date", "end_date", "mean", "broadcast", "source", "average_episode_duration", "rating", "opening_themes",
    "ending_themes",
}  # fmt: skip


@pytest.mark.parametrize("medium", MEDIA)
def test_each_line_is_one_title(medium: str) -> None:
    lines = (FOLDER / f"{medium}.json").read_text("utf-8").splitlines()

    assert [json.loads(line.removesuffix(","))["id"] for line in lines[1:-1]] == [row["id"] for row in ROWS[medium]]
    assert len({row["id"] for row in ROWS[medium]}) == len(ROWS[medium])


@pytest.mark.parametrize("medium", MEDIA)
def test_a_title_has_every_member_of_its_medium_and_no_other(medium: str) -> None:
    other_medium = {f"related_{name}" for name in MEDIA if name != medium}
    names = {field.name for field in FIELDS.values() if medium in field.media} - COMPUTED - other_medium

    for row in ROWS[medium]:
        assert row.keys() - HIDDEN - {"id", "title", "nsfw"} <= names
        assert names - OPTIONAL <= row.keys()


@pytest.mark.parametrize("medium", MEDIA)
def test_relations_and_recommendations_lead_to_other_titles(medium: str) -> None:
    ids = {row["id"] for row in ROWS[medium]}

    for row in ROWS[medium]:
        for name in (f"related_{medium}", "recommendations"):
            linked = [link["id"] for link in row[name]]
            assert row["id"] not in linked
            assert set(linked) <= ids
            assert len(set(linked)) == len(linked)


@pytest.mark.parametrize("medium", MEDIA)
def test_every_relation_has_its_inverse(medium: str) -> None:
    related = {
        (row["id"], link["id"]): link["relation_type"] for row in ROWS[medium] for link in row[f"related_{medium}"]
    }

    assert related
    for (id, other), kind in related.items():
        back = related[other, id]
        assert back == INVERSE[kind] if kind in INVERSE else back in ("character", "other")


@pytest.mark.parametrize("medium", MEDIA)
def test_the_numbers_of_a_title_agree(medium: str) -> None:
    for row in ROWS[medium]:
        assert row["num_favorites"] <= row["num_list_users"]
        assert row["num_scoring_users"] <= row["num_list_users"]
        assert ("mean" in row) == (row["num_scoring_users"] >= 20)
        assert row.get("start_date", "") <= row.get("end_date", "9999")
        if row["status"].startswith("finished"):
            assert row["end_date"] <= STANDS_AT
        if "statistics" in row:
            assert sum(row["statistics"]["status"].values()) == row["num_list_users"]
            assert row["statistics"]["num_list_users"] == row["num_list_users"]


def test_a_topic_is_on_a_board_that_exists_and_by_members_that_exist() -> None:
    boards = {board["id"]: board for category in FORUM["categories"] for board in category["boards"]}
    members = {member["name"] for member in FORUM["members"]}

    for topic in FORUM["topics"]:
        subboards = {subboard["id"] for subboard in boards[topic["board"]]["subboards"]}
        assert topic.get("subboard") in {*subboards, None}
        assert {post["by"] for post in topic["posts"]} <= members


def test_posts_come_in_order_and_topics_by_their_newest_post() -> None:
    posts = list(chain.from_iterable(topic["posts"] for topic in FORUM["topics"]))
    newest = [(topic["posts"][-1]["at"], topic["id"]) for topic in FORUM["topics"]]

    assert len({post["id"] for post in posts}) == len(posts) > 1_000
    assert len({topic["id"] for topic in FORUM["topics"]}) == len(FORUM["topics"])
    assert newest == sorted(newest, reverse=True)
    for topic in FORUM["topics"]:
        assert all(before["at"] <= after["at"] for before, after in pairwise(topic["posts"]))
