"""A run before it begins: the plan beside the live lists, what speaks against it, and then its rehearsal or execution.

Everything here reads. Only `PreparedRun.execute` sends a write.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from malsync.errors import AuthError, Refused, TitlesDiffer, UsageError
from malsync.model.entry import Entry
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot, same_person
from malsync.operations.account import Account
from malsync.operations.references import ResolvedList, is_path, list_document, parse
from malsync.planning.guards import guard_deletes, guard_titles, guard_wanted
from malsync.planning.known_titles import Known, Titles, selected_entries
from malsync.planning.preconditions import foreseen, remaining, rounded, to_send
from malsync.planning.request import WriteRequest, left_document
from malsync.planning.restore_plan import Plan, PlannedWrite, Unwritten, unwritten

if TYPE_CHECKING:
    from malsync.formats.plan_file import PlanFile
    from malsync.mirror import JournalEntry, Mirror, Run
    from malsync.operations.rehearse import Rehearsal
    from malsync.operations.run import Progress, Result

Planner = Callable[[Snapshot], Plan]
"""Plans what is still to be done beside a newer reading of the live lists."""


@dataclass(frozen=True)
class PreparedRun:
    """A plan beside the live lists that it was made from. Nothing has been sent.

    `lists` describes the lists that were chosen, by role. `titles` compares titles of files and imports with MAL's, and
    `unwritten` says what no plan writes of a chosen list, both by its reference. `refusals` are the guards that `execute`
    would raise.
    """

    account: Account
    request: WriteRequest
    plan: Plan
    live: Snapshot
    planner: Planner
    lists: Mapping[str, Any]
    known: Known
    titles: Mapping[str, Titles] = field(default_factory=dict)
    unwritten: Mapping[str, Unwritten] = field(default_factory=dict)
    refusals: tuple[Refused, ...] = ()
    resumes: "Run | None" = None
    """The unfinished run that this goes on with, of which `open_calls` may still go out."""
    open_calls: tuple[PlannedWrite, ...] = ()
    entries: "tuple[JournalEntry, ...]" = ()
    """The journal of the run that this resumes."""
    undoes: "Run | None" = None
    undone: "tuple[JournalEntry, ...]" = ()
    """The journal of the run that this undoes, as it was when this was planned."""

    @property
    def undoes_number(self) -> int | None:
        """The number of the run that this undoes, if any."""
        return None if self.undoes is None else self.undoes.number

    def head(self) -> dict[str, Any]:
        """What the journal keeps of this, so that another process can resume it."""
        return {
            "intent": self.request.document(),
            "lists": dict(self.lists),
            "live": list_document("live", None, self.live),
            "left": [left_document(left) for left in self.plan.left],
        }

    def foreseen(self) -> "PreparedRun":
        """This with only those writes of its plan that would go out beside the live lists as they are."""
        sent, skipped = foreseen(self.plan.calls, self.live, force=self.request.force)
        return replace(self, plan=Plan(tuple(sent), (*skipped, *self.plan.left)))

    def refuse_unfinished(self) -> None:
        """Raise Refused where the user has an unfinished run other than the one that this undoes."""
        with self.account.home.locked(None), self.account.home.mirror() as mirror:
            mirror.journal.refuse_unfinished(self.account.user, self.undoes_number)

    def write_plan(self, path: Path) -> None:
        """Write the plan to a file for `prepare_apply`. Raises Refused where its titles are another site's.

        The file has MAL's titles, so nothing in it would show that its ids are wrong.
        """
        from malsync.formats import plan_file

        for refusal in self.refusals:
            if isinstance(refusal, TitlesDiffer):
                raise refusal
        roles = {role: _without_reading_time(described) for role, described in self.lists.items()}
        wanted = roles.pop("wanted", None) or roles
        live = _without_reading_time(list_document("live", None, self.live))
        account = self.account
        plan_file.write(
            path, plan_file.PlanFile(account.name, account.user, self.request.name, wanted, live, self.plan)
        )

    def rehearse(self, on_write: "Progress | None" = None) -> "Rehearsal":
        """Carry the plan out on a sandbox that holds a copy of the live lists. MAL is not asked for anything."""
        from malsync.operations.rehearse import rehearse

        return rehearse(self, on_write)

    def execute(
        self,
        on_write: "Progress | None" = None,
        uninterruptible: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> "Result":
        """Send the writes, journalled; then read both lists again, store and compare them.

        `on_write(entry, number)` is called after each write, and `uninterruptible` entered around each. Raises the first
        of `refusals`; Refused where the user has an unfinished run; Interrupted, ApiError or AuthError where the run could
        not be ended: then it can be resumed.
        """
        from malsync.operations.run import execute

        return execute(self, on_write, uninterruptible)


def prepare_restore(account: Account, request: WriteRequest, reference: str) -> PreparedRun:
    """Plan to restore, or to migrate, the list that `reference` names."""
    with account.home.mirror() as mirror:
        wanted = account.home.resolve(reference, mirror)
        if request.kind == "restore":
            account.refuse_others([wanted])
        return _prepare(account, mirror, request, {"wanted": wanted})


def prepare_revert(account: Account, request: WriteRequest, good: str, bad: str) -> PreparedRun:
    """Plan to take back what changed from `good` to `bad`."""
    with account.home.mirror() as mirror:
        lists = {"good": account.home.resolve(good, mirror), "bad": account.home.resolve(bad, mirror)}
        account.refuse_others(lists.values())
        return _prepare(account, mirror, request, lists)


def prepare_apply(account: Account, request: WriteRequest, file: "PlanFile", name: str) -> PreparedRun:
    """Plan to carry out `file`, which an error calls `name`. What would be skipped is found by `PreparedRun.foreseen`.

    Raises AuthError where the plan is for another MAL user's lists.
    """
    if account.user.key != file.user.key:
        raise AuthError(
            f"{name} is a plan for the lists of {file.user.name} ({file.user.origin}), and you are signed in as "
            f"{account.user.name} ({account.user.origin}). Nothing was sent.",
            advice="name the account",
        )
    with account.home.mirror() as mirror:
        live = account.live(mirror)
        known = account.known(mirror, live, {call.key for call in file.plan.calls})
        planned_for = find_again(account, mirror, file.wanted)
    entries = [(call.medium, Entry(call.id, call.title, {})) for call in file.plan.calls]
    titles = {name: known.compare(entries)}
    # What is left of a field that is written all the same is what MAL will store, and a call may have been edited since.
    written = {(call.key, field) for call in file.plan.calls for field in call.fields}
    left = [one for one in file.plan.left if not one.fields or not written >= {(one.key, name) for name in one.fields}]
    plan = known.applied(Plan(tuple(rounded(file.plan.calls, request)), tuple(left)))
    prepared = PreparedRun(
        account,
        request,
        plan,
        live,
        remaining_planner(plan),
        {"wanted": file.wanted, "planned beside": file.live},
        known,
    )
    prepared = replace(prepared, titles=titles)

    def guard_list() -> None:
        if planned_for is None:
            return
        guard_wanted(
            planned_for,
            live,
            "exact" if file.mode == "exact" else "merge",
            media=sorted({call.medium.name for call in file.plan.calls}),
            name=str(file.wanted.get("reference")),
            migrating=not same_person(planned_for.user, account.user),
            force=request.force,
        )

    return _guarded(prepared, guard_list, lambda: _guard_titles(prepared, {}))


def remaining_planner(plan: Plan) -> Planner:
    """A planner that knows the writes of `plan` alone: those that the lists do not show yet."""
    return lambda now: replace(remaining(plan.calls, now), left=plan.left)


def find_again(account: Account, mirror: "Mirror", described: Mapping[str, Any]) -> Snapshot | None:
    """The list that the journal or a plan file describes; None where it is gone or changed since."""
    number, reference = described.get("snapshot"), str(described.get("reference"))
    try:
        if isinstance(number, int):
            again = mirror.load(number)
        elif is_path(reference):
            again = account.home.resolve(reference, mirror).snapshot
        else:
            return None
    except (KeyError, UsageError):
        return None
    return again if again.digest == described.get("digest") else None


def with_guards(prepared: PreparedRun) -> PreparedRun:
    """`prepared` with what the guards say that look at its plan alone."""
    return _guarded(prepared)


def _prepare(
    account: Account, mirror: "Mirror", request: WriteRequest, chosen: Mapping[str, ResolvedList]
) -> PreparedRun:
    for resolved in chosen.values():
        _refuse_idle_filters(request, resolved.snapshot)
    _ = account.user  # signed in before both lists are read
    live = account.live(mirror)
    lists = {role: resolved.snapshot for role, resolved in chosen.items()}
    for snapshot in lists.values():
        live = live.judged_like(snapshot)
    _refuse_unknown_ids(request, [*lists.values(), live])
    known = account.known(mirror, live, {key for snapshot in lists.values() for key in snapshot.keys})

    def planner(now: Snapshot) -> Plan:
        return known.applied(request.plan(lists, now))

    prepared = PreparedRun(
        account,
        request,
        planner(live),
        live,
        planner,
        {role: resolved.document for role, resolved in chosen.items()},
        known,
        titles={
            resolved.reference: known.compare(selected_entries(resolved.snapshot, live, request.filters))
            for resolved in chosen.values()
            if is_path(resolved.reference) or resolved.snapshot.source == "import"
        },
        unwritten={resolved.reference: unwritten(resolved.snapshot, request.filters) for resolved in chosen.values()},
    )
    marks = {resolved.reference: resolved.snapshot.suspicious for resolved in chosen.values()}
    return _guarded(prepared, lambda: _guard_wanted(prepared, chosen), lambda: _guard_titles(prepared, marks))


def _guarded(prepared: PreparedRun, *guards: Callable[[], None]) -> PreparedRun:
    """`prepared` with what its guards refuse."""
    request = prepared.request

    def guard_the_deletes() -> None:
        sent = to_send(prepared.plan.calls, prepared.live, force=request.force)
        guard_deletes(sent, prepared.live, request.max_deletes)

    refusals: list[Refused] = []
    for guard in (*guards, guard_the_deletes):
        try:
            guard()
        except Refused as refusal:
            refusals.append(refusal)
    return replace(prepared, refusals=tuple(refusals))


def _guard_wanted(prepared: PreparedRun, chosen: Mapping[str, ResolvedList]) -> None:
    request, wanted = prepared.request, chosen.get("wanted")
    if wanted is not None:
        guard_wanted(
            wanted.snapshot,
            prepared.live,
            request.mode,
            media=[name for name in MEDIA if request.filters.only in (None, name)],
            name=wanted.reference,
            migrating=request.kind == "migrate",
            force=request.force,
        )


def _guard_titles(prepared: PreparedRun, marks: Mapping[str, tuple[str, ...]]) -> None:
    for name, titles in prepared.titles.items():
        guard_titles(name, titles, marked=marks.get(name, ()), force=prepared.request.force)


def _refuse_idle_filters(request: WriteRequest, wanted: Snapshot) -> None:
    """Raise UsageError for a filter that nothing in a chosen list can pass: an empty plan would look like equal lists."""
    filters = request.filters
    if filters.only is not None and wanted.lists.get(filters.only) is None:
        raise UsageError(f"That list holds no {filters.only}.", advice="leave out the medium")
    covered = [names for name, names in wanted.covers.items() if filters.only in (None, name) and names is not None]
    if idle := filters.fields.difference(*covered):
        raise UsageError(f"That list says nothing of {min(idle)}.", advice="leave out the field", field=min(idle))


def _refuse_unknown_ids(request: WriteRequest, lists: list[Snapshot]) -> None:
    for name, id in sorted(request.filters.ids):
        if not any(id in snapshot.entries(MEDIA[name]) for snapshot in lists):
            raise UsageError(
                f"{name} {id} is on none of these lists.", "The id is in the title's address on MAL: anime:5114"
            )


def _without_reading_time(described: Mapping[str, Any]) -> dict[str, Any]:
    """`described` without the time at which a live list was read: the same lists give the same file, byte for byte."""
    is_live = parse(described["reference"]).is_live
    return {name: item for name, item in described.items() if name != "taken_at" or not is_live}
