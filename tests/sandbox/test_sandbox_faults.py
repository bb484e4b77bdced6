"""Each kind of fault over real HTTP, and whom it strikes."""

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import requests

from malsync.sandbox import Sandbox, SandboxError
from malsync.sandbox.faults import KINDS, parsed_faults

LIST = "/users/@me/animelist?limit=10&fields=list_status"

Send = Callable[..., requests.Response]


@pytest.fixture
def send(box: Sandbox) -> Send:
    def send(path: str = LIST, method: str = "GET", **form: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {box.access_token}"}
        return requests.request(method, box.api_url + path, data=form, headers=headers, allow_redirects=False)

    return send


def ids(response: requests.Response) -> list[int]:
    return [entry["node"]["id"] for entry in response.json()["data"]]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_error_is_a_page_of_html(box, send, status):
    box.add_faults(f"{status}:retry_after=7,times=1")

    response = send()

    assert (response.status_code, response.headers["Retry-After"]) == (status, "7")
    assert response.headers["content-type"].startswith("text/html")
    assert "nginx" in response.text
    assert send().status_code == 200


def test_retry_after_is_not_sent_unless_asked_for(box, send):
    box.add_faults("429")

    assert "Retry-After" not in send().headers


def test_a_block_is_a_403_that_is_not_json(box, send):
    box.add_faults("403")

    response = send()

    assert response.status_code == 403
    assert "Request blocked" in response.text


def test_a_redirect_points_elsewhere(box, send):
    box.add_faults("redirect:to=https://example.org/x")

    assert (send().status_code, send().headers["Location"]) == (302, "https://example.org/x")


@pytest.mark.parametrize("at", ["before", "middle"])
def test_a_cut_breaks_the_connection(box, send, at):
    box.add_faults(f"cut:at={at},times=1")

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        send()

    assert send().status_code == 200
    assert [row["status"] for row in box.requests] == [0, 200]


def test_truncated_json_has_the_length_that_it_says(box, send):
    whole = send().content
    box.add_faults("truncated")

    response = send()

    assert response.status_code == 200
    assert response.content == whole[: len(whole) // 2]
    assert int(response.headers["content-length"]) == response.raw.tell()


def test_an_empty_answer_is_a_200(box, send):
    box.add_faults("empty")

    assert (send().status_code, send().content) == (200, b"")


def test_html_is_a_200(box, send):
    box.add_faults("html")

    assert send().status_code == 200
    assert send().text.startswith("<!DOCTYPE html>")


def test_a_wrong_type_is_a_score_in_quotes(box, send):
    right = send().json()["data"]
    box.add_faults("wrong_type")

    wrong = send().json()["data"]

    assert wrong[0]["list_status"]["score"] == str(right[0]["list_status"]["score"])
    assert wrong[1:] == right[1:]


def test_an_overlap_repeats_an_entry_on_the_next_page(box, send):
    box.add_faults("overlap")

    first = send()
    second = send(first.json()["paging"]["next"].removeprefix(box.api_url))

    assert len(ids(first)) == 11
    assert ids(first)[-1] == ids(second)[0]


def test_endless_pages_point_at_themselves(box, send):
    box.add_faults("endless:nth=2-9")
    send()

    first = send().json()["paging"]["next"]
    second = send(first.removeprefix(box.api_url)).json()["paging"]["next"]

    assert first == second
    assert "offset" not in first


def test_a_foreign_next_is_on_another_host(box, send):
    box.add_faults("foreign_next:to=http://example.org:81")

    following = urlsplit(send().json()["paging"]["next"])

    assert (following.netloc, following.path) == ("example.org:81", "/v2/users/@me/animelist")


def test_an_edit_moves_an_entry_between_two_pages(box, send):
    before = send().json()["data"][0]
    box.add_faults("edit:nth=1")

    after = send().json()["data"][0]

    assert after["node"] == before["node"]
    assert after["list_status"]["score"] != before["list_status"]["score"]
    assert after["list_status"]["updated_at"] > before["list_status"]["updated_at"]


def test_an_added_title_shifts_the_pages_after_it(box, send):
    first, following = ids(send()), send().json()["paging"]["next"].removeprefix(box.api_url)
    box.remove("sandbox_mika", "anime", first[0])
    first = ids(send())
    box.add_faults("add:nth=1")

    second = ids(send(following))

    assert second[0] == first[-1]


def test_a_removed_entry_hides_one_from_the_next_page(box, send):
    everything = ids(send("/users/@me/animelist?limit=1000"))
    box.add_faults("remove:on=animelist,nth=2")

    pages = ids(send()), ids(send("/users/@me/animelist?limit=10&offset=10"))

    assert [*pages[0], *pages[1]] == [*everything[:10], *everything[11:21]]


def test_a_change_can_name_its_title(box, send):
    before = box.entries("sandbox_mika", "anime")

    box.add_faults("edit:id=20;add:id=25835;remove:id=30;add:id=1;remove:id=25837;edit:id=424242")
    send()

    after = box.entries("sandbox_mika", "anime")
    assert after.keys() == before.keys() - {30} | {25835}
    assert [id for id in before if id in after and after[id] != before[id]] == [20]


def test_faults_of_one_request_add_up(box, send):
    box.add_faults("html;endless;wrong_type;503:nth=2")

    assert [send().status_code, send().status_code] == [200, 503]


def test_changes_reach_the_list_that_is_read(box):
    url = f"{box.api_url}/users/sandbox_theo/mangalist"
    box.add_faults("remove:times=2")

    for _ in range(3):
        requests.get(url, headers={"X-MAL-CLIENT-ID": box.client_id})

    assert len(box.entries("sandbox_theo", "manga")) == 12
    assert len(box.entries("sandbox_mika", "manga")) == 90


def test_tokens_expire_just_before_the_answer(box, send):
    box.add_faults("expire:nth=2")

    assert [send().status_code for _ in range(3)] == [200, 401, 401]


@pytest.mark.parametrize(
    ("spec", "stored"),
    [
        ("503:method=PATCH", False),
        ("503:method=PATCH,done=yes", True),
        ("cut:at=before,method=PATCH", True),
        ("cut:at=before,method=PATCH,done=no", False),
        ("empty:method=PATCH", True),
        ("html:method=PATCH", True),
    ],
)
def test_a_write_that_fails_may_have_been_carried_out(box, send, spec, stored):
    box.add_faults(spec)
    with suppress(requests.ConnectionError):
        send("/anime/20/my_list_status", "PATCH", comments="new")

    assert (box.entries("sandbox_mika", "anime")[20]["comments"] == "new") is stored


def test_keys_say_which_requests_are_struck(box, send):
    box.add_faults("503:on=/manga,method=get,nth=2-3")
    paths = ["/manga/2", "/anime/1", "/manga/4", "/users/@me/mangalist", "/manga/2"]

    assert [send(path).status_code for path in paths] == [200, 200, 503, 503, 200]


def test_chance_comes_again_with_its_seed(box, send):
    def struck(spec: str) -> list[int]:
        box.clear_faults()
        box.add_faults(spec)
        return [send("/anime/1").status_code for _ in range(20)]

    first = struck("500:p=0.5,seed=3")

    assert set(first) == {200, 500}
    assert struck("500:p=0.5,seed=3") == first
    assert struck("500:p=0.5,seed=4") != first


def test_oauth_is_struck_only_where_its_path_is_named(box):
    form = {"grant_type": "refresh_token", "client_id": box.client_id, "refresh_token": box.refresh_token_for(box.user)}

    box.add_faults("500")
    unharmed = requests.post(f"{box.auth_url}/token", data=form).status_code
    box.add_faults("503:on=oauth2/token")
    struck = requests.post(f"{box.auth_url}/token", data=form).status_code

    assert (unharmed, struck) == (200, 503)


def test_faults_are_written_in_the_log(box, send):
    box.add_faults("html;truncated")

    send()

    assert box.requests[0]["faults"] == ["html", "truncated"]


def test_faults_come_and_go_by_the_control_address(box, send):
    control = box.api_url.replace("/v2", "/_sandbox/faults")

    requests.post(control, json={"spec": "503"})
    requests.post(control, data={"spec": "504:on=nothing"})
    struck = send().status_code
    requests.post(control, data={"spec": ""})

    assert (struck, send().status_code) == (503, 200)


@pytest.mark.parametrize(
    "sent", [{"data": {"spec": "600"}}, {"json": ["503"]}, {"json": {"spec": 503}}, {"data": b"{"}]
)
def test_a_spec_that_is_not_right_is_a_400_at_the_control_address(box, sent):
    response = requests.post(box.api_url.replace("/v2", "/_sandbox/faults"), **sent)

    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("teapot", "truncated"),
        ("503:when=now", "retry_after"),
        ("503:at=middle", "nth"),
        ("503:nth", "3"),
        ("503:nth=0", "n-th"),
        ("503:p=2", "probability"),
        ("503:times=often", "times"),
        ("cut:at=end", "middle"),
        ("edit:id=x", "title"),
        ("503:done=perhaps", "carried out"),
        ("unstored:field=updated_at", "form"),
        ("unstored:shows=nothing", "as it is"),
        ("meanwhile:what=add", "removed"),
        ("stall:seconds=ever", "answer comes"),
        ("gone:message=x", "has no key"),
    ],
)
def test_a_spec_that_is_not_right_says_what_would_be(spec, named):
    with pytest.raises(SandboxError, match=named):
        parsed_faults(spec)


def test_an_empty_spec_is_no_fault():
    assert parsed_faults("") == parsed_faults(" ; ") == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_leaves_the_sandbox_at_work(box, send, kind):
    """Whatever a fault does to one request, the server lives on and the log has the row."""
    box.add_faults(f"{kind}:nth=1" + (",seconds=0" if "seconds" in KINDS[kind].keys else ""))
    write = KINDS[kind].strikes == "writes"
    with suppress(requests.RequestException):
        send("/anime/20/my_list_status", "PATCH", comments="new") if write else send(LIST)
    box.clear_faults()

    token = box.token_for(box.user)
    response = requests.get(f"{box.api_url}/users/@me", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 200
    assert [row.get("faults") for row in box.requests] == [[kind], None]
