"""`malsync stats`: both lists in figures, the same ones that the browser shows."""

import asyncio
import html
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from malsync.mirror.statistics import GENRES, every_month, every_year, mean_score
from malsync.model.medium import MEDIA
from malsync.sandbox import Sandbox, World
from tests.support.catalogue import FEW, change, few_titles
from tests.support.harness import Malsync, clean_environment
from tests.support.terminal import lines_of, on_terminal


def beside(home: Path) -> Malsync:
    """malsync in that home folder, some days after its last backup."""
    malsync = Malsync(home)
    malsync.time.sleep(5 * 86400)
    return malsync


@pytest.fixture(scope="module")
def kept_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with three backups of the demo's lists, details fetched. Only looked at."""
    kept_home = tmp_path_factory.mktemp("stats") / "home"
    demo = World.demo()
    lists = demo.state()["accounts"]["sandbox_mika"]
    few = {medium: [entry for entry in lists[medium] if entry["list_status"].get("score")][:30] for medium in MEDIA}
    with Sandbox(World.holding("sandbox_mika", few)) as box:
        malsync = Malsync(kept_home, box)
        malsync.ok("backup")
        malsync.ok("fetch", "details")
        malsync.time.sleep(86400)
        box.edit(box.user, "anime", next(iter(box.entries(box.user, "anime"))), score=3)
        malsync.ok("backup")
        malsync.time.sleep(86400)
        for id in list(box.entries(box.user, "manga"))[:2]:
            box.remove(box.user, "manga", id)
        malsync.ok("backup")
        malsync.ok("export", "1", "--output", kept_home.parent / "first.json")
    return kept_home


def test_the_figures_are_those_of_the_list(kept_home: Path) -> None:
    offline = beside(kept_home)
    document = offline.json("stats")
    entries = offline.json("show", "latest")["entries"]

    for name in ("anime", "manga"):
        mine = [entry["list_status"] for entry in entries if entry["medium"] == name]
        figures = document[name]
        scores = [one["score"] for one in mine if one.get("score")]
        assert figures["entries"] == len(mine) == sum(row["entries"] for row in figures["by_status"])
        assert figures["mean_score"] == round(sum(scores) / len(scores), 2)
        assert {row["name"]: row["entries"] for row in figures["by_score"]} == {
            score: scores.count(score) for score in set(scores)
        }
        for row in figures["by_month"]:
            assert row["entries"] == sum(str(one.get("finish_date")).startswith(row["name"]) for one in mine)
        assert sum(row["entries"] for row in figures["by_month"]) > 0
        assert figures["by_genre"][0]["entries"] >= figures["by_genre"][-1]["entries"] > 0
    assert {row["name"] for row in document["anime"]["by_season"]} == {"winter", "spring", "summer", "fall"}
    assert [row["snapshot"] for row in document["snapshots"]] == [1, 2, 3]
    assert [(row["added"], row["updated"], row["removed"]) for row in document["snapshots"]] == [
        (0, 0, 0), (0, 1, 0), (0, 0, 2),
    ]  # fmt: skip


def _charts(kept_home: Path) -> str:
    from malsync.browse.app import Browse

    async def got() -> str:
        browse = Browse(kept_home / "mirror.db")
        try:
            await browse.invoke_startup()
            return str((await browse.client.get("/charts")).text)
        finally:
            browse.close()

    return asyncio.run(got())


def test_the_figures_are_those_that_the_browser_shows(kept_home: Path) -> None:
    document = beside(kept_home).json("stats")
    page = _charts(kept_home)

    for name, part in zip(("anime", "manga"), re.split(r"<h2 class=\"rule big-rule\"", page)[1:], strict=True):
        figures = document[name]
        assert f"{figures['entries']:,} entries, mean score {figures['mean_score']:.2f}" in part
        listed = [
            (html.unescape(re.sub("<.*?>", "", label)).strip(), int(count))
            for label, count in re.findall(r"<li>(.*?)<svg.*?<span class=\"n\">([\d,]+)</span>", part)
        ]
        assert listed == [
            (str(row["name"]).replace("_", " "), row["entries"])
            for kind in ("by_status", "by_genre", "by_season")
            for row in figures.get(kind, ())[:GENRES]
        ]
        drawn = [tuple(tip.split(": ")) for tip in re.findall(r"<title>(\S+: \d+)</title>", part)]
        given = {row["name"]: row["entries"] for row in figures["by_score"]}
        assert drawn == [
            *((str(score), str(given.get(score, 0))) for score in range(1, 11)),
            # Drawn side by side, so that a year without anything has its place.
            *((row["name"], str(row["entries"])) for row in every_year(figures["by_year"])),
            *((row["name"], str(row["entries"])) for row in figures["by_month"]),
        ]
    tips = re.findall(r"#(\d+), ([\d-]+): (\d+) added, (\d+) updated, (\d+) removed", page)
    assert tips == [
        (str(row["snapshot"]), row["taken_at"][:10], *(str(row[what]) for what in ("added", "updated", "removed")))
        for row in document["snapshots"]
    ]


def test_a_reference_names_the_list_and_the_growth_ends_with_it(kept_home: Path) -> None:
    document = beside(kept_home).json("stats", "1", "--only", "anime")

    assert document["manga"] is None
    assert document["anime"]["snapshot"] == 1
    assert [row["snapshot"] for row in document["snapshots"]] == [1]


def test_a_file_has_the_figures_of_the_snapshot_that_it_came_from(kept_home: Path) -> None:
    before = (kept_home / "mirror.db").read_bytes()
    offline = beside(kept_home)

    stored, file = offline.json("stats", "1"), offline.json("stats", kept_home.parent / "first.json")

    for name in ("anime", "manga"):
        # It is the same list, so it is snapshot 1 of the copy in memory too; but a file has no number.
        assert file[name] == stored[name] | {"snapshot": None}
    assert [row["snapshot"] for row in offline.json("snapshots")] == [1, 2, 3]
    assert (kept_home / "mirror.db").read_bytes() == before


def test_the_live_list_is_counted_and_not_stored(malsync: Malsync, box: Sandbox) -> None:
    document = malsync.json("stats", "live")

    assert document["anime"]["entries"] == len(box.entries(box.user, "anime"))
    assert document["anime"]["snapshot"] is None
    assert document["anime"]["by_genre"] == []
    assert not (malsync.home / "mirror.db").exists()


def test_bars_are_as_long_as_their_numbers(kept_home: Path) -> None:
    result = beside(kept_home).ok("stats", "--only", "anime")
    assert re.search(r"^Growth over 3 snapshots, .*\n  anime  30 to 30$", result.stdout, re.MULTILINE)
    bars = dict(re.findall(r"^    (completed|dropped) +(\S+) \s*[\d,]+$", result.stdout, re.MULTILINE))
    figures = beside(kept_home).json("stats")["anime"]["by_status"]
    counts = {row["name"]: row["entries"] for row in figures}

    assert len(bars["completed"]) == 30
    assert abs(len(bars["dropped"]) - 30 * counts["dropped"] / counts["completed"]) < 1
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "manga" not in result.stdout


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_where_blocks_cannot_be_printed_bars_are_of_ascii(kept_home: Path, encoding: str) -> None:
    malsync = beside(kept_home)
    environment = {**clean_environment(), **malsync.environ_of_a_process(), "PYTHONIOENCODING": encoding}

    said = subprocess.check_output([sys.executable, "-m", "malsync", "stats"], env=environment).decode(encoding)

    assert ("█" in said) is (encoding == "utf-8")
    assert ("##########" in said) is (encoding == "ascii")
    assert "\\u" not in said


def test_colours_are_for_terminals_and_nothing_is_wider_than_80_columns(kept_home: Path) -> None:
    code, screen = on_terminal(beside(kept_home), "stats", columns=80)

    assert code == 0
    assert "\x1b[32m" in screen
    assert "\x1b[" not in beside(kept_home).ok("stats").stdout
    assert max(map(len, lines_of(screen))) <= 80
    assert "\x1b[3" not in on_terminal(beside(kept_home), "stats", env={"NO_COLOR": "1"})[1]


def test_stats_needs_neither_datasette_nor_a_network(kept_home: Path) -> None:
    program = (
        "import sys; from malsync.cli import run; code = run(['stats', '--json']);"
        "print(code, [name for name in ('datasette', 'requests', 'jinja2') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**clean_environment(), "MALSYNC_HOME": str(kept_home)},
        capture_output=True,
        check=True,
        text=True,
    )

    assert done.stderr.strip() == "0 []"
    assert json.loads(done.stdout)["anime"]["entries"] > 0


def test_a_strange_title_of_a_genre_cannot_move_the_cursor(tmp_path: Path) -> None:
    with Sandbox(few_titles()) as box:
        malsync = Malsync(tmp_path / "home", box)
        malsync.ok("backup")
        name = "evil \x1b[2J and much too long to stand here in one line"
        for id in FEW["anime"]:
            change(box, "anime", id, genres=[{"id": 999, "name": name}])
        malsync.ok("fetch", "details")

        said = malsync.ok("stats").stdout

    assert "evil \\x1b" in said
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_without_a_list_it_says_what_to_do(offline: Malsync) -> None:
    assert "malsync backup" in offline.error("stats", exit_code=2)["hint"]
    assert not offline.home.exists()


def test_a_list_that_its_owner_hides_has_no_figures(malsync: Malsync, box: Sandbox) -> None:
    box.set_private(box.user, "manga")
    malsync.ok("backup", "--user", box.user, env={"MALSYNC_ACCESS_TOKEN": ""})

    document = malsync.json("stats")

    assert document["manga"] is None
    assert document["anime"]["entries"] > 0
    assert [row["manga"] for row in document["snapshots"]] == [None]
    assert "manga of" not in malsync.ok("stats").stdout
    assert "no manga list" in malsync.error("stats", "--only", "manga", exit_code=2)["message"]


def test_the_lists_of_another_account_are_its_own(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    theo = {"MALSYNC_ACCESS_TOKEN": box.token_for("sandbox_theo")}
    malsync.ok("--account", "second", "backup", env=theo)

    first, second = malsync.json("stats", "1"), malsync.json("stats", "second@latest")

    assert second["user"] == "sandbox_theo"
    assert second["anime"]["entries"] == len(box.entries("sandbox_theo", "anime")) != first["anime"]["entries"]
    assert [row["snapshot"] for row in second["snapshots"]] == [2]
    assert malsync.json("stats", "--account", "second")["anime"] == second["anime"]
    assert "anime of sandbox_theo" in malsync.ok("stats", "2").stdout


def test_quiet_is_silent(kept_home: Path) -> None:
    result = beside(kept_home).ok("stats", "-q")

    assert (result.stdout, result.stderr) == ("", "")


# -- the figures themselves

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def test_months_without_anything_stand_between_those_with_something() -> None:
    told = {"2025-11": 2, "2026-01": 1, "2026-00": 9, "20xx-01": 9, "2206-01": 9}
    found = every_month([{"name": name, "entries": count} for name, count in told.items()], NOW)

    assert len(found) == 36
    assert found[-3:] == [
        {"name": "2025-11", "entries": 2},
        {"name": "2025-12", "entries": 0},
        {"name": "2026-01", "entries": 1},
    ]
    assert every_month([], NOW) == []
    assert every_month([{"name": "2206-01", "entries": 9}], NOW)[-1] == {"name": "2206-01", "entries": 9}


def test_the_mean_is_of_the_scores_that_were_given() -> None:
    assert mean_score([{"name": 10, "entries": 1}, {"name": 4, "entries": 2}]) == 6
    assert mean_score([]) is None
