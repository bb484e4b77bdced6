"""Requests in the forms in which other people's clients send them: the same parameters, methods, headers and spellings.

The clients themselves are not needed: what each sends was read in its code, or in the log of a sandbox that it talked to.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from malsync.sandbox import Sandbox, World

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LONG = "v" * 128
SHORT = "a-Verifier.of~43_characters" + "0" * 16


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(World.demo()) as running:
        yield running


def ask(box: Sandbox, method: str, path: str, body: str = "", **headers: str) -> requests.Response:
    """Send exactly this, with a token of the first account."""
    known = {"Authorization": f"Bearer {box.access_token}", **headers}
    return requests.request(method, box.api_url + path, data=body, headers=known)


# Signing in: what the authorization page gets, what the token endpoint gets for a code and for a refresh token, and
# whether the client is named by HTTP Basic.

SIGN_INS: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str], bool]] = {
    "Trackma": (
        {"code_challenge": LONG},
        {"client_id": "ID", "code_verifier": LONG},
        {"client_id": "ID"},
        False,
    ),
    "malexport": (
        {"state": "s", "redirect_uri": "http://localhost", "code_challenge": SHORT, "code_challenge_method": "plain"},
        {"client_id": "ID", "redirect_uri": "http://localhost", "code_verifier": SHORT},
        {},
        True,
    ),
    "node-myanimelist": (
        {"code_challenge_method": "plain", "code_challenge": LONG},
        {"client_id": "ID", "code_verifier": LONG},
        {"client_id": "ID"},
        False,
    ),
    "jellyfin-ani-sync": (
        {"code_challenge": LONG, "redirect_uri": "http://localhost:8096/AniSync/authCallback"},
        {
            "client_id": "ID",
            "client_secret": "",
            "redirect_uri": "http://localhost:8096/AniSync/authCallback",
            "code_verifier": LONG,
        },
        {"client_id": "ID", "client_secret": ""},
        False,
    ),
    "mal-api-lite": (
        {"state": "s", "redirect_uri": "http://localhost:8765/callback", "code_challenge": LONG},
        {
            "client_id": "ID",
            "client_secret": "any",
            "redirect_uri": "http://localhost:8765/callback",
            "code_verifier": LONG,
        },
        {"client_id": "ID", "client_secret": "any"},
        False,
    ),
}


def token(box: Sandbox, grant: str, form: dict[str, str], *, basic: bool) -> requests.Response:
    named = {name: box.client_id if value == "ID" else value for name, value in form.items()}
    auth = (box.client_id, "") if basic else None
    return requests.post(f"{box.auth_url}/token", data={"grant_type": grant, **named}, auth=auth)


@pytest.mark.parametrize("client", SIGN_INS)
def test_a_client_signs_in_and_refreshes_in_its_own_way(box, client):
    asked, redeemed, refreshed, basic = SIGN_INS[client]
    query = {"response_type": "code", "client_id": box.client_id, **asked}

    page = requests.get(f"{box.auth_url}/authorize", params=query)
    sent = requests.post(f"{box.auth_url}/authorize", data={**query, "decision": "allow"}, allow_redirects=False)
    code = parse_qs(urlsplit(sent.headers["Location"]).query)["code"][0]
    first = token(box, "authorization_code", {**redeemed, "code": code}, basic=basic)
    second = token(box, "refresh_token", {**refreshed, "refresh_token": first.json()["refresh_token"]}, basic=basic)

    assert page.status_code == 200
    assert second.status_code == 200
    headers = {"Authorization": f"Bearer {second.json()['access_token']}"}
    assert requests.get(f"{box.api_url}/users/@me", headers=headers).json()["name"] == "sandbox_mika"


def test_a_refresh_that_names_no_client_is_refused(box):
    """pyMALv2 0.0.3 sends one."""
    answer = token(box, "refresh_token", {"refresh_token": box.refresh_token_for("sandbox_mika")}, basic=False)

    assert (answer.status_code, answer.json()["hint"]) == (400, "Check the `client_id` parameter")


# Writing.

# Method, path and body, and what the answer tells; None for what it does not.
WRITES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "mihon": (
        "PUT",
        "/manga/33327/my_list_status",
        "status=reading&is_rereading=false&score=8.0&num_chapters_read=5&start_date=2024-01-02&finish_date=",
        {
            "status": "reading", "is_rereading": False, "score": 8, "num_chapters_read": 5,
            "start_date": "2024-01-02", "finish_date": None,
        },
    ),
    "MALSync": (
        "PUT",
        "/anime/5114/my_list_status",
        "is_rewatching=false&num_watched_episodes=3&score=0&status=watching&tags=a%2C%20b&start_date=&finish_date=",
        {
            "status": "watching", "is_rewatching": False, "score": 0, "num_episodes_watched": 3,
            "tags": ["a", " b"], "start_date": None, "finish_date": None,
        },
    ),
    "Taiga": (
        "PATCH",
        "/anime/5114/my_list_status?fields=comments,finish_date,num_watched_episodes,status",
        "num_watched_episodes=4&status=on_hold&score=7&start_date=2020-01-02&comments=a%20%26%20b",
        {"num_episodes_watched": 4, "status": "on_hold", "score": 7, "start_date": "2020-01-02", "comments": "a &amp; b"},
    ),
    "Trackma": (
        "PATCH",
        "/anime/5114/my_list_status",
        "num_watched_episodes=64&status=completed&score=9&start_date=2020-01-02&finish_date=2020-03-04",
        {"num_episodes_watched": 64, "status": "completed", "score": 9, "finish_date": "2020-03-04"},
    ),
    "jellyfin-ani-sync": (
        "PUT",
        "/anime/5114/my_list_status",
        "num_watched_episodes=1&status=completed&is_rewatching=True&num_times_rewatched=2",
        {"num_episodes_watched": 1, "status": "completed", "is_rewatching": True, "num_times_rewatched": 2},
    ),
    "pyMALv2": (
        "PATCH",
        "/anime/5114/my_list_status",
        "status=watching&is_rewatching=False&score=8&num_watched_episodes=1&tags=a%2C+b",
        {"status": "watching", "is_rewatching": True, "score": 8},
    ),
}  # fmt: skip


@pytest.mark.parametrize("client", WRITES)
def test_a_client_writes_in_its_own_way(box, client):
    method, path, body, seen = WRITES[client]

    answer = ask(box, method, path, body, **FORM)

    assert answer.status_code == 200
    assert {name: answer.json().get(name) for name in seen} == seen


def test_a_deletion_may_say_that_it_is_a_form(box):
    """MALSync sends the header with every request."""
    ask(box, "PATCH", "/anime/25835/my_list_status", "status=watching", **FORM)

    assert ask(box, "DELETE", "/anime/25835/my_list_status", **FORM).json() == []


# Reading.


def test_fields_may_be_a_list_as_python_writes_it(box):
    """myanimelistpy 0.1.4 puts the text of a list into the address."""
    nodes = ask(box, "GET", "/anime?q=fullmetal&limit=4&offset=0&fields=['rank', 'status']").json()["data"]

    assert [list(one["node"]) for one in nodes] == [["id", "title", "main_picture", "rank", "status"]] * 2


def test_a_list_by_name_tells_the_readers_own_entries_in_the_node(box):
    """malexport asks for its own lists so, for manga with the members of anime."""
    path = "/users/sandbox_mika/mangalist?limit=100&offset=0&nsfw=true&fields=id,title,my_list_status,num_episodes"

    page = ask(box, "GET", path).json()

    assert len(page["data"]) == 90
    assert all(list(one) == ["node"] for one in page["data"])
    assert all({"status", "num_chapters_read"} <= one["node"]["my_list_status"].keys() for one in page["data"])
    assert "num_episodes" not in page["data"][0]["node"]


def test_braces_take_the_names_of_forms_and_of_the_other_medium_for_nothing(box):
    """Taiga asks for num_watched_episodes, MALSync for is_rereading of anime."""
    asked = "list_status{comments,finish_date,num_watched_episodes,is_rereading,num_times_reread,updated_at}"

    entry = ask(box, "GET", f"/users/sandbox_mika/animelist?limit=1&fields={asked}").json()["data"][0]

    assert set(entry["list_status"]) - {"start_date", "finish_date"} == {
        "status", "score", "num_episodes_watched", "is_rewatching", "updated_at", "comments",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/manga/2?limit=10&nsfw=true&fields=mean", "/forum/topics?q=episode&nsfw=true"])
def test_parameters_of_other_endpoints_are_passed_over(box, path):
    """mal-api.py 0.10.1 sends limit and nsfw everywhere."""
    assert ask(box, "GET", path).status_code == 200


@pytest.mark.parametrize("nsfw", ["true", "True", "1"])
def test_nsfw_may_be_spelt_as_languages_spell_it(box, nsfw):
    """malclient-upgraded sends Python's True."""
    shown = [
        len(ask(box, "GET", f"/users/@me/animelist?limit=1000&nsfw={flag}").json()["data"]) for flag in (nsfw, "False")
    ]

    assert shown == [280, 265]


def test_a_token_goes_before_the_client_id_that_stands_beside_it(box):
    """node-myanimelist sends both."""
    assert ask(box, "GET", "/users/@me", **{"X-MAL-CLIENT-ID": "not registered"}).status_code == 200
