"""The door of the site: who is let in, by which name, to do what; what its pages may load; and that nothing can be written."""

import http.client
import json
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from malsync.browse.app import Browse
from malsync.browse.server import Site
from malsync.errors import UsageError
from tests.support.archive import Archive
from tests.support.browsing import Page, Visitor, page, visiting

pytestmark = pytest.mark.promise("secrets-9")

ALWAYS = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Caller:
    """Somebody who calls a site, with a cookie or without."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.key = site.url.partition("?key=")[2]
        self.cookie = f"malsync-browse-{site.port}={self.key}"

    def __call__(self, address: str, *, method: str = "GET", known: bool = True, **headers: str) -> Page:
        """One answer; `known` sends the cookie."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=30)
        try:
            connection.request(method, address, headers={**({"Cookie": self.cookie} if known else {}), **headers})
            answer = connection.getresponse()
            return page(address, answer.status, answer.getheaders(), answer.read().decode())
        finally:
            connection.close()

    def raw(self, text: str) -> tuple[int, str]:
        """Status and whole answer to these lines, `PORT` and `COOKIE` in them filled in."""
        lines = text.replace("PORT", str(self.site.port)).replace("COOKIE", self.cookie).replace("\n", "\r\n")
        with socket.create_connection(("127.0.0.1", self.site.port), timeout=30) as connection:
            connection.sendall(f"{lines}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return int(answer.split()[1]), answer.decode(errors="replace")


@pytest.fixture(scope="module")
def caller(archived: Archive) -> Iterator[Caller]:
    """Somebody who calls a site over the archive."""
    with Site(archived.path) as site:
        yield Caller(site)


@pytest.fixture
def visit(archived: Archive) -> Iterator[Visitor]:
    """A visitor who is in already."""
    with visiting(archived.path) as visitor:
        yield visitor


# -- the key


@pytest.mark.promise("security-19")
@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/anime",
        "/mirror",
        "/mirror/anime.json",
        "/-/static/app.css",
        "/-/malsync/malsync.css",
        "/nothing",
        "/?key=",
    ],
)
def test_without_the_key_nothing_is_told(caller: Caller, address: str) -> None:
    answer = caller(address, known=False)

    assert answer.status == 403
    answer.says("Open the full address that malsync browse printed")
    assert "sandbox_mika" not in answer.body
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.promise("security-19", "security-46")
def test_the_key_sets_a_cookie_that_no_script_reads_and_no_other_site_sends(caller: Caller) -> None:
    entered = caller(f"/?key={caller.key}", known=False)
    cookie, *attributes = [part.strip() for part in entered.headers["set-cookie"].split(";")]
    home = caller("/", known=False, Cookie=cookie)

    assert entered.status == 200
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    assert caller.key not in entered.body
    assert "/" in entered.links
    home.says("sandbox_mika")
    assert "set-cookie" not in home.headers
    assert caller.key not in home.body


def test_each_site_has_a_key_and_a_cookie_of_its_own(caller: Caller, archived: Archive) -> None:
    with Site(archived.path) as other:
        stranger = Caller(other)
        assert len(stranger.key) > 40
        assert stranger.key != caller.key
        assert stranger("/", known=False, Cookie=caller.cookie).status == 403
        assert stranger("/", known=False, Cookie=f"malsync-browse-{other.port}={caller.key}").status == 403
        assert stranger("/", known=False, Cookie=f"{caller.cookie}; {stranger.cookie}").status == 200


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/?key=WRONG", {}),
        ("/?key=KEYx", {}),
        ("/?key=key", {}),
        ("/?KEY=KEY", {}),
        ("/?other=KEY", {}),
        ("/KEY", {}),
        ("/#key=KEY", {}),
        ("/?x=1;key=KEY", {}),
        ("/", {"Authorization": "Bearer KEY"}),
        ("/", {"X-Key": "KEY"}),
        ("/", {"Referer": "http://127.0.0.1/?key=KEY"}),
        ("/", {"Cookie": "key=KEY"}),
        ("/", {"Cookie": "malsync-browse=KEY"}),
        ("/", {"Cookie": "NAME=WRONG"}),
        ("/", {"Cookie": "NAME="}),
        ("/", {"Cookie": "NAME"}),
        ("/", {"Cookie": "NAME=KEY; NAME=WRONG; bad name=x,;=;\x01"}),
    ],
)
def test_the_key_counts_whole_and_in_its_place_only(caller: Caller, address: str, headers: dict[str, str]) -> None:
    def filled(text: str) -> str:
        name = caller.cookie.partition("=")[0]
        return text.replace("NAME", name).replace("WRONG", "w" * len(caller.key)).replace("KEY", caller.key)

    sent = {name: filled(text) for name, text in headers.items()}
    wanted = address if address.startswith("/?KEY") else filled(address)

    assert caller(wanted.replace("#", "%23"), known=False, **sent).status == 403


def test_half_of_the_key_is_none(caller: Caller) -> None:
    assert caller(f"/?key={caller.key[:-1]}", known=False).status == 403


# -- the host


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT", "LocalHost:PORT"])
def test_the_site_answers_to_its_two_names(caller: Caller, host: str) -> None:
    status, answer = caller.raw(f"GET / HTTP/1.1\nHost: {host}\nCookie: COOKIE")

    assert status == 200
    assert "sandbox_mika" in answer


@pytest.mark.promise("security-45")
@pytest.mark.parametrize(
    "host",
    ["evil.example:PORT", "evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "localhost:80", "127.0.0.1:PORT.evil.example",
     "localhost.evil.example:PORT", "127.0.0.1.nip.io:PORT", "127.0.0.1:PORT@evil.example", "evil@127.0.0.1:PORT", "[::1]:PORT",
     "0.0.0.0:PORT", "127.1:PORT", "2130706433:PORT", "127.0.0.2:PORT", "localhost.:PORT", "127.0.0.1:0PORT", ""],
)  # fmt: skip
def test_no_other_name_is_answered_even_with_the_key(caller: Caller, host: str) -> None:
    """A page elsewhere can make its own name point at 127.0.0.1."""
    for rest in ("Cookie: COOKIE", "Origin: http://evil.example"):
        status, answer = caller.raw(f"GET /?key={caller.key} HTTP/1.1\nHost: {host}\n{rest}")

        assert status == 421, answer
        assert "set-cookie" not in answer.lower()
        assert "sandbox_mika" not in answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET / HTTP/1.0\nCookie: COOKIE", {421}),
        ("GET / HTTP/1.1\nCookie: COOKIE", {400, 421}),  # HTTP itself asks for a Host
        ("GET / HTTP/1.1\nHost: 127.0.0.1:PORT\nHost: evil.example\nCookie: COOKIE", {400, 421}),
        ("GET / HTTP/1.1\nHost: evil.example\nHost: 127.0.0.1:PORT\nCookie: COOKIE", {400, 421}),
        ("GET / HTTP/1.1\nHost: evil.example\nX-Forwarded-Host: 127.0.0.1:PORT\nCookie: COOKIE", {421}),
        ("GET http://127.0.0.1:PORT/ HTTP/1.1\nHost: evil.example\nCookie: COOKIE", {421}),
    ],
)
def test_a_request_without_one_host_of_ours_is_not_answered(caller: Caller, text: str, expected: set[int]) -> None:
    status, answer = caller.raw(text)

    assert status in expected
    assert "sandbox_mika" not in answer


@pytest.mark.promise("security-24")
def test_it_listens_on_127_0_0_1_alone(caller: Caller) -> None:
    """Every address that begins with 127 is this machine, so another one tells whether more than ours is listened to."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", caller.site.port), timeout=5)
    if socket.has_ipv6:
        with pytest.raises(OSError):  # noqa: PT011 - refused, or no IPv6 here
            socket.create_connection(("::1", caller.site.port), timeout=5)


def test_a_port_that_is_taken_is_said_so(caller: Caller, archived: Archive) -> None:
    with (
        pytest.raises(UsageError, match=f"Port {caller.site.port} is taken"),
        Site(archived.path, port=caller.site.port),
    ):
        pass
    assert caller("/").status == 200


# -- what may be asked


@pytest.mark.promise("security-46")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("address", ["/", "/mirror", "/mirror/anime/1", "/-/messages"])
def test_nothing_but_reading_is_answered(caller: Caller, method: str, address: str) -> None:
    assert caller(address, method=method).status == 405


@pytest.mark.parametrize("address", ["/", "/anime", "/mirror/anime.csv", "/-/malsync/malsync.css"])
def test_head_is_get_without_what_it_is_about(caller: Caller, address: str) -> None:
    head, get = caller(address, method="HEAD"), caller(address)

    assert (head.status, head.body) == (200, "")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert caller(address, method="HEAD", known=False).status == 403


def test_a_websocket_is_not_opened(caller: Caller) -> None:
    upgrade = "Upgrade: websocket\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\nSec-WebSocket-Version: 13"
    status, answer = caller.raw(f"GET / HTTP/1.1\nHost: 127.0.0.1:PORT\n{upgrade}")

    assert status == 403
    assert "101" not in answer.splitlines()[0]


@pytest.mark.parametrize(
    "address", ["//evil.example/", "//evil.example/..", "/%2F/evil.example/", "/%5Cevil.example/", "/\\evil.example/"]
)
def test_no_address_leads_to_another_host(caller: Caller, address: str) -> None:
    status, answer = caller.raw(f"GET {address} HTTP/1.1\nHost: 127.0.0.1:PORT\nCookie: COOKIE")

    assert status == 404
    assert "location:" not in answer.lower()


# -- what pages may load


@pytest.mark.promise("security-12", "security-27")
@pytest.mark.parametrize(
    ("address", "status", "known"),
    [
        ("/", 200, True), ("/charts", 200, True), ("/forum", 200, True), ("/mirror", 200, True), ("/mirror/anime", 200, True),
        ("/mirror/anime/1", 200, True), ("/mirror/anime_list_at", 200, True), ("/mirror/anime_list_at.json", 200, True),
        ("/mirror/anime.json", 200, True), ("/mirror/anime.csv", 200, True), ("/mirror?sql=select+1", 200, True),
        ("/-/versions", 200, True), ("/-/malsync/malsync.css", 200, True), ("/-/malsync/facets.js", 200, True),
        ("/-/static/app.css", 200, True), ("/nothing", 404, True), ("/anime/999999999", 404, True), ("/nothing.json", 404, True),
        ("/mirror?sql=drop+table+x", 400, True), ("/mirror/anime?_sort=x", 400, True), ("/-/static/nothing", 404, True),
        ("/mirror.db", 403, True), ("/anime/", 302, True), ("/", 403, False), ("/mirror", 403, False),
    ],
)  # fmt: skip
def test_every_answer_says_what_a_browser_may_do_with_it(
    caller: Caller, address: str, status: int, known: bool
) -> None:
    answer = caller(address, known=known)
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))

    assert answer.status == status
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert policy["default-src"] == "'none'"
    assert policy.get("script-src", "'self'") == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    ours = address in ("/", "/charts", "/forum")
    assert ("script-src" in policy, "unsafe-inline" in policy["style-src"]) == (
        (False, False) if ours or not known else (True, True)
    )
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_there_is_no_script_within_a_page_and_no_style_within_one_of_ours(caller: Caller) -> None:
    for address in (
        "/",
        "/anime",
        "/charts",
        "/mirror",
        "/mirror/anime",
        "/mirror/anime/1",
        "/mirror/anime_list_at",
        "/nothing",
    ):
        answer = caller(address)
        assert all(one.attributes.get("src") for one in answer.elements if one.tag == "script"), address
        if not address.startswith("/mirror"):
            assert not [
                one for one in answer.elements if one.tag in ("script", "style") or "style" in one.attributes
            ], address


# -- SQL

WRITING = [
    "INSERT INTO mal_user (id, origin, name) VALUES (99, 'x', 'y')",
    "UPDATE anime SET title = 'x'",
    "DELETE FROM snapshot",
    "DROP TABLE run",
    "CREATE TABLE x (y)",
    "ALTER TABLE run ADD COLUMN x",
    "REINDEX",
    "VACUUM",
    "VACUUM INTO 'COPY'",
    "ATTACH 'COPY' AS copy",
    "ATTACH ':memory:' AS copy",
    "DETACH main",
    "PRAGMA user_version = 99",
    "PRAGMA application_id = 1",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA query_only = OFF",
    "PRAGMA schema_version = 1",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA temp_store_directory = 'COPY'",
    "SELECT load_extension('COPY')",
    "INSERT INTO anime_fts (anime_fts) VALUES ('rebuild')",
    "WITH x AS (SELECT 1) DELETE FROM snapshot",
    "WITH x AS (SELECT 1) INSERT INTO run SELECT * FROM run",
    "EXPLAIN DELETE FROM snapshot",
    "SELECT 1; DELETE FROM snapshot",
    "/* SELECT */ DELETE FROM snapshot",
    "SELECT * FROM pragma_journal_mode('delete')",
    "REPLACE INTO mal_user (id, origin, name) VALUES (1, 'x', 'y')",
]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


@pytest.mark.promise("security-46")
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_no_statement_changes_the_mirror_or_makes_another_file(archived: Archive, tmp_path: Path, journal: str) -> None:
    path = tmp_path / "mirror.db"
    shutil.copy(archived.path, path)
    connection = sqlite3.connect(path)
    assert connection.execute(f"PRAGMA journal_mode = {journal}").fetchone() == (journal,)
    connection.close()
    before = _files(tmp_path)

    with visiting(path) as visit:
        for statement in WRITING:
            sql = statement.replace("COPY", str(tmp_path / "copy.db"))
            for address in ("/mirror", "/mirror.json", "/mirror.csv"):
                (answer,) = visit.pages([f"{address}?sql={sql.replace(';', '%3B').replace('+', '%2B')}"])
                # Datasette makes an empty table of a statement that fails.
                is_empty = address.endswith(".csv") and not answer.body.strip()
                assert answer.status == 400 or is_empty, (statement, answer.text, answer.body)
        visit("/")

    after = _files(tmp_path)
    assert after.pop("mirror.db-wal", b"") == b""
    assert after == before


# EXPLAIN tells and runs nothing, and two statements are one too many for Python already.
@pytest.mark.parametrize("statement", [one for one in WRITING if not one.startswith(("EXPLAIN", "SELECT 1;"))])
def test_sqlite_itself_refuses_what_would_write(archived: Archive, tmp_path: Path, statement: str) -> None:
    """Datasette looks at statements by their first words; what slips by that meets a connection that cannot."""
    import asyncio

    browse = Browse(archived.path)
    sql = statement.replace("COPY", str(tmp_path / "copy.db"))
    try:
        with pytest.raises(sqlite3.DatabaseError, match=r"readonly|authoriz|prohibited|unknown database"):
            asyncio.run(browse.mirror.execute_fn(lambda connection: connection.execute(sql).fetchall()))
    finally:
        browse.close()
    assert list(tmp_path.iterdir()) == []


def test_what_reads_is_answered(visit: Visitor) -> None:
    for sql in (
        "select count(*) from anime",
        "with x as (select 1) select * from x",
        "explain query plan select * from anime",
        "select * from pragma_table_info('anime')",
        "select * from anime_fts where anime_fts match 'the' limit 1",
    ):
        page = visit(f"/mirror?sql={sql.replace('%', '%25')}")
        assert "message-error" not in page.body, sql


def test_a_list_of_20_000_entries_comes_whole(visit: Visitor) -> None:
    """Also where each of them went and as many others came."""
    sql = "with recursive x (n) as (select 1 union all select n %2B 1 from x limit 40000) select n from x"

    assert json.loads(visit(f"/mirror.json?sql={sql}&_shape=arrays").body)["rows"][-1] == [40_000]
    assert visit(f"/mirror.csv?sql={sql}").body.split()[-1] == "40000"


FOR_EVER = "with recursive x (n) as (select 1 union all select n %2B 1 from x) select count(*) from x"


@pytest.mark.promise("security-46")
@pytest.mark.parametrize("form", ["", ".json"])
def test_a_query_that_takes_too_long_is_given_up(visit: Visitor, form: str) -> None:
    page = visit(f"/mirror{form}?sql={FOR_EVER}&_timelimit=20", 503)

    assert "This took too long and was stopped. Narrow it down and try again." in page.body
    assert "script" not in page.text
    assert visit.browse.sql_time_limit_ms == 2_000


def test_a_page_of_ours_that_takes_too_long_says_so_too(visit: Visitor) -> None:
    visit("/")
    visit.browse.sql_time_limit_ms = 0

    visit("/anime", 503).says("This took too long and was stopped")
