"""Requests that are held: what was carried out before, and all the ways in which holding them ends."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import requests

from malsync.sandbox import Sandbox
from tests.support.harness import until

LISTED, OTHER = 20, 30
"""Two anime on sandbox_mika's list."""


def write_to(box: Sandbox, method: str, id: int, form: dict[str, str] | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {box.access_token}"}
    return requests.request(method, f"{box.api_url}/anime/{id}/my_list_status", data=form, headers=headers)


@pytest.fixture
def behind(box: Sandbox) -> Iterator[Callable[..., "Future[requests.Response]"]]:
    """Writes without waiting for the answer. What is still held when the test ends is let go."""
    with ThreadPoolExecutor(4) as pool:
        yield lambda *arguments, **named: pool.submit(write_to, box, *arguments, **named)
        box.clear_faults()
        box.release()


def anime(box: Sandbox) -> dict[int, dict[str, object]]:
    return box.entries("sandbox_mika", "anime")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_stalled_write_is_carried_out_before_it_is_held(box, behind, method):
    before = anime(box)[LISTED]
    box.add_faults("stall:nth=1")

    answer = behind(method, LISTED, {"comments": "held"})
    until(lambda: box.stalled)

    assert anime(box).get(LISTED) != before
    assert (box.stalled, box.counts, box.requests[-1]["faults"]) == (1, {method: 1}, ["stall"])
    assert not answer.done()
    box.release()
    assert box.stalled == 0
    assert answer.result(30).status_code == 200


def test_a_stalled_write_may_never_be_carried_out(box, behind):
    before = anime(box)
    box.add_faults("stall:done=no")

    answer = behind("PATCH", LISTED, {"comments": "held"})
    until(lambda: box.stalled)
    box.release()

    assert (answer.result(30).status_code, anime(box)) == (504, before)


def test_only_what_is_held_is_let_go(box, behind):
    box.add_faults(f"stall:on=anime/{LISTED}/")

    first = [behind("PATCH", LISTED, {"score": "1"}) for _ in range(3)]
    until(lambda: box.stalled == 3)
    unharmed = write_to(box, "PATCH", OTHER, {"score": "1"})
    box.release()
    statuses = [answer.result(30).status_code for answer in first]
    later = behind("PATCH", LISTED, {"score": "2"})
    until(lambda: box.stalled == 1)

    assert (unharmed.status_code, statuses, later.done()) == (200, [200, 200, 200], False)


def test_answers_of_one_path_can_be_let_go(box, behind):
    box.add_faults("stall")

    first, second = (behind("PATCH", id, {"score": "1"}) for id in (LISTED, OTHER))
    until(lambda: box.stalled == 2)
    box.release(f"anime/{LISTED}/")

    assert first.result(30).status_code == 200
    assert (box.stalled, second.done()) == (1, False)


def test_a_stalled_answer_comes_when_its_seconds_are_over(box):
    box.add_faults("stall:seconds=0")

    assert write_to(box, "PATCH", LISTED, {"score": "1"}).json() == anime(box)[LISTED]
    assert box.stalled == 0


def test_a_stalled_request_can_be_one_of_another_fault(box, behind):
    box.add_faults("stall;cut:at=before")

    answer = behind("PATCH", LISTED, {"comments": "held"})
    until(lambda: box.stalled)
    box.release()

    assert isinstance(answer.exception(30), requests.ConnectionError)
    assert anime(box)[LISTED]["comments"] == "held"


def test_nobody_is_held_who_has_gone_away(box):
    box.add_faults("stall")
    head = f"DELETE /v2/anime/{LISTED}/my_list_status HTTP/1.1\r\nHost: 127.0.0.1:{box.port}\r\n"
    with socket.create_connection(("127.0.0.1", box.port)) as connection:
        connection.sendall(f"{head}Authorization: Bearer {box.access_token}\r\n\r\n".encode())
        until(lambda: box.stalled)

    until(lambda: not box.stalled)
    assert LISTED not in anime(box)


CLIENT = """
import sys, requests
url, token = sys.argv[1:]
for score in range(1, 11):
    url_, me = f"{url}/anime/20/my_list_status", {"Authorization": f"Bearer {token}"}
    requests.patch(url_, data={"comments": f"update {score}"}, headers=me)
"""


def test_a_client_is_killed_while_it_waits_for_the_answer_to_a_write_that_was_carried_out(box):
    box.add_faults("stall:method=PATCH,nth=7")
    with subprocess.Popen([sys.executable, "-c", CLIENT, box.api_url, box.access_token]) as client:
        until(lambda: box.stalled)
        client.kill()

    until(lambda: not box.stalled)
    assert client.returncode == -signal.SIGKILL
    assert box.counts == {"PATCH": 7}
    assert anime(box)[LISTED]["comments"] == "update 7"


def test_a_stopping_sandbox_waits_for_no_stalled_answer(world, monkeypatch):
    monkeypatch.setattr("malsync.sandbox.running.GRACE", 60.0)
    with ThreadPoolExecutor(2) as pool:
        with Sandbox(world, faults="stall:seconds=600") as box:
            answers = [pool.submit(write_to, box, "PATCH", id, {"score": "1"}) for id in (LISTED, OTHER)]
            until(lambda: box.stalled == 2)
            began = time.monotonic()
        took = time.monotonic() - began

    assert all(isinstance(answer.exception(), requests.ConnectionError) for answer in answers)
    assert (box.stalled, took < 30) == (0, True)
