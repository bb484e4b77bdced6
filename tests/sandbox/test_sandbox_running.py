"""Starting and stopping: in a test, in the foreground, and with somebody at the browser."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from malsync.sandbox import Sandbox, SandboxError
from malsync.sandbox.browser import NotLoopback, answer_consent, main

ROOT = Path(__file__).parents[2]
VERIFIER = "v" * 64


def test_the_ready_line_tells_where_it_is_and_who_may_ask(box):
    line = box.ready_line()

    assert list(line) == ["api_url", "auth_url", "client_id", "access_token", "user", "users"]
    assert line["user"] == "sandbox_mika"
    assert len(line["client_id"]) == 32
    for user in line["users"]:
        me = requests.get(f"{line['api_url']}/users/@me", headers={"Authorization": f"Bearer {user['access_token']}"})
        assert me.json()["name"] == user["user"]


@pytest.mark.promise("secrets-9", "security-24")
def test_the_sandbox_listens_on_loopback_only(box):
    assert box._socket.getsockname()[0] == "127.0.0.1"


def test_a_stopped_sandbox_answers_no_more(world):
    with Sandbox(world) as box:
        pass

    with pytest.raises(requests.ConnectionError):
        requests.get(f"{box.api_url}/anime/1")


def test_a_port_that_is_taken_is_named(box, world):
    with pytest.raises(SandboxError, match=f"port {box.port} is taken"), Sandbox(world, port=box.port):
        pass


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_cannot_be_is_named(world, port):
    with pytest.raises(SandboxError, match="cannot be used"), Sandbox(world, port=port):
        pass


@pytest.mark.parametrize("wrong", [{"faults": "teapot"}, {"settings": {"x": "y"}}])
def test_what_is_not_right_is_told_before_anything_starts(world, wrong):
    with pytest.raises(SandboxError):
        Sandbox(world, **wrong)


def test_an_account_that_is_not_there_is_named(box):
    with pytest.raises(SandboxError, match="sandbox_mika, sandbox_theo"):
        box.token_for("nobody")


def test_every_answer_waits_for_the_latency(world, monkeypatch):
    waited, asleep = [], asyncio.sleep

    async def sleep(seconds):
        waited.append(seconds)
        await asleep(0)

    monkeypatch.setattr("malsync.sandbox.server.asyncio.sleep", sleep)
    with Sandbox(world, latency=0.2) as box:
        requests.get(f"{box.api_url}/anime/1")

        assert 0.2 in waited


def test_a_connection_is_kept_for_the_next_request(box):
    with requests.Session() as session:
        for _ in range(3):
            session.get(f"{box.api_url}/anime/1")
        (pool,) = session.get_adapter(box.api_url).poolmanager.pools._container.values()

        assert (pool.num_connections, pool.num_requests) == (1, 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_until_a_signal_and_ends_without_a_word(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "malsync", "-q", "sandbox", "--state", str(tmp_path / "state.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    line = json.loads(process.stdout.readline())
    form = {"comments": "from outside"}
    me = {"Authorization": f"Bearer {line['access_token']}"}
    answer = requests.patch(f"{line['api_url']}/anime/20/my_list_status", data=form, headers=me)

    process.send_signal(number)
    out, err = process.communicate(timeout=10)

    assert answer.status_code == 200
    assert (process.returncode, out, err) == (0, "", "")
    assert "from outside" in (tmp_path / "state.json").read_text("utf-8")


def test_it_works_without_the_rest_of_malsync_and_with_its_data_inside(tmp_path):
    """As in an installed wheel, where fixtures/ lies in the package; nothing else of malsync is there to import."""
    package = tmp_path / "malsync"
    shutil.copytree(ROOT / "malsync" / "sandbox", package / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "fixtures", package / "fixtures")
    (package / "__init__.py").touch()
    script = "import malsync.sandbox as s; print(s.__file__, len(s.World.demo().first.kept('anime')))"

    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == f"{package / 'sandbox' / '__init__.py'} 280\n"


def test_writes_at_the_same_time_are_all_stored(box):
    def score(id: int) -> int:
        me = {"Authorization": f"Bearer {box.access_token}"}
        return requests.patch(f"{box.api_url}/anime/{id}/my_list_status", data={"score": "3"}, headers=me).status_code

    ids = list(box.entries("sandbox_theo", "anime"))
    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(score, ids))

    entries = box.entries("sandbox_mika", "anime")
    assert statuses == {200}
    assert {entries[id]["score"] for id in ids} == {3}
    assert box.counts == {"PATCH": len(ids)}


def test_only_lists_that_there_are_can_be_private(box):
    with pytest.raises(SandboxError, match="anime, manga"):
        box.set_private("sandbox_theo", "films")


def test_a_client_that_goes_away_does_no_harm(box):
    with socket.create_connection(("127.0.0.1", box.port)) as connection:
        connection.sendall(b"GET /v2/anime/1 HTTP/1.1\r\nHost: 127")

    assert requests.get(f"{box.api_url}/anime/1").status_code == 403


# Somebody at the browser.


@pytest.fixture
def application():
    """What waits for the redirect: `seen` has the parameters of each, `url` is its address."""

    class Callback(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.seen.append(dict(parse_qsl(urlsplit(self.path).query)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"You may close this page.")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Callback) as server:
        server.seen = []
        server.url = f"http://127.0.0.1:{server.server_port}/callback"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def consent_url(box: Sandbox, redirect_uri: str) -> str:
    query = {
        "response_type": "code",
        "client_id": box.client_id,
        "code_challenge": VERIFIER,
        "state": "s & t",
        "redirect_uri": redirect_uri,
    }
    return f"{box.auth_url}/authorize?{urlencode(query)}"


@pytest.mark.parametrize(("user", "name"), [(None, "sandbox_mika"), ("sandbox_theo", "sandbox_theo")])
def test_the_person_at_the_browser_allows(box, application, user, name):
    page = answer_consent(consent_url(box, application.url), user=user)

    (seen,) = application.seen
    form = {
        "grant_type": "authorization_code",
        "client_id": box.client_id,
        "code": seen["code"],
        "code_verifier": VERIFIER,
        "redirect_uri": application.url,
    }
    token = requests.post(f"{box.auth_url}/token", data=form).json()["access_token"]
    me = requests.get(f"{box.api_url}/users/@me", headers={"Authorization": f"Bearer {token}"}).json()
    assert page == "You may close this page."
    assert seen["state"] == "s & t"
    assert me["name"] == name


def test_the_person_at_the_browser_denies(box, application):
    answer_consent(consent_url(box, application.url), deny=True)

    assert application.seen[0]["error"] == "access_denied"


def test_the_person_at_the_browser_is_a_command(box, application):
    command = [
        sys.executable,
        "-m",
        "malsync.sandbox.browser",
        consent_url(box, application.url),
        "--user",
        "sandbox_theo",
    ]
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9"}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "code" in application.seen[0]


def test_a_consent_that_is_refused_is_an_error(box):
    with pytest.raises(HTTPError) as refusal:
        answer_consent(consent_url(box, "https://example.org/"))

    with refusal.value as response:
        assert response.status == 401


def test_the_person_at_the_browser_stays_on_this_machine(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["browser", "https://example.org/authorize"])

    with pytest.raises(NotLoopback):
        answer_consent("http://example.org/authorize")
    assert main() == 1
    assert "is not on this machine" in capsys.readouterr().err
