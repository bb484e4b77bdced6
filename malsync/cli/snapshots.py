"""The `snapshots` command."""

from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.model.timestamps import local_time, timestamp
from malsync.operations.references import dated_ahead
from malsync.text import command_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from malsync.browse.alarms import Alarms
    from malsync.mirror import Mirror, SnapshotInfo

_JUDGED = 20
"""The number of suspicious snapshots, newest first, for which it is computed what is left of their changes."""


@click.command(
    cls=Command,
    examples=["malsync snapshots", "malsync --account second snapshots --json"],
)
@pass_app
def snapshots(app: App) -> None:
    """List the snapshots: number, time, counts, what changed since the one before, suspicious or not.

    Those of every MAL user in this home folder; with --account, of one.
    """
    with app.mirror() as mirror:
        infos = mirror.infos(app.named_user(mirror))
        footnotes = [] if app.output.json or app.output.quiet else list(_footnotes(app, mirror, infos))
    names = {info.user.key: app.accounts.account_of(info.user) for info in infos}
    app.output.document(
        [{**info_document(info, names[info.user.key]), "covers": info.covers, "note": info.note} for info in infos]
    )
    if not infos:
        app.output.say("No snapshot yet. Make one: malsync backup")
        return
    ahead = dated_ahead(infos, app.now)
    app.warn_of_future(ahead)
    several = len(names) > 1
    app.output.table(
        ["#", "taken", *(["user"] if several else []), "anime", "manga", "+", "~", "-", "remarks"],
        [
            (
                str(info.number),
                local_time(info.taken_at),
                *([visible(info.user.name)] if several else []),
                *("-" if found is None else str(found) for found in info.counts.values()),
                *(str(found or "") for found in info.changes.values()),
                "; ".join([*(["dated in the future"] if info in ahead else []), *_remarks(info)]),
            )
            for info in infos
        ],
        right=["#", "anime", "manga", "+", "~", "-"],
        long="remarks",
    )
    for line in footnotes:
        app.output.say(line, colour="yellow", indent=6)


def _footnotes(app: App, mirror: "Mirror", infos: "list[SnapshotInfo]") -> "Iterator[str]":
    """Why snapshots are suspicious; one line for those that are so for one reason, night after night."""
    from malsync.browse.alarms import Alarms

    alarms = Alarms(mirror.query)
    last: dict[int, SnapshotInfo] = {}
    nights: dict[tuple[int, tuple[str, ...]], list[SnapshotInfo]] = {}
    changed: dict[int, SnapshotInfo] = {}
    for info in infos:
        before, last[info.series] = last.get(info.series), info
        if info.suspicious:
            nights.setdefault((info.series, info.suspicious), []).append(info)
            if before is not None and any(info.changes.values()):
                changed[info.number] = before
    judged = set(sorted(changed)[-_JUDGED:])
    for (_, reasons), same in nights.items():
        numbers = str(same[0].number) if len(same) == 1 else f"{same[0].number}-{same[-1].number}"
        yield f"{numbers}: {visible('; '.join(reasons))}."
        for one in same:
            if one.number in judged:
                yield f"  {one.number}: {undone_by(app, alarms, changed[one.number], one)}"


def undone_by(app: App, alarms: "Alarms", before: "SnapshotInfo", info: "SnapshotInfo") -> str:
    """What is left of the changes from `before` to `info`, and the command that undoes them where that is worth it."""
    standing, account = alarms.status(before.number, info.number), app.accounts.account_of(info.user)
    status = f"{str(standing).capitalize()}."
    if account is None or not standing.is_worth_undoing:
        return status
    return f"{status} To undo only these changes: {command_line(f'revert {before.number} {info.number}', account)}"


def info_document(info: "SnapshotInfo", account: str | None) -> dict[str, Any]:
    """What `backup`, `import` and `snapshots` say of a snapshot in JSON."""
    return {
        "snapshot": info.number,
        "account": account,
        "user": info.user.name,
        "taken_at": timestamp(info.taken_at),
        "source": info.source,
        "digest": info.digest,
        "counts": info.counts,
        "changes": info.changes,
        "suspicious": list(info.suspicious),
    }


def _remarks(info: "SnapshotInfo") -> list[str]:
    suspicious = ["suspicious"] if info.suspicious else []
    source = [] if info.source == "backup" else [info.source]
    return suspicious + source + ([visible(info.note)] if info.note else [])
