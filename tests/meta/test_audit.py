"""The libraries that malsync stands on, without a network: none is of a version with a known hole that concerns it.

The list is kept by hand, from the advisories of each project: a new one is a row. It is not a substitute for asking a
database of advisories, where there is a network; it holds that what was found once does not come back.
"""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version

import pytest

from tests.support.harness import ROOT

pytestmark = pytest.mark.promise("security-48")

ADVISORIES: tuple[tuple[str, str, str], ...] = (
    ("requests", "CVE-2024-35195: a session goes on without checking certificates", "2.32.0"),
    ("requests", "CVE-2024-47081: a login of ~/.netrc goes to another host", "2.32.4"),
    ("urllib3", "CVE-2024-37891: Proxy-Authorization goes along a redirect", "2.2.2"),
    ("urllib3", "CVE-2025-50181: a redirect that was switched off is followed", "2.5.0"),
    ("urllib3", "CVE-2025-66418: a chain of packings without end", "2.6.0"),
    ("urllib3", "CVE-2025-66471: a bomb in a packed answer that is read in pieces", "2.6.0"),
    ("urllib3", "CVE-2026-21441: a bomb in the body of a redirect", "2.6.3"),
    ("starlette", "CVE-2024-47874: a form without an end", "0.40.0"),
    ("starlette", "CVE-2025-54121: a large form holds up the server", "0.47.2"),
    ("starlette", "CVE-2025-62727: a Range header that takes for ever", "0.49.1"),
    ("python-multipart", "CVE-2024-53981: a boundary that takes for ever", "0.0.18"),
    ("python-multipart", "CVE-2026-24486: a file's name leads out of the folder", "0.0.22"),
    ("filelock", "CVE-2025-68146: a link takes the place of the lock", "3.20.1"),
    ("filelock", "CVE-2026-22701: a link takes the place of a soft lock", "3.20.3"),
    ("orjson", "CVE-2024-27454: what is nested without end", "3.9.15"),
    ("orjson", "CVE-2025-67221: what is nested without end, written", "3.11.6"),
    ("uvicorn", "CVE-2020-7695: a header that ends early", "0.11.7"),
    ("h11", "CVE-2025-43859: the end of a piece is not checked", "0.16.0"),
    ("jinja2", "CVE-2025-27516: out of the sandbox by a filter", "3.1.6"),
    ("idna", "CVE-2024-3651: a name that takes for ever", "3.7"),
    ("certifi", "CVE-2024-39689: a root that is trusted no more", "2024.7.4"),
    ("defusedxml", "the version that refuses entities", "0.7.1"),
)
"""A package, what was wrong with it in words, and the version that mended it."""


def numbers(text: str) -> tuple[int, ...]:
    """A version as numbers: what follows them does not matter here."""
    found = re.match(r"\d+(\.\d+)*", text)
    assert found, text
    return tuple(map(int, found[0].split(".")))


@pytest.mark.parametrize(("package", "hole", "mended"), ADVISORIES, ids=lambda one: one if "CVE" in one else "")
def test_no_library_has_a_hole_that_was_mended(package: str, hole: str, mended: str) -> None:
    assert numbers(version(package)) >= numbers(mended), f"{package} {version(package)}: {hole}"


def test_what_malsync_asks_for_allows_none_of_them() -> None:
    """Whoever installs it with the oldest versions that it allows has none of the holes of what it names itself."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    floors = {
        name: numbers(floor)
        for name, floor in re.findall(
            r"^([a-z0-9-]+)>=([\d.]+)", "\n".join(document["project"]["dependencies"]), re.MULTILINE
        )
    }

    assert len(floors) == len(document["project"]["dependencies"])
    for package, hole, mended in ADVISORIES:
        assert package not in floors or floors[package] >= numbers(mended), f"{package}: {hole}"


def test_everything_that_is_installed_fits_together() -> None:
    """What each library of malsync's asks for is there, in a version that it takes: `pip check`, for these alone."""
    from packaging.requirements import Requirement

    seen: set[str] = set()
    waiting = ["malsync"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for text in requires(name) or ():
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
                continue
            try:
                found = version(wanted.name)
            except PackageNotFoundError as error:
                raise AssertionError(f"{name} asks for {text}, which is not installed") from error
            assert wanted.specifier.contains(found, prereleases=True), (
                f"{name} asks for {text}, and {found} is installed"
            )
            waiting.append(wanted.name)
    assert len(seen) > 20
