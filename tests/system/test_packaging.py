"""The wheel works where the checkout is not: schemas, fixtures and templates are in it."""

import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import malsync
from hatch_build import long_description
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
    templates = {f"malsync/schedule/templates/{path.name}" for path in (ROOT / "malsync/schedule/templates").iterdir()}
    assert templates
    assert templates <= names
    assert "malsync/py.typed" in names
    assert not any(name.startswith(("tests/", "docs/")) for name in names)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the source distribution by their paths inside it."""
    target = tmp_path_factory.mktemp("sdist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", str(target), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=target)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = target.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        opened = ((member.name.partition("/")[2], tar.extractfile(member)) for member in tar.getmembers())
        return {name: file.read() for name, file in opened if file is not None}


def test_the_sdist_has_what_building_testing_and_contributing_need(sdist: dict[str, bytes]) -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "run", "pyproject.toml", "hatch_build.py"):
        assert sdist[name] == (ROOT / name).read_bytes()
    for folder in ("malsync", "schemas", "fixtures", "docs", "tests"):
        assert any(name.startswith(f"{folder}/") for name in sdist)
    assert not any(part in name for name in sdist for part in ("__pycache__", ".venv", ".git/"))


def test_the_long_description_has_no_link_into_the_repository(sdist: dict[str, bytes]) -> None:
    head, _, description = sdist["PKG-INFO"].decode().partition("\n\n")

    assert "Description-Content-Type: text/markdown" in head
    assert description.startswith("# malsync\n")
    assert [link for link in re.findall(r"\]\(([^)]+)\)", description) if not link.startswith("https://")] == []
    if "Project-URL: Source" not in head:
        assert "![" not in description


def test_links_of_the_long_description_lead_to_the_repository_at_the_tag() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    base = "https://code.example/someone/malsync"

    text = long_description(readme, f"{base}/", "1.2.3")

    assert f"[docs/README.md]({base}/blob/v1.2.3/docs/README.md)" in text
    assert f"({base}/blob/v1.2.3/README.md#settings)" in text
    assert f"![The home page of malsync browse]({base}/raw/v1.2.3/docs/browse-home.png)" in text
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", readme)
    assert len(re.findall(rf"\]\({base}/", text)) == len(links) > 20


@pytest.mark.parametrize(
    ("readme", "expected"),
    [
        ("See [limits](docs/limits.md).", "See limits."),
        ("Charts ([more](docs/browsing.md)).", "Charts."),
        ("One\n\n![A page](docs/a.png)\n\nTwo", "One\n\nTwo"),
        ("[MAL](https://myanimelist.net) and [settings](#settings)", "[MAL](https://myanimelist.net) and settings"),
    ],
)
def test_without_an_address_links_become_text(readme: str, expected: str) -> None:
    assert long_description(readme) == expected


def test_the_version_is_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert "version" in project["dynamic"]
    assert "version" not in project
    for path in (*ROOT.glob("*.*"), *(ROOT / "docs").glob("*.md"), *(ROOT / "malsync").rglob("*.py")):
        if path.is_file() and path != ROOT / "malsync" / "__init__.py" and path.name != "CHANGELOG.md":
            assert f'"{malsync.__version__}"' not in path.read_text(encoding="utf-8"), path
