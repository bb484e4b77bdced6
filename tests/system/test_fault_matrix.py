"""Every fault of the sandbox on every command that talks to the API: what docs/faults.md says is what happens.

At night all of the tables are measured; otherwise each kind of fault on some commands, and each row on two of them.
"""

from collections.abc import Iterator

import pytest

from malsync.sandbox.faults import KINDS
from tests.support.command_tree import COMMANDS as COMMAND_LINES
from tests.support.effort import IS_NIGHTLY
from tests.support.matrix import Bench, bench, told
from tests.support.matrix_rows import COMMANDS, FAULTS, FROM_THEN_ON, LASTING, ROWS, SUSPENDED, WAITS, Command

EVERY_ROW = {"backup", "restore"}
OFFLINE = {
    "accounts",
    "logout",
    "history",
    "snapshots",
    "import",
    "verify",
    "mirror",
    "prune",
    "schedule",
    "completion",
    "runs",
    "browse",
    "sandbox",
    "demo",
}
ITS_ANSWER_IS_WHAT_IT_FINDS = {"doctor"}  # tests/test_cli_doctor.py
FIRST_OF_ITS_KIND = [
    spec
    for number, spec in enumerate(FAULTS)
    if spec.partition(":")[0] not in {other.partition(":")[0] for other in FAULTS[:number]}
]
SHARE = 6
"""Beside those that have every row, a command has a sixth of the kinds of fault, the next one another; at night all rows."""


@pytest.fixture(scope="module")
def measuring() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.mark.promise("storing-1", "pace-4")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_fault_ends_as_the_document_says(measuring: Bench, command: Command) -> None:
    said = told()[command.name]
    turn = COMMANDS.index(command)
    is_whole = IS_NIGHTLY or command.name in EVERY_ROW
    once = FAULTS if is_whole else FIRST_OF_ITS_KIND[turn % SHARE :: SHARE]
    measured = {spec: measuring.row(command, spec) for spec in once}
    for spec in LASTING if is_whole else (LASTING[turn % len(LASTING)],):
        measured[f"{spec}{FROM_THEN_ON}"] = measuring.row(command, spec, lasting=True)
    for spec in WAITS if is_whole else (WAITS[turn % len(WAITS)],):
        measured[f"{spec}{SUSPENDED}"] = measuring.row(command, spec, suspended=True)

    assert measured == {row: said[row] for row in measured}


def test_the_document_has_every_kind_of_fault_and_every_command() -> None:
    cells = told()

    assert {spec.partition(":")[0] for spec in FAULTS} == set(KINDS)
    assert set(cells) == {command.name for command in COMMANDS}
    assert all(set(rows) == set(ROWS) for rows in cells.values())
    asked = {command.words[0] for command in COMMANDS}
    assert asked | OFFLINE | ITS_ANSWER_IS_WHAT_IT_FINDS == {path.split()[0] for path in COMMAND_LINES if path}
