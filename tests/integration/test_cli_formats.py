"""`export` and `import` of what others read too: MAL's XML and CSV, through the mirror, from files, and into accounts."""

import csv
import gzip
import io
import os
import re
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from malsync.formats import snapshot_file
from malsync.model.medium import ANIME
from malsync.sandbox import Sandbox
from tests.support.harness import ROOT, Malsync, clean_environment
from tests.support.lists import MIKA, snapshot, watched, write
from tests.support.servers import FarSide
from tests.support.signing import sign_in
from tests.support.terminal import on_terminal

VALID = ROOT / "fixtures" / "xml" / "valid"
ANIME_FILE, MANGA_FILE = VALID / "animelist_1700000000_-_4711.xml.gz", VALID / "mangalist_1700000001_-_4711.xml.gz"


@pytest.fixture
def box(box: Sandbox) -> Sandbox:
    """A sandbox whose lists can all be said in XML: the sandbox's own have a tag with a comma and an escape sequence."""
    box.edit(box.user, "anime", 22839, tags=["an advert"])
    box.edit(box.user, "anime", 34599, comments="not for children")
    return box


def texts_of(path: Path) -> list[dict[str, str]]:
    """What each entry of an export says, element by element, by another parser than ours."""
    content = path.read_bytes()
    root = ET.fromstring(gzip.decompress(content) if path.suffix == ".gz" else content)
    return [{one.tag: one.text or "" for one in entry} for entry in root if entry.tag != "myinfo"]


@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_what_a_list_holds_cannot_move_the_terminal_that_it_is_exported_to(
    offline: Malsync, tmp_path: Path, form: str
) -> None:
    path = write(tmp_path / "list.json", snapshot({1: watched(1, comments="\x1b[2J \x9b1m \u202e")}, None))
    command = ("export", str(path), "--format", form, *(() if form == "json" else ("--output", "-")))

    code, screen = on_terminal(offline, *command)

    assert code == 0
    assert not re.search("\x1b\\[2J|[\x9b\u202e]", screen)
    assert r"\u202e" in screen
    # Where it goes to a program or a file, it is what it is.
    assert "\u202e" in offline.ok(*command).stdout


# -- out: XML


def test_an_export_as_xml_is_two_files_under_mals_names(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")

    document = malsync.json("export", "latest", "--format", "xml", "--output", f"{tmp_path}/")

    assert document["losses"] == []
    files = {name: Path(path) for name, path in document["files"].items()}
    assert [re.sub(r"\d{10}", "EPOCH", path.name) for path in files.values()] == [
        "animelist_EPOCH_-_9000001.xml.gz",
        "mangalist_EPOCH_-_9000001.xml.gz",
    ]
    for name, path in files.items():
        assert path.stat().st_mode & 0o777 == 0o600
        entries = texts_of(path)
        assert {int(next(iter(entry.values()))) for entry in entries} == box.entries(box.user, name).keys()
        assert {entry["update_on_import"] for entry in entries} == {"1"}


def test_without_a_place_the_files_go_where_one_is(
    malsync: Malsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    malsync.ok("backup")
    monkeypatch.chdir(tmp_path)

    malsync.ok("export", "latest", "--format", "xml", "--only", "manga")
    malsync.ok("export", "latest", "--format", "csv")

    found = sorted(re.sub(r"\d{10}", "EPOCH", path.name) for path in tmp_path.glob("*list*"))
    assert found == [
        "animelist_EPOCH_-_9000001.csv",
        "mangalist_EPOCH_-_9000001.csv",
        "mangalist_EPOCH_-_9000001.xml.gz",
    ]


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("{medium}.xml", ["anime.xml", "manga.xml"]),
        ("list.xml.gz", ["list-anime.xml.gz", "list-manga.xml.gz"]),
    ],
)
def test_one_name_makes_two(malsync: Malsync, tmp_path: Path, target: str, names: list[str]) -> None:
    malsync.ok("backup")

    malsync.ok("export", "latest", "--format", "xml", "--output", f"{tmp_path}/{target}")

    assert sorted(path.name for path in tmp_path.glob("*.xml*")) == names
    assert all((path.read_bytes()[:2] == b"\x1f\x8b") is (path.suffix == ".gz") for path in tmp_path.glob("*.xml*"))


def test_one_list_goes_to_stdout(malsync: Malsync, tmp_path: Path) -> None:
    malsync.ok("backup")
    malsync.ok("export", "latest", "--format", "xml", "--only", "anime", "--output", tmp_path / "list.xml")

    result = malsync.ok("export", "latest", "--format", "xml", "--only", "anime", "--output", "-")

    assert result.stdout == (tmp_path / "list.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "xml", "--output", "-"), "Standard output takes one list"),
        (("--format", "csv", "--only", "anime", "--output", "-", "--json"), "--json and csv on stdout"),
        (("--format", "json", "--only", "anime"), "--only does not go with json"),
        (("--format", "xml", "--spreadsheet"), "--spreadsheet does not go with xml"),
        (("--format", "sqlite", "--output", "-", "--json"), "does not fit --json"),
        (("--format", "sqlite", "--output", "{medium}.db"), "both lists are one file"),
        (("--output", "{medium}.json"), "both lists are one file"),
        (("--output", "list.xml.gz"), "Say --format xml"),
        (("--output", "List.CSV"), "Say --format csv"),
    ],
)
def test_what_does_not_fit_together_ends_with_2(malsync: Malsync, arguments: tuple[str, ...], words: str) -> None:
    malsync.ok("backup")

    result = malsync.ok("export", "latest", *arguments, exit_code=2)

    assert words in result.stderr


def test_only_what_datasette_can_open_is_said_to_be_for_it(offline: Malsync, tmp_path: Path) -> None:
    path = write(tmp_path / "list.json", snapshot({1: watched(1)}, {}))

    said = {
        name: offline.ok("export", path, "--format", "sqlite", "--output", tmp_path / name).stdout
        for name in ("a list.db", "list.db.gz")
    }

    assert f"datasette '{tmp_path}/a list.db'" in said["a list.db"]
    assert "Look at it" not in said["list.db.gz"]


@pytest.mark.parametrize("form", ["csv", "sqlite"])
def test_a_form_from_which_nothing_comes_back_is_told_apart_from_a_damaged_file(
    offline: Malsync, tmp_path: Path, form: str
) -> None:
    path = write(tmp_path / "list.json", snapshot({1: watched(1)}, None))
    written = tmp_path / f"list.{form}"
    offline.ok("export", path, "--format", form, "--output", written)

    error = offline.error("import", written, exit_code=2)

    assert "nothing comes back from CSV and SQLite" in error["message"]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are all UTF-8")
def test_a_files_name_need_not_be_utf_8(offline: Malsync, tmp_path: Path) -> None:
    path = write(tmp_path / "odd\udcff.json", snapshot({1: watched(1)}, None))
    target = tmp_path / "out\udcff.xml"

    document = offline.json("import", path)
    exported = offline.json("export", "1", "--format", "xml", "--output", target)
    error = offline.error("import", tmp_path / "not there\udcff.json", exit_code=2)

    assert document["files"] == [str(path)]
    assert exported["files"] == {"anime": str(target)}
    assert target.exists()
    assert "not there" in error["message"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_list_comes_through_a_pipe(offline: Malsync, tmp_path: Path, packed: bool) -> None:
    pipe, content = tmp_path / "pipe", gzip.decompress(ANIME_FILE.read_bytes())
    os.mkfifo(pipe)
    writer = threading.Thread(
        target=pipe.write_bytes, args=(gzip.compress(content) if packed else content,), daemon=True
    )
    writer.start()

    shown = offline.json("show", pipe)

    writer.join(timeout=10)
    assert shown["entries"] == offline.json("show", ANIME_FILE)["entries"]


def test_a_list_that_a_snapshot_does_not_know_is_said_to_be_missing(offline: Malsync, tmp_path: Path) -> None:
    result = offline.ok("export", ANIME_FILE, "--format", "xml", "--output", f"{tmp_path}/")

    assert "does not know the manga list" in result.stderr
    error = offline.error("export", ANIME_FILE, "--format", "csv", "--only", "manga", exit_code=2)
    assert "holds no manga" in error["message"]


def test_the_titles_type_and_length_are_those_of_the_catalogue(malsync: Malsync, tmp_path: Path) -> None:
    malsync.ok("backup")
    malsync.ok("fetch", "ranking", "all", "--limit", "10")

    malsync.ok("export", "latest", "--format", "xml", "--output", f"{tmp_path}/{{medium}}.xml")

    told = {entry["series_animedb_id"]: entry for entry in texts_of(tmp_path / "anime.xml")}
    kinds = {entry["series_type"] for entry in told.values()}
    assert "Unknown" in kinds
    assert {"TV"} <= kinds


# -- in: XML


def test_two_files_of_one_user_make_one_snapshot(offline: Malsync) -> None:
    document = offline.json("import", ANIME_FILE, MANGA_FILE)

    assert document["files"] == [str(ANIME_FILE), str(MANGA_FILE)]
    assert document["user"] == "mika"
    assert all(document["counts"].values())
    assert document["taken_at"] == "2023-11-14T22:13:21.000Z"
    (info,) = offline.json("snapshots")
    assert info["source"] == "import"
    assert "updated_at" not in info["covers"]["anime"]
    assert offline.json("import", MANGA_FILE, ANIME_FILE)["snapshot"] == 1
    assert "Already here as snapshot 1" in offline.ok("import", ANIME_FILE, MANGA_FILE).stdout


def test_files_of_two_users_and_one_list_twice_are_refused(offline: Malsync) -> None:
    nobodys = VALID / "nobody.xml"

    assert "two MAL users" in offline.error("import", ANIME_FILE, nobodys, exit_code=2)["message"]
    assert "anime list" in offline.error("import", ANIME_FILE, VALID / "anime-1.1.0.xml", exit_code=2)["message"]
    assert offline.json("snapshots") == []


def test_everything_of_an_export_comes_back_out_of_the_mirror(offline: Malsync, tmp_path: Path) -> None:
    """Through the database, with what only XML has, and what it says of titles that MAL was never asked about."""
    offline.ok("import", VALID / "anime-1.1.0.xml", VALID / "manga-1.1.0.xml")

    offline.ok("export", "1", "--format", "xml", "--output", f"{tmp_path}/{{medium}}.xml")

    for name in ("anime", "manga"):
        before, after = texts_of(VALID / f"{name}-1.1.0.xml"), texts_of(tmp_path / f"{name}.xml")
        id = next(iter(before[0]))
        theirs = {entry[id]: entry | {"update_on_import": "1"} for entry in before}
        assert {entry[id]: entry for entry in after} == theirs
    assert "xml_my_storage" not in (tmp_path / "anime.xml").read_text()


def test_what_mal_told_of_a_title_goes_before_what_a_file_says(malsync: Malsync, tmp_path: Path) -> None:
    malsync.ok("backup")
    malsync.ok("fetch", "details", "--only", "anime")
    malsync.ok("export", "latest", "--format", "xml", "--only", "anime", "--output", tmp_path / "list.xml")
    true = texts_of(tmp_path / "list.xml")
    (tmp_path / "list.xml").write_text(
        re.sub(r"<series_episodes>\d+<", "<series_episodes>9999<", (tmp_path / "list.xml").read_text())
    )

    malsync.ok("import", tmp_path / "list.xml")

    malsync.ok("export", "latest", "--format", "xml", "--only", "anime", "--output", tmp_path / "again.xml")
    known = [entry["series_episodes"] for entry in true if entry["series_episodes"] != "0"]
    again = [entry["series_episodes"] for entry in texts_of(tmp_path / "again.xml")]
    assert [episodes for episodes in again if episodes != "9999"] == known


def test_a_file_that_is_not_well_formed_is_repaired_where_that_is_asked_for(offline: Malsync) -> None:
    path = ROOT / "fixtures" / "xml" / "invalid" / "control-byte.xml"

    document = offline.json("import", "--repair", path)

    assert document["repairs"] == [{"file": str(path), "line": 35, "what": "took away U+0013"}]
    assert document["counts"]["anime"] == 1


def test_a_file_is_a_reference_wherever_a_list_is_named(offline: Malsync, tmp_path: Path) -> None:
    shown = offline.json("show", ANIME_FILE)
    same = offline.json("diff", ANIME_FILE, ANIME_FILE)

    assert shown["from"]["snapshot"] is None
    assert same["changes"] == []
    assert not (offline.home / "mirror.db").exists()


# -- into an account


def xml_of(malsync: Malsync, folder: Path, *drop: str) -> Path:
    """The anime of the live list as an export, without the elements named: an older layout, another tool's file."""
    path = folder / "animelist.xml"
    malsync.ok("export", "live", "--format", "xml", "--only", "anime", "--output", path)
    text = path.read_text(encoding="utf-8")
    for element in drop:
        text, found = re.subn(rf"\t\t<{element}>.*?</{element}>\n", "", text, flags=re.DOTALL)
        assert found
    path.write_text(text, encoding="utf-8")
    return path


def test_a_restore_from_xml_writes_what_it_says_and_touches_nothing_that_it_cannot_know(
    malsync: Malsync, box: Sandbox, tmp_path: Path
) -> None:
    first, second = sorted(box.entries(box.user, "anime"))[:2]
    box.edit(box.user, "anime", first, score=9, tags=["kept", "tags"], comments="as it was", start_date="2020-01-01")
    path = xml_of(malsync, tmp_path, "my_tags", "my_priority", "my_rewatch_value", "my_start_date")
    box.edit(
        box.user, "anime", first, score=1, tags=["newer"], comments="vandalised", priority=2, start_date="2021-02-02"
    )
    box.edit(box.user, "anime", second, tags=["also newer"])
    manga = {id: dict(entry) for id, entry in box.entries(box.user, "manga").items()}

    document = malsync.json("restore", path, "--mode", "exact", "--yes")

    assert document["equal"] is True
    assert document["plan"] == {"add": 0, "update": 1, "remove": 0}
    now = box.entries(box.user, "anime")[first]
    assert (now["score"], now["comments"]) == (9, "as it was")
    assert (now["tags"], now["priority"], now["start_date"]) == (["newer"], 2, "2021-02-02")
    assert {id: dict(entry) for id, entry in box.entries(box.user, "manga").items()} == manga
    assert document["requests"]["PATCH"] == 1


def test_an_export_of_the_live_list_has_nothing_to_restore(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    path = xml_of(malsync, tmp_path)

    assert malsync.json("diff", path, "live")["changes"] == []
    assert malsync.json("restore", path, "--mode", "exact", "--yes")["plan"] == {"add": 0, "update": 0, "remove": 0}
    assert "PATCH" not in box.counts


def test_another_users_file_is_refused_and_migrate_carries_it(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    sign_in(malsync, box, "sandbox_mika")
    sign_in(malsync, box, "sandbox_theo", "second")
    path = xml_of(malsync, tmp_path)
    mine, theirs = box.entries("sandbox_mika", "anime"), box.entries("sandbox_theo", "anime")
    fresh, *_ = (id for id in sorted(mine) if id not in theirs)

    error = malsync.error("restore", path, "--yes", "--account", "second", exit_code=3)
    document = malsync.json("migrate", path, "--to", "second", "--yes", "--id", f"anime:{fresh}")

    assert "migrate" in error["hint"]
    assert (document["equal"], document["plan"]) == (True, {"add": 1, "update": 0, "remove": 0})
    now = box.entries("sandbox_theo", "anime")
    assert now.keys() == theirs.keys() | {fresh}
    assert {**now[fresh], "updated_at": None} == {**mine[fresh], "updated_at": None}


# -- CSV


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_csv_says_every_field_of_every_entry(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    rows = rows_of(malsync.ok("export", "latest", "--format", "csv", "--only", "anime", "--output", "-").stdout)

    live = box.entries(box.user, "anime")
    assert [int(row["id"]) for row in rows] == sorted(live)
    for row in rows:
        entry = live[int(row["id"])]
        assert row["status"] == entry["status"]
        assert row["score"] == str(entry["score"])
        assert row["comments"] == entry["comments"]
        assert row["start_date"] == entry.get("start_date", "")


HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain", "a,b", 'say "hi"', "two\nlines"]


@pytest.mark.parametrize("guarded", [False, True])
def test_what_a_spreadsheet_would_compute_is_guarded_where_that_is_asked_for(
    offline: Malsync, tmp_path: Path, guarded: bool
) -> None:
    """As OWASP's page on CSV injection has it. Without --spreadsheet every text is exact, for scripts."""
    entries = {id: watched(title=text, comments=text, tags=[text]) for id, text in enumerate(HOSTILE, 1)}
    path = write(tmp_path / "list.json", snapshot(entries))

    command = ("export", path, "--format", "csv", "--output", tmp_path / "list.csv")
    offline.ok(*command, *(["--spreadsheet"] if guarded else []))

    rows = rows_of((tmp_path / "list.csv").read_bytes().decode())
    mark = "'" if guarded else ""
    for column in ("title", "comments"):
        assert [row[column] for row in rows] == [mark + text for text in HOSTILE[:6]] + HOSTILE[6:]
    assert rows[0]["tags"] == f"{mark}=1+1"
    assert rows[7]["tags"] == '["a,b"]'


def test_a_csv_has_only_what_the_list_covers(offline: Malsync) -> None:
    text = offline.ok("export", VALID / "nobody.xml", "--format", "csv", "--output", "-").stdout

    assert text.splitlines()[0] == "id,title,status,num_episodes_watched,comments"


# -- nothing half


FORMS: dict[str, tuple[str, ...]] = {
    "json": (),
    "xml": ("--only", "anime"),
    "csv": ("--only", "anime"),
    "sqlite": (),
}


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are those of Unix")
@pytest.mark.parametrize("form", FORMS)
def test_a_disk_that_is_full_leaves_the_file_that_was_there(offline: Malsync, tmp_path: Path, form: str) -> None:
    import resource

    big = write(tmp_path / "list.json", snapshot({id: watched(comments="x" * 50) for id in range(1, 400)}))
    target = tmp_path / "there.out"
    target.write_text("the last good one")
    offline.home.mkdir()
    before = sorted(tmp_path.iterdir())

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    with offline.process(
        *("export", big, "--format", form, "--output", target, *FORMS[form]), preexec_fn=small_disk
    ) as process:
        _, said = process.communicate(timeout=60)

    assert process.returncode == 2
    assert f"{target} cannot be written: File too large" in said
    assert target.read_text() == "the last good one"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is Unix's")
@pytest.mark.parametrize("form", ["xml", "sqlite"])
def test_kill_9_before_all_is_on_disk_leaves_the_file_that_was_there(
    offline: Malsync, tmp_path: Path, form: str
) -> None:
    """The system kills the process where it asks for what was written to be put on disk."""
    path = write(tmp_path / "list.json", snapshot({id: watched() for id in range(1, 50)}))
    target = tmp_path / "there.out"
    target.write_text("the last good one")
    script = (
        "import os, signal, sys; from malsync.cli import run;"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL); run(sys.argv[1:])"
    )

    killed = subprocess.run(
        [sys.executable, "-c", script, "export", path, "--format", form, "--output", target, *FORMS[form]],
        env={**clean_environment(), **offline.environ()},
        capture_output=True,
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL
    assert target.read_text() == "the last good one"
    offline.ok("export", path, "--format", form, "--output", target, *FORMS[form])
    assert target.stat().st_size > 1000


def test_an_export_reads_nothing_from_the_network(tmp_path: Path, home: Path) -> None:
    with FarSide() as far:
        lone = Malsync(home)
        lone.ok("export", ANIME_FILE, "--format", "csv", "--output", tmp_path / "x.csv", env=far.environment())
        lone.ok("import", ANIME_FILE, env=far.environment())

        assert far.heard == []
    assert os.access(tmp_path / "x.csv", os.R_OK)
    assert MIKA.name in lone.json("snapshots")[0]["user"]


# -- what an import says of itself


@pytest.mark.parametrize(
    ("name", "text", "timed_by", "said"),
    [
        ("list.xml", "", "modified", "the file's modification time"),
        ("animelist_1600000000_-_4711.xml", "", "name", "the time in the name that MAL gave the file"),
        (
            "animelist_1600000000_-_4711.xml",
            "<!-- The list was taken at 2020-01-02T03:04:05Z -->",
            "file",
            "the time written in the file",
        ),
    ],
)
def test_an_import_says_which_time_it_was_given_and_why(
    offline: Malsync, tmp_path: Path, name: str, text: str, timed_by: str, said: str
) -> None:
    content = re.sub("<!--.*?-->", text, (VALID / "anime-1.1.0.xml").read_text("utf-8"), flags=re.DOTALL)
    file = tmp_path / name
    file.write_text(content, "utf-8")
    os.utime(file, (1_500_000_000, 1_500_000_000))

    document = offline.json("import", file)
    stdout = offline.ok("import", file).stdout

    times = {"modified": "2017-07-14T02:40:00", "name": "2020-09-13T12:26:40", "file": "2020-01-02T03:04:05"}
    assert document["taken_at"] == f"{times[timed_by]}.000Z"
    assert document["timed_by"] == timed_by
    assert f"taken as of {times[timed_by][:10]} " in stdout
    assert said in stdout


def test_a_snapshots_time_is_the_one_in_the_file(offline: Malsync, tmp_path: Path) -> None:
    document = offline.json("import", write(tmp_path / "list.json", snapshot({1: {}}, {})))

    assert (document["timed_by"], document["since_good"]) == ("file", None)


def test_an_import_is_compared_with_the_last_good_backup(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")
    malsync.ok("export", "latest", "--format", "xml", "--output", f"{tmp_path}/{{medium}}.xml")
    one, two, *_ = sorted(box.entries(box.user, "anime"))
    box.edit(box.user, "anime", one, comments="another")
    box.remove(box.user, "anime", two)
    malsync.ok("backup")
    for id in box.entries(box.user, "manga"):
        box.remove(box.user, "manga", id)
    malsync.ok("backup", exit_code=8)

    document = malsync.json("import", tmp_path / "anime.xml")
    stdout = malsync.ok("import", tmp_path / "anime.xml").stdout

    # XML knows no manga here, and never updated_at: neither is a difference.
    assert document["since_good"]["snapshot"] == 2
    assert document["since_good"]["changes"] == {"add": 1, "update": 1, "remove": 0}
    assert "1 added, 1 updated, 0 removed, compared with the last good backup (snapshot 2, " in stdout


def test_an_equal_import_says_so_and_another_users_backup_is_no_measure(
    malsync: Malsync, box: Sandbox, tmp_path: Path
) -> None:
    malsync.ok("backup")
    malsync.ok("export", "latest", "--format", "xml", "--output", f"{tmp_path}/{{medium}}.xml")
    somebody = re.sub("<user_(id|name)>.*?</user_", "<user_\\1>99</user_", (tmp_path / "anime.xml").read_text("utf-8"))
    (tmp_path / "theirs.xml").write_text(somebody, "utf-8")
    nobody = re.sub("<user_(id|name)>.*?</user_", "<user_\\1></user_", somebody)
    (tmp_path / "nobodys.xml").write_text(nobody, "utf-8")

    assert "no differences, compared with the last good backup" in malsync.ok("import", tmp_path / "anime.xml").stdout
    assert malsync.json("import", tmp_path / "theirs.xml")["since_good"] is None
    assert malsync.json("import", tmp_path / "nobodys.xml")["since_good"]["snapshot"] == 1


# -- what MAL does not support


@pytest.mark.promise("guards-10")
def test_a_snapshot_with_odd_values_is_stored_whole_and_they_are_named(
    malsync: Malsync, box: Sandbox, tmp_path: Path
) -> None:
    """MAL gave them, so they are kept; no plan sends them, and what is good in their entries is restored."""
    malsync.ok("backup", "--file", tmp_path / "list.json")
    content = (tmp_path / "list.json").read_bytes()
    one, two, *_ = sorted(box.entries(box.user, "anime"))
    found = snapshot_file.decode(content, "list.json")
    anime = dict(found.entries(ANIME))
    anime[one] = anime[one]._replace(list_status={**anime[one].list_status, "score": 11, "comments": "good"})
    anime[two] = anime[two]._replace(
        list_status={**anime[two].list_status, "start_date": "2021-02-31", "priority": 3, "comments": "good too"}
    )
    odd = write(tmp_path / "odd.json", replace(found, lists={**found.lists, "anime": anime}))
    rows = odd.read_text("utf-8").split("\n")
    starts = {id: f'{{"node":{{"id":{id},' for id in (one, two)}
    lines = {id: next(at for at, row in enumerate(rows, 1) if row.startswith(start)) for id, start in starts.items()}

    result = malsync.ok("import", odd)
    dry = malsync.json("restore", odd, "--dry-run")
    done = malsync.json("restore", "2", "--yes", exit_code=5)

    for id, what in (
        (one, "score is 11; it is not between 0 and 10"),
        (two, "start_date is '2021-02-31'; it is not a date such as 2021-12-31, 2021-12 or 2021"),
        (two, "priority is 3; it is not between 0 and 2"),
    ):
        assert f"{odd}, line {lines[id]}: {what}: anime {id} ({anime[id].title})." in result.stderr
    malsync.ok("export", "2", "--format", "json", "--output", tmp_path / "again.json")
    assert snapshot_file.read(tmp_path / "again.json").lists == snapshot_file.read(odd).lists
    names = {(left["id"], *left["fields"]) for left in dry["left"]}
    assert names == {(one, "score"), (two, "start_date"), (two, "priority")}
    assert {(left["id"], *left["fields"]) for left in done["left"]} == names
    assert box.entries(box.user, "anime")[one]["comments"] == "good"
    assert box.entries(box.user, "anime")[two]["comments"] == "good too"
    assert box.counts["PATCH"] == 2


def test_a_list_with_blank_and_odd_values_comes_back_through_its_xml(offline: Malsync, tmp_path: Path) -> None:
    anime = {
        1: {"score": 7, "comments": "no status"},
        2: {"status": None, "score": 8},
        3: {"status": "", "comments": "]]> &amp; <br />\r\n\x07"},
        4: {"status": "paused", "tags": [" ", "a,b"]},
        5: {"status": "completed", "score": 11, "start_date": "2021-02-31", "finish_date": None, "priority": 3},
        6: {"status": "completed", "score": 8.0, "start_date": "2021", "finish_date": "2021-12", "title": ""},
    }
    file = write(tmp_path / "odd.json", snapshot(anime, None))

    exported = offline.ok("export", file, "--format", "xml", "--output", tmp_path / "odd.xml")
    imported = offline.ok("import", tmp_path / "odd.xml")
    number = offline.json("import", tmp_path / "odd.xml")["snapshot"]

    for lost in ("status of anime 4", "score of anime 5", "start_date of anime 5", "priority of anime 5"):
        assert lost in exported.stderr
    remark = (
        r"odd\.xml, line \d+: anime 1 \(Title 1\) has an empty my_status, and so have 3 more: read without a status\."
    )
    assert re.search(remark, imported.stderr)
    found = {one["id"]: one["list_status"] for one in offline.json("show", str(number))["entries"]}
    assert found.keys() == anime.keys()
    assert [id for id, one in found.items() if "status" not in one] == [1, 2, 3, 4]
    assert [found[id]["score"] for id in anime] == [7, 8, 0, 0, 0, 8]
    assert found[3]["comments"] == "]]> &amp; <br />\r\n"
    assert (found[6]["start_date"], found[6]["finish_date"]) == ("2021", "2021-12")
