"""`./run mutations`: breaks malsync on purpose, one defect at a time, and shows that the tests notice each.

Every defect of tests/mutants is made in a copy of this checkout, the tests that must notice are run there, and the table
says which one did. A defect that nobody notices survives: then a test is missing.

    ./run mutations                 all of them, two at a time
    ./run mutations journal         those whose name or file has this word
    ./run mutations --jobs 1        one at a time
    ./run mutations --from 90       the 90th and those after it
"""

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue

from tests.mutants import MUTANTS, Edit, Mutant
from tests.support.harness import ROOT

PARTS = ("malsync", "schemas", "fixtures", "tests", "docs", ".ci")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "run")
LONGEST = 300.0
"""Seconds after which a run of the tests has noticed too: it does not come to an end."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (?:tests/(?:\w+/)?test_)?(.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: which test noticed (None: it survived), and after how many seconds."""

    mutant: Mutant
    noticed: str | None
    seconds: float


def occurrences(edit: Edit, root: Path = ROOT) -> int:
    """How often the text that an edit replaces stands in its file."""
    return (root / "malsync" / edit.module).read_text(encoding="utf-8").count(edit.text)


@contextmanager
def broken(mutant: Mutant, root: Path) -> Iterator[None]:
    """The checkout at `root` with that defect. Raises ValueError where a text does not stand there exactly once."""
    before = {edit.module: (root / "malsync" / edit.module).read_text(encoding="utf-8") for edit in mutant.edits}
    try:
        for edit in mutant.edits:
            if occurrences(edit, root) != 1:
                raise ValueError(f"{mutant.name}: {edit.text!r} does not stand once in malsync/{edit.module}")
            path = root / "malsync" / edit.module
            path.write_text(path.read_text(encoding="utf-8").replace(edit.text, edit.instead), encoding="utf-8")
        yield
    finally:
        for module, text in before.items():
            (root / "malsync" / module).write_text(text, encoding="utf-8")


def copy_of_this(folder: Path) -> Path:
    """A checkout to break. Its bytecode is checked by what the source says: by time, an edit within a second goes unseen."""
    for part in PARTS:
        if (ROOT / part).exists():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    compileall.compile_dir(folder / "malsync", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return folder


def judged(mutant: Mutant, root: Path) -> Verdict:
    """Break the copy at `root`, run the tests that must notice, and mend it again."""
    began = time.monotonic()
    with broken(mutant, root):
        noticed = failing(root, mutant.tests)
    return Verdict(mutant, noticed, time.monotonic() - began)


def failing(root: Path, tests: Sequence[str]) -> str | None:
    """The first test of `tests` that fails in the checkout at `root`; None when all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-n", "0", "-p", "no:cacheprovider", *tests]
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MALSYNC_")}
    # The same examples each time: a defect that is found on some days is not found.
    environment = kept | {"HYPOTHESIS_PROFILE": "deterministic", "PYTHONPATH": str(root)}
    with tempfile.TemporaryDirectory(prefix="malsync-mutant-") as place:
        try:
            done = subprocess.run(
                [*command, "--basetemp", f"{place}/tmp"],
                cwd=root,
                env=environment,
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no end within {LONGEST:.0f} s"
    if done.returncode == 0:
        return None
    if done.returncode != 1 and not _FAILED.search(done.stdout):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    found = _FAILED.search(done.stdout)
    return found[1] if found else "a test"


def _chosen(words: Sequence[str]) -> list[Mutant]:
    def is_meant(mutant: Mutant) -> bool:
        said = f"{mutant.name} {' '.join(edit.module for edit in mutant.edits)}"
        return all(word in said for word in words)

    return [mutant for mutant in MUTANTS if is_meant(mutant)]


def _report(number: int, total: int, verdict: Verdict) -> None:
    what = f"caught by {verdict.noticed}" if verdict.noticed else "SURVIVED"
    print(f"{number:4}/{total}  {verdict.seconds:5.1f} s  {verdict.mutant.name}\n{'':18}{what}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Judge the mutants that the arguments name; 1 when one survives."""
    parser = argparse.ArgumentParser(prog="./run mutations", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("words", nargs="*", help="only defects whose name or file has these words")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="NUMBER", help="begin with that one")
    options = parser.parse_args(arguments)
    chosen = _chosen(options.words)[options.first - 1 :]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="malsync-mutants-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            (Path(folder) / str(number)).mkdir()
            copies.put(copy_of_this(Path(folder) / str(number)))

        def judge(mutant: Mutant) -> Verdict:
            root = copies.get()
            try:
                return judged(mutant, root)
            finally:
                copies.put(root)

        with ThreadPoolExecutor(options.jobs) as pool:
            verdicts = []
            for verdict in pool.map(judge, chosen):
                verdicts.append(verdict)
                _report(len(verdicts), len(chosen), verdict)
    survivors = [verdict.mutant.name for verdict in verdicts if verdict.noticed is None]
    caught = len(verdicts) - len(survivors)
    print(f"\n{caught} of {len(verdicts)} defects are caught, in {(time.monotonic() - began) / 60:.0f} minutes.")
    for name in survivors:
        print(f"  survived: {name}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
