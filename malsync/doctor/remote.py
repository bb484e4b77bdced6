"""Checks of the API: whether it answers, whose token is used and how long it is valid, and whether the clocks agree."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import requests
import urllib3

from malsync.clock import http_date
from malsync.doctor.context import Answer, DoctorContext
from malsync.errors import ApiError, Exit
from malsync.mal.credentials import FixedToken
from malsync.mal.oauth import REFRESH_TOKEN_SECONDS, Tokens
from malsync.model.snapshot import User
from malsync.model.timestamps import local_time
from malsync.text import command_line, duration
from malsync.transport import REACH, cause, json_of, session_for
from malsync.urls import check_url, origin_of

_TIMEOUT = (5.0, 10.0)
_MAX_BYTES = 65_536
_MAX_SKEW = timedelta(minutes=5)
_SOON = timedelta(days=5)


def login(context: DoctorContext) -> None:
    """Check that each account is logged in, as the right user, and report until when."""
    accounts = context.accounts
    if context.settings.access_token:
        accounts.pop(context.home.account_name, None)
        token = FixedToken(context.settings.access_token)
        _verify(
            context,
            context.home.account_name,
            token.headers(),
            None,
            "MALSYNC_ACCESS_TOKEN is used and never refreshed",
        )
    for account, user in accounts.items():
        if tokens := context.tokens(account):
            _check_tokens(context, account, user, tokens)
        else:
            _explain_missing_login(context, account)


def _explain_missing_login(context: DoctorContext, account: str) -> None:
    name, log_in = context.name_for("login", account), command_line("login", account)
    if not context.settings.client_id:
        text = f"Not logged in, and there is no client id. Get one (README: Your client id), then: {log_in}"
        context.problem(name, Exit.AUTH, text)
    elif not context.home.accounts.all() and any(info.source == "public" for info in context.infos or ()):
        context.ok(name, "Not logged in; the client id reads public lists.")
    else:
        context.problem(name, Exit.AUTH, f"Not logged in. Type: {log_in}")


def _check_tokens(context: DoctorContext, account: str, user: User | None, tokens: Tokens) -> None:
    name, log_in, now = context.name_for("login", account), command_line("login", account), context.now
    issued, expires, refresh_expires = (
        datetime.fromtimestamp(seconds, UTC)
        for seconds in (tokens.issued_at, tokens.expires_at, tokens.issued_at + REFRESH_TOKEN_SECONDS)
    )
    validity = f"Token issued {local_time(issued)}"
    if tokens.origin != origin_of(context.settings.api_url):
        text = f"The token is for {tokens.origin}, not for the API's address. Set MALSYNC_API_URL back, or: {log_in}"
        context.problem(name, Exit.AUTH, text)
    elif now >= max(expires, refresh_expires):
        text = f"{validity}; it and its refresh token have expired. Log in again: {log_in}"
        context.problem(name, Exit.AUTH, text)
    elif now >= expires:
        text = f"{validity}, expired; the next command refreshes it. After {local_time(refresh_expires)}: {log_in}"
        context.ok(name, text)
    else:
        validity += f", valid until {local_time(expires)}"
        if now < refresh_expires:
            validity += f"; refresh token valid until {local_time(refresh_expires)}"
        if max(expires, refresh_expires) - now < _SOON:
            validity += f". That is soon: {log_in}"
        _verify(context, account, tokens.headers(), user, validity)


def _verify(context: DoctorContext, account: str, headers: dict[str, str], user: User | None, validity: str) -> None:
    """Ask the API whose token it is; `user` is the owner of the account, if it has one."""
    name = context.name_for("login", account)
    try:
        answer = _ask(context, headers)
    except ApiError:
        context.ok(name, f"{validity}. Not verified: the API cannot be reached.")
        return
    if not answer.is_of_the_api:
        context.ok(name, f"{validity}. Not verified: the API answered {answer.status}.")
    elif answer.user is None:
        text = f"MAL refuses the token ({answer.status}). Log in again: {command_line('login', account)}"
        context.problem(name, Exit.AUTH, text)
    elif user is not None and user.id != answer.user[0]:
        context.problem(
            name, Exit.AUTH,
            f"The token belongs to {answer.user[1]}, the account to {user.name}. "
            f"Give {answer.user[1]} a separate account: malsync --account NAME login",
        )  # fmt: skip
    else:
        context.ok(name, f"Logged in as {answer.user[1]}. {validity}.")


def api(context: DoctorContext) -> None:
    """Check that the API answers. Raises ApiError."""
    answer, url = context.answer or _ask(context, {}), context.settings.api_url
    if answer.is_of_the_api:
        context.ok("api", f"{url} answers.")
    else:
        text = f"{url} answers {answer.status}. Set MALSYNC_API_URL, or api_url in config.toml, to the API's address."
        context.problem("api", Exit.API, text)


def clock(context: DoctorContext) -> None:
    """Check that this machine's clock agrees with MAL's: tokens and snapshots are dated by it."""
    try:
        ahead = (context.answer or _ask(context, {})).ahead
    except ApiError:
        context.ok("clock", "Not compared: the API cannot be reached.")
        return
    if ahead is None:
        context.ok("clock", "Not compared: the API does not send the time.")
    elif abs(ahead) > _MAX_SKEW.total_seconds():
        side = "behind" if ahead > 0 else "ahead of"
        context.problem(
            "clock", Exit.USAGE, f"This machine's clock is {duration(abs(ahead))} {side} the API's. Set it."
        )
    else:
        context.ok("clock", "In sync with the API.")


def _ask(context: DoctorContext, headers: Mapping[str, str]) -> Answer:
    """Ask the API once, unless it was unreachable before: each attempt may take seconds. Raises ApiError."""
    if context.unreachable is None:
        url = check_url(context.settings.api_url, "MALSYNC_API_URL")
        try:
            context.answer = request_user(url, headers, context.settings.user_agent, context.home.world.clock.now)
        except ApiError as error:
            context.answer, context.unreachable = None, error
            raise
        return context.answer
    raise context.unreachable


def request_user(api_url: str, headers: Mapping[str, str], user_agent: str, now: Callable[[], datetime]) -> Answer:
    """GET /users/@me with these headers. Without a token MAL refuses, which is an answer too.

    Raises ApiError if there is no answer, or one that is not the API's.
    """
    try:
        with session_for(api_url, user_agent) as session:
            before = now()
            with session.get(
                f"{api_url}/users/@me", headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
            ) as response:
                body = response.raw.read(_MAX_BYTES, decode_content=True)
                after = now()
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise ApiError(f"{api_url} does not answer ({cause(error)}).", REACH) from error
    document, status = json_of(body), response.status_code
    if status == 429 or status >= 500 or 300 <= status < 400 or not isinstance(document, dict):
        raise ApiError(f"{api_url} answers {status}, which is not an answer of the API.", REACH)
    name, id = document.get("name"), document.get("id")
    user = (id, name) if status == 200 and isinstance(id, int) and isinstance(name, str) else None
    server_time = http_date(response.headers.get("Date", ""))
    # The server took its time between `before` and `after`: compare it with the middle.
    ahead = None if server_time is None else (server_time - before - (after - before) / 2).total_seconds()
    return Answer(status, user, ahead)
