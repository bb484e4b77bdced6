"""The backup: both lists read, judged beside the last good ones and stored whole."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from malsync.errors import NotFound, UsageError
from malsync.mal.list_reader import ME, read_snapshot
from malsync.model.medium import ANIME, MEDIA, Medium
from malsync.model.snapshot import AROUND_RUNS, BACKUPS, Snapshot, User
from malsync.planning.guards import doubt

if TYPE_CHECKING:
    from malsync.mal.client import Client
    from malsync.mirror import Mirror, SnapshotInfo
    from malsync.operations.account import Account
    from malsync.operations.home import Home


class Shelf(Protocol):
    """Where the newest list of each user stands as a file, for the day on which the mirror is lost."""

    def last(self, user: User) -> Snapshot | None: ...
    def put(self, snapshot: Snapshot) -> object: ...


@dataclass(frozen=True)
class BackupResult:
    """A backup that was stored: its row of the mirror, the lists, and what the user should know.

    `before` is the snapshot before it in the same series, None for the first one; `account` is None for a public list;
    `requests` counts what was sent, by HTTP method.
    """

    info: "SnapshotInfo"
    snapshot: Snapshot
    warnings: Sequence[str]
    before: "SnapshotInfo | None" = None
    account: str | None = None
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def suspicion(self) -> tuple[str, ...]:
        """Reasons why the lists look suspicious; empty for a good backup."""
        return self.info.suspicious


def back_up(
    home: "Home",
    account: "Account | None" = None,
    public: str | None = None,
    *,
    note: str = "",
    accept: bool = False,
    wait: float = 60.0,
) -> BackupResult:
    """Read both lists, check them, and store one snapshot: whole, or not at all.

    The lists are those of `account`; with `public` they are the public lists of the MAL user of that name. The mirror is
    opened while the first page is on its way. `accept` lists that look suspicious; `wait` up to so many seconds for another
    malsync. Raises AuthError, ApiError, MirrorError, UsageError and Busy.
    """
    with home.locked(wait), ExitStack() as stack:
        client, user, name, counted = _whose(home, account, public)
        accepted = 0 if name is None else home.accounts.uncounted(name)
        home.listener.note(f"Reading the lists of {user.name} from {client.origin} ...")
        opened: list[Mirror] = []
        with home.listener.reading() as progress:
            try:
                snapshot = read_snapshot(
                    client,
                    user,
                    "backup" if public is None else "public",
                    note=note,
                    counted=None if counted is None else counted - accepted,
                    clock=home.world.clock,
                    progress=progress,
                    meanwhile=lambda: opened.append(stack.enter_context(home.mirror(write=True, wait=wait))),
                )
            except NotFound as error:
                if public is None:
                    raise
                raise UsageError(
                    f"MAL has no user {user.name!r}.", "Check the name: it is in the address of their profile."
                ) from error
        (mirror,) = opened
        home.keep_clock_offset(snapshot)
        if name is not None:
            home.bind(name, user)
        result = store(mirror, home.latest_copies, snapshot, accept=accept)
        if name is not None and counted is not None:
            # What was accepted is not told again each night; what MAL counts by now needs no acceptance any more.
            missing = max(0, counted - len(snapshot.entries(ANIME)))
            home.bind(name, user, missing if accept else min(missing, accepted))
        before = _one_before(mirror.infos(user), result.info)
    return replace(result, before=before, account=name, requests=dict(client.requests))


def _whose(
    home: "Home", account: "Account | None", public: str | None
) -> "tuple[Client, User, str | None, int | None]":
    """The client, the MAL user whose lists these are, the account to bind to them, and how many anime MAL counts."""
    if public == ME:
        raise UsageError(f"{ME} is no MAL user's name.", advice="back up without a name")
    if public is not None:
        client = home.clients.mal(home.clients.public_credentials())
        return client, User(client.origin, None, public), None, None
    client = home.clients.mal(home.clients.credentials()) if account is None else account.client
    user, counted = client.me_counted()
    return client, user, home.account_for(user) if account is None else account.check(user), counted


def _one_before(infos: "list[SnapshotInfo]", info: "SnapshotInfo") -> "SnapshotInfo | None":
    before = [one for one in infos if one.series == info.series and one.number < info.number]
    return max(before, key=lambda one: one.number, default=None)


def store(mirror: "Mirror", shelf: Shelf, snapshot: Snapshot, *, accept: bool) -> BackupResult:
    """Store `snapshot` in one transaction, then beside the mirror. A suspicious one is stored and marked, unless accepted.

    It may have been found suspicious when it was read; here it is judged beside the last good one.
    """
    snapshot = with_encodings(mirror, snapshot)
    reasons = () if accept else (*snapshot.suspicious, *suspicion_reasons(mirror, shelf, snapshot))
    snapshot = replace(snapshot, suspicious=reasons)
    info = mirror.add(snapshot)
    try:
        shelf.put(snapshot)
    except UsageError as error:
        raise stored_but(info, error) from error
    private = [name for name in MEDIA if snapshot.lists.get(name) is None]
    return BackupResult(
        info, snapshot, [f"The {name} list of {snapshot.user.name} is private: left out." for name in private]
    )


def stored_but(info: "SnapshotInfo", error: UsageError) -> UsageError:
    """The error for a file beside the mirror that could not be written."""
    return UsageError(
        f"Snapshot {info.number} is stored in the mirror, but {error.message}",
        error.hint,
        advice=error.advice,
        **error.facts,
    )


def with_encodings(mirror: "Mirror", live: Snapshot) -> Snapshot:
    """`live`, which was read from MAL, with its texts judged by what malsync wrote into it and like the newest stored list."""
    live = mirror.journal.with_written_texts(live)
    if any(live.encoded.values()):
        stored = [info for info in mirror.infos(live.user) if info.source != "import"]
        newest = max(stored, key=lambda info: info.number, default=None)
        if newest and any(set(fields) - set(newest.encoded.get(name, ())) for name, fields in live.encoded.items()):
            return live.judged_like(mirror.load(newest.number))
    return live


def suspicion_reasons(mirror: "Mirror", shelf: Shelf, snapshot: Snapshot) -> list[str]:
    """Reasons why `snapshot` looks suspicious: each list is compared with the newest good one that covers every field.

    List by list, because the newest good snapshot may hold one alone: an import, or a public half. Where the mirror knows
    none, since it was lost, the file on the shelf is the measure.
    """
    load, infos = cache(mirror.load), mirror.infos(snapshot.user)
    reasons = []
    for medium in MEDIA.values():
        good = reference_for(medium, infos)
        if good is None:
            last = shelf.last(snapshot.user)
            reasons.append(None if last is None else doubt(medium, last, snapshot))
        elif good.digest != snapshot.digest:
            reasons.append(doubt(medium, load(good.number), snapshot))
    return [reason for reason in reasons if reason is not None]


def is_good(info: "SnapshotInfo") -> bool:
    """Whether the reference `good` may name this snapshot: a backup that is not suspicious.

    Imports are not: nobody read them from MAL. Nor are the lists around a run: those before it are what one wanted to be rid
    of, and those after it may be half restored.
    """
    return not info.suspicious and info.source in BACKUPS


def reference_for(medium: Medium, infos: "Sequence[SnapshotInfo]") -> "SnapshotInfo | None":
    """The snapshot that a new list of `medium` is compared with: the newest good one that covers every field.

    The newest is the one stored last, not the one with the latest time: a clock that was wrong once must not freeze it.
    Lists from files are taken only where nothing was ever read from MAL, and those around a run never: what it was to mend
    must not be the measure. `infos` are oldest first.
    """
    whole = [
        info
        for info in infos
        if not info.suspicious
        and info.source not in AROUND_RUNS
        and set(info.covers[medium.name] or ()) >= set(medium.names)
    ]
    read = [info for info in whole if info.source != "import"]
    if read:
        return max(read, key=lambda info: info.number)
    return whole[-1] if whole else None
