"""browse: the mirror in a browser."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.interruption import until_ended
from malsync.cli.opening import private_page
from malsync.cli.options import PORT, Command, pass_app
from malsync.errors import MalsyncError

if TYPE_CHECKING:
    from malsync.mirror import Mirror
    from malsync.model.snapshot import User


@click.command(
    cls=Command,
    examples=["malsync browse", "malsync browse --open", "malsync browse --port 8001 --no-images"],
)
@PORT
@click.option("--open", "open_it", is_flag=True, help="Open the browser at once.")
@click.option("--no-images", is_flag=True, help="Show no covers, and so ask no other host for anything.")
@pass_app
def browse(app: App, port: int, open_it: bool, no_images: bool) -> None:
    """Look at both lists, their history and everything that was fetched, in a browser, until Ctrl-C.

    Serves the mirror with Datasette on 127.0.0.1, read-only; backups may run beside it. Prints the address, which ends
    with a key: it does not open without the key, and each start makes a new one.
    """
    from malsync.browse.server import Site

    path = app.require_mirror("look at")
    # Opened first, so that an older mirror is brought up to date and a damaged one named, and held open meanwhile.
    with app.mirror() as mirror:
        mirror.infos()
        user = _user(app, mirror)
        gc.enable()  # a server runs for long, unlike any other command
        with (
            until_ended() as wait,
            Site(
                path,
                port=port,
                pictures=not no_images,
                user=user,
                accounts=app.accounts.all(),
                verify=_verifier(app),
            ) as site,
            _opened(app, site.url) if open_it else _printed(app, site.url),
        ):
            wait()
    app.output.note("Stopped.")


def _user(app: App, mirror: "Mirror") -> "User | None":
    """Whose lists come first: those of the account that is meant, where it says so. The others are one click away."""
    if app.named_account is not None:
        return app.user_of(None, mirror)
    return app.accounts.all().get(app.account_name)


def _verifier(app: App) -> Callable[[int], str | None]:
    def verify(number: int) -> str | None:
        try:
            with app.mirror() as mirror:
                mirror.load(number)
        except MalsyncError as error:
            return error.message
        except KeyError:
            return f"Snapshot {number} no longer exists."
        return None

    return verify


@contextmanager
def _printed(app: App, url: str) -> Iterator[None]:
    app.output.document({"url": url})
    app.output.say(url, even_if_quiet=True)
    app.output.note("Ctrl-C ends it. The address holds a key: whoever has it can read your lists.")
    yield


@contextmanager
def _opened(app: App, url: str) -> Iterator[None]:
    """Open the browser by a page that leads to the address."""
    import webbrowser

    with _printed(app, url), private_page(app.folder, "browse", url) as page:
        if not webbrowser.open(page):
            app.output.warn("No browser could be opened. Open the address above.")
        yield
