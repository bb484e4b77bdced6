"""`./run fuzz`: hostile bytes, by the hundred thousand, for everything that reads what others wrote.

    ./run fuzz                      every reader, 100,000 inputs each
    ./run fuzz XML --runs 5000      the readers whose name has this word

With atheris installed (`pip install atheris`) the inputs follow the coverage of malsync's code; half of them are well-formed
JSON that was jumbled. Without it they are jumbled and torn at random. A defect is what is neither an answer nor a sentence
for the user; the input that shows it is printed, and the end is 1.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from tests.support import fuzz_ground
from tests.support.fuzz_ground import Reader
from tests.support.fuzz_readers import READERS
from tests.support.harness import ROOT, clean_environment

RUNS = 100_000
LONGEST = 10
"""Seconds that one input may take."""
OFTEN = (0.0005, 0.003, 0.02, 0.1)
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 1e308, 0.5, -0.0, "", "0", "\0", "\ud800",
    "a" * 300, [], {},
    [[]], {"": {}}, "2026-11-01T00:00:00Z", "9999-99-99", "http://127.0.0.1:9/v2/users/@me/animelist?offset=1", "//[", "\u202e",
)  # fmt: skip


def jumbled(document: Any, random: Random, often: float) -> Any:
    """A document in which one part of so many is something else, is missing, or comes twice."""
    if random.random() < often:
        return random.choice(ODD)
    if isinstance(document, dict):
        found = {name: jumbled(part, random, often) for name, part in document.items() if random.random() > often / 2}
        if random.random() < often:
            found[str(random.choice(ODD))[:20]] = random.choice(ODD)
        return found
    if isinstance(document, list):
        parts = [jumbled(part, random, often) for part in document if random.random() > often / 2]
        return parts * 2 if random.random() < often / 2 else parts
    return document


def torn(content: bytes, random: Random) -> bytes:
    """Bytes with some of them gone, repeated, or others."""
    found = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at, length = random.randint(0, len(found)), random.choice((1, 1, 2, 8, 40))
        how = random.randrange(4)
        if how == 0:
            del found[at : at + length]
        elif how == 1:
            found[at:at] = found[at : at + length] * random.choice((1, 2, 50))
        elif how == 2:
            found[at : at + length] = random.randbytes(length)
        else:
            found[at : at + 1] = random.choice(
                (b"\0", b"\xff", b"<", b"&", b'"', b"]]>", b"{", b"[" * 200, b"\xed\xa0\x80", b"9" * 30)
            )
    return bytes(found)


def varied(content: bytes, random: Random) -> bytes:
    """Another input near `content`: jumbled where it is JSON (perhaps after one byte), else torn."""
    for start in (0, 1):
        try:
            document = json.loads(content[start:])
        except (ValueError, RecursionError):
            continue
        if random.random() < 0.7:
            return content[:start] + json.dumps(
                jumbled(document, random, random.choice(OFTEN)), ensure_ascii=False
            ).encode("utf-8", "surrogatepass")
    return torn(content, random)


def at_random(reader: Reader, runs: int, seed: int = 1) -> int:
    """So many inputs without any guide; how many of them the reader took. Raises whatever is a defect."""
    random, seeds, taken = Random(seed), reader.seeds(), 0
    for number in range(runs):
        content = seeds[number] if number < len(seeds) else varied(random.choice(seeds), random)
        began = time.monotonic()
        try:
            taken += reader(content)
        except Exception as error:
            raise AssertionError(f"{reader.name}: {type(error).__name__} for {content!r}") from error
        assert time.monotonic() - began < LONGEST, (reader.name, content)
    return taken


def guided(reader: Reader, runs: int, folder: Path) -> None:
    """So many inputs by coverage, in this process, which ends with it."""
    import atheris

    seeds = reader.seeds()
    for number, content in enumerate(seeds):
        (folder / str(number)).write_bytes(content)
    taken = 0

    def read(content: bytes) -> None:
        nonlocal taken
        taken += reader(content)

    def mutated(content: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        return varied(content, random)[:most] if random.random() < 0.5 else atheris.Mutate(content, most)

    options = [
        f"-runs={runs}",
        f"-timeout={LONGEST}",
        f"-max_len={max(65_536, *map(len, seeds))}",
        "-seed=1",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(folder)], read, custom_mutator=mutated)
    atheris.Fuzz()


def _one(name: str, runs: int) -> int:
    (reader,) = (one for one in READERS if one.name == name)
    with fuzz_ground.scratch() as folder:
        if find_spec("atheris") is None:
            print(f"{at_random(reader, runs)} taken")
        else:
            corpus = folder / "corpus"
            corpus.mkdir()
            guided(reader, runs, corpus)
    return 0


def _recorded(reader: Reader, runs: int) -> bool:
    """Fuzz in a process of its own, and print a line of it. Whether no defect was found."""
    began = time.monotonic()
    # The process ends without tidying up, so its files are in a folder of this one's.
    with tempfile.NamedTemporaryFile("w+", errors="replace") as log, fuzz_ground.scratch() as folder:
        command = [sys.executable, "-m", "tests.support.fuzz", "--one", reader.name, "--runs", str(runs)]
        environment = clean_environment() | {fuzz_ground.FOLDER: str(folder)}
        code = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False).returncode
        log.seek(0)
        said = log.read()
    covered = re.findall(r"cov: (\d+)", said)
    done = re.search(r"number_of_executed_units: (\d+)", said)
    number = int(done[1]) if done else runs
    figures = f"{number:>9,} inputs  {time.monotonic() - began:6.0f} s" + (
        f"  {covered[-1]:>5} edges" if covered else ""
    )
    print(f"{reader.name:20} {figures}  {'no defect' if code == 0 else 'DEFECT'}", flush=True)
    if code:
        print(said[-4000:])
    return code == 0


def main(arguments: Sequence[str]) -> int:
    """Fuzz the readers that the arguments name; 1 when a defect is found."""
    parser = argparse.ArgumentParser(prog="./run fuzz", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("words", nargs="*", help="only readers whose name has one of these words")
    parser.add_argument("--runs", type=int, default=RUNS, help="inputs for each reader")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        return _one(options.one, options.runs)
    if find_spec("atheris") is None:
        print("Without atheris the inputs are random: pip install atheris", file=sys.stderr)
    chosen = [one for one in READERS if not options.words or any(word in one.name for word in options.words)]
    defects = sum(not _recorded(reader, options.runs) for reader in chosen)
    return 1 if defects else 0


if __name__ == "__main__":
    if find_spec("atheris") is not None and "--one" in sys.argv:
        # Only what is imported within is followed, so malsync is imported once more.
        import atheris

        with atheris.instrument_imports(include=["malsync"]):
            import importlib

            for found in [name for name in sys.modules if name.startswith(("malsync", "tests"))]:
                del sys.modules[found]
            READERS = importlib.import_module("tests.support.fuzz_readers").READERS
            fuzz_ground = importlib.import_module("tests.support.fuzz_ground")
    sys.exit(main(sys.argv[1:]))
