"""--rehearse: the same plan, carried out by the same code, on a sandbox that holds a copy of the live lists."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from malsync.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from malsync.cli.job import Job, Task
    from malsync.model.snapshot import Snapshot
    from malsync.operations.run import Result
    from malsync.planning.restore_plan import PlannedWrite


@dataclass(frozen=True)
class Rehearsed:
    """What came of it, and what the sandbox was asked for by method."""

    result: "Result"
    requests: Mapping[str, int]


def rehearse(job: "Job", task: "Task") -> Rehearsed:
    """Carry `task` out on a sandbox, with a mirror that is thrown away. MAL is not asked for anything.

    Raises UsageError where the live lists are such that the sandbox cannot hold them.
    """
    from malsync.cli.telling import progress
    from malsync.formats.latest_copy import LatestCopy
    from malsync.mal.client import Client
    from malsync.mal.credentials import FixedToken
    from malsync.mal.list_reader import read_snapshot
    from malsync.mirror import FILE_NAME, Mirror
    from malsync.operations.run import RunContext, begin, carry_out
    from malsync.sandbox import Sandbox
    from malsync.throttle import Pace

    clock = job.app.world.clock
    with (
        tempfile.TemporaryDirectory(prefix="malsync-rehearsal-") as folder,
        Sandbox(_world(task), control=False) as box,
        Mirror.open(Path(folder) / FILE_NAME, write=True) as mirror,
        progress(job, len(task.plan.calls)) as told,
    ):
        client = Client(
            box.api_url,
            FixedToken(box.access_token, "the sandbox's token"),
            user_agent=job.app.settings.user_agent,
            pace=Pace(0, clock),
            clock=clock,
            jitter=job.app.world.jitter,
        )
        user = client.me()

        def read() -> "Snapshot":
            return read_snapshot(client, user, "backup", clock)

        around = RunContext(
            client,
            mirror,
            LatestCopy(Path(folder) / "latest"),
            clock,
            read,
            told,
            force=task.intent.force,
            max_deletes=task.plan.deletes,  # what is too much was said before
        )
        start = read()
        plan = replace(task.plan, calls=tuple(_expecting(call, start) for call in task.plan.calls))
        # The mirror that is thrown away does not know the run that an undo takes back.
        kind = "revert" if task.intent.kind == "undo" else task.intent.kind
        try:
            run, live = begin(around, plan, start, account=job.account, kind=kind, head=task.head())
            result = carry_out(around, run, live, task.planner)
        except Interrupted as stop:
            raise KeyboardInterrupt from stop  # there is no run to go on with
        return Rehearsed(result, dict(client.requests))


def _expecting(call: "PlannedWrite", copied: "Snapshot") -> "PlannedWrite":
    """`call`, expecting its entry as the copy shows it: which blank members are left out is each server's own way."""
    here = copied.plain.list_status(call.medium, call.id)
    return call if here is None else replace(call, expect=here)


def _world(task: "Task") -> Any:
    """A far side with these live lists, that knows every title which the plan adds."""
    from malsync.model.medium import MEDIA
    from malsync.sandbox import World
    from malsync.sandbox.errors import SandboxError

    lists = {
        name: [
            {"node": {"id": entry.id, "title": entry.title}, "list_status": entry.list_status}
            for entry in task.live.plain.entries(medium).values()
        ]
        for name, medium in MEDIA.items()
    }
    try:
        world = World.holding(task.live.user.name, lists)
    except SandboxError as error:
        raise UsageError(
            f"These lists cannot be rehearsed: {error}.", "Look at the plan with --dry-run instead."
        ) from error
    # This machine's loopback is everyone's, and comments are private: without the token nobody sees them.
    world.first.private = frozenset(MEDIA)
    for call in task.plan.calls:
        if world.catalogue.get(call.medium.name, call.id) is None:
            world.catalogue.put(call.medium.name, {"id": call.id, "title": call.title})
    for (name, id), totals in task.known.totals.items():
        if (title := world.catalogue.get(name, id)) is not None:
            members = {MEDIA[name].totals[field]: total for field, total in totals.items()}
            world.catalogue.put(name, {**title, **members})
    return world
