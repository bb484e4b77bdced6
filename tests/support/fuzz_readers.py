"""Everything that reads bytes which others wrote, as a table: a name, what reads them, and what well-formed ones look like.

A reader is a function of bytes. It may raise MalsyncError, which is a sentence for the user; anything else is a defect. Those
that store must then have stored nothing.
"""

import functools
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import requests

from malsync.browse.filters import harmless
from malsync.errors import MalsyncError
from malsync.formats import list_file, plan_file, snapshot_file
from malsync.formats.latest_copy import LatestCopy
from malsync.formats.mal_xml import reader
from malsync.mal.client import Client
from malsync.mal.credentials import FixedToken
from malsync.mal.list_reader import read_list
from malsync.mal.oauth import AuthorizationRequest, TokenEndpoint, code_from
from malsync.mal.redirect_listener import _Handler, _SignIn
from malsync.mal.token_store import FileStore
from malsync.mirror import Mirror
from malsync.mirror.database import connect_in_memory
from malsync.mirror.mapping import strip_html
from malsync.model.medium import ANIME, MANGA
from malsync.model.snapshot import Snapshot, User, whole
from malsync.operations import config
from malsync.operations.accounts import Accounts
from malsync.operations.references import Sources, end_of, parse, resolve, start_of
from malsync.sandbox import Sandbox, World
from tests.support import fuzz_elsewhere
from tests.support.fuzz_ground import API, STATUSES, TIME, Canned, Read, Reader, file, folder, split
from tests.support.harness import ROOT
from tests.support.lists import MIKA, snapshot, watched

# -- what the API answers: the first byte is the status, then the body


def client_of(content: bytes) -> Client:
    """A client to whom the API answers `content`, whatever it asks."""
    status, body = split(content)
    client = Client(API, FixedToken("token"), clock=TIME.clock(), jitter=lambda: 0.0)
    session = Canned(status, {"Content-Type": "application/json"}, body)
    client.transport._local.session = session
    return client


def answered(ask: Callable[[Client], object]) -> Read:
    return lambda content: ask(client_of(content))


def headers(content: bytes) -> object:
    """An error whose headers are foreign: when to come again, where to, and what it is."""
    text = content[1:].decode("latin-1").replace("\r", " ").replace("\n", " ")
    status = STATUSES[content[0] % len(STATUSES)] if content else 503
    client = Client(API, FixedToken("token"), clock=TIME.clock(), jitter=lambda: 0.0)
    told = {"Retry-After": text, "Location": text, "Content-Type": text}
    client.transport._local.session = Canned(status, told, b'{"id": 1, "name": "mika"}' if status == 200 else b"<html>")
    return client.me()


@functools.cache
def _stored() -> Mirror:
    mirror = Mirror(folder(), connect_in_memory())
    mirror.add(snapshot({1: watched(1)}, {}, user=User(API[:-3], 1, "mika")))
    return mirror


def a_backup(content: bytes) -> object:
    """Both lists read and stored, or nothing stored."""
    mirror = _stored()
    before = mirror.numbers()
    try:
        # In this thread: coverage is followed in no other.
        client, lists = client_of(content), {}
        for medium in (ANIME, MANGA):
            lists[medium.name] = read_list(client, medium, "@me")
        found = Snapshot(User(API[:-3], 1, "mika"), TIME.now(), "backup", whole(lists), lists)
        try:
            digest = found.digest
        except ValueError:  # what read_snapshot says in words: data that has no digest
            return None
        info = mirror.add(found)
        assert mirror.load(info.number).digest == digest
    except MalsyncError:
        assert mirror.numbers() == before
        raise
    if len(mirror.numbers()) > 50:
        assert mirror.verify().problems == []
        _stored.cache_clear()
    return None


@functools.cache
def _answers() -> dict[str, list[bytes]]:
    """What a sandbox answers at each endpoint."""
    import urllib.request

    paths = {
        "me": ["/users/@me", "/users/@me?fields=anime_statistics,time_zone"],
        "list anime": [f"/users/@me/animelist?limit=3&nsfw=true&fields=list_status{{{','.join(ANIME.names)}}}"],
        "list manga": [f"/users/@me/mangalist?limit=3&nsfw=true&fields=list_status{{{','.join(MANGA.names)}}}"],
        "search": ["/anime?q=monster&limit=3", "/manga?q=monster&limit=3"],
        "details": [f"/anime/1?fields={','.join(ANIME.detailed)}", f"/manga/2?fields={','.join(MANGA.detailed)}"],
        "ranking": ["/anime/ranking?ranking_type=all&limit=3", "/manga/ranking?ranking_type=all&limit=2"],
        "season": ["/anime/season/2013/spring?limit=2"],
        "suggestions": ["/anime/suggestions?limit=3"],
        "boards": ["/forum/boards"],
        "topics": ["/forum/topics?limit=3"],
        "topic": ["/forum/topic/2000100?limit=2"],
    }
    found = {}
    with Sandbox(World.demo()) as box:
        for name, those in paths.items():
            found[name] = [b"\0" + b'{"message":"","error":"not_found"}', b"\x0a" + b"{}"]
            for path in those:
                request = urllib.request.Request(
                    box.api_url + path, headers={"Authorization": f"Bearer {box.access_token}"}
                )
                with urllib.request.urlopen(request, timeout=30) as answer:
                    body = answer.read().replace(box.api_url.replace("/", "\\/").encode(), API.encode())
                found[name].append(b"\0" + body)
                if "paging" in (document := json.loads(body)):
                    # As it stands it leads to a page that is the same again.
                    found[name].append(b"\0" + json.dumps({**document, "paging": {}}).encode())
    status = (
        b'{"status":"watching","score":8,"num_episodes_watched":3,"is_rewatching":false,"tags":["a"],"comments":"",'
    )
    status += b'"updated_at":"2026-11-01T00:00:00+00:00"}'
    return {**found, "update": [b"\0" + status], "remove": [b"\0[]", b"\x0cnull", b"\0"]}


def _seeded(name: str) -> Callable[[], list[bytes]]:
    return lambda: _answers()[name]


def _api(name: str, ask: Callable[[Client], object], seeds: str = "") -> Reader:
    return Reader(f"API: {name}", answered(ask), _seeded(seeds or name))


def _pages(ask: Callable[[Client], Any]) -> Callable[[Client], object]:
    return lambda client: list(ask(client))


API_READERS: tuple[Reader, ...] = (
    _api("me", lambda client: client.profile()),
    _api("list anime", _pages(lambda client: client.user_list(ANIME))),
    _api("list manga", _pages(lambda client: client.user_list(MANGA))),
    _api("update", lambda client: client.update(ANIME, 1, {"score": 8})),
    _api("remove", lambda client: client.remove(MANGA, 1)),
    _api("search", _pages(lambda client: client.search(ANIME, "monster"))),
    _api("details anime", lambda client: client.details(ANIME, 1), "details"),
    _api("details manga", lambda client: client.details(MANGA, 2), "details"),
    _api("ranking", _pages(lambda client: client.ranking(MANGA, "all"))),
    _api("season", _pages(lambda client: client.season(2013, "spring"))),
    _api("suggestions", _pages(lambda client: client.suggestions())),
    _api("boards", lambda client: client.boards()),
    _api("topics", _pages(lambda client: client.topics())),
    _api("topic", lambda client: list(client.topic(2000100))),
    Reader(
        "API: headers",
        headers,
        lambda: [b"\0application/json", b"\x0e20", b"\x0eWed, 21 Oct 2026 07:28:00 GMT", b"\x08//elsewhere/x"],
    ),
    Reader("API: a backup", a_backup, _seeded("list anime")),
)


# -- files


NAMES = ("list.json", "list.xml", "list.json.gz", "list", "animelist_1700000000_-_4711.xml.gz", "list.csv")


def any_list(content: bytes) -> object:
    """A list in a file of any name; the first byte chooses it."""
    path = file(NAMES[content[0] % len(NAMES)] if content else "list", content[1:])
    return list_file.read(path, origin="https://api.example.org")


def head(content: bytes) -> object:
    """What a file says of its owner, before anything is proven."""
    path = file("head.json", content)
    return snapshot_file.owner(path), LatestCopy(folder()).last(MIKA)


def xml(content: bytes, *, repair: bool = False) -> object:
    written = datetime(2026, 11, 1, tzinfo=UTC)
    return reader.decode(content, "list.xml", origin="https://api.example.org", written=written, repair=repair)


def _fixtures(*patterns: str, before: bytes = b"") -> Callable[[], list[bytes]]:
    def read() -> list[bytes]:
        paths = [path for pattern in patterns for path in sorted((ROOT / "fixtures").glob(pattern))]
        return [before + path.read_bytes() for path in paths if path.stat().st_size < 20_000]

    return read


def _xml_fixtures() -> list[bytes]:
    found = _fixtures("xml/valid/*.xml", "xml/invalid/*.xml")()
    return [content[:6000] for content in found]


def _plans() -> list[bytes]:
    blocks = (ROOT / "docs" / "snapshots.md").read_text(encoding="utf-8").split("```json")[1:]
    return [block.split("```")[0].encode() for block in blocks if '"malsync-plan"' in block]


def settings(content: bytes) -> object:
    home = folder() / "home"
    home.mkdir(exist_ok=True)
    (home / config.FILE_NAME).write_bytes(content)
    return config.load(home, {})


def tokens(content: bytes) -> object:
    file("tokens.json", content)
    return FileStore(folder()).load("default")


def accounts(content: bytes) -> object:
    file("accounts.json", content)
    return Accounts.of(folder()).all()


def _tokens() -> list[bytes]:
    pair = {"access_token": "a", "refresh_token": "r", "issued_at": 0, "expires_at": 1.5, "client_id": "c"}
    return [json.dumps({"version": 1, "accounts": {"default": {**pair, "origin": "o", "auth_url": ""}}}).encode()]


# -- sign-in

REQUEST = AuthorizationRequest("http://127.0.0.1/authorize", "the-state", "verifier", "http://localhost:8765/callback")
_REDIRECTS = [
    b"http://localhost:8765/callback?code=abc&state=the-state",
    b"/callback?error=access_denied&state=the-state",
    b"http://[::1",
    b"code",
]


def redirect(content: bytes) -> object:
    return code_from(content.decode("utf-8", "surrogateescape"), REQUEST)


def callback(content: bytes) -> object:
    """Whatever is sent to the listener of `login`."""
    awaited = _SignIn("/callback", {"localhost:8765"})
    _Handler(content, awaited, lambda path: code_from(path, REQUEST))
    assert awaited.code is None or b"the-state" in content
    return awaited


def token_answer(content: bytes) -> object:
    """What the token endpoint answers."""
    answer = requests.Response()
    answer.status_code = STATUSES[content[0] % len(STATUSES)] if content else 200
    answer._content = content[1:]
    endpoint = TokenEndpoint("http://127.0.0.1:9/v1/oauth2", "client", "", TIME.clock(), "malsync")
    return endpoint._tokens_of(answer, "client", "http://127.0.0.1:9")


# -- what a user types, and what strangers write


@functools.cache
def _sources() -> Sources:
    mirror = Mirror(folder(), connect_in_memory())
    mirror.add(snapshot({1: watched(1)}, {}))
    return Sources(
        mirror=mirror,
        whose=lambda _who: MIKA,
        live=lambda _who: snapshot({}, {}),
        file=lambda _text: snapshot({}, {}),
        now=TIME.now,
    )


def reference(content: bytes) -> object:
    """A list reference, and the two ends of a time."""
    text = content.decode("utf-8", "surrogateescape")
    for end in (start_of, end_of):
        with suppress(MalsyncError):
            end(text, TIME.now())
    parse(text)
    return resolve(text, _sources())


def forum(content: bytes) -> object:
    """A post of the forum: shown, and made searchable."""
    text = content.decode("utf-8", "replace")
    shown = str(harmless(text)).lower()
    assert "<script" not in shown
    assert "<iframe" not in shown
    assert "<style" not in shown
    return strip_html(text)


_REFERENCES = (
    b"live", b"latest", b"latest~2", b"good", b"12", b"2026-11", b"2026-11-01", b"2026-11-01T20:00Z", b"yesterday", b"bob@latest",
    b"./list.json", b"2026-11-01T20:00:59.123456+02:00",
)  # fmt: skip
_CALLBACKS = [
    b"GET /callback?code=a&state=the-state HTTP/1.1\r\nHost: localhost:8765\r\n\r\n",
    b"GET /callback?error=denied&state=the-state HTTP/1.0\r\nHost: localhost:8765\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: evil\r\nContent-Length: 9\r\n\r\n",
]
_TOKEN = b'{"token_type":"Bearer","expires_in":2678400,"access_token":"a","refresh_token":"r"}'
_POSTS = [
    b"<b>hello</b> &amp; <a href='javascript:alert(1)'>x</a><script>y</script>",
    b"<<p>&#x0;&#1114112;</p",
    b"plain",
]

READERS: tuple[Reader, ...] = (
    *API_READERS,
    Reader("snapshot", lambda content: snapshot_file.decode(content, "list.json"), _fixtures("snapshots/*/*.json")),
    Reader("list in a file", any_list, _fixtures("snapshots/valid/*.gz", "xml/valid/*", before=b"\3")),
    Reader("head of a file", head, _fixtures("snapshots/valid/*.json")),
    Reader("plan", lambda content: plan_file.decode(content, "plan.json"), _plans),
    Reader("MAL XML", xml, _xml_fixtures),
    Reader("MAL XML, repaired", lambda content: xml(content, repair=True), _xml_fixtures),
    Reader("list reference", reference, lambda: list(_REFERENCES)),
    Reader("OAuth redirect", redirect, lambda: list(_REDIRECTS)),
    Reader("OAuth callback", callback, lambda: list(_CALLBACKS)),
    Reader("OAuth tokens", token_answer, lambda: [b"\0" + _TOKEN, b'\x0a{"message":"m","hint":"h"}']),
    Reader(
        "config.toml", settings, lambda: [b'client_id = "a"\nrequests_per_second = 1\n', b'token_store = "keyring"']
    ),
    Reader("tokens.json", tokens, _tokens),
    Reader("accounts.json", accounts, lambda: [b'{"default": {"origin": "https://a", "id": 1, "name": "mika"}}']),
    Reader("forum HTML", forum, lambda: list(_POSTS)),
    *fuzz_elsewhere.READERS,
)
"""Every reader. What is added to malsync that reads what others wrote is a row here."""
