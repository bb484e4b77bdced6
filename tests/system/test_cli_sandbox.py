"""`sandbox` and `demo` as commands: a process that serves until Ctrl-C, and a story that is told to its end."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.harness import Malsync, until


@contextmanager
def serving(malsync: Malsync, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """`malsync sandbox` as a process, and its ready line; it is ended when the block is left."""
    process = malsync.process("sandbox", *arguments)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate(timeout=5)
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)


def beside(home: Path, ready: dict[str, Any]) -> Malsync:
    """malsync that talks to a sandbox by what its ready line says, and by nothing else."""
    return Malsync(
        home,
        MALSYNC_API_URL=ready["api_url"],
        MALSYNC_AUTH_URL=ready["auth_url"],
        MALSYNC_CLIENT_ID=ready["client_id"],
        MALSYNC_ACCESS_TOKEN=ready["access_token"],
    )


def test_the_ready_line_is_all_that_a_client_needs(offline: Malsync, tmp_path: Path) -> None:
    with serving(offline) as (process, ready):
        assert ready.keys() >= {"api_url", "auth_url", "client_id", "access_token", "user"}
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v2", ready["api_url"])
        malsync = beside(tmp_path / "client", ready)
        document = malsync.json("backup")
        assert document["user"] == ready["user"]
        log = requests.get(ready["api_url"].removesuffix("/v2") + "/_sandbox/requests", timeout=10).json()
        assert log["counts"] == document["requests"]

        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert process.returncode == 0
    assert out == ""
    assert "Traceback" not in err
    assert not offline.home.exists()


def test_what_to_type_and_with_v_each_request_is_said_on_stderr(offline: Malsync) -> None:
    with serving(offline, "-v", "--faults", "503:on=manga/2,times=1;cut:on=boards,at=before") as (process, ready):
        token = {"Authorization": f"Bearer {ready['access_token']}"}
        entry = f"{ready['api_url']}/anime/1/my_list_status"
        requests.patch(entry, data={"score": "8", "comments": "\x1b[31m"}, headers=token, timeout=10)
        requests.get(f"{ready['api_url']}/manga/2?fields=mean", headers=token, timeout=10)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{ready['api_url']}/forum/boards", headers=token, timeout=10)
        requests.get(f"{ready['auth_url']}/authorize?code_challenge=secret&state=secret", timeout=10)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)

    assert err.splitlines() == [
        "Serving sandbox_mika and sandbox_theo until Ctrl-C. To use it, in another terminal:",
        f"  export MALSYNC_API_URL={ready['api_url']}",
        f"  export MALSYNC_AUTH_URL={ready['auth_url']}",
        f"  export MALSYNC_CLIENT_ID={ready['client_id']}",
        "  malsync --account sandbox login",
        "  malsync --account sandbox backup",
        "PATCH /v2/anime/1/my_list_status score=8&comments=%1B%5B31m -> 200, sandbox_mika",
        "GET /v2/manga/2?fields=mean -> 503, sandbox_mika, struck by 503",
        "GET /v2/forum/boards -> cut off, sandbox_mika, struck by cut",
        "GET /v1/oauth2/authorize?code_challenge=...&state=... -> 400",
        "The sandbox has ended.",
    ]


def test_quiet_it_says_the_ready_line_alone(offline: Malsync) -> None:
    with serving(offline, "-q") as (process, ready):
        requests.get(ready["api_url"], timeout=10)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert (out, err) == ("", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_a_terminal_that_closes_end_it_as_well(offline: Malsync, number: int) -> None:
    with serving(offline) as (process, _):
        process.send_signal(number)
        process.communicate(timeout=10)

    assert process.returncode == 0


def test_its_options_reach_the_sandbox(offline: Malsync, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    arguments = ("--entries", "120", "--seed", "7", "--faults", "503:on=@me,times=1", "--set", "default_limit=100")
    with serving(offline, *arguments, "--state", state, "--latency", "5") as (_, ready):
        first = beside(tmp_path / "one", ready)
        document = first.json("backup")
        assert sum(document["counts"].values()) == 120
        assert document["requests"] == {"GET": 4}
        # The back-off of the one request; enough time passes by itself for the slower pace of those that came next.
        assert first.time.slept == [1.0]
    assert json.loads(state.read_text())["format"] == "malsync-sandbox-state"
    assert state.stat().st_mode & 0o777 == 0o600

    with serving(offline, "--state", state) as (_, ready):
        assert beside(tmp_path / "two", ready).json("backup")["digest"] == document["digest"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--faults", "nonsense"), "nonsense"),
        (("--set", "nonsense"), "NAME=VALUE"),
        (("--set", "nonsense=1"), "nonsense"),
        (("--set", "default_limit=7"), "default_limit"),
        (("--entries", "0"), "0"),
        (("--port", "70000"), "70000"),
    ],
)
def test_options_that_are_wrong_end_with_2(offline: Malsync, arguments: tuple[str, ...], words: str) -> None:
    assert words in offline.error("sandbox", *arguments, exit_code=2)["message"]


def test_a_state_that_is_none_ends_with_2_and_stays(offline: Malsync, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{")

    assert "cannot be loaded" in offline.error("sandbox", "--state", state, exit_code=2)["message"]
    assert state.read_text() == "{"
    offline.error("sandbox", "--state", tmp_path / "missing" / "state.json", exit_code=2)


def test_a_port_that_is_taken_ends_with_2(offline: Malsync) -> None:
    with serving(offline) as (_, ready):
        port = re.findall(r":(\d+)/", ready["api_url"])[0]
        assert port in offline.error("sandbox", "--port", port, exit_code=2)["message"]


# -- demo


_BROWSER = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as page, open(sys.argv[2], "wb") as opened:
    opened.write(page.read())
"""
"""Somebody's own browser: what it was given to open, it writes down."""


def test_the_demo_tells_its_story_to_the_end_in_the_browser_and_leaves_nothing(
    offline: Malsync, tmp_path: Path
) -> None:
    scratch, opened = tmp_path / "scratch", tmp_path / "opened.html"
    scratch.mkdir()
    (tmp_path / "browser.py").write_text(_BROWSER)
    # Somebody's own settings are none of the demo's business, but for the browser.
    own = {
        "MALSYNC_ACCESS_TOKEN": "own-token",
        "MALSYNC_API_URL": "http://127.0.0.1:9/v2",
        "TMPDIR": str(scratch),
        "BROWSER": shlex.join([sys.executable, str(tmp_path / "browser.py"), "%s", str(opened)]),
    }
    process = offline.process("demo", "--browse", env=own, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        out = ""
        while "?key=" not in out:
            line = process.stdout.readline()
            assert line, out
            out += line
        url = out.splitlines()[-1]
        until(lambda: opened.exists() and url in opened.read_text())
        with requests.Session() as session:
            session.get(url, timeout=10)
            home = session.get(url.partition("?")[0], timeout=10).text
            runs = session.get(url.partition("?")[0] + "runs", timeout=10).text
        process.send_signal(signal.SIGINT)
        out += process.communicate(timeout=30)[0]
    finally:
        process.kill()

    assert process.returncode == 0, out
    assert "<h1>sandbox_mika</h1>" in home
    assert "280 anime" in home
    assert runs.count(">finished<") == 3
    assert out.index("$ malsync fetch details") < out.index("$ malsync browse --open") < out.index("That was all")
    commands = [line for line in out.splitlines() if line.startswith("$ malsync ")]
    names = [line.split()[2] for line in commands]
    for name in (
        "login",
        "backup",
        "verify",
        "show",
        "diff",
        "restore",
        "undo",
        "runs",
        "snapshots",
        "history",
        "export",
        "import",
    ):
        assert name in names
    assert out.index("$ malsync login") < out.index("Signed in as sandbox_mika") < out.index("$ malsync backup")
    assert "1 added, 2 updated, 1 removed" in out
    restored = out.index("Run 1: 4 done. Verified: your lists now match.")
    assert out.index("Rehearsed on a sandbox") < restored < out.index("No difference.") < out.index("$ malsync undo")
    assert "own-token" not in out
    assert "Traceback" not in out
    assert list(scratch.iterdir()) == []
    assert not offline.home.exists()


def test_the_demo_has_no_json(offline: Malsync) -> None:
    offline.error("demo", exit_code=2)
