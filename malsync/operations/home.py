"""The home folder: its settings, mirror, lock and accounts, and the clients that its accounts sign in with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from malsync.errors import Busy, UsageError
from malsync.model.timestamps import local_time
from malsync.operations.environment import Environment, Listener, Silent
from malsync.text import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from datetime import datetime

    from malsync.formats.latest_copy import LatestCopy
    from malsync.formats.mal_xml.reader import ImportedList
    from malsync.mirror import Mirror, SnapshotInfo, VerifyReport, Version
    from malsync.model.diff import Change
    from malsync.model.medium import Medium
    from malsync.model.snapshot import Snapshot, User
    from malsync.operations.account import Account
    from malsync.operations.accounts import Accounts
    from malsync.operations.clients import Clients
    from malsync.operations.config import Settings
    from malsync.operations.imports import ImportResult
    from malsync.operations.references import ResolvedList, Sources
    from malsync.operations.retention import Policy, PruneResult

LOCK_NAME = "malsync.lock"
LATEST_FOLDER = "latest"


class Home:
    """A home folder. `named_account` is the account to work for; None: the default one.

    `path` is the folder; None: the one that the environment names, else the platform's own.
    """

    def __init__(
        self,
        path: str | None = None,
        named_account: str | None = None,
        environment: Environment | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.world = environment or Environment()
        self.listener = listener or Silent()
        self.named_account = named_account
        self._home = path
        self.facts: dict[str, dict[int, dict[str, Any]]] = {}
        """What the files that were read say of titles, by medium and id."""

    @classmethod
    def open(
        cls, path: str | Path | None = None, *, environment: Environment | None = None, listener: Listener | None = None
    ) -> Self:
        """The home folder at `path`; None: the one that MALSYNC_HOME names, else the platform's own. It need not exist."""
        return cls(None if path is None else str(path), None, environment, listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of every client that was made."""
        if "clients" in self.__dict__:  # else none was made, and the settings need not be read for this
            self.clients.close()

    def account(self, name: str | None = None) -> "Account":
        """An account of this home folder; None: the default one. It is signed in when it is first used."""
        from malsync.operations.account import Account

        return Account(self, name)

    @property
    def account_name(self) -> str:
        """The account that this was opened for, or the default one."""
        return self.named_account or DEFAULT_ACCOUNT

    @cached_property
    def folder(self) -> Path:
        """The home folder; it need not exist."""
        named = self._home or self.world.environment.get("MALSYNC_HOME")
        if named:
            from malsync.files import expand_home

            return expand_home(named)
        from platformdirs import user_data_path

        return user_data_path("malsync", appauthor=False)

    @cached_property
    def settings(self) -> "Settings":
        """The settings of the home folder and the environment."""
        from malsync.operations import config

        return config.load(self.folder, self.world.environment)

    @cached_property
    def accounts(self) -> "Accounts":
        """The accounts of the home folder."""
        from malsync.operations.accounts import Accounts

        return Accounts.of(self.folder)

    @cached_property
    def clients(self) -> "Clients":
        """The clients of MAL and AniList that this home folder's settings say."""
        from malsync.operations.clients import Clients

        return Clients(self.folder, self.settings, self.world, self.listener, self.account_name, self.named_account)

    @property
    def now(self) -> "datetime":
        """The time by MAL's clock, which snapshots are dated by, as far as it is known."""
        from malsync.operations import clock_offset

        return clock_offset.mal_now(self.folder / clock_offset.FILE_NAME, self.world.clock.now())

    def keep_clock_offset(self, live: "Snapshot") -> None:
        """Keep what a list that was read just now tells of MAL's clock, and say so where this machine's is wrong."""
        from malsync.operations import clock_offset
        from malsync.text import duration

        if ahead := clock_offset.keep(self.folder / clock_offset.FILE_NAME, self.world.clock.now(), live.taken_at):
            seconds = ahead.total_seconds()
            way = "behind" if seconds > 0 else "ahead of"
            self.listener.warn(
                f"This machine's clock is {duration(abs(seconds))} {way} MAL's. Snapshots have MAL's time. Set it."
            )

    @property
    def latest_copies(self) -> "LatestCopy":
        """Where the newest list of each user stands as a file."""
        from malsync.formats.latest_copy import LatestCopy

        return LatestCopy(self.folder / LATEST_FOLDER)

    # -- the mirror

    @property
    def mirror_path(self) -> Path:
        """Where the mirror is."""
        from malsync.mirror import FILE_NAME

        return self.settings.home / FILE_NAME

    def require_mirror(self, what: str) -> Path:
        """The path of the existing mirror. Raises UsageError ("There is nothing to {what}") if there is none."""
        path = self.mirror_path
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            raise UsageError(f"There is nothing to {what}: no mirror at {path}.", advice="back up")
        return path

    def mirror(self, *, write: bool = False, wait: float = 5.0) -> "Mirror":
        """Open the mirror. A missing one is read as empty, and created for writing. `wait` is in seconds."""
        from malsync.mirror import Mirror

        return Mirror.open(self.mirror_path, write=write, wait=wait)

    @contextmanager
    def locked(self, wait: float | None, name: str = LOCK_NAME) -> Iterator[None]:
        """The right to write in this home folder. Raises Busy when another malsync has it for longer than `wait` seconds.

        None is for commands that do not wait: somebody is there to type them again. `name` is of another right than writing.
        """
        from filelock import FileLock, Timeout

        home = self.settings.home
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(home / name, timeout=0, mode=0o600)
            self._acquire(lock, wait or 0)
        except Timeout as error:
            raise Busy(
                f"Another malsync is at work in {home}.",
                advice="repeat later" if wait is None else "wait longer",
            ) from error
        except OSError as error:
            raise UsageError(
                f"The home folder {home} cannot be used: {error.strerror or error}.", advice="choose another home"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _acquire(self, lock: Any, wait: float) -> None:
        from filelock import Timeout

        try:
            lock.acquire()
        except Timeout:
            if wait <= 0:
                raise
            self.listener.note(f"Another malsync is at work; waiting up to {wait:g} s.")
            lock.acquire(timeout=wait)

    # -- what needs no account

    def diff(self, a: str, b: str) -> "list[Change]":
        """The changes from one list to another, each named by a reference: by medium and id.

        Raises UsageError for a reference that names no list, and what reading a live list raises.
        """
        from malsync.model.diff import diff

        with self.mirror() as mirror:
            return list(diff(self.resolve(a, mirror).snapshot, self.resolve(b, mirror).snapshot))

    def snapshot(self, reference: str) -> "Snapshot":
        """The list that `reference` names: `good`, `latest~1`, `12`, `2026-11`, `live`, `./list.json`. Raises UsageError."""
        with self.mirror() as mirror:
            return self.resolve(reference, mirror).snapshot

    def snapshots(self) -> "list[SnapshotInfo]":
        """Every stored snapshot, oldest first: number, time, counts, what changed, and why it looks suspicious."""
        with self.mirror() as mirror:
            return mirror.infos()

    def history(self, medium: "Medium", id: int, who: str | None = None) -> "list[Version]":
        """The versions of one entry through every snapshot of a MAL user, oldest first.

        `who` is an account or a user's name; None: the account that this was opened for.
        """
        with self.mirror() as mirror:
            return mirror.histories(self.user_of(who, mirror), medium, [id])[id]

    def verify(self) -> "VerifyReport":
        """Rebuild every snapshot, compare it with its digest, and check the database. Raises UsageError for no mirror."""
        self.require_mirror("verify")
        with self.mirror() as mirror:
            return mirror.verify()

    def prune(self, policy: "Policy", *, dry_run: bool = False, wait: float = 60.0) -> "PruneResult":
        """Remove the snapshots that `policy` does not keep, and give the space back. With `dry_run` nothing is removed."""
        from malsync.operations.retention import prune

        return prune(self, policy, dry_run=dry_run, wait=wait)

    def import_files(self, *paths: str | Path, repair: bool = False, wait: float = 60.0) -> "ImportResult":
        """Store files as one snapshot: malsync's own, or MAL's XML exports. Raises UsageError and Busy."""
        from malsync.operations.imports import import_files

        return import_files(self, [str(path) for path in paths], repair=repair, wait=wait)

    def import_from_anilist(self, user: str, *, wait: float = 60.0) -> "ImportResult":
        """Store the public lists of a user of AniList as one snapshot. Raises UsageError, PrivateList and ApiError."""
        from malsync.operations.imports import import_from_anilist

        return import_from_anilist(self, user, wait=wait)

    def export(self, reference: str, path: str | Path) -> None:
        """Write the list that `reference` names to a file, as malsync's own JSON; gzipped where the name ends in .gz."""
        from malsync.formats import snapshot_file

        snapshot_file.write(Path(path), self.snapshot(reference))

    # -- who

    def account_for(self, user: "User") -> str:
        """The account that a token of `user` belongs to. Raises AuthError when that is another user's."""
        from malsync.operations.accounts import check

        account = self.named_account
        if account is None and self.settings.access_token:
            account = self.accounts.account_of(user)
        account = account or self.account_name
        check(account, self.accounts.user(account), user)
        return account

    def bind(self, account: str, user: "User", uncounted: int | None = None) -> None:
        """Bind `account` to `user`, whose token proved to be theirs. Raises AuthError when it is bound to another.

        `uncounted` is by how many anime the list may be shorter than MAL counts from now on; None leaves that as it is.
        """
        from malsync.mal.token_store import store_of

        with store_of(self.folder, self.settings.token_store).locked():
            self.accounts.bind(account, user, uncounted)

    # -- which list

    def resolve(self, reference: str, mirror: "Mirror") -> "ResolvedList":
        """Return the list that `reference` names, and tell the listener which snapshot that is."""
        from malsync.operations.references import resolve

        chosen = resolve(reference, self._sources(mirror))
        if chosen.number is not None and reference != str(chosen.number):
            self.listener.note(f"{reference} is snapshot {chosen.number}, of {local_time(chosen.snapshot.taken_at)}.")
        return chosen

    def user_of(self, who: str | None, mirror: "Mirror") -> "User":
        """Return the MAL user of an account or of that name; None: of the account that this was opened for.

        Raises UsageError when there is no such account and no such user in the mirror.
        """
        # A list that names nobody is found by its number alone.
        bound, users = self.accounts.all(), [user for user in mirror.users() if user.id is not None or user.name]
        if who is None and self.named_account is None and self.settings.access_token and len(bound) > 1:
            # The token says whose lists are meant, and with several accounts only MAL knows whose token it is.
            return self._token_user
        if who is None and self.account_name in bound:
            return bound[self.account_name]
        if who is None and self.named_account is None:
            candidates = list({user.key: user for user in (*bound.values(), *users)}.values())
            if len(candidates) == 1:
                return candidates[0]
            if candidates:
                raise UsageError(
                    "Whose list? This home folder holds several.",
                    advice="say whose list",
                    names=_names(bound, users),
                )
            if mirror.numbers():
                raise UsageError(
                    "There is no snapshot of a MAL user yet, only lists that are nobody's there.",
                    advice="name a number",
                )
            raise UsageError("There is no snapshot yet.", advice="back up")
        name = who or self.account_name
        if name in bound:
            return bound[name]
        named = [user for user in users if user.name.lower() == name.lower()]
        if named:
            return min(named, key=lambda user: (user.origin != self._origin, user.id is None))
        raise UsageError(
            f"There is no account and no MAL user {name!r} here.", f"Known: {_names(bound, users) or 'nobody yet'}"
        )

    def named_user(self, mirror: "Mirror") -> "User | None":
        """The MAL user whom --account names; None where it says nothing, and everybody is meant."""
        return self.user_of(None, mirror) if self.named_account else None

    @cached_property
    def _token_user(self) -> "User":
        return self.clients.mal(self.clients.credentials()).me()

    @property
    def _origin(self) -> str:
        from malsync.urls import origin_of

        return origin_of(self.settings.api_url)

    def read_file(self, text: str, *, repair: bool = False) -> "ImportedList":
        """Read the list in a file of any known format, and tell the listener its remarks."""
        from malsync.files import expand_home
        from malsync.formats import list_file

        reading = list_file.read(expand_home(text), origin=self._origin, repair=repair)
        for remark in reading.remarks:
            self.listener.warn(remark)
        for name, facts in reading.facts.items():
            self.facts.setdefault(name, {}).update(facts)
        return reading

    def _sources(self, mirror: "Mirror") -> "Sources":
        from malsync.operations.references import Sources

        return Sources(
            mirror=mirror,
            whose=lambda who: self.user_of(who, mirror),
            live=lambda who: self._live(who, mirror),
            file=lambda text: self.read_file(text).snapshot,
            now=lambda: self.now,
            skipped=self.warn_of_future,
        )

    def warn_of_future(self, infos: "Sequence[SnapshotInfo]") -> None:
        """Name those of `infos` that are dated in the future, on stderr."""
        from malsync.operations.references import dated_ahead, listed

        if found := dated_ahead(infos, self.now):
            self.listener.warn(
                f"Dated in the future, so skipped: {listed(found)}. A clock was wrong when this was stored."
            )

    def _live(self, who: str | None, mirror: "Mirror") -> "Snapshot":
        from malsync.mal.list_reader import read_snapshot
        from malsync.operations.backup import with_encodings

        account = self._account_of_live(who, mirror)
        public = who is not None and account is None
        client = self.clients.mal(self.clients.public_credentials() if public else self.clients.credentials(account))
        if public:
            user = self.user_of(who, mirror)
        else:
            user = client.me()
            self._check_live(account, user)
        with self.listener.reading() as progress:
            live = read_snapshot(client, user, "public" if public else "backup", self.world.clock, progress)
        return with_encodings(mirror, live)

    def _account_of_live(self, who: str | None, mirror: "Mirror") -> str | None:
        if who is None or who in self.accounts.all():
            return who
        return self.accounts.account_of(self.user_of(who, mirror))

    def _check_live(self, account: str | None, user: "User") -> None:
        from malsync.operations.accounts import check

        if account is None:
            self.account_for(user)
        else:
            check(account, self.accounts.user(account), user)


def _names(bound: "dict[str, User]", users: "list[User]") -> str:
    return ", ".join(dict.fromkeys([*bound, *(user.name for user in users)]))
