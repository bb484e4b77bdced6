"""sandbox and demo: malsync without an account."""

import gc
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from malsync.cli.app import App
from malsync.cli.interruption import until_ended
from malsync.cli.options import PORT, Command, pass_app
from malsync.errors import UsageError


@click.command(
    cls=Command,
    examples=[
        "malsync sandbox --port 8080",
        "malsync sandbox -v --entries 10000 --seed 7 --latency 300",
        "malsync sandbox --faults '503:on=animelist,nth=2;cut:p=0.05,seed=1'",
        "malsync sandbox --set default_limit=100 --state sandbox.json",
    ],
)
@PORT
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE", help="Keep the accounts in FILE.")
@click.option("--entries", type=click.IntRange(0), metavar="N", help="Invent lists of N entries together.")
@click.option("--seed", default=1, show_default=True, metavar="N", help="The same number, the same lists.")
@click.option(
    "--latency", default=0, show_default=True, type=click.IntRange(0), metavar="MS", help="Delay of each answer."
)
@click.option("--faults", default="", metavar="SPEC", help="What goes wrong, and when (docs/sandbox.md).")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A switch (docs/sandbox.md); repeatable.")
@pass_app
def sandbox(
    app: App,
    port: int,
    state: Path | None,
    entries: int | None,
    seed: int,
    latency: int,
    faults: str,
    settings: tuple[str, ...],
) -> None:
    """Serve the MAL API v2 on 127.0.0.1, with two invented accounts, until Ctrl-C.

    Prints one line of JSON when it is ready: the addresses, a client id, a token and its user. With -v, a line on stderr
    for each request.
    """
    from malsync.sandbox import Sandbox, SandboxError, World

    gc.enable()  # a server runs for long, unlike any other command
    pairs = [setting.partition("=") for setting in settings]
    if any(not equals for _, equals, _ in pairs):
        raise UsageError("--set takes NAME=VALUE.", "See docs/sandbox.md for the names.")
    try:
        with until_ended() as wait:
            box = Sandbox(
                World.demo() if entries is None else World.generated(entries=entries, seed=seed),
                port=port,
                latency=latency / 1000,
                faults=faults,
                settings={name: text for name, _, text in pairs},
                state_file=state,
                heard=(lambda row: app.output.log(_request(row))) if app.output.verbose else None,
            )
            with box:
                _ready(app, box.ready_line())
                wait()
    except SandboxError as error:
        raise UsageError(str(error), "See: malsync sandbox --help, and docs/sandbox.md") from error
    app.output.note("The sandbox has ended.")


def _ready(app: App, line: Mapping[str, Any]) -> None:
    app.output.note(
        f"Serving {' and '.join(one['user'] for one in line['users'])} until Ctrl-C. To use it, in another terminal:\n"
        f"  export MALSYNC_API_URL={line['api_url']}\n"
        f"  export MALSYNC_AUTH_URL={line['auth_url']}\n"
        f"  export MALSYNC_CLIENT_ID={line['client_id']}\n"
        "  malsync --account sandbox login\n"
        "  malsync --account sandbox backup"
    )
    click.echo(json.dumps(line))  # the last word before the first request: whoever reads it begins to ask


def _request(row: Mapping[str, Any]) -> str:
    """A row of the sandbox's log as a line."""
    asked = f"{row['method']} {row['path']}{'?' if row['query'] else ''}{row['query']}"
    sent = f" {urlencode(row['form'])}" if row.get("form") else ""
    by = f", {row['user']}" if row["user"] else ""
    struck = f", struck by {', '.join(row['faults'])}" if "faults" in row else ""
    return f"{asked}{sent} -> {row['status'] or 'cut off'}{by}{struck}"
