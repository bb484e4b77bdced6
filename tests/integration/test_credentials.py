"""Tokens: when they are refreshed, how often, what is on disk at each moment, and where they never go."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from malsync.errors import NotSignedIn, TokenOfAnotherOrigin
from malsync.mal.oauth import TokenEndpoint, Tokens
from malsync.mal.token_store import FileStore, StoredToken
from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync, TestTime
from tests.support.servers import FarSide, Heard, Reply, mal, told
from tests.support.signing import grants, kept, sign_in

# -- refreshing


def test_a_fresh_token_is_used_as_it_is(malsync: Malsync, box: Sandbox) -> None:
    tokens = sign_in(malsync, box)

    malsync.ok("backup")

    assert grants(box) == []
    assert kept(malsync)["default"]["access_token"] == tokens.access_token


@pytest.mark.parametrize(("lives", "refreshes"), [(-5, 1), (30, 1), (59, 1), (80, 0), (3600, 0)])
def test_a_token_is_refreshed_a_minute_before_it_dies(
    malsync: Malsync, box: Sandbox, lives: float, refreshes: int
) -> None:
    sign_in(malsync, box, lives=lives)

    malsync.ok("backup")

    assert grants(box) == ["refresh_token"] * refreshes
    assert box.counts == {"GET": 3}


def test_a_token_grows_old_by_the_clock(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box, lives=3600)
    malsync.ok("backup")
    malsync.time.sleep(3600)

    malsync.ok("backup")

    assert grants(box) == ["refresh_token"]


@pytest.mark.promise("secrets-4")
def test_a_refused_token_is_refreshed_once_and_the_request_repeated(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box)
    box.expire_tokens()

    document = malsync.json("backup")

    assert grants(box) == ["refresh_token"]
    assert document["requests"] == box.counts == {"GET": 4}
    assert [row["status"] for row in box.requests][:3] == [401, 200, 200]


def test_the_new_pair_is_kept_and_lives_as_long_as_mal_says(home: Path, world: World) -> None:
    with Sandbox(world, settings={"expires_in": "1000"}) as box:
        malsync = Malsync(home, box)
        old = sign_in(malsync, box, lives=0)
        malsync.ok("backup")

        new = kept(malsync)["default"]
        assert new["refresh_token"] != old.refresh_token
        assert new["access_token"] != old.access_token
        assert new["expires_at"] - new["issued_at"] == 1000
        assert new["client_id"] == old.client_id
        assert (malsync.home / "tokens.json").stat().st_mode & 0o777 == 0o600
        assert malsync.home.stat().st_mode & 0o777 == 0o700

        malsync.ok("backup")
        assert grants(box) == ["refresh_token"]


def test_refreshing_one_account_leaves_the_others_alone(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box, lives=0)
    other = sign_in(malsync, box, "sandbox_theo", "second")

    malsync.ok("backup")

    assert kept(malsync)["second"]["access_token"] == other.access_token
    assert malsync.json("backup", "--account", "second")["user"] == "sandbox_theo"
    assert grants(box) == ["refresh_token"]


@pytest.mark.promise("secrets-3")
def test_the_new_pair_is_on_disk_before_it_is_used(malsync: Malsync, box: Sandbox) -> None:
    """MAL rotates refresh tokens: a pair that is used and then lost is a sign-in lost."""
    on_disk: list[bool] = []

    def answer(heard: Heard) -> Reply:
        if heard.method == "POST":
            return told({"access_token": "new-access", "refresh_token": "new-refresh", "expires_in": 3600})
        text = (malsync.home / "tokens.json").read_text()
        on_disk.append("new-access" in text and "new-refresh" in text)
        return mal()(heard)

    with FarSide(answer) as far:
        _keep(malsync, far, lives=0)
        malsync.ok("backup", env=far.environment(""))

    assert on_disk == [True, True, True]
    assert {heard.headers["authorization"] for heard in far.heard if heard.method == "GET"} == {"Bearer new-access"}


@pytest.mark.promise("secrets-2")
def test_two_readers_that_are_refused_at_once_refresh_once(home: Path, world: World) -> None:
    with Sandbox(world, latency=0.05) as box:
        malsync = Malsync(home, box)
        sign_in(malsync, box)
        box.add_faults("expire:on=list,nth=1")
        malsync.ok("backup")

        assert grants(box) == ["refresh_token"]
        assert [row["status"] for row in box.requests if row["path"].endswith("list")].count(401) == 2


@pytest.mark.promise("secrets-2")
def test_two_processes_that_are_late_at_once_refresh_once(home: Path, world: World) -> None:
    with Sandbox(world, latency=0.1) as box:
        malsync = Malsync(home, box)
        malsync.time.moment = malsync.time.moment.fromtimestamp(time.time(), malsync.time.moment.tzinfo)
        sign_in(malsync, box, lives=0)
        processes = [malsync.process("show", "live", "--json") for _ in range(2)]
        for process in processes:
            out, err = process.communicate(timeout=30)
            assert process.returncode == 0, err
            assert len(json.loads(out)["entries"]) == 370

        assert grants(box) == ["refresh_token"]


@pytest.mark.promise("security-11")
def test_the_refresh_goes_under_the_client_id_that_the_token_was_issued_to(malsync: Malsync) -> None:
    def answer(heard: Heard) -> Reply:
        if heard.method == "POST":
            return told({"access_token": "a", "refresh_token": "b", "expires_in": 3600})
        return mal()(heard)

    with FarSide(answer) as far:
        _keep(malsync, far, lives=0, client_id="the-old-client")
        malsync.ok("backup", env=far.environment("") | {"MALSYNC_CLIENT_SECRET": "the-secret"})
        _keep(malsync, far, lives=0, client_id="far-side-client")
        malsync.ok("backup", env=far.environment("") | {"MALSYNC_CLIENT_SECRET": "the-secret"})

    forms = [parse_qs(heard.body) for heard in far.heard if heard.method == "POST"]
    expected = {"grant_type": ["refresh_token"], "refresh_token": ["old-refresh"]}
    assert forms == [
        expected | {"client_id": ["the-old-client"]},
        expected | {"client_id": ["far-side-client"], "client_secret": ["the-secret"]},
    ]


# -- when refreshing fails


@pytest.mark.promise("secrets-5")
@pytest.mark.parametrize("refused", ["expired", "revoked", "unknown"])
def test_a_refused_refresh_ends_with_3_and_keeps_what_is_stored(malsync: Malsync, box: Sandbox, refused: str) -> None:
    tokens = sign_in(malsync, box, lives=0)
    if refused == "expired":
        box.expire_tokens(refresh_too=True)
    elif refused == "revoked":
        malsync.ok("backup")
        box.expire_tokens()
        _overwrite(malsync, refresh_token=tokens.refresh_token, expires_at=0)
    else:
        _overwrite(malsync, refresh_token="never-issued")
    before = (malsync.home / "tokens.json").read_bytes()

    error = malsync.error("backup", exit_code=3)

    assert error["message"].startswith("MAL does not accept this sign-in. ")
    assert "The refresh token is invalid. " in error["message"]
    assert error["hint"].startswith("Log in again: malsync login.")
    assert (malsync.home / "tokens.json").read_bytes() == before
    assert grants(box)[-1] == "refresh_token"
    assert all(row["status"] == 401 for row in box.requests[-1:])


@pytest.mark.promise("secrets-5")
@pytest.mark.parametrize(
    "fault", ["500", "503", "403", "429", "cut:at=before", "cut:at=middle", "truncated", "empty", "html", "redirect"]
)
def test_any_other_failure_to_refresh_ends_with_4_and_keeps_the_tokens(
    malsync: Malsync, box: Sandbox, fault: str
) -> None:
    sign_in(malsync, box, lives=0)
    before = (malsync.home / "tokens.json").read_bytes()
    kind, _, own = fault.partition(":")
    with FarSide() as elsewhere:
        own = f"to={elsewhere.origin}" if kind == "redirect" else own
        # MAL may have died before it did anything; what it did and could not say is beyond us.
        box.add_faults(f"{kind}:on=token,times=1,done=no{',' if own else ''}{own}")
        error = malsync.error("backup", exit_code=4)

    assert elsewhere.heard == []
    assert f"POST {box.auth_url}/token" in error["message"]
    assert (malsync.home / "tokens.json").read_bytes() == before
    assert grants(box) == ["refresh_token"]
    assert box.counts == {}

    malsync.ok("backup")


@pytest.mark.parametrize(
    "document",
    [
        {"access_token": "a", "expires_in": 3600},
        {"access_token": "a", "refresh_token": "b", "expires_in": "3600"},
        {"access_token": "", "refresh_token": "b", "expires_in": 3600},
        {"access_token": None, "refresh_token": "b", "expires_in": 3600},
        [],
        "text",
        None,
    ],
)
def test_an_answer_that_holds_no_tokens_ends_with_4_and_keeps_the_old(malsync: Malsync, document: Any) -> None:
    with FarSide(lambda heard: told(document)) as far:
        _keep(malsync, far, lives=0)
        before = (malsync.home / "tokens.json").read_bytes()
        malsync.error("backup", exit_code=4, env=far.environment(""))

    assert (malsync.home / "tokens.json").read_bytes() == before
    assert len(far.heard) == 1


@pytest.mark.promise("secrets-4")
def test_a_token_that_is_refused_again_when_it_is_new_ends_with_3(malsync: Malsync) -> None:
    def answer(heard: Heard) -> Reply:
        if heard.method == "POST":
            return told({"access_token": "new", "refresh_token": "newer", "expires_in": 3600})
        return told({"error": "invalid_token"}, 401)

    with FarSide(answer) as far:
        _keep(malsync, far)
        error = malsync.error("backup", exit_code=3, env=far.environment(""))

    assert "GET /users/@me" in error["message"]
    assert [heard.method for heard in far.heard] == ["GET", "POST", "GET"]
    assert kept(malsync)["default"]["refresh_token"] == "newer"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"accounts": 5}', '{"accounts": {"default": 5}}'])
def test_a_token_file_that_is_damaged_ends_with_2_and_stays(malsync: Malsync, box: Sandbox, content: str) -> None:
    malsync.environment["MALSYNC_ACCESS_TOKEN"] = ""
    malsync.home.mkdir(0o700)
    path = malsync.home / "tokens.json"
    path.write_text(content)

    error = malsync.error("backup", exit_code=2)

    assert str(path) in error["message"]
    assert path.read_text() == content
    assert box.requests == []


@pytest.mark.parametrize(
    ("name", "item"),
    [("expires_at", "soon"), ("expires_at", None), ("access_token", 7), ("refresh_token", None), ("surplus", "x")],
)
def test_a_token_file_with_a_member_of_another_form_ends_with_2(
    malsync: Malsync, box: Sandbox, name: str, item: object
) -> None:
    sign_in(malsync, box)
    _overwrite(malsync, **{name: item})

    error = malsync.error("backup", exit_code=2)

    assert "tokens.json cannot be read" in error["message"]
    assert box.requests == []


def test_a_lock_that_cannot_be_taken_ends_with_2(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box, lives=0)
    (malsync.home / "tokens.lock").mkdir()

    assert "tokens.lock" in malsync.error("backup", exit_code=2)["message"]
    assert grants(box) == []


# -- where tokens never go


@pytest.mark.promise("secrets-6")
def test_a_token_never_goes_to_another_origin(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box)
    malsync.ok("backup")
    with FarSide(mal()) as elsewhere:
        for lives in (3600, 0):
            sign_in(malsync, box, lives=lives)
            error = malsync.error("backup", exit_code=3, env={"MALSYNC_API_URL": elsewhere.api_url})

    assert elsewhere.heard == []
    assert elsewhere.origin in error["message"]
    assert "MALSYNC_API_URL" in error["hint"]
    assert grants(box) == []


@pytest.mark.promise("secrets-7", "security-1", "security-14")
def test_no_token_is_in_any_file_but_the_one_for_tokens(malsync: Malsync, box: Sandbox) -> None:
    tokens = sign_in(malsync, box, lives=0)
    malsync.ok("backup", "--file", malsync.home / "{user}-{date}.json")
    malsync.ok("export", "latest", "--output", malsync.home / "out.json")
    malsync.ok("mirror", "copy", malsync.home / "copy.db")
    malsync("backup", "--user", "nobody_at_all")
    new = kept(malsync)["default"]
    secrets = [tokens.access_token, tokens.refresh_token, new["access_token"], new["refresh_token"]]

    files = [path for path in malsync.home.rglob("*") if path.is_file() and path.name != "tokens.json"]

    assert {"mirror.db", "out.json", "copy.db", "sandbox_mika.json.gz"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.promise("security-14")
def test_a_token_from_elsewhere_is_stored_nowhere(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    malsync.ok("accounts")

    assert not (malsync.home / "tokens.json").exists()
    for path in malsync.home.rglob("*"):
        assert not path.is_file() or box.access_token.encode() not in path.read_bytes(), path


# -- which account a token from elsewhere belongs to


def test_it_is_the_default_account_when_that_is_nobodys_yet(malsync: Malsync, box: Sandbox) -> None:
    assert malsync.json("backup")["account"] == "default"
    assert [(row["account"], row["user"]["name"]) for row in malsync.json("accounts")] == [("default", box.user)]


def test_it_is_the_account_that_its_user_has(malsync: Malsync) -> None:
    malsync.ok("backup", "--account", "mine")

    assert malsync.json("backup")["account"] == "mine"
    assert [row["account"] for row in malsync.json("accounts")] == ["mine"]


def test_it_is_the_default_account_when_its_user_has_several(malsync: Malsync) -> None:
    malsync.ok("backup", "--account", "again")
    malsync.ok("backup", "--account", "default")

    assert malsync.json("backup")["account"] == "default"


def test_it_is_the_account_that_is_named(malsync: Malsync) -> None:
    malsync.ok("backup")

    assert malsync.json("backup", "--account", "named")["account"] == "named"


@pytest.mark.parametrize("named", [(), ("--account", "default")])
def test_another_users_account_is_refused_with_3(malsync: Malsync, box: Sandbox, named: tuple[str, ...]) -> None:
    malsync.ok("backup")

    for command in (("backup",), ("diff", "latest", "live"), ("show", "live")):
        theirs = {"MALSYNC_ACCESS_TOKEN": box.token_for("sandbox_theo")}
        error = malsync.error(*command, *named, exit_code=3, env=theirs)
        assert "sandbox_mika" in error["message"]
        assert "sandbox_theo" in error["message"]
        assert "--account" in error["hint"]

    assert [row["snapshot"] for row in malsync.json("snapshots")] == [1]
    assert [row["user"]["name"] for row in malsync.json("accounts")] == ["sandbox_mika"]


def test_it_goes_before_the_tokens_of_its_account(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box, lives=0)

    malsync.ok("backup", env={"MALSYNC_ACCESS_TOKEN": box.access_token})

    assert grants(box) == []


@pytest.mark.parametrize("who", ["default", "sandbox_mika", "SANDBOX_MIKA"])
def test_it_reads_the_live_list_of_its_user_by_any_name(malsync: Malsync, who: str) -> None:
    malsync.ok("backup")

    assert malsync.json("diff", "latest", f"{who}@live")["changes"] == []


def test_it_does_not_read_the_live_list_of_another_account(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box, "sandbox_theo", "second")
    malsync.ok("backup", "--account", "second")
    malsync.environment["MALSYNC_ACCESS_TOKEN"] = box.access_token
    malsync.ok("backup")

    assert malsync.json("show", "second@live")["from"]["user"] == "sandbox_theo"

    malsync.ok("logout", "--account", "second")
    assert "second" in malsync.error("show", "second@live", exit_code=3)["message"]


def test_nobody_is_signed_in_at_first(malsync: Malsync, box: Sandbox) -> None:
    malsync.environment["MALSYNC_ACCESS_TOKEN"] = ""

    error = malsync.error("backup", exit_code=3)
    named = malsync.error("backup", "--account", "second", exit_code=3)

    assert error["hint"] == "Sign in: malsync login"
    assert named["hint"] == "Sign in: malsync --account second login"
    assert box.requests == []


def test_a_caller_from_python_can_tell_a_missing_token_from_a_foreign_one(tmp_path: Path) -> None:
    clock = TestTime().clock()
    store = FileStore(tmp_path)
    store.save("default", Tokens("access", "refresh", 0, 1, "client", "https://one.example"))
    endpoint = TokenEndpoint("https://one.example/oauth", "client", "", clock, "test")

    with pytest.raises(NotSignedIn) as missing:
        StoredToken(store, "second", "https://one.example", endpoint, clock)
    with pytest.raises(TokenOfAnotherOrigin) as foreign:
        StoredToken(store, "default", "https://two.example", endpoint, clock)

    assert missing.value.account == "second"
    assert (foreign.value.account, foreign.value.issued_for, foreign.value.api) == (
        "default",
        "https://one.example",
        "https://two.example",
    )
    for error in (missing.value, foreign.value):
        assert "malsync" not in f"{error.message}{error.hint}"
        assert "access" not in error.message


def _keep(malsync: Malsync, far: FarSide, lives: float = 3600, client_id: str = "far-side-client") -> None:
    now = malsync.time.moment.timestamp()
    FileStore(malsync.home).save(
        "default", Tokens("old-access", "old-refresh", now, now + lives, client_id, far.origin)
    )


def _overwrite(malsync: Malsync, **values: Any) -> None:
    path = malsync.home / "tokens.json"
    document = json.loads(path.read_text())
    document["accounts"]["default"] |= values
    path.write_text(json.dumps(document))
