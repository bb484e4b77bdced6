"""`./run soak`: a thousand backups and two hundred restores beside an account that edits itself and an API that misbehaves.

    ./run soak                                  1,000 backups, 200 restores
    ./run soak --backups 100 --restores 20      fewer
    ./run soak --trace                          and which lines hold more at the end than half-way; three times as slow

One process does it all, so whatever is not let go of adds up: memory, open files, rows. In the end the lists are restored
once more without faults, and every snapshot on the way must still rebuild to its digest.
"""

import argparse
import gc
import os
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from malsync.mirror import FILE_NAME, Mirror
from malsync.model.medium import MEDIA
from malsync.sandbox import Sandbox, World
from tests.support.catalogue import rows
from tests.support.harness import Malsync, Result, TestTime

BACKUPS, RESTORES = 1000, 200
MISBEHAVES = (
    "503:p=0.01,seed=1;429:p=0.005,seed=2,retry_after=20;cut:p=0.01,seed=3;html:p=0.005,seed=4;truncated:p=0.005,seed=5;"
    "504:p=0.005,seed=6,done=yes;403:p=0.002,seed=7;bad_request:p=0.002,seed=8;redirect:p=0.001,seed=9;"
    "edit:p=0.01,seed=10;meanwhile:p=0.01,seed=11;unstored:p=0.005,seed=12"
)
"""What goes wrong with one request in twenty; and what somebody else does while a list is read or written."""
DOCUMENTED = {0, 4, 5, 8}
EXACT = ("--mode", "exact", "--yes", "--max-deletes", "999", "--force")


@dataclass
class Figures:
    """What it came to."""

    backups: int = 0
    restores: int = 0
    edits: int = 0
    requests: int = 0
    struck: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    held_more: list[tuple[int, str]] = field(default_factory=list)
    standing: list[int] = field(default_factory=list)
    rows: int = 0
    rows_that_changed: int = 0
    snapshots: int = 0
    size: int = 0
    seconds: float = 0.0
    is_whole: bool = False
    is_equal: bool = False

    @property
    def growth(self) -> int:
        """The bytes by which the process grew while the mirror did not: what it held would be held for nothing."""
        return self.standing[-1] - self.standing[0]


class Soak:
    """One account, one home folder, and what is done to them."""

    def __init__(self, malsync: Malsync, box: Sandbox, seed: int = 1) -> None:
        self._malsync = malsync
        self._box = box
        self._random = Random(seed)
        self.figures = Figures()

    def run(self, backups: int, restores: int, told: Callable[[int], object] = int) -> Figures:
        """So many backups with so many restores among them."""
        began = time.monotonic()
        half_way = _traced()
        self._command("backup", "--accept")
        every = max(1, backups // restores)
        measured = max(1, backups // 20)
        for number in range(1, backups + 1):
            self._somebody_edits()
            if number == 2:
                self._box.add_faults(MISBEHAVES)
            self._command("backup", "--accept")
            self.figures.backups += 1
            if number % every == 0 and self.figures.restores < restores:
                self._somebody_edits()
                self._restore()
            if number % measured == 0:
                self._measure()
                told(number)
            if number == backups // 2:
                half_way = _traced()
        self.figures.held_more = _held_more(half_way, _traced())
        self._stand_still(restores)
        self._end()
        self.figures.seconds = time.monotonic() - began
        return self.figures

    def _command(self, *words: str) -> Result:
        self._malsync.time.moment += timedelta(minutes=20)
        result = self._malsync(*words)
        assert result.exit_code in DOCUMENTED, result
        self.figures.codes[f"{words[0]} {result.exit_code}"] += 1
        return result

    def _restore(self) -> None:
        code = self._command("restore", f"latest~{self._random.randrange(2)}", *EXACT).exit_code
        for _ in range(20):
            if code != 4 or not self._is_open():
                break
            code = self._command("resume").exit_code
        assert not self._is_open()
        self.figures.restores += 1

    def _is_open(self) -> bool:
        return any(row["state"] == "unfinished" for row in self._malsync.json("runs"))

    def _somebody_edits(self) -> None:
        for _ in range(self._random.randrange(4)):
            medium = self._random.choice(list(MEDIA))
            here = sorted(self._box.entries(self._box.user, medium))
            how = self._random.random()
            if how < 0.15 and len(here) > 20:
                self._box.remove(self._box.user, medium, self._random.choice(here))
            elif how < 0.35 and len(here) < 40:
                absent = [one["id"] for one in self._box.world.catalogue.titles(medium) if one["id"] not in here]
                self._box.add(self._box.user, medium, self._random.choice(absent[:50]), status="completed")
            else:
                values = {"score": self._random.randrange(11), "comments": f"edit {self.figures.edits}", "tags": ["t"]}
                self._box.edit(self._box.user, medium, self._random.choice(here), **values)
            self.figures.edits += 1

    def _stand_still(self, times: int) -> None:
        """Backups into copies of the mirror, the first of them unmeasured: every snapshot more is a header more to read."""
        kept = self._malsync.home
        self._malsync.home = kept.with_name("copy")
        for number in range(times + 1):
            shutil.copytree(kept, self._malsync.home)
            self._somebody_edits()
            self._command("backup", "--accept")
            shutil.rmtree(self._malsync.home)
            if number in (0, times):
                gc.collect()
                self.figures.standing.append(_resident())
        self._malsync.home = kept

    def _measure(self) -> None:
        with self._box.world.lock:
            log = self._box._site.log
            self.figures.requests += len(log)
            self.figures.struck += sum(bool(row.get("faults")) for row in log)
            log.clear()  # the sandbox's own, which is no part of malsync
        gc.collect()
        self.figures.memory.append(_resident())
        self.figures.handles.append(_handles())

    def _end(self) -> None:
        """Without faults: the newest list comes back exactly, every snapshot is whole, and no row is there for nothing."""
        self._box.clear_faults()
        self._command("backup", "--accept")
        wanted = _shown(self._box)
        for id in sorted(self._box.entries(self._box.user, "anime"))[:3]:
            self._box.edit(self._box.user, "anime", id, score=1, comments="the last vandal")
        result = self._command("restore", "latest", *EXACT)
        self.figures.is_equal = result.exit_code == 0 and _shown(self._box) == wanted
        self.figures.is_whole = bool(self._malsync.json("verify")["ok"])
        path = self._malsync.home / FILE_NAME
        self.figures.size = path.stat().st_size
        self.figures.rows = sum(rows(path, f"SELECT count(*) FROM {name}_version")[0][0] for name in MEDIA)
        with Mirror.open(path) as mirror:
            infos = sorted(mirror.infos(), key=lambda info: info.number)
            self.figures.snapshots = len(infos)
            before: dict[tuple[int, str, int], object] = {}
            for info in infos:
                now = {
                    (info.series, name, id): entry.list_status
                    for name, titles in mirror.load(info.number).lists.items()
                    for id, entry in (titles or {}).items()
                }
                self.figures.rows_that_changed += sum(before.get(key) != status for key, status in now.items())
                before = {key: status for key, status in before.items() if key[0] != info.series} | now


def _shown(box: Sandbox) -> dict[tuple[str, int], dict[str, object]]:
    return {
        (medium, id): {name: value for name, value in status.items() if name != "updated_at"}
        for medium in MEDIA
        for id, status in box.entries(box.user, medium).items()
    }


def _resident() -> int:
    """The bytes of memory that this process holds now; 0 where the system does not say."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if path.exists() else 0


def _traced() -> tracemalloc.Snapshot | None:
    """What Python holds now, by the line that asked for it; None where that is not traced."""
    if not tracemalloc.is_tracing():
        return None
    gc.collect()
    return tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)])


def _held_more(before: tracemalloc.Snapshot | None, after: tracemalloc.Snapshot | None) -> list[tuple[int, str]]:
    """By how many bytes each line holds more, the most first. Lines that hold less are there too."""
    if before is None or after is None:
        return []
    return [(one.size_diff, str(one.traceback)) for one in after.compare_to(before, "lineno") if one.size_diff]


def _handles() -> int:
    """How many files and sockets this process has open; 0 where the system does not say."""
    path = Path("/proc/self/fd")
    return sum(1 for _ in path.iterdir()) if path.is_dir() else 0


def world() -> World:
    """An account of some thirty entries a list: small enough for a thousand backups."""
    made = World.demo(clock=TestTime().now)
    for medium in MEDIA:
        made.first.put_list(medium, dict(sorted(made.first.kept(medium).items())[:30]))
    return made


def soaked(home: Path, backups: int, restores: int, told: Callable[[int], object] = int) -> Figures:
    """The whole of it, with this home folder."""
    with Sandbox(world()) as box:
        return Soak(Malsync(home, box), box).run(backups, restores, told)


def main(arguments: Sequence[str]) -> int:
    """Soak, and print the figures; 1 where something grew, or is not whole."""
    parser = argparse.ArgumentParser(prog="./run soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--backups", type=int, default=BACKUPS)
    parser.add_argument("--restores", type=int, default=RESTORES)
    parser.add_argument("--trace", action="store_true", help="tell which lines hold more at the end than half-way")
    options = parser.parse_args(arguments)
    if options.trace:
        tracemalloc.start()
    with tempfile.TemporaryDirectory(prefix="malsync-soak-") as folder:
        figures = soaked(
            Path(folder) / "home",
            options.backups,
            options.restores,
            lambda number: print(f"{number} backups", file=sys.stderr, flush=True),
        )
    share = figures.struck / max(1, figures.requests)
    print(
        f"{figures.backups:,} backups, {figures.restores:,} restores, {figures.edits:,} edits, {figures.seconds:,.0f} s"
    )
    print(f"{figures.requests:,} requests, {figures.struck:,} of them struck by a fault ({share:.1%})")
    print(f"exit codes: {', '.join(f'{name}: {number}' for name, number in sorted(figures.codes.items()))}")
    print(
        f"memory: {figures.memory[len(figures.memory) // 2] / 1e6:.1f} MB half-way, {figures.memory[-1] / 1e6:.1f} MB at the end;"
        f" {figures.growth / 1e6:+.2f} MB in {options.restores} backups into copies of a mirror that does not grow"
    )
    print(f"open files: {figures.handles[0]} at first, {figures.handles[-1]} at the end")
    print(
        f"{figures.snapshots:,} snapshots, {figures.rows:,} rows, {figures.rows_that_changed:,} of which say what changed"
    )
    print(
        f"the mirror: {figures.size / 1e6:.1f} MB; whole: {figures.is_whole}; the last restore is equal: {figures.is_equal}"
    )
    if options.trace:
        print(f"Python holds {sum(size for size, _ in figures.held_more):,} bytes more at the end than half-way:")
        for size, line in figures.held_more[:12]:
            print(f"{size:>10,}  {line}")
    good = figures.is_whole and figures.is_equal and figures.rows == figures.rows_that_changed
    return 0 if good and figures.growth < 1_000_000 and figures.handles[-1] <= max(figures.handles[:3]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
