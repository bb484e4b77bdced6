"""Completion: what bash, zsh and fish offer, asked of the real shells where they are installed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from malsync.sandbox import Sandbox
from tests.support.harness import ROOT, Malsync, clean_environment

BREAKS = " \t\n\"'@><=;|&(:"
ESCAPES = re.compile("\x1b(\\[[0-9;?]*[a-zA-Z]|[=>]|\\][^\x07]*\x07)")
Asked = Callable[..., list[str]]
WORDS = ["latest", "good", "live", "latest~1", "yesterday"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Malsync:
    """Two backups of one account, and one of another."""
    home = tmp_path_factory.mktemp("completion") / "home"
    with Sandbox() as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        malsync.ok("backup")
        malsync.environment["MALSYNC_ACCESS_TOKEN"] = box.token_for("sandbox_theo")
        malsync.ok("--account", "second", "backup")
        malsync.environment["MALSYNC_ACCESS_TOKEN"] = box.access_token
        box.edit(box.user, "anime", 5114, score=1)
        malsync.ok("restore", "1", "--yes")
    return Malsync(home)


def by_click(line: str) -> dict[str, str]:
    """The line as bash splits it for click's script: `@` and `=` are words."""
    words = [part for word in line.split() for part in re.split("([@=])", word) if part]
    words += [""] if line[-1:].isspace() else []
    return {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}


def by_malsync_0_1(line: str) -> dict[str, str]:
    """The line as the script that malsync 0.1 printed passes it on."""
    return {"COMP_LINE": line, "COMP_WORDBREAKS": BREAKS}


SCRIPTS = pytest.mark.parametrize("script", [by_click, by_malsync_0_1])


@pytest.fixture(params=[by_click, by_malsync_0_1])
def offered(stored: Malsync, request: pytest.FixtureRequest) -> Asked:
    """What is offered in bash on a command line up to the cursor, by today's script and by an older one."""

    def ask(line: str, malsync: Malsync = stored) -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            for name, text in request.param(line).items():
                patch.setenv(name, text)
            result = malsync(env={"_MALSYNC_COMPLETE": "bash_complete"})
        assert result.exit_code == 0
        assert result.stderr == ""
        items = filter(None, result.stdout.splitlines())
        return [item.partition(",")[2] if item.startswith("plain,") else item for item in items]

    return ask


def test_commands_and_options_are_offered(offered: Asked) -> None:
    from malsync.cli.main import cli

    assert offered("malsync ") == list(cli.list_commands(None))
    assert offered("malsync re") == ["restore", "revert", "resume"]
    assert offered("malsync mirror ") == ["rebuild", "copy"]
    assert offered("malsync restore good --mo") == ["--mode"]
    assert "--account" in offered("malsync --")


def test_choices_are_offered(offered: Asked) -> None:
    assert offered("malsync export latest --format ") == ["json", "xml", "csv", "sqlite"]
    assert offered("malsync restore good --mode=e") == ["exact"]
    assert offered("malsync fetch season 2026 s") == ["spring", "summer"]
    assert offered("malsync schedule s") == ["systemd"]


def test_references_are_offered_with_every_snapshot(offered: Asked) -> None:
    found = offered("malsync show ")

    assert found[:5] == WORDS
    assert found[5:8] == ["second@latest", "second@good", "second@live"]
    assert found[8:] == ["5", "4", "3", "2", "1"]
    assert offered("malsync diff latest~1 g") == ["good"]
    assert offered("malsync revert go") == ["good"]


def test_references_of_another_account_are_offered_from_the_at_sign(offered: Asked) -> None:
    """bash replaces only the part from the `@`."""
    assert offered("malsync show second@") == [f"@{word}" for word in (*WORDS, "3")]
    assert offered("malsync show second@la") == ["@latest", "@latest~1"]


def test_accounts_runs_fields_and_files_are_offered(offered: Asked) -> None:
    assert offered("malsync --account ") == ["default", "second"]
    assert offered("malsync migrate latest --to s") == ["second"]
    assert offered("malsync undo ") == ["1"]
    assert offered("malsync diff --field rep") == []
    assert offered("malsync diff --field num_ep") == ["num_episodes_watched"]
    assert offered("malsync show ./li") == ["file,./li"]
    assert offered("malsync show list") == ["file,list"]
    assert offered("malsync import ") == ["file,"]
    assert offered("malsync --home ") == ["dir,"]


def test_home_folder_on_the_line_is_used(offered: Asked, tmp_path: Path) -> None:
    assert offered(f"malsync --home {tmp_path}/nowhere show ") == WORDS
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("damage", [b"", b"garbage", b"SQLite format 3\0 and nothing else"])
def test_damaged_home_still_completes_words_and_prints_no_error(offered: Asked, tmp_path: Path, damage: bytes) -> None:
    malsync = Malsync(tmp_path / "home")
    malsync.home.mkdir()
    for name in ("mirror.db", "config.toml"):
        (malsync.home / name).write_bytes(damage)

    assert offered("malsync show l", malsync) == ["latest", "live", "latest~1"]
    assert offered("malsync undo ", malsync) == []
    (malsync.home / "accounts.json").write_bytes(b"{")
    assert offered("malsync --account ", malsync) == []
    assert (malsync.home / "mirror.db").read_bytes() == damage


@SCRIPTS
@pytest.mark.parametrize("line", ["malsync show 'half a quo", "malsync nothing of this name ", "malsync --home", ""])
def test_unusual_line_prints_no_error(
    stored: Malsync, monkeypatch: pytest.MonkeyPatch, script: Callable[[str], dict[str, str]], line: str
) -> None:
    for name, text in script(line).items():
        monkeypatch.setenv(name, text)

    assert stored(env={"_MALSYNC_COMPLETE": "bash_complete"}).stderr == ""


def test_completion_imports_no_heavy_library(stored: Malsync) -> None:
    """A shell waits for it at every press of the Tab key."""
    program = (
        "import sys; from malsync.cli import run; run([]);"
        "print([name for name in ('requests', 'rich', 'sqlite_utils', 'datasette', 'jsonschema_rs') if name in sys.modules])"
    )
    environment = {
        **clean_environment(), **stored.environ_of_a_process(), "_MALSYNC_COMPLETE": "bash_complete",
        **by_click("malsync show "),
    }  # fmt: skip

    said = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True).splitlines()

    assert said[-1] == "[]"
    assert "plain,5" in said


# -- the real shells


def _shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here to try")
    return found


def _environment(malsync: Malsync) -> dict[str, str]:
    return {
        **clean_environment(), **malsync.environ_of_a_process(), "PS1": "ready> ", "TERM": "dumb",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip


def _typed(malsync: Malsync, command: list[str], *lines: str) -> str:
    """What is on the screen when these lines were typed at the prompt of an interactive shell; a tab is the key."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.terminal", "200", "ready> ", *command],
        input="".join(f"{line}\n" for line in (*lines, "exit")).encode(),
        env=_environment(malsync),
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return ESCAPES.sub("", done.stdout.decode(errors="replace"))


def test_bash_completes(stored: Malsync) -> None:
    screen = _typed(
        stored, [_shell("bash"), "--norc", "--noprofile", "-i"],
        "unset HISTFILE; bind 'set bell-style none'; eval \"$(malsync completion bash)\"",
        "malsync sho\tgoo\t--onl\tman\t--sta\trea\t",
        "malsync diff second@goo\tsecond@lat\t",
    )  # fmt: skip

    assert "malsync show good --only manga --status reading" in screen
    assert "good is snapshot 2" in screen
    assert "second@good is snapshot 3" in screen


def test_zsh_completes(stored: Malsync, tmp_path: Path) -> None:
    script = tmp_path / "_malsync"
    script.write_text(stored.ok("completion", "zsh").stdout)

    screen = _typed(
        stored, [_shell("zsh"), "-f", "-i"],
        f"unsetopt beep; autoload -U compinit; compinit -u -d {tmp_path}/dump; source {script}",
        "malsync sho\tgoo\t--onl\tman\t",
        "malsync show second@goo\t",
    )  # fmt: skip

    assert "good is snapshot 2" in screen
    assert "second@good is snapshot 3" in screen


def test_fish_completes(stored: Malsync, tmp_path: Path) -> None:
    script = tmp_path / "malsync.fish"
    script.write_text(stored.ok("completion", "fish").stdout)
    lines = ("malsync sho", "malsync show second@go", "malsync show 1", "malsync export latest --format x")

    asked = "; ".join(f'complete -C "{line}"' for line in lines)
    said = subprocess.run(
        [_shell("fish"), "--no-config", "-c", f"source {script}; {asked}"],
        env={**_environment(stored), "HOME": str(tmp_path)}, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip

    assert said[0] == "show\tPrint a list."
    assert said[1] == "second@good\tthe newest one that is not suspicious"
    assert re.fullmatch(r"1\t2026-11-01 \d\d:\d\d: 280 anime and 90 manga", said[2])
    assert said[3:] == ["xml"]


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_each_script_is_valid_in_its_shell(offline: Malsync, shell: str, check: list[str]) -> None:
    script = offline.json("completion", shell)["script"]

    subprocess.run([_shell(shell), *check], input=script, text=True, check=True)
    assert f"{shell}_complete" in script
    assert offline.ok("completion", shell, "-q").stdout.strip() == script.strip()


def test_default_shell_is_that_of_the_user(offline: Malsync) -> None:
    assert offline.json("completion", env={"SHELL": "/usr/bin/zsh"})["shell"] == "zsh"
    assert "bash, zsh, fish" in offline.error("completion", exit_code=2, env={"SHELL": "/bin/csh"})["hint"]
    offline.error("completion", exit_code=2)
