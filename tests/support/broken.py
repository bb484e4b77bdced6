"""An installation with a defect in it: what malsync makes of its own bugs must be seen, and it has none to offer."""

import shutil
from pathlib import Path

from tests.support.harness import ROOT


def broken_installation(folder: Path, module: str, line: str, instead: str) -> dict[str, str | None]:
    """A copy of malsync in which one line reads otherwise; the variables that make Python take it."""
    package = folder / "malsync"
    shutil.copytree(ROOT / "malsync", package, ignore=shutil.ignore_patterns("__pycache__"))
    for data in ("schemas", "fixtures"):
        shutil.copytree(ROOT / data, package / data)
    path = package / module
    source = path.read_text()
    assert source.count(line) == 1, (module, line)
    path.write_text(source.replace(line, instead))
    return {"PYTHONPATH": str(folder)}
