"""The `login` command."""

import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import click

from malsync.cli.app import App
from malsync.cli.opening import private_page
from malsync.cli.options import Command, pass_app
from malsync.errors import MalsyncError, UsageError
from malsync.operations.accounts import check_name
from malsync.text import command_line
from malsync.urls import check_url, origin_of

if TYPE_CHECKING:
    from malsync.mal.oauth import AuthorizationRequest


@click.command(
    cls=Command,
    examples=["malsync login", "malsync login --no-browser", "malsync --account second login"],
)
@click.option(
    "--no-browser", is_flag=True, help="Print the sign-in link; paste back the address you are redirected to."
)
@pass_app
def login(app: App, no_browser: bool) -> None:
    """Sign in to MyAnimeList and keep the tokens of this account.

    Needs a client id of your own: register one at MAL (README, "Your client id") and set MALSYNC_CLIENT_ID.
    """
    try:
        _sign_in(app, no_browser=no_browser)
    except MalsyncError as error:
        error.facts.setdefault("account", app.account_name)
        raise


def _sign_in(app: App, *, no_browser: bool) -> None:
    from malsync.mal.credentials import FixedToken
    from malsync.mal.oauth import authorization_request
    from malsync.mal.token_store import store_of

    settings = app.settings
    if not settings.client_id:
        raise UsageError(
            "No client id is set.", "Register one at MAL (README: Your client id) and set MALSYNC_CLIENT_ID to it."
        )
    if app.accounts.user(app.account_name) is None:
        check_name(app.account_name)
    origin = origin_of(app.clients.api_url)
    auth_url = check_url(settings.auth_url, "MALSYNC_AUTH_URL")
    request = authorization_request(auth_url, settings.client_id, settings.redirect_uri)
    code = _paste(app, request) if no_browser else _listen(app, request)
    tokens = app.clients.token_endpoint().exchange(code, request.verifier, request.redirect_uri, origin)
    user = app.clients.mal(FixedToken(tokens.access_token)).me()
    store = store_of(app.folder, settings.token_store)
    with store.locked():
        # Bound first: tokens are kept only for the user that the account belongs to.
        app.accounts.bind(app.account_name, user)
        store.save(app.account_name, tokens)
    app.output.document({"account": app.account_name, "user": {"id": user.id, "name": user.name}, "logged_in": True})
    app.output.say(f"Signed in as {user.name} (account {app.account_name}).", colour="green")
    app.output.note(f"Next: {command_line('backup', app.account_name)}")


def _listen(app: App, request: "AuthorizationRequest") -> str:
    from malsync.mal.oauth import code_from
    from malsync.mal.redirect_listener import RedirectListener

    with (
        RedirectListener(request.redirect_uri, app.world.clock.monotonic) as listener,
        private_page(app.folder, "login", request.url) as page,
    ):
        app.output.warn(
            f"Sign in to MyAnimeList in your browser. If none opens, open this address:\n\n  {request.url}\n"
        )
        # A text browser does not come back before it is left, so it must not hold the listener up.
        threading.Thread(target=_open, args=(page,), daemon=True).start()
        with app.output.countdown("Waiting for the sign-in") as countdown:
            return listener.wait(lambda path: code_from(path, request), countdown=countdown)


def _open(url: str) -> None:
    import webbrowser

    # BROWSER may hold anything; without a browser there is still the address, which was shown.
    with suppress(webbrowser.Error, OSError, ValueError):
        webbrowser.open(url)


def _paste(app: App, request: "AuthorizationRequest") -> str:
    from malsync.mal.oauth import code_from

    app.output.warn(f"Open this address in any browser and sign in to MyAnimeList:\n\n  {request.url}\n")
    app.output.warn(
        f"You will land on an address that begins with {request.redirect_uri} (the page itself need not open)."
    )
    stdin = sys.stdin
    if stdin.isatty():
        pasted = click.prompt("Paste that whole address here (it stays hidden)", hide_input=True, err=True)
    else:
        pasted = _line(stdin)
    return code_from(str(pasted), request)


def _line(stdin: TextIO) -> str:
    try:
        return stdin.readline()
    except UnicodeDecodeError as error:
        raise UsageError(
            "What came on standard input is no text.", "Paste the address that the browser landed on."
        ) from error
