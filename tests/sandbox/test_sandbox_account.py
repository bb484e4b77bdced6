"""The account model on its own: values in, values out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.sandbox import Account, Catalogue, Refusal, Settings

NOW = datetime(2026, 11, 1, 20, 0, 5, 999_999, UTC)
STAMP = "2026-11-01T20:00:05+00:00"
TITLES = {
    "anime": [
        {"id": 1, "title": "Twelve", "media_type": "tv", "num_episodes": 12},
        {"id": 2, "title": "Still airing", "media_type": "tv", "num_episodes": 0},
        {"id": 3, "title": "Not yet approved", "media_type": "unknown", "num_episodes": 0, "pending": True},
    ],
    "manga": [{"id": 1, "title": "Two volumes", "media_type": "manga", "num_volumes": 2, "num_chapters": 17}],
}


@pytest.fixture
def account() -> Account:
    return fresh_account()


def fresh_account() -> Account:
    return Account("somebody", 1, Catalogue(TITLES))


def test_the_answer_of_a_patch_has_every_member_of_an_anime_in_order(account):
    """go-myanimelist testdata updateMyAnimeList.json: dates stand after updated_at, and only if set."""
    answer = account.patch("anime", 1, {"status": "watching", "start_date": "2022-02-20"}, NOW)

    assert list(answer.items()) == [
        ("status", "watching"),
        ("score", 0),
        ("num_episodes_watched", 0),
        ("is_rewatching", False),
        ("updated_at", STAMP),
        ("start_date", "2022-02-20"),
        ("priority", 0),
        ("num_times_rewatched", 0),
        ("rewatch_value", 0),
        ("tags", []),
        ("comments", ""),
    ]


def test_the_answer_of_a_patch_has_every_member_of_a_manga_in_order(account):
    answer = account.patch("manga", 1, {"status": "reading"}, NOW)

    assert list(answer) == [
        "status", "is_rereading", "num_volumes_read", "num_chapters_read", "score", "updated_at",
        "priority", "num_times_reread", "reread_value", "tags", "comments",
    ]  # fmt: skip


def test_a_patch_changes_only_what_it_names(account):
    account.patch("anime", 1, {"status": "watching", "score": "7", "comments": "so far, so good"}, NOW)

    answer = account.patch("anime", 1, {"num_watched_episodes": "3"}, NOW)

    assert (answer["score"], answer["comments"], answer["num_episodes_watched"]) == (7, "so far, so good", 3)


def test_completing_a_title_fills_in_nothing(account):
    answer = account.patch("anime", 1, {"status": "completed"}, NOW)

    assert answer["num_episodes_watched"] == 0
    assert not answer.keys() & {"start_date", "finish_date"}


def test_the_last_episode_completes_nothing(account):
    assert account.patch("anime", 1, {"status": "watching", "num_watched_episodes": "12"}, NOW)["status"] == "watching"


@pytest.mark.parametrize(
    ("id", "sent", "kept"), [(1, "99999", 12), (1, "12", 12), (1, "-1", 0), (2, "1122", 1122), (1, "3.0", 3)]
)
def test_progress_stops_at_the_total(account, id, sent, kept):
    assert account.patch("anime", id, {"num_watched_episodes": sent}, NOW)["num_episodes_watched"] == kept


def test_each_count_of_a_manga_has_its_own_total(account):
    answer = account.patch("manga", 1, {"num_volumes_read": "9", "num_chapters_read": "9"}, NOW)

    assert (answer["num_volumes_read"], answer["num_chapters_read"]) == (2, 9)


def test_a_patch_with_the_name_that_get_uses_is_refused_and_changes_nothing(account):
    """SuperMarcus/myanimelist-api-specification issue 1."""
    with pytest.raises(Refusal) as refusal:
        account.patch("anime", 1, {"status": "watching", "num_episodes_watched": "3"}, NOW)

    assert refusal.value.status == 400
    assert refusal.value.message == "This form should not contain extra fields."
    assert account.entries("anime") == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "Watching"), ("status", "reading"), ("status", ""),
        ("score", "11"), ("score", "-1"), ("score", "7.5"), ("score", ""), ("score", "nan"), ("score", "inf"), ("score", "٧"),
        ("priority", "3"), ("rewatch_value", "6"), ("num_times_rewatched", "-2"), ("num_watched_episodes", "many"),
        ("start_date", "2021-13-01"), ("start_date", "2021-02-30"), ("start_date", "2021-00-00"), ("start_date", "0000"),
        ("finish_date", "01.02.2021"), ("finish_date", "2021-1-1"), ("finish_date", "2021-01-01-01"),
    ],
)  # fmt: skip
def test_a_value_that_its_field_does_not_take_is_refused(account, field, value):
    with pytest.raises(Refusal) as refusal:
        account.patch("anime", 1, {field: value}, NOW)

    assert (refusal.value.status, refusal.value.error, refusal.value.message) == (
        400,
        "bad_request",
        f"invalid {field}",
    )


@pytest.mark.parametrize(
    ("sent", "kept"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_a_flag_is_false_only_in_lower_case(account, sent, kept):
    assert account.patch("anime", 1, {"is_rewatching": sent}, NOW)["is_rewatching"] is kept


def test_empty_texts_clear_dates_tags_and_comments(account):
    account.patch("anime", 1, {"finish_date": "2022-01-02", "tags": "a,b", "comments": "c"}, NOW)

    answer = account.patch("anime", 1, {"finish_date": "", "tags": "", "comments": ""}, NOW)

    assert "finish_date" not in answer
    assert (answer["tags"], answer["comments"]) == ([], "")


def test_a_comma_cannot_stand_in_a_tag(account):
    assert account.patch("anime", 1, {"tags": ",malSync::eyJ1Ijo==::, b"}, NOW)["tags"] == [
        "malSync::eyJ1Ijo==::",
        " b",
    ]


def test_a_title_that_waits_for_approval_is_invalid_content(account):
    with pytest.raises(Refusal) as refusal:
        account.patch("anime", 3, {"status": "watching"}, NOW)

    assert (refusal.value.status, refusal.value.error, refusal.value.message) == (
        400,
        "invalid_content",
        "Invalid content",
    )


@pytest.mark.parametrize("write", [lambda one: one.patch("anime", 9, {}, NOW), lambda one: one.edit("anime", 9, NOW)])
def test_an_unknown_title_is_not_found(account, write):
    with pytest.raises(Refusal) as refusal:
        write(account)

    assert refusal.value.status == 404


def test_a_second_delete_finds_nothing(account):
    account.patch("anime", 1, {}, NOW)
    account.delete("anime", 1)

    with pytest.raises(Refusal) as refusal:
        account.delete("anime", 1)

    assert refusal.value.status == 404


def test_an_edit_from_outside_can_store_what_no_patch_can(account):
    account.edit("anime", 1, NOW, num_episodes_watched=14, status="completed")

    assert account.entry("anime", 1)["num_episodes_watched"] == 14


def test_what_was_handed_out_does_not_change_what_is_kept(account):
    account.patch("anime", 1, {"tags": "a"}, NOW)["tags"].append("b")
    account.patch("anime", 2, {}, NOW)["tags"].append("c")

    assert account.entry("anime", 1)["tags"] == ["a"]
    assert account.entry("anime", 2)["tags"] == []


def test_unset_members_are_not_kept(account):
    account.patch("anime", 1, {"status": "dropped", "score": "0", "tags": "", "is_rewatching": "false"}, NOW)

    assert account.kept("anime") == {1: {"status": "dropped", "updated_at": STAMP}}


@pytest.mark.parametrize(
    ("setting", "form", "seen"),
    [
        ({"partial_dates": "accept"}, {"start_date": "2021-12"}, "2021-12"),
        ({"partial_dates": "round"}, {"start_date": "2021-12"}, "2021-12-01"),
        ({"partial_dates": "round"}, {"start_date": "2021"}, "2021-01-01"),
        ({"partial_dates": "ignore"}, {"start_date": "2021"}, "absent"),
        ({"zero_dates": "accept"}, {"start_date": "2021-12-00"}, "2021-12"),
        ({"zero_dates": "accept"}, {"start_date": "2021-00-00"}, "2021"),
        ({"zero_dates": "accept"}, {"start_date": "2021-10-20"}, "2021-10-20"),
        ({"zero_dates": "accept", "partial_dates": "round"}, {"start_date": "2021-12-00"}, "2021-12-01"),
        ({"tag_spaces": "keep"}, {"tags": " a , "}, [" a ", " "]),
        ({"tag_spaces": "trim"}, {"tags": " a , "}, ["a"]),
        ({"empty_tags": "drop"}, {"tags": ",a,,b"}, ["a", "b"]),
        ({"empty_tags": "keep"}, {"tags": ",a,,b"}, ["", "a", "", "b"]),
        ({"empty_tags": "keep"}, {"tags": ""}, []),
        ({"unknown_total": "keep"}, {"num_watched_episodes": "5"}, 5),
        ({"unknown_total": "zero"}, {"num_watched_episodes": "5"}, 0),
        ({"new_status": "planned"}, {}, "plan_to_watch"),
        ({"new_status": "current"}, {}, "watching"),
    ],
)
def test_a_switch_settles_what_is_not_known(account, setting, form, seen):
    answer = account.patch("anime", 2, form, NOW, Settings.parse(setting))

    read = {"num_watched_episodes": "num_episodes_watched"}
    name = next((read.get(name, name) for name in form), "status")
    assert answer.get(name, "absent") == seen


@pytest.mark.parametrize(
    ("setting", "form"),
    [
        ({"partial_dates": "refuse"}, {"start_date": "2021"}),
        ({"partial_dates": "refuse", "zero_dates": "accept"}, {"start_date": "2021-00-00"}),
        ({"zero_dates": "refuse"}, {"start_date": "2021-12-00"}),
        ({"zero_dates": "refuse"}, {"start_date": "0000-00-00"}),
        ({"zero_dates": "accept"}, {"start_date": "0000-12-00"}),
        ({"new_status": "refuse"}, {"score": "1"}),
    ],
)
def test_a_switch_can_refuse(account, setting, form):
    with pytest.raises(Refusal) as refusal:
        account.patch("anime", 2, form, NOW, Settings.parse(setting))

    assert refusal.value.status == 400


def test_zeros_may_clear_a_date(account):
    """erengy/taiga writes 0000-00-00 for a date that was taken away."""
    account.patch("anime", 1, {"start_date": "2021-12-05", "finish_date": "2022-01-02"}, NOW)

    answer = account.patch("anime", 1, {"start_date": "0000-00-00"}, NOW, Settings.parse({"zero_dates": "accept"}))

    assert "start_date" not in answer
    assert answer["finish_date"] == "2022-01-02"


FORMS = st.fixed_dictionaries(
    {"status": st.sampled_from(["watching", "completed", "on_hold", "dropped", "plan_to_watch"])},
    optional={
        "score": st.integers(0, 10).map(str),
        "num_watched_episodes": st.integers(0, 40).map(str),
        "is_rewatching": st.sampled_from(["true", "false"]),
        "start_date": st.dates().map(str),
        "finish_date": st.one_of(st.just(""), st.dates().map(str)),
        "priority": st.integers(0, 2).map(str),
        "num_times_rewatched": st.integers(0, 300).map(str),
        "rewatch_value": st.integers(0, 5).map(str),
        "tags": st.lists(st.text().map(lambda tag: tag.replace(",", "."))).map(",".join),
        "comments": st.text(),
    },
)


@given(st.lists(FORMS, min_size=1, max_size=4))
def test_a_patch_sent_twice_is_a_patch_sent_once(forms):
    account = fresh_account()
    for form in forms:
        account.patch("anime", 1, form, NOW)
    once = account.entry("anime", 1)

    assert account.patch("anime", 1, forms[-1], NOW) == once


@given(st.lists(FORMS, min_size=1, max_size=4))
def test_the_order_of_fields_that_differ_does_not_matter(forms):
    merged = {name: value for form in forms for name, value in form.items()}
    in_steps, at_once = fresh_account(), fresh_account()
    for form in forms:
        in_steps.patch("anime", 1, form, NOW)

    assert in_steps.entry("anime", 1) == at_once.patch("anime", 1, merged, NOW)


@given(FORMS)
def test_a_list_put_back_is_the_list_that_was_told(form):
    account, copy = fresh_account(), fresh_account()
    account.patch("anime", 1, form, NOW)

    copy.put_list("anime", account.entries("anime"))

    assert copy.entries("anime") == account.entries("anime")
    assert copy.kept("anime") == account.kept("anime")


@given(FORMS)
def test_writing_one_title_leaves_the_others_alone(form):
    account = fresh_account()
    account.patch("anime", 2, {"status": "watching"}, NOW)
    other = account.kept("anime")[2]

    account.patch("anime", 1, form, NOW)

    assert account.kept("anime")[2] is other
