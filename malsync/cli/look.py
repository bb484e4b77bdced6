"""show, diff, history: looking at lists. Nothing here writes."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.options import ONLY, STATUS, Command, pass_app
from malsync.cli.suggest import FIELD, REFERENCE
from malsync.errors import Exit, UsageError
from malsync.model.medium import MEDIA, STATUSES
from malsync.model.timestamps import local_time
from malsync.text import pluralize

if TYPE_CHECKING:
    from malsync.mirror import Mirror, Version
    from malsync.model.entry import Entry
    from malsync.model.medium import Medium
    from malsync.model.snapshot import Snapshot, User
    from malsync.operations.references import ResolvedList


_TITLES = "MAL lists titles in romanised Japanese."
_LIKE = 0.75
"""How like a title is to what was typed, to be offered in its place (difflib)."""


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
    from malsync.cli.render import entry_document, progress, status_word
    from malsync.text import visible

    with app.mirror() as mirror:
        chosen = app.choose(ref, mirror)
    if only is not None and chosen.snapshot.lists.get(only) is None:
        raise UsageError(f"{ref} holds no {only} list.", "Show the other one, or name another snapshot.")
    found = list(_entries(chosen.snapshot, only, status, search))
    app.output.document({"from": chosen.document, "entries": [entry_document(*pair) for pair in found]})
    if not found:
        app.output.note("No entries match." if status or search else "Nothing is on that list.")
        if search:
            titles = (entry.title for _, entry in _entries(chosen.snapshot, only, status, ""))
            app.output.note(f"{_TITLES} {_did_you_mean(_like(search, titles))}".rstrip())
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
    from malsync.model.entry import has_status

    text = search.casefold()
    for medium in MEDIA.values():
        if only in {None, medium.name}:
            for entry in sorted(
                snapshot.plain.entries(medium).values(), key=lambda one: (one.title.casefold(), one.id)
            ):
                fits = not statuses or has_status(entry.list_status, statuses)
                if fits and text in entry.title.casefold():
                    yield medium, entry


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
    """Say what changed from A (latest) to B (live)."""
    from malsync.cli.render import change_lines, diff_document, summary
    from malsync.model.diff import count
    from malsync.model.diff import diff as changes_of

    with app.mirror() as mirror:
        before, after = app.choose(a, mirror), app.choose(b, mirror)
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
    from malsync.cli.telling import unknown_fields
    from malsync.planning.restore_plan import Filters, unwritten

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


@click.command(
    cls=Command,
    examples=["malsync history 5114", "malsync history manga:2", "malsync history 'cowboy bebop'"],
)
@click.argument("title_or_id", metavar="TITLE-OR-ID")
@pass_app
def history(app: App, title_or_id: str) -> None:
    """Show one entry through every snapshot: a version wherever it changed, came or went.

    TITLE is any part of a title; an id can be told by its medium, as in manga:2.
    """
    if not title_or_id:
        raise UsageError("Give a title or an id.", "Any part of a title will do: malsync history naruto")
    from malsync.model.timestamps import timestamp
    from malsync.text import visible

    found = []
    with app.mirror() as mirror:
        user = app.whose(None, mirror)
        for medium in MEDIA.values():
            matches = dict(_matches(mirror, medium, title_or_id))
            histories = mirror.histories(user, medium, matches)
            found += [(medium, id, title, histories[id]) for id, title in matches.items() if histories[id]]
        close = [] if found else _close(mirror, user, title_or_id)
    if not found:
        raise UsageError(
            f"No entry of {user.name} is called {title_or_id!r}.",
            f"{_TITLES} {_did_you_mean(close) or 'All of them: malsync show latest'}",
        )
    app.output.document(
        [
            {
                "medium": medium.name,
                "id": id,
                "title": title,
                "versions": [
                    {
                        "snapshot": version.snapshot,
                        "taken_at": timestamp(version.taken_at),
                        "list_status": version.list_status,
                    }
                    for version in versions
                ],
            }
            for medium, id, title, versions in found
        ]
    )
    for medium, id, title, versions in found:
        app.output.say(f"{medium.name} {id}  {visible(title)}", colour="green")
        _print_versions(app, medium, versions)


def _close(mirror: "Mirror", user: "User", text: str) -> list[str]:
    """The titles that were on a list of `user` and are most like `text`."""
    found = []
    for medium in MEDIA.values():
        titles = mirror.titles(medium)
        close = set(_like(text, titles.values()))
        ids = [id for id, title in titles.items() if title in close]
        found += [titles[id] for id, versions in mirror.histories(user, medium, ids).items() if versions]
    return _like(text, found)


def _like(text: str, titles: Iterable[str]) -> list[str]:
    """The titles, three at most, that are most like `text` or a part of which is, the likest first."""
    from difflib import get_close_matches

    count = len(text.split())
    parts: dict[str, list[str]] = {}
    for title in titles:
        words = title.casefold().split()
        starts = range(max(1, len(words) - count + 1))
        for part in {" ".join(words), *(" ".join(words[start : start + count]) for start in starts)}:
            parts.setdefault(part, []).append(title)
    close = get_close_matches(text.casefold(), parts, 3, _LIKE)
    return list(dict.fromkeys(title for part in close for title in parts[part]))[:3]


def _did_you_mean(titles: Iterable[str]) -> str:
    from malsync.text import shorten, visible

    offered = " or ".join(f"'{shorten(visible(title))}'" for title in titles)
    return f"Did you mean {offered}?" if offered else ""


def _print_versions(app: App, medium: "Medium", versions: "list[Version]") -> None:
    from malsync.cli.render import short
    from malsync.model.diff import entry_changes
    from malsync.text import short_value

    before = None
    for version in versions:
        now = version.list_status
        if now is None:
            told = "not on the list"
        elif before is None:
            told = short(medium, now)
        else:
            changes = entry_changes(medium, before, now)
            told = ", ".join(f"{name} {short_value(was)} -> {short_value(to)}" for name, (was, to) in changes.items())
        app.output.say(
            f"  {local_time(version.taken_at)}  snapshot {version.snapshot}: {told or 're-saved, no changes'}", indent=6
        )
        before = now


def _matches(mirror: "Mirror", medium: "Medium", text: str) -> list[tuple[int, str]]:
    """The titles that `text` may mean: an id (with or without its medium), a whole title ("86"), else a part of a title."""
    titles = mirror.titles(medium)
    prefix, colon, rest = text.partition(":")
    if colon and rest.isdecimal() and prefix in MEDIA:
        return [(id, title) for id, title in titles.items() if prefix == medium.name and str(id) == rest]
    wanted = text.casefold()
    found = sorted(titles.items(), key=lambda pair: (pair[1].casefold(), pair[0]))
    exact = [(id, title) for id, title in found if str(id) == text or (text.isdecimal() and title.casefold() == wanted)]
    return exact or [(id, title) for id, title in found if wanted in title.casefold()]


COMMANDS = (show, diff, history)
