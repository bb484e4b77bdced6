"""`malsync browse` from the command line: what it prints, how it ends, and that its key is told to nobody else."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from malsync.mirror import FILE_NAME, Mirror, VerifyReport
from malsync.sandbox import Sandbox
from malsync.schemas import find_problem
from tests.support.harness import ROOT, Malsync, until
from tests.support.lists import THEO, many, snapshot


@contextmanager
def browsing(malsync: Malsync, *arguments: str, **named: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`malsync browse` as a process, and the address that it printed; it is ended when the block is left."""
    process = malsync.process("browse", *arguments, **named)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate(timeout=5)
        while line.startswith("{") and not line.endswith("}\n"):
            line += process.stdout.readline()
        yield process, json.loads(line)["url"] if "--json" in arguments else line.strip()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def entered(url: str) -> requests.Session:
    """A browser that opened the address."""
    session = requests.Session()
    assert session.get(url, timeout=30).status_code == 200
    return session


@pytest.fixture
def mirror(offline: Malsync) -> Path:
    """A mirror of one small list in the home folder."""
    offline.home.mkdir(mode=0o700)
    with Mirror.open(offline.home / FILE_NAME, write=True) as opened:
        opened.add(snapshot(many(3), {2: {}}))
    return offline.home / FILE_NAME


def test_it_prints_the_address_serves_and_ends_with_ctrl_c(offline: Malsync, mirror: Path) -> None:
    """Whatever is asked of it, also what goes wrong, nothing of it is printed or written down, and the key is nowhere else."""
    with browsing(offline, "--json") as (process, url):
        assert find_problem("output-browse", {"url": url}) is None
        site, key = url.split("/?key=")
        browser = entered(url)
        assert "Verified" in browser.get(f"{site}/", timeout=30).text
        for address in (
            "/anime",
            "/nothing",
            "/mirror?sql=drop+table+x",
            "/mirror?sql=select+nothing",
            "/mirror/found_posts?words=%22",
        ):
            assert key not in browser.get(f"{site}{address}", timeout=30).text
        assert requests.get(f"{site}/?key=wrong", timeout=30).status_code == 403
        arguments = Path(f"/proc/{process.pid}/cmdline").read_text() + Path(f"/proc/{process.pid}/environ").read_text()
        written = b"".join(path.read_bytes() for path in offline.home.rglob("*") if path.is_file())
        held = browser.get(f"{site}/charts", stream=True, timeout=30)  # a browser keeps its connections open

        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        held.close()

    assert process.returncode == 0
    assert out == ""
    assert err.splitlines() == [
        "Ctrl-C ends it. The address holds a key: whoever has it can read your lists.",
        "Stopped.",
    ]
    assert key not in err + arguments
    assert key.encode() not in written
    assert sorted(path.name for path in offline.home.iterdir() if not path.name.startswith(FILE_NAME)) == []
    with Mirror.open(mirror) as opened:
        assert opened.verify() == VerifyReport({1: None}, "ok")


def test_sigterm_ends_it_as_well_also_amid_a_long_query(offline: Malsync, mirror: Path) -> None:
    endless = "with recursive x (n) as (select 1 union all select n + 1 from x) select count(*) from x"
    with browsing(offline, "-q") as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?key=[\w-]{43}", url)
        site, _, key = url.partition("/?key=")
        port = int(site.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as waiting:
            query = endless.replace(" ", "%20").replace("+", "%2B")
            cookie = f"malsync-browse-{port}={key}"
            waiting.sendall(
                f"GET /mirror?sql={query} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\n\r\n".encode()
            )
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (0, "", "")


def test_open_leads_the_browser_through_a_file_so_that_the_key_is_in_no_arguments(
    offline: Malsync, mirror: Path, tmp_path: Path
) -> None:
    browser, told = tmp_path / "browser", tmp_path / "told"
    browser.write_text(
        f'#!/bin/sh\nprintf "%s" "$1" >{told}.new\ncp "${{1#file://}}" {told}.page\n'
        f'stat -c %a "${{1#file://}}" "$(dirname "${{1#file://}}")" >{told}.mode\nmv {told}.new {told}\n'
    )
    browser.chmod(0o700)

    with browsing(offline, "--open", "--json", env={"BROWSER": f"{browser} %s"}) as (process, url):
        until(told.exists)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)

    page = offline.home / "open" / "browse.html"
    assert told.read_text() == page.absolute().as_uri()
    assert f'content="0;url={url}"' in Path(f"{told}.page").read_text()
    assert Path(f"{told}.mode").read_text().split() == ["600", "700"]
    assert not page.parent.exists()
    assert process.returncode == 0
    assert url.partition("key=")[2] not in err


def test_where_no_browser_opens_the_address_is_there_to_be_opened(offline: Malsync, mirror: Path) -> None:
    with browsing(offline, "--open", env={"BROWSER": "/bin/false %s", "PATH": "/nowhere", "DISPLAY": None}) as (
        process,
        url,
    ):
        assert "/?key=" in url
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        assert "No browser could be opened. Open the address above." in said
        assert requests.get(url, timeout=30).status_code == 200
    assert not (offline.home / "open").exists()


def test_backups_run_beside_it_and_are_seen_at_once(malsync: Malsync, box: Sandbox) -> None:
    counted = malsync.json("backup")["counts"]["anime"]
    with browsing(malsync, "--no-images", "--json") as (_, url):
        site, browser = url.partition("/?")[0], entered(url)
        assert f"{counted:,} entries" in browser.get(f"{site}/anime", timeout=30).text

        box.remove(box.user, "anime", min(box.entries(box.user, "anime")))
        assert malsync.json("backup")["changes"]["remove"] == 1

        home = browser.get(f"{site}/", timeout=30)
        assert f"{counted - 1:,} entries" in browser.get(f"{site}/anime", timeout=30).text
        assert "Verified" in home.text
        assert home.headers["content-security-policy"].endswith("img-src 'self'")
        assert malsync.json("verify")["ok"]


def test_an_older_mirror_is_brought_up_to_date_and_the_account_says_whose_lists_come_first(offline: Malsync) -> None:
    offline.home.mkdir()
    shutil.copy(ROOT / "fixtures" / "mirrors" / "version-1.db", offline.home / FILE_NAME)
    with Mirror.open(offline.home / FILE_NAME, write=True) as opened:
        opened.add(snapshot(many(4), {}, user=THEO, at="2027-01-01T12:00:00Z"))
        other = opened.info(1).user.name
    for name, count in (("theo", "4 entries"), (other, None)):
        with browsing(offline, "--account", name, "--json") as (_, url):
            anime = entered(url).get(f"{url.partition('/?')[0]}/anime", timeout=30).text
        assert ("4 entries" in anime) is (count is not None), name


def test_a_snapshot_that_does_not_rebuild_is_told_on_the_home_page(offline: Malsync, mirror: Path) -> None:
    with closing(sqlite3.connect(mirror)) as connection:
        connection.execute("UPDATE anime_version SET status = 'dropped' WHERE media_id = 2")
        connection.commit()
    with browsing(offline, "--json") as (_, url):
        home = entered(url).get(f"{url.partition('/?')[0]}/", timeout=30).text

    assert "does not rebuild to what was stored" in home
    assert "Verified" not in home


# -- what cannot be served


@pytest.mark.parametrize("empty", [False, True])
def test_without_a_mirror_it_says_how_to_make_one(offline: Malsync, empty: bool) -> None:
    if empty:
        offline.home.mkdir()
        (offline.home / FILE_NAME).touch()

    error = offline.error("browse", exit_code=2)

    assert str(offline.home / FILE_NAME) in error["message"]
    assert error["hint"] == "Make one: malsync backup"
    assert empty or not offline.home.exists()


def test_a_port_that_is_taken_is_named(offline: Malsync, mirror: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = offline.error("browse", "--port", str(port), exit_code=2)

    assert error["message"] == f"Port {port} is taken."
    assert "--port" in error["hint"]


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_that_is_none_is_refused(offline: Malsync, mirror: Path, port: str) -> None:
    offline.error("browse", "--port", port, exit_code=2)


def _damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100] + os.urandom(path.stat().st_size - 100))


def _no_database(path: Path) -> None:
    path.write_text("not a database, and long enough to be looked at " * 50)


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def _foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(_damaged, "is damaged"), (_no_database, "is damaged"), (_newer, "newer malsync"), (_foreign, "another program")],
)
def test_a_mirror_that_cannot_be_read_is_left_alone_and_named(
    offline: Malsync, mirror: Path, spoil: Any, says: str
) -> None:
    spoil(mirror)
    for beside in mirror.parent.glob(f"{FILE_NAME}-*"):
        beside.unlink()
    before = mirror.read_bytes()

    error = offline.error("browse", exit_code=6)

    assert says in error["message"]
    assert str(mirror) in error["message"]
    assert mirror.read_bytes() == before
    assert not (offline.home / "last-error.txt").exists()


def test_an_account_that_nobody_has_is_refused(offline: Malsync, mirror: Path) -> None:
    error = offline.error("browse", "--account", "nobody", exit_code=2)

    assert "nobody" in error["message"]
