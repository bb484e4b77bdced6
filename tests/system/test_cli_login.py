"""`login`, `logout` and `accounts`: a browser played by the sandbox's, in processes of their own."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from malsync.sandbox import Sandbox, World
from malsync.sandbox.browser import answer_consent
from malsync.schemas import find_problem
from tests.support.harness import Malsync
from tests.support.servers import FarSide, Heard, Reply, free_port, told
from tests.support.signing import SIGNS_IN, grants, kept, log_in, sign_in
from tests.support.terminal import on_terminal


@pytest.fixture
def malsync(home: Path, box: Sandbox) -> Malsync:
    """malsync beside a sandbox, without any token, with a redirect address on a free port."""
    return Malsync(home, box, MALSYNC_ACCESS_TOKEN="", MALSYNC_REDIRECT_URI=f"http://localhost:{free_port()}/callback")


def bind(malsync: Malsync, account: str) -> None:
    """An account as an older malsync may have made it."""
    malsync.home.mkdir(mode=0o700, exist_ok=True)
    bound = {account: {"origin": "https://api.myanimelist.net", "id": 1, "name": "somebody"}}
    (malsync.home / "accounts.json").write_text(json.dumps(bound))


def asked_address(process: subprocess.Popen[str]) -> str:
    """The address that `login --no-browser` wants opened, read from its messages."""
    assert process.stderr is not None
    for line in process.stderr:
        if (found := line.strip()).startswith("http"):
            return found
    raise AssertionError("no address was shown")


def consent(address: str, decision: str = "allow") -> str:
    """Agree, as a person does on another machine: the address that their browser is sent to."""
    form = {name: texts[0] for name, texts in parse_qs(urlsplit(address).query).items()} | {"decision": decision}
    answer = requests.post(address.partition("?")[0], form, allow_redirects=False, timeout=10)
    return answer.headers["Location"]


# -- with a browser


@pytest.mark.promise("secrets-1", "security-3")
def test_signing_in_keeps_tokens_for_their_owner_alone(malsync: Malsync, box: Sandbox) -> None:
    done = log_in(malsync)

    assert done.returncode == 0, done.stderr
    assert f"Signed in as {box.user} (account default)." in done.stdout
    assert malsync.home.stat().st_mode & 0o777 == 0o700
    assert (malsync.home / "tokens.json").stat().st_mode & 0o777 == 0o600
    assert grants(box) == ["authorization_code"]
    assert malsync.json("backup")["user"] == box.user


@pytest.mark.promise("secrets-7", "security-18", "security-20")
def test_signing_in_says_no_secret(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    """Neither aloud, nor in what `ps` shows, nor in what a started program is handed: state and verifier included."""
    seen = tmp_path / "seen"
    spy = tmp_path / "spy.py"
    spy.write_text(
        "import os, subprocess, sys\n"
        "parent = open(f'/proc/{os.getppid()}/cmdline').read() if os.path.exists('/proc') else ''\n"
        "page = sys.argv[1].removeprefix('file://')\n"
        "modes = [oct(os.stat(path).st_mode & 0o777) for path in (page, os.path.dirname(page))]\n"
        f"open({str(seen)!r}, 'w').write(repr([sys.argv, parent, dict(os.environ), modes]))\n"
        f"open({str(seen) + '.page'!r}, 'w').write(open(page).read())\n"
        "sys.exit(subprocess.call([sys.executable, '-m', 'malsync.sandbox.browser', sys.argv[1]]))\n"
    )
    done = log_in(malsync, "--json", "-v", browser=[sys.executable, str(spy), "%s"])

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert find_problem("output-login", document) is None
    assert document["logged_in"] is True
    tokens = kept(malsync)["default"]
    said = done.stdout + done.stderr + seen.read_text()
    for name in ("access_token", "refresh_token"):
        assert tokens[name] not in said
        assert tokens[name][:40] not in said
    assert not re.search(r"[?&]code=", said)
    page = (tmp_path / "seen.page").read_text()
    for name in ("state", "code_challenge"):
        (text,) = set(re.findall(rf"[?;]{name}=([^&]+)", page))
        assert len(text) >= 32
        assert text not in seen.read_text()
    assert "['0o600', '0o700']" in seen.read_text()
    assert not (malsync.home / "open").exists()


def test_the_request_is_what_mal_wants(malsync: Malsync, box: Sandbox) -> None:
    process = malsync.process("login", "--no-browser", stdin=subprocess.PIPE)
    address = asked_address(process)
    process.communicate("\n", timeout=30)

    query = {name: texts[0] for name, texts in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(f"{box.auth_url}/authorize?")
    assert query.keys() == {
        "response_type",
        "client_id",
        "redirect_uri",
        "state",
        "code_challenge",
        "code_challenge_method",
    }
    assert query["response_type"] == "code"
    assert query["client_id"] == box.client_id
    assert query["redirect_uri"] == malsync.environment["MALSYNC_REDIRECT_URI"]
    assert query["code_challenge_method"] == "plain"
    assert re.fullmatch(r"[A-Za-z0-9_.~-]{43,128}", query["code_challenge"])
    assert len(query["state"]) >= 32


def test_each_sign_in_has_a_state_and_a_challenge_of_its_own(malsync: Malsync) -> None:
    texts = [malsync("login", "--no-browser", stdin="\n").stderr for _ in range(2)]

    for name in ("state", "code_challenge"):
        first, second = (re.findall(rf"{name}=([^&\s]+)", text) for text in texts)
        assert first
        assert set(first).isdisjoint(second)


def test_no_is_taken_for_an_answer(malsync: Malsync, box: Sandbox) -> None:
    done = log_in(malsync, "--json", browser=[*SIGNS_IN, "--deny"])

    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["message"] == "MAL did not grant access (access_denied)."
    assert kept(malsync) == {}
    assert grants(box) == []


def test_a_second_user_gets_an_account_of_their_own(malsync: Malsync, box: Sandbox) -> None:
    assert log_in(malsync).returncode == 0
    assert log_in(malsync, "--account", "second", browser=[*SIGNS_IN, "--user", "sandbox_theo"]).returncode == 0

    rows = malsync.json("accounts")

    assert [(row["account"], row["user"]["name"], row["logged_in"]) for row in rows] == [
        ("default", "sandbox_mika", True),
        ("second", "sandbox_theo", True),
    ]
    assert malsync.json("backup", "--account", "second")["user"] == "sandbox_theo"
    assert malsync.json("backup")["user"] == "sandbox_mika"


def test_an_account_of_one_user_is_no_other_users(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box)
    malsync.ok("backup")
    before = kept(malsync)

    done = log_in(malsync, browser=[*SIGNS_IN, "--user", "sandbox_theo"])

    assert done.returncode == 3
    assert "sandbox_mika" in done.stderr
    assert "--account sandbox_theo" in done.stderr
    assert kept(malsync) == before


def test_signing_in_again_replaces_the_tokens(malsync: Malsync, box: Sandbox) -> None:
    old = sign_in(malsync, box)
    box.expire_tokens(refresh_too=True)
    malsync.error("backup", exit_code=3)

    assert log_in(malsync).returncode == 0

    assert kept(malsync)["default"]["refresh_token"] != old.refresh_token
    malsync.ok("backup")


@pytest.mark.parametrize(("secret", "exit_code"), [("the-web-apps-secret", 0), ("another-secret-text", 3), (None, 3)])
def test_a_web_apps_secret_is_sent_and_never_shown(
    home: Path, world: World, secret: str | None, exit_code: int
) -> None:
    with Sandbox(world, settings={"client_secret": "the-web-apps-secret"}) as box:
        malsync = Malsync(
            home, box, MALSYNC_ACCESS_TOKEN="", MALSYNC_REDIRECT_URI=f"http://localhost:{free_port()}/callback"
        )
        done = log_in(malsync, "-v", env={"MALSYNC_CLIENT_SECRET": secret})

    assert done.returncode == exit_code, done.stderr
    said = done.stdout + done.stderr
    for path in home.rglob("*"):
        said += path.read_text() if path.is_file() else ""
    assert "the-web-apps-secret" not in said
    assert "another-secret-text" not in said
    assert exit_code == 0 or "MALSYNC_CLIENT_SECRET" in done.stderr


@pytest.mark.parametrize("fault", ["503", "cut:at=before", "html"])
def test_a_sign_in_that_mal_cannot_finish_ends_with_4(malsync: Malsync, box: Sandbox, fault: str) -> None:
    kind, _, own = fault.partition(":")
    box.add_faults(f"{kind}:on=token{',' if own else ''}{own}")

    done = log_in(malsync, "--json")

    assert done.returncode == 4
    assert f"POST {box.auth_url}/token" in json.loads(done.stdout)["error"]["message"]
    assert kept(malsync) == {}


@pytest.mark.promise("security-23")
def test_a_forged_visit_does_not_end_the_waiting_of_login(malsync: Malsync, tmp_path: Path) -> None:
    script = tmp_path / "browser.py"
    script.write_text(
        "import subprocess, sys, urllib.error, urllib.request\n"
        "try:\n"
        f"    urllib.request.urlopen({malsync.environment['MALSYNC_REDIRECT_URI']!r} + '?code=stolen&state=forged')\n"
        "except urllib.error.HTTPError as error:\n"
        "    assert error.code == 400\n"
        "    sys.exit(subprocess.call([sys.executable, '-m', 'malsync.sandbox.browser', sys.argv[1]]))\n"
    )

    done = log_in(malsync, browser=[sys.executable, str(script), "%s"])

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("browser", ["'", "/no/such/browser %s", "", "a:b:c"])
def test_a_browser_that_cannot_be_started_is_no_failure(malsync: Malsync, box: Sandbox, browser: str) -> None:
    """The address was shown: whoever sits there opens it."""
    process = malsync.process("login", env={"BROWSER": browser, "PATH": ""})
    answer_consent(asked_address(process))
    _, err = process.communicate(timeout=30)

    assert process.returncode == 0, err
    assert "Traceback" not in err


def test_a_port_that_is_taken_ends_with_2_and_names_the_other_way(malsync: Malsync) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"http://localhost:{other.getsockname()[1]}/callback"
        error = malsync.error("login", exit_code=2, env={"MALSYNC_REDIRECT_URI": address})

    assert "is taken" in error["message"]
    assert "--no-browser" in error["hint"]


@pytest.mark.parametrize("address", ["https://example.org/callback", "http://localhost:99999/", "http://[::1", "x"])
def test_a_redirect_address_that_is_none_ends_with_2(malsync: Malsync, address: str) -> None:
    error = malsync.error("login", exit_code=2, env={"MALSYNC_REDIRECT_URI": address})

    assert address in error["message"]


def test_without_a_client_id_login_says_where_to_get_one(malsync: Malsync) -> None:
    error = malsync.error("login", exit_code=2, env={"MALSYNC_CLIENT_ID": ""})

    assert "MALSYNC_CLIENT_ID" in error["hint"]


def test_ctrl_c_while_nobody_comes_back_ends_with_130(malsync: Malsync) -> None:
    bind(malsync, "my own")
    process = malsync.process("--account", "my own", "login", env={"BROWSER": "true"})
    asked_address(process)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)

    assert process.returncode == 130
    assert err.splitlines()[-1] == "To go on: malsync --account 'my own' login"
    assert out == ""
    assert kept(malsync) == {}


def test_hints_of_a_sign_in_name_the_account(malsync: Malsync) -> None:
    answer = "http://localhost:8765/callback?code=x&state=another"
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"http://localhost:{other.getsockname()[1]}/callback"
        port = malsync.error("--account", "second", "login", exit_code=2, env={"MALSYNC_REDIRECT_URI": taken})
    state = malsync.error("--account", "second", "login", "--no-browser", exit_code=3, stdin=answer)

    assert "malsync --account second login --no-browser" in port["hint"]
    assert state["hint"] == "Start again: malsync --account second login"


def test_a_terminal_shows_how_long_the_sign_in_may_take(malsync: Malsync) -> None:
    code, screen = on_terminal(
        malsync, "--account", "second", "login", typed="\x03", prompt="Waiting for the sign-in: 4:5"
    )

    assert code == 130, screen
    assert re.search(r"Waiting for the sign-in: 4:5\d left", screen)
    assert "malsync --account second login" in screen


@pytest.mark.parametrize(
    "name", ["a b/c", "a b", "a/b", "..", ".hidden", "-x", "a@b", "a\nb", "x" * 65, "\u202e", "a:b"]
)
@pytest.mark.parametrize("command", [("login",), ("login", "--no-browser"), ("backup",)])
def test_a_new_account_has_a_plain_name(malsync: Malsync, box: Sandbox, name: str, command: tuple[str, ...]) -> None:
    error = malsync.error(f"--account={name}", *command, exit_code=2, env={"MALSYNC_ACCESS_TOKEN": box.access_token})

    assert repr(name) in error["message"]
    assert "letters, digits" in error["hint"]
    assert not (malsync.home / "accounts.json").exists()
    assert malsync.json("snapshots") == []


@pytest.mark.parametrize("name", ["second", "Мика", "2", "a.b-c_d", "x" * 64, "_"])
def test_letters_of_any_script_make_a_name(malsync: Malsync, box: Sandbox, name: str) -> None:
    malsync.ok("--account", name, "backup", env={"MALSYNC_ACCESS_TOKEN": box.access_token})

    assert [row["account"] for row in malsync.json("accounts")] == [name]


def test_an_account_with_an_odd_name_that_exists_stays_usable(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box, account="a b/c")
    user = {"origin": box.api_url.removesuffix("/v2"), "id": box.world.first.id, "name": box.user}
    (malsync.home / "accounts.json").write_text(json.dumps({"a b/c": user}))

    malsync.ok("--account", "a b/c", "backup")
    malsync.ok("--account", "a b/c", "show", "latest")
    assert log_in(malsync, "--account", "a b/c").returncode == 0
    assert malsync.json("--account", "a b/c", "logout", schema="output-login")["logged_in"] is False
    hint = malsync.error("--account", "a b/c", "backup", exit_code=3)["hint"]
    assert hint == "Sign in: malsync --account 'a b/c' login"


@pytest.mark.parametrize("command", [("login",), ("logout",), ("backup",), ("show", "latest"), ("accounts",)])
def test_an_account_name_that_is_no_text_ends_with_2(malsync: Malsync, command: tuple[str, ...]) -> None:
    error = malsync.error("--account", "m\udcffy", *command, exit_code=2)

    assert "not valid text" in error["message"]


# -- without a browser


@pytest.mark.parametrize(("decision", "exit_code"), [("allow", 0), ("deny", 3)])
def test_the_whole_address_can_be_pasted(malsync: Malsync, box: Sandbox, decision: str, exit_code: int) -> None:
    process = malsync.process("login", "--no-browser", stdin=subprocess.PIPE)
    address = consent(asked_address(process), decision)
    out, err = process.communicate(f"  {address}\n", timeout=30)

    assert process.returncode == exit_code, err
    assert "code=" not in out + err
    assert list(kept(malsync)) == (["default"] if exit_code == 0 else [])


@pytest.mark.parametrize(
    "pasted",
    [
        "",
        "\n",
        "def50200-a-bare-code",
        "code=x",
        "http://localhost:8765/callback",
        "http://localhost:8765/callback?state=x",
        "http://[",
        "\x1b[31m",
        "🎻" * 500,
    ],
)
def test_anything_but_the_whole_address_ends_with_2(malsync: Malsync, box: Sandbox, pasted: str) -> None:
    error = malsync.error("login", "--no-browser", exit_code=2, stdin=pasted)

    assert "whole address" in error["message"]
    assert error["hint"].endswith("and holds a code and a state.")
    assert box.requests == []


@pytest.mark.promise("security-47")
@pytest.mark.parametrize("answer", [{"code": "x", "state": "another"}, {"code": "x"}, {"error": "no", "state": ""}])
def test_the_answer_to_another_sign_in_ends_with_3(malsync: Malsync, box: Sandbox, answer: dict[str, str]) -> None:
    pasted = f"http://localhost:8765/callback?{urlencode(answer)}"

    error = malsync.error("login", "--no-browser", exit_code=3, stdin=pasted)

    assert "state" in error["message"]
    assert box.requests == []


def test_what_is_pasted_on_a_terminal_is_not_shown(malsync: Malsync) -> None:
    pasted = "http://localhost:8765/callback?code=the-pasted-code&state=wrong"

    code, screen = on_terminal(malsync, "login", "--no-browser", typed=f"{pasted}\n", prompt="(it stays hidden)")

    assert code == 3, screen
    assert "Paste that whole address here" in screen
    assert "the-pasted-code" not in screen


def test_a_code_that_was_used_already_ends_with_4(malsync: Malsync, box: Sandbox) -> None:
    """What the token endpoint refuses is said in its own words, and holds no code."""

    def answer(heard: Heard) -> Reply:
        hint = "Authorization code has been revoked"
        return told({"error": "invalid_request", "message": "Malformed.", "hint": hint}, 400)

    with FarSide(answer) as far:
        process = malsync.process("login", "--no-browser", stdin=subprocess.PIPE, env=far.environment(""))
        state = parse_qs(urlsplit(asked_address(process)).query)["state"][0]
        out, err = process.communicate(f"http://localhost:1/?code=the-used-code&state={state}\n", timeout=30)

    assert process.returncode == 4
    assert "Authorization code has been revoked" in err
    assert "the-used-code" not in out + err
    form = parse_qs(far.heard[0].body)
    assert form["code"] == ["the-used-code"]
    assert form["grant_type"] == ["authorization_code"]
    assert form["redirect_uri"] == [malsync.environment["MALSYNC_REDIRECT_URI"]]
    assert len(form["code_verifier"][0]) >= 43


# -- logout, accounts


@pytest.mark.promise("security-15")
def test_logging_out_forgets_the_tokens_and_keeps_the_rest(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box)
    theirs = sign_in(malsync, box, "sandbox_theo", "second")
    malsync.ok("backup")

    document = malsync.json("logout", schema="output-login")

    assert document["logged_in"] is False
    assert document["user"]["name"] == box.user
    assert list(kept(malsync)) == ["second"]
    assert kept(malsync)["second"]["access_token"] == theirs.access_token
    malsync.error("backup", exit_code=3)
    assert len(malsync.json("snapshots")) == 1
    assert [(row["account"], row["logged_in"]) for row in malsync.json("accounts")] == [("default", False)]
    assert "no tokens" in malsync.ok("logout").stdout


def test_logging_out_of_nothing_is_no_failure(malsync: Malsync) -> None:
    assert malsync.json("logout", schema="output-login") == {"account": "default", "user": None, "logged_in": False}


def test_accounts_says_who_until_when_and_how_old_the_last_backup_is(malsync: Malsync, box: Sandbox) -> None:
    assert malsync.json("accounts") == []
    assert "malsync login" in malsync.ok("accounts").stdout
    tokens = sign_in(malsync, box)
    malsync.ok("backup")
    malsync.time.sleep(3 * 86400)

    (row,) = malsync.json("accounts")

    assert row["user"] == {"id": box.world.first.id, "name": box.user}
    assert row["origin"] == box.api_url.removesuffix("/v2")
    from malsync.model.timestamps import parse_timestamp

    until = parse_timestamp(row["refresh_token_expires_at"]).timestamp()
    assert until - tokens.issued_at == 30 * 86400
    assert row["last_backup"] == malsync.json("snapshots")[0]["taken_at"]
    assert "3 days ago" in malsync.ok("accounts").stdout


def test_an_import_is_no_backup_of_an_account(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    sign_in(malsync, box)
    malsync.ok("backup")
    malsync.ok("export", "1", "--output", tmp_path / "list.json")
    malsync.time.sleep(86400)
    malsync.ok("import", tmp_path / "list.json")

    (row,) = malsync.json("accounts")

    assert row["last_backup"] == malsync.json("snapshots")[0]["taken_at"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"default": {}}', '{"default": {"id": "x"}}', '{"default": 5}'])
def test_an_accounts_file_that_is_damaged_ends_with_2(malsync: Malsync, content: str) -> None:
    malsync.home.mkdir()
    (malsync.home / "accounts.json").write_text(content)

    for command in (("accounts",), ("logout",), ("show", "latest")):
        assert "accounts.json" in malsync.error(*command, exit_code=2)["message"]


# -- the keyring


def _keyring(malsync: Malsync, place: Path | None) -> dict[str, str | None]:
    malsync.home.mkdir(0o700, exist_ok=True)
    (malsync.home / "config.toml").write_text('token_store = "keyring"\n')
    return {
        "PYTHON_KEYRING_BACKEND": "tests.support.file_keyring.FileKeyring",
        "FILE_KEYRING": "" if place is None else str(place),
    }


def _process(malsync: Malsync, *arguments: str, env: dict[str, str | None]) -> tuple[int, Any]:
    process = malsync.process(*arguments, "--json", env=env)
    out, err = process.communicate(timeout=30)
    assert "Traceback" not in err, err
    return process.returncode, json.loads(out)


@pytest.mark.promise("security-3")
def test_tokens_can_be_in_the_keyring(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    place = tmp_path / "keyring.json"
    surroundings = _keyring(malsync, place)

    assert log_in(malsync, env=surroundings).returncode == 0

    (item,) = json.loads(place.read_text()).values()
    assert json.loads(item)["refresh_token"]
    assert not (malsync.home / "tokens.json").exists()
    box.expire_tokens()
    code, document = _process(malsync, "backup", env=surroundings)
    assert (code, document["user"]) == (0, box.user)
    assert grants(box) == ["authorization_code", "refresh_token"]
    (new,) = json.loads(place.read_text()).values()
    assert new != item
    assert _process(malsync, "accounts", env=surroundings)[1][0]["logged_in"] is True
    assert _process(malsync, "logout", env=surroundings)[0] == 0
    assert json.loads(place.read_text()) == {}
    assert _process(malsync, "backup", env=surroundings)[0] == 3


def test_a_keyring_that_is_locked_ends_with_2(malsync: Malsync) -> None:
    code, document = _process(malsync, "backup", env=_keyring(malsync, None))

    assert code == 2
    assert "keyring" in document["error"]["message"]
    assert "token_store" in document["error"]["hint"]


def test_a_keyring_that_holds_something_else_ends_with_2(malsync: Malsync, tmp_path: Path) -> None:
    place = tmp_path / "keyring.json"
    place.write_text(json.dumps({f"malsync: default in {malsync.home}": '{"access_token": "secret-text"}'}))

    code, document = _process(malsync, "backup", env=_keyring(malsync, place))

    assert code == 2
    assert "keyring" in document["error"]["message"]
    assert "secret-text" not in json.dumps(document)
