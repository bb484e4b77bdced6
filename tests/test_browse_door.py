"""The door of `browse`: who is let in, over real HTTP, and what a page may do."""

import socket
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from malsync.browse.server import Site
from malsync.mirror import FILE_NAME, Mirror
from tests.lists import snapshot, watched


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site over a mirror of one snapshot."""
    path = tmp_path_factory.mktemp("home") / FILE_NAME
    with Mirror.open(path, write=True) as mirror:
        mirror.add(snapshot({1: watched(1)}, {}))
    with Site(path, pictures=False) as running:
        yield running


def asked(
    site: Site, method: str = "GET", path: str = "/", *, entered: bool = True, **headers: str
) -> requests.Response:
    """The answer to a browser that was given the key, or was not."""
    with requests.Session() as session:
        session.trust_env = False
        if entered:
            session.get(site.url, timeout=10)
        return session.request(
            method, f"http://127.0.0.1:{site.port}{path}", headers=headers, timeout=10, allow_redirects=False
        )


def test_whoever_has_the_key_is_let_in_and_nobody_else(site: Site) -> None:
    (key,) = parse_qs(urlsplit(site.url).query)["key"]

    assert asked(site).status_code == 200
    assert asked(site, entered=False).status_code == 403
    assert asked(site, entered=False, path=f"/?key={key[:-1]}").status_code == 403
    assert asked(site, entered=False, path="/mirror.json").status_code == 403
    assert asked(site, entered=False, Cookie=f"malsync-browse-{site.port}={key[:-1]}").status_code == 403
    assert asked(site, entered=False, Cookie=f"malsync-browse-{site.port}={key}").status_code == 200
    assert len(key) >= 43


def test_the_key_is_a_cookie_that_no_script_and_no_other_site_gets(site: Site) -> None:
    answer = requests.get(site.url, timeout=10)

    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["attacker.example", "attacker.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}"]
)
def test_a_name_that_was_made_to_point_here_is_answered_421(site: Site, host: str) -> None:
    answer = asked(site, Host=host.format(port=site.port))

    assert answer.status_code == 421
    assert "Title 1" not in answer.text


def test_two_hosts_in_one_request_are_none(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as wire:
        wire.sendall(f"GET / HTTP/1.0\r\nHost: localhost:{site.port}\r\nHost: evil.example\r\n\r\n".encode())
        status = wire.makefile("rb").readline().split()[1]

    assert status in (b"400", b"421")


@pytest.mark.parametrize("path", ["/", "/mirror", "/mirror/anime", "/mirror.json?sql=select+1", "/-/nothing"])
def test_every_page_says_what_it_may_load_and_nobody_may_frame_it(site: Site, path: str) -> None:
    headers = asked(site, path=path).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_mirror_is_only_read(site: Site, method: str) -> None:
    assert asked(site, method).status_code == 405


def test_other_machines_do_not_reach_it(site: Site) -> None:
    assert site._socket.getsockname()[0] == "127.0.0.1"
