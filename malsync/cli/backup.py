"""backup and snapshots."""

from contextlib import ExitStack
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.errors import hint_of
from malsync.cli.options import WAIT, Command, pass_app
from malsync.cli.suggest import FILE
from malsync.errors import Exit, MalsyncError, UsageError
from malsync.model.timestamps import local_time
from malsync.operations.references import dated_ahead
from malsync.text import ago, command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from malsync.browse.alarms import Alarms
    from malsync.mal.client import Client
    from malsync.mirror import Mirror, SnapshotInfo
    from malsync.model.snapshot import Snapshot, Source, User
    from malsync.operations.backup import Backup

_JUDGED = 20
"""Of so many suspicious snapshots, the newest ones, it is found out what is left of their changes."""


@click.command(
    cls=Command,
    examples=[
        "malsync backup",
        "malsync backup --note 'before the clean-up' --file '{user}-{date}.json.gz'",
        "malsync backup --user NAME",
        "malsync backup --accept",
    ],
)
@click.option("--user", metavar="NAME", help="Back up NAME's public list, with the client id alone.")
@click.option(
    "--file", type=FILE, metavar="PATH", help="Also write the JSON snapshot; {user} and {date} are filled in."
)
@click.option("--note", default="", metavar="TEXT", help="A note to remember this snapshot by.")
@click.option("--accept", is_flag=True, help="Accept this list even though it looks suspicious.")
@WAIT
@pass_app
def backup(app: App, user: str | None, file: str | None, note: str, accept: bool, wait: float) -> int:
    """Read both lists, check them, and store one snapshot: whole, or not at all.

    Exit code 8: stored, but look at it (a list is empty now, or much of it changed).
    """
    from malsync.cli.hook import run_hook

    try:
        document, code = _backup(app, user, file, note, accept=accept, wait=wait)
    except MalsyncError as error:
        failed = {"error": {"exit": int(error.exit), "message": error.message, "hint": hint_of(error)}}
        run_hook(app, app.settings.on_failure, failed)
        raise
    app.output.document(document)
    run_hook(app, app.settings.on_failure if code else app.settings.on_success, document)
    return code


def _backup(
    app: App, public: str | None, file: str | None, note: str, *, accept: bool, wait: float
) -> tuple[dict[str, Any], int]:
    from malsync.model.medium import ANIME
    from malsync.operations import backup as service

    file_for = _file_pattern(app, file)
    try:
        note.encode()
    except UnicodeEncodeError as error:
        raise UsageError("--note holds bytes that are no text.", "Write it in UTF-8.") from error
    with app.at_work(wait), ExitStack() as stack:
        client, user, account, counted = _whose(app, public)
        accepted = 0 if account is None else app.accounts.uncounted(account)
        app.output.note(f"Reading the lists of {user.name} from {client.origin} ...")
        opened: list[Mirror] = []
        with app.output.reading() as progress:
            snapshot = _read(
                client,
                user,
                "backup" if public is None else "public",
                note=note,
                counted=None if counted is None else counted - accepted,
                clock=app.world.clock,
                progress=progress,
                meanwhile=lambda: opened.append(stack.enter_context(app.mirror(write=True, wait=wait))),
            )
        (mirror,) = opened
        app.compare_clocks(snapshot)
        if account is not None:
            app.bind(account, user)
        result = service.store(mirror, app.shelf, snapshot, accept=accept)
        if account is not None and counted is not None:
            # What was accepted is not told again each night; what MAL counts by now needs no acceptance any more.
            missing = max(0, counted - len(snapshot.entries(ANIME)))
            app.bind(account, user, missing if accept else min(missing, accepted))
        before = _one_before(mirror.infos(user), result.info)
        undoing = _undone_by(app, mirror, before, result.info)
    try:
        written = file_for(result.snapshot) if file_for else None
    except UsageError as error:
        raise service.stored_all_the_same(result.info, error) from error
    for warning in result.warnings:
        app.output.warn(warning)
    _report(app, result, before, written)
    if result.info.suspicious:
        _warn_of(app, result.info, undoing, account, public)
    document = {**info_document(result.info, account), "requests": dict(client.requests)}
    return document, Exit.SUSPICIOUS if result.info.suspicious else Exit.OK


def _read(client: "Client", user: "User", source: "Source", **named: Any) -> "Snapshot":
    from malsync.errors import NotFound
    from malsync.mal.list_reader import read_snapshot

    try:
        return read_snapshot(client, user, source, **named)
    except NotFound as error:
        if source != "public":
            raise
        raise UsageError(
            f"MAL knows no user {user.name!r}.", "Check the name: it is in the address of their profile."
        ) from error


def _whose(app: App, public: str | None) -> "tuple[Client, User, str | None, int | None]":
    """The client, the MAL user whose lists these are, the account to bind to them, and how many anime MAL counts."""
    from malsync.mal.list_reader import ME
    from malsync.model.snapshot import User

    if public == ME:
        raise UsageError(f"{ME} is no MAL user's name.", "Your own lists: malsync backup")
    if public is not None:
        client = app.client(app.public_credentials())
        return client, User(client.origin, None, public), None, None
    client = app.client(app.credentials())
    user, counted = client.me_counted()
    return client, user, app.account_for(user), counted


def _file_pattern(app: App, pattern: str | None) -> Any:
    """What writes `--file`; a pattern that cannot be filled in is refused before anything is read."""
    if pattern is None:
        return None
    from malsync.files import make_folder
    from malsync.formats import latest_copy, snapshot_file

    try:
        blanks = {tuple(blank) for _, *blank in Formatter().parse(pattern) if blank[0] is not None}
    except ValueError:
        blanks = {(pattern,)}
    if not blanks <= {("user", "", None), ("date", "", None)}:
        raise UsageError(f"--file {pattern!r} cannot be filled in.", "It may hold {user} and {date}.")
    app.target(pattern)

    def write(snapshot: "Snapshot") -> Path:
        user, date = latest_copy.safe_name(snapshot.user.name), f"{snapshot.taken_at.astimezone():%Y-%m-%d}"
        path = app.target(pattern.format(user=user, date=date))
        if snapshot.suspicious and path.exists():
            # It may be what is left of a list, and what stands there already the last whole one.
            stem, dot, ending = path.name.partition(".")
            path = path.with_name(f"{stem}.suspicious{dot}{ending}")
        make_folder(path.parent)
        snapshot_file.write(path, snapshot)
        return path

    return write


def _one_before(infos: "list[SnapshotInfo]", info: "SnapshotInfo") -> "SnapshotInfo | None":
    before = [one for one in infos if one.series == info.series and one.number < info.number]
    return max(before, key=lambda one: one.number, default=None)


def _undone_by(app: App, mirror: "Mirror", before: "SnapshotInfo | None", info: "SnapshotInfo") -> str:
    """What is left of the changes of a suspicious backup, and what undoes them; empty where nothing changed."""
    if before is None or not info.suspicious or not any(info.changes.values()):
        return ""
    from malsync.browse.alarms import Alarms

    return _undoing(app, Alarms(mirror.ask), before, info)


def _report(app: App, result: "Backup", before: "SnapshotInfo | None", written: Path | None) -> None:
    from malsync.cli.render import counted, summary
    from malsync.text import visible

    info, say = result.info, app.output.say
    say(f"Snapshot {info.number} of {visible(info.user.name)}: {counted(info.counts)}", colour="green")
    if before is None:
        say("  first snapshot")
    else:
        since = f"since snapshot {before.number} ({ago(before.taken_at, app.now)})"
        changed = any(info.changes.values())
        say(f"  {summary(info.changes)} {since}" if changed else f"  nothing changed {since}")
    say(f"  in {app.mirror_path}, read back and verified")
    if written is not None:
        say(f"  and in {written}")


def _warn_of(app: App, info: "SnapshotInfo", undoing: str, account: str | None, public: str | None) -> None:
    """Say why the list looks suspicious, and what to type about it."""
    warn = app.output.warn
    warn("This looks suspicious. It is stored and marked; the last good list stays what `good` means.")
    for reason in info.suspicious:
        warn(f"  {reason}")
    if account is None:
        look, accept = f"malsync diff {public}@good {public}@latest", f"malsync backup --user {public} --accept"
    else:
        look, accept = command_line("diff good latest", account), command_line("backup --accept", account)
    warn(f"Look: {look}. If intended: {accept}")
    if undoing:
        warn(undoing)


def info_document(info: "SnapshotInfo", account: str | None) -> dict[str, Any]:
    """What `backup`, `import` and `snapshots` say of a snapshot in JSON."""
    from malsync.model.timestamps import timestamp

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


@click.command(
    cls=Command,
    examples=["malsync snapshots", "malsync --account second snapshots --json"],
)
@pass_app
def snapshots(app: App) -> None:
    """List the snapshots: number, time, counts, what changed since the one before, suspicious or not.

    Those of every MAL user in this home folder; with --account, of one.
    """
    from malsync.text import visible

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
    app.name_future(ahead)
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
    from malsync.text import visible

    alarms = Alarms(mirror.ask)
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
                yield f"  {one.number}: {_undoing(app, alarms, changed[one.number], one)}"


def _undoing(app: App, alarms: "Alarms", before: "SnapshotInfo", info: "SnapshotInfo") -> str:
    """What is left of the changes from `before` to `info`, and the command that undoes them where that is worth it."""
    standing, account = alarms.standing(before.number, info.number), app.accounts.account_of(info.user)
    told = f"{str(standing).capitalize()}."
    if account is None or not standing.is_worth_undoing:
        return told
    return f"{told} To undo only these changes: {command_line(f'revert {before.number} {info.number}', account)}"


def _remarks(info: "SnapshotInfo") -> list[str]:
    from malsync.text import visible

    suspicious = ["suspicious"] if info.suspicious else []
    source = [] if info.source == "backup" else [info.source]
    return suspicious + source + ([visible(info.note)] if info.note else [])


COMMANDS = (backup, snapshots)
