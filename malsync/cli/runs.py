"""The `runs` command."""

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import RUN
from malsync.errors import UsageError
from malsync.model.timestamps import local_time, maybe_timestamp, timestamp
from malsync.operations.resume import WHAT_A_RUN_IS, named_run


@click.command(
    cls=Command,
    examples=["malsync runs", "malsync runs --json", "malsync runs --abandon 3"],
)
@click.option("--abandon", type=RUN, metavar="RUN", help="Give up an unfinished run; what it wrote stays.")
@pass_app
def runs(app: App, abandon: int | None) -> None:
    """List every restore, revert, migration, applied plan and undo: when it began, its outcome, and whether it ended."""
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
        app.output.say(f"No run yet. {WHAT_A_RUN_IS}")
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
    with app.locked(None), app.mirror(write=True) as mirror:
        run = named_run(app, mirror, number)
        if not run.is_open:
            raise UsageError(f"Run {number} is {run.state} already.", "List them: malsync runs")
        mirror.journal.ended(number, "abandoned", now=app.world.clock.now())
    app.output.note(f"Run {number} was abandoned. What it wrote stays; to take that back: malsync undo {number}")
