"""Writing over HTTP."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import requests

from malsync.sandbox import Sandbox, World

Send = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(World.demo(lambda: datetime(2026, 11, 1, 20, 0, 5, 999_999, UTC))) as running:
        yield running


@pytest.fixture
def send(box: Sandbox) -> Send:
    def send(method: str, path: str, form: dict[str, str] | None = None, **more: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {box.access_token}"}
        return requests.request(method, f"{box.api_url}{path}", data=form, headers=headers, **more)

    return send


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_patch_and_put_are_the_same_partial_update(send, method):
    send(method, "/anime/25835/my_list_status", {"status": "watching", "comments": "kept"})

    response = send(method, "/anime/25835/my_list_status", {"score": "8.0"})

    assert response.status_code == 200
    assert response.content == (
        b'{"status":"watching","score":8,"num_episodes_watched":0,"is_rewatching":false,'
        b'"updated_at":"2026-11-01T20:00:05+00:00","priority":0,"num_times_rewatched":0,"rewatch_value":0,'
        b'"tags":[],"comments":"kept"}'
    )


def test_text_comes_back_as_it_was_sent(send):
    text = 'a & b = 100 %; "c"\r\n🏴‍☠️ ‮ עברית + <i>'
    shown = "a &amp; b = 100 %; &quot;c&quot;<br />\r\n🏴‍☠️ ‮ עברית + &lt;i&gt;"

    assert send("PATCH", "/anime/25835/my_list_status", {"comments": text}).json()["comments"] == shown


def test_fields_beside_a_patch_are_tolerated(send):
    """erengy/taiga sends them."""
    assert send("PATCH", "/anime/25835/my_list_status?fields=tags", {"score": "1"}).status_code == 200


def test_an_extra_field_is_refused_in_the_recorded_words(send):
    response = send("PATCH", "/anime/25835/my_list_status", {"num_episodes_watched": "3"})

    assert response.status_code == 400
    assert response.text == '{"message":"This form should not contain extra fields.","error":"bad_request"}'


def test_a_title_that_waits_for_approval_is_refused_in_the_recorded_words(send):
    response = send("PATCH", "/anime/999001/my_list_status", {"status": "watching"})

    assert (response.status_code, response.text) == (400, '{"message":"Invalid content","error":"invalid_content"}')


def test_json_is_not_a_form(send):
    response = send("PATCH", "/anime/25835/my_list_status", json={"score": 3})

    assert (response.status_code, response.json()["message"]) == (400, "invalid content type")


def test_an_unknown_title_cannot_be_added(send):
    assert send("PATCH", "/manga/424242/my_list_status", {"status": "reading"}).status_code == 404


def test_delete_answers_an_empty_array_and_the_second_time_a_404(send):
    send("PATCH", "/manga/2/my_list_status", {"status": "reading"})

    first, second = send("DELETE", "/manga/2/my_list_status"), send("DELETE", "/manga/2/my_list_status")

    assert (first.status_code, first.text) == (200, "[]")
    assert (second.status_code, second.text) == (404, '{"message":"","error":"not_found"}')


def test_a_client_id_alone_cannot_write(box):
    url, headers = f"{box.api_url}/anime/25835/my_list_status", {"X-MAL-CLIENT-ID": box.client_id}

    responses = [requests.patch(url, data={"score": "1"}, headers=headers), requests.delete(url, headers=headers)]

    assert [response.status_code for response in responses] == [403, 403]


def test_a_withdrawn_title_leaves_every_list_and_cannot_come_back(box, send):
    box.withdraw("anime", 5114)

    assert 5114 not in box.entries("sandbox_mika", "anime")
    assert 5114 not in box.entries("sandbox_theo", "anime")
    assert send("PATCH", "/anime/5114/my_list_status", {"status": "watching"}).status_code == 404
    assert send("GET", "/anime/5114").status_code == 404


def test_what_is_done_behind_the_clients_back_is_not_a_request(box):
    before = len(box.requests)

    box.add("sandbox_theo", "anime", 223, status="completed", num_episodes_watched=153)
    box.edit("sandbox_theo", "anime", 223, score=9)
    seen = box.entries("sandbox_theo", "anime")[223]
    box.remove("sandbox_theo", "anime", 223)

    assert (seen["status"], seen["score"], seen["num_episodes_watched"]) == ("completed", 9, 153)
    assert 223 not in box.entries("sandbox_theo", "anime")
    assert len(box.requests) == before
