"""The `diff` command."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.options import ONLY, Command, pass_app
from malsync.cli.render import change_lines, diff_document, summary
from malsync.cli.suggest import FIELD, REFERENCE
from malsync.cli.write_output import unknown_fields
from malsync.errors import Exit, UsageError
from malsync.model.diff import count
from malsync.model.diff import diff as changes_of
from malsync.model.medium import MEDIA
from malsync.planning.restore_plan import Filters, unwritten

if TYPE_CHECKING:
    from malsync.model.snapshot import Snapshot
    from malsync.operations.references import ResolvedList


@click.command(
    cls=Command,
    examples=[
        "malsync diff",
        "malsync diff 2026-10 latest",
        "malsync diff yesterday live --field score --exit-code -q",
    ],
)
@click.argument("a", default="latest", type=REFERENCE)
@click.argument("b", default="live", type=REFERENCE)
@ONLY
@click.option(
    "--field", "fields", multiple=True, type=FIELD, metavar="FIELD", help="Changes of this field (repeatable)."
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there are differences.")
@pass_app
def diff(app: App, a: str, b: str, only: str | None, fields: tuple[str, ...], exit_code: bool) -> int:
    """Show what changed from A (latest) to B (live)."""
    with app.mirror() as mirror:
        before, after = app.resolve(a, mirror), app.resolve(b, mirror)
    _check_fields(fields, before.snapshot, after.snapshot)
    _check_comparable(before, after, only)
    changes = changes_of(before.snapshot, after.snapshot, media=[only] if only else [], fields=fields)
    app.output.document(diff_document(before.document, after.document, changes))
    for change in changes:
        app.output.changes(change_lines(change))
    _uncovered(app, before, after, only)
    is_whole = not _gaps(app, (before, after), only, fields)
    # MAL sets updated_at itself, so it differs after any write and is no difference of the list.
    app.output.say(
        summary(count(changes)) if changes else f"No difference{'' if is_whole else ' in what was compared'}.",
        even_if_quiet=bool(changes),
    )
    return Exit.DIFFERENT if exit_code and changes else Exit.OK


def _check_fields(fields: Iterable[str], *snapshots: "Snapshot") -> None:
    """A misspelt field would be a field without changes, so it is refused."""

    known = {field.name for medium in MEDIA.values() for field in medium.writable}
    for name in set(fields) - known:
        lists = (snapshot.entries(medium) for snapshot in snapshots for medium in MEDIA.values())
        if name == "updated_at" or not any(name in entry.list_status for titles in lists for entry in titles.values()):
            raise UsageError(f"There is no field {name!r} to compare.", f"Fields: {', '.join(sorted(known))}.")


def _check_comparable(before: "ResolvedList", after: "ResolvedList", only: str | None) -> None:
    """Lists that nobody can compare are not lists without a difference."""
    for name in before.snapshot.lists:
        if only in {None, name} and all(one.snapshot.lists.get(name) is not None for one in (before, after)):
            return
    what = f"{only} lists" if only else "lists of one medium"
    raise UsageError(
        f"{before.reference} and {after.reference} have no {what} to compare.",
        "Name snapshots that hold the same list.",
    )


def _gaps(app: App, lists: "Iterable[ResolvedList]", only: str | None, fields: Iterable[str]) -> bool:
    """Name the fields that were not compared, because one of the lists does not know them. Whether there are any."""
    found = False
    for one in lists:
        gaps = unwritten(one.snapshot, Filters(only, fields=frozenset(fields)))
        for medium, words in unknown_fields(gaps, one.snapshot.counts).items():
            found = True
            app.output.note(f"Not compared, because {one.reference} does not know it: {medium}: {words}")
    return found


def _uncovered(app: App, before: "ResolvedList", after: "ResolvedList", only: str | None) -> None:
    for name in before.snapshot.lists:
        missing = [one.reference for one in (before, after) if one.snapshot.lists.get(name) is None]
        if missing and only in {None, name}:
            lack = "lacks" if len(missing) == 1 else "lack"
            app.output.note(f"The {name} lists were not compared: {' and '.join(missing)} {lack} one.")
