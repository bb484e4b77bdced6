"""Options that every command takes, before its name or after it; usage errors; the home folder and its settings."""

from pathlib import Path

import pytest

from malsync import __version__
from malsync.sandbox import Sandbox
from tests.support.harness import Malsync

LOOKING = [("accounts",), ("snapshots",), ("show", "1"), ("history", "x"), ("diff", "1", "1"), ("verify",)]


@pytest.mark.parametrize("place", ["before", "after", "both"])
def test_home_is_taken_before_the_command_and_after_it(malsync: Malsync, tmp_path: Path, place: str) -> None:
    there, other = str(tmp_path / "there"), str(tmp_path / "other")
    words = {
        "before": ["--home", there, "backup"],
        "after": ["backup", f"--home={there}"],
        "both": ["--home", other, "backup", "--home", there],
    }

    malsync.ok(*words[place])

    assert (Path(there) / "mirror.db").exists()
    assert not Path(other).exists()
    assert not malsync.home.exists()


@pytest.mark.parametrize("words", [["--account", "second", "backup"], ["backup", "--account", "second"]])
def test_account_is_taken_before_the_command_and_after_it(malsync: Malsync, words: list[str]) -> None:
    malsync.ok(*words)

    assert [row["account"] for row in malsync.json("accounts")] == ["second"]


@pytest.mark.parametrize("words", [["--json", "snapshots"], ["snapshots", "--json"], ["--json", "snapshots", "--json"]])
def test_json_is_taken_before_the_command_and_after_it(malsync: Malsync, words: list[str]) -> None:
    assert malsync.ok(*words).json == []


@pytest.mark.parametrize("words", [["-q", "backup"], ["backup", "-q"], ["--quiet", "backup"]])
def test_quiet_is_taken_before_the_command_and_after_it(malsync: Malsync, words: list[str]) -> None:
    result = malsync.ok(*words)

    assert (result.stdout, result.stderr) == ("", "")


@pytest.mark.parametrize("words", [["-v", "backup"], ["backup", "-v"], ["--verbose", "backup"]])
def test_verbose_is_taken_before_the_command_and_after_it(malsync: Malsync, words: list[str]) -> None:
    assert malsync.ok(*words).stderr.count("-> 200") == 3


@pytest.mark.parametrize("words", [["mirror", "copy", "{}", "--json"], ["--json", "mirror", "copy", "{}"]])
def test_they_are_taken_around_a_command_of_two_words_as_well(
    malsync: Malsync, tmp_path: Path, words: list[str]
) -> None:
    malsync.ok("backup")

    document = malsync.ok(*(word.format(tmp_path / "copy.db") for word in words)).json

    assert document["snapshots"] == 1
    between = malsync.ok("mirror", "--json", "--home", str(malsync.home), "copy", str(tmp_path / "again.db"))
    assert between.json["snapshots"] == 1


def test_with_json_stdout_is_one_document_and_the_rest_is_on_stderr(malsync: Malsync) -> None:
    result = malsync.ok("backup", "--json", "-v")

    assert result.json["snapshot"] == 1
    assert "Reading the lists of" in result.stderr
    assert "-> 200" in result.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["nonsense"], "malsync --help"),
        (["--nonsense", "backup"], "malsync --help"),
        (["backup", "--nonsense"], "malsync backup --help"),
        (["backup", "--wait", "soon"], "malsync backup --help"),
        (["backup", "surplus"], "malsync backup --help"),
        (["show"], "malsync show --help"),
        (["diff", "1", "2", "3"], "malsync diff --help"),
        (["import"], "malsync import --help"),
        (["mirror", "nonsense"], "malsync mirror --help"),
        (["mirror"], "malsync mirror --help"),
        (["--account"], "malsync --help"),
        (["export", "1", "--format", "pdf"], "malsync export --help"),
        (["sandbox", "--port", "x"], "malsync sandbox --help"),
    ],
)
def test_wrong_usage_ends_with_2_and_names_the_help(malsync: Malsync, words: list[str], hint: str) -> None:
    error = malsync.error("--json", *words, exit_code=2)

    assert error["hint"] == f"See: {hint}"
    told = malsync.ok(*words, exit_code=2) if words != ["mirror"] else None
    assert told is None or told.stderr.splitlines()[0].startswith("Error: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("bakcup", "No such command 'bakcup'. Did you mean 'backup'?"),
        ("mirror rebiuld", "No such command 'rebiuld'. Did you mean 'rebuild'?"),
        ("backup --wait nan", "Invalid value for '--wait': 'nan' is not a valid float range."),
        ("import x --wait inf", "Invalid value for '--wait': 'inf' is not a valid float range."),
        ("prune --wait -5", "Invalid value for '--wait': -5.0 is not in the range x>=0."),
        ("fetch details --max-age nan", "Invalid value for '--max-age': 'nan' is not a valid float range."),
        ("resume x", "Invalid value for '[RUN]': 'x' is not a valid integer range."),
        ("browse --port 99999", "Invalid value for '--port': 99999 is not in the range 0<=x<=65535."),
        ("fetch season 2026 2025", "A season has a year and a name."),
        ("fetch season fall spring", "A season has a year and a name."),
        (
            "schedule anacron",
            "Invalid value for '[KIND]': 'anacron' is not one of 'systemd', 'cron', 'launchd', 'windows', 'github'.",
        ),
        ("completion tcsh", "Invalid value for '[SHELL]': 'tcsh' is not one of 'bash', 'zsh', 'fish'."),
        ("fetch season 2026", "Missing argument 'SEASON'. Choose from: winter, spring, summer, fall"),
        ("fetch forum topic 0", "Invalid value for 'ID': 0 is not in the range 1<=x<=9223372036854775807."),
        ("--account= backup", "Invalid value for '--account': it is empty."),
        ("backup --home=", "Invalid value for '--home': it is empty."),
    ],
)
def test_usage_error_is_one_line(malsync: Malsync, words: str, says: str) -> None:
    assert malsync.error(*words.split(), exit_code=2)["message"] == says
    assert not malsync.home.exists()


def test_a_wrong_option_of_json_itself_is_told_as_json(malsync: Malsync) -> None:
    result = malsync.ok("backup", "--json", "--nonsense", exit_code=2)

    assert result.json["error"]["exit"] == 2
    assert "--nonsense" in result.json["error"]["message"]


@pytest.mark.parametrize("words", [[], ["mirror"]])
def test_without_a_command_the_help_is_shown_as_it_is(malsync: Malsync, words: list[str]) -> None:
    result = malsync.ok(*words, exit_code=2)

    assert result.stdout == ""
    assert result.stderr.startswith(f"Usage: {' '.join(['malsync', *words])} [OPTIONS] COMMAND")
    assert "\\n" not in result.stderr
    assert len(result.stderr.splitlines()) > 10


def test_help_and_version_go_to_stdout_and_touch_nothing(malsync: Malsync) -> None:
    assert malsync.ok("--version").stdout == f"malsync, version {__version__}\n"
    for words in (["--help"], ["backup", "--help"], ["mirror", "rebuild", "--help"]):
        result = malsync.ok(*words)
        assert result.stdout.startswith("Usage: malsync")
        assert "Examples:" in result.stdout
    assert not malsync.home.exists()


def test_looking_makes_no_home_folder(malsync: Malsync) -> None:
    for words in LOOKING:
        malsync(*words)

    assert not malsync.home.exists()


# -- homes that are none


@pytest.mark.parametrize("words", [*LOOKING, ("backup",), ("import", "x.json"), ("logout",), ("login", "--no-browser")])
def test_a_home_that_is_a_file_ends_with_2(malsync: Malsync, box: Sandbox, words: tuple[str, ...]) -> None:
    malsync.home.write_text("I am a file")

    error = malsync.error(*words, exit_code=2)

    assert str(malsync.home) in error["message"] or words == ("import", "x.json")
    assert malsync.home.read_text() == "I am a file"
    assert box.requests == []


@pytest.mark.parametrize("words", [("snapshots",), ("backup",), ("logout",)])
def test_a_home_inside_a_file_ends_with_2(malsync: Malsync, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("")

    result = malsync("--home", str(tmp_path / "file" / "home"), *words)

    assert result.exit_code in ({0, 2} if words == ("snapshots",) else {2}), str(result)
    assert str(tmp_path / "file") in result.stderr or result.exit_code == 0


def test_a_home_with_a_name_too_long_ends_with_2(malsync: Malsync, tmp_path: Path) -> None:
    malsync.error("backup", "--home", str(tmp_path / ("x" * 300)), exit_code=2)


@pytest.mark.parametrize(
    "words",
    [
        ("--home", "~nobody-here/x", "backup"),
        ("backup", "--home", "~nobody-here/x"),
        ("backup", "--file", "~nobody-here/{user}.json"),
        ("import", "~nobody-here/list.json"),
        ("show", "~nobody-here/list.json"),
        ("mirror", "rebuild", "~nobody-here/list.json"),
    ],
)
def test_the_home_of_nobody_ends_with_2_before_anything_is_read(
    malsync: Malsync, box: Sandbox, words: tuple[str, ...]
) -> None:
    error = malsync.error(*words, exit_code=2)

    assert "~nobody-here" in error["message"]
    assert box.requests == []


def test_a_home_may_have_blanks_and_any_letters(malsync: Malsync, tmp_path: Path) -> None:
    home = tmp_path / "my lists ünd マンガ"

    malsync.ok("backup", "--home", home)
    malsync.ok("mirror", "copy", home / "a copy 'quoted'.db", "--home", home)

    assert malsync.json("verify", "--home", home)["ok"] is True


# -- config.toml


def configure(malsync: Malsync, text: str) -> None:
    malsync.home.mkdir(exist_ok=True)
    (malsync.home / "config.toml").write_text(text)


def test_addresses_and_client_id_may_stand_in_the_settings(malsync: Malsync, box: Sandbox) -> None:
    configure(malsync, f'api_url = "{box.api_url}"\nclient_id = "{box.client_id}"\n')
    bare: dict[str, str | None] = {"MALSYNC_API_URL": None, "MALSYNC_CLIENT_ID": None, "MALSYNC_ACCESS_TOKEN": None}

    assert malsync.json("backup", "--user", "sandbox_theo", env=bare)["source"] == "public"


def test_the_environment_goes_before_the_settings(malsync: Malsync) -> None:
    configure(malsync, 'api_url = "https://nowhere.invalid/v2"\nclient_id = "another"\n')

    malsync.ok("backup")


@pytest.mark.promise("security-6")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("client_id", "config.toml"),
        ('client_id = "a"\nclient_id = "b"\n', "config.toml"),
        ('client_ids = "a"\n', "'client_ids'"),
        ("client_id = 5\n", "client_id must be"),
        ("client_id = true\n", "client_id must be"),
        ('requests_per_second = "1"\n', "requests_per_second must be a number"),
        ("requests_per_second = nan\n", "requests_per_second is not 0 or more"),
        ("user_agent = 5\n", "user_agent must be a text in quotes"),
        ("requests_per_second = true\n", "requests_per_second must be"),
        ("requests_per_second = -1\n", "requests_per_second"),
        ('token_store = "drawer"\n', "token_store"),
        ("[section]\n", "'section'"),
        ("on_success = ['a']\n", "on_success must be"),
        ('access_token = "x"\n', "'access_token'"),
        ("\x00", "config.toml"),
    ],
)
def test_settings_that_are_wrong_end_with_2(malsync: Malsync, box: Sandbox, text: str, words: str) -> None:
    configure(malsync, text)

    for command in (("backup",), ("snapshots",), ("accounts",)):
        assert words in malsync.error(*command, exit_code=2)["message"]
    assert box.requests == []


def test_settings_that_are_no_text_or_no_file_end_with_2(malsync: Malsync) -> None:
    malsync.home.mkdir()
    path = malsync.home / "config.toml"
    path.write_bytes(b'client_id = "\xff"\n')
    malsync.error("backup", exit_code=2)
    path.unlink()
    path.mkdir()
    assert str(path) in malsync.error("backup", exit_code=2)["message"]


def test_wrong_settings_do_not_keep_help_from_anyone(malsync: Malsync) -> None:
    configure(malsync, "nonsense")

    malsync.ok("--help")
    malsync.ok("backup", "--help")
    malsync.ok("--version")
