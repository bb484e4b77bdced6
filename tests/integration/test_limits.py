"""Numbers, names and resources beyond every limit: an error in words, never a bug."""

import json
import resource
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from malsync.errors import UsageError
from malsync.formats.latest_copy import safe_name
from malsync.mirror import FILE_NAME, Mirror
from malsync.operations.references import end_of, start_of
from malsync.sandbox import Sandbox
from tests.support.harness import Malsync, TestTime
from tests.support.servers import FarSide, Heard, Reply, entry, mal, page, told

HUGE = ["9" * 19, "9" * 30, "9" * 5000, "-" + "9" * 30]
LONG = "x" * 300


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize(
    "command",
    [
        ("resume", "{}"),
        ("undo", "{}"),
        ("runs", "--abandon={}"),
        ("show", "{}"),
        ("show", "latest~{}"),
        ("history", "anime:{}"),
        ("restore", "1", "--id=anime:{}"),
        ("restore", "1", "--max-deletes=-{}"),
        ("browse", "--port={}"),
        ("fetch", "season", "{}", "fall"),
        ("prune", "--keep-last=-{}"),
    ],
    ids=" ".join,
)
def test_a_number_of_any_length_ends_with_2(malsync: Malsync, command: tuple[str, ...], number: str) -> None:
    malsync.ok("backup")
    words = [word.format(number) for word in command]
    if number.startswith("-") and command[-1] == "{}":
        words.insert(-1, "--")

    error = malsync.error(*words, exit_code=2)

    assert "OverflowError" not in error["message"]
    assert not (malsync.home / "last-error.txt").exists()


def test_a_number_that_no_row_has_is_not_in_the_mirror(tmp_path: Path) -> None:
    with Mirror.open(tmp_path / FILE_NAME, write=True) as mirror:
        for number in (2**63, 10**30, -(10**30)):
            for look in (mirror.load, mirror.info, mirror.journal.run):
                with pytest.raises(KeyError):
                    look(number)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T20:00+99:00",
        "2026-11-01T20:00+24:00",
        "2026-11-01T20:00-24:00",
        "2026-11-01T20:00+9999",
        "2026-11-01T20:00+02:60",
        "2026-11-01T20:00+00:99",
        "0001-01-01T00:00+23:00",
        "9999-12-31T23:59-23:00",
    ],
)
def test_an_offset_that_no_place_has_names_no_time(malsync: Malsync, text: str) -> None:
    now = TestTime().now()
    for moment_of in (start_of, end_of):
        with pytest.raises(UsageError):
            moment_of(text, now)
    malsync.ok("backup")
    malsync.error("show", text, exit_code=2)
    malsync.error("revert", "1", "1", "--since", text, "--dry-run", exit_code=2)


# -- names


@pytest.mark.parametrize(
    "command",
    [("mirror", "copy"), ("export", "1", "--output"), ("backup", "--file"), ("show",), ("restore", "1", "--plan")],
    ids=" ".join,
)
def test_a_file_name_that_is_too_long_ends_with_2(malsync: Malsync, tmp_path: Path, command: tuple[str, ...]) -> None:
    malsync.ok("backup")

    error = malsync.error(*command, tmp_path / f"{LONG}.json", exit_code=2)

    assert LONG in error["message"]
    assert "too long" in error["message"].lower()


def test_a_long_name_is_shortened_and_stays_its_own() -> None:
    names = [LONG, LONG + "y", "é" * 300, "日" * 300, "x" * 101]

    assert len({safe_name(name) for name in names}) == len(names)
    assert max(map(len, map(safe_name, names))) < 150
    assert safe_name("x" * 100) == "x" * 100


@pytest.mark.parametrize("name", [LONG, "日" * 300, "x" * 240, "../" * 100])
def test_a_user_name_of_any_length_gets_a_file(offline: Malsync, name: str, tmp_path: Path) -> None:
    lists = mal(lambda heard: page(entry(1)))

    def answer(heard: Heard) -> Reply:
        return told({"id": 7, "name": name}) if heard.target.split("?")[0] == "/v2/users/@me" else lists(heard)

    with FarSide(answer) as far:
        for _ in range(2):
            offline.ok("backup", "--file", f"{tmp_path}/out/{{user}}.json", env=far.environment())

    (file,) = (offline.home / "latest").iterdir()
    assert file.name == f"{safe_name(name)}.json.gz"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{safe_name(name)}.json"]


def test_two_long_names_that_begin_alike_have_a_file_each(offline: Malsync) -> None:
    for id, name in ((7, LONG + "a"), (8, LONG + "b")):
        user = {"id": id, "name": name}

        def answer(heard: Heard, user: dict[str, Any] = user) -> Reply:
            return told(user) if heard.target.split("?")[0] == "/v2/users/@me" else mal()(heard)

        with FarSide(answer) as far:
            offline.ok("--account", f"a{id}", "backup", env=far.environment())

    assert len(list((offline.home / "latest").iterdir())) == 2


# -- half of a character


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ('"node": {"id": 5, "title": "x\\ud800"}, "list_status": {"status": "completed"}', "title"),
        ('"node": {"id": 5, "title": "T"}, "list_status": {"status": "completed", "comments": "\\udfff"}', "comments"),
        ('"node": {"id": 5, "title": "T"}, "list_status": {"status": "completed", "tags": ["a", "\\ud83d"]}', "tags"),
        ('"node": {"id": 5, "title": "T"}, "list_status": {"status": "completed", "\\udc00": 1}', "5"),
    ],
)
@pytest.mark.parametrize("medium", ["anime", "manga"])
def test_half_of_a_character_names_its_entry(offline: Malsync, part: str, where: str, medium: str) -> None:
    whole = '{"node": {"id": 4, "title": "whole"}, "list_status": {"status": "completed"}}'
    broken = Reply(f'{{"data": [{whole}, {{{part}}}], "paging": {{}}}}', 200, {"Content-Type": "application/json"})
    with FarSide(mal(**{medium: lambda heard: broken})) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert f"/{medium}list: entry 5 (" in error["message"]
    assert where in error["message"]
    assert "Nothing was stored" in error["message"]
    assert len([heard for heard in far.heard if heard.target.split("?")[0].endswith(f"{medium}list")]) == 1
    assert offline.json("snapshots") == []


def test_half_of_a_character_in_a_name_is_an_error_in_words(offline: Malsync) -> None:
    reply = Reply('{"id": 7, "name": "x\\ud800"}', 200, {"Content-Type": "application/json"})
    with FarSide(lambda heard: reply) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert error["message"].startswith("GET /users/@me: name holds half of a character")


# -- resources


def _limited(malsync: Malsync, limit: int, most: int, *command: str) -> tuple[int, str]:
    process = malsync.process(*command, preexec_fn=lambda: resource.setrlimit(limit, (most, most)))
    try:
        _, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, err


@pytest.mark.parametrize("most", [5, 6, 7, 8, 9, 10])
def test_a_limit_on_open_files_is_named_as_one(malsync: Malsync, box: Sandbox, most: int) -> None:
    code, err = _limited(malsync, resource.RLIMIT_NOFILE, most, "backup")

    assert code in {2, 4, 6}, err
    assert "Traceback" not in err
    assert "bug in malsync" not in err
    assert malsync.json("snapshots") == []


def test_a_limit_on_memory_is_named_as_one(offline: Malsync) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder) / "list.json"
        with path.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"format": "malsync-snapshot", "note": "x"})[:-2])
            for _ in range(200):
                file.write("x" * 2**20)
            file.write('"}')

        code, err = _limited(offline, resource.RLIMIT_AS, 350 * 2**20, "show", str(path))

    assert code == 2, err
    assert "malsync ran out of memory" in err
    assert "ulimit -a" in err


@pytest.mark.parametrize("zone", ["XXX+24", "XXX-25", "XXX+30"])
@pytest.mark.parametrize("command", [("backup",), ("snapshots",), ("show", "yesterday"), ("doctor",)])
def test_a_time_zone_beyond_a_day_is_an_error_in_words(malsync: Malsync, command: tuple[str, ...], zone: str) -> None:
    process = malsync.process(*command, env={"TZ": zone})
    _, err = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "more than 24 hours from UTC" in err
    assert malsync.json("snapshots") == []
