"""How tests use malsync: as its users do, through command lines, against a sandbox over real HTTP."""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from malsync.cli import run
from malsync.cli.environment import World
from malsync.clock import Clock
from malsync.sandbox import Sandbox
from malsync.sandbox.world import utc_now
from malsync.schemas import find_problem

ROOT = Path(__file__).parents[2]
# Commands whose documents have one form together; every other's is named for it.
_FORMS = dict.fromkeys(("restore", "revert", "migrate", "apply", "resume", "undo"), "run")


@dataclass
class Result:
    """What a command line came to."""

    arguments: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"malsync {' '.join(self.arguments)} -> {self.exit_code}\n{self.stdout}\n{self.stderr}"


@dataclass
class TestTime:
    """A clock that tests own: every look at it is a second later, and sleeping moves it on without waiting."""

    __test__ = False
    moment: datetime = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def look(self) -> datetime:
        """The time by a clock that stands where this one does; looking at it takes none."""
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def clock(self) -> Clock:
        return Clock(self.now, self.monotonic, self.sleep)


class Malsync:
    """malsync with a home folder of its own and, usually, a sandbox to talk to."""

    def __init__(self, home: Path, box: Sandbox | None = None, **environment: str) -> None:
        self.home = home
        self.box = box
        self.time = TestTime()
        self.environment = dict(environment)
        self._share(self.time.look)

    def _share(self, clock: Callable[[], datetime]) -> None:
        """Let the far side's clock go by `clock`, unless it was given one of its own."""
        if self.box is None:
            return
        was = self.box.world.clock
        if was is utc_now or (was.__name__ == "look" and isinstance(getattr(was, "__self__", None), TestTime)):
            self.box.world.clock = clock

    def environ(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """The variables of malsync's that a command gets: the sandbox's addresses and a token of its first user."""
        found: dict[str, str | None] = {"MALSYNC_HOME": str(self.home)}
        if self.box is not None:
            found |= {
                "MALSYNC_API_URL": self.box.api_url,
                "MALSYNC_AUTH_URL": self.box.auth_url,
                "MALSYNC_CLIENT_ID": self.box.client_id,
                "MALSYNC_ACCESS_TOKEN": self.box.access_token,
            }
        found |= self.environment | dict(extra or {})
        return {name: text for name, text in found.items() if text is not None}

    def environ_of_a_process(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """The same for a process of its own, which goes by this machine's clock: so the far side does then."""
        self._share(utc_now)
        return self.environ(extra)

    def __call__(self, *arguments: str | Path, stdin: str = "", env: Mapping[str, str | None] | None = None) -> Result:
        """Run a command line in this process, time being the test's. `env`: variables more, None takes one away."""
        self._share(self.time.look)
        out, err = _capture(), _capture()
        world = World(self.environ(env), self.time.clock(), jitter=lambda: 1.0)
        words = tuple(map(str, arguments))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _stdin(stdin):
            code = run(words, world)
        result = Result(words, code, _text(out), _text(err))
        assert "Traceback" not in result.stderr, result
        return result

    def ok(self, *arguments: str | Path, exit_code: int = 0, **named: Any) -> Result:
        """Run a command line that must end with `exit_code`."""
        result = self(*arguments, **named)
        assert result.exit_code == exit_code, str(result)
        return result

    def json(self, *arguments: str | Path, exit_code: int = 0, schema: str | None = None, **named: Any) -> Any:
        """The document of a command line with --json, valid by its schema (`output-COMMAND`, `output-run`, or the error's)."""
        result = self.ok(*arguments, "--json", exit_code=exit_code, **named)
        document = result.json
        is_error = isinstance(document, dict) and "error" in document
        name = "output-error" if is_error else schema or f"output-{_FORMS.get(str(arguments[0]), arguments[0])}"
        assert find_problem(name, document) is None, (name, find_problem(name, document), document)
        return document

    def error(self, *arguments: str | Path, exit_code: int, **named: Any) -> dict[str, Any]:
        """The error of a command line that must fail with `exit_code`: said in two lines, and as JSON."""
        document = self.json(*arguments, exit_code=exit_code, **named)
        error: dict[str, Any] = document["error"]
        assert error["exit"] == exit_code
        assert error["message"].strip()
        assert error["hint"].strip()
        return error

    def process(
        self, *arguments: str | Path, env: Mapping[str, str | None] | None = None, **named: Any
    ) -> subprocess.Popen[str]:
        """Start a command line as a process of its own, its pipes open, in real time."""
        self._share(utc_now)
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        # Where files may not grow, Python would cut its own bytecode short, and every later process would trip over it.
        no_bytecode = {"PYTHONDONTWRITEBYTECODE": "1"} if "preexec_fn" in named else {}
        return subprocess.Popen(
            [sys.executable, "-m", "malsync", *map(str, arguments)],
            env={**clean_environment(), **no_bytecode, **self.environ(env)},
            cwd=self.home.parent,
            **(settings | named),
        )


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for what another process does; fail when it does not come within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        threading.Event().wait(0.01)


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that is malsync's, able to import this checkout."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MALSYNC_")}
    return kept | {"PYTHONPATH": str(ROOT)}


def _capture() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


@contextlib.contextmanager
def _stdin(text: str) -> Any:
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before
