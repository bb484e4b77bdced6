"""Every fault of the sandbox, on every command that talks to the API, at its first, middle and last request.

    ./run matrix                    all of it, as the table that stands in docs/faults.md
    ./run matrix --write            and put it there

Each cell is a home folder of its own beside the same account. A command that a fault did not stop must have come to what it
comes to without one; one that was stopped must have said so by its exit code, must have harmed nothing, and must come to the
same in the end when it is typed again, or resumed.
"""

import argparse
import shutil
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from malsync.mal.oauth import Tokens
from malsync.mal.token_store import FILE_NAME as FILE_OF_TOKENS
from malsync.mirror import FILE_NAME, Mirror
from malsync.sandbox import Sandbox, World
from malsync.sandbox.browser import answer_consent
from malsync.urls import origin_of
from tests.support.harness import ROOT, Malsync, Result, TestTime
from tests.support.matrix_rows import (
    COMMANDS,
    FAULTS,
    FROM_THEN_ON,
    LASTING,
    MEDIA,
    MIKA,
    MOVING,
    ROWS,
    SUSPENDED,
    TAKEN_AT_ITS_WORD,
    THEO,
    WAITS,
    Command,
    Place,
)
from tests.support.servers import free_port
from tests.support.signing import MONTH

DOCUMENT = ROOT / "docs" / "faults.md"
ONWARDS = "99999"


def _typed(place: Place, words: Sequence[str]) -> Result:
    filled = [word.replace("HOME", str(place.malsync.home)) for word in words]
    return place.malsync(*filled, "--json")


class Bench:
    """One account, and a home folder with two backups of it, the second of them after some harm was done."""

    def __init__(self, folder: Path, box: Sandbox) -> None:
        self._folder = folder
        self._box = box
        self._number = 0
        self._port = free_port()
        self._homes: dict[str, tuple[Path, Any, Any]] = {}
        self._plain: dict[str, dict[str, tuple[Any, int]]] = {}
        first = self._place()
        _sign_in(first)
        first.malsync.ok("backup")
        first.malsync.ok("--account", "second", "backup")
        _harm(box)
        first.malsync.time.moment += timedelta(hours=1)
        first.malsync.ok("backup", "--accept")
        self._base = (first.malsync.home, first.malsync.time.moment, self._far_side())

    def _far_side(self) -> dict[tuple[str, str], dict[int, Any]]:
        with self._box.world.lock:
            return {
                (user, medium): {id: dict(one) for id, one in self._box.world.named(user).kept(medium).items()}
                for user in (MIKA, THEO)
                for medium in MEDIA
            }

    def _place(self) -> Place:
        self._number += 1
        malsync = Malsync(self._folder / f"{self._number}" / "home", self._box)
        malsync.home.parent.mkdir()
        malsync.environment["MALSYNC_REDIRECT_URI"] = f"http://localhost:{self._port}/callback"
        return Place(malsync, self._box)

    @contextmanager
    def place(self, command: Command) -> Iterator[Place]:
        """A fresh home folder and the account as `command` finds them."""
        if command.name not in self._homes:
            with self._copied(self._base) as base:
                command.before(base)
                home = self._folder / f"{command.name.replace(' ', '-')}"
                shutil.copytree(base.malsync.home, home)
                self._homes[command.name] = (home, base.malsync.time.moment, self._far_side())
        with self._copied(self._homes[command.name]) as place:
            yield place

    @contextmanager
    def _copied(self, state: tuple[Path, Any, Any]) -> Iterator[Place]:
        home, moment, far_side = state
        place = self._place()
        shutil.copytree(home, place.malsync.home, dirs_exist_ok=True)
        place.malsync.time.moment = moment + timedelta(hours=1)
        _sign_in(place)
        with self._box.world.lock:
            for (user, medium), entries in far_side.items():
                self._box.world.named(user).put_list(medium, entries)
        try:
            yield place
        finally:
            self._box.clear_faults()
            shutil.rmtree(place.malsync.home.parent)

    def plain(self, command: Command) -> "dict[str, tuple[Any, int]]":
        """By fault: what the command comes to without one, and how many of its requests the fault could strike."""
        if command.name not in self._plain:
            with self.place(command) as place:
                specs = list(dict.fromkeys((*FAULTS, *LASTING)))
                self._box.add_faults(";".join(_with(spec, "times=0") for spec in specs))
                result = _typed(place, command.words)
                assert result.exit_code == 0, result
                product = command.product(place, result)
                counted = zip(specs, self._box._site._faults, strict=True)
                self._plain[command.name] = {spec: (product, fault.matched) for spec, fault in counted}
        return self._plain[command.name]

    def row(self, command: Command, spec: str, *, lasting: bool = False, suspended: bool = False) -> str:
        """The cells of one fault on one command: at its first, middle and last request; `.` where it can strike none.

        One cell stands for all that are alike, and a lasting fault begins at the middle one.
        """
        number = self.plain(command)[spec][1]
        if not number:
            return "."
        middle = (number + 1) // 2
        if lasting:
            return self.cell(command, spec, middle, lasting=True)
        # One request is first, middle and last at once.
        found = {
            nth: self.cell(command, spec, nth, lasting=False, suspended=suspended)
            for nth in sorted({1, middle, number})
        }
        return found[1] if len(set(found.values())) == 1 else " ".join(found[nth] for nth in (1, middle, number))

    def cell(self, command: Command, spec: str, nth: int, *, lasting: bool, suspended: bool = False) -> str:
        """What came of it: `=` or `~`, or the exit code; raises AssertionError where something was harmed."""
        wanted, moves = self.plain(command)[spec][0], spec.partition(":")[0] in MOVING
        where = f"{command.name} beside {spec} at request {nth}{' and on' if lasting else ''}"
        with self.place(command) as place:
            stored = place.numbers
            before = place.lists
            number = f"{nth}-{ONWARDS}" if lasting else str(nth)
            self._box.add_faults(_with(spec, f"nth={number}"))
            if suspended:
                self._suspend(place.malsync.time)
            result = _typed(place, command.words)
            self._box.clear_faults()
            if result.exit_code == 8 and moves:
                # The profile counted what was removed before the list was read.
                return f"8{_settled(place, command, where)}"
            assert result.exit_code in (0, 2, 3, 4, 5), (where, result)
            _assert_whole(place, where)
            if not command.writes and not moves:
                assert place.lists == before, where
            if result.exit_code == 0:
                product = command.product(place, result)
                if product == wanted:
                    return "="
                assert moves or (command.name, spec) in TAKEN_AT_ITS_WORD, (where, result, wanted, product)
                return _settled(place, command, where)
            if not command.writes:
                assert place.numbers == stored, where
            return f"{result.exit_code}{self._taken_up(place, command, where, wanted, moves)}"

    def _suspend(self, time: TestTime) -> None:
        """In every wait the time of day goes on by two hours, here and there; what counts seconds stands still meanwhile."""
        awake, counted, far_side = time.sleep, time.monotonic, self._box.world.clock.__self__  # type: ignore[attr-defined]
        asleep = timedelta()

        def sleep(seconds: float) -> None:
            nonlocal asleep
            awake(seconds)
            asleep += timedelta(hours=2)
            for clock in (time, far_side):
                clock.moment += timedelta(hours=2)

        time.sleep = sleep  # type: ignore[method-assign]
        time.monotonic = lambda: counted() - asleep.total_seconds()  # type: ignore[method-assign]

    def _taken_up(self, place: Place, command: Command, where: str, wanted: Any, moves: bool) -> str:
        """Without the fault: `resume` where a run is open, the same again where none is, until it ends with 0.

        Returns an `r` for each resume and a `+` for each other command after that. It must come to what it was to come to.
        """
        said, result = "", None
        for _ in range(3):
            place.malsync.time.moment += timedelta(hours=2)
            _sign_in(place)
            runs = [row["state"] for row in place.malsync.json("runs")] if command.writes else []
            is_open = "unfinished" in runs
            said += "r" if is_open else "+" if said else ""
            result = _typed(place, ("resume",) if is_open else command.again or command.words)
            if result.exit_code == 0:
                break
            assert result.exit_code == 5, (where, result)
        if moves:
            return f"{said}~"
        assert result is not None
        assert result.exit_code == 0, (where, result)
        product = command.product(place, result)
        assert product == wanted, (where, wanted, product)
        return said


def _sign_in(place: Place) -> None:
    """Good tokens of both users, past the store, which waits for the disk."""
    place.malsync.environment["MALSYNC_ACCESS_TOKEN"] = ""
    now = place.malsync.time.moment.timestamp()
    accounts = {}
    for account, user in (("default", MIKA), ("second", THEO)):
        pair = place.box.token_pair(user)
        accounts[account] = asdict(
            Tokens(
                pair["access_token"],
                pair["refresh_token"],
                now,
                now + MONTH,
                place.box.client_id,
                origin_of(place.box.api_url),
            )
        )
    place.malsync.home.mkdir(mode=0o700, exist_ok=True)
    (place.malsync.home / FILE_OF_TOKENS).write_bytes(orjson.dumps({"version": 1, "accounts": accounts}))


def _with(spec: str, key: str) -> str:
    return f"{spec}{',' if ':' in spec else ':'}{key}"


def _settled(place: Place, command: Command, where: str) -> str:
    """Of lists that somebody else has changed: what was done is true of them, so the same again has nothing more to do."""
    place.malsync.time.moment += timedelta(hours=2)
    first = command.product(place, result) if (result := _typed(place, command.words)).exit_code in (0, 5, 8) else None
    assert first is not None, (where, result)
    place.malsync.time.moment += timedelta(hours=2)
    second = command.product(place, again) if (again := _typed(place, command.words)).exit_code in (0, 5, 8) else None
    assert first == second, (where, first, second)
    return "~"


def _assert_whole(place: Place, where: str) -> None:
    with Mirror.open(place.malsync.home / FILE_NAME) as mirror:
        problems = mirror.verify().problems
    assert problems == [], (where, problems)


def _harm(box: Sandbox) -> None:
    """Somebody takes an anime off the list, edits another and adds a manga: an add, an update and a delete to restore."""
    anime, manga = sorted(box.entries(MIKA, "anime")), box.entries(MIKA, "manga")
    absent = min(one["id"] for one in box.world.catalogue.titles("manga") if one["id"] not in manga)
    box.remove(MIKA, "anime", anime[0])
    box.edit(MIKA, "anime", anime[2], score=1, comments="vandalised", tags=["x", "y"])
    box.add(MIKA, "manga", absent, status="reading", num_chapters_read=3)


def _world() -> World:
    world = World.demo(clock=TestTime().now)
    for user, numbers in ((MIKA, (6, 3)), (THEO, (5, 2))):
        account = world.named(user)
        for medium, number in zip(MEDIA, numbers, strict=True):
            account.put_list(medium, dict(sorted(account.kept(medium).items())[:number]))
    return world


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench to measure cells on. While it is there, a browser that opens signs in."""
    opens, webbrowser.open = webbrowser.open, lambda url, *_: bool(answer_consent(url))
    try:
        memory = (
            "/dev/shm" if Path("/dev/shm").is_dir() else None
        )  # nothing here outlives the bench: no wait for a disk
        with tempfile.TemporaryDirectory(prefix="malsync-matrix-", dir=memory) as folder, Sandbox(_world()) as box:
            yield Bench(Path(folder), box)
    finally:
        webbrowser.open = opens


def rows_of(bench: Bench, command: Command) -> dict[str, str]:
    """One command's cells, by the name of the row."""
    once = {spec: bench.row(command, spec) for spec in FAULTS}
    once |= {f"{spec}{FROM_THEN_ON}": bench.row(command, spec, lasting=True) for spec in LASTING}
    return once | {f"{spec}{SUSPENDED}": bench.row(command, spec, suspended=True) for spec in WAITS}


TABLES: dict[str, tuple[Command, ...]] = {
    "reads": tuple(one for one in COMMANDS if not one.writes and not one.name.startswith("fetch")),
    "writes": tuple(one for one in COMMANDS if one.writes),
    "fetches": tuple(one for one in COMMANDS if one.name.startswith("fetch")),
}
"""Which commands stand in which table of the document; it has a mark where each begins and ends."""


def table(commands: Sequence[Command], cells: Mapping[str, Mapping[str, str]]) -> str:
    """A table in Markdown: a row a fault, a column a command."""
    lines = [f"| fault | {' | '.join(one.name for one in commands)} |", f"| --- |{' --- |' * len(commands)}"]
    lines += [f"| `{row}` | {' | '.join(cells[one.name][row] for one in commands)} |" for row in ROWS]
    return "\n".join(lines)


def told() -> dict[str, dict[str, str]]:
    """What the document says, by command and row."""
    found: dict[str, dict[str, str]] = {}
    for name in TABLES:
        part = DOCUMENT.read_text(encoding="utf-8").split(f"<!-- {name} -->")[1]
        head, _, *lines = (line for line in part.splitlines() if line.startswith("|"))
        commands = [cell.strip() for cell in head.strip("|").split("|")][1:]
        for line in lines:
            row, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            for command, cell in zip(commands, cells, strict=True):
                found.setdefault(command, {})[row.strip("`")] = cell
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure the matrix and print it; with --write, put it into the document."""
    parser = argparse.ArgumentParser(prog="./run matrix", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="only the commands whose name has this word")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/faults.md")
    options = parser.parse_args(arguments)
    cells: dict[str, dict[str, str]] = {}
    with bench() as made:
        for command in COMMANDS:
            if not options.words or any(word in command.name for word in options.words):
                cells[command.name] = rows_of(made, command)
                print(f"{command.name}: {len(ROWS)} faults", file=sys.stderr, flush=True)
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, commands in TABLES.items():
        print(f"{table([one for one in commands if one.name in cells], cells)}\n")
        mark = f"<!-- {name} -->"
        before, _, after = text.split(mark)
        text = f"{before}{mark}\n\n{table(commands, told() | cells) if options.write else ''}\n\n{mark}{after}"
    if options.write:
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
