"""What malsync knows of titles: plans under MAL's titles, lists of another site, and progress that MAL will not store."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from malsync.model.diff import FieldChanges
from malsync.model.entry import Entry
from malsync.model.medium import ANIME, MEDIA, Medium
from malsync.planning.known_titles import FEWEST_FOREIGN, Known, Titles, folded
from malsync.planning.restore_plan import Plan, PlannedWrite
from malsync.sandbox import Sandbox, World
from malsync.text import display_width
from tests.support import strategies
from tests.support.harness import Malsync
from tests.support.lists import write
from tests.support.terminal import on_terminal
from tests.support.writing import absent, ids, lists, mine, small, someone, title_of, writes


@pytest.fixture
def world() -> World:
    """A dozen anime, so that every one of them is in each plan that is shown."""
    return small(anime=12, manga=3)


def titled(box: Sandbox, path: Path, titles: dict[int, str], **more: Any) -> Path:
    """A file of the anime list, each entry with a better score, some under other titles."""
    entries = {id: {**entry, "score": 10, **more} for id, entry in box.entries(box.user, "anime").items()}
    made = mine(box, {"anime": entries})
    here = {id: replace_title(entry, titles.get(id, entry.title)) for id, entry in made.entries(ANIME).items()}
    return write(path, replace(made, lists={**made.lists, "anime": here}))


def replace_title(entry: Entry, title: str) -> Entry:
    """The same entry under another title."""
    return entry._replace(title=title)


# -- when two titles are one


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Cowboy Bebop", "COWBOY  bebop!"),
        ("Re:Zero", "Re Zero"),
        ("ＦＬＣＬ", "flcl"),
        ("Steins;Gate", "Steins Gate"),
        ("Straße", "STRASSE"),
        ("ｶﾞﾝﾀﾞﾑ", "ガンダム"),
        ("???", " ? ? ? "),
    ],
)
def test_case_width_and_punctuation_are_no_difference(a: str, b: str) -> None:
    assert folded(a) == folded(b)


@pytest.mark.parametrize(("a", "b"), [("Naruto", "Boruto"), ("K", "K2"), ("???", "!!!"), ("かき", "かぎ")])
def test_other_letters_and_digits_are(a: str, b: str) -> None:
    assert folded(a) != folded(b)


@given(strategies.texts)
def test_a_title_is_itself_however_it_is_cased(title: str) -> None:
    assert folded(folded(title)) == folded(title)


@pytest.mark.parametrize(
    ("different", "compared", "foreign"), [(2, 2, False), (3, 5, True), (3, 6, False), (4, 6, True), (50, 100, False)]
)
def test_most_titles_must_differ_and_at_least_three(different: int, compared: int, foreign: bool) -> None:
    entries = [(ANIME, Entry(id, "Naruto" if id <= different else f"Title {id}!", {})) for id in range(1, compared + 1)]
    known = Known({("anime", id): (f"Title {id}",) for id in range(1, compared + 1)})

    found = known.compare([*entries, (ANIME, Entry(900, "unknown to MAL", {})), (ANIME, Entry(1, " ", {}))])

    assert (len(found.different), found.compared, found.are_foreign) == (different, compared, foreign)
    assert FEWEST_FOREIGN == 3
    assert Titles().are_foreign is False


def test_an_alternative_title_is_mals_too() -> None:
    known = Known({("anime", 1): ("Shingeki no Kyojin", "Attack on Titan", "進撃の巨人")})

    for title in ("Attack on Titan!", "進撃の巨人", "shingeki NO kyojin"):
        assert known.compare([(ANIME, Entry(1, title, {}))]) == Titles(1)


# -- whose titles a plan shows


@pytest.mark.promise("guards-11")
def test_a_plan_shows_mals_title_and_a_warning_shows_both(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    one, *_ = ids(box)
    file = titled(box, tmp_path / "list.json", {one: "Some Other Show Entirely"})

    said = malsync.ok("restore", file, "--dry-run")
    document = malsync.json("restore", file, "--dry-run")

    mals = title_of(box, "anime", one)
    assert "Some Other" not in said.stdout
    assert f'anime {one}: "Some Other Show Entirely" there, "{mals}" on MAL' in said.stderr
    assert {item["id"]: item["title"] for item in document["changes"]}[one] == mals
    assert document["titles"] == [
        {"list": str(file), "medium": "anime", "id": one, "title": "Some Other Show Entirely", "mal_title": mals}
    ]


def test_mals_titles_alone_are_no_warning(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    shouted = {id: title_of(box, "anime", id).upper() + "!" for id in ids(box)}

    said = malsync.ok("restore", titled(box, tmp_path / "list.json", shouted), "--dry-run")

    assert "on MAL" not in said.stderr
    assert "titles" not in malsync.json("restore", tmp_path / "list.json", "--dry-run")


def test_an_added_title_has_the_catalogues_name(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")
    one, two, *_ = ids(box)
    file = titled(box, tmp_path / "list.json", {one: "Some Other Show Entirely", two: "Another"})
    for id in (one, two):
        box.remove(box.user, "anime", id)

    document = malsync.json("restore", file, "--dry-run")

    added = {item["id"]: item["title"] for item in document["changes"] if item["op"] == "add"}
    assert added == {id: title_of(box, "anime", id) for id in (one, two)}
    assert {item["id"] for item in document["titles"]} == {one, two}


def test_the_titles_of_an_import_are_not_mals(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    """The mirror has them, and has never read them from MAL."""
    file = titled(box, tmp_path / "list.json", dict.fromkeys(ids(box), "Naruto"))
    malsync.ok("import", file)
    for id in ids(box):
        box.remove(box.user, "anime", id)

    assert "titles" not in malsync.json("restore", file, "--dry-run")
    said = malsync.ok("restore", file, "--dry-run").stderr
    assert f"12 titles in the plan are from {file}; MAL's own are not known here." in said


def test_fetched_details_know_the_other_names(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")
    malsync.ok("fetch", "details", "--only", "anime")
    names = {}
    for id in ids(box):
        names[id] = _japanese(malsync, id) or title_of(box, "anime", id)
    file = titled(box, tmp_path / "list.json", names)

    assert "titles" not in malsync.json("restore", file, "--dry-run")
    assert any(name != title_of(box, "anime", id) for id, name in names.items())


def _japanese(malsync: Malsync, id: int) -> str:
    from malsync.mirror import Mirror

    with Mirror.open(malsync.home / "mirror.db") as mirror:
        names = mirror.catalogue.names(ANIME, [id]).get(id, ())
    return next((name for name in names if not name.isascii()), "")


# -- a list of another site


def foreign(box: Sandbox, path: Path, number: int = 7) -> Path:
    """A file in which so many of twelve titles are others."""
    return titled(box, path, dict.fromkeys(ids(box)[:number], "Some Other Show Entirely"))


@pytest.mark.promise("guards-11")
@pytest.mark.parametrize("number", [3, 6, 7, 12])
def test_a_file_of_another_site_is_refused(malsync: Malsync, box: Sandbox, tmp_path: Path, number: int) -> None:
    file = foreign(box, tmp_path / "list.json", number)
    if number <= 6:
        malsync.ok("restore", file, "--yes")
        return

    dry = malsync.ok("restore", file, "--dry-run")
    error = malsync.error("restore", file, "--yes", exit_code=7)

    assert f"{number} of 12 titles are not what MAL calls these ids" in error["message"]
    assert "--force" in error["hint"]
    assert "This would be refused" in dry.stderr
    assert writes(box) == {}
    malsync.ok("restore", file, "--yes", "--force")
    assert writes(box) != {}


def test_filters_narrow_it_before_the_titles_are_counted(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    file = foreign(box, tmp_path / "list.json")
    one = ids(box)[0]

    document = malsync.json("restore", file, "--id", f"anime:{one}", "--yes")

    assert [item["id"] for item in document["changes"]] == [one]
    assert [item["id"] for item in document["titles"]] == [one]


def test_migrating_and_reverting_by_such_a_file_are_refused_too(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    file = foreign(box, tmp_path / "list.json")
    another = titled(box, tmp_path / "other.json", {}, score=3)
    malsync.ok("backup")

    malsync.error("revert", file, another, "--yes", exit_code=7)
    malsync.error("revert", another, file, "--yes", exit_code=7)
    malsync.error("restore", file, "--only", "anime", "--yes", exit_code=7)
    env = someone(malsync, box)
    malsync.error("migrate", file, "--to", "second", "--yes", exit_code=7, env=env)
    assert writes(box) == {}
    malsync.ok("migrate", file, "--to", "second", "--yes", "--force", env=env)


def test_a_plan_under_other_titles_is_refused_too(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    file = foreign(box, tmp_path / "list.json")
    malsync.error("restore", file, "--plan", tmp_path / "plan.json", exit_code=7)
    assert not (tmp_path / "plan.json").exists()
    malsync.ok("restore", file, "--force", "--plan", tmp_path / "plan.json")
    text = (tmp_path / "plan.json").read_text()
    assert "Some Other" not in text
    for id in ids(box)[:7]:
        title = f'"title":"{title_of(box, "anime", id)}"'
        assert title in text
        text = text.replace(title, '"title":"Harmless"')
    (tmp_path / "plan.json").write_text(text)

    dry = malsync.ok("apply", tmp_path / "plan.json", "--dry-run")
    malsync.error("apply", tmp_path / "plan.json", exit_code=7)

    assert "Harmless" not in dry.stdout
    assert "This would be refused" in dry.stderr
    assert writes(box) == {}
    malsync.ok("apply", tmp_path / "plan.json", "--force")


@pytest.mark.promise("guards-11")
def test_an_import_of_another_site_is_marked_and_refused_by_number(
    malsync: Malsync, box: Sandbox, tmp_path: Path
) -> None:
    """The mirror goes by MAL's titles, so what it has of the import no longer shows whose ids these are."""
    malsync.ok("backup")
    file = foreign(box, tmp_path / "list.json")

    document = malsync.json("import", file)
    said = malsync.ok("import", file)

    number = str(document["snapshot"])
    assert document["suspicious"] == ["most titles are not MAL's for these ids (7 of 12)"]
    assert len(document["titles"]) == 7
    assert '"Some Other Show Entirely" there' in said.stderr
    malsync.error("restore", number, "--yes", exit_code=7)
    assert "This would be refused" in malsync.ok("restore", number, "--dry-run").stderr
    assert writes(box) == {}
    malsync.ok("restore", number, "--yes", "--force")


@pytest.mark.parametrize("later", ["", "backup"])
def test_an_import_is_compared_with_the_live_list_when_it_is_restored(
    malsync: Malsync, box: Sandbox, tmp_path: Path, later: str
) -> None:
    """It keeps its own titles, whatever MAL is found to call these ids afterwards."""
    malsync.ok("import", foreign(box, tmp_path / "list.json"))
    if later:
        malsync.ok(later)

    error = malsync.error("restore", "1", "--yes", exit_code=7)

    assert "7 of 12" in error["message"]


# -- progress above a title's total


@pytest.fixture
def above(malsync: Malsync, box: Sandbox) -> tuple[int, int]:
    """A title with a total that the catalogue knows, on the newest backup with more than that: its id, and the total."""
    for id in ids(box):
        total = (box.world.catalogue.get("anime", id) or {}).get("num_episodes") or 0
        if total:
            box.edit(box.user, "anime", id, status="watching", num_episodes_watched=total + 3)
            malsync.ok("backup")
            malsync.ok("fetch", "details", "--only", "anime")
            return id, total
    raise AssertionError


def beyond(box: Sandbox, id: int, total: int, was: int | None) -> dict[str, Any]:
    """What a plan says of it beforehand."""
    return {
        "medium": "anime",
        "id": id,
        "title": title_of(box, "anime", id),
        "why": f"num_episodes_watched: MAL will store {total}, the title's total",
        "fields": {"num_episodes_watched": {"from": was, "to": total + 3}},
    }


@pytest.mark.promise("guards-12")
def test_a_plan_says_what_mal_will_store(malsync: Malsync, box: Sandbox, above: tuple[int, int]) -> None:
    id, total = above
    box.edit(box.user, "anime", id, num_episodes_watched=0)

    dry = malsync.json("restore", "latest", "--dry-run")
    said = malsync.ok("restore", "latest", "--dry-run")

    assert dry["left"] == [beyond(box, id, total, 0)]
    assert f"MAL will store {total}" in said.stderr
    assert writes(box) == {}


@pytest.mark.promise("guards-12")
@pytest.mark.parametrize("way", ["restore", "revert", "apply", "rehearse"])
def test_it_is_one_line_before_and_one_after(
    malsync: Malsync, box: Sandbox, above: tuple[int, int], way: str, tmp_path: Path
) -> None:
    id, total = above
    box.remove(box.user, "anime", id)
    malsync.ok("backup")
    plan = tmp_path / "plan.json"
    malsync.ok("revert", "1", "2", "--plan", plan)
    command = {
        "restore": ("restore", "1"),
        "revert": ("revert", "1", "2"),
        "apply": ("apply", plan),
        "rehearse": ("restore", "1", "--rehearse"),
    }[way]

    dry = malsync.json(*command[: 2 if way != "revert" else 3], "--dry-run")
    done = malsync.json(*command, *(["--yes"] if way in ("restore", "revert") else []), exit_code=5)

    assert dry["left"] == [beyond(box, id, total, None)]
    (left,) = done["left"]
    assert (left["id"], left["why"]) == (id, f"num_episodes_watched: wanted {total + 3}, MAL keeps {total}")
    assert left["fields"] == {"num_episodes_watched": {"wanted": total + 3, "live": total}}
    assert done["outcomes"]["not_restorable"] == 1


def test_where_mal_stores_it_after_all_nothing_is_left(malsync: Malsync, box: Sandbox, above: tuple[int, int]) -> None:
    """The catalogue may be older than the title's last season."""
    id, total = above
    box.edit(box.user, "anime", id, num_episodes_watched=0)
    title = box.world.catalogue.get("anime", id) or {}
    box.world.catalogue.put("anime", {**title, "num_episodes": total + 12})

    document = malsync.json("restore", "latest", "--yes")

    assert (document["left"], document["equal"]) == ([], True)
    assert lists(box)["anime"][id]["num_episodes_watched"] == total + 3


def test_a_plan_that_was_edited_to_the_total_leaves_nothing(
    malsync: Malsync, box: Sandbox, above: tuple[int, int], tmp_path: Path
) -> None:
    id, total = above
    box.edit(box.user, "anime", id, num_episodes_watched=0)
    malsync.ok("restore", "latest", "--plan", tmp_path / "plan.json")
    text = (tmp_path / "plan.json").read_text()
    head, mark, left = text.partition('"left":')
    (tmp_path / "plan.json").write_text(head.replace(f'"to":{total + 3}', f'"to":{total}') + mark + left)

    document = malsync.json("apply", tmp_path / "plan.json")

    assert f"MAL will store {total}" in left
    assert (document["left"], document["equal"]) == ([], True)


def test_a_total_that_only_a_file_gave_is_not_mals(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    """An export says how long a title was when it was written."""
    malsync.ok("backup")
    malsync.ok("export", "latest", "--format", "xml", "--only", "anime", "--output", tmp_path / "list.xml")
    text = re.sub("<series_episodes>.*?<", "<series_episodes>1<", (tmp_path / "list.xml").read_text("utf-8"))
    (tmp_path / "list.xml").write_text(text, "utf-8")
    malsync.ok("import", tmp_path / "list.xml")
    box.edit(box.user, "anime", ids(box)[0], num_episodes_watched=0, status="plan_to_watch")

    document = malsync.json("restore", "1", "--dry-run")

    assert document["changes"]
    assert document["left"] == []


@pytest.mark.parametrize("medium", MEDIA.values())
def test_every_count_of_progress_has_its_total(medium: Medium) -> None:
    totals = dict.fromkeys(medium.progress, 5)
    known = Known(totals={(medium.name, 1): totals})
    fields: FieldChanges = {name: (0, to) for name, to in zip(medium.progress, (6, 5), strict=False)}

    left = known.applied(Plan((PlannedWrite("update", medium, 1, "", fields, {}),))).left

    assert [(one.why, list(one.fields)) for one in left] == [
        (f"{medium.progress[0]}: MAL will store 5, the title's total", [medium.progress[0]])
    ]


def test_resuming_does_not_take_its_own_write_for_somebody_elses(
    malsync: Malsync, box: Sandbox, above: tuple[int, int]
) -> None:
    """The write arrived, MAL stored the total, and the answer was lost."""
    id, total = above
    box.remove(box.user, "anime", id)
    box.add_faults("cut:at=before,method=PATCH;500:method=GET,nth=4-99")
    malsync.ok("restore", "latest", "--yes", exit_code=4)
    box.clear_faults()
    assert lists(box)["anime"][id]["num_episodes_watched"] == total
    assert f"MAL keeps {total}" in malsync.ok("resume", "--dry-run").stderr

    document = malsync.json("resume", exit_code=5)

    (left,) = document["left"]
    assert left["fields"] == {"num_episodes_watched": {"wanted": total + 3, "live": total}}
    assert "moved" not in left["why"]


# -- what a plan shows of what it adds and removes


COLOUR = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
NOTE = "Watched with Aino on the night train; the ending is better the second time, and the music too."


def test_an_added_entry_shows_every_field_that_is_sent(malsync: Malsync, box: Sandbox) -> None:
    one = ids(box)[0]
    box.edit(
        box.user, "anime", one,
        start_date="2020-01-31", finish_date="2021", tags=["cinema", "cried"], comments=NOTE, num_times_rewatched=4,
        priority=2, rewatch_value=5, is_rewatching=True, score=9,
    )  # fmt: skip
    malsync.ok("backup")
    box.remove(box.user, "anime", one)

    said = malsync.ok("restore", "latest", "--dry-run").stdout
    (change,) = malsync.json("restore", "latest", "--dry-run")["changes"]

    for name in change["fields"]:
        assert f" {name} " in said
    for text in ("2020-01-31", "2021", "cinema, cried", "Watched with Aino"):
        assert text in said
    assert NOTE not in said
    assert "Long values are shortened. In full: -v" in said


@pytest.mark.parametrize("columns", [80, 120])
def test_verbose_shows_long_text_in_full_within_the_screen(
    malsync: Malsync, box: Sandbox, tmp_path: Path, columns: int
) -> None:
    one = ids(box)[0]
    box.edit(box.user, "anime", one, comments=f"{NOTE}\n進撃の巨人 {NOTE}")
    malsync.ok("backup")
    box.remove(box.user, "anime", one)

    _, short = on_terminal(malsync, "restore", "latest", "--dry-run", columns=columns)
    _, full = on_terminal(malsync, "-v", "restore", "latest", "--dry-run", columns=columns)

    words = NOTE.split()
    assert words[-1] not in short
    assert full.count(words[-1]) == 2
    for shown in (short, full):
        rows = shown[shown.index("title ") :].splitlines()
        assert max(display_width(COLOUR.sub("", row)) for row in rows) <= columns


def test_a_removed_entry_shows_every_field_that_is_lost(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    new = absent(box)
    box.add(box.user, "anime", new, status="watching", comments="not to be lost unseen", tags=["one", "two"])

    said = malsync.ok("restore", "latest", "--mode", "exact", "--dry-run").stdout

    assert "not to be lost unseen" in said
    assert "one, two" in said
