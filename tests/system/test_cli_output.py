"""What reaches a terminal, a pipe, a full disk: widths, colours, escapes, and nothing that a terminal would obey."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync, clean_environment
from tests.support.servers import FarSide, entry, mal, page, told
from tests.support.terminal import lines_of, on_terminal

EVIL = "".join(map(chr, range(32))) + "".join(map(chr, range(127, 160)))
REORDERING = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


# -- what a stranger wrote


@pytest.fixture
def hostile(offline: Malsync) -> Malsync:
    """malsync whose stored lists hold every control character wherever MAL lets anyone write."""
    nasty = f"a{EVIL}b{REORDERING}c\x1b[31mred\x1b]0;title\x07"
    first = entry(1, comments=nasty, tags=[nasty, "x"], mood=nasty, **{f"na{EVIL}me": nasty}, start_date=nasty)
    first["node"]["title"] = f"Title {nasty}"
    second = entry(1, comments=nasty + "!", status=nasty)
    second["node"]["title"] = f"Title {nasty}"
    lists = {"anime": first}

    def answer(heard: Any) -> Any:
        if heard.target.endswith("/@me"):
            return told({"id": 1, "name": f"user {nasty}"})
        return mal(anime=lambda _: page(lists["anime"], second | {"node": {"id": 2, "title": nasty}}))(heard)

    with FarSide(answer) as far:
        offline.ok("backup", "--note", nasty.replace("\0", ""), env=far.environment())
        lists["anime"] = second
        offline.ok("backup", "--note", nasty.replace("\0", ""), env=far.environment())
        said = offline("backup", "-v", env=far.environment())
        assert not set(EVIL + REORDERING) - set("\n") & set(said.stdout + said.stderr)
    return offline


@pytest.mark.promise("secrets-10", "security-26")
@pytest.mark.parametrize(
    "words",
    [
        ("show", "latest"),
        ("diff", "1", "2"),
        ("history", "anime:1"),
        ("history", "nothing of this name"),
        ("snapshots",),
        ("accounts",),
        ("show", "someone\x1b[31m@latest"),
        ("show", "\x1b[31m"),
        ("show", f"./{REORDERING}.json"),
        ("diff", "1", "2", "--field", "\x1b[31m"),
        ("\x1b[31m",),
        ("--account", "\x1b[31m", "show", "latest"),
        ("--account", "\x1b[31m", "backup"),
        ("backup", "--file", "{\x1b[31m}"),
        ("logout",),
    ],
)
def test_no_control_character_reaches_the_terminal(hostile: Malsync, words: tuple[str, ...]) -> None:
    result = hostile(*words)

    said = result.stdout + result.stderr
    assert said
    assert not (set(EVIL + REORDERING) - set("\n")) & set(said)
    assert "Traceback" not in said
    assert result.exit_code in {0, 2, 3}


@pytest.mark.parametrize("words", [("show", "latest"), ("diff", "1", "2"), ("history", "anime:1"), ("snapshots",)])
def test_json_escapes_what_a_terminal_would_obey_and_loses_nothing(hostile: Malsync, words: tuple[str, ...]) -> None:
    result = hostile.ok(*words, "--json")

    assert not (set(EVIL + REORDERING) - set("\n")) & set(result.stdout)
    nasty = f"a{EVIL}b{REORDERING}c\x1b[31mred\x1b]0;title\x07"
    found = nasty.replace("\0", "") if words == ("snapshots",) else nasty
    assert found in str_values(result.json)


def str_values(document: Any) -> str:
    """Every text of a document, one after the other."""
    if isinstance(document, dict):
        return "\n".join(str_values(item) for item in document.values())
    if isinstance(document, list):
        return "\n".join(map(str_values, document))
    return str(document)


def test_what_was_written_out_can_be_read(hostile: Malsync) -> None:
    said = hostile.ok("show", "latest").stdout

    assert "\\x1b[31mred" in said
    assert "\\u202e" in said
    assert "\\x9b" in said


def test_letters_of_every_script_stay_as_they_are(malsync: Malsync, box: Sandbox) -> None:
    id = min(box.entries(box.user, "anime"))
    texts = ["何度でも", "أحببته", "می‌خواهم", "🎻👩‍👩‍👧", "Ünï¢ödé", "한국어", "e\u0301"]
    malsync.ok("backup")
    box.edit(box.user, "anime", id, tags=texts)

    assert ", ".join(texts) in malsync.ok("diff").stdout


# -- on a terminal


def test_tables_fit_eighty_columns(malsync: Malsync, box: Sandbox) -> None:
    long = "An endless title of a light novel " * 5
    wide = "無職転生異世界行ったら本気だす" * 6
    with box.world.lock:
        for id, title in zip(sorted(box.entries(box.user, "anime")), (long, wide), strict=False):
            box.world.catalogue.put("anime", {**box.world.catalogue.known("anime", id), "title": title})
    malsync.ok("backup", "--note", "a note that is longer than any terminal is wide " * 3)
    for id in box.entries(box.user, "manga"):
        box.remove(box.user, "manga", id)
    malsync.ok("backup", exit_code=8)

    for words in (("show", "1"), ("snapshots",), ("accounts",)):
        code, screen = on_terminal(malsync, *words)
        assert code == 0
        widths = [cell_len(line) for line in lines_of(screen)]
        assert max(widths) <= 80, words
    _, screen = on_terminal(malsync, "show", "1")
    text = "".join(line for line in lines_of(screen))
    assert "行ったら" in text
    assert "..." not in text
    assert "…" not in text


def test_a_narrow_terminal_gets_narrow_tables(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    _, screen = on_terminal(malsync, "show", "latest", "--only", "manga", columns=60)

    assert max(cell_len(line) for line in lines_of(screen)) <= 60


def test_piped_tables_have_a_line_an_entry_however_long(malsync: Malsync, box: Sandbox) -> None:
    long = "An endless title of a light novel " * 9
    with box.world.lock:
        id = min(box.entries(box.user, "anime"))
        box.world.catalogue.put("anime", {**box.world.catalogue.known("anime", id), "title": long})
    malsync.ok("backup")

    lines = malsync.ok("show", "latest").stdout.splitlines()

    assert sum(line.startswith(("anime", "manga")) for line in lines) == 370
    assert len(lines) == 372
    assert any(long.strip() in line for line in lines)


def test_colours_are_for_terminals_that_want_them(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    box.edit(box.user, "anime", min(box.entries(box.user, "anime")), comments="new")
    words = ("diff", "latest", "live")

    _, coloured = on_terminal(malsync, *words)
    _, plain = on_terminal(malsync, *words, env={"NO_COLOR": "1"})
    piped = malsync.ok(*words)

    assert "\x1b[33m~" in coloured
    assert "\x1b[3" not in plain
    assert "\x1b" not in piped.stdout + piped.stderr
    assert "~ anime" in plain


@pytest.mark.parametrize("words", [("snapshots",), ("show", "nonsense"), ("backup",)])
def test_without_colours_no_colour_is_set_anywhere(malsync: Malsync, words: tuple[str, ...]) -> None:
    malsync.ok("backup")

    _, screen = on_terminal(malsync, *words, env={"NO_COLOR": "1"})

    assert not re.search("\x1b\\[(?:3|4|9|10)[0-9;]+m", screen)


def test_progress_is_for_terminals_and_leaves_nothing_behind(malsync: Malsync) -> None:
    code, screen = on_terminal(malsync, "backup")
    _, quiet = on_terminal(malsync, "backup", "-q")

    assert code == 0
    assert "anime: reading" in screen
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") > 0
    assert quiet == ""


def test_progress_is_not_for_pipes(home: Path, world: World) -> None:
    with Sandbox(world, latency=0.1) as box:
        process = Malsync(home, box).process("backup")
        _, err = process.communicate(timeout=30)

    assert err == f"Reading the lists of {box.user} from {box.api_url.removesuffix('/v2')} ...\n"


# -- pipes, full disks, closed and narrow-minded streams


def shell(malsync: Malsync, script: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    """A line of shell in which `malsync` is this one."""
    given = {**clean_environment(), **malsync.environ_of_a_process(), "PYTHONIOENCODING": encoding}
    command = f'malsync() {{ "{sys.executable}" -m malsync "$@"; }}; {script}'
    done = subprocess.run(
        ["bash", "-c", command],
        env=given,
        cwd=malsync.home.parent,
        capture_output=True,
        encoding=encoding,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    return done


@pytest.fixture
def many(home: Path) -> Any:
    """malsync with a list that no pipe holds at once."""
    with Sandbox(World.generated(entries=1_500, seed=1)) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        yield malsync


@pytest.mark.parametrize("words", ["show latest", "show latest --json", "export latest", "history a", "diff 1 1"])
def test_a_reader_that_leaves_early_is_no_failure(many: Malsync, words: str) -> None:
    done = shell(many, f"malsync {words} -q 2>err | true; echo ${{PIPESTATUS[0]}}; cat err >&2; rm err")
    left = shell(many, f"malsync {words} | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}")

    assert done.stdout == "0\n"
    assert done.stderr == ""
    assert left.stdout == "0\n"
    assert "rror" not in left.stderr


def test_a_reader_that_leaves_early_changes_neither_the_exit_code_nor_what_is_done(home: Path) -> None:
    with Sandbox(World.generated(entries=300, seed=1)) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        for id in sorted(box.entries(box.user, "anime"))[:40]:
            box.edit(box.user, "anime", id, comments="changed " * 300)

        differing = shell(malsync, "malsync diff --exit-code | true; echo ${PIPESTATUS[0]}")
        restored = shell(malsync, "malsync restore latest --yes -v | true; echo ${PIPESTATUS[0]}")

        assert differing.stdout == "1\n"
        assert restored.stdout == "0\n"
        assert malsync.ok("diff", "--exit-code").exit_code == 0


def test_a_reader_of_errors_that_leaves_early_changes_no_exit_code(malsync: Malsync) -> None:
    done = shell(malsync, "malsync show nonsense 2>&1 >/dev/null | true; echo ${PIPESTATUS[0]}")
    whole = shell(malsync, "malsync backup -v --json 2> >(true); echo $?")

    assert done.stdout == "2\n"
    assert whole.stdout.endswith("}\n0\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", ["show latest", "snapshots --json", "export latest", "accounts"])
def test_a_full_disk_behind_stdout_ends_with_2(malsync: Malsync, words: str) -> None:
    malsync.ok("backup")

    told = shell(malsync, f"malsync {words} > /dev/full; echo $? >&2").stderr.splitlines()

    assert told[-1] == "2"
    assert "Error: Standard output cannot be written: No space left on device." in told


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_failure(malsync: Malsync, closed: str) -> None:
    """A daemon may start us so; what we open must not take the number of a stream that is printed to."""
    done = shell(malsync, f"malsync backup {closed}; echo $?")

    assert done.stdout.endswith("0\n")
    assert malsync.json("verify")["ok"] is True
    assert (malsync.home / "mirror.db").read_bytes().startswith(b"SQLite format 3\0")
    assert shell(malsync, f"malsync login --no-browser {closed}; echo $?").stdout.endswith("2\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_without_unicode_gets_every_line(malsync: Malsync, encoding: str) -> None:
    malsync.ok("backup", "--note", "日本 🎻")

    done = shell(malsync, "malsync snapshots && malsync show latest", encoding)
    document = shell(malsync, "malsync snapshots --json >json", encoding)

    assert "\\u65e5\\u672c \\U0001f3bb" in done.stdout
    assert sum(line.startswith(("anime", "manga")) for line in done.stdout.splitlines()) == 370
    assert document.returncode == 0
    assert json.loads((malsync.home.parent / "json").read_bytes())[0]["note"] == "日本 🎻"
