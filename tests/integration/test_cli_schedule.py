"""`malsync schedule`: timers that each kind of machine understands, whatever the folders are called."""

import dataclasses
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from malsync.errors import UsageError
from malsync.sandbox import Sandbox
from malsync.schedule import KINDS, TimerRequest, command_of, daily_time, make_timer, name_of, natural_kind
from tests.support.harness import Malsync, clean_environment

ODD = "a b'c\"d%h $HOME\\ü & <x> ’quoted’ %"
RECORDS = f"""#!/bin/sh
exec {shlex.quote(sys.executable)} - "$0" "$@" <<'END'
import pathlib, sys
pathlib.Path(sys.argv[1]).with_name("said").write_text(repr(sys.argv[2:]))
END
"""


@pytest.fixture
def odd(tmp_path: Path) -> TimerRequest:
    """A timer for an installation in a folder with everything in its name that some machine reads in its own way."""
    folder = tmp_path / ODD
    folder.mkdir()
    script = folder / "malsync"
    script.write_text(RECORDS)
    script.chmod(0o755)
    command = command_of(str(folder / "python"), home=folder / "ho%me", account="se'cond \"%")
    assert command == (str(script), "--home", str(folder / "ho%me"), "--account", "se'cond \"%", "backup", "-q")
    return TimerRequest(command, "malsync-backup", 3, 5, tmp_path / "config", tmp_path, "sandbox_mika")


def _texts(kind: Any, wanted: TimerRequest) -> list[str]:
    return [text for _, text in make_timer(kind, wanted).files]


# -- each kind, read by what reads it


def test_cron_line_runs_the_command(odd: TimerRequest) -> None:
    (line,) = _texts("cron", odd)
    *when, command = line.removesuffix("\n").split(" ", 5)

    assert when == ["5", "3", "*", "*", "*"]
    assert "\n" not in command
    # cron ends the command at a % that is not escaped, and takes the backslash away from one that is.
    assert re.search(r"(?<!\\)%", command) is None
    subprocess.run(["/bin/sh", "-c", command.replace("\\%", "%")], check=True)
    assert Path(odd.command[0]).with_name("said").read_text() == repr(list(odd.command[1:]))


@pytest.mark.parametrize("folder", ["plain", "two words%", "$HOME", ODD])
def test_systemd_units_hold_the_command(odd: TimerRequest, folder: str) -> None:
    command = (f"/{folder}/malsync", *odd.command[1:])
    service, timer = _texts("systemd", dataclasses.replace(odd, command=command))
    program, *words = shlex.split(re.search("^ExecStart=(.*)$", service, re.MULTILINE)[1])  # type: ignore[index]

    assert "%" not in service.replace("%%", "")
    # In the program's path systemd fills in no variables, so there a $ is not doubled.
    read = [program.replace("%%", "%"), *(word.replace("%%", "%").replace("$$", "$") for word in words)]
    if folder == ODD:
        assert read[:3] == ["/bin/sh", "-c", 'exec "$0" "$@"']
        read = read[3:]
    assert read == list(command)
    assert "OnCalendar=*-*-* 03:05:00" in timer
    assert "Persistent=true" in timer
    assert "RandomizedDelaySec=45min" in timer


@pytest.mark.parametrize("folder", ["two words % $HOME", ODD])
def test_systemd_accepts_the_units(odd: TimerRequest, tmp_path: Path, folder: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here to ask")
    paths = []
    program = tmp_path / folder / "malsync"
    program.parent.mkdir(exist_ok=True)
    program.write_text(RECORDS)
    program.chmod(0o755)
    wanted = dataclasses.replace(odd, command=(str(program), *odd.command[1:]))
    for path, text in make_timer("systemd", wanted).files:
        assert path is not None
        (tmp_path / path.name).write_text(text)
        paths.append(str(tmp_path / path.name))
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}

    said = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", *paths],
        capture_output=True, text=True, check=False, env=environment,
    ).stderr  # fmt: skip

    ours = [line for line in said.splitlines() if "malsync" in line]
    assert ours == []


def test_launchd_agent_is_a_property_list_with_the_command(odd: TimerRequest) -> None:
    (text,) = _texts("launchd", odd)
    agent = plistlib.loads(text.encode())

    assert agent["ProgramArguments"] == list(odd.command)
    assert agent["StartCalendarInterval"] == {"Hour": 3, "Minute": 5}
    assert agent["Label"] == "malsync-backup"


def test_windows_task_is_quoted_for_powershell_and_for_windows() -> None:
    command = (r"C:\Users\O'Neil’s\malsync.exe", "--home", "C:\\two words\\", "--account", 'a"b', "backup", "-q")
    (text,) = _texts("windows", TimerRequest(command, "malsync-backup", 3, 5, Path("/"), Path("/")))

    # A single-quoted string of PowerShell's ends at any single quote, of paper too, that is not doubled.
    program, arguments = re.findall(r"-(?:Execute|Argument) '((?:[^'’]|''|’’)*)'(?= |$)", text, re.MULTILINE)
    assert program.replace("''", "'").replace("’’", "’") == command[0]
    assert arguments == r'--home "C:\two words\\" --account a\"b backup -q'
    assert "-Daily -At '03:05' -RandomDelay" in text
    assert "-StartWhenAvailable" in text
    assert "Register-ScheduledTask -TaskName 'malsync-backup'" in text


def test_windows_refuses_a_path_with_a_variable() -> None:
    wanted = TimerRequest((r"C:\%TEMP%\malsync.exe", "backup"), "malsync-backup", 3, 5, Path("/"), Path("/"))

    with pytest.raises(UsageError, match="variable"):
        make_timer("windows", wanted)


def _workflow(wanted: TimerRequest) -> dict[Any, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[Any, Any] = yaml.safe_load("".join(_texts("github", wanted)))
    return found


def test_workflow_takes_its_secrets_from_the_repository(odd: TimerRequest) -> None:
    workflow = _workflow(odd)

    assert workflow[True]["schedule"] == [{"cron": "5 3 * * *"}]  # `on` is a boolean to YAML 1.1, and GitHub knows it
    assert workflow["permissions"] == {"contents": "write"}
    step = next(step for step in workflow["jobs"]["backup"]["steps"] if step.get("name") == "Read the lists")
    assert step["env"]["MALSYNC_CLIENT_ID"] == "${{ secrets.MALSYNC_CLIENT_ID }}"
    assert step["env"]["MAL_USER"] == "sandbox_mika"


@pytest.mark.parametrize("name", ["", "${{ secrets.MALSYNC_ACCESS_TOKEN }}", 'a"b', "x\ny"])
def test_user_name_cannot_inject_into_the_workflow(odd: TimerRequest, name: str) -> None:
    workflow = _workflow(dataclasses.replace(odd, user=name))

    step = next(step for step in workflow["jobs"]["backup"]["steps"] if step.get("name") == "Read the lists")
    assert step["env"]["MAL_USER"] == "${{ vars.MAL_USER }}"


def test_workflow_commits_the_lists_and_a_suspicious_one_beside_them(
    odd: TimerRequest, box: Sandbox, tmp_path: Path
) -> None:
    """Its shell steps, run as GitHub runs them, in a repository with a remote."""
    if shutil.which("git") is None or shutil.which("bash") is None:
        pytest.skip("there is no git or no bash here")
    steps = {step.get("name"): step.get("run") for step in _workflow(odd)["jobs"]["backup"]["steps"]}
    remote, work = tmp_path / "remote.git", tmp_path / "work"
    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    subprocess.run(["git", "clone", "-q", remote, work], check=True, capture_output=True)
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]

    def day(number: int) -> list[int]:
        environment = {
            **clean_environment(), **Malsync(tmp_path / f"home{number}", box, MALSYNC_ACCESS_TOKEN="").environ_of_a_process(),
            "MAL_USER": box.user, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        return [
            subprocess.run(
                [*shell, steps[name]], cwd=work, env=environment, capture_output=True, check=False
            ).returncode
            for name in ("Read the lists", "Keep them")
        ]

    assert day(1) == [0, 0]
    first = (work / "list.json").read_bytes()
    for id in box.entries(box.user, "anime"):
        box.remove(box.user, "anime", id)
    assert day(2) == [8, 0]

    assert (work / "list.json").read_bytes() == first
    held = subprocess.check_output(["git", "ls-tree", "--name-only", "HEAD"], cwd=remote, text=True).split()
    assert held == ["list.json", "list.suspicious.json"]


# -- what is run, when, and under which name


def test_command_runs_the_module_without_a_script_beside_python(tmp_path: Path) -> None:
    python = str(tmp_path / "python3")

    assert command_of(python, home=None, account=None) == (python, "-P", "-m", "malsync", "backup", "-q")


def test_printed_command_runs_this_installation(malsync: Malsync) -> None:
    document = malsync.json("schedule", "cron", "--at", "3:05")

    assert document["at"] == "03:05"
    assert document["files"][0]["text"].startswith("5 3 * * * ")
    done = subprocess.run(
        document["command"], env={**clean_environment(), **malsync.environ_of_a_process()}, check=True, cwd="/"
    )
    assert done.returncode == 0
    assert [row["source"] for row in malsync.json("snapshots")] == ["backup"]


def test_backup_by_a_timer_prints_only_errors(malsync: Malsync, box: Sandbox) -> None:
    result = malsync.ok("backup", "-q")
    assert (result.stdout, result.stderr) == ("", "")

    box.add_faults("500:on=animelist")
    assert malsync.ok("backup", "-q", exit_code=4).stderr


def test_line_end_in_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="control character"):
        command_of(str(tmp_path / "py\nthon"), home=None, account=None)


def test_install_advice_is_for_the_printed_timer(offline: Malsync) -> None:
    said = offline.ok("--account", "second", "schedule", "systemd").stderr

    # Without the account it would be another timer.
    assert "the same command, with --install" in said
    assert "malsync schedule systemd" not in said


def test_each_home_and_account_has_its_own_timer() -> None:
    names = {name_of(home, account) for home in (None, Path("/a"), Path("/b")) for account in (None, "x", "x/y", "x y")}

    assert len(names) == 12
    assert "malsync-backup" in names
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", name) for name in names)


def test_default_time_is_at_night_and_stable() -> None:
    times = {daily_time(str(number)) for number in range(500)}

    assert {hour for hour, _ in times} == {2, 3, 4, 5}
    assert len({minute for _, minute in times}) > 40
    assert daily_time("here") == daily_time("here")


@pytest.mark.parametrize("text", ["24:00", "3", "03:60", "noon", "-1:00", "٣:٠٠"])
def test_invalid_time_is_refused(offline: Malsync, text: str) -> None:
    assert text in offline.error("schedule", "cron", f"--at={text}", exit_code=2)["message"]


def test_default_kind_depends_on_the_machine() -> None:
    assert natural_kind("darwin", has_systemd=False) == "launchd"
    assert natural_kind("win32", has_systemd=False) == "windows"
    assert natural_kind("linux", has_systemd=True) == "systemd"
    assert natural_kind("freebsd14", has_systemd=False) == "cron"


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_timer_holds_no_secret_and_warns_of_shell_variables(malsync: Malsync, kind: str | None) -> None:
    malsync.environment["MALSYNC_CLIENT_SECRET"] = "a-secret-of-mine"
    result = malsync.ok("schedule", *([kind] if kind else []))

    said = result.stdout + result.stderr
    assert malsync.box is not None
    for secret in ("a-secret-of-mine", malsync.box.access_token, malsync.box.client_id):
        assert secret not in said
    if kind != "github":
        assert str(malsync.home) in result.stdout
        for name in ("MALSYNC_CLIENT_ID", "MALSYNC_API_URL", "MALSYNC_ACCESS_TOKEN"):
            assert name in result.stderr
    assert not malsync.home.exists()


def test_setting_in_config_toml_needs_no_warning(malsync: Malsync, box: Sandbox) -> None:
    malsync.home.mkdir(0o700)
    (malsync.home / "config.toml").write_text(f'client_id = "{box.client_id}"\n')

    assert "MALSYNC_CLIENT_ID" not in malsync.ok("schedule", "cron").stderr


def test_stdout_can_be_saved_as_a_file(malsync: Malsync) -> None:
    malsync.ok("backup")
    said = malsync.ok("schedule", "launchd", "-q")

    assert plistlib.loads(said.stdout.encode())["ProgramArguments"][-2:] == ["backup", "-q"]
    assert "PRIVATE" in malsync.ok("schedule", "github").stderr
    assert 'MAL_USER: "sandbox_mika"' in malsync.ok("schedule", "github").stdout


# -- installing


class Systemctl:
    """A `systemctl` of the test's own, which writes down what it was told and fails where it is to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        script = folder / "systemctl"
        script.write_text(
            f'#!/bin/sh\necho "$*" >>"{folder}/said"\n'
            f'[ ! -f "{folder}/fails" ] || ! echo "$*" | grep -q "$(cat "{folder}/fails")" || '
            '{ echo "Failed to connect to bus: No medium found" >&2; exit 1; }\n'
        )
        script.chmod(0o755)

    @property
    def said(self) -> list[str]:
        path = self.folder / "said"
        return path.read_text().splitlines() if path.exists() else []

    def fail(self, at: str) -> None:
        (self.folder / "fails").write_text(at)


@pytest.fixture
def systemctl(tmp_path: Path) -> Systemctl:
    return Systemctl(tmp_path / "bin")


@pytest.fixture
def machine(malsync: Malsync, systemctl: Systemctl, tmp_path: Path) -> Malsync:
    malsync.environment |= {"PATH": f"{systemctl.folder}:/usr/bin:/bin", "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return malsync


def _units(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "config").rglob("*.*"))


def test_install_writes_both_units_and_starts_the_timer(machine: Malsync, systemctl: Systemctl, tmp_path: Path) -> None:
    document = machine.json("schedule", "systemd", "--install")

    service, timer = _units(tmp_path)
    assert [file["path"] for file in document["files"]] == [str(service), str(timer)]
    assert service.parent == tmp_path / "config" / "systemd" / "user"
    assert f"--home {machine.home}" in service.read_text()
    assert systemctl.said == ["--user daemon-reload"] * 2 + [f"--user enable --now {timer.name}"]
    assert document["installed"] is True

    machine.ok("schedule", "systemd", "--install", "--at", "04:04")
    assert "04:04" in timer.read_text()


def test_uninstall_removes_the_installed_units(machine: Malsync, systemctl: Systemctl, tmp_path: Path) -> None:
    machine.ok("schedule", "systemd", "--install")
    other = tmp_path / "config" / "systemd" / "user" / "other.timer"
    other.write_text("[Timer]\n")

    document = machine.json("schedule", "systemd", "--uninstall")

    assert document["installed"] is False
    assert _units(tmp_path) == [other]
    assert systemctl.said[-2].startswith("--user disable --now malsync-backup")
    assert systemctl.said[-1] == "--user daemon-reload"
    assert "no timer" in machine.ok("schedule", "systemd", "--uninstall").stdout


@pytest.mark.parametrize("at", ["daemon-reload", "enable"])
def test_refusal_by_systemd_leaves_no_files(machine: Malsync, systemctl: Systemctl, tmp_path: Path, at: str) -> None:
    systemctl.fail(at)

    error = machine.error("schedule", "systemd", "--install", exit_code=2)

    assert "No medium found" in error["message"]
    assert "malsync schedule cron" in error["hint"]
    assert _units(tmp_path) == []


def test_refusal_by_systemd_restores_the_previous_units(machine: Malsync, systemctl: Systemctl, tmp_path: Path) -> None:
    machine.ok("schedule", "systemd", "--install", "--at", "03:00")
    before = [path.read_bytes() for path in _units(tmp_path)]
    systemctl.fail("enable")

    machine.error("schedule", "systemd", "--install", "--at", "04:00", exit_code=2)

    assert [path.read_bytes() for path in _units(tmp_path)] == before


def test_install_without_systemd_is_refused(malsync: Malsync, tmp_path: Path) -> None:
    malsync.environment |= {"PATH": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}

    error = malsync.error("schedule", "systemd", "--install", exit_code=2)

    assert "no systemd" in error["message"]
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize("words", [("cron", "--install"), ("github", "--uninstall"), ("--install", "--uninstall")])
def test_only_systemd_timers_can_be_installed(malsync: Malsync, words: tuple[str, ...]) -> None:
    malsync.error("schedule", *words, exit_code=2)
