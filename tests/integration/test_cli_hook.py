"""`on_success` and `on_failure`: a command of the user's own that is told how a backup went."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from malsync.sandbox import Sandbox
from malsync.schemas import find_problem
from tests.support.harness import Malsync
from tests.support.signing import kept, sign_in

# Written to a file: what came on standard input, the arguments, the environment, the folder.
REPORTS = """
import json, os, sys
with open(sys.argv[1], "a") as file:
    said = {"stdin": sys.stdin.read(), "arguments": sys.argv, "environment": dict(os.environ), "folder": os.getcwd()}
    file.write(json.dumps(said) + "\\n")
print("the hook speaks")
"""


class Hooks:
    """Settings with both hooks, and what they were told."""

    def __init__(self, malsync: Malsync, folder: Path) -> None:
        self._folder = folder
        script = folder / "a hook.py"
        script.write_text(REPORTS)
        malsync.home.mkdir(0o700)
        lines = [
            f"on_{kind} = '''\"{sys.executable}\" \"{script}\" \"{folder / kind}\" '$HOME' \"two words\"'''"
            for kind in ("success", "failure")
        ]
        (malsync.home / "config.toml").write_text("\n".join(lines))

    def told(self, kind: str) -> list[dict[str, Any]]:
        path = self._folder / kind
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def hooks(malsync: Malsync, tmp_path: Path) -> Hooks:
    return Hooks(malsync, tmp_path)


def test_success_is_told_with_the_result_as_json(malsync: Malsync, hooks: Hooks) -> None:
    document = malsync.json("backup")

    (said,) = hooks.told("success")
    assert json.loads(said["stdin"]) == document
    assert "\n" not in said["stdin"]
    assert said["arguments"][2:] == ["$HOME", "two words"]
    assert said["folder"] == "/"
    assert hooks.told("failure") == []


def test_what_a_hook_prints_is_not_the_result(malsync: Malsync, hooks: Hooks) -> None:
    process = malsync.process("backup", "--json")
    out, err = process.communicate(timeout=30)

    assert json.loads(out)["snapshot"] == 1
    assert "the hook speaks" in err


def test_failure_is_told_with_the_error_as_json(malsync: Malsync, box: Sandbox, hooks: Hooks) -> None:
    box.add_faults("500:on=animelist")

    error = malsync.error("backup", exit_code=4)

    (said,) = hooks.told("failure")
    document = json.loads(said["stdin"])
    assert find_problem("output-error", document) is None
    assert document["error"] == error
    assert hooks.told("success") == []


def test_a_suspicious_backup_is_a_failure_to_be_told(malsync: Malsync, box: Sandbox, hooks: Hooks) -> None:
    malsync.ok("backup")
    for id in box.entries(box.user, "manga"):
        box.remove(box.user, "manga", id)

    document = malsync.json("backup", exit_code=8)

    (said,) = hooks.told("failure")
    assert json.loads(said["stdin"]) == document
    assert document["suspicious"]
    assert len(hooks.told("success")) == 1


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [(("--file", "{nothing}"), 2), (("--wait", "0"), 7), (("--user", "nobody_at_all"), 2)],
)
def test_every_failure_is_told(malsync: Malsync, hooks: Hooks, words: tuple[str, ...], exit_code: int) -> None:
    from filelock import FileLock

    with FileLock(malsync.home / "malsync.lock" if exit_code == 7 else malsync.home / "another.lock"):
        malsync.error("backup", *words, exit_code=exit_code)

    (said,) = hooks.told("failure")
    assert json.loads(said["stdin"])["error"]["exit"] == exit_code


@pytest.mark.promise("security-18")
def test_a_hook_gets_no_secret(malsync: Malsync, box: Sandbox, hooks: Hooks) -> None:
    secret = {"MALSYNC_CLIENT_SECRET": "the-client-secret", "MALSYNC_ACCESS_TOKEN": box.access_token}
    malsync.process("backup", env=secret).communicate(timeout=30)
    sign_in(malsync, box, lives=0)
    malsync.process("backup").communicate(timeout=30)
    box.expire_tokens(refresh_too=True)
    malsync.process("backup").communicate(timeout=30)

    said = hooks.told("success") + hooks.told("failure")
    assert len(said) == 3
    tokens = kept(malsync)["default"]
    for one in said:
        text = json.dumps(one)
        assert "the-client-secret" not in text
        assert box.access_token not in text
        assert tokens["access_token"] not in text
        assert tokens["refresh_token"] not in text
        assert one["environment"]["MALSYNC_HOME"] == str(malsync.home)
        assert "PATH" in one["environment"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/no/such/command", "could not be run"),
        ('"unfinished', "could not be run"),
        ("/etc", "could not be run"),
        ("false", "ended with 1"),
    ],
)
def test_a_hook_that_fails_is_said_and_changes_nothing(malsync: Malsync, command: str, words: str) -> None:
    malsync.home.mkdir()
    (malsync.home / "config.toml").write_text(f"on_success = '{command}'\n")

    result = malsync.ok("backup", "--json")

    assert result.json["snapshot"] == 1
    assert words in result.stderr
    assert command in result.stderr


def test_only_backups_are_told(malsync: Malsync, hooks: Hooks) -> None:
    malsync.ok("snapshots")
    malsync.error("show", "nonsense", exit_code=2)
    malsync.error("backup", "--nonsense", exit_code=2)

    assert hooks.told("success") + hooks.told("failure") == []
