"""The `show` command."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.options import ONLY, STATUS, Command, pass_app
from malsync.cli.render import did_you_mean, entry_document, progress, similar, status_word
from malsync.cli.suggest import REFERENCE
from malsync.errors import UsageError
from malsync.model.entry import has_status
from malsync.model.medium import MEDIA, STATUSES
from malsync.text import pluralize, visible

if TYPE_CHECKING:
    from malsync.model.entry import Entry
    from malsync.model.medium import Medium
    from malsync.model.snapshot import Snapshot

_TITLES = "MAL lists titles in romanised Japanese."


@click.command(
    cls=Command,
    examples=[
        "malsync show latest",
        "malsync show 2026-10 --only manga --status reading",
        "malsync show live --search shingeki",
    ],
)
@click.argument("ref", type=REFERENCE)
@ONLY
@click.option(
    "--status",
    multiple=True,
    type=STATUS,
    metavar="STATUS",
    help=f"Entries of this status (repeatable): {', '.join(STATUSES)}.",
)
@click.option("--search", metavar="TEXT", default="", help="Entries whose title contains TEXT.")
@pass_app
def show(app: App, ref: str, only: str | None, status: tuple[str, ...], search: str) -> None:
    """Print the list that REF names."""
    with app.mirror() as mirror:
        chosen = app.resolve(ref, mirror)
    if only is not None and chosen.snapshot.lists.get(only) is None:
        raise UsageError(f"{ref} holds no {only} list.", "Show the other one, or name another snapshot.")
    found = list(_entries(chosen.snapshot, only, status, search))
    app.output.document({"from": chosen.document, "entries": [entry_document(*pair) for pair in found]})
    if not found:
        app.output.note("No entries match." if status or search else "Nothing is on that list.")
        if search:
            titles = (entry.title for _, entry in _entries(chosen.snapshot, only, status, ""))
            app.output.note(f"{_TITLES} {did_you_mean(similar(search, titles))}".rstrip())
        return
    app.output.table(
        ["", "id", "title", "status", "score", "progress"],
        [
            (
                medium.name,
                str(entry.id),
                visible(entry.title),
                status_word(entry),
                str(entry.list_status.get("score") or "-"),
                progress(medium, entry),
            )
            for medium, entry in found
        ],
        right=["id", "score", "progress"],
        long="title",
    )
    app.output.note(pluralize(len(found), "entry", "entries"))


def _entries(
    snapshot: "Snapshot", only: str | None, statuses: Sequence[str], search: str
) -> "Iterable[tuple[Medium, Entry]]":
    text = search.casefold()
    for medium in MEDIA.values():
        if only in {None, medium.name}:
            for entry in sorted(
                snapshot.plain.entries(medium).values(), key=lambda one: (one.title.casefold(), one.id)
            ):
                fits = not statuses or has_status(entry.list_status, statuses)
                if fits and text in entry.title.casefold():
                    yield medium, entry
