"""The far side: is the API there, whose token is this, how long does it live, and are the clocks alike."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from malsync.doctor.context import Check, DoctorContext, ill, named, well
from malsync.errors import ApiError, Exit
from malsync.model.timestamps import local_time
from malsync.text import command_line, duration

if TYPE_CHECKING:
    from malsync.mal.oauth import Tokens
    from malsync.model.snapshot import User

_SKEW = timedelta(minutes=5)
_SOON = timedelta(days=5)
_REFUSALS = {400, 401, 403}
"""What the API answers to whoever asks without a token that it takes."""


def login(patient: DoctorContext) -> Iterator[Check]:
    """Whether each account is signed in, until when, and as whom."""
    from malsync.mal.credentials import FixedToken

    accounts = patient.accounts
    if patient.settings.access_token:
        given = FixedToken(patient.settings.access_token)
        yield _told(patient, "login", given.headers(), None, "MALSYNC_ACCESS_TOKEN is used as it is and not refreshed")
        accounts = {name: user for name, user in accounts.items() if name != patient.app.account_name}
    for account, user in accounts.items():
        tokens = patient.tokens(account)
        name = named("login", account, patient)
        if tokens is None:
            yield _nobody(patient, name, account)
        else:
            yield _signed_in(patient, name, account, user, tokens)


def _nobody(patient: DoctorContext, name: str, account: str) -> Check:
    if not patient.settings.client_id:
        return ill(
            name, Exit.AUTH,
            f"Not signed in, and there is no client id. Get one (README: Your client id), then: {command_line('login', account)}",
        )  # fmt: skip
    if not patient.app.accounts.all() and any(info.source == "public" for info in patient.infos or ()):
        return well(name, "Not signed in; the client id reads public lists.")
    return ill(name, Exit.AUTH, f"Not signed in. {command_line('login', account)}")


def _signed_in(patient: DoctorContext, name: str, account: str, user: "User | None", tokens: "Tokens") -> Check:
    from malsync.mal.oauth import REFRESH_TOKEN_SECONDS
    from malsync.urls import origin_of

    again, now = command_line("login", account), patient.now
    issued, expires, dies = (
        datetime.fromtimestamp(moment, UTC)
        for moment in (tokens.issued_at, tokens.expires_at, tokens.issued_at + REFRESH_TOKEN_SECONDS)
    )
    if tokens.origin != origin_of(patient.settings.api_url):
        return ill(
            name, Exit.AUTH,
            f"The token is for {tokens.origin}, and the API's address is another. Set MALSYNC_API_URL back, or: {again}",
        )  # fmt: skip
    age = f"The token is of {local_time(issued)}"
    if now >= max(expires, dies):
        return ill(name, Exit.AUTH, f"{age}, and both it and its refresh token have expired. {again}")
    if now >= expires:
        return well(
            name, f"{age} and has expired; the next command refreshes it. Without one by {local_time(dies)}: {again}"
        )
    until = f"{age} and lives until {local_time(expires)}"
    until += f"; {again} before that" if now >= dies else f", its refresh token until {local_time(dies)}"
    if max(expires, dies) - now < _SOON:
        until += f". That is soon: {again}"
    return _told(patient, name, tokens.headers(), user, until)


def _told(patient: DoctorContext, name: str, headers: dict[str, str], user: "User | None", until: str) -> Check:
    """What MAL itself says to the token."""
    try:
        answer = patient.asked(headers)
    except ApiError:
        return well(name, f"{until}. Whether MAL takes it is not known: it cannot be reached.")
    if answer.user is None and answer.status not in _REFUSALS:
        return well(name, f"{until}. Whether MAL takes it is not known: {answer.status} is no answer to that.")
    if answer.user is None:
        return ill(name, Exit.AUTH, f"MAL refuses the token ({answer.status}). Sign in again: malsync login")
    id, called = answer.user
    if user is not None and user.id != id:
        return ill(
            name, Exit.AUTH,
            f"The token is {called}'s, and the account belongs to {user.name}. "
            f"Give {called} an account of their own: malsync --account NAME login",
        )  # fmt: skip
    return well(name, f"Signed in as {called}. {until}.")


def api(patient: DoctorContext) -> Iterator[Check]:
    """Whether the API answers; raises ApiError where it does not."""
    answer, url = patient.any_answer(), patient.settings.api_url
    if answer.user is None and answer.status not in _REFUSALS:
        yield ill(
            "api", Exit.API,
            f"{url} answers {answer.status} where the API says who asks. "
            "Set MALSYNC_API_URL, or api_url in config.toml, to the API's address.",
        )  # fmt: skip
        return
    yield well("api", f"{url} answers.")


def clock(patient: DoctorContext) -> Iterator[Check]:
    """Whether the time here is the time there: tokens and snapshots are dated by it."""
    try:
        ahead = patient.any_answer().ahead
    except ApiError:
        yield well("clock", "Not compared: the API cannot be reached.")
        return
    if ahead is None:
        yield well("clock", "Not compared: the API does not say what time it is.")
        return
    if abs(ahead) > _SKEW.total_seconds():
        way = "behind" if ahead > 0 else "ahead of"
        yield ill("clock", Exit.USAGE, f"This machine's clock is {duration(abs(ahead))} {way} the API's. Set it.")
    else:
        yield well("clock", "It agrees with the API's.")
