"""Rehearsing a run: the same plan, carried out by the same code, on a sandbox that holds a copy of the live lists."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from malsync.errors import Interrupted, UsageError
from malsync.model.medium import MEDIA

if TYPE_CHECKING:
    from malsync.model.snapshot import Snapshot
    from malsync.operations.restore import PreparedRun
    from malsync.operations.run import Progress, Result
    from malsync.planning.restore_plan import PlannedWrite


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsed run came to, and how many requests the sandbox was sent, by method."""

    result: "Result"
    requests: Mapping[str, int]


def rehearse(prepared: "PreparedRun", on_write: "Progress | None" = None) -> Rehearsal:
    """Carry the plan out on a sandbox, with a mirror that is thrown away. MAL is not asked for anything.

    Raises UsageError where the live lists are such that the sandbox cannot hold them.
    """
    from malsync.formats.latest_copy import LatestCopy
    from malsync.mal.client import Client
    from malsync.mal.credentials import FixedToken
    from malsync.mal.list_reader import read_snapshot
    from malsync.mirror import FILE_NAME, Mirror
    from malsync.operations.run import RunContext, begin, carry_out, ignore_progress
    from malsync.sandbox import Sandbox
    from malsync.throttle import Throttle

    home = prepared.account.home
    clock = home.world.clock
    with (
        tempfile.TemporaryDirectory(prefix="malsync-rehearsal-") as folder,
        Sandbox(_world(prepared), control=False) as box,
        Mirror.open(Path(folder) / FILE_NAME, write=True) as mirror,
    ):
        client = Client(
            box.api_url,
            FixedToken(box.access_token, "the sandbox's token"),
            user_agent=home.settings.user_agent,
            throttle=Throttle(0, clock),
            clock=clock,
            jitter=home.world.jitter,
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
            on_write or ignore_progress,
            force=prepared.request.force,
            max_deletes=prepared.plan.deletes,  # the guards have been asked already
        )
        start = read()
        plan = replace(prepared.plan, calls=tuple(_expecting(call, start) for call in prepared.plan.calls))
        # The mirror that is thrown away does not know the run that an undo takes back.
        kind = "revert" if prepared.request.kind == "undo" else prepared.request.kind
        try:
            run, live = begin(around, plan, start, account=prepared.account.name, kind=kind, head=prepared.head())
            result = carry_out(around, run, live, prepared.planner)
        except Interrupted as stop:
            raise KeyboardInterrupt from stop  # there is no run to resume
        return Rehearsal(replace(result, plan=prepared.plan), dict(client.requests))


def _expecting(call: "PlannedWrite", copied: "Snapshot") -> "PlannedWrite":
    """`call`, expecting its entry as the copy shows it: which blank members are left out is each server's own way."""
    here = copied.plain.list_status(call.medium, call.id)
    return call if here is None else replace(call, expect=here)


def _world(prepared: "PreparedRun") -> Any:
    """A sandbox world with these live lists, which knows every title that the plan adds."""
    from malsync.sandbox import World
    from malsync.sandbox.errors import SandboxError

    lists = {
        name: [
            {"node": {"id": entry.id, "title": entry.title}, "list_status": entry.list_status}
            for entry in prepared.live.plain.entries(medium).values()
        ]
        for name, medium in MEDIA.items()
    }
    try:
        world = World.holding(prepared.live.user.name, lists)
    except SandboxError as error:
        raise UsageError(f"These lists cannot be rehearsed: {error}.", advice="look at the plan") from error
    # This machine's loopback is everyone's, and comments are private: without the token nobody sees them.
    world.first.private = frozenset(MEDIA)
    for call in prepared.plan.calls:
        if world.catalogue.get(call.medium.name, call.id) is None:
            world.catalogue.put(call.medium.name, {"id": call.id, "title": call.title})
    for (name, id), totals in prepared.known.totals.items():
        if (title := world.catalogue.get(name, id)) is not None:
            members = {MEDIA[name].totals[field]: total for field, total in totals.items()}
            world.catalogue.put(name, {**title, **members})
    return world
