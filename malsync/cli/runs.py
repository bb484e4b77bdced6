"""resume, undo, runs: what becomes of a run after it was begun."""

from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.flags import PLANNING, WRITING, flags_of, options
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import RUN
from malsync.errors import UsageError
from malsync.model.timestamps import local_time

if TYPE_CHECKING:
    from malsync.mirror import Mirror, Run

_WHAT_A_RUN_IS = "A run is what restore, revert, migrate, apply and undo make."


@click.command(
    cls=Command,
    examples=["malsync resume", "malsync resume 3"],
)
@click.argument("run", required=False, type=RUN)
@options(WRITING)
@pass_app
def resume(app: App, run: int | None, **given: Any) -> int:
    """Finish an interrupted run: what was written is not written again. It was reviewed, so it does not ask."""
    from malsync.cli.job import Job
    from malsync.cli.running import go_on

    with Job(app, flags_of(given)) as job:
        found = _unfinished(app, job.mirror, run)
        job.sign_in_as(found)
        return go_on(job, found)


@click.command(
    cls=Command,
    examples=["malsync undo", "malsync undo 3 --dry-run"],
)
@click.argument("run", required=False, type=RUN)
@options(WRITING, PLANNING)
@pass_app
def undo(app: App, run: int | None, **given: Any) -> int:
    """Take back what a run wrote, the last one by default, and nothing else. It is a run itself, so it can be undone."""
    from malsync.cli.again import nothing_to_undo_by
    from malsync.cli.job import Job
    from malsync.cli.running import take_back

    with Job(app, flags_of(given)) as job:
        found = _named_run(app, job.mirror, run)
        if found.state in ("undone", "abandoned") and found.before is None:
            raise nothing_to_undo_by(found)
        job.sign_in_as(found)
        return take_back(job, found)


def _named_run(app: App, mirror: "Mirror", number: int | None) -> "Run":
    """The run of that number; without one, the newest of the account that is named, or of all."""
    if number is not None:
        try:
            return mirror.journal.run(number)
        except KeyError as error:
            raise UsageError(f"There is no run {number}.", "List them: malsync runs") from error
    runs = mirror.journal.runs(app.named_user(mirror))
    if not runs:
        raise UsageError("There is no run yet.", _WHAT_A_RUN_IS)
    return runs[-1]


def _unfinished(app: App, mirror: "Mirror", number: int | None) -> "Run":
    if number is not None:
        run = _named_run(app, mirror, number)
        if not run.is_open:
            raise UsageError(f"Run {number} is {run.state}: there is nothing to resume.", "List them: malsync runs")
        return run
    runs = [run for run in mirror.journal.runs(app.named_user(mirror)) if run.is_open]
    if len(runs) == 1:
        return runs[0]
    if not runs:
        raise UsageError("There is no unfinished run: nothing to resume.", "List them: malsync runs")
    raise UsageError(
        f"Several runs are unfinished: {', '.join(f'{run.number} ({run.account})' for run in runs)}.",
        "Name one: malsync resume RUN",
    )


@click.command(
    cls=Command,
    examples=["malsync runs", "malsync runs --json", "malsync runs --abandon 3"],
)
@click.option("--abandon", type=RUN, metavar="RUN", help="Give up an unfinished run; what it wrote stays.")
@pass_app
def runs(app: App, abandon: int | None) -> None:
    """List every restore, revert, migration, applied plan and undo: when, what came of it, and whether it ended."""
    from malsync.model.timestamps import maybe_timestamp, timestamp

    if abandon is not None:
        _abandon(app, abandon)
    with app.mirror() as mirror:
        found = [
            (run, mirror.journal.outcomes(run.number), mirror.journal.pending(run.number))
            for run in mirror.journal.runs(app.named_user(mirror))
        ]
    app.output.document(
        [
            {
                "run": run.number,
                "kind": run.kind,
                "state": run.state,
                "account": run.account,
                "user": run.user.name,
                "started_at": timestamp(run.started_at),
                "ended_at": maybe_timestamp(run.ended_at),
                "before": run.before,
                "after": run.after,
                "undoes": run.undoes,
                "outcomes": outcomes,
                "pending": pending,
            }
            for run, outcomes, pending in found
        ]
    )
    if not found:
        app.output.say(f"No run yet. {_WHAT_A_RUN_IS}")
        return
    app.output.table(
        ["#", "started", "what", "account", "done", "left", "pending", "state"],
        [
            (
                str(run.number),
                local_time(run.started_at),
                run.kind if run.undoes is None else f"undo of {run.undoes}",
                run.account,
                str(outcomes["done"] + outcomes["already"]),
                str(sum(outcomes[name] for name in ("skipped", "failed", "not_restorable")) or ""),
                str(pending or ""),
                run.state,
            )
            for run, outcomes, pending in found
        ],
        right=["#", "done", "left", "pending"],
        long="account",
    )


def _abandon(app: App, number: int) -> None:
    with app.at_work(None), app.mirror(write=True) as mirror:
        run = _named_run(app, mirror, number)
        if not run.is_open:
            raise UsageError(f"Run {number} is {run.state} already.", "List them: malsync runs")
        mirror.journal.ended(number, "abandoned", now=app.world.clock.now())
    app.output.note(f"Run {number} is given up. What it wrote stays; to take that back: malsync undo {number}")


COMMANDS = (resume, undo, runs)
