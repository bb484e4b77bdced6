"""MAL's XML exports as they come: both layouts, both media, every oddity that public ones show, and what is refused."""

import gzip
import random
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from malsync.cli.errors import hint_of
from malsync.errors import UsageError
from malsync.files import MAX_UNPACKED_BYTES
from malsync.formats import list_file
from malsync.formats.mal_xml import reader
from malsync.formats.mal_xml.reader import ImportedList
from malsync.model.medium import ANIME, MANGA, MEDIA, Medium
from malsync.model.snapshot import User
from tests.support.harness import ROOT, Malsync
from tests.support.lists import ORIGIN
from tests.support.mal_files import decode

FILES = ROOT / "fixtures" / "xml"
VALID = FILES / "valid"
# Each file that is refused, named after its fault: what is said of it, and whether --repair imports the rest.
INVALID: dict[str, tuple[str, bool]] = {
    "another-xml.xml": ("line 2: it is XML, but not a MAL export: it begins with 'rss'", False),
    "bare-ampersand.xml": ("not well-formed XML: line 23, column 25", True),
    "character-that-does-not-exist.xml": ("line 35, column 21: reference to invalid character number", True),
    "control-byte.xml": ("not well-formed XML: line 35, column 32", True),
    "control-byte.xml.gz": ("not well-formed XML: line 35, column 32", True),
    "cut-short.xml": ("line 70, column 20: unclosed token", False),
    "cut-short.xml.gz": ("is cut short or damaged", False),
    "date-is-text.xml": ("line 28: my_start_date is '05-27-2008'; a date as 2021-12-31", False),
    "document-type.xml": ("line 7: it declares a document type", False),
    "element-twice.xml": ("line 32: my_score stands twice in one anime", False),
    "empty.xml": ("empty.xml is empty", False),
    "entities-without-end.xml": ("line 2: it declares a document type or entities", False),
    "entity-from-a-file.xml": ("line 2: it declares a document type or entities", False),
    "entity-of-html.xml": ("line 23, column 22: undefined entity", True),
    "id-is-0.xml": ("line 21: the anime (One Piece) has the id '0' in series_animedb_id", False),
    "id-is-empty.xml": ("line 21: the anime (One Piece) has no id in series_animedb_id", False),
    "id-is-text.xml": ("line 21: the anime (One Piece) has the id 'twenty-one'", False),
    "id-is-too-large.xml": ("line 21: the anime (One Piece) has the id '9007199254740992'", False),
    "id-twice.xml": ("line 73: anime 21 (One Piece) stands on line 21 already", False),
    "markup-in-comments.xml": ("line 35: an element 'b' stands where there should be text", False),
    "no-id.xml": ("line 21: the anime (One Piece) has no id", False),
    "not-utf-8.xml": ("not well-formed XML: line 35, column 30", True),
    "nothing-in-it.xml": ("holds no entries, and does not say whether it is of anime or of manga", False),
    "priority-is-unknown.xml": ("line 38: my_priority is 'URGENT'; one of LOW, MEDIUM, HIGH was expected", False),
    "rewatching-is-unknown.xml": ("line 40: my_rewatching is 'perhaps'; 0 or 1 was expected", False),
    "score-is-text.xml": ("line 31: my_score is '8.5'; a whole number was expected", False),
    "status-is-a-number.xml": ("line 34: my_status is '6'", False),
    "unknown-encoding.xml": ("has an encoding that cannot be read: unknown encoding: klingon", False),
    "unknown-status.xml": (
        "line 34: my_status is 'Binging'; one of Watching, Completed, On-Hold, Dropped, Plan to Watch was expected",
        False,
    ),
    "web-page.xml": ("line 1: it declares a document type", False),
}


def read(name: str, **options: Any) -> ImportedList:
    """A file of fixtures/xml/valid."""
    return list_file.read(VALID / name, origin=ORIGIN, **options)


def statuses(name: str, medium: Medium) -> dict[int, dict[str, Any]]:
    """What the entries of such a file say, by id."""
    return {id: dict(entry.list_status) for id, entry in read(name).snapshot.entries(medium).items()}


def known(medium: Medium, *missing: str) -> tuple[str, ...]:
    """The fields that an export knows: all that are the user's, without those that are missing from it."""
    return tuple(field.name for field in medium.writable if field.name not in missing)


# -- what is read


def test_todays_layout_of_anime_says_every_value() -> None:
    entries = statuses("anime-1.1.0.xml", ANIME)

    assert entries[47] == {
        "status": "completed",
        "score": 10,
        "num_episodes_watched": 3,
        "is_rewatching": True,
        "start_date": "2021",
        "finish_date": "2023-12",
        "priority": 2,
        "num_times_rewatched": 255,
        "rewatch_value": 5,
        "tags": ["bikes", '"quoted"', "tape"],
        "comments": "[b]Neo-Tokyo[/b] is about to\n[color=#f00]E X P L O D E[/color]]",
        "xml_my_storage": "Hard Drive",
        "xml_my_storage_value": "1.50",
        "xml_my_rewatching_ep": "1",
        "xml_my_discuss": "0",
    }
    assert entries[820] == {
        "status": "plan_to_watch",
        "score": 0,
        "num_episodes_watched": 0,
        "is_rewatching": False,
        "priority": 0,
        "num_times_rewatched": 0,
        "rewatch_value": 0,
        "tags": [],
        "comments": "",
    }


def test_todays_layout_of_manga_says_every_value() -> None:
    entries = statuses("manga-1.1.0.xml", MANGA)

    assert entries[2] == {
        "status": "reading",
        "score": 10,
        "num_volumes_read": 41,
        "num_chapters_read": 364,
        "is_rereading": True,
        "start_date": "2010-05",
        "priority": 2,
        "num_times_reread": 1,
        "reread_value": 5,
        "tags": ["grim", "art"],
        "comments": "one volume\na year",
        "xml_my_id": "102938475",
        "xml_my_storage": "Retail Manga",
        "xml_my_retail_volumes": "41",
        "xml_my_discuss": "NO",
        "xml_my_sns": "allow",
    }
    assert entries[25]["is_rereading"] is False
    assert (entries[25]["priority"], entries[25]["reread_value"]) == (1, 2)


def test_the_layout_of_2008_says_nothing_of_what_it_has_not() -> None:
    """No priority, and of manga no rereading: a restore from it leaves those alone."""
    anime, manga = read("anime-2008.xml").snapshot, read("manga-2008.xml").snapshot

    assert anime.covers == {"anime": known(ANIME, "priority"), "manga": None}
    assert manga.covers == {"anime": None, "manga": known(MANGA, "priority", "is_rereading")}
    naruto = anime.entries(ANIME)[20].list_status
    assert naruto["xml_my_dvd"] == "3 of 9"
    assert naruto["num_times_rewatched"] == 0
    assert anime.entries(ANIME)[30].list_status["is_rewatching"] is False
    assert manga.entries(MANGA)[11].list_status["xml_my_id"] == "5"


def test_html_in_a_cdata_section_of_an_old_file_is_text() -> None:
    assert statuses("anime-2008.xml", ANIME)[30]["comments"] == "Fate &amp; duty &eacute;"


@pytest.mark.parametrize(("name", "medium"), [("anime-1.1.0.xml", ANIME), ("manga-1.1.0.xml", MANGA)])
def test_no_export_knows_when_an_entry_was_updated(name: str, medium: Medium) -> None:
    covers = read(name).snapshot.covers

    assert covers == {one: known(medium) if one == medium.name else None for one in MEDIA}
    assert set(medium.names) - set(covers[medium.name] or ()) == {"updated_at"}


def test_the_user_is_the_one_that_the_file_names() -> None:
    assert read("anime-1.1.0.xml").snapshot.user == User(ORIGIN, 4711, "mika")
    assert read("nobody.xml").snapshot.user == User(ORIGIN, None, "")


def test_totals_that_disagree_with_the_entries_are_not_trusted() -> None:
    """The file says 9 anime, as real ones do whose counters were off, and holds 12."""
    assert read("anime-1.1.0.xml").snapshot.counts == {"anime": 12, "manga": None}


@pytest.mark.parametrize(
    ("id", "status"),
    [(5115, "watching"), (47, "completed"), (33, "on_hold"), (523, "dropped"), (199, "plan_to_watch")],
)
def test_every_status_of_anime_is_understood(id: int, status: str) -> None:
    assert statuses("anime-1.1.0.xml", ANIME)[id]["status"] == status


@pytest.mark.parametrize(("id", "value"), [(21, 0), (523, 1), (1, 2), (227, 3), (33, 4), (47, 5)])
def test_every_rewatch_value_is_understood(id: int, value: int) -> None:
    assert statuses("anime-1.1.0.xml", ANIME)[id]["rewatch_value"] == value


@pytest.mark.parametrize(
    ("id", "tags", "kept"),
    [
        (1, ["space", "jazz"], "space,jazz"),
        (227, [" "], None),
        (33, ["grim\n"], None),
        (523, ["malSync::aHR0cHM6Ly9leGFtcGxlLm9yZw==::"], ",malSync::aHR0cHM6Ly9leGFtcGxlLm9yZw==::"),
        (21, ["never ends", "isekai?", "pirates"], "never ends, isekai?,pirates"),
    ],
)
def test_tags_are_what_stands_between_commas_however_people_wrote_them(
    id: int, tags: list[str], kept: str | None
) -> None:
    """What cannot be told from the tags, such as a leading comma, is kept beside them."""
    entry = statuses("anime-1.1.0.xml", ANIME)[id]

    assert entry["tags"] == tags
    assert entry.get("xml_my_tags") == kept


def test_no_part_of_a_date_is_invented_and_none_is_lost() -> None:
    """MAL's site lets one leave out any part; the API can say a year, or a month of a year."""
    entry = statuses("anime-1.1.0.xml", ANIME)[199]

    assert entry["start_date"] == "2021"
    assert entry["xml_my_start_date"] == "2021-00-05"
    assert "finish_date" not in entry
    assert entry["xml_my_finish_date"] == "0000-07-00"


def test_comments_are_exact() -> None:
    assert statuses("anime-1.1.0.xml", ANIME)[1]["comments"] == "See you ]]> space cowboy… می\u200cخواهم & <i>"


def test_line_ends_of_the_file_are_no_part_of_a_comment_and_those_of_a_browser_are() -> None:
    """A text box sends CR LF. In a file whose every line ends so, as Windows copies do, nobody can tell."""
    assert statuses("windows-line-ends.xml", ANIME)[21]["comments"] == "two\nlines"
    assert statuses("line-ends-of-a-browser.xml", ANIME)[21]["comments"] == "two\r\nlines"


@pytest.mark.parametrize("name", ["utf-16.xml", "byte-order-mark.xml", "windows-line-ends.xml"])
def test_another_encoding_is_read_as_well(name: str) -> None:
    assert read(name).snapshot.counts == {"anime": 1, "manga": None}


def test_titles_in_any_script_are_read() -> None:
    assert read("utf-16.xml").snapshot.entries(ANIME)[199].title == "千と千尋の神隠し"
    assert read("anime-1.1.0.xml").snapshot.entries(ANIME)[199].title == "千と千尋の神隠し 🐉"


def test_a_file_that_says_the_wrong_type_is_read_by_what_it_holds() -> None:
    """Some tools swapped the two numbers, and MAL refuses their files (Jacekun/AniPy issue 4)."""
    reading = read("type-swapped.xml")

    assert reading.snapshot.counts == {"anime": 1, "manga": None}
    (remark,) = reading.remarks
    assert "says that it is of manga" in remark


def test_plan_to_read_an_anime_is_plan_to_watch() -> None:
    """Shikimori wrote so (shikimori issue 1407)."""
    assert statuses("plan-to-read-an-anime.xml", ANIME)[21]["status"] == "plan_to_watch"


def test_an_empty_export_is_an_empty_list() -> None:
    assert read("no-entries.xml").snapshot.counts == {"anime": None, "manga": 0}
    assert read("no-entries.xml").snapshot.covers["manga"] == known(MANGA)


def test_a_file_of_another_tool_covers_what_it_says() -> None:
    snapshot = read("nobody.xml").snapshot

    assert snapshot.covers == {"anime": ("status", "num_episodes_watched", "comments"), "manga": None}
    assert snapshot.entries(ANIME)[21].title == "One & Piece"
    assert snapshot.entries(ANIME)[21].list_status == {
        "status": "watching",
        "num_episodes_watched": 7,
        "comments": "plain",
    }


def test_what_a_row_lacks_is_unknown_to_that_entry_alone() -> None:
    """Kitsu writes an element only where there is a value, and On Hold with a blank (hummingbird-me/kitsu-server, row.rb)."""
    snapshot = read("sparse-rows.xml").snapshot

    assert snapshot.entries(ANIME)[1].unknown == {"tags"}
    assert snapshot.entries(ANIME)[20].unknown == {"score", "finish_date", "tags", "comments"}
    assert statuses("sparse-rows.xml", ANIME)[20]["status"] == "on_hold"
    assert statuses("sparse-rows.xml", ANIME)[1]["comments"] == 'better than <most> & "fine"'


def test_what_a_later_layout_adds_is_kept_or_named() -> None:
    reading = read("elements-of-tomorrow.xml")

    assert reading.snapshot.entries(ANIME)[21].list_status["xml_my_mood"] == "cheerful"
    assert reading.remarks == (f"{VALID / 'elements-of-tomorrow.xml'}: <favourites> on line 48 is passed over.",)


# -- when the list was taken


def test_the_time_is_the_one_in_mals_name_for_the_file() -> None:
    assert read("animelist_1700000000_-_4711.xml.gz").snapshot.taken_at == datetime(
        2023, 11, 14, 22, 13, 20, tzinfo=UTC
    )


def test_without_any_the_time_is_the_files(tmp_path: Path) -> None:
    import os

    path = tmp_path / "list.xml"
    shutil.copy(VALID / "anime-1.1.0.xml", path)
    os.utime(path, (1_600_000_000.1234, 1_600_000_000.1234))

    assert list_file.read(path, origin=ORIGIN).snapshot.taken_at.isoformat() == "2020-09-13T12:26:40.123000+00:00"


def test_a_name_with_a_number_that_is_no_time_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "animelist_99999999999_-_1.xml"
    shutil.copy(VALID / "anime-1.1.0.xml", path)

    assert list_file.read(path, origin=ORIGIN).snapshot.taken_at.year == 5138
    path = path.rename(tmp_path / "animelist_999999999999_-_1.xml")
    assert list_file.read(path, origin=ORIGIN).snapshot.taken_at.year < 2100


# -- what is refused


def test_an_empty_status_is_no_status_and_is_named() -> None:
    """MAL's own exports have it (docs/mal.md#xml-exports)."""
    path = VALID / "no-status.xml"

    reading = read("no-status.xml")

    assert "status" not in reading.snapshot.entries(ANIME)[21].list_status
    assert reading.remarks == (f"{path}, line 21: anime 21 (One Piece) has an empty my_status: read without a status.",)


def test_several_empty_statuses_are_one_remark() -> None:
    text = (VALID / "anime-1.1.0.xml").read_text("utf-8")
    blank = re.sub("<my_status>.*?</my_status>", "<my_status> </my_status>", text).encode()

    reading = reader.decode(blank, "a file", origin=ORIGIN, written=datetime.now(UTC))

    entries = reading.snapshot.entries(ANIME)
    (remark,) = reading.remarks
    assert f", and so have {len(entries) - 1} more: read without a status." in remark
    assert not [entry for entry in entries.values() if "status" in entry.list_status]
    assert {entry.list_status["score"] for entry in entries.values()} > {0}


@pytest.mark.promise("guards-10")
@pytest.mark.parametrize(
    ("element", "text", "why"),
    [
        ("my_score", "11", "it is not between 0 and 10"),
        ("my_score", "-1", "it is not between 0 and 10"),
        ("my_watched_episodes", "-3", "it is not between 0 and 9007199254740991"),
        ("my_times_watched", "-1", "it is not between 0 and 9007199254740991"),
        ("my_priority", "3", "it is not between 0 and 2"),
        ("my_rewatch_value", "6", "it is not between 0 and 5"),
        ("my_start_date", "2021-02-31", "it is not a date such as 2021-12-31, 2021-12 or 2021"),
        ("my_finish_date", "2021-13-00", "it is not a date such as 2021-12-31, 2021-12 or 2021"),
        ("my_finish_date", "31.12.2021", "a date as 2021-12-31, 2021-12-00 or 2021-00-00 was expected"),
    ],
)
def test_a_value_that_mal_does_not_support_is_named_with_line_and_title(element: str, text: str, why: str) -> None:
    content = (VALID / "no-status.xml").read_text("utf-8")
    odd = re.sub(f"<{element}>.*?</{element}>", f"<{element}>{text}</{element}>", content)
    line = odd[: odd.index(f"<{element}>")].count("\n") + 1

    with pytest.raises(UsageError) as caught:
        reader.decode(odd.encode(), "a file", origin=ORIGIN, written=datetime.now(UTC))

    assert caught.value.message == f"a file, line {line}: {element} is '{text}'; {why}: anime 21 (One Piece)."


def test_every_file_that_is_kept_as_an_example_is_tested() -> None:
    assert sorted(path.name for path in (FILES / "invalid").iterdir()) == sorted(INVALID)
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in VALID.iterdir() if path.name not in source and path.name not in LATER] == []


LATER = {"mangalist_1700000001_-_4711.xml.gz"}  # in test_cli_exchange.py


@pytest.mark.promise("security-41")
@pytest.mark.parametrize("name", INVALID)
def test_a_bad_file_ends_with_2_names_the_line_and_stores_nothing(offline: Malsync, name: str) -> None:
    message, repairable = INVALID[name]

    for command in ("import", "show"):
        error = offline.error(command, FILES / "invalid" / name, exit_code=2)
        assert str(FILES / "invalid" / name) in error["message"]
        assert message in error["message"]
        assert ("--repair" in error["hint"]) is repairable

    assert not (offline.home / "mirror.db").exists()


@pytest.mark.parametrize("name", [name for name, (_, repairable) in INVALID.items() if not repairable])
def test_what_cannot_be_repaired_is_refused_with_repair_too(offline: Malsync, name: str) -> None:
    error = offline.error("import", "--repair", FILES / "invalid" / name, exit_code=2)

    assert INVALID[name][0] in error["message"]
    assert not (offline.home / "mirror.db").exists()


@pytest.mark.promise("security-40")
def test_a_bomb_does_not_go_off(offline: Malsync, tmp_path: Path) -> None:
    piece = gzip.compress(b" " * 2**20)
    bomb = tmp_path / "animelist.xml.gz"
    with bomb.open("wb") as file:
        for _ in range((MAX_UNPACKED_BYTES >> 20) + 1):
            file.write(piece)

    assert (
        f"unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB" in offline.error("import", bomb, exit_code=2)["message"]
    )


@pytest.mark.promise("security-40")
def test_elements_within_elements_without_end_are_refused_at_once() -> None:
    content = b"<myanimelist><anime><my_tags>" + b"<a>" * 500_000

    with pytest.raises(UsageError, match="line 1: an element 'a' stands where there should be text"):
        decode(content)


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("name", ["anime-1.1.0.xml", "manga-2008.xml", "utf-16.xml"])
def test_damage_anywhere_is_an_error_in_words_or_a_list(name: str, repair: bool) -> None:
    """A file cut off at any place, or with any byte changed: never another exception."""
    content = (VALID / name).read_bytes()
    chance = random.Random(f"{name} {repair}")
    damaged = [content[: chance.randrange(len(content))] for _ in range(60)]
    for _ in range(240):
        place = chance.randrange(len(content))
        damaged.append(content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :])

    assert {outcome(one, repair=repair) for one in damaged} == {ImportedList, UsageError}


def outcome(content: bytes, *, repair: bool) -> type:
    """What comes of a file: a list, or an error that says what to do."""
    try:
        return type(decode(content, repair=repair))
    except UsageError as error:
        return UsageError if hint_of(error) else AssertionError
