"""The `history` command."""

from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.cli.render import did_you_mean, short, similar
from malsync.errors import UsageError
from malsync.model.diff import entry_changes
from malsync.model.medium import MEDIA
from malsync.model.timestamps import local_time, timestamp
from malsync.text import short_value, visible

if TYPE_CHECKING:
    from malsync.mirror import Mirror, Version
    from malsync.model.medium import Medium
    from malsync.model.snapshot import User

_TITLES = "MAL lists titles in romanised Japanese."


@click.command(
    cls=Command,
    examples=["malsync history 5114", "malsync history manga:2", "malsync history 'cowboy bebop'"],
)
@click.argument("title_or_id", metavar="TITLE-OR-ID")
@pass_app
def history(app: App, title_or_id: str) -> None:
    """Show one title's history: every snapshot in which it changed, was added or removed.

    TITLE is any part of a title; an id can be given with its medium, as in manga:2.
    """
    if not title_or_id:
        raise UsageError("Give a title or an id.", "Any part of a title will do: malsync history naruto")

    found = []
    with app.mirror() as mirror:
        user = app.user_of(None, mirror)
        for medium in MEDIA.values():
            matches = dict(_matches(mirror, medium, title_or_id))
            histories = mirror.histories(user, medium, matches)
            found += [(medium, id, title, histories[id]) for id, title in matches.items() if histories[id]]
        close = [] if found else _close(mirror, user, title_or_id)
    if not found:
        raise UsageError(
            f"No entry of {user.name} is called {title_or_id!r}.",
            f"{_TITLES} {did_you_mean(close) or 'All of them: malsync show latest'}",
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
        close = set(similar(text, titles.values()))
        ids = [id for id, title in titles.items() if title in close]
        found += [titles[id] for id, versions in mirror.histories(user, medium, ids).items() if versions]
    return similar(text, found)


def _print_versions(app: App, medium: "Medium", versions: "list[Version]") -> None:
    before = None
    for version in versions:
        now = version.list_status
        if now is None:
            text = "not on the list"
        elif before is None:
            text = short(medium, now)
        else:
            changes = entry_changes(medium, before, now)
            text = ", ".join(f"{name} {short_value(was)} -> {short_value(to)}" for name, (was, to) in changes.items())
        app.output.say(
            f"  {local_time(version.taken_at)}  snapshot {version.snapshot}: {text or 're-saved, no changes'}", indent=6
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
