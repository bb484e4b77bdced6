"""What a person sees on a terminal of 80 columns: the plan, the question, the progress, and what went wrong."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync
from tests.support.terminal import on_terminal

COLUMNS = 80
OURS = re.compile(r"\x1b\[(?:\?25[lh]|[\d;]*m|2K|1A)")
"""The escape sequences that rich and click write: colours, the cursor on and off, this line away, one line up."""
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def screen(raw: str) -> list[str]:
    """What stands on the terminal in the end."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+|\x1b", raw):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not OURS.fullmatch(part):
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines]


def plain(raw: str) -> str:
    """All that was written, without colours."""
    return COLOUR.sub("", raw)


def rows(lines: list[str], sign: str) -> list[str]:
    """The first line of each title that a plan shows with this sign."""
    return [line for line in lines if line.startswith(f"{sign}   ")]


def header(lines: list[str]) -> int:
    """Where the first table begins."""
    return next(number for number, line in enumerate(lines) if line.split() == ["title", "field", "from", "to"])


def see(malsync: Malsync, *arguments: str, answer: str = "", exit_code: int = 0) -> tuple[list[str], str]:
    """A command line on the terminal: what stands there in the end, and all that was written."""
    code, raw = on_terminal(
        malsync, *arguments, columns=COLUMNS, prompt="[y/N]: ", typed=f"{answer}\n" if answer else ""
    )
    assert code == exit_code, plain(raw)
    return screen(raw), raw


def backed_up(malsync: Malsync) -> None:
    """A backup in this process, an hour before what other processes do."""
    malsync.time.moment = datetime.now(UTC) - timedelta(hours=1)
    malsync.ok("backup")


def known(box: Sandbox, medium: str) -> list[int]:
    """Titles of a list that MAL can take back as they are: it stops progress at the title's total."""
    entries = box.entries(box.user, medium)
    titles = {id: box.world.catalogue.get(medium, id) or {} for id in entries}
    counters = {"anime": {"num_episodes_watched": "num_episodes"}, "manga": {"num_chapters_read": "num_chapters"}}
    return [
        id
        for id, status in entries.items()
        if all(status[name] <= (titles[id].get(total) or 0) for name, total in counters[medium].items())
        and "num_volumes_read" not in status
    ]


def absent(box: Sandbox, medium: str) -> list[int]:
    """Titles that are not on a list."""
    there = box.entries(box.user, medium)
    return [title["id"] for title in box.world.catalogue.titles(medium) if title["id"] not in there]


def spoil(box: Sandbox, updates: int, adds: int = 0, removes: int = 0) -> None:
    """So much to restore: entries with another score, entries that are gone, and some that came."""
    ids = iter(known(box, "anime"))
    for _ in range(updates):
        id = next(ids)
        box.edit(box.user, "anime", id, score=box.entries(box.user, "anime")[id]["score"] % 10 + 1)
    for _ in range(adds):
        box.remove(box.user, "anime", next(ids))
    for id in absent(box, "manga")[:removes]:
        box.add(box.user, "manga", id, status="completed", score=3)


# -- the plan


def test_the_plan_fits_and_says_first_how_much_and_how_long(malsync: Malsync, box: Sandbox) -> None:
    backed_up(malsync)
    spoil(box, updates=12, adds=6, removes=3)
    for id in known(box, "anime")[:4]:
        box.edit(
            box.user, "anime", id, tags=["one", "and another"], comments="a long comment " * 9, start_date="2020-01-01"
        )
    (malsync.home / "config.toml").write_text("requests_per_second = 10")

    lines, _ = see(malsync, "restore", "latest", "--mode", "exact", "--dry-run")

    assert max(map(cell_len, lines)) <= COLUMNS
    assert lines[0].startswith("latest is snapshot 1, of ")
    told = " ".join(lines[1:3])
    assert told == "Plan for the lists of sandbox_mika: add 6, update 12, delete 3 (21 writes, about 2 s)."
    heading = lines.index("Will be deleted:")
    assert len(rows(lines, "+")) == 6
    assert len(rows(lines, "~")) == 12
    assert len(rows(lines, "-")) == 3
    assert all(lines.index(row) < heading for sign in "+~" for row in rows(lines, sign))
    assert all(lines.index(row) > heading for row in rows(lines, "-"))
    assert lines[-2] == "Nothing was sent."


def test_a_row_has_the_title_and_each_field_from_and_to(malsync: Malsync, box: Sandbox) -> None:
    backed_up(malsync)
    was = box.entries(box.user, "anime")[20]
    box.edit(box.user, "anime", 20, score=1, status="dropped", num_episodes_watched=3)
    box.remove(box.user, "manga", 2)
    box.add(box.user, "anime", absent(box, "anime")[0], status="completed", score=3)

    lines, _ = see(malsync, "restore", "latest", "--mode", "exact", "--dry-run")

    assert header(lines) < lines.index("Will be deleted:")
    (naruto,) = rows(lines, "~")
    begins = lines.index(naruto)
    assert naruto.split() == ["~", "Naruto", "(anime:20)", "status", "dropped", was["status"]]
    assert lines[begins + 1].split() == ["score", "1", str(was["score"])]
    assert lines[begins + 2].split() == ["num_episodes_watched", "3", str(was["num_episodes_watched"])]
    (berserk,) = rows(lines, "+")
    assert berserk.split() == ["+", "Berserk", "(manga:2)", "status", "none", "reading"]
    (came,) = rows(lines, "-")
    assert came.split()[-3:] == ["status", "completed", "none"]


def test_a_long_plan_is_folded_and_v_shows_it_whole(malsync: Malsync, box: Sandbox) -> None:
    backed_up(malsync)
    spoil(box, updates=60, removes=22)

    lines, _ = see(malsync, "restore", "latest", "--mode", "exact", "--dry-run")
    whole, _ = see(malsync, "-v", "restore", "latest", "--mode", "exact", "--dry-run")

    assert (len(rows(lines, "~")), len(rows(lines, "-"))) == (20, 20)
    assert "... and 40 more. All of them: -v, --json or --plan FILE" in lines
    assert "... and 2 more. All of them: -v, --json or --plan FILE" in lines
    assert lines.index("... and 40 more. All of them: -v, --json or --plan FILE") < lines.index("Will be deleted:")
    assert (len(rows(whole, "~")), len(rows(whole, "-"))) == (60, 22)
    assert not any("more. All of them" in line for line in whole)
    # Such deletions are refused; a dry run says so.
    assert "This would be refused: This would delete 22 entries." in lines
    assert "\n".join(lines).count("Nothing was sent.") == 1


# -- the question


@pytest.mark.parametrize("answer", ["n", "no", "", "j\nn"])
def test_no_sends_nothing(malsync: Malsync, box: Sandbox, answer: str) -> None:
    backed_up(malsync)
    spoil(box, updates=60, adds=2, removes=1)

    lines, _ = see(malsync, "restore", "latest", "--mode", "exact", answer=answer or "\n", exit_code=7)

    question = next(line for line in lines if line.startswith("Write to the lists of "))
    assert question.startswith("Write to the lists of sandbox_mika: add 2, update 60, delete 1? [y/N]:")
    assert lines.index(question) > lines.index("Will be deleted:")
    assert lines[-3].endswith("Cancelled. Nothing was sent.")
    assert not any("Error" in line for line in lines[-3:])
    assert lines[-2] == "To look at it again: --dry-run"
    assert set(box.counts) == {"GET"}
    assert malsync.json("runs") == []


def test_yes_writes_and_leaves_no_bar_behind(malsync: Malsync, box: Sandbox) -> None:
    backed_up(malsync)
    wanted = box.entries(box.user, "anime").keys(), box.entries(box.user, "manga").keys()
    spoil(box, updates=30, adds=2, removes=1)

    lines, _ = see(malsync, "restore", "latest", "--mode", "exact", answer="y")

    asked = next(number for number, line in enumerate(lines) if line.endswith("? [y/N]: y"))
    assert lines[asked + 1 :] == [
        "Run 1: 33 done. Verified: your lists now match.",
        "  before: snapshot 2, after: snapshot 3",
        "  To undo: malsync undo 1",
        "",
    ]
    assert (box.counts["PATCH"], box.counts["DELETE"]) == (32, 1)
    assert (box.entries(box.user, "anime").keys(), box.entries(box.user, "manga").keys()) == wanted


# -- the progress


def test_the_progress_has_its_rate_and_the_time_left(malsync: Malsync, box: Sandbox) -> None:
    backed_up(malsync)
    spoil(box, updates=30)
    # Long enough for the bar to be painted once more, which it is ten times a second.
    box.add_faults("stall:method=PATCH,nth=20,seconds=0.4")

    _, raw = see(malsync, "restore", "latest", answer="y")

    frames = re.findall(r"writing [━╸╺]+ +\d+/30[^\r\n\x1b]*left", plain(raw))
    assert any(re.search(r" 19/30 +[\d.]+/s +0:00:\d\d left$", frame) for frame in frames), frames
    assert max(map(cell_len, frames)) <= COLUMNS


def test_the_last_reading_and_the_writing_do_not_paint_over_each_other(malsync: Malsync, box: Sandbox) -> None:
    backed_up(malsync)
    spoil(box, updates=5)
    box.add_faults("stall:on=animelist,nth=2,seconds=0.4")

    _, raw = see(malsync, "restore", "latest", answer="y")

    shown = re.findall(r"writing ━|anime: reading|manga: reading", plain(raw).partition("[y/N]: y")[2])
    kinds = "".join("w" if one.startswith("writing") else "r" for one in shown)
    assert re.fullmatch("w+r+w*", kinds), kinds
    assert kinds.count("r") > 4


def test_a_failing_entry_gets_one_line_while_it_goes_on(malsync: Malsync, box: Sandbox) -> None:
    backed_up(malsync)
    spoil(box, updates=30)
    box.add_faults("bad_request:method=PATCH,nth=3,message=invalid status;gone:method=PATCH,nth=7")

    lines, _ = see(malsync, "restore", "latest", answer="y", exit_code=5)

    text = " ".join(lines)
    assert text.count("failed: anime ") == text.count("not restorable: anime ") == 1
    assert re.search(r"failed: anime \d+ .*: MAL answered 400: invalid status\.", text)
    assert re.search(r"not restorable: anime \d+ [^:]*: MAL has no such title now", text)
    assert max(map(cell_len, lines)) <= COLUMNS
    assert "Not restored (2):" in lines
    assert "Run 1: 28 done, 1 failed, 1 not restorable. Checked: some entries still differ." in lines
    assert not any("━" in line for line in lines[lines.index("Not restored (2):") :])


def test_what_is_wrong_with_a_long_text_is_told_in_few_lines(malsync: Malsync, box: Sandbox) -> None:
    id = known(box, "anime")[0]
    box.edit(box.user, "anime", id, comments="mine " * 2_000)
    backed_up(malsync)
    box.edit(box.user, "anime", id, comments="theirs " * 2_000)
    box.add_faults("unstored:field=comments,shows=kept")

    lines, _ = see(malsync, "restore", "latest", answer="y", exit_code=5)

    assert len(lines) < 40
    assert max(map(cell_len, lines)) < 4 * COLUMNS


# -- titles and values that mean harm

HOSTILE: Mapping[int, str] = {
    800_001: "\x1b[2J\x1b[H\x1b[31mred \x1b]0;owned\x07 \x08\x7f",
    800_002: "two\nlines\r\nand a return\rback\x0b\x0c",
    800_003: "\u202eesrever \u2066isolated \u200fmark\u2028line",
    800_004: "x" * 5_000,
    800_005: "長い題名" * 500,
    800_006: "z" + "\u0301" * 300 + "algo",
    800_007: "[bold red]markup[/] [link=http://elsewhere.invalid]x[/link] :smile:",
    800_008: "tab\there \x9b31m \x90q\x9c c1",
    800_009: "",
    800_010: "a " * 200,
}
VALUES = {
    "comments": "長い長い長い長い長い長いコメント\x1b[31m\nred\u202e",
    "tags": ["\x1b[5mblink", "二つ目の札です、とても長い"],
    "num_times_rewatched": 99,
    "score": 5,
}


def _hostile(first: int = 0, **values: Any) -> list[dict[str, Any]]:
    return [
        {
            "node": {"id": id + first, "title": title},
            "list_status": {"status": "completed", "updated_at": "2026-01-01T00:00:00+00:00", **values},
        }
        for id, title in HOSTILE.items()
    ]


@pytest.fixture
def hostile(home: Path) -> Iterator[tuple[Malsync, Sandbox]]:
    """Ten titles to update, ten to add and ten to delete."""
    wanted = {"anime": [*_hostile(**VALUES), *_hostile(100)]}
    live = {
        "anime": [*_hostile(**{**VALUES, "comments": "別の別の別の別の別の別の別の別の", "score": 3}), *_hostile(200)]
    }
    with Sandbox(World.holding("kiki", wanted)) as box:
        malsync = Malsync(home, box)
        backed_up(malsync)
        box.world.put_state({"accounts": {"kiki": live}})
        yield malsync, box


def harmless(raw: str) -> None:
    """Nothing in it moves, colours or reorders but what is ours."""
    rest = OURS.sub("", raw)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", rest)
    assert "\t" not in rest


def test_hostile_titles_neither_harm_the_terminal_nor_break_the_table(hostile: tuple[Malsync, Sandbox]) -> None:
    malsync, _ = hostile

    lines, raw = see(malsync, "restore", "latest", "--mode", "exact", "--dry-run")

    harmless(raw)
    assert max(map(cell_len, lines)) <= COLUMNS
    for sign in "+~-":
        assert len(rows(lines, sign)) == len(HOSTILE)
    begin = header(lines)
    names, table = lines[begin], lines[begin + 2 : lines.index("", begin)]
    starts = [names.index(word) for word in ("field", "from", "to")]
    assert starts[0] - names.index("title") >= 24
    for line in table:
        # One blank before each column, wherever the wide characters stand.
        assert all(_cell_before(line, start) == " " for start in starts), line
    text = "\n".join(lines)
    assert r"\x1b[2J" in text.replace("\n    ", "")
    assert "[bold red]markup[/]" in text
    assert len(lines) < 250


def _cell_before(line: str, column: int) -> str:
    """What stands left of a column."""
    places = 0
    for character in line:
        places += cell_len(character)
        if places >= column:
            return character
    return " "


def test_hostile_titles_stay_harmless_while_they_fail(hostile: tuple[Malsync, Sandbox]) -> None:
    malsync, box = hostile
    box.add_faults("bad_request:method=PATCH;bad_request:method=DELETE,nth=2")

    lines, raw = see(malsync, "restore", "latest", "--mode", "exact", "--max-deletes", "10", answer="y", exit_code=5)

    harmless(raw)
    assert len([line for line in lines if line.startswith("failed: anime 800")]) == 21
    question = next(number for number, line in enumerate(lines) if "? [y/N]: y" in line)
    undone = lines.index("Not restored (21):")
    assert undone - question < 21 * 5
    assert len(lines) - undone < 21 * 9
    assert lines[-4].startswith("Run 1: 9 done, 21 failed.")


def test_a_hostile_user_name_is_harmless_too(home: Path) -> None:
    name = "ki\x1b[31mki\u202e"
    with Sandbox(World.holding(name, {"anime": _hostile(score=5)})) as box:
        malsync = Malsync(home, box)
        backed_up(malsync)
        box.world.put_state({"accounts": {name: {"anime": _hostile(score=4)}}})

        _, raw = see(malsync, "restore", "latest", answer="n", exit_code=7)

    harmless(raw)
    assert raw.count(r"ki\x1b[31mki\u202e") == 2
