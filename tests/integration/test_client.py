"""What the client asks, how often it tries, what it never sends, and what a person is told when MAL fails."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from malsync import __version__
from malsync.sandbox import Sandbox
from malsync.throttle import Throttle
from tests.support.harness import Malsync, TestTime
from tests.support.servers import FarSide, Heard, Reply, entry, mal, page, rest_of, told

PASSING = ["500", "502", "503", "504", "429", "403", "cut:at=before", "cut:at=middle", "truncated", "empty", "html"]
BACK_OFF = [1.0, 2.0, 4.0, 8.0]
ANIME = "GET /users/@me/animelist"


def strike(box: Sandbox, fault: str, **keys: object) -> None:
    """Add a fault of the anime list's requests."""
    kind, colon, own = fault.partition(":")
    pairs = [f"{name}={item}" for name, item in {"on": "animelist", **keys}.items()]
    box.add_faults(f"{kind}:{','.join([*pairs, *([own] if colon else [])])}")


def asked(box: Sandbox, part: str) -> int:
    return sum(part in row["path"] for row in box.requests)


def stored(malsync: Malsync) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = malsync.json("snapshots")
    return rows


# -- failures that pass


@pytest.mark.promise("pace-2")
@pytest.mark.parametrize("fault", PASSING)
def test_a_failure_that_passes_is_tried_five_times_with_growing_waits(
    malsync: Malsync, box: Sandbox, fault: str
) -> None:
    strike(box, fault, times=4)

    document = malsync.json("backup")

    assert malsync.time.slept == BACK_OFF
    assert document["requests"] == box.counts == {"GET": 7}
    assert document["counts"] == {"anime": 280, "manga": 90}


@pytest.mark.parametrize("fault", PASSING)
def test_a_failure_that_stays_ends_with_4_after_five_tries(malsync: Malsync, box: Sandbox, fault: str) -> None:
    strike(box, fault)

    error = malsync.error("backup", exit_code=4)

    assert error["message"].startswith(f"{ANIME}: ")
    assert error["message"].endswith("Tried 5 times.")
    assert malsync.time.slept == BACK_OFF
    assert asked(box, "animelist") == 5
    assert stored(malsync) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("503", "MAL answered 503"),
        ("403", "blocks this address or program"),
        ("cut:at=before", "no complete answer"),
        ("cut:at=middle", "cut off"),
        ("truncated", "is not JSON"),
        ("html", "is not JSON but text/html"),
        ("empty", "is empty"),
    ],
)
def test_a_failure_says_what_was_wrong(malsync: Malsync, box: Sandbox, fault: str, words: str) -> None:
    strike(box, fault)

    assert words in malsync.error("backup", exit_code=4)["message"]


@pytest.mark.promise("pace-2")
def test_the_waits_are_a_share_of_the_back_off_that_chance_picks(offline: Malsync) -> None:
    from malsync.errors import Transient
    from malsync.mal.client import Client
    from malsync.mal.credentials import FixedToken

    time = TestTime()
    with FarSide(lambda heard: Reply(status=503)) as far:
        client = Client(
            far.api_url,
            FixedToken("t"),
            user_agent="test",
            throttle=Throttle(0, time.clock()),
            clock=time.clock(),
            jitter=lambda: 0.25,
        )
        with pytest.raises(Transient):
            client.me()

    assert time.slept == [0.25, 0.5, 1.0, 2.0]
    assert client.requests == {"GET": 5}


def test_nobody_listening_is_tried_again_and_then_told(offline: Malsync, box: Sandbox) -> None:
    with FarSide() as far:
        nowhere = far.environment()

    error = offline.error("backup", exit_code=4, env=nowhere)

    assert "GET /users/@me: no complete answer (connection refused)" in error["message"]
    assert offline.time.slept == BACK_OFF


def test_each_wait_is_said_unless_quiet(malsync: Malsync, box: Sandbox) -> None:
    strike(box, "503", times=2)

    assert malsync.ok("backup").stderr.count("MAL answered 503. Trying again in") == 2

    strike(box, "503", times=1)
    assert malsync.ok("backup", "-q").stderr == ""


# -- Retry-After


@pytest.mark.parametrize("status", ["429", "503"])
def test_retry_after_is_kept(malsync: Malsync, box: Sandbox, status: str) -> None:
    strike(box, status, times=2, retry_after=37)

    malsync.ok("backup")

    assert malsync.time.slept == [37.0, 37.0]


@pytest.mark.promise("pace-3")
def test_retry_after_of_five_minutes_is_waited_for(malsync: Malsync, box: Sandbox) -> None:
    # One request and no more: while it waits, five minutes pass for every other request too.
    box.add_faults("429:on=boards,times=1,retry_after=300")

    malsync.ok("fetch", "forum", "boards")

    assert malsync.time.slept == [300.0]
    assert box.counts == {"GET": 2}


@pytest.mark.promise("pace-3")
def test_retry_after_beyond_five_minutes_ends_at_once_with_4(malsync: Malsync, box: Sandbox) -> None:
    strike(box, "429", retry_after=3600)

    error = malsync.error("backup", exit_code=4)

    assert ANIME in error["message"]
    assert "60 minutes" in error["message"]
    assert malsync.time.slept == []
    assert asked(box, "animelist") == 1
    assert stored(malsync) == []


@pytest.mark.promise("pace-2")
def test_one_call_never_takes_more_than_five_minutes(malsync: Malsync, box: Sandbox) -> None:
    strike(box, "429", retry_after=200)

    error = malsync.error("backup", exit_code=4)

    assert error["message"].endswith("Tried 2 times.")
    assert malsync.time.slept == [200.0]


@pytest.mark.promise("other-2")
@pytest.mark.parametrize(
    "text", ["Wed, 21 Oct 2026 07:28:00 +9999", f"Wed, 21 Oct 2026 07:{'9' * 90} GMT", "-1", "\xb2", "soon", ""]
)
def test_a_retry_after_that_no_calendar_has_is_none(offline: Malsync, text: str) -> None:
    with FarSide(lambda heard: Reply("", 503, {"Retry-After": text})) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert "503" in error["message"]
    assert len(far.heard) == 5


def test_retry_after_may_be_a_date(offline: Malsync) -> None:
    def refuse_once(heard: Heard) -> Reply:
        if sum("animelist" in one.target for one in far.heard) > 1:
            return page()
        then = datetime.now(UTC) + timedelta(seconds=90)
        return Reply("", 429, {"Retry-After": format_datetime(then, usegmt=True)})

    with FarSide(mal(anime=refuse_once)) as far:
        offline.ok("backup", env=far.environment())

    assert len(offline.time.slept) == 1
    assert 80 < offline.time.slept[0] <= 90


@pytest.mark.parametrize("text", ["soon", "-5", "1.5", "Wed, 99 Nov 2026 99:99:99 GMT", ""])
def test_a_retry_after_that_says_nothing_is_passed_over(offline: Malsync, text: str) -> None:
    def refuse_once(heard: Heard) -> Reply:
        first = sum("animelist" in one.target for one in far.heard) == 1
        return Reply("", 429, {"Retry-After": text}) if first else page()

    with FarSide(mal(anime=refuse_once)) as far:
        offline.ok("backup", env=far.environment())

    assert offline.time.slept == [1.0]


# -- refusals: once is enough


def test_an_expired_token_from_elsewhere_ends_with_3_at_once(malsync: Malsync, box: Sandbox) -> None:
    box.expire_tokens()

    error = malsync.error("backup", exit_code=3)

    # Logging in alone would not help: the variable goes before what is stored.
    assert "MALSYNC_ACCESS_TOKEN" in error["message"]
    assert "unset it" in error["hint"]
    assert "malsync login" in error["hint"]
    assert box.counts == {"GET": 1}
    assert malsync.time.slept == []


@pytest.mark.promise("pace-4")
@pytest.mark.parametrize(
    ("status", "body", "exit_code", "words"),
    [
        (403, {"message": "", "error": "forbidden"}, 3, "forbidden"),
        (403, {"message": "", "error": "not_permitted"}, 3, "does not show"),
        (400, {"message": "Invalid client id", "error": "bad_request"}, 3, "Invalid client id"),
        (400, {"message": "invalid limit", "error": "bad_request"}, 4, "invalid limit"),
        (404, {"message": "", "error": "not_found"}, 4, "404"),
        (418, {"message": "teapot"}, 4, "418: teapot"),
        (204, {}, 4, "204"),
    ],
)
def test_a_refusal_is_not_tried_again(
    offline: Malsync, status: int, body: dict[str, Any], exit_code: int, words: str
) -> None:
    with FarSide(mal(anime=lambda heard: told(body, status))) as far:
        error = offline.error("backup", exit_code=exit_code, env=far.environment())

    assert error["message"].startswith(f"{ANIME}: ")
    assert words in error["message"]
    assert sum("animelist" in heard.target for heard in far.heard) == 1
    assert offline.time.slept == []


# -- answers of another form


def test_a_member_of_another_type_ends_with_4_and_names_entry_and_member(malsync: Malsync, box: Sandbox) -> None:
    strike(box, "wrong_type")
    with box.world.lock:
        first = min(box.entries(box.user, "anime"), key=lambda id: box.world.catalogue.key("anime", id))
        title = box.world.catalogue.known("anime", first)["title"]

    error = malsync.error("backup", exit_code=4)

    assert error["message"].startswith(f"{ANIME}: entry {first} ({title}) list_status.score: ")
    assert asked(box, "animelist") == 1
    assert stored(malsync) == []


@pytest.mark.promise("reading-16", "security-32")
@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], "the answer"),
        ("text", "the answer"),
        (12, "the answer"),
        ({"data": []}, "the answer"),
        ({"data": {}, "paging": {}}, "data"),
        ({"data": [], "paging": []}, "paging"),
        ({"data": [], "paging": {"next": None}}, "paging.next"),
        ({"data": [], "paging": {"next": 7}}, "paging.next"),
        ({"data": [7], "paging": {}}, "entry number 0 of this page"),
        ({"data": [entry(1), {"node": None}], "paging": {}}, "entry number 1 of this page"),
        ({"data": [{"node": {"title": "x"}, "list_status": {}}], "paging": {}}, "entry number 0 of this page (x) node"),
        ({"data": [{"node": {"id": 1, "title": "x"}}], "paging": {}}, "entry 1 (x)"),
        ({"data": [{"node": {"id": 0}, "list_status": {}}], "paging": {}}, "entry 0 node.id"),
        ({"data": [{"node": {"id": "1"}, "list_status": {}}], "paging": {}}, "entry 1 node.id"),
        ({"data": [{"node": {"id": 1}, "list_status": []}], "paging": {}}, "entry 1 list_status"),
        ({"data": [entry(5, tags="a,b")], "paging": {}}, "entry 5 (Title 5) list_status.tags"),
        ({"data": [entry(5, tags=["a", 1])], "paging": {}}, "entry 5 (Title 5) list_status.tags.1"),
        ({"data": [entry(5, is_rewatching=1)], "paging": {}}, "entry 5 (Title 5) list_status.is_rewatching"),
        ({"data": [entry(5, comments={})], "paging": {}}, "entry 5 (Title 5) list_status.comments"),
        ({"data": [entry(5, score=7.5)], "paging": {}}, "entry 5 (Title 5) list_status.score"),
    ],
)
def test_an_answer_of_another_form_names_the_place(offline: Malsync, document: Any, place: str) -> None:
    with FarSide(mal(anime=lambda heard: told(document))) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())
        assert stored(offline) == []

    assert error["message"].startswith(f"{ANIME}: {place}: ")
    assert sum("animelist" in heard.target for heard in far.heard) == 1


@pytest.mark.parametrize(
    "document", [{}, [], {"id": 1}, {"name": "x"}, {"id": "1", "name": "x"}, {"id": 1, "name": ""}]
)
def test_a_user_of_another_form_ends_with_4(offline: Malsync, document: Any) -> None:
    with FarSide(lambda heard: told(document)) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert error["message"].startswith("GET /users/@me: ")
    assert len(far.heard) == 1


def test_numbers_that_are_none_are_no_json(offline: Malsync) -> None:
    text = '{"data":[{"node":{"id":1,"title":"x"},"list_status":{"score":NaN}}],"paging":{}}'
    with FarSide(mal(anime=lambda heard: Reply(text))) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert "is not JSON" in error["message"]


def _filler(size: int) -> Iterator[bytes]:
    yield b'{"data":[],"paging":{},"more":"'
    for _ in range(size):
        yield b" " * 2**20


@pytest.mark.promise("security-33")
@pytest.mark.parametrize(
    "reply",
    [
        lambda: Reply(_filler(66)),
        lambda: Reply(gzip.compress(b"".join(_filler(66)), 1), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["sent", "packed"],
)
def test_an_answer_without_end_is_refused(offline: Malsync, reply: Callable[[], Reply]) -> None:
    with FarSide(mal(anime=lambda heard: reply())) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert error["message"] == f"{ANIME}: the answer is larger than 64 MB."
    assert sum("animelist" in heard.target for heard in far.heard) == 1


@pytest.mark.parametrize(
    ("words", "hint"),
    [(("show", "live"), "MALSYNC_API_URL"), (("fetch", "forum", "topic", "5"), "Check the name or id")],
)
def test_what_is_not_there_is_to_be_looked_for_where_it_was_named(
    malsync: Malsync, box: Sandbox, words: tuple[str, ...], hint: str
) -> None:
    box.add_faults("gone:on=animelist")

    assert hint in malsync.error(*words, exit_code=4)["hint"]


@pytest.mark.promise("pace-2", "security-33")
def test_an_answer_that_comes_in_drips_is_given_up_after_five_minutes(offline: Malsync) -> None:
    def dripping() -> Iterator[bytes]:
        for piece in (b'{"data": [],', b' "paging"', b": {}}"):
            offline.time.sleep(160)
            yield piece

    # One request and no more: a list's reader waits beside the other list's, and all of them live in one time.
    with FarSide(lambda heard: Reply(dripping())) as far:
        error = offline.error("fetch", "forum", "boards", exit_code=4, env=far.environment())

    assert error["message"] == "GET /forum/boards: no complete answer within 300 s."
    assert [heard.target for heard in far.heard] == ["/v2/forum/boards"]


def test_packed_answers_are_unpacked(world: Any, home: Path) -> None:
    with Sandbox(world, settings={"gzip": "on"}) as box:
        assert Malsync(home, box).json("backup")["counts"] == {"anime": 280, "manga": 90}


def test_an_answer_that_cannot_be_unpacked_is_tried_again(offline: Malsync) -> None:
    def broken_once(heard: Heard) -> Reply:
        first = sum("animelist" in one.target for one in far.heard) == 1
        return Reply(b"no gzip at all", headers={"Content-Encoding": "gzip"}) if first else page()

    with FarSide(mal(anime=broken_once)) as far:
        offline.ok("backup", env=far.environment())

    assert offline.time.slept == [1.0]


# -- pages without end, and addresses elsewhere


@pytest.mark.promise("reading-9")
def test_a_page_that_names_itself_as_the_next_ends_with_4(malsync: Malsync, box: Sandbox) -> None:
    strike(box, "endless")

    error = malsync.error("backup", exit_code=4)

    assert error["message"].startswith(f"{ANIME}: the pages have no end")
    assert asked(box, "animelist") < 4
    assert stored(malsync) == []


@pytest.mark.promise("reading-9", "security-34")
def test_ever_new_next_pages_come_to_an_end(offline: Malsync) -> None:
    def one_more(heard: Heard) -> Reply:
        return page(entry(1), then=f"{far.api_url}/users/@me/animelist?{rest_of(heard)}&offset={len(far.heard)}")

    with FarSide(mal(anime=one_more)) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert error["message"].startswith(f"{ANIME}: the pages have no end")
    assert 900 < sum("animelist" in heard.target for heard in far.heard) <= 1000


@pytest.mark.promise("reading-8", "security-34")
def test_a_next_page_on_another_host_is_never_asked(malsync: Malsync, box: Sandbox) -> None:
    with FarSide() as elsewhere:
        strike(box, f"foreign_next:to={elsewhere.origin}")
        error = malsync.error("backup", exit_code=4)

    assert elsewhere.heard == []
    assert ANIME in error["message"]
    assert elsewhere.origin in error["message"]
    assert stored(malsync) == []


@pytest.mark.promise("reading-8")
@pytest.mark.parametrize(
    "then",
    [
        "{origin}/other/users/@me/animelist?offset=1",
        "{origin}/v2evil/users/@me/animelist?offset=1",
        "{origin}@{elsewhere}/v2/users/@me/animelist",
        "http://user:word@{elsewhere}/v2/users/@me/animelist",
        "https://{elsewhere}/v2/users/@me/animelist",
        "//{elsewhere}/v2/users/@me/animelist",
        "/v2/users/@me/animelist?offset=1",
        "file:///etc/passwd",
        "http://[half-an-address",
        "",
    ],
)
def test_a_next_page_outside_the_api_is_never_asked(offline: Malsync, then: str) -> None:
    with FarSide() as elsewhere:
        there = elsewhere.origin.removeprefix("http://")
        with FarSide(
            mal(anime=lambda heard: page(entry(1), then=then.format(origin=far.origin, elsewhere=there)))
        ) as far:
            error = offline.error("backup", exit_code=4, env=far.environment())

    assert elsewhere.heard == []
    assert sum("animelist" in heard.target for heard in far.heard) == 1
    assert "which is not the API's address" in error["message"]


@pytest.mark.promise("reading-10", "security-35")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(offline: Malsync, status: int) -> None:
    with FarSide() as elsewhere, FarSide() as far:
        target = f"{elsewhere.origin}/v2/users/@me?secret=1"
        far.answer = lambda heard: Reply("", status, {"Location": target})
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert elsewhere.heard == []
    assert len(far.heard) == 1
    assert f"redirects to {elsewhere.origin};" in error["message"]
    assert offline.time.slept == []


@pytest.mark.parametrize("location", ["/login", "login?next=x", ""])
def test_a_redirect_that_names_no_host_is_told_in_words(offline: Malsync, location: str) -> None:
    with FarSide(lambda heard: Reply("", 302, {"Location": location})) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert error["message"] == "GET /users/@me: the API redirects to another page; malsync does not follow."


@pytest.mark.promise("secrets-6", "security-13")
@pytest.mark.parametrize(
    "address",
    [
        "http://api.example.org/v2",
        "http://127.0.0.1@example.org/v2",
        "http://127.0.0.1.example.org/v2",
        "ftp://127.0.0.1/v2",
        "api.example.org/v2",
        "https://",
        "http://[::1",
        "http://127.0.0.1:99999/v2",
        "http://127.0.0.1:port/v2",
    ],
)
@pytest.mark.parametrize("name", ["MALSYNC_API_URL", "MALSYNC_AUTH_URL"])
def test_an_address_that_a_token_must_not_go_to_is_refused(malsync: Malsync, name: str, address: str) -> None:
    command = ("backup",) if name == "MALSYNC_API_URL" else ("login", "--no-browser")

    error = malsync.error(*command, exit_code=2, env={name: address})

    assert name in error["message"]
    assert malsync.box is not None
    assert malsync.box.requests == []


# -- what is sent


@pytest.mark.promise("pace-6")
def test_every_request_names_malsync(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    assert {row["user_agent"] for row in box.requests} == {f"malsync/{__version__}"}


@pytest.mark.promise("pace-6")
def test_the_user_agent_can_be_set(malsync: Malsync, box: Sandbox) -> None:
    malsync.home.mkdir()
    (malsync.home / "config.toml").write_text('user_agent = "somebody else/1.0"\n')

    malsync.ok("backup")

    assert {row["user_agent"] for row in box.requests} == {"somebody else/1.0"}


@pytest.mark.parametrize("broken", ["line\nend", "ünïcode ☃"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(malsync: Malsync, broken: str) -> None:
    result = malsync("backup", "-v", env={"MALSYNC_ACCESS_TOKEN": f"secret-begin{broken}secret-end"})

    assert result.exit_code == 2
    assert "secret-" not in result.stdout + result.stderr


@pytest.mark.promise("secrets-7")
def test_the_token_is_in_no_output_whatever_happens(malsync: Malsync, box: Sandbox) -> None:
    said = ""
    for fault in ["", *PASSING, "redirect", "endless", "foreign_next", "wrong_type", "expire"]:
        box.clear_faults()
        if fault:
            strike(box, fault)
        for arguments in (["backup", "-v"], ["-v", "diff", "latest", "live", "--json"]):
            result = malsync(*arguments)
            said += result.stdout + result.stderr

    assert "GET /users/@me/animelist?fields=" in said
    assert "-> 200" in said
    assert box.access_token not in said
    assert box.access_token[:40] not in said
    assert "Bearer" not in said


def test_verbose_says_each_request(malsync: Malsync, box: Sandbox) -> None:
    lines = malsync.ok("backup", "-v").stderr.splitlines()

    for path in ("/users/@me", "/users/@me/animelist", "/users/@me/mangalist"):
        assert sum(bool(re.match(rf"GET {path}(\?\S*)? -> 200, \d+ bytes, \d+\.\d\d s$", line)) for line in lines) == 1


def test_proxies_and_netrc_change_nothing_on_this_machine(malsync: Malsync, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login a password b\n")
    netrc.chmod(0o600)
    with FarSide(mal()) as far, FarSide() as proxy:
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        surroundings = dict.fromkeys(names, proxy.origin) | {"HOME": str(tmp_path), "NETRC": str(netrc), "NO_PROXY": ""}
        process = malsync.process("backup", env={**far.environment("the-token"), **surroundings})
        out, err = process.communicate(timeout=30)

    assert process.returncode == 0, out + err
    assert proxy.heard == []
    assert [heard.headers["authorization"] for heard in far.heard] == ["Bearer the-token"] * 3


@pytest.mark.promise("security-10")
def test_a_public_list_is_asked_for_without_any_token(malsync: Malsync) -> None:
    with FarSide(mal()) as far:
        malsync.ok("backup", "--user", "somebody", env=far.environment("the-token"))

    assert len(far.heard) == 2
    for heard in far.heard:
        assert heard.headers["x-mal-client-id"] == "far-side-client"
        assert "authorization" not in heard.headers
        assert "the-token" not in json.dumps(heard.headers)


# -- pace


def test_pace_lets_so_many_leave_in_a_second() -> None:
    time = TestTime()
    throttle = Throttle(4, time.clock())
    began = time.monotonic()

    for _ in range(9):
        throttle.wait()

    assert time.monotonic() - began == pytest.approx(2.0)
    assert all(0 < seconds <= 0.25 for seconds in time.slept)


def test_pace_does_not_add_to_what_was_slow_by_itself() -> None:
    time = TestTime()
    throttle = Throttle(1, time.clock())

    throttle.wait()
    time.sleep(5)
    throttle.wait()

    assert time.slept == [5]


def test_the_pace_of_the_settings_is_kept(malsync: Malsync, box: Sandbox) -> None:
    malsync.home.mkdir()
    (malsync.home / "config.toml").write_text("requests_per_second = 0.1\n")
    began = malsync.time.monotonic()

    malsync.ok("backup")

    assert box.counts == {"GET": 3}
    assert malsync.time.monotonic() - began >= 20


def test_there_is_no_limit_on_this_machine(malsync: Malsync) -> None:
    malsync.ok("backup")

    assert malsync.time.slept == []
