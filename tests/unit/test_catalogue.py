"""The catalogue's tables: what answers become, what stays and what goes, and that words are found."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.mal.types import Title
from malsync.mirror import FILE_NAME, Mirror, VerifyReport
from malsync.mirror.catalogue import ANSWER_TABLES, TITLE_TABLES, Catalogue
from malsync.mirror.mapping import strip_html
from malsync.model.medium import ANIME, MANGA, MEDIA
from tests.support.catalogue import assert_sound, found, record, rows
from tests.support.lists import MIKA, THEO, moment, snapshot, watched

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
BEBOP: dict[str, Any] = {
    "id": 1,
    "title": "Cowboy Bebop",
    "main_picture": {"medium": "https://pictures.example/1.jpg", "large": "https://pictures.example/1l.jpg"},
    "alternative_titles": {"synonyms": ["Space Jazz"], "en": "Cowboy Bebop: The Series", "ja": "カウボーイビバップ"},
    "start_date": "1998-04-03",
    "synopsis": "A ship and its crew.",
    "mean": 8.75,
    "rank": 47,
    "nsfw": "white",
    "media_type": "tv",
    "status": "finished_airing",
    "genres": [{"id": 1, "name": "Action"}, {"id": 41, "name": "Suspense"}],
    "num_episodes": 26,
    "start_season": {"year": 1998, "season": "spring"},
    "broadcast": {"day_of_the_week": "saturday", "start_time": "01:00"},
    "studios": [{"id": 14, "name": "Studio Sun"}],
    "pictures": [{"medium": "https://pictures.example/a.jpg"}, {"medium": "https://pictures.example/b.jpg"}],
    "related_anime": [
        {"node": {"id": 5, "title": "The Film"}, "relation_type": "side_story", "relation_type_formatted": "Side story"}
    ],
    "related_manga": [],
    "recommendations": [{"node": {"id": 205, "title": "Champloo"}, "num_recommendations": 80}],
    "statistics": {"status": {"watching": "12", "completed": 3}, "num_list_users": 15},
    "opening_themes": [{"id": 9, "anime_id": 1, "text": "Tank!"}],
    "ending_themes": [],
    "videos": [],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
def mirror(path: Path) -> Iterator[Mirror]:
    with Mirror.open(path, write=True) as opened:
        yield opened
    assert_sound(path)


@pytest.fixture
def catalogue(mirror: Mirror) -> Catalogue:
    return mirror.catalogue


def title(**members: Any) -> Title:
    """A title with these members."""
    return cast("Title", members)


def bebop(**members: Any) -> Title:
    """A title with many members, these others instead."""
    return cast("Title", {**BEBOP, **members})


# -- what is set, what stays, what goes


def test_part_of_a_title_leaves_other_columns_unchanged(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(background="A note."), NOW)
    whole = record(path, "anime", 1)
    listed = {name: BEBOP[name] for name in BEBOP if name not in ("pictures", "related_anime", "recommendations")}

    catalogue.keep("search", {}, NOW + timedelta(days=1), titles=[(ANIME, title(**{**listed, "mean": 8.8}))])

    part = record(path, "anime", 1)
    assert {name for name in whole if whole[name] != part[name]} == {"mean", "fetched_at"}
    assert part["mean"] == 8.8
    assert part["background"] == "A note."
    assert part["details_at"] == "2026-11-01T12:00:00.000Z"
    assert len(rows(path, "SELECT * FROM anime_picture")) == 2
    assert len(rows(path, "SELECT * FROM anime_related_anime")) == 1


def test_a_requested_member_that_is_missing_becomes_null(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(), NOW)

    catalogue.keep_details(ANIME, title(id=1, title="Cowboy Bebop"), NOW)

    row = record(path, "anime", 1)
    assert {name for name in row if row[name] is not None} == {"id", "title", "fetched_at", "details_at"}
    for table in (
        "alternative_title",
        "genre",
        "studio",
        "picture",
        "related_anime",
        "recommendation",
        "statistic",
        "theme",
    ):
        assert rows(path, f"SELECT * FROM anime_{table}") == [], table
    assert rows(path, "SELECT name FROM studio") == [("Studio Sun",)]  # other titles may have it


def test_the_rows_of_a_title_are_replaced_with_it(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(), NOW)
    catalogue.keep_details(ANIME, bebop(id=2, title="Another"), NOW)

    catalogue.keep_details(
        ANIME,
        bebop(
            genres=[{"id": 8, "name": "Drama"}, {"id": 1, "name": "Deeds"}],
            pictures=BEBOP["pictures"][:1],
            recommendations=[
                {"node": {"id": 6, "title": "Trigun"}, "num_recommendations": 1},
                *BEBOP["recommendations"],
            ],
        ),
        NOW,
    )

    assert rows(path, "SELECT genre FROM anime_genre WHERE media_id = 1 ORDER BY 1") == [("anime:1",), ("anime:8",)]
    assert rows(path, "SELECT genre FROM anime_genre WHERE media_id = 2 ORDER BY 1") == [("anime:1",), ("anime:41",)]
    assert rows(path, "SELECT name FROM genre WHERE id = 'anime:1'") == [("Deeds",)]
    assert rows(path, "SELECT place FROM anime_picture WHERE media_id = 1") == [(1,)]
    assert rows(path, "SELECT place, recommended FROM anime_recommendation WHERE media_id = 1") == [(1, 6), (2, 205)]


def test_a_genre_id_is_another_genre_in_the_other_medium(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, title(id=1, title="One", genres=[{"id": 42, "name": "Seinen"}]), NOW)
    catalogue.keep_details(MANGA, title(id=1, title="Two", genres=[{"id": 42, "name": "Josei"}]), NOW)

    assert rows(path, "SELECT medium, mal_id, name FROM genre ORDER BY id") == [
        ("anime", 42, "Seinen"),
        ("manga", 42, "Josei"),
    ]
    assert rows(path, "SELECT name FROM anime_genre JOIN genre ON genre.id = genre") == [("Seinen",)]
    assert rows(path, "SELECT name FROM manga_genre JOIN genre ON genre.id = genre") == [("Josei",)]


def test_a_mention_changes_only_what_it_tells(catalogue: Catalogue, path: Path) -> None:
    film = {"id": 5, "title": "The Film", "main_picture": {"medium": "https://pictures.example/5.jpg"}}
    catalogue.keep_details(ANIME, title(**film, synopsis="A film."), NOW)

    catalogue.keep_details(
        ANIME,
        bebop(related_anime=[{"node": {"id": 5}, "relation_type": "sequel"}, {"node": {"id": 99}}]),
        NOW + timedelta(days=1),
    )

    row = record(path, "anime", 5)
    assert (row["title"], row["synopsis"], row["picture"]) == ("The Film", "A film.", "https://pictures.example/5.jpg")
    assert row["fetched_at"] == "2026-11-01T12:00:00.000Z"
    assert record(path, "anime", 99)["title"] == ""
    assert rows(path, "SELECT place, related, type FROM anime_related_anime") == [(1, 5, "sequel"), (2, 99, None)]


def test_a_title_without_a_name_keeps_the_stored_one(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(), NOW)
    catalogue.keep_details(ANIME, title(id=1), NOW)

    assert record(path, "anime", 1)["title"] == "Cowboy Bebop"


def test_a_deleted_title_keeps_its_data(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(), NOW)
    before = record(path, "anime", 1)

    catalogue.keep_gone(ANIME, 1, NOW + timedelta(days=1))
    gone = record(path, "anime", 1)
    catalogue.keep_details(ANIME, bebop(), NOW + timedelta(days=2))

    assert gone == {**before, "gone_at": "2026-11-02T12:00:00.000Z"}
    assert record(path, "anime", 1)["gone_at"] is None


def test_the_readers_own_entry_is_never_stored(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(my_list_status={"status": "watching", "comments": "mine alone"}), NOW)

    with Mirror.open(path) as mirror:
        mirror.copy(path.with_name("copy.db"))
    assert b"mine alone" not in path.with_name("copy.db").read_bytes()


def test_an_answer_is_stored_whole_or_not_at_all(catalogue: Catalogue, path: Path) -> None:
    def half() -> Iterator[tuple[Any, Title]]:
        yield ANIME, bebop()
        raise RuntimeError("the power goes")

    with pytest.raises(RuntimeError):
        catalogue.keep("search", {}, NOW, titles=half())

    assert rows(path, "SELECT * FROM anime") == []
    assert rows(path, "SELECT * FROM genre") == []


# -- what nobody knows yet


def test_unknown_members_are_stored_at_any_depth(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(
        ANIME,
        bebop(
            hologram={"depth": [1, 2.5]},
            alternative_titles={"synonyms": ["Space Jazz"], "en": "", "ja": "", "fr": "Le Cow-boy"},
            studios=[{"id": 14, "name": "Studio Sun"}, {"id": 15, "name": "Studio Moon", "founded": 1972}],
            related_anime=[{"node": {"id": 5, "title": "The Film", "num_episodes": 1}, "relation_type": "sequel"}],
            statistics={"status": {"watching": 1, "rewatching": 2}, "num_list_users": 3},
        ),
        NOW,
    )

    assert json.loads(record(path, "anime", 1)["extra"]) == {
        "hologram": {"depth": [1, 2.5]},
        "alternative_titles": {"fr": "Le Cow-boy"},
        "studios": [None, {"founded": 1972}],
        "related_anime": [{"node": {"num_episodes": 1}}],
        "statistics": {"status": {"rewatching": 2}},
    }


def test_known_members_leave_no_extra(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(), NOW)

    assert record(path, "anime", 1)["extra"] is None


@given(
    st.dictionaries(
        st.text(min_size=1).filter(lambda name: name not in {*BEBOP, *ANIME.detailed, "my_list_status"}),
        st.recursive(
            st.integers(-(2**53), 2**53) | st.text() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        ),
        max_size=4,
    )
)
def test_any_unknown_members_come_back_as_they_were(members: dict[str, Any]) -> None:
    with Mirror.open(Path("nowhere.db")) as mirror:  # on no disk
        mirror.catalogue.keep_details(ANIME, bebop(**members), NOW)
        ((extra,),) = mirror._connection.execute("SELECT extra FROM anime WHERE id = 1").fetchall()

    assert json.loads(extra or "{}") == members


def test_unknown_members_of_a_part_are_added_to_those_of_the_whole(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(of_details=1, of_both="whole"), NOW)
    catalogue.keep("search", {}, NOW, titles=[(ANIME, title(id=1, title="Cowboy Bebop", of_both="part", of_lists=[2]))])
    merged = record(path, "anime", 1)["extra"]
    catalogue.keep("search", {}, NOW, titles=[(ANIME, title(id=1, title="Cowboy Bebop"))])
    kept = record(path, "anime", 1)["extra"]
    catalogue.keep_details(ANIME, bebop(), NOW)

    assert json.loads(merged) == {"of_details": 1, "of_both": "part", "of_lists": [2]}
    assert kept == merged
    assert record(path, "anime", 1)["extra"] is None


def test_unknown_words_and_numbers_are_stored_unchanged(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(
        ANIME,
        bebop(
            media_type="hologram", status="in_dispute", rating="r++", nsfw="ultraviolet", num_episodes=2**70, rank=-1
        ),
        NOW,
    )

    row = record(path, "anime", 1)
    assert (row["media_type"], row["status"], row["rating"], row["nsfw"]) == (
        "hologram",
        "in_dispute",
        "r++",
        "ultraviolet",
    )
    assert (int(row["num_episodes"]), row["rank"]) == (2**70, -1)


def test_counts_sent_as_texts_become_numbers(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(), NOW)

    assert rows(path, "SELECT status, num_users FROM anime_statistic ORDER BY 1") == [
        ("all", 15), ("completed", 3), ("watching", 12),
    ]  # fmt: skip


# -- lists of titles


def test_a_ranking_is_stored_by_day_and_replaced_on_the_same_day(catalogue: Catalogue, path: Path) -> None:
    def read(day: str, kind: str, *ids: int) -> None:
        ranked = [{"node": {"id": id, "title": f"Title {id}"}, "ranking": {"rank": at}} for at, id in enumerate(ids, 1)]
        titles = [(MANGA, cast("Title", one["node"])) for one in ranked]
        catalogue.keep("manga ranking", {"data": ranked}, NOW, titles=titles, day=day, type=kind)

    read("2026-11-01", "all", 1, 2, 3)
    read("2026-11-01", "novels", 3)
    read("2026-11-02", "all", 2, 1)
    read("2026-11-01", "all", 3, 1)

    assert rows(path, "SELECT day, type, rank, media_id FROM manga_ranking ORDER BY 1, 2, 3") == [
        ("2026-11-01", "all", 1, 3),
        ("2026-11-01", "all", 2, 1),
        ("2026-11-01", "novels", 1, 3),
        ("2026-11-02", "all", 1, 2),
        ("2026-11-02", "all", 2, 1),
    ]


def test_a_previous_rank_is_stored(catalogue: Catalogue, path: Path) -> None:
    ranked = [{"node": {"id": 1, "title": "One"}, "ranking": {"rank": 2, "previous_rank": 1}}]
    catalogue.keep("anime ranking", {"data": ranked}, NOW, titles=[(ANIME, title(id=1))], day="2026-11-01", type="all")

    assert rows(path, "SELECT rank, previous_rank FROM anime_ranking") == [(2, 1)]


# -- the forum


FIRST = {"id": 71, "number": 1, "created_by": {"id": 3, "name": "old_harbour"}, "body": "<b>First</b> &amp; last"}
MIKAN = {"id": 4, "name": "mikan", "forum_avator": "https://x.example/4.gif"}
POLL = {
    "id": 8,
    "question": "Tea?",
    "closed": False,
    "options": [{"id": 1, "text": "Yes", "votes": 2}, {"id": 2, "text": "No"}],
}
TOPIC: dict[str, Any] = {
    "title": "A poll",
    "posts": [FIRST, {"id": 72, "number": 2, "created_by": MIKAN, "body": "Yes"}],
    "poll": POLL,
}


def test_posts_and_polls_that_mal_no_longer_lists_are_deleted(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep("topic", TOPIC, NOW, id=481)
    catalogue.keep("topic", {**TOPIC, "posts": TOPIC["posts"][1:], "poll": None}, NOW, id=481)
    catalogue.keep("topic", {"title": "Another", "posts": [], "poll": POLL}, NOW, id=482)

    assert rows(path, "SELECT id, topic, created_by FROM forum_post") == [(72, 481, 4)]
    assert rows(path, "SELECT topic, question, closed FROM forum_poll") == [(482, "Tea?", 0)]
    assert rows(path, "SELECT topic, place, option, text, votes FROM forum_poll_option") == [
        (482, 1, 1, "Yes", 2),
        (482, 2, 2, "No", None),
    ]
    assert rows(path, "SELECT id, name, picture FROM forum_member ORDER BY id") == [
        (3, "old_harbour", None),
        (4, "mikan", "https://x.example/4.gif"),
    ]


def test_a_post_that_moved_to_another_topic_is_found_there(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep("topic", TOPIC, NOW, id=481)
    catalogue.keep("topic", {"title": "New home", "posts": [{**FIRST, "body": "moved"}]}, NOW, id=482)

    assert rows(path, "SELECT topic FROM forum_post WHERE id = 71") == [(482,)]
    assert found(path, "forum_post", "moved") == {71}
    assert found(path, "forum_post", "first") == set()


def test_a_topic_keeps_the_board_that_it_was_found_in(catalogue: Catalogue, path: Path) -> None:
    one = {
        "id": 481,
        "title": "A poll",
        "created_by": {"id": 3, "name": "old_harbour"},
        "number_of_posts": 4,
        "is_locked": True,
    }
    catalogue.keep("topics", {"data": [one]}, NOW, board=5, subboard=None)
    catalogue.keep("topics", {"data": [{**one, "number_of_posts": 5}]}, NOW)

    row = record(path, "forum_topic", 481)
    assert (row["board"], row["subboard"], row["number_of_posts"], row["is_locked"]) == (5, None, 5, 1)
    assert row["created_by"] == 3
    assert row["posts_at"] is None


def test_boards_get_their_titles_when_they_are_fetched(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep("topics", {"data": [{"id": 481, "title": "A poll"}]}, NOW, board=17, subboard=2)
    catalogue.keep("topics", {"data": []}, NOW, board=99, subboard=98)
    boards = [
        {"title": "MAL", "boards": [{"id": 17, "title": "Requests", "subboards": [{"id": 2, "title": "Anime"}]}]},
        {"title": "General", "boards": [{"id": 9, "title": "Games", "description": "Not so serious."}]},
    ]
    catalogue.keep("boards", {"data": boards}, NOW)

    assert rows(path, "SELECT id, category, place, title, description FROM forum_board ORDER BY id") == [
        (9, "General", 1, "Games", "Not so serious."),
        (17, "MAL", 1, "Requests", None),
    ]
    assert rows(path, "SELECT id, board, place, title FROM forum_subboard") == [(2, 17, 1, "Anime")]
    assert rows(path, "SELECT title, place FROM forum_category ORDER BY place") == [("MAL", 1), ("General", 2)]


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31m red &lt;b&gt; \u202e <never closed"


def test_html_is_stored_unchanged_and_searched_as_text(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep(
        "topic", {"title": "<i>T</i>", "posts": [{"id": 1, "body": HOSTILE, "signature": HOSTILE}]}, NOW, id=1
    )

    assert rows(path, "SELECT body, signature FROM forum_post") == [(HOSTILE, HOSTILE)]
    assert found(path, "forum_post", "red") == {1}
    assert found(path, "forum_post", "script OR onerror OR img") == set()


def test_strip_html_is_fast_on_hostile_input() -> None:
    assert strip_html("<" * 1_000_000) == "<" * 1_000_000
    assert strip_html("<a" * 300_000 + ">") == "<a" * 299_999


# -- searching


@pytest.mark.parametrize("words", ["cowboy", "series", "カウボーイビバップ", "jazz", "SPACE", "crew", "カウボーイ*"])
def test_a_title_is_found_by_any_of_its_names_and_by_its_synopsis(catalogue: Catalogue, path: Path, words: str) -> None:
    catalogue.keep_details(ANIME, bebop(), NOW)
    catalogue.keep_details(MANGA, title(id=1, title="Cowboy"), NOW)

    assert found(path, "anime", words) == {1}


def test_a_former_title_is_not_found(catalogue: Catalogue, path: Path) -> None:
    catalogue.keep_details(ANIME, bebop(), NOW)
    catalogue.keep_details(ANIME, bebop(alternative_titles={"synonyms": ["Bounty"], "en": "", "ja": ""}), NOW)

    assert found(path, "anime", "jazz") == set()
    assert found(path, "anime", "bounty") == {1}
    assert found(path, "anime", "cowboy") == {1}


def test_a_title_is_found_by_the_name_that_a_backup_gave_it(mirror: Mirror, path: Path) -> None:
    mirror.add(snapshot(anime={1: watched(title="Cowboy Bebop"), 2: watched(title="Unfetched")}))
    mirror.catalogue.keep_details(ANIME, bebop(), NOW)
    before = record(path, "anime", 1)

    mirror.add(
        snapshot(anime={1: watched(title="Space Warriors"), 2: watched(title="Unseen")}, at="2026-11-02T12:00:00Z")
    )

    assert record(path, "anime", 1) == {**before, "title": "Space Warriors"}
    assert found(path, "anime", "warriors") == {1}
    assert found(path, "anime", "title : bebop") == set()
    assert found(path, "anime", "unfetched OR unseen") == set()  # nothing was fetched of it


def test_an_imported_title_changes_nothing_that_was_fetched(mirror: Mirror, path: Path) -> None:
    mirror.catalogue.keep_details(ANIME, bebop(), NOW)
    before = record(path, "anime", 1)

    mirror.add(snapshot(anime={1: watched(title="Old name")}, source="import"))

    assert record(path, "anime", 1) == before
    assert mirror.titles(ANIME) == {1: "Cowboy Bebop"}


def test_an_imported_title_is_better_than_none(mirror: Mirror, path: Path) -> None:
    mirror.catalogue.keep_details(ANIME, title(id=1, synopsis="A ship."), NOW)

    mirror.add(snapshot(anime={1: watched(title="Old name")}, source="import"))

    row = record(path, "anime", 1)
    assert (row["title"], row["synopsis"]) == ("Old name", "A ship.")


def test_a_snapshot_knows_the_titles_of_lists_alone(mirror: Mirror) -> None:
    """`history` looks through them, and MAL has more titles than a list."""
    mirror.catalogue.keep_details(ANIME, bebop(), NOW)
    mirror.add(snapshot(anime={5: watched(title="The Film")}))

    assert mirror.titles(ANIME) == {5: "The Film"}


# -- what to fetch


def test_titles_to_fetch_are_those_of_the_newest_list_oldest_first(mirror: Mirror) -> None:
    catalogue = mirror.catalogue
    old = {id: watched() for id in (1, 2, 9)}
    mirror.add(snapshot(anime=old, manga={7: {"status": "reading"}}))
    mirror.add(snapshot(anime={id: watched() for id in (1, 2, 3, 4)}, at="2026-11-02T12:00:00Z"))
    mirror.add(snapshot(anime={8: watched()}, user=THEO, at="2026-11-03T12:00:00Z"))
    catalogue.keep_details(ANIME, title(id=3), NOW)
    catalogue.keep_details(ANIME, title(id=1), NOW - timedelta(days=3))
    catalogue.keep_gone(ANIME, 2, NOW - timedelta(days=5))
    catalogue.keep("search", {}, NOW, titles=[(ANIME, title(id=4))])

    def wanted(since: datetime | None = None) -> list[int]:
        return [one.id for one in catalogue.titles_to_fetch(MIKA, ANIME, since)]

    # 9 left the list, and whether MAL removed it was not asked yet.
    assert wanted() == [9, 4]
    assert wanted(NOW - timedelta(days=4)) == [9, 4, 2]
    assert wanted(NOW) == [9, 4, 2, 1]
    assert wanted(NOW + timedelta(seconds=1)) == [9, 4, 2, 1, 3]
    # The second snapshot did not cover manga: the list is as it was last seen.
    assert [(one.medium, one.id, one.title) for one in catalogue.titles_to_fetch(MIKA, MANGA)] == [
        (MANGA, 7, "Title 7")
    ]
    assert [one.id for one in catalogue.titles_to_fetch(THEO, ANIME)] == [8]
    assert catalogue.has_list(MIKA, MANGA)
    assert not catalogue.has_list(THEO, MANGA)


def test_a_title_that_left_the_list_is_fetched_once_more(mirror: Mirror) -> None:
    catalogue = mirror.catalogue
    left = NOW + timedelta(days=1)
    mirror.add(snapshot(anime={id: watched() for id in (1, 2, 3, 4)}))
    for id in (1, 2, 3, 4):
        catalogue.keep_details(ANIME, title(id=id), NOW)
    mirror.add(snapshot(anime={1: watched()}, at="2026-11-02T12:00:00Z"))

    def wanted() -> list[int]:
        return [one.id for one in catalogue.titles_to_fetch(MIKA, ANIME)]

    assert wanted() == [2, 3, 4]
    catalogue.keep_gone(ANIME, 2, left)
    catalogue.keep_details(ANIME, title(id=3), left + timedelta(days=1))
    assert wanted() == [4]
    # It is back on the list, and gone again.
    mirror.add(snapshot(anime={1: watched(), 3: watched(), 4: watched()}, at="2026-11-05T12:00:00Z"))
    assert wanted() == []
    mirror.add(snapshot(anime={1: watched()}, at="2026-11-06T12:00:00Z"))
    assert wanted() == [3, 4]


def test_a_fetch_can_be_resumed_for_two_days(mirror: Mirror) -> None:
    catalogue = mirror.catalogue
    mirror.add(snapshot(anime={1: watched()}))
    mirror.add(snapshot(anime={1: watched()}, user=THEO))
    first = catalogue.begin_fetch(MIKA, "details", NOW)

    again = catalogue.begin_fetch(MIKA, "details", NOW + timedelta(days=2))
    others = [catalogue.begin_fetch(MIKA, "details anime", NOW), catalogue.begin_fetch(THEO, "details", NOW)]
    late = catalogue.begin_fetch(MIKA, "details", NOW + timedelta(days=2, seconds=1))
    catalogue.end_fetch(late, NOW + timedelta(days=3))
    after = catalogue.begin_fetch(MIKA, "details", NOW + timedelta(days=3))

    assert first.is_new
    assert (again.number, again.started_at, again.is_new) == (first.number, NOW, False)
    assert all(one.is_new for one in (*others, late, after))
    assert len({first.number, late.number, after.number, *(one.number for one in others)}) == 5


# -- the tables


def test_every_mapping_has_its_table_and_columns(mirror: Mirror, path: Path) -> None:
    for mapping in [table for tables in (*TITLE_TABLES.values(), *ANSWER_TABLES.values()) for table in tables]:
        info = rows(path, f"PRAGMA table_info({mapping.table})")
        assert {*mapping.key, *mapping.columns} <= {name for _, name, *_ in info}, mapping.table
        assert mapping.key.keys() == {name for _, name, _, _, _, place in info if place}, mapping.table
        assert {*mapping.replace} <= {*mapping.key, *mapping.columns}, mapping.table


def test_each_reference_leads_to_a_key_and_back(mirror: Mirror, path: Path) -> None:
    """So that a browser links rows both ways: there is an index for each way back."""
    tables = {row.table for some in (*TITLE_TABLES.values(), *ANSWER_TABLES.values()) for row in some} - set(MEDIA)
    for table in tables:
        key = [name for _, name, _, _, _, place in rows(path, f"PRAGMA table_info({table})") if place == 1]
        indexed = {
            rows(path, f"PRAGMA index_info({name})")[0][2] for _, name, *_ in rows(path, f"PRAGMA index_list({table})")
        }
        for _, _, to, column, target, *_ in rows(path, f"PRAGMA foreign_key_list({table})"):
            assert target, f"{table}.{column}"
            assert [name for _, name, _, _, _, place in rows(path, f"PRAGMA table_info({to})") if place] == [target]
            assert column in {*indexed, *key}, f"{table}.{column}"


def test_an_index_names_the_table_whose_words_it_holds(mirror: Mirror, path: Path) -> None:
    """Datasette looks for exactly this when it decides whether a table can be searched."""
    for table in ("anime", "manga", "forum_topic", "forum_post"):
        like = f'%VIRTUAL TABLE%USING FTS%content="{table}"%'
        assert rows(path, "SELECT name FROM sqlite_master WHERE rootpage = 0 AND sql LIKE ?", like) == [
            (f"{table}_fts",)
        ]


def test_a_copy_is_searched_alike(mirror: Mirror, path: Path) -> None:
    mirror.catalogue.keep_details(ANIME, bebop(), NOW)
    copy = path.with_name("copy.db")
    mirror.copy(copy)

    assert found(copy, "anime", "jazz") == {1}
    assert_sound(copy)


def test_a_missing_mirror_has_an_empty_catalogue() -> None:
    with Mirror.open(Path("nowhere.db")) as mirror:
        assert not mirror.catalogue.has_list(MIKA, ANIME)
        assert mirror.catalogue.titles_to_fetch(MIKA, ANIME) == []
    assert not Path("nowhere.db").exists()


def test_verify_finds_a_broken_reference_in_the_catalogue(mirror: Mirror, path: Path) -> None:
    mirror.catalogue.keep_details(ANIME, bebop(), NOW)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM studio")
        connection.commit()
        damaged = mirror.verify().database
        connection.execute("DELETE FROM anime_studio")
        connection.commit()

    assert "anime_studio" in damaged
    assert mirror.verify() == VerifyReport({}, "ok")


def test_the_moment_of_a_backup_is_no_moment_of_a_fetch(mirror: Mirror, path: Path) -> None:
    mirror.add(snapshot(anime={1: watched()}, at="2026-11-01T12:00:00Z"))

    assert record(path, "anime", 1)["fetched_at"] is None
    assert moment("2026-11-01T12:00:00Z") == NOW
