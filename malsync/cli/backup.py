"""backup and snapshots."""

from contextlib import ExitStack
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App, dated_ahead, local_time
from malsync.cli.options import WAIT, Command, pass_app
from malsync.cli.suggest import FILE
from malsync.errors import Exit, MalsyncError, UsageError
from malsync.wording import ago, command

if TYPE_CHECKING:
    from malsync.api import Client
    from malsync.backup import Backup
    from malsync.mirror import Info, Mirror
    from malsync.snapshot import Snapshot, Source, User


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
@click.option("--note", default="", metavar="TEXT", help="A word to remember this snapshot by.")
@click.option("--accept", is_flag=True, help="What looks suspicious was meant.")
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
        failed = {"error": {"exit": int(error.exit), "message": error.message, "hint": error.hint}}
        run_hook(app, app.settings.on_failure, failed)
        raise
    app.output.document(document)
    run_hook(app, app.settings.on_failure if code else app.settings.on_success, document)
    return code


def _backup(
    app: App, public: str | None, file: str | None, note: str, *, accept: bool, wait: float
) -> tuple[dict[str, Any], int]:
    from malsync import backup as service
    from malsync.medium import ANIME

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
    try:
        written = file_for(result.snapshot) if file_for else None
    except UsageError as error:
        raise service.stored_all_the_same(result.info, error) from error
    for warning in result.warnings:
        app.output.warn(warning)
    _report(app, result, before, written, _what_next(account, public))
    document = {**info_document(result.info, account), "requests": dict(client.requests)}
    return document, Exit.SUSPICIOUS if result.info.suspicious else Exit.OK


def _read(client: "Client", user: "User", source: "Source", **named: Any) -> "Snapshot":
    from malsync.errors import NotFound
    from malsync.reading import read_snapshot

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
    from malsync.reading import ME
    from malsync.snapshot import User

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
    from malsync.interchange import shelf, snapshot_file

    try:
        blanks = {tuple(blank) for _, *blank in Formatter().parse(pattern) if blank[0] is not None}
    except ValueError:
        blanks = {(pattern,)}
    if not blanks <= {("user", "", None), ("date", "", None)}:
        raise UsageError(f"--file {pattern!r} cannot be filled in.", "It may hold {user} and {date}.")
    app.target(pattern)

    def write(snapshot: "Snapshot") -> Path:
        user, date = shelf.safe_name(snapshot.user.name), f"{snapshot.taken_at.astimezone():%Y-%m-%d}"
        path = app.target(pattern.format(user=user, date=date))
        if snapshot.suspicious and path.exists():
            # It may be what is left of a list, and what stands there already the last whole one.
            stem, dot, ending = path.name.partition(".")
            path = path.with_name(f"{stem}.suspicious{dot}{ending}")
        snapshot_file.write(path, snapshot)
        return path

    return write


def _one_before(infos: "list[Info]", info: "Info") -> "Info | None":
    before = [one for one in infos if one.series == info.series and one.number < info.number]
    return max(before, key=lambda one: one.number, default=None)


def _report(app: App, result: "Backup", before: "Info | None", written: Path | None, hint: str) -> None:
    from malsync.render import counted, summary, visible

    info, say = result.info, app.output.say
    say(f"Snapshot {info.number} of {visible(info.user.name)}: {counted(info.counts)}", colour="green")
    if before is None:
        say("  the first one")
    else:
        since = f"since snapshot {before.number} ({ago(before.taken_at, app.now)})"
        changed = any(info.changes.values())
        say(f"  {summary(info.changes)} {since}" if changed else f"  nothing changed {since}")
    say(f"  in {app.mirror_path}, read back and verified")
    if written is not None:
        say(f"  and in {written}")
    if info.suspicious:
        app.output.warn("This looks suspicious. It is stored and marked; the last good list stays what `good` means.")
        for reason in info.suspicious:
            app.output.warn(f"  {reason}")
        app.output.warn(hint)


def _what_next(account: str | None, public: str | None) -> str:
    """What to type about these very lists when they look suspicious."""
    if account is None:
        look, accept = f"malsync diff {public}@good {public}@latest", f"malsync backup --user {public} --accept"
    else:
        look, accept = command("diff good latest", account), command("backup --accept", account)
    return f"Look: {look}. If it was meant: {accept}"


def info_document(info: "Info", account: str | None) -> dict[str, Any]:
    """What `backup`, `import` and `snapshots` say of a snapshot in JSON."""
    from malsync.moments import timestamp

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
    from malsync.render import visible

    with app.mirror() as mirror:
        infos = mirror.infos(app.named_user(mirror))
    names = {info.user.key: app.accounts.account_of(info.user) for info in infos}
    app.output.document(
        [{**info_document(info, names[info.user.key]), "covers": info.covers, "note": info.note} for info in infos]
    )
    if not infos:
        app.output.say("No snapshot yet. Make one: malsync backup")
        return
    ahead = dated_ahead(infos, app.now)
    app.name_future(ahead)
    app.output.table(
        ["#", "taken", "user", "anime", "manga", "+", "~", "-", "remarks"],
        [
            (
                str(info.number),
                local_time(info.taken_at),
                visible(info.user.name),
                *("-" if found is None else str(found) for found in info.counts.values()),
                *(str(found or "") for found in info.changes.values()),
                "; ".join([*(["dated in the future"] if info in ahead else []), *_remarks(info)]),
            )
            for info in infos
        ],
        right=["#", "anime", "manga", "+", "~", "-"],
        long="remarks",
    )


def _remarks(info: "Info") -> list[str]:
    from malsync.render import visible

    suspicious = [f"suspicious ({visible(', '.join(info.suspicious))})"] if info.suspicious else []
    source = [] if info.source == "backup" else [info.source]
    return suspicious + source + ([visible(info.note)] if info.note else [])


COMMANDS = (backup, snapshots)
