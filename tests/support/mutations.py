"""`./run mutations`: changes the core in small ways, one at a time, and lists the changes that no test notices.

mutmut (https://mutmut.readthedocs.io) makes the mutants and runs the tests, in a copy of this checkout. A mutant that
survives means that a test is missing, or that the change makes no difference.

    ./run mutations                      all modules of the table below
    ./run mutations restore_plan undo    these modules
    ./run mutations guard_deletes        this function or method, in whichever of the modules defines it
    ./run mutations --jobs 2 guards      two mutants at a time
    ./run mutations -k "not raw" restore only those of the tests, as pytest understands it: a look that takes less time

Exits with 1 when a mutant survives.
"""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.harness import ROOT, clean_environment

TESTS: Mapping[str, tuple[str, ...]] = {
    "mirror/journal.py": ("journal", "journal_laws"),
    "mirror/pruning.py": ("pruning_laws", "cli_prune"),
    "model/diff.py": ("diff", "restore_plan_laws"),
    "model/entry.py": ("diff", "restore_plan"),
    "model/snapshot.py": ("snapshot", "snapshot_file"),
    "operations/reconcile.py": ("reconcile", "restore_interrupt"),
    "operations/restore.py": ("cli_apply", "cli_guards", "cli_restore"),
    "operations/resume.py": ("cli_runs", "cli_undo"),
    "operations/retention.py": ("pruning_laws", "cli_prune"),
    "operations/run.py": ("restore_http", "restore_interrupt", "restore_safety"),
    "operations/write_entry.py": ("restore_http", "restore_interrupt"),
    "planning/guards.py": ("guards",),
    "planning/preconditions.py": ("preconditions", "reconcile", "cli_apply"),
    "planning/request.py": ("request",),
    "planning/restore_plan.py": ("restore_plan", "restore_plan_laws"),
    "planning/revert_plan.py": ("revert_plan",),
    "planning/undo_plan.py": ("undo_plan",),
    "planning/writable.py": ("restore_plan",),
}
"""For each module of the core the test files that must notice when it changes: `diff` is test_diff.py, in any folder."""

COPIED = ("malsync", "schemas", "fixtures", "tests", "docs", ".ci")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "hatch_build.py", "run")


def main(arguments: Sequence[str]) -> int:
    """Run the mutants that the arguments select; return 1 when one survives, otherwise 0."""
    parser = argparse.ArgumentParser(prog="./run mutations", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="MODULE-OR-FUNCTION", help="default: all modules of the table")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    parser.add_argument("-k", dest="only", default="", metavar="EXPRESSION", help="only tests whose names match")
    options = parser.parse_args(arguments)
    survivors = 0
    for module, patterns in selected(options.names).items():
        with tempfile.TemporaryDirectory(prefix="malsync-mutants-") as folder:
            survivors += tested(module, patterns, Path(folder), options.jobs, options.only)
    print(f"\n{survivors} survive." if survivors else "\nNone survives.")
    return 1 if survivors else 0


def test_file(name: str) -> Path:
    """The test file of that name, from the root of the checkout."""
    (path,) = (ROOT / "tests").rglob(f"test_{name}.py")
    return path.relative_to(ROOT)


def selected(names: Sequence[str]) -> dict[str, list[str]]:
    """The modules to mutate, each with mutmut's patterns for the functions meant (none: all of them).

    Raises SystemExit when a name is neither a module of the table nor a function in one of them.
    """
    if not names:
        return {module: [] for module in TESTS}
    chosen: dict[str, list[str]] = {}
    for name in names:
        modules = [module for module in TESTS if name.removesuffix(".py") in (module[:-3], Path(module).stem)]
        for module in modules:
            chosen[module] = []
        defining = [module for module in TESTS if name in functions(ROOT / "malsync" / module)]
        for module in () if modules else defining:
            dotted = f"malsync.{module[:-3].replace('/', '.')}"
            chosen.setdefault(module, []).extend((f"{dotted}.x_{name}__mutmut_*", f"{dotted}.xǁ*ǁ{name}__mutmut_*"))
        if not modules and not defining:
            raise SystemExit(f"mutations: no module or function of the table has the name {name}")
    return chosen


def functions(path: Path) -> set[str]:
    """The names of all functions and methods that a file defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def tested(module: str, patterns: Sequence[str], folder: Path, jobs: int, only: str) -> int:
    """Mutate one module in a copy of the checkout at `folder`, print its survivors, and return how many there are."""
    began = time.monotonic()
    copy_checkout(module, folder, only)
    run_mutmut(folder, "run", "--max-children", str(jobs), *patterns)
    # `mutmut results` prints `name: status` for every mutant; those that no pattern selects are "not checked".
    lines = run_mutmut(folder, "results", "--all", "true").splitlines()
    status = dict(line.strip().rsplit(": ", 1) for line in lines if "__mutmut_" in line)
    ran = {name: state for name, state in status.items() if state != "not checked"}
    survivors = [name for name, state in ran.items() if state in ("survived", "no tests")]
    for name in survivors:
        print(f"\n{described(name)}: {ran[name]}\n{patch(run_mutmut(folder, 'show', name))}")
    seconds = time.monotonic() - began
    print(f"malsync/{module}: {len(ran)} mutants, {len(survivors)} survive ({seconds:.0f} s)", flush=True)
    return len(survivors)


def copy_checkout(module: str, folder: Path, only: str = "") -> None:
    """Copy this checkout to `folder`, with mutmut configured for one module and its tests, or `only` some of those."""
    for part in filter(lambda part: (ROOT / part).exists(), COPIED):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    settings = {
        "source_paths": ["malsync"],
        "only_mutate": [f"malsync/{module}"],
        "also_copy": [part for part in (*COPIED, *FILES) if part != "malsync" and (folder / part).exists()],
        "pytest_add_cli_args": ["-n", "0", "-p", "no:cacheprovider", *(["-k", only] if only else [])],
        "pytest_add_cli_args_test_selection": [str(test_file(name)) for name in TESTS[module]],
        # Each mutant in a process that has run no test before: servers and threads do not survive a fork.
        "process_isolation": "forkserver",
    }
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.mutmut]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))


def run_mutmut(folder: Path, *arguments: str) -> str:
    """Return what a mutmut command prints. Raises SystemExit with its last lines when it fails."""
    # Hypothesis tries the same examples each time: a mutant that is caught on some days is not caught.
    environment = clean_environment() | {"HYPOTHESIS_PROFILE": "mutations", "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"mutations: mutmut {arguments[0]} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def described(name: str) -> str:
    """`malsync.planning.restore_plan.x_plan__mutmut_22` as `plan in malsync/plan.py, mutant 22`."""
    path, _, rest = name.rpartition(".")
    function, _, number = rest.partition("__mutmut_")
    function = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"{function} in {path.replace('.', '/')}.py, mutant {number}"


def patch(shown: str) -> str:
    """The hunks of the diff that `mutmut show` prints, without its head."""
    return "\n".join(line for line in shown.splitlines() if line[:1] in "+- " and line[:3] not in ("+++", "---"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
