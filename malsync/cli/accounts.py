"""The `accounts` command."""

from datetime import UTC, datetime

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.model.timestamps import local_time, maybe_timestamp
from malsync.operations.references import dated_ahead
from malsync.text import ago


@click.command(cls=Command, examples=["malsync accounts", "malsync accounts --json"])
@pass_app
def accounts(app: App) -> None:
    """List the accounts: MAL user, when you need to sign in again, last backup."""
    from malsync.mal.oauth import REFRESH_TOKEN_SECONDS
    from malsync.mal.token_store import store_of

    store = store_of(app.folder, app.settings.token_store)
    rows = []
    now = app.now
    with app.mirror() as mirror:
        for name, user in app.accounts.all().items():
            tokens = store.load(name)
            dies = None if tokens is None else datetime.fromtimestamp(tokens.issued_at + REFRESH_TOKEN_SECONDS, UTC)
            ahead = dated_ahead(infos := mirror.infos(user), now)
            backups = [info.taken_at for info in infos if info.source == "backup" and info not in ahead]
            rows.append((name, user, dies, backups[-1] if backups else None))
    app.output.document(
        [
            {
                "account": name,
                "user": {"id": user.id, "name": user.name},
                "origin": user.origin,
                "logged_in": dies is not None,
                "refresh_token_expires_at": maybe_timestamp(dies),
                "last_backup": maybe_timestamp(last),
            }
            for name, user, dies, last in rows
        ]
    )
    if not rows:
        app.output.say("No account yet. Sign in: malsync login")
        return
    app.output.table(
        ["account", "MAL user", "sign in again by", "last backup"],
        [
            (
                name,
                user.name,
                "not signed in" if dies is None else local_time(dies),
                ago(last, now) if last else "none yet",
            )
            for name, user, dies, last in rows
        ],
        long="MAL user",
    )
