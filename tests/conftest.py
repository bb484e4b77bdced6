"""Fixtures: a sandbox on a free port, and malsync with a home folder of its own."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # the fixtures import what they need: collecting tests of pure functions takes no sandbox
    from malsync import Client
    from malsync.sandbox import World
    from tests.support.archive import Archive
    from tests.support.asking import Get
    from tests.support.farside import Sandbox
    from tests.support.harness import Malsync, TestTime

# A shell starts what runs in its background, and nohup all that it runs, with signals ignored. Every process that a test
# starts would ignore them too.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGTERM, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deterministic", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("mutations", max_examples=20, deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 << 30


def _is_roomy(folder: Path) -> bool:
    """Whether it can take what all tests write, and start the programs that some of them put there."""
    return (
        folder.is_dir()
        and os.access(folder, os.W_OK)
        and shutil.disk_usage(folder).free > _ROOM_BYTES
        and not os.statvfs(folder).f_flag & os.ST_NOEXEC
    )


def pytest_configure() -> None:
    """Where it can be, the tests' folders are in memory: nothing there outlives a test, so none waits for a disk."""
    if _is_roomy(_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def pytest_collection_finish() -> None:
    """What thousands of collected tests are made of stays to the end: the garbage collector need not look at it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def world() -> World:
    """The sandbox's two invented accounts; the first is `sandbox_mika`."""
    from malsync.sandbox import World

    return World.demo()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of writes with each way in which MAL may show comments: at night all, else those that write such comments."""
    if metafunc.definition.get_closest_marker("writes"):
        needs_both = metafunc.definition.get_closest_marker("comments")
        raw = pytest.param("raw", marks=[] if needs_both else pytest.mark.nightly)
        metafunc.parametrize("comments_shown", ["encoded", raw], indirect=True, scope="module")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test of writes that sends comments which encoding changes, unless its marker says so: it must run both ways."""
    if item.get_closest_marker("writes") is None or item.get_closest_marker("comments"):
        return (yield)
    from tests.support.farside import ENCODABLE_COMMENTS

    ENCODABLE_COMMENTS.clear()
    result = yield
    assert not ENCODABLE_COMMENTS, "this test needs the marker `comments`"
    return result


@pytest.fixture(autouse=True, scope="module")
def comments_shown(request: pytest.FixtureRequest) -> Iterator[None]:
    """How the sandboxes of a test show comments: encoded, unless the test has the marker `writes`."""
    if not hasattr(request, "param"):
        yield
        return
    from tests.support import farside

    farside.SETTINGS["comment_entities"] = request.param
    yield
    farside.SETTINGS["comment_entities"] = "encoded"


@pytest.fixture
def box(world: World) -> Iterator[Sandbox]:
    """A sandbox that serves `world`."""
    from tests.support.farside import Sandbox

    with Sandbox(world) as running:
        yield running


@pytest.fixture(scope="module")
def reading() -> Iterator[Sandbox]:
    """A sandbox that nobody writes to."""
    from malsync.sandbox import World
    from tests.support.farside import Sandbox

    with Sandbox(World.demo()) as box:
        yield box


@pytest.fixture(scope="module")
def get(reading: Sandbox) -> Iterator[Get]:
    """The JSON of a path, with a token of the first account."""
    import requests

    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {reading.access_token}"

        def get(path: str, **parameters: str) -> Any:
            response = session.get(reading.api_url + path, params=parameters)
            assert response.status_code == 200, response.text
            return response.json()

        yield get


@pytest.fixture
def time() -> TestTime:
    """The time of `client`: waiting for it takes none."""
    from tests.support.harness import TestTime

    return TestTime()


@pytest.fixture
def client(box: Sandbox, time: TestTime) -> Iterator[Client]:
    """A client that is signed in as the sandbox's first user."""
    from malsync import Client

    with Client.signed_in(box.access_token, api_url=box.api_url, clock=time.clock(), jitter=lambda: 1.0) as signed_in:
        yield signed_in


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture
def malsync(home: Path, box: Sandbox) -> Malsync:
    """malsync beside a sandbox, with a token of its first user."""
    from tests.support.harness import Malsync

    return Malsync(home, box)


@pytest.fixture
def offline(home: Path) -> Malsync:
    """malsync without any API to talk to."""
    from tests.support.harness import Malsync

    return Malsync(home)


@pytest.fixture(scope="session")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """A mirror as it stands after years, but a short one. All tests look at the same file: copy it to change it."""
    from tests.support.archive import archive

    return archive(tmp_path_factory.mktemp("archive") / "mirror.db")
