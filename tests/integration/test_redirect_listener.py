"""The listener that a browser comes back to: what ends the waiting, and what must not."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlencode

import pytest

from malsync.cli.errors import hint_of
from malsync.errors import AuthError, MalsyncError, UsageError
from malsync.mal.oauth import AuthorizationRequest, authorization_request, code_from
from malsync.mal.redirect_listener import CONNECTION_SECONDS, MAX_CONNECTIONS, RedirectListener
from tests.support.harness import TestTime, until
from tests.support.servers import free_port


class Waiting:
    """A listener that waits in a thread, and what came of it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.request: AuthorizationRequest = authorization_request(
            "http://127.0.0.1/oauth", "client", f"http://localhost:{self.port}/callback"
        )
        self.code: str | None = None
        self.error: MalsyncError | None = None
        self.time = TestTime()
        self.left: list[float] = []
        self.listener = RedirectListener(self.request.redirect_uri, self.time.monotonic)
        self.thread = threading.Thread(target=self._wait)

    def _wait(self) -> None:
        with self.listener as listener:
            try:
                self.code = listener.wait(lambda path: code_from(path, self.request), countdown=self.left.append)
            except MalsyncError as error:
                self.error = error

    def answer(self, **query: str) -> str:
        """The path that the browser is sent to."""
        return f"/callback?{urlencode({'state': self.request.state, **query})}"

    def get(self, path: str, host: str | None = None, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", f"localhost:{self.port}" if host is None else host)
        connection.endheaders()
        response = connection.getresponse()
        page = response.read().decode()
        connection.close()
        return response.status, page


@contextmanager
def waiting() -> Iterator[Waiting]:
    one = Waiting()
    one.thread.start()
    try:
        yield one
    finally:
        one.thread.join(2)
        if one.thread.is_alive():
            one.get(one.answer(code="the end"))
            one.thread.join()


def test_the_code_ends_the_waiting() -> None:
    with waiting() as one:
        status, text = one.get(one.answer(code="the-code"))

    assert (status, one.code, one.error) == (200, "the-code", None)
    assert "Signed in" in text
    assert "the-code" not in text


def test_both_names_of_this_machine_are_answered() -> None:
    with waiting() as one:
        assert one.get("/elsewhere", f"127.0.0.1:{one.port}")[0] == 404
        one.get(one.answer(code="x"), f"127.0.0.1:{one.port}")

    assert one.code == "x"


@pytest.mark.promise("security-23")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/favicon.ico", 404),
        ("/callback/deeper?code=x&state={state}", 404),
        ("/callback", 400),
        ("/callback?", 400),
        ("/callback?state={state}", 400),
        ("/callback?code=x", 400),
        ("/callback?code=x&state=", 400),
        ("/callback?code=x&state=forged", 400),
        ("/callback?code=x&state={state}x", 400),
        ("/callback?code=x&state=%E2%98%83", 400),
        ("/callback?error=access_denied", 400),
        ("/callback?error=access_denied&state=forged", 400),
        ("/callback?code=%1b[31m&state=x", 400),
        ("http://[/callback?code=x", 404),
    ],
)
def test_a_stray_or_forged_answer_does_not_end_the_waiting(
    path: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with waiting() as one:
        assert one.get(path.replace("{state}", one.request.state))[0] == status
        assert one.thread.is_alive()
        one.get(one.answer(code="right"))

    assert (one.code, one.error) == ("right", None)
    assert capfd.readouterr() == ("", "")


@pytest.mark.promise("secrets-9", "security-45")
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "localhost", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_another_host_name_is_answered_with_421(host: str) -> None:
    with waiting() as one:
        assert one.get(one.answer(code="x"), host.format(port=one.port))[0] == 421
        assert one.thread.is_alive()
        one.get(one.answer(code="right"))

    assert one.code == "right"


@pytest.mark.parametrize(
    "sent", [b"", b"GET", b"GET /callback?code=1 HTTP/1.1\r\nHost: x", b"\x16\x03\x01\x02\x00", b"\r\n\r\n"]
)
def test_a_connection_that_breaks_does_not_end_the_waiting_and_says_nothing(
    sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with waiting() as one:
        with socket.create_connection(("127.0.0.1", one.port), timeout=5) as stray:
            stray.sendall(sent)
            # Gone at once, so that writing the answer fails too.
            stray.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.get(one.answer(code="right"))

    assert one.code == "right"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS"])
def test_other_methods_are_refused(method: str) -> None:
    with waiting() as one:
        assert one.get(one.answer(code="x"), method=method)[0] == 501
        one.get(one.answer(code="right"))

    assert one.code == "right"


def test_no_is_an_answer_too() -> None:
    with waiting() as one:
        status, text = one.get(one.answer(error="access_denied"))

    assert status == 400
    assert "Not signed in" in text
    assert isinstance(one.error, AuthError)
    assert "access_denied" in one.error.message


def test_what_an_answer_says_is_text_on_the_page() -> None:
    with waiting() as one:
        _, text = one.get(one.answer(error="<script>alert(1)</script>"))

    assert "<script" not in text
    assert one.error is not None


def test_the_page_keeps_the_address_to_itself() -> None:
    with waiting() as one:
        connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)
        connection.request("GET", one.answer(code="x"), headers={"Host": f"localhost:{one.port}"})
        headers = connection.getresponse().headers
        connection.close()

    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@contextmanager
def connected(one: Waiting, number: int) -> Iterator[list[socket.socket]]:
    """So many connections to the listener that have sent nothing yet."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", one.port), timeout=10)) for _ in range(number)
        ]


@pytest.mark.promise("security-21")
@pytest.mark.parametrize("number", [1, 5, MAX_CONNECTIONS, 5 * MAX_CONNECTIONS])
@pytest.mark.parametrize("sent", [b"", b"G", b"GET /callback?code=x HTTP/1.1\r\nX: "])
def test_connections_that_say_nothing_or_half_do_not_keep_the_browser_waiting(number: int, sent: bytes) -> None:
    with waiting() as one, connected(one, number) as others:
        for other in others[-5:]:
            other.sendall(sent)
        assert one.get(one.answer(code="right"))[0] == 200

    assert one.code == "right"


def test_only_so_many_connections_are_kept() -> None:
    with waiting() as one, connected(one, MAX_CONNECTIONS + 10) as others:
        assert [other.recv(1) for other in others[:10]] == [b""] * 10  # the oldest were closed
        others[-1].sendall(f"GET / HTTP/1.1\r\nHost: localhost:{one.port}\r\n\r\n".encode())
        assert others[-1].recv(100).startswith(b"HTTP/1.0 404")
        one.get(one.answer(code="right"))


@pytest.mark.promise("security-21")
def test_a_connection_that_drips_is_closed_in_time() -> None:
    """Whatever comes: its time is counted from when it was made."""
    with waiting() as one, connected(one, 1) as (slow,):
        slow.sendall(b"GET /callback?code=")
        one.get("/elsewhere")  # what came before this has been read
        one.time.sleep(CONNECTION_SECONDS - 0.5)
        slow.sendall(b"x")
        one.get("/elsewhere")
        one.time.sleep(0.5)
        with suppress(ConnectionResetError):  # which it is where its last byte was not read yet
            assert slow.recv(1) == b""
        one.get(one.answer(code="right"))


def test_a_request_without_an_end_is_closed() -> None:
    with waiting() as one, connected(one, 1) as (endless,):
        with suppress(ConnectionError):
            endless.sendall(b"GET /callback?code=" + b"x" * 2**20)
            assert endless.recv(1) == b""
        one.get(one.answer(code="right"))

    assert one.code == "right"


@pytest.mark.promise("security-21")
def test_five_minutes_are_five_whatever_else_connects() -> None:
    with waiting() as one, connected(one, 10):
        one.time.sleep(299)
        one.get("/elsewhere")
        assert one.thread.is_alive()
        one.time.sleep(1)
        one.thread.join(10)

    assert isinstance(one.error, AuthError)
    assert "5 minutes" in one.error.message


def test_the_time_that_is_left_is_told() -> None:
    with waiting() as one:
        one.get("/elsewhere")  # so it waits by now
        one.time.sleep(100)
        until(lambda: min(one.left) <= 200)  # an answer that comes at once may end the waiting before it is told again
        one.get(one.answer(code="right"))

    assert one.left[0] == 300
    assert 199 < min(one.left) <= 200


def test_waiting_ends_by_itself() -> None:
    with (
        RedirectListener(f"http://localhost:{free_port()}/callback") as listener,
        pytest.raises(AuthError, match="did not come back"),
    ):
        listener.wait(lambda path: path, seconds=0)


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError) as refused:
            RedirectListener(f"http://localhost:{port}/callback")

    assert f"Port {port}" in refused.value.message
    assert "--no-browser" in hint_of(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://localhost:8765/callback",
        "http://example.org:8765/callback",
        "http://localhost/callback",
        "http://localhost:0/callback",
        "http://localhost:99999/callback",
        "http://localhost:port/callback",
        "http://0.0.0.0:8765/callback",
        "http://[::1/callback",
        "callback",
        "",
    ],
)
def test_an_address_that_cannot_be_listened_at_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        RedirectListener(address)

    assert address in refused.value.message
    assert hint_of(refused.value)


@pytest.mark.promise("other-3", "security-47")
@pytest.mark.parametrize("state", ["\udcff", "the\x00state", "é"])
def test_a_pasted_state_that_is_no_text_is_not_ours(state: str) -> None:
    request = AuthorizationRequest(
        "http://127.0.0.1/authorize", "the-state", "verifier", "http://localhost:8765/callback"
    )

    with pytest.raises(MalsyncError, match="another sign-in"):
        code_from(f"{request.redirect_uri}?code=abc&state={state}", request)
