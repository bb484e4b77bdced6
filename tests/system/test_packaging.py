"""The wheel works where the checkout is not: schemas, fixtures and templates are in it."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.harness import ROOT, clean_environment


def _build(target: Path) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(target), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=target)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.mark.nightly
def test_the_wheel_tells_the_demo_outside_the_checkout(tmp_path: Path) -> None:
    """Installed into an empty environment, with this environment's libraries beside it: no network is needed."""
    wheel = _build(tmp_path)
    target = tmp_path / "env"
    venv.create(target, with_pip=False)
    python = target / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    site = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        str(wheel),
    ]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    # The libraries that malsync needs, without malsync itself: only the wheel can bring that.
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("\n".join(libraries))
    environment = {name: text for name, text in clean_environment().items() if name != "PYTHONPATH"}

    where = subprocess.check_output(
        [python, "-c", "import malsync; print(malsync.__file__)"], text=True, env=environment, cwd=tmp_path
    )
    done = subprocess.run(
        [python, "-m", "malsync", "demo"], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )

    assert Path(where.strip()).is_relative_to(site.resolve()) or Path(where.strip()).is_relative_to(site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 of 7 snapshots are whole." in done.stdout
    assert "Run 1: 4 done. Verified: your lists now match." in done.stdout
    assert "1 added, 2 updated, 1 removed" in done.stdout


def test_the_wheel_holds_what_is_read_at_run_time(tmp_path: Path) -> None:
    names = set(zipfile.ZipFile(_build(tmp_path)).namelist())

    for folder in ("schemas", "fixtures/catalogue", "fixtures/accounts"):
        shipped = {f"malsync/{folder}/{path.name}" for path in (ROOT / folder).glob("*.json")}
        assert shipped
        assert shipped <= names
    assert "malsync/py.typed" in names
    assert not any(name.startswith(("tests/", "docs/")) for name in names)
