"""The last resort: a bug is told in two lines, its details are in a file, and no secret is in either."""

import json
from pathlib import Path

import pytest

from malsync.cli.main import _masked
from malsync.sandbox import Sandbox
from tests.support.broken import broken_installation
from tests.support.harness import Malsync
from tests.support.signing import sign_in

SENDS = "        self.throttle.wait()\n"
LEAKS = (
    "        raise RuntimeError(f'sent {headers!r} to {address}&access_token=' + headers['Authorization'][7:]"
    " + chr(10) + str(headers) + ' Bearer ' + headers['Authorization'][7:])\n"
)


def run(malsync: Malsync, *arguments: str, env: dict[str, str | None]) -> tuple[int, str, str]:
    process = malsync.process(*arguments, env=env)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.promise("security-7")
@pytest.mark.parametrize("stored", [True, False], ids=["stored token", "token from elsewhere"])
def test_a_bug_ends_with_70_and_its_details_hold_no_token(
    malsync: Malsync, box: Sandbox, tmp_path: Path, stored: bool
) -> None:
    token = sign_in(malsync, box).access_token if stored else box.access_token
    broken = broken_installation(tmp_path / "broken", "transport.py", SENDS, LEAKS)

    code, out, err = run(malsync, "backup", "--json", env=broken)

    assert code == 70
    error = json.loads(out)["error"]
    assert error["exit"] == 70
    assert error["message"] == "This is a bug in malsync (RuntimeError)."
    path = malsync.home / "last-error.txt"
    assert str(path) in error["hint"]
    assert "Traceback" not in err
    assert err.splitlines()[-2:] == [f"Error: {error['message']}", error["hint"]]
    report = path.read_text()
    assert "Traceback" in report
    assert "RuntimeError" in report
    assert "transport.py" in report
    assert path.stat().st_mode & 0o777 == 0o600
    for text in (out, err, report):
        assert token not in text
        assert token[:30] not in text
        assert token[-30:] not in text


def test_the_details_are_where_home_says_and_replace_the_last_ones(malsync: Malsync, tmp_path: Path) -> None:
    broken = broken_installation(tmp_path / "broken", "transport.py", SENDS, "        raise KeyError(method)\n")
    there = tmp_path / "there"
    there.mkdir()
    (there / "last-error.txt").write_text("an older and much longer report " * 500)

    code, _, err = run(malsync, "backup", f"--home={there}", env=broken)

    assert code == 70
    assert str(there / "last-error.txt") in err
    report = (there / "last-error.txt").read_text()
    assert "KeyError" in report
    assert "older" not in report


def test_a_bug_that_cannot_be_written_down_is_told_all_the_same(malsync: Malsync, tmp_path: Path) -> None:
    broken = broken_installation(tmp_path / "broken", "transport.py", SENDS, "        raise KeyError(method)\n")
    malsync.home.mkdir()
    (malsync.home / "last-error.txt").mkdir()

    code, _, err = run(malsync, "backup", env=broken)

    assert code == 70
    assert "could not be written" in err
    assert "Traceback" not in err


def test_a_bug_in_one_of_the_readers_ends_both(malsync: Malsync, tmp_path: Path) -> None:
    broken = broken_installation(
        tmp_path / "broken",
        "transport.py",
        SENDS,
        "        if 'manga' in address:\n            raise KeyError(method)\n",
    )

    code, _, err = run(malsync, "backup", env=broken)

    assert code == 70
    assert "KeyError" in err
    assert malsync.json("snapshots") == []


@pytest.mark.promise("security-7")
@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRET",
        "authorization: bearer SECRET",
        "{'Authorization': 'Bearer SECRET'}",
        '{"access_token": "SECRET", "expires_in": 3600}',
        '{"refresh_token":"SECRET"}',
        "{'refresh_token': 'SECRET', 'grant_type': 'refresh_token'}",
        "access_token=SECRET&limit=1000",
        "grant_type=refresh_token&refresh_token=SECRET",
        "http://localhost:8765/callback?code=SECRET&state=SECRET",
        "http://localhost:8765/callback?state=SECRET&code=SECRET",
        "code_verifier=SECRET",
        "client_secret = SECRET",
        "client_secret='SECRET'",
        "first line\nrefresh_token: SECRET\nlast line",
    ],
)
def test_whatever_looks_like_a_secret_is_masked(text: str) -> None:
    secret = "def50200.a-b_c~d/e+f=="

    masked = _masked(text.replace("SECRET", secret))

    assert "***" in masked
    assert secret not in masked
    assert "def50200" not in masked


@pytest.mark.parametrize(
    "text",
    [
        "GET /users/@me/animelist: MAL answered 503. (tried 5 times)",
        "The answer's state is not the one that was sent: it belongs to another sign-in.",
        "Paste all of it: it begins with http://localhost:8765/callback and holds a code and a state.",
        "Not logged in: there is no token for the account 'default'.",
        "To go on: malsync backup --note 'a code'",
        "Set MALSYNC_CLIENT_ID (README: Your client id).",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert _masked(text) == text
