"""Authorization: codes, tokens, and every refusal in league/oauth2-server's words."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests

from malsync.sandbox import Sandbox, World

VERIFIER = "a-verifier_of.43~characters-at-the-very-least"
CALLBACK = "http://127.0.0.1:5123/callback"
MALFORMED = (
    "The request is missing a required parameter, includes an invalid parameter value, "
    "includes a parameter more than once, or is otherwise malformed."
)


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Callable[..., Sandbox]]:
    """Start a sandbox with these settings; stopped in the end."""
    running: list[Sandbox] = []

    def start(**settings: str) -> Sandbox:
        running.append(Sandbox(World.demo(clock), settings=settings))
        return running[-1].__enter__()

    yield start
    for box in running:
        box.__exit__(None, None, None)


@pytest.fixture
def box(start: Callable[..., Sandbox]) -> Sandbox:
    return start()


def asked(box: Sandbox, **changes: str | None) -> dict[str, str]:
    """The parameters of a good authorization request, some changed; None takes one out."""
    good = {
        "response_type": "code",
        "client_id": box.client_id,
        "code_challenge": VERIFIER,
        "code_challenge_method": "plain",
        "state": "xyz&=",
        "redirect_uri": CALLBACK,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def decide(
    box: Sandbox, decision: str = "allow", user: str = "sandbox_mika", **changes: str | None
) -> requests.Response:
    form = {**asked(box, **changes), "user": user, "decision": decision}
    return requests.post(f"{box.auth_url}/authorize", data=form, allow_redirects=False)


def code(box: Sandbox, **changes: str | None) -> str:
    location = decide(box, **changes).headers["Location"]
    return parse_qs(urlsplit(location).query)["code"][0]


def redeem(box: Sandbox, auth: tuple[str, str] | None = None, **changes: str | None) -> requests.Response:
    good = {
        "grant_type": "authorization_code",
        "client_id": box.client_id,
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
    }
    form = {name: value for name, value in {**good, **changes}.items() if value is not None}
    return requests.post(f"{box.auth_url}/token", data=form, auth=auth)


def refresh(box: Sandbox, token: str, client_id: str | None = None) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id or box.client_id}
    return requests.post(f"{box.auth_url}/token", data=form)


def me(box: Sandbox, token: str) -> requests.Response:
    return requests.get(f"{box.api_url}/users/@me", headers={"Authorization": f"Bearer {token}"})


def test_a_person_allows_and_the_code_becomes_tokens(box):
    response = decide(box, user="sandbox_theo")
    location = response.headers["Location"]
    answer = redeem(box, code=parse_qs(urlsplit(location).query)["code"][0])
    tokens = answer.json()

    assert response.status_code == 302
    assert re.match(re.escape(CALLBACK) + r"\?code=def50200[0-9a-f]{900,1100}&state=", location)
    assert dict(parse_qsl(urlsplit(location).query))["state"] == "xyz&="
    assert list(tokens) == ["token_type", "expires_in", "access_token", "refresh_token"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 2_678_400)
    assert len(tokens["access_token"]) > 900
    assert len(tokens["access_token"].split(".")) == 3
    assert re.fullmatch("def50200[0-9a-f]{900,1100}", tokens["refresh_token"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert me(box, tokens["access_token"]).json()["name"] == "sandbox_theo"


def test_the_consent_page_shows_the_accounts_and_escapes_what_it_is_given(box):
    page = requests.get(f"{box.auth_url}/authorize", params=asked(box, state='"><script>'))

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert all(word in page.text for word in ("sandbox_mika", "sandbox_theo", "Allow", "Deny"))
    assert "<script>" not in page.text


def test_a_person_denies(box):
    query = dict(parse_qsl(urlsplit(decide(box, "deny").headers["Location"]).query))

    assert query == {
        "state": "xyz&=",
        "error": "access_denied",
        "message": "The resource owner or authorization server denied the request.",
        "hint": "The user denied the request",
    }


def test_method_redirect_and_state_need_not_be_sent(box):
    """mihon sends neither method nor redirect_uri, in both requests."""
    location = decide(box, code_challenge_method=None, redirect_uri=None, state=None).headers["Location"]
    query = parse_qs(urlsplit(location).query)

    assert location.startswith("http://localhost:8765/callback?code=")
    assert "state" not in query
    assert redeem(box, code=query["code"][0], redirect_uri=None).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error", "hint"),
    [
        ({"client_id": None}, 400, "invalid_request", "Check the `client_id` parameter"),
        ({"client_id": "somebody"}, 401, "invalid_client", None),
        (
            {"response_type": "token"},
            400,
            "unsupported_grant_type",
            "Check that all required parameters have been provided",
        ),
        ({"code_challenge": None}, 400, "invalid_request", "Check the `code_challenge` parameter"),
        (
            {"code_challenge": "x" * 42},
            400,
            "invalid_request",
            "Code challenge must follow the specifications of RFC-7636.",
        ),
        (
            {"code_challenge": "x" * 129},
            400,
            "invalid_request",
            "Code challenge must follow the specifications of RFC-7636.",
        ),
        ({"code_challenge_method": "S256"}, 400, "invalid_request", "Code challenge method must be `plain`"),
        ({"redirect_uri": "https://evil.example/"}, 401, "invalid_client", None),
        ({"redirect_uri": "http://localhost.evil.example/"}, 401, "invalid_client", None),
        ({"redirect_uri": "http://localhost:80@evil.example/"}, 401, "invalid_client", None),
        ({"redirect_uri": "https://localhost:8765/callback"}, 401, "invalid_client", None),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_authorization_request_that_is_not_right_is_refused(box, method, changes, status, error, hint):
    sent = asked(box, **changes)
    options = {"params": sent} if method == "GET" else {"data": {**sent, "decision": "allow"}}

    response = requests.request(method, f"{box.auth_url}/authorize", allow_redirects=False, **options)

    assert response.status_code == status
    assert (response.json()["error"], response.json().get("hint")) == (error, hint)


def test_a_registered_redirect_must_match_exactly(start):
    box = start(redirect_uri="http://localhost:8765/callback")

    assert decide(box, redirect_uri="http://localhost:8765/callback").status_code == 302
    assert decide(box, redirect_uri="http://localhost:8765/callback/").status_code == 401
    assert decide(box).status_code == 401


@pytest.mark.parametrize(
    ("changes", "status", "error", "hint"),
    [
        ({"grant_type": None}, 400, "unsupported_grant_type", "Check that all required parameters have been provided"),
        (
            {"grant_type": "password"},
            400,
            "unsupported_grant_type",
            "Check that all required parameters have been provided",
        ),
        ({"client_id": None}, 400, "invalid_request", "Check the `client_id` parameter"),
        ({"client_id": "somebody"}, 401, "invalid_client", None),
        ({"code": None}, 400, "invalid_request", "Check the `code` parameter"),
        ({"code": "nonsense"}, 400, "invalid_request", "Cannot decrypt the authorization code"),
        ({"redirect_uri": None}, 400, "invalid_request", "Check the `redirect_uri` parameter"),
        ({"redirect_uri": CALLBACK + "/"}, 400, "invalid_request", "Invalid redirect URI"),
        ({"code_verifier": None}, 400, "invalid_request", "Check the `code_verifier` parameter"),
        ({"code_verifier": "x"}, 400, "invalid_request", "Code Verifier must follow the specifications of RFC-7636."),
        ({"code_verifier": "x" * 43}, 400, "invalid_grant", "Failed to verify `code_verifier`."),
    ],
)
def test_a_token_request_that_is_not_right_is_refused(box, changes, status, error, hint):
    response = redeem(box, **{"code": code(box), **changes})

    assert response.status_code == status
    assert (response.json()["error"], response.json().get("hint")) == (error, hint)


def test_the_words_of_a_malformed_request_are_the_recorded_ones(box):
    assert redeem(box).text == (
        f'{{"error":"invalid_request","message":"{MALFORMED}","hint":"Check the `code` parameter"}}'
    )


def test_a_failed_verifier_does_not_use_the_code_up_but_success_does(box):
    one = code(box)
    redeem(box, code=one, code_verifier="x" * 43)

    assert redeem(box, code=one).status_code == 200
    assert redeem(box, code=one).json()["hint"] == "Authorization code has been revoked"


def test_a_code_expires_and_belongs_to_its_client(box, clock):
    one = code(box)

    assert redeem(box, code=one, client_id=box.other_client_id).json()["hint"] == (
        "Authorization code was not issued to this client"
    )
    clock.pass_by(600)
    assert redeem(box, code=one).json()["hint"] == "Authorization code has expired"


def test_http_basic_names_the_client_too(box):
    """purarue/malexport sends the client id so, with an empty secret."""
    tokens = redeem(box, auth=(box.client_id, ""), client_id=None, code=code(box)).json()

    again = requests.post(
        f"{box.auth_url}/token",
        data={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        auth=(box.client_id, ""),
    )

    assert again.status_code == 200


def test_a_client_that_is_not_authenticated_is_told_how(box):
    response = redeem(box, auth=("somebody", ""), client_id=None, code="x")

    assert response.text == '{"error":"invalid_client","message":"Client authentication failed"}'
    assert response.headers["WWW-Authenticate"] == 'Basic realm="OAuth"'


def test_one_more_client_may_be_registered(start):
    box = start(client_id="f" * 32)

    answer = redeem(box, code=code(box, client_id="f" * 32), client_id="f" * 32)
    stranger = redeem(box, code=code(box), client_id="e" * 32)

    assert me(box, answer.json()["access_token"]).status_code == 200
    assert refresh(box, answer.json()["refresh_token"]).json()["hint"] == "Token is not linked to client"
    assert refresh(box, answer.json()["refresh_token"], "f" * 32).status_code == 200
    assert (stranger.status_code, stranger.json()["error"]) == (401, "invalid_client")


def test_a_confidential_client_must_send_its_secret(start):
    box = start(client_secret="hush")
    one = code(box)

    assert redeem(box, code=one).status_code == 401
    assert redeem(box, code=one, client_secret="hushed").status_code == 401
    assert redeem(box, code=one, client_secret="hush").status_code == 200


@pytest.mark.parametrize("how", ["form", "basic"])
def test_a_confidential_client_may_send_its_secret_either_way_and_again_to_refresh(start, how):
    box = start(client_secret="hush & hush")

    def send(secret, **form):
        named = {} if how == "basic" else {"client_id": box.client_id, "client_secret": secret}
        auth = (box.client_id, secret) if how == "basic" else None
        return requests.post(f"{box.auth_url}/token", data={**form, **named}, auth=auth)

    redeeming = {
        "grant_type": "authorization_code", "code": code(box), "code_verifier": VERIFIER, "redirect_uri": CALLBACK,
    }  # fmt: skip
    assert [send(secret, **redeeming).status_code for secret in ("", "hush", "hush & hush")] == [401, 401, 200]
    refreshing = {"grant_type": "refresh_token", "refresh_token": box.refresh_token_for("sandbox_mika")}
    refused = [send(secret, **refreshing) for secret in ("", "hush")]
    tokens = send("hush & hush", **refreshing).json()

    assert [(one.status_code, one.json()["error"]) for one in refused] == [(401, "invalid_client")] * 2
    assert me(box, tokens["access_token"]).status_code == 200
    assert "hush" not in str(box.requests)


def test_a_refused_secret_uses_nothing_up_and_reading_needs_none(start):
    box = start(client_secret="hush")
    one = code(box)
    redeem(box, code=one, client_secret="no")

    assert redeem(box, code=one, client_secret="hush").status_code == 200
    assert requests.get(f"{box.api_url}/anime/1", headers={"X-MAL-CLIENT-ID": box.client_id}).status_code == 200


def test_a_public_client_has_no_secret_to_be_wrong(box):
    assert redeem(box, code=code(box), client_secret="whatever").status_code == 200


def test_refreshing_gives_a_new_pair_and_ends_the_old_one(box):
    old = box.token_pair("sandbox_mika")

    new = refresh(box, old["refresh_token"]).json()

    assert me(box, new["access_token"]).status_code == 200
    assert me(box, old["access_token"]).status_code == 401
    assert new["refresh_token"] != old["refresh_token"]


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (lambda box, token: "nonsense", "Cannot decrypt the refresh token"),
        (lambda box, token: refresh(box, token) and token, "Token has been revoked"),
        (lambda box, token: box.expire_tokens(refresh_too=True) or token, "Token has expired"),
    ],
)
def test_a_refresh_token_that_is_no_good_is_a_401_in_the_recorded_words(box, spoil, hint):
    token = spoil(box, box.refresh_token_for("sandbox_mika"))

    response = refresh(box, token)

    assert response.status_code == 401
    assert response.text == (f'{{"error":"invalid_request","message":"The refresh token is invalid.","hint":"{hint}"}}')


def test_a_refresh_token_is_bound_to_its_client(box):
    response = refresh(box, box.refresh_token_for("sandbox_mika"), box.other_client_id)

    assert (response.status_code, response.json()["hint"]) == (401, "Token is not linked to client")


def test_access_tokens_expire_with_time_and_refresh_tokens_later(start, clock):
    box = start(expires_in="3600", refresh_expires_in="7200")
    pair = box.token_pair("sandbox_mika")

    clock.pass_by(3599)
    assert (pair["expires_in"], me(box, pair["access_token"]).status_code) == (3600, 200)
    clock.pass_by(1)
    assert me(box, pair["access_token"]).json() == {"error": "invalid_token"}
    clock.pass_by(3600)
    assert refresh(box, pair["refresh_token"]).json()["hint"] == "Token has expired"


def test_expiring_tokens_leaves_the_refresh_tokens(box):
    pair = box.token_pair("sandbox_mika")

    box.expire_tokens()

    assert me(box, pair["access_token"]).status_code == 401
    assert me(box, box.access_token).status_code == 401
    assert refresh(box, pair["refresh_token"]).status_code == 200
    assert me(box, box.token_for("sandbox_mika")).status_code == 200


def test_an_account_that_is_not_there_cannot_allow(box):
    assert decide(box, user="nobody").status_code == 400
