"""CONTRIBUTING.md: its example is a test that passes, and every `./run` command in a document exists."""

import re
import subprocess
from typing import Any

import pytest

from malsync.sandbox import Sandbox
from tests.support.harness import ROOT, Malsync

DOCUMENT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.writes
def test_the_example_of_a_test_passes(malsync: Malsync, box: Sandbox) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {"Malsync": Malsync, "Sandbox": Sandbox}

    exec(compile(example, "CONTRIBUTING.md", "exec"), names)
    (test,) = (found for name, found in names.items() if name.startswith("test_"))
    test(malsync, box)


def test_every_run_command_in_a_document_exists() -> None:
    usage = subprocess.check_output([ROOT / "run", "help"], text=True)
    commands = {line.split()[0] for line in usage.splitlines() if line.startswith("  ")}
    documents = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))
    named = {name for path in documents for name in re.findall(r"\./run ([a-z]+)", path.read_text(encoding="utf-8"))}

    assert {"check", "test"} <= named <= commands
