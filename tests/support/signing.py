"""Being signed in without having signed in: tokens of a sandbox's account, put where malsync keeps them."""

import shlex
import subprocess
import sys
from typing import Any

import orjson

from malsync.mal.oauth import Tokens
from malsync.mal.token_store import FileStore
from malsync.sandbox import Sandbox
from malsync.urls import origin_of
from tests.support.harness import Malsync

MONTH = 31 * 86400


def sign_in(
    malsync: Malsync, box: Sandbox, user: str | None = None, account: str = "default", lives: float = MONTH
) -> Tokens:
    """Keep a good pair of tokens that malsync believes to live for so many seconds, and take its other token away."""
    malsync.environment["MALSYNC_ACCESS_TOKEN"] = ""
    pair = box.token_pair(user or box.user)
    now = malsync.time.moment.timestamp()
    tokens = Tokens(
        access_token=pair["access_token"],
        refresh_token=pair["refresh_token"],
        issued_at=now,
        expires_at=now + lives,
        client_id=box.client_id,
        origin=origin_of(box.api_url),
    )
    FileStore(malsync.home).save(account, tokens)
    return tokens


def kept(malsync: Malsync) -> dict[str, Any]:
    """What `tokens.json` holds, by account; empty where there is none."""
    path = malsync.home / "tokens.json"
    found: dict[str, Any] = orjson.loads(path.read_bytes())["accounts"] if path.exists() else {}
    return found


def grants(box: Sandbox) -> list[str]:
    """What the token endpoint was asked for, in order."""
    return [str(row["grant_type"]) for row in box.requests if row["path"].endswith("/token")]


SIGNS_IN = [sys.executable, "-m", "malsync.sandbox.browser", "%s"]


def log_in(
    malsync: Malsync, *arguments: str, browser: list[str] | None = None, env: dict[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `login` with somebody who clicks Allow, unless `browser` does something else."""
    surroundings = {"BROWSER": shlex.join(SIGNS_IN if browser is None else browser), **(env or {})}
    process = malsync.process("login", *arguments, env=surroundings)
    out, err = process.communicate(timeout=30)
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
