"""MAL's XML as malsync writes it: the layout of today to the letter, and every value back as it was."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.errors import UsageError
from malsync.formats import list_file
from malsync.formats.mal_xml import reader, writer
from malsync.formats.mal_xml.layout import KEPT, LAYOUTS
from malsync.formats.mal_xml.reader import ImportedList
from malsync.model.entry import Entry, same, value
from malsync.model.medium import ANIME, MANGA, MEDIA, Field, Kind, Medium
from malsync.model.snapshot import Snapshot, User, whole
from tests.support.harness import ROOT
from tests.support.lists import MIKA, ORIGIN, snapshot, watched
from tests.support.strategies import texts, title_lists, users

VALID = ROOT / "fixtures" / "xml" / "valid"

# The elements of an entry in their order: typed again from public exports, so that a slip of the table shows.
ANIME_ELEMENTS = [
    "series_animedb_id", "series_title", "series_type", "series_episodes", "my_id", "my_watched_episodes",
    "my_start_date", "my_finish_date", "my_rated", "my_score", "my_storage", "my_storage_value", "my_status",
    "my_comments", "my_times_watched", "my_rewatch_value", "my_priority", "my_tags", "my_rewatching",
    "my_rewatching_ep", "my_discuss", "my_sns", "update_on_import",
]  # fmt: skip
MANGA_ELEMENTS = [
    "manga_mangadb_id", "manga_title", "manga_volumes", "manga_chapters", "my_id", "my_read_volumes",
    "my_read_chapters", "my_start_date", "my_finish_date", "my_scanalation_group", "my_score", "my_storage",
    "my_retail_volumes", "my_status", "my_comments", "my_times_read", "my_tags", "my_priority", "my_reread_value",
    "my_rereading", "my_discuss", "my_sns", "update_on_import",
]  # fmt: skip


def written(made: Snapshot, medium: Medium, facts: dict[int, dict[str, Any]] | None = None) -> str:
    """The export of a list of which all can be said."""
    pieces, losses = writer.encode(made, medium, facts or {})
    assert losses == []
    return b"".join(pieces).decode()


def read(content: str | bytes) -> ImportedList:
    """The list in an export."""
    content = content.encode() if isinstance(content, str) else content
    return reader.decode(content, "the file", origin=ORIGIN, written=datetime(2026, 11, 1, tzinfo=UTC))


def elements(content: str, medium: Medium) -> dict[str, list[tuple[str, str]]]:
    """The elements of each entry with their texts, by the entry's id; by another parser than ours."""
    entries = ET.fromstring(content).findall(medium.name)
    return {entry[0].text or "": [(one.tag, one.text or "") for one in entry] for entry in entries}


# -- the layout


def test_an_anime_is_written_to_the_letter_as_mal_does() -> None:
    status = {
        "status": "on_hold",
        "score": 8,
        "num_episodes_watched": 12,
        "is_rewatching": True,
        "start_date": "2021",
        "finish_date": "2023-12",
        "priority": 1,
        "num_times_rewatched": 3,
        "rewatch_value": 5,
        "tags": ["grim", "art & craft"],
        "comments": "a ]]> b <i>c</i> & \u200c\nsecond line\r\nthird]",
        "updated_at": "2026-01-01T00:00:00+00:00",
    }
    made = snapshot({47: {"title": "Akira ]]> ♥", **status}}, at="2026-11-01T12:00:00Z")

    text = written(made, ANIME, {47: {"media_type": "tv_special", "num_episodes": 26}})

    assert text == (
        '<?xml version="1.0" encoding="UTF-8" ?>\n'
        "<!--\n"
        " Created by malsync, in the layout of the XML Export feature at MyAnimeList.net\n"
        " Version 1.1.0\n"
        " The list was taken at 2026-11-01T12:00:00.000Z\n"
        "-->\n\n"
        "<myanimelist>\n\n"
        "\t<myinfo>\n"
        "\t\t<user_id>11</user_id>\n"
        "\t\t<user_name>mika</user_name>\n"
        "\t\t<user_export_type>1</user_export_type>\n"
        "\t\t<user_total_anime>1</user_total_anime>\n"
        "\t\t<user_total_watching>0</user_total_watching>\n"
        "\t\t<user_total_completed>0</user_total_completed>\n"
        "\t\t<user_total_onhold>1</user_total_onhold>\n"
        "\t\t<user_total_dropped>0</user_total_dropped>\n"
        "\t\t<user_total_plantowatch>0</user_total_plantowatch>\n"
        "\t</myinfo>\n\n"
        "\t<anime>\n"
        "\t\t<series_animedb_id>47</series_animedb_id>\n"
        "\t\t<series_title><![CDATA[Akira ]]]]><![CDATA[> ♥]]></series_title>\n"
        "\t\t<series_type>TV Special</series_type>\n"
        "\t\t<series_episodes>26</series_episodes>\n"
        "\t\t<my_id>0</my_id>\n"
        "\t\t<my_watched_episodes>12</my_watched_episodes>\n"
        "\t\t<my_start_date>2021-00-00</my_start_date>\n"
        "\t\t<my_finish_date>2023-12-00</my_finish_date>\n"
        "\t\t<my_rated></my_rated>\n"
        "\t\t<my_score>8</my_score>\n"
        "\t\t<my_storage></my_storage>\n"
        "\t\t<my_storage_value>0.00</my_storage_value>\n"
        "\t\t<my_status>On-Hold</my_status>\n"
        "\t\t<my_comments><![CDATA[a ]]]]><![CDATA[> b <i>c</i> & \u200c\nsecond line]]>&#13;<![CDATA[\nthird]]]></my_comments>\n"
        "\t\t<my_times_watched>3</my_times_watched>\n"
        "\t\t<my_rewatch_value>Very High</my_rewatch_value>\n"
        "\t\t<my_priority>MEDIUM</my_priority>\n"
        "\t\t<my_tags><![CDATA[grim, art & craft]]></my_tags>\n"
        "\t\t<my_rewatching>1</my_rewatching>\n"
        "\t\t<my_rewatching_ep>0</my_rewatching_ep>\n"
        "\t\t<my_discuss>1</my_discuss>\n"
        "\t\t<my_sns>default</my_sns>\n"
        "\t\t<update_on_import>1</update_on_import>\n"
        "\t</anime>\n"
        "</myanimelist>\n"
    )


def test_manga_have_their_own_order_and_their_own_words() -> None:
    made = snapshot(None, {2: {"status": "plan_to_read", "priority": 2, "is_rereading": True, "reread_value": 1}})

    (found,) = elements(written(made, MANGA, {2: {"num_volumes": 41, "num_chapters": 364}}), MANGA).values()

    assert [name for name, _ in found] == MANGA_ELEMENTS
    said = dict(found)
    assert (said["manga_volumes"], said["manga_chapters"]) == ("41", "364")
    assert (said["my_status"], said["my_priority"], said["my_rereading"]) == ("Plan to Read", "High", "YES")
    assert (said["my_reread_value"], said["my_discuss"], said["my_retail_volumes"]) == ("Very Low", "YES", "0")


def test_anime_have_their_order_too() -> None:
    (found,) = elements(written(snapshot({1: watched(2)}), ANIME), ANIME).values()

    assert [name for name, _ in found] == ANIME_ELEMENTS
    assert dict(found)["series_type"] == "Unknown"
    assert dict(found)["series_episodes"] == "0"


def test_an_element_that_the_list_does_not_know_is_left_out() -> None:
    """A default in its place would be somebody's value after the next import."""
    made = snapshot({1: watched(2, score=7)}, covers={"anime": ("status", "num_episodes_watched"), "manga": None})

    text = written(made, ANIME)

    assert "my_score" not in text
    assert "my_tags" not in text
    assert read(text).snapshot.covers["anime"] == ("status", "num_episodes_watched")


def test_the_export_type_is_the_mediums_own() -> None:
    """MAL refuses a file whose type is swapped (Jacekun/AniPy issue 4)."""
    made = snapshot({1: watched()}, {2: {"status": "reading"}})

    assert "<user_export_type>1</user_export_type>" in written(made, ANIME)
    assert "<user_export_type>2</user_export_type>" in written(made, MANGA)


def test_a_list_that_knows_no_status_is_refused() -> None:
    made = snapshot({1: {"score": 7}}, covers={"anime": ("score",), "manga": None})

    with pytest.raises(UsageError, match="does not know the status of its anime"):
        writer.encode(made, ANIME, {})


def test_an_empty_list_is_an_export_too() -> None:
    reading = read(written(snapshot({}, None), ANIME))

    assert reading.snapshot.counts == {"anime": 0, "manga": None}


def test_what_xml_cannot_say_is_named_and_the_rest_is_said() -> None:
    made = snapshot(
        {
            1: {"status": "watching", "comments": "a bell \x07 rang", "score": 8.5},
            2: {"status": "watching", "comments": "another \x07", "tags": ["a,b"]},
            3: {"status": "watching", "hovercraft": "full of eels"},
        }
    )

    pieces, losses = writer.encode(made, ANIME, {})

    assert losses == [
        "score of anime 1: MAL's XML cannot say it as it is",
        "comments of anime 1 and 1 more: without the characters that XML forbids",
        "tags of anime 2: MAL's XML cannot say it as it is",
        "hovercraft of anime 3: MAL's XML has no element for it",
    ]
    found = read(b"".join(pieces)).snapshot.entries(ANIME)
    assert found[1].list_status["comments"] == "a bell  rang"
    assert found[2].list_status["tags"] == ["a", "b"]
    assert found.keys() == {1, 2, 3}


# -- there and back


@pytest.mark.parametrize(("name", "medium"), [("anime-1.1.0.xml", ANIME), ("manga-1.1.0.xml", MANGA)])
def test_an_export_of_mals_comes_back_element_by_element(name: str, medium: Medium) -> None:
    """What the API knows, what only XML has, and what it says of the titles: all 23 elements of every entry."""
    original = (VALID / name).read_text(encoding="utf-8")
    reading = list_file.read(VALID / name, origin=ORIGIN)

    again = written(reading.snapshot, medium, reading.facts[medium.name])

    before, after = elements(original, medium), elements(again, medium)
    assert before
    for id, theirs in before.items():
        assert after[id] == [*theirs[:-1], ("update_on_import", "1")]
    assert after.keys() == before.keys()


@pytest.mark.parametrize(("name", "medium"), [("anime-2008.xml", ANIME), ("manga-2008.xml", MANGA)])
def test_an_old_export_comes_back_with_every_value_in_todays_order(name: str, medium: Medium) -> None:
    reading = list_file.read(VALID / name, origin=ORIGIN)

    again = written(reading.snapshot, medium, reading.facts.get(medium.name))

    before = elements((VALID / name).read_text(encoding="utf-8"), medium)
    after = {id: dict(found) for id, found in elements(again, medium).items()}
    for id, theirs in before.items():
        for element, text in theirs[:-1]:
            # An empty flag of old is no, and what today's layout has not is written where it says something.
            assert after[id].get(element, "") == text or (text == "" and after[id][element] in ("0", "0.00", "NO"))
    assert read(again).snapshot.covers == reading.snapshot.covers


@pytest.mark.parametrize("path", sorted(VALID.iterdir()), ids=lambda path: path.name)
def test_every_file_that_is_read_comes_back_as_the_same_list(path: Any) -> None:
    reading = list_file.read(path, origin=ORIGIN)
    (medium,) = (MEDIA[name] for name, names in reading.snapshot.covers.items() if names is not None)

    again = read(written(reading.snapshot, medium, reading.facts.get(medium.name)))

    assert again.snapshot.digest == reading.snapshot.digest
    assert again.snapshot.covers == reading.snapshot.covers
    assert again.snapshot.user == reading.snapshot.user
    assert again.snapshot.taken_at == reading.snapshot.taken_at
    assert again.facts == reading.facts


def _ordinary(field: Field, medium: Medium) -> st.SearchStrategy[Any]:
    """What MAL says in a field. Tags as MAL keeps them: no commas, no blanks around them, none empty."""
    sayable = texts.filter(lambda text: not writer.FORBIDDEN.search(text))
    by_kind: dict[Kind, st.SearchStrategy[Any]] = {
        Kind.WORD: st.sampled_from(medium.statuses),
        Kind.NUMBER: st.integers(0, 5000),
        Kind.FLAG: st.booleans(),
        Kind.DATE: st.dates().map(str) | st.sampled_from(["2017", "2017-10"]) | st.just(""),
        Kind.TAGS: st.lists(sayable.map(lambda text: text.replace(",", " ").strip()).filter(bool), max_size=4),
        Kind.TEXT: sayable,
        Kind.TIME: st.just("2026-01-01T00:00:00+00:00"),
    }
    return st.integers(0, field.most) if field.most < 5000 else by_kind[field.kind]


def _ordinary_lists(medium: Medium) -> st.SearchStrategy[dict[int, Entry]]:
    members = {field.name: _ordinary(field, medium) for field in medium.fields}
    status = st.fixed_dictionaries({"status": members.pop("status")}, optional=members)
    titles = texts.map(lambda text: writer.FORBIDDEN.sub("", text).strip())
    return st.dictionaries(st.integers(1, 2**53 - 1), st.tuples(titles, status), max_size=4).map(
        lambda found: {id: Entry(id, title, status) for id, (title, status) in found.items()}
    )


@given(st.data(), st.sampled_from([ANIME, MANGA]))
def test_what_mal_says_comes_back_as_it_was(data: st.DataObject, medium: Medium) -> None:
    lists = {name: data.draw(_ordinary_lists(medium)) if name == medium.name else None for name in MEDIA}
    made = Snapshot(MIKA, datetime(2026, 11, 1, tzinfo=UTC), "backup", whole(lists), lists)

    found = read(written(made, medium)).snapshot

    assert found.user == made.user
    assert found.entries(medium).keys() == made.entries(medium).keys()
    for id, entry in made.entries(medium).items():
        again = found.entries(medium)[id]
        assert again.title == entry.title
        for field in medium.writable:
            assert same(value(field, again.list_status), value(field, entry.list_status)), field


def _odd_texts(medium: Medium) -> st.SearchStrategy[dict[str, Any]]:
    """Members that only XML has, with texts that no export had: beside them the values may be quite other ones."""
    names = st.sampled_from([KEPT + element.name for element in LAYOUTS[medium.name].elements] + [f"{KEPT}tomorrow"])
    odd = st.sampled_from(["2021-02-31", "2021-13-00", "0000-12-31", "2021-00-05", "a, b,c", " ", ",", "11", "-1"])
    return st.dictionaries(names, odd | texts, max_size=3)


@given(st.data(), st.sampled_from([ANIME, MANGA]), users)
def test_whatever_a_list_holds_its_export_can_be_read(data: st.DataObject, medium: Medium, user: User) -> None:
    """What XML cannot say is named as lost; what is not so named comes back."""
    found = data.draw(title_lists(medium, misfits=True))
    for id, entry in found.items():
        dates = {name: data.draw(st.sampled_from(ODD_DATES)) for name in ("start_date", "finish_date")}
        extra = data.draw(st.just({}) | st.just(dates)) | data.draw(_odd_texts(medium))
        found[id] = entry._replace(list_status={**entry.list_status, **extra})
    lists = {name: found if name == medium.name else None for name in MEDIA}
    made = Snapshot(user, datetime(2026, 11, 1, tzinfo=UTC), "backup", whole(lists), lists)

    pieces, losses = writer.encode(made, medium, {})

    again = read(b"".join(pieces)).snapshot.entries(medium)
    lost = {sentence.rpartition(f" of {medium.name} ")[0] for sentence in losses}
    assert again.keys() == found.keys()
    for id, entry in found.items():
        for field in medium.writable:
            if field.name not in lost:
                assert same(value(field, again[id].list_status), value(field, entry.list_status)), field


ODD_DATES = (
    "2021-02-31",
    "2021-12-31",
    "2021-12",
    "2021",
    "2021-12-00",
    "0000-00-00",
    "0000",
    "31.12.2021",
    "",
    None,
    2021,
)


@given(st.data(), st.sampled_from([ANIME, MANGA]))
def test_whatever_a_list_holds_what_is_not_named_as_lost_comes_back(data: st.DataObject, medium: Medium) -> None:
    """Values that nobody would wish on an export, of any type, and statuses that are blank or unknown."""
    lists = {name: data.draw(title_lists(medium, misfits=True)) if name == medium.name else None for name in MEDIA}
    made = Snapshot(MIKA, datetime(2026, 11, 1, tzinfo=UTC), "backup", whole(lists), lists)

    pieces, losses = writer.encode(made, medium, {})

    lost = {sentence.rpartition(f" of {medium.name} ")[0] for sentence in losses}
    ET.fromstring(b"".join(pieces))
    found = read(b"".join(pieces)).snapshot.entries(medium)
    assert found.keys() == made.entries(medium).keys()
    for id, entry in made.entries(medium).items():
        for field in medium.writable:
            if field.name not in lost:
                assert same(value(field, found[id].list_status), value(field, entry.list_status)), field
