"""The table of both lists against MAL's reference, typed again here by hand."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from malsync.model.medium import ANIME, MANGA, MEDIA, Kind, Medium
from malsync.sandbox import Account, Catalogue, Settings
from malsync.schemas import schema_folder

pytestmark = pytest.mark.promise("other-11")

# GET /users/{user}/animelist and /mangalist, PATCH /{medium}/{id}/my_list_status: what each is called when it is read and
# when it is written, and its type in JSON.
REFERENCE: dict[str, list[tuple[str, str | None, str]]] = {
    "anime": [
        ("status", "status", "string"),
        ("score", "score", "integer"),
        ("num_episodes_watched", "num_watched_episodes", "integer"),
        ("is_rewatching", "is_rewatching", "boolean"),
        ("start_date", "start_date", "string"),
        ("finish_date", "finish_date", "string"),
        ("priority", "priority", "integer"),
        ("num_times_rewatched", "num_times_rewatched", "integer"),
        ("rewatch_value", "rewatch_value", "integer"),
        ("tags", "tags", "array"),
        ("comments", "comments", "string"),
        ("updated_at", None, "string"),
    ],
    "manga": [
        ("status", "status", "string"),
        ("score", "score", "integer"),
        ("num_volumes_read", "num_volumes_read", "integer"),
        ("num_chapters_read", "num_chapters_read", "integer"),
        ("is_rereading", "is_rereading", "boolean"),
        ("start_date", "start_date", "string"),
        ("finish_date", "finish_date", "string"),
        ("priority", "priority", "integer"),
        ("num_times_reread", "num_times_reread", "integer"),
        ("reread_value", "reread_value", "integer"),
        ("tags", "tags", "array"),
        ("comments", "comments", "string"),
        ("updated_at", None, "string"),
    ],
}
STATUSES = {
    "anime": ("watching", "completed", "on_hold", "dropped", "plan_to_watch"),
    "manga": ("reading", "completed", "on_hold", "dropped", "plan_to_read"),
}
BLANKS: dict[str, Any] = {"integer": 0, "boolean": False, "array": [], "string": None}
JSON_TYPES = {
    Kind.WORD: "string",
    Kind.NUMBER: "integer",
    Kind.FLAG: "boolean",
    Kind.DATE: "string",
    Kind.TAGS: "array",
    Kind.TEXT: "string",
    Kind.TIME: "string",
}

both = pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((schema_folder() / name).read_bytes())
    return found


def answers() -> dict[str, Any]:
    """The schemas of what the API answers, by name."""
    found: dict[str, Any] = schema("openapi.json")["components"]["schemas"]
    return found


def test_the_two_lists_stand_in_their_order() -> None:
    assert list(MEDIA) == ["anime", "manga"]
    assert MEDIA == {"anime": ANIME, "manga": MANGA}


@both
def test_every_field_is_read_and_written_as_the_reference_says(medium: Medium) -> None:
    assert [(field.name, field.write, JSON_TYPES[field.kind]) for field in medium.fields] == REFERENCE[medium.name]


@both
def test_statuses_are_those_of_the_reference(medium: Medium) -> None:
    assert medium.statuses == STATUSES[medium.name]


@both
def test_the_server_owns_nothing_but_the_time_of_the_last_update(medium: Medium) -> None:
    assert [field.name for field in medium.fields if field.server_owned] == ["updated_at"]
    assert [field.name for field in medium.writable] == [name for name, write, _ in REFERENCE[medium.name] if write]


def test_progress_is_what_counts_how_far_one_is() -> None:
    assert ANIME.progress == ("num_episodes_watched",)
    assert MANGA.progress == ("num_volumes_read", "num_chapters_read")


def test_the_lists_are_served_under_the_references_addresses() -> None:
    assert [medium.list_endpoint for medium in MEDIA.values()] == ["animelist", "mangalist"]


@both
def test_a_blank_is_what_mal_shows_for_a_field_that_was_never_set(medium: Medium) -> None:
    for name, _, kind in REFERENCE[medium.name]:
        assert medium.by_name[name].kind.blank == ("" if name == "comments" else BLANKS[kind]), name


def test_a_blank_is_nobody_elses() -> None:
    """Tags that someone appends to must not become everybody's blank."""
    blank = Kind.TAGS.blank
    assert isinstance(blank, list)
    blank.append("mine")

    assert Kind.TAGS.blank == []


@both
def test_names_are_put_in_the_tables_order_and_unknown_ones_last(medium: Medium) -> None:
    names = ["zeta", *reversed(medium.names), "Alpha"]

    assert medium.ordered(names) == [*medium.names, "Alpha", "zeta"]


@both
def test_the_schema_names_exactly_the_tables_fields_with_their_types(medium: Medium) -> None:
    properties = answers()[f"{medium.name.capitalize()}ListStatus"]["properties"]

    assert {name: shape["type"] for name, shape in properties.items()} == {
        name: [kind, "null"] for name, _, kind in REFERENCE[medium.name]
    }
    assert properties["tags"]["items"] == {"type": "string"}


@both
def test_the_schema_lets_members_through_that_malsync_does_not_know(medium: Medium) -> None:
    found = answers()[f"{medium.name.capitalize()}ListStatus"]

    assert "additionalProperties" not in found
    assert "required" not in found


@both
def test_an_answer_of_the_api_and_a_snapshot_share_one_schema_of_an_entry(medium: Medium) -> None:
    name = medium.name.capitalize()
    page = answers()[f"{name}ListPage"]["properties"]["data"]
    stored = schema("snapshot-1.json")["properties"][medium.name]

    assert page["items"]["properties"]["list_status"] == {"$ref": f"#/components/schemas/{name}ListStatus"}
    assert stored["items"]["properties"]["list_status"] == {
        "$ref": f"openapi.json#/components/schemas/{name}ListStatus"
    }


@both
def test_the_sandbox_takes_every_field_under_the_name_that_we_write(medium: Medium) -> None:
    """It has a table of its own, so a name that is wrong here is refused there."""
    title = {"id": 1, "title": "One", "media_type": "tv", "num_episodes": 12, "num_volumes": 9, "num_chapters": 90}
    account = Account("somebody", 1, Catalogue({"anime": [title], "manga": [title]}))
    samples: dict[Kind, tuple[str, Any]] = {
        Kind.WORD: ("dropped", "dropped"),
        Kind.NUMBER: ("2", 2),
        Kind.FLAG: ("true", True),
        Kind.DATE: ("2020-02-20", "2020-02-20"),
        Kind.TAGS: ("a,b", ["a", "b"]),
        Kind.TEXT: ("said", "said"),
    }
    form = {str(field.write): samples[field.kind][0] for field in medium.writable}

    account.patch(medium.name, 1, form, datetime(2026, 11, 1, tzinfo=UTC), Settings())

    (stored,) = account.entries(medium.name).values()
    assert {name: stored[name] for name in stored if name != "updated_at"} == {
        field.name: samples[field.kind][1] for field in medium.writable
    }
