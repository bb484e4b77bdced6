"""Files of every form that malsync ever wrote or read stay readable for ever, and mean what they meant.

fixtures/upgrade has one of each, written by the commit that brought the form: FORMAT-N, and what a form has several of behind
a point. They are never made again. A new format, and another form of one, needs a file of its own: these tests fail without.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from malsync.operations import config
from tests.support import older
from tests.support.harness import ROOT, Malsync
from tests.support.older import FOLDER, Again, Read, unpacked

FILES = sorted(FOLDER.iterdir())
WRITING = re.compile(r"write|open\(|connect|serialize|mkstemp|set_password")
"""Only what holds one of these words is parsed."""
NAMED = re.compile(r"([a-z-]+)-(\d+)((?:\.\w+)+)")


class Format(NamedTuple):
    """How one is read, and the newest of its forms written again; `seen` is what of both is compared, all by default."""

    read: Read
    again: Again | None
    seen: Callable[[bytes], object] = bytes


def _settings_known(content: bytes) -> object:
    return set(re.findall(r"^(\w+) = ", content.decode(), re.MULTILINE))


FORMATS = {
    "config": Format(older.settings, lambda *_: "\n".join(f"{key} = " for key in config.KEYS), _settings_known),
    "tokens": Format(older.tokens, older.tokens_again),
    "keyring": Format(older.keyring_item, older.keyring_again),
    "accounts": Format(older.accounts, older.accounts_again),
    "snapshot": Format(older.snapshot, older.snapshot_again),
    "latest": Format(older.latest, older.snapshot_again),
    "plan": Format(older.plan, older.plan_again),
    "run": Format(older.run, None),  # a mirror, whose newest tables test_upgrade.py compares
    "xml": Format(older.mal_xml, older.exported),
    "csv": Format(older.one_way, older.exported),
    "sqlite": Format(older.one_way, older.exported, older.tables),
    "left-out": Format(older.left_out, older.left_out_again),
    "sandbox-state": Format(older.sandbox_state, older.sandbox_state_again, orjson.loads),
    "timer": Format(older.timer, older.timer_again),
    # Its other words are click's.
    "completion": Format(older.completion, older.completion_again, lambda content: older.asked_by(content.decode())),
}

# Each module of malsync that writes something to keep, and the formats that it writes. `mirror` is fixtures/mirrors.
WRITERS = {
    "operations/accounts.py": {"accounts"},
    "mal/token_store.py": {"tokens", "keyring"},
    "operations/home.py": {"snapshot"},
    "operations/imports.py": {"left-out"},
    "cli/backup.py": {"snapshot"},
    "operations/restore.py": {"plan"},
    "cli/export.py": {"snapshot", "xml", "csv", "sqlite"},
    "formats/plan_file.py": {"plan"},
    "formats/latest_copy.py": {"latest"},
    "formats/snapshot_file.py": {"snapshot", "latest"},
    "formats/sqlite_export.py": {"sqlite"},
    "mirror/database.py": {"mirror", "run"},
    "sandbox/statefile.py": {"sandbox-state"},
    "schedule/systemd.py": {"timer"},
    "cli/main.py": set[str](),  # last-error.txt: for people, and the next one replaces it
    "cli/opening.py": set[str](),  # a page that leads a browser to an address, gone when it has been read
    "operations/clock_offset.py": set[str](),  # how far the clock is off: the next backup finds out anew
    "browse/app.py": set[str](),  # opens the mirror to read
    "files.py": set[str](),  # writes for the others
}
# What nobody writes to a file but its user: settings, and what is printed to be kept.
BY_HAND = {"config", "completion"}


def parts(path: Path) -> tuple[str, int, str]:
    """A fixture's format, which of its forms it has, and what stands behind that."""
    found = NAMED.fullmatch(path.name)
    assert found is not None, f"{path.name} is not called FORMAT-N"
    return found[1], int(found[2]), found[3]


def newest() -> list[Path]:
    """The newest of each, by format and what stands behind the number."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(FILES, key=lambda path: parts(path)[1]):
        name, _, ending = parts(path)
        found[name, ending] = path
    return [path for path in found.values() if FORMATS[parts(path)[0]].again is not None]


@pytest.mark.promise("storing-15")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_of_every_form_means_what_it_meant(path: Path, offline: Malsync) -> None:
    FORMATS[parts(path)[0]].read(path, offline)


@pytest.mark.promise("storing-16")
@pytest.mark.parametrize("path", newest(), ids=lambda path: path.name)
def test_the_newest_file_of_a_format_is_what_is_written_today(path: Path, offline: Malsync) -> None:
    """Where this fails, the form has changed: the new one needs a file of the next number, and the old one stays."""
    name, number, _ = parts(path)
    form = FORMATS[name]
    assert form.again is not None
    written = form.again(path, offline)

    content = written.encode() if isinstance(written, str) else written
    assert form.seen(content) == form.seen(unpacked(path)), f"{name} has another form than its number {number}"


@pytest.mark.promise("storing-16")
def test_every_format_has_a_file_of_each_of_its_forms() -> None:
    numbers = defaultdict(set)
    for path in FILES:
        numbers[parts(path)[0]].add(parts(path)[1])

    assert numbers.keys() == FORMATS.keys()
    for name, found in numbers.items():
        assert found == set(range(1, max(found) + 1)), name


@pytest.mark.promise("storing-16")
def test_every_format_that_malsync_writes_is_known_here() -> None:
    """Whatever in malsync writes to a disk or a keyring stands in the table of those that do, with its formats."""
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "malsync").rglob("*.py")}
    found = {
        path.relative_to(ROOT / "malsync").as_posix()
        for path, text in texts.items()
        if WRITING.search(text) and any(map(writes, ast.walk(ast.parse(text))))
    }

    assert found == WRITERS.keys()
    assert set.union(*WRITERS.values(), BY_HAND) == {*FORMATS, "mirror"}


def writes(node: ast.AST) -> bool:
    """Whether this is a call that writes something to keep."""
    if not isinstance(node, ast.Call):
        return False
    words = {one.value for one in node.args if isinstance(one, ast.Constant)}
    if "set_password" in words:
        return True
    if not isinstance(node.func, ast.Attribute):
        return isinstance(node.func, ast.Name) and node.func.id == "open"
    on, name = node.func.value, node.func.attr
    of = on.id if isinstance(on, ast.Name) else ""
    modes = words | {
        one.value.value for one in node.keywords if one.arg == "mode" and isinstance(one.value, ast.Constant)
    }
    return (
        name in ("write_text", "write_bytes", "serialize", "mkstemp")
        or (name == "write" and of in ("files", "snapshot_file", "plan_file"))
        or (name == "connect" and of == "sqlite3")
        or (name in ("open", "fdopen") and any(mode in modes for mode in ("w", "wb", "a", "ab", "x", "xb")))
    )


@pytest.mark.parametrize(
    "line",
    [
        "files.write(path, [])", "path.write_text('')", "open(path, 'wb')", "path.open('a')", "sqlite3.connect(path)",
        "self._call('set_password', account)", "plan_file.write(path, plan)", "path.open(mode='w')",
    ],
)  # fmt: skip
def test_what_writes_is_seen(line: str) -> None:
    assert any(map(writes, ast.walk(ast.parse(line))))
    assert not any(map(writes, ast.walk(ast.parse("path.read_bytes(); path.open('rb'); output.write(text)"))))
