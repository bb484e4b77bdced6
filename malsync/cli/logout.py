"""The `logout` command."""

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app


@click.command(
    cls=Command,
    examples=["malsync logout", "malsync --account second logout"],
)
@pass_app
def logout(app: App) -> None:
    """Forget this account's tokens. Its snapshots stay, and so does the MAL user that it is bound to."""
    from malsync.mal.token_store import store_of

    store = store_of(app.folder, app.settings.token_store)
    with store.locked():
        was_in = store.load(app.account_name) is not None
        store.forget(app.account_name)
    user = app.accounts.user(app.account_name)
    app.output.document(
        {
            "account": app.account_name,
            "user": None if user is None else {"id": user.id, "name": user.name},
            "logged_in": False,
        }
    )
    app.output.say(f"The tokens of the account {app.account_name} are gone." if was_in else "There were no tokens.")
