"""docs/library.md runs as it stands, its types hold, and the package gives what it promises without costing anything."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

import malsync
from malsync.mal.client import Client
from tests.support.harness import ROOT, clean_environment

DOCUMENT = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n((?:    [^\n]*\n)*)", DOCUMENT, re.DOTALL)


def run(source: str) -> str:
    """What a program prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "docs/library.md", "exec"), {"__name__": "__main__"})
    return out.getvalue()


@pytest.mark.parametrize(("source", "printed"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_prints_what_stands_below_it(source: str, printed: str) -> None:
    assert run(source).splitlines() == [line.removeprefix("    ") for line in printed.splitlines()]


def test_the_document_has_examples() -> None:
    assert len(EXAMPLES) == DOCUMENT.count("```python") == 5
    assert all(printed for _, printed in EXAMPLES)


def test_every_method_is_in_the_table_and_in_an_example() -> None:
    code = "".join(source for source, _ in EXAMPLES)
    public = {name for name, one in vars(Client).items() if callable(one) and not name.startswith("_")} - {"close"}

    assert len(public) == 14
    for name in public:
        assert re.search(rf"^\| `{name}\(", DOCUMENT, re.MULTILINE), f"{name} is in no table"
        assert f"mal.{name}(" in code, f"{name} is in no example"


def test_every_error_and_every_option_of_the_table_can_be_imported_or_given() -> None:
    from malsync.errors import MalsyncError
    from malsync.mal.client import Options

    section = DOCUMENT.split("## Errors")[1]
    for name in re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE):
        assert issubclass(getattr(malsync, name), MalsyncError)
    table = DOCUMENT.split("Both take these by name:")[1].split("\n\n`client.requests`")[0]
    named = set(
        re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `")))
    )
    assert named == {"api_url", *Options.__annotations__}


# -- what is imported


def python(source: str) -> str:
    """What a fresh Python prints."""
    return subprocess.check_output([sys.executable, "-c", source], text=True, env=clean_environment())


def test_importing_malsync_imports_nothing_else_until_something_is_used() -> None:
    source = (
        "import sys, malsync\n"
        "print([name for name in sys.modules if name.startswith('malsync.')], 'requests' in sys.modules)\n"
        "malsync.ANIME\n"
        "print('malsync.model.medium' in sys.modules, 'requests' in sys.modules)\n"
        "malsync.Client\n"
        "print('requests' in sys.modules)\n"
    )

    assert python(source).splitlines() == ["[] False", "True False", "True"]


def test_every_name_that_is_promised_is_there() -> None:
    for name in malsync.__all__:
        assert getattr(malsync, name) is not None
    assert set(malsync.__all__) <= set(dir(malsync))
    assert {name for names in malsync._MODULES.values() for name in names} == set(malsync.__all__) - {
        "API_URL",
        "__version__",
    }


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'malsync' has no attribute 'Cleint'"):
        _ = malsync.Cleint  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from malsync import Cleint", {})


# -- types


TYPED = """
from malsync import ANIME, Client, Entry, Pages, Thread
from malsync.mal.types import Title

def f(mal: Client) -> None:
    reveal_type(mal.user_list(ANIME))
    reveal_type(mal.details(ANIME, 1)["mean"])
    reveal_type([one["ranking"]["rank"] for one in mal.ranking(ANIME, "all")])
    reveal_type(mal.topic(1).poll)
    mal.serach(ANIME, "cowboy bebop")
    mal.search("anime", "cowboy bebop")
    mal.details(ANIME, 1)["maen"]
    Client.public("id", usr_agent="x")
"""
# What mypy says of each line of it, as far as its releases agree.
SEEN = [
    r"Revealed type is .*malsync\.mal\.pagination\.Pages\[.*malsync\.model\.entry\.Entry",
    r'Revealed type is "float \| None"|Union\[.*float, None\]',
    r"Revealed type is .*list\[.*int\]",
    r"Revealed type is .*malsync\.mal\.types\.Poll",
    r'"Client" has no attribute "serach"',
    r'Argument 1 to "search" of "Client" has incompatible type "str"',
    r'TypedDict "Title" has no key "maen"',
    r'Unexpected keyword argument "usr_agent"',
]


def test_a_type_checker_sees_the_types_and_the_mistakes(tmp_path: Path) -> None:
    """Every example is right by `mypy --strict`, and what is wrong is found."""
    for number, (source, _) in enumerate(EXAMPLES):
        (tmp_path / f"example_{number}.py").write_text(source)
    (tmp_path / "mistakes.py").write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "--config-file", ""]

    done = subprocess.run(
        [*command, *map(str, sorted(tmp_path.glob("*.py")))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=clean_environment() | {"MYPYPATH": str(ROOT)},
    )

    found = [line for line in done.stdout.splitlines() if ": error: " in line or "Revealed type" in line]
    assert all(line.startswith("mistakes.py:") for line in found), done.stdout
    assert len(found) == len(SEEN), done.stdout
    assert [words for words, line in zip(SEEN, found, strict=True) if not re.search(words, line)] == [], done.stdout
