"""What a command imports before it does anything: the heavy libraries only where the command needs them."""

import subprocess
import sys

import pytest

from tests.support.harness import clean_environment

HEAVY = ("datasette", "jsonschema", "jsonschema_rs", "requests", "rich", "sqlite_utils", "starlette", "uvicorn")
SOURCE = """
import contextlib, io, sys
from malsync.cli.main import run
with contextlib.redirect_stdout(io.StringIO()):
    code = run(sys.argv[1:])
print(code, [name for name in {heavy!r} if name in sys.modules])
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["login", "--help"], ["show", "--help"], ["restore", "--help"]]
)
def test_help_imports_no_heavy_library(words: list[str]) -> None:
    source = SOURCE.format(heavy=HEAVY)

    printed = subprocess.check_output([sys.executable, "-c", source, *words], text=True, env=clean_environment())

    assert printed == "0 []\n"
