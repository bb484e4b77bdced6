"""`./run bench`: what malsync costs, as ratios within one run, since seconds are a machine's and ratios are a program's.

Each row says what was measured, beside what, and the most that the ratio (or the figure, for sizes and counts) may be. Times
without anything to compare them with are multiples (c) of a calibration loop that is timed in the same run.
Every command is a process of its own, Python's start included, on both sides. The best of several rounds counts.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from malsync.mirror import FILE_NAME, Mirror
from malsync.model.diff import diff
from malsync.model.entry import Entry
from malsync.model.snapshot import Snapshot, User, whole
from malsync.planning.restore_plan import plan
from malsync.sandbox import Sandbox, World
from tests.support.harness import clean_environment

PYTHON = sys.executable
ROUNDS = 5
USER = User("https://api.example", 1, "bench")

# What anybody would write to download the same pages: a session, one request after the other, the answers parsed.
BARE_LOOP = """
import os, requests
api, session = os.environ["MALSYNC_API_URL"], requests.Session()
session.headers["Authorization"] = "Bearer " + os.environ["MALSYNC_ACCESS_TOKEN"]
session.get(api + "/users/@me").json()
common = "status,score,start_date,finish_date,priority,tags,comments,updated_at"
anime = common + ",num_episodes_watched,is_rewatching,num_times_rewatched,rewatch_value"
manga = common + ",num_volumes_read,num_chapters_read,is_rereading,num_times_reread,reread_value"
def read(medium, fields):
    address, pages = f"{api}/users/@me/{medium}list?fields=list_status{{{fields}}}&limit=1000&nsfw=true", 0
    while address:
        page = session.get(address).json()
        address, pages = page["paging"].get("next"), pages + 1
    return pages
for medium, fields in (("anime", anime), ("manga", manga)):
    if read(medium, fields) > 1:
        read(medium, "updated_at")
"""


@dataclass
class Row:
    """One line of the table."""

    what: str
    figure: str
    limit: str
    holds: bool


ROWS: list[Row] = []


def report(what: str, figure: float, limit: float, unit: str = "x", detail: str = "") -> None:
    """Keep a figure and print it at once. Seconds (unit " s") are compared as multiples of the calibration loop."""
    if unit == " s":
        detail = f"{figure:.2f} s" + (f", {detail}" if detail else "")
        figure, limit, unit = figure / calibration(), round(limit / CALIBRATION_SECONDS, 1), "c"
    row = Row(what, f"{figure:.2f}{unit}{f' ({detail})' if detail else ''}", f"{limit:g}{unit}", figure <= limit)
    ROWS.append(row)
    print(f"{'ok  ' if row.holds else 'OVER'}  {row.what:52}  {row.figure:34}  at most {row.limit}", flush=True)


CALIBRATION_SECONDS = 0.145
"""What the calibration loop takes where the limits in seconds were set: where `python -c 'import click'` takes 40 ms."""


@cache
def calibration() -> float:
    """Processor seconds of a fixed piece of work, the best of five: how fast this machine runs Python."""

    def loop() -> float:
        started = time.process_time()
        rows = [{"id": number, "title": f"Title {number}", "score": number % 10} for number in range(60_000)]
        text = json.dumps(sorted(rows, key=lambda row: (row["score"], row["title"])))
        assert len(json.loads(text)) == len(rows)
        return time.process_time() - started

    return min(loop() for _ in range(5))


def best(action: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Seconds of the quickest of several rounds."""
    return min(timed(action) for _ in range(rounds))


def timed(action: Callable[[], object]) -> float:
    """Seconds that `action` takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def processor_seconds(action: Callable[[], object]) -> float:
    """Seconds that the processes which `action` starts keep a processor busy: what a machine at rest would need."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """A process that must end well."""
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)


def start_up() -> None:
    """`malsync --help` beside a Python that imports click."""
    environment = clean_environment()
    run(PYTHON, "-m", "malsync", "--help", env=environment)
    click = best(lambda: run(PYTHON, "-c", "import click", env=environment), 15)
    ours = best(lambda: run(PYTHON, "-m", "malsync", "--help", env=environment), 15)
    report("malsync --help / python -c 'import click'", ours / click, 2.0, detail=f"{ours:.3f} s / {click:.3f} s")


@contextmanager
def sandbox(entries: int, latency: int = 0) -> Iterator[dict[str, str]]:
    """A sandbox in a process of its own; the environment that talks to it, but for the home folder."""
    command = [PYTHON, "-m", "malsync", "-q", "sandbox", "--entries", str(entries), "--latency", str(latency)]
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield {
                **clean_environment(),
                "MALSYNC_API_URL": ready["api_url"],
                "MALSYNC_ACCESS_TOKEN": ready["access_token"],
            }
        finally:
            process.terminate()


def backup(environment: dict[str, str], home: Path) -> None:
    """One `malsync backup` into `home`."""
    run(PYTHON, "-m", "malsync", "backup", "-q", env={**environment, "MALSYNC_HOME": str(home)})


def backups() -> None:
    """A first backup, stored and verified, beside a bare loop over the same pages; with and without latency."""
    for latency, rounds, limit in ((0, ROUNDS, 2.0), (300, 2, 1.3)):
        with sandbox(10_900, latency) as environment, tempfile.TemporaryDirectory() as place:
            homes = iter(Path(place) / str(number) for number in range(100))
            backup(environment, next(homes))
            bare = best(lambda: run(PYTHON, "-c", BARE_LOOP, env=environment), rounds)
            ours = best(lambda: backup(environment, next(homes)), rounds)  # noqa: B023
            again = best(lambda: backup(environment, Path(place) / "0"), rounds)
            for what, seconds in (("backup of 10,900", ours), ("the same again", again)):
                report(
                    f"{what} / bare loop, {latency} ms latency",
                    seconds / bare,
                    limit,
                    detail=f"{seconds:.2f} s / {bare:.2f} s",
                )


def memory() -> None:
    """The most memory that a backup of 20,000 entries holds."""
    script = (
        "import resource, sys; from malsync.cli import run; code = run(['backup', '-q']);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
    )
    with sandbox(20_000) as environment, tempfile.TemporaryDirectory() as home:
        said = subprocess.check_output(
            [PYTHON, "-c", script], env={**environment, "MALSYNC_HOME": f"{home}/home"}, text=True
        )
    unit = 2**20 if sys.platform == "darwin" else 2**10
    report("peak memory, backup of 20,000 entries", int(said) / unit, 200, " MB")


_EARLY, _EARLY_DAYS = "early.db", 73  # a fifth of the year


def a_year() -> None:
    """365 daily snapshots of 10,000 entries, 5 edits a day."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / FILE_NAME
        days, quiet = _live_a_year(path)
        early = path.with_name(_EARLY)
        report(f"mirror of 365 / of {_EARLY_DAYS} snapshots, bytes", path.stat().st_size / early.stat().st_size, 1.5)
        late = median(days[-30:]) / median(days[1:31])
        report("store one, the last 30 / the first 30 of 365", late, 2)
        report("mirror after 365 snapshots, 5 edits a day", path.stat().st_size / 1e6, 8, " MB")
        report("rows of a day without changes", quiet, 1, " rows")
        report("store one snapshot, the slowest of 365", max(days), 0.5, " s")
        with Mirror.open(path) as mirror:
            report("rebuild one of 365, digest checked", best(lambda: mirror.load(180)), 0.3, " s")
            whole_year = best(mirror.verify, 2)
            report("verify all 365", whole_year, 10, " s")
            with Mirror.open(early) as other:
                report(f"verify 365 / {_EARLY_DAYS} snapshots", whole_year / best(other.verify, 2), 6)
            a, b = mirror.load(100), mirror.load(300)
            report("diff of two snapshots, loaded", best(lambda: diff(a, b)), 0.2, " s")
            report("load and diff two snapshots", best(lambda: diff(mirror.load(100), mirror.load(300))), 0.2, " s")
        for rules in (
            ("--keep-daily=14", "--keep-weekly=8", "--keep-monthly=24"),
            ("--keep-last=1",),
            ("--keep-last=364",),
        ):
            seconds = min(_pruning(path, *rules) for _ in range(2))
            report(f"prune 365 snapshots, {' '.join(rule[7:] for rule in rules)}", seconds, 5, " s")


def _live_a_year(path: Path) -> tuple[list[float], int]:
    lists = _lists()
    chance = random.Random(7)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    seconds = []
    with Mirror.open(path, write=True) as mirror:
        for day in range(365):
            if day:
                _edit(lists["anime"], chance, day)
            snapshot = Snapshot(
                USER, start + timedelta(days=day), "backup", whole(lists), {k: dict(v) for k, v in lists.items()}
            )
            seconds.append(timed(lambda: mirror.add(snapshot)))  # noqa: B023
            if day + 1 == _EARLY_DAYS:
                mirror.copy(path.with_name(_EARLY))
    before = _rows(path)
    with tempfile.TemporaryDirectory() as place:
        # On a copy: the quiet day is not one of the 365.
        copy = Path(place) / "copy.db"
        with Mirror.open(path) as mirror:
            mirror.copy(copy)
        with Mirror.open(copy, write=True) as mirror:
            mirror.add(Snapshot(USER, start + timedelta(days=365), "backup", whole(lists), lists))
        return seconds, _rows(copy) - before


def _pruning(path: Path, *rules: str) -> float:
    """Seconds that `malsync prune` takes, of a copy."""
    with tempfile.TemporaryDirectory() as home:
        with Mirror.open(path) as mirror:
            mirror.copy(Path(home) / FILE_NAME)
        environment = {**clean_environment(), "MALSYNC_HOME": home}
        return timed(lambda: run(PYTHON, "-m", "malsync", "prune", "-q", *rules, env=environment))


def _lists(entries: int = 10_000, seed: int = 3) -> dict[str, dict[int, Entry]]:
    world = World.generated(entries=entries, seed=seed)
    found: dict[str, dict[int, Entry]] = {}
    for medium in ("anime", "manga"):
        titles = {title["id"]: title["title"] for title in world.catalogue.titles(medium)}
        found[medium] = {id: Entry(id, titles[id], dict(status)) for id, status in world.first.entries(medium).items()}
    return found


def _edit(titles: dict[int, Entry], chance: random.Random, day: int) -> None:
    for id in chance.sample(sorted(titles), 5):
        entry = titles[id]
        data: dict[str, Any] = {
            **entry.list_status,
            "score": chance.randint(1, 10),
            "updated_at": f"2026-01-01T00:{day:05}",
        }
        titles[id] = entry._replace(list_status=data)


def _rows(path: Path) -> int:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sum(
            connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in tables
            if name != "sqlite_sequence"
        )
    finally:
        connection.close()


def planning() -> None:
    """A plan from one list of 20,000 entries to another of as many, in which nearly everything differs; and from itself."""
    one, other = (_whole_lists(20_000, seed) for seed in (3, 4))
    assert len(plan(one, other, "exact").calls) > 10_000
    report("plan, two lists of 20,000, nearly all differ", best(lambda: plan(one, other, "exact"), 3), 0.5, " s")
    same = _whole_lists(20_000, 3)
    report("plan, two lists of 20,000 that are equal", best(lambda: plan(one, same, "exact"), 3), 0.5, " s")


def growing() -> None:
    """What four times as many entries cost."""
    few, many = (_whole_lists(entries, 3) for entries in (5_000, 20_000))

    def stored(snapshot: Snapshot) -> float:
        with tempfile.TemporaryDirectory() as place, Mirror.open(Path(place) / FILE_NAME, write=True) as mirror:
            return timed(lambda: mirror.add(snapshot)) + timed(lambda: mirror.load(1)) + timed(mirror.verify)

    a, b = (min(stored(snapshot) for _ in range(3)) for snapshot in (few, many))
    report("store, load and verify 20,000 / 5,000 entries", b / a, 5, detail=f"{b:.2f} s / {a:.2f} s")


def restoring() -> None:
    """A restore of 1,000 changes beside its calls times the latency: what malsync itself adds to each."""
    changes, latency = 1_000, 0.2
    world = World.generated(entries=3_000, seed=5)
    with tempfile.TemporaryDirectory() as home:
        with Sandbox(world) as box:
            port, environment = box.port, _talking_to(box, home)
            run(PYTHON, "-m", "malsync", "backup", "-q", env=environment)
            for id in sorted(box.entries(box.user, "anime"))[:changes]:
                box.edit(box.user, "anime", id, comments=f"edited {id}", priority=2)
        with Sandbox(world, port=port, latency=latency) as box:
            environment = _talking_to(box, home)
            restore = (PYTHON, "-m", "malsync", "restore", "latest", "--yes", "-q")
            seconds = timed(lambda: run(*restore, env=environment))
            calls = box.counts["PATCH"]
    assert calls == changes
    report(
        "restore of 1,000 changes / calls x 0.2 s",
        seconds / (calls * latency),
        1.1,
        detail=f"{seconds:.0f} s / {calls * latency:.0f} s",
    )


def exchanging() -> None:
    """Lists out of the mirror and in again, each command a process of its own, as somebody would type it."""
    with tempfile.TemporaryDirectory() as place:
        folder, homes = Path(place), iter(Path(place) / f"home-{number}" for number in range(100))
        for entries in (10_000, 20_000):
            (folder / str(entries)).mkdir()
            with Mirror.open(folder / str(entries) / FILE_NAME, write=True) as mirror:
                mirror.add(_whole_lists(entries, 3))
        malsync = (PYTHON, "-m", "malsync", "-q")
        bare = clean_environment()
        small, large = ({**bare, "MALSYNC_HOME": str(folder / str(entries))} for entries in (10_000, 20_000))
        files = [str(folder / f"{name}.xml.gz") for name in ("anime", "manga")]

        def out() -> None:
            run(*malsync, "export", "1", "--format", "xml", "--output", f"{folder}/{{medium}}.xml.gz", env=small)

        def into() -> None:
            run(*malsync, "import", *files, env={**bare, "MALSYNC_HOME": str(next(homes))})

        def sheet() -> None:
            run(*malsync, "export", "1", "--format", "csv", "--output", f"{folder}/{{medium}}.csv", env=large)

        def json_out() -> None:
            run(*malsync, "export", "1", "--output", f"{folder}/list.json.gz", env=small)

        def json_into() -> None:
            run(*malsync, "import", f"{folder}/list.json.gz", env={**bare, "MALSYNC_HOME": str(next(homes))})

        def shown() -> None:
            subprocess.run([PYTHON, "-m", "malsync", "show", "1"], env=large, check=True, capture_output=True)

        for what, action, limit in (
            ("JSON of 10,000 entries out, the whole command", json_out, 0.8),
            ("JSON of 10,000 entries in, into a new mirror", json_into, 0.8),
            ("XML of 10,000 entries out, the whole command", out, 0.8),
            ("XML of 10,000 entries in, into a new mirror", into, 0.8),
            ("CSV of 20,000 entries, the whole command", sheet, 1.0),
            ("show of 20,000 entries, the whole command", shown, 1.0),
        ):
            busy = min(processor_seconds(action) for _ in range(2))
            report(what, best(action), limit, " s", detail=f"{busy:.2f} s of a processor")


def _talking_to(box: Sandbox, home: str) -> dict[str, str]:
    return {
        **clean_environment(),
        "MALSYNC_HOME": home,
        "MALSYNC_API_URL": box.api_url,
        "MALSYNC_ACCESS_TOKEN": box.access_token,
    }


def _whole_lists(entries: int, seed: int) -> Snapshot:
    lists = _lists(entries, seed)
    return Snapshot(USER, datetime(2026, 1, 1, tzinfo=UTC), "backup", whole(lists), lists)


def browsing() -> None:
    """Every page of the site over 20,000 entries with their details and 100 snapshots, each asked for three times."""
    from tests.support.archive import archive
    from tests.support.browsing import data_pages, own_pages, query_pages, visiting

    with tempfile.TemporaryDirectory() as place:
        whole_one = archive(Path(place) / FILE_NAME, entries=20_000, snapshots=100)

        def prove(number: int) -> str | None:
            with Mirror.open(whole_one.path) as mirror:
                mirror.load(number)
            return None

        kinds = {
            "pages of ours": own_pages(whole_one),
            "queries": list(query_pages(whole_one).values()),
            "queries, every row as CSV": list(query_pages(whole_one, ".csv").values()),
            "queries, every row as JSON": list(query_pages(whole_one, ".json").values()),
            "tables": data_pages(whole_one.path),
        }
        first = []
        for _ in range(3):
            with visiting(whole_one.path, verify=prove) as visit:
                first.append(asyncio.run(_answer_times(visit.browse, ["/"]))["/"])
        report("browse, the first page of all, the backup proven", min(first), 1.0, " s")
        with visiting(whole_one.path, verify=prove) as visit:
            for kind, addresses in kinds.items():
                rounds = [asyncio.run(_answer_times(visit.browse, addresses)) for _ in range(3)]
                times = {address: min(took[address] for took in rounds) for address in addresses}
                slowest = max(times, key=lambda address: times[address])
                name = f"browse, the slowest of {len(times)} {kind}"
                report(name, times[slowest], 1.0, " s", slowest.removeprefix("/mirror")[:25])


async def _answer_times(browse: Any, addresses: Sequence[str]) -> dict[str, float]:
    """Seconds that each page takes, through Datasette's own client."""
    took = {}
    for address in addresses:
        started = time.perf_counter()
        answer = await browse.client.get(address)
        took[address] = time.perf_counter() - started
        assert answer.status_code == 200, address
    return took


BENCHES: dict[str, Callable[[], None]] = {
    "start-up": start_up,
    "backup": backups,
    "memory": memory,
    "year": a_year,
    "plan": planning,
    "entries": growing,
    "restore": restoring,
    "exchange": exchanging,
    "browse": browsing,
}


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all. 1 when one is over its limit."""
    unknown = set(names) - BENCHES.keys()
    if unknown:
        print(f"bench: no such benchmark: {', '.join(unknown)}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load:.1f} at the start")
    print(f"Calibration loop (c): {calibration():.3f} s\n")
    for name, bench in BENCHES.items():
        if not names or name in names:
            bench()
    over = [row.what for row in ROWS if not row.holds]
    print(f"\n{len(ROWS) - len(over)} of {len(ROWS)} within their limit")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
