"""`malsync doctor`: each line says what is in order or what to do, and nothing changes."""

import gzip
import re
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from malsync.cli.doctor import age_of
from malsync.doctor import DoctorContext, machine
from malsync.doctor.machine import filesystem_of, is_network, lacking_space
from malsync.errors import UsageError
from malsync.operations.home import Home
from malsync.sandbox import Sandbox
from tests.support.harness import ROOT, Malsync
from tests.support.servers import FarSide, Reply, told
from tests.support.signing import kept, sign_in
from tests.support.terminal import on_terminal

NAMES = [
    "python", "settings", "home", "disk", "network disk", "mirror", "latest", "runs", "login", "api", "clock", "schedule",
    "backup",
]  # fmt: skip


@pytest.fixture
def signed_in(malsync: Malsync, box: Sandbox) -> Malsync:
    """malsync signed in, at the time that the sandbox thinks it is, with one backup."""
    malsync.time.moment = datetime.now(UTC)
    malsync.environment |= {"PATH": "/nowhere", "XDG_CONFIG_HOME": str(malsync.home.parent / "config")}
    sign_in(malsync, box)
    malsync.ok("backup")
    return malsync


def doctor(malsync: Malsync, *words: str, exit_code: int = 0, **named: Any) -> dict[str, dict[str, Any]]:
    """The checks by name, of a doctor that ends with that code."""
    document = malsync.json("doctor", *words, exit_code=exit_code, **named)
    assert document["ok"] is (exit_code == 0)
    checks = {check["name"]: check for check in document["checks"]}
    assert len(checks) == len(document["checks"])
    return checks


def problems(checks: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, check in checks.items() if not check["ok"]]


def tree(folder: Path) -> dict[str, Any]:
    """Every file of a folder: its rights, and what it holds. SQLite's own two beside a database are made by every reader."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith(("-wal", "-shm"))
    }


def test_doctor_reports_no_problem_after_a_login_and_a_backup(signed_in: Malsync) -> None:
    checks = doctor(signed_in, "--max-age", "36h")

    assert list(checks) == NAMES
    assert "Logged in as sandbox_mika" in checks["login"]["message"]
    assert "In sync" in checks["clock"]["message"]
    assert "snapshot 1" in checks["backup"]["message"]
    said = signed_in.ok("doctor").stdout.splitlines()
    assert [line[:2] for line in said[:-1]] == ["ok"] * len(NAMES)
    assert said[-1] == "All is well."
    quiet = signed_in.ok("doctor", "-q")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_doctor_changes_nothing(signed_in: Malsync, box: Sandbox) -> None:
    signed_in.time.sleep(32 * 86400)  # the access token is dead, so another command would refresh it
    before, tokens, asked = tree(signed_in.home), kept(signed_in), len(box.requests)

    signed_in("doctor", "-v")

    assert tree(signed_in.home) == before
    assert kept(signed_in) == tokens
    assert [row["method"] for row in box.requests[asked:]] == ["GET"]


def test_doctor_works_offline_and_creates_no_home_folder(offline: Malsync) -> None:
    offline.environment["MALSYNC_API_URL"] = "http://127.0.0.1:9/v2"

    checks = doctor(offline, exit_code=3)

    assert problems(checks) == ["login", "api", "backup"]
    assert "MALSYNC_API_URL" not in checks["api"]["message"]
    assert "does not answer (connection refused)" in checks["api"]["message"]
    assert not offline.home.exists()


# -- the age of the last good backup


def test_backup_older_than_max_age_exits_with_8(signed_in: Malsync) -> None:
    signed_in.time.sleep(37 * 3600)

    assert doctor(signed_in, "--max-age", "2d")["backup"]["ok"]
    checks = doctor(signed_in, "--max-age", "36h", exit_code=8)

    assert not checks["backup"]["ok"]
    assert "too old" in checks["backup"]["message"]
    assert "malsync backup" in checks["backup"]["message"]
    said = signed_in("doctor", "--max-age", "36h", "-q")
    assert {line[:2] for line in said.stdout.splitlines()} == {"!!"}
    assert "backup" in said.stdout


def test_age_is_that_of_the_last_good_backup(signed_in: Malsync, box: Sandbox) -> None:
    signed_in.time.sleep(200)
    for id in box.entries(box.user, "manga"):
        box.remove(box.user, "manga", id)
    signed_in.ok("backup", exit_code=8)

    assert "suspicious" in doctor(signed_in, "--max-age", "36h")["backup"]["message"]
    checks = doctor(signed_in, "--max-age", "150s", exit_code=8)
    assert "snapshot 1" in checks["backup"]["message"]
    assert checks["backup"]["message"].endswith(
        "Newer ones are suspicious: malsync snapshots. If intended: malsync backup --accept. "
        "That is too old: run malsync backup."
    )


def test_long_line_continues_under_its_message(offline: Malsync) -> None:
    offline.environment["MALSYNC_API_URL"] = "http://127.0.0.1:9/v2"

    _, screen = on_terminal(offline, "doctor", columns=60)

    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in screen.splitlines() if line.strip()]
    indent = " " * lines[0].index("malsync")
    assert any(line.startswith(indent) for line in lines)
    assert all(line.startswith((indent, "ok  ", "!!  ")) for line in lines)
    # An address or a path that is too long for its line is left whole.
    assert all(len(line) <= 60 or "/" in line for line in lines)


@pytest.mark.promise("reading-6")
def test_backup_dated_in_the_future_does_not_hide_an_old_one(signed_in: Malsync) -> None:
    now = signed_in.time.moment
    signed_in.time.moment = now + timedelta(days=400)
    signed_in.ok("backup")
    signed_in.time.moment = now + timedelta(hours=37)

    checks = doctor(signed_in, "--max-age", "36h", exit_code=8)

    assert "snapshot 1" in checks["backup"]["message"]
    assert "too old" in checks["backup"]["message"]
    assert "dated in the future: snapshot 2 (" in checks["backup"]["message"]


def test_backups_all_dated_in_the_future_are_a_problem(malsync: Malsync, box: Sandbox) -> None:
    malsync.time.moment = datetime.now(UTC) + timedelta(days=400)
    malsync.ok("backup")
    malsync.time.moment = datetime.now(UTC)

    checks = doctor(malsync, exit_code=8)

    assert problems(checks) == ["backup"]
    assert "dated in the future" in checks["backup"]["message"]
    assert "snapshot 1" in checks["backup"]["message"]


def test_imported_list_does_not_count_as_a_backup(offline: Malsync, signed_in: Malsync, tmp_path: Path) -> None:
    signed_in.ok("export", "latest", "--output", tmp_path / "list.json")
    another = Malsync(tmp_path / "another", signed_in.box)
    another.time.moment = datetime.now(UTC)
    another.ok("import", tmp_path / "list.json")

    checks = doctor(another, "--max-age", "36h", exit_code=8)

    assert "none yet" in checks["backup"]["message"]


def test_each_account_has_its_own_login_and_backup_check(signed_in: Malsync, box: Sandbox) -> None:
    sign_in(signed_in, box, "sandbox_theo", account="second")
    signed_in.ok("--account", "second", "backup")

    checks = doctor(signed_in)
    assert [name for name in checks if name.startswith(("login", "backup"))] == [
        "login", "login second", "backup", "backup second",
    ]  # fmt: skip
    assert "sandbox_theo" in checks["login second"]["message"]
    assert list(doctor(signed_in, "--account", "second")) == NAMES


def test_public_list_needs_no_login(malsync: Malsync, box: Sandbox) -> None:
    malsync.time.moment = datetime.now(UTC)
    malsync.environment["MALSYNC_ACCESS_TOKEN"] = ""
    malsync.ok("backup", "--user", box.user)

    checks = doctor(malsync, "--max-age", "1h")

    assert "public" in checks["login"]["message"]
    assert "snapshot 1" in checks["backup"]["message"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("36h", 129_600), ("2d", 172_800), ("90m", 5_400), ("1d12h", 129_600), ("1.5h", 5_400), ("1w", 604_800)],
)
def test_age_is_read_with_its_unit(text: str, seconds: int) -> None:
    assert age_of(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "36", "h", "-1h", "36 h", "36x", "1h;", "٣h", "9999999999999d"])
def test_text_that_is_not_an_age_is_refused(offline: Malsync, text: str) -> None:
    with pytest.raises(UsageError):
        age_of(text)
    assert "36h" in offline.error("doctor", f"--max-age={text}", exit_code=2)["hint"]


# -- what can be wrong with what is stored


def test_damaged_mirror_exits_with_6_and_other_checks_still_run(signed_in: Malsync) -> None:
    path = signed_in.home / "mirror.db"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    checks = doctor(signed_in, "--max-age", "36h", exit_code=6)

    assert problems(checks) == ["mirror", "backup"]
    assert "rebuild" in checks["mirror"]["message"]
    assert "1 file, intact" in checks["latest"]["message"]
    assert path.read_bytes() == content[: len(content) // 2]


def test_list_that_does_not_match_its_digest_is_a_problem(signed_in: Malsync) -> None:
    with sqlite3.connect(signed_in.home / "mirror.db") as connection:
        connection.execute("UPDATE anime_version SET score = 10 - score")
    connection.close()

    assert problems(doctor(signed_in, exit_code=6)) == ["mirror"]


@pytest.mark.parametrize("content", [None, b"", b"garbage", gzip.compress(b"{}", mtime=0)])
def test_missing_or_damaged_latest_file_is_a_problem(signed_in: Malsync, content: bytes | None) -> None:
    path = signed_in.home / "latest" / "sandbox_mika.json.gz"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    checks = doctor(signed_in, exit_code=6)

    assert problems(checks) == ["latest"]
    assert "malsync backup" in checks["latest"]["message"]
    signed_in.ok("backup")
    doctor(signed_in)


def test_mirror_of_an_older_version_is_checked_without_migration(signed_in: Malsync) -> None:
    path = signed_in.home / "mirror.db"
    shutil.copy(ROOT / "fixtures" / "mirrors" / "version-2.db", path)
    before = path.read_bytes()

    path.chmod(0o600)
    checks = doctor(signed_in, exit_code=6)

    assert problems(checks) == ["latest", "runs", "backup"]  # the file came without them
    assert "5 snapshots; its version is 2" in checks["mirror"]["message"]
    assert "malsync resume 5" in checks["runs"]["message"]
    assert path.read_bytes() == before


def test_unfinished_run_exits_with_7(signed_in: Malsync, box: Sandbox) -> None:
    """Three calls in a row that fail stop it."""
    for id in list(box.entries(box.user, "anime"))[:3]:
        box.edit(box.user, "anime", id, comments="something else")
    box.add_faults("503:method=PATCH")

    signed_in.ok("restore", "1", "--yes", exit_code=4)
    box.clear_faults()
    checks = doctor(signed_in, exit_code=7)

    assert problems(checks) == ["runs"]
    assert "malsync resume 1" in checks["runs"]["message"]


# -- the home folder


@pytest.mark.parametrize(
    ("name", "mode", "repaired"), [(".", 0o755, "700"), ("tokens.json", 0o644, "600"), ("mirror.db", 0o640, "600")]
)
def test_file_readable_by_others_is_a_problem_with_its_repair(
    signed_in: Malsync, name: str, mode: int, repaired: str
) -> None:
    path = signed_in.home / name
    path.chmod(mode)

    checks = doctor(signed_in, exit_code=2)

    assert problems(checks) == ["home"]
    assert f"chmod {repaired} {path}" in checks["home"]["message"]
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("content", ["not toml [", 'unknown = "x"', 'api_url = "http://example.org/v2"'])
def test_invalid_config_is_a_problem_and_other_checks_still_run(signed_in: Malsync, content: str) -> None:
    (signed_in.home / "config.toml").write_text(content)
    (signed_in.home / "config.toml").chmod(0o600)
    environment = {"MALSYNC_API_URL": None} if "api_url" in content else {}

    checks = doctor(signed_in, exit_code=2, env=environment)

    assert not checks["settings"]["ok"]
    assert checks["mirror"]["ok"]


@pytest.mark.parametrize(
    ("content", "said"),
    [('requests_per_second = "one"', "must be a number"), ("client_id = 7", "must be a text in quotes")],
)
def test_setting_of_the_wrong_type_is_explained(signed_in: Malsync, content: str, said: str) -> None:
    (signed_in.home / "config.toml").write_text(content)

    assert said in doctor(signed_in, exit_code=2)["settings"]["message"]


@pytest.mark.parametrize("name", ["tokens.json", "accounts.json"])
def test_damaged_account_file_is_a_problem_of_the_login(signed_in: Malsync, name: str) -> None:
    (signed_in.home / name).write_text("{")

    checks = doctor(signed_in, exit_code=2)

    assert not checks["login"]["ok"]
    assert name in checks["login"]["message"]
    assert checks["mirror"]["ok"]


def test_home_that_is_a_file_is_a_problem(malsync: Malsync) -> None:
    malsync.home.write_text("")

    checks = doctor(malsync, exit_code=2)

    assert "is a file" in checks["home"]["message"]


# -- the token and the API


def test_token_that_mal_refuses_exits_with_3(signed_in: Malsync, box: Sandbox) -> None:
    box.expire_tokens()

    assert problems(doctor(signed_in, exit_code=3)) == ["login"]


def test_expired_token_that_can_be_refreshed_is_no_problem(signed_in: Malsync, box: Sandbox) -> None:
    sign_in(signed_in, box, lives=60)
    signed_in.time.sleep(120)

    assert "refreshes it" in doctor(signed_in)["login"]["message"]


def test_token_is_sent_only_to_the_address_it_was_issued_for(signed_in: Malsync, far: FarSide) -> None:
    far.answer = lambda _: told({"id": 1, "name": "someone"})

    checks = doctor(signed_in, exit_code=3, env={"MALSYNC_API_URL": far.environment()["MALSYNC_API_URL"]})

    assert "not for the API's address" in checks["login"]["message"]
    assert checks["api"]["ok"]
    assert ["authorization" in heard.headers for heard in far.heard] == [False]


def test_expired_refresh_token_asks_for_a_login(signed_in: Malsync, box: Sandbox) -> None:
    past = signed_in.time.moment
    signed_in.time.moment -= timedelta(days=40)
    sign_in(signed_in, box)
    signed_in.time.moment = past

    checks = doctor(signed_in, exit_code=3)

    assert "have expired" in checks["login"]["message"]
    assert "malsync login" in checks["login"]["message"]


@pytest.mark.parametrize(
    ("days", "said"),
    [(1, "refresh token valid until"), (27, "That is soon: malsync login"), (30.5, "That is soon: malsync login")],
)
def test_login_reports_how_long_the_tokens_are_valid(signed_in: Malsync, box: Sandbox, days: float, said: str) -> None:
    """A refresh token lives for 30 days; the access token of these for 31."""
    now = signed_in.time.moment
    signed_in.time.moment = now - timedelta(days=days)
    sign_in(signed_in, box)
    signed_in.time.moment = now

    message = doctor(signed_in)["login"]["message"]

    assert said in message
    assert ("soon" in message) is (days > 25)


def test_token_of_another_user_is_a_problem(signed_in: Malsync, box: Sandbox) -> None:
    sign_in(signed_in, box, "sandbox_theo")

    checks = doctor(signed_in, exit_code=3)

    assert "sandbox_theo" in checks["login"]["message"]
    assert "sandbox_mika" in checks["login"]["message"]


@pytest.fixture
def far() -> Iterator[FarSide]:
    with FarSide() as side:
        yield side


@pytest.mark.parametrize(("shift", "said"), [(400, "behind"), (-400, "ahead of"), (90_000, "25 hours"), (120, "")])
def test_wrong_clock_is_a_problem(offline: Malsync, far: FarSide, shift: int, said: str) -> None:
    # The far side says the real time.
    offline.time.moment = datetime.now(UTC) - timedelta(seconds=shift)
    refusal = Reply(b'{"message":"","error":"forbidden"}', 403, {"Content-Type": "application/json"})
    far.answer, far.tells_time = lambda _: refusal, True

    checks = doctor(offline, exit_code=2 if said else 3, env={"MALSYNC_API_URL": far.environment()["MALSYNC_API_URL"]})

    assert checks["clock"]["ok"] is not bool(said)
    assert said in checks["clock"]["message"]
    assert checks["api"]["ok"]


@pytest.mark.parametrize(
    "answer",
    [
        Reply(b"<html>blocked</html>", 403, {"Content-Type": "text/html"}),
        Reply(b'{"error":"x"}', 503, {"Content-Type": "application/json"}),
        Reply(b"{}", 301, {"Location": "https://example.org/"}),
        Reply(b"\xff\xfe", 200),
        Reply(b"x" * 200_000, 200),
        Reply(b"\x1f\x8b of no gzip", 200, {"Content-Encoding": "gzip"}),
        Reply([b'{"id": 1'], 200, {"Content-Length": "500"}),
    ],
)
def test_unusable_answer_is_a_problem_of_the_api(signed_in: Malsync, far: FarSide, answer: Reply) -> None:
    far.answer = lambda _: answer
    signed_in.environment |= {"MALSYNC_ACCESS_TOKEN": "a-token-from-elsewhere"}

    result = signed_in("doctor", "--json", env={"MALSYNC_API_URL": far.environment()["MALSYNC_API_URL"]})

    checks = {check["name"]: check for check in result.json["checks"]}
    assert problems(checks) == ["api"]
    assert result.exit_code == 4
    assert len(far.heard) == 1
    assert "a-token-from-elsewhere" not in result.stdout + result.stderr


def test_wrong_address_is_a_problem_of_the_api_and_not_of_the_token(signed_in: Malsync, far: FarSide) -> None:
    far.answer = lambda _: Reply(b'{"message":"","error":"not_found"}', 404, {"Content-Type": "application/json"})
    signed_in.environment |= {"MALSYNC_ACCESS_TOKEN": "a-token-from-elsewhere"}

    checks = doctor(signed_in, exit_code=4, env={"MALSYNC_API_URL": far.environment()["MALSYNC_API_URL"]})

    assert problems(checks) == ["api"]
    assert "404" in checks["api"]["message"]
    assert "MALSYNC_API_URL" in checks["api"]["message"]


def test_doctor_prints_no_secret(signed_in: Malsync, box: Sandbox) -> None:
    tokens = kept(signed_in)["default"]

    for words in (("doctor", "-v"), ("doctor", "--json")):
        result = signed_in(*words, env={"MALSYNC_CLIENT_SECRET": "a-secret"})
        for secret in (tokens["access_token"], tokens["refresh_token"], box.client_id, "a-secret"):
            assert secret not in result.stdout + result.stderr


def test_check_that_fails_is_a_problem(signed_in: Malsync) -> None:
    def broken() -> datetime:
        raise RuntimeError("a-secret in the words of a bug")

    from malsync.cli import run
    from malsync.cli.environment import World
    from malsync.clock import Clock

    assert run(["doctor", "-q"], World(signed_in.environ(), Clock(now=broken))) == 2


# -- the timer


def test_installed_timer_is_found(signed_in: Malsync, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    wanted = tmp_path / "config" / "systemd" / "user" / "timers.target.wants"
    tools.mkdir()
    wanted.mkdir(parents=True)
    (tools / "crontab").write_text("#!/bin/sh\nexit 0\n")
    # As systemd's own: to enable a unit is to link it where timers are started.
    (tools / "systemctl").write_text(
        f'#!/bin/sh\n[ "$2" != enable ] || ln -s "{wanted.parent}/$4" "{wanted}/$4"\n'
        f'[ "$2" != disable ] || rm "{wanted}/$4"\n'
    )
    for tool in tools.iterdir():
        tool.chmod(0o755)
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "XDG_CONFIG_HOME": str(tmp_path / "config")}

    def found() -> str:
        return str(doctor(signed_in, env=environment)["schedule"]["message"])

    assert "No timer" in found()
    signed_in.ok("schedule", "systemd", "--install", env=environment)
    assert re.fullmatch(r"Found: malsync-backup[^,]*\.timer\.", found())
    signed_in.ok("schedule", "systemd", "--uninstall", env=environment)
    assert "No timer" in found()

    (tools / "crontab").write_text("#!/bin/sh\necho '# 1 2 * * * malsync'\n")
    assert "No timer" in found()
    (tools / "crontab").write_text(
        "#!/bin/sh\necho '# 1 2 * * * malsync'\necho '5 3 * * * /usr/bin/malsync backup -q'\n"
    )
    assert found() == "Found: a line in crontab."


# -- disks

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
server:/home /home nfs4 rw,relatime 0 0
/dev/sdb1 /home/me/local\\040disk ext4 rw,relatime 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
//server/x /mnt/böse\\040\\134eins cifs rw 0 0
server:/a /mnt/twice nfs rw 0 0
/dev/sdc1 /mnt/twice ext4 rw 0 0
half a-line
"""


@pytest.mark.parametrize(
    ("folder", "kind", "network"),
    [("/var", "ext4", False), ("/home/me", "nfs4", True), ("/home/me/local disk/x", "ext4", False),
     ("/mnt/ssh/malsync", "fuse.sshfs", True), ("/homes", "ext4", False),
     ("/mnt/böse \\eins", "cifs", True), ("/mnt/twice/x", "ext4", False)],
)  # fmt: skip
def test_file_system_of_a_folder_is_that_of_its_nearest_mount(
    tmp_path: Path, folder: str, kind: str, network: bool
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS, encoding="utf-8")

    assert filesystem_of(Path(folder), tmp_path / "mounts") == kind
    assert is_network(kind) is network


@pytest.mark.parametrize(
    ("kind", "mode", "ok", "message"),
    [
        ("ext4", "wal", True, "Not on a network disk."),
        ("nfs4", "wal", False, "write-ahead log does not work"),
        ("nfs4", "delete", True, "only one machine at a time"),
        ("cifs", None, True, "only one machine at a time"),
        (None, "wal", True, "Unknown on this system."),
    ],
)
def test_network_disk_is_a_problem_for_a_mirror_with_a_write_ahead_log(
    malsync: Malsync, tmp_path: Path, kind: str | None, mode: str | None, ok: bool, message: str
) -> None:
    if mode:
        malsync.ok("backup")
        with closing(sqlite3.connect(malsync.home / "mirror.db")) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
    mounts = tmp_path / "mounts"
    if kind is not None:
        mounts.write_text(f"server:/x {tmp_path} {kind} rw 0 0\n")
    context = DoctorContext(Home(str(malsync.home)), mounts=mounts)

    machine.network_disk(context)

    (check,) = context.checks
    assert check.ok is ok
    assert (check.exit == 6) is not ok
    assert message in check.message


def test_disk_needs_space_for_a_second_mirror() -> None:
    megabyte = 2**20

    assert not lacking_space(100 * megabyte, mirror=50 * megabyte)
    assert lacking_space(99 * megabyte, mirror=50 * megabyte) == 100 * megabyte
    assert lacking_space(500 * megabyte, mirror=501 * megabyte) == 501 * megabyte


def test_file_system_is_unknown_without_a_list_of_mounts(tmp_path: Path) -> None:
    assert filesystem_of(Path("/"), tmp_path / "nowhere") is None
    assert not is_network(None)
