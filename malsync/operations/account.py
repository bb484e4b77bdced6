"""An account of the home folder: its client, the MAL user whose lists it writes, and what can be done with them."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from malsync.errors import AuthError
from malsync.model.entry import Key
from malsync.model.snapshot import Snapshot, User, same_person
from malsync.planning.known_titles import Known, by_key, known_with
from malsync.planning.request import WriteFlags, WriteRequest
from malsync.planning.restore_plan import EVERYTHING, Filters, Mode, Prefer
from malsync.planning.revert_plan import ALWAYS, Window

if TYPE_CHECKING:
    from malsync.clock import Clock
    from malsync.mal.client import Client
    from malsync.mirror import Mirror, Run
    from malsync.operations.backup import BackupResult
    from malsync.operations.home import Home
    from malsync.operations.references import ResolvedList
    from malsync.operations.restore import PreparedRun


class Account:
    """An account of `home`; `name` is None for the one that the home folder was opened for.

    It is signed in when its client or its user is first needed. `clock` is used for the client's waits.
    """

    def __init__(self, home: "Home", name: str | None = None, clock: "Clock | None" = None) -> None:
        self.home = home
        self._asked_for = name
        self._clock = clock

    @cached_property
    def client(self) -> "Client":
        """The client, signed in as this account. Raises AuthError where there are no tokens."""
        return self.home.clients.mal(self.home.clients.credentials(self._asked_for), self._clock)

    @cached_property
    def user(self) -> User:
        """The MAL user that the tokens belong to. Raises AuthError where the account is bound to another one."""
        return self._signed_in[1]

    @cached_property
    def name(self) -> str:
        """The local name of the account. Raises AuthError where the account is bound to another user than its tokens."""
        return self._signed_in[0]

    @cached_property
    def _signed_in(self) -> tuple[str, User]:
        user = self.client.me()
        return self.check(user), user

    def check(self, user: User) -> str:
        """The local name of the account, whose tokens proved to be those of `user`. Raises AuthError if it is another's."""
        from malsync.mal.credentials import FixedToken
        from malsync.operations.accounts import check

        name = self._asked_for
        if name is None:
            return self.home.account_for(user)
        bound = self.home.accounts.user(name)
        check(name, bound, user)
        is_fixed = isinstance(self.home.clients.credentials(name), FixedToken)
        if bound is None and is_fixed and self.home.account_for(user) != name:
            raise AuthError(
                f"The account {name!r} is not signed in. Nothing was sent.",
                advice="sign in to the account",
                account=name,
            )
        return name

    # -- reading

    def read(self) -> Snapshot:
        """Read both lists from MAL."""
        from malsync.mal.list_reader import read_snapshot

        with self.home.listener.reading() as progress:
            return read_snapshot(self.client, self.user, "backup", self.home.world.clock, progress)

    def live(self, mirror: "Mirror") -> Snapshot:
        """Read both lists from MAL; how their texts are encoded is judged with what `mirror` knows of earlier writes."""
        from malsync.operations.backup import with_encodings

        return with_encodings(mirror, self.read())

    def backup(self, *, note: str = "", accept: bool = False, wait: float = 60.0) -> "BackupResult":
        """Read both lists and store one snapshot, whole or not at all.

        `accept` a list that looks suspicious. `wait`: seconds to wait for another malsync process to end. Raises what reading
        and storing raise: AuthError, ApiError, MirrorError, Busy.
        """
        from malsync.operations.backup import back_up

        return back_up(self.home, note=note, accept=accept, wait=wait, account=self)

    # -- writing: nothing is sent before PreparedRun.execute

    def prepare_restore(
        self,
        reference: str | Path,
        mode: Mode = "merge",
        *,
        filters: Filters = EVERYTHING,
        **flags: Unpack[WriteFlags],
    ) -> "PreparedRun":
        """Plan the writes that make the live lists what `reference` names.

        Raises UsageError for a reference that names no list, AuthError for a list of another MAL user, and what reading
        raises. What a guard would refuse is in the result's `refusals`.
        """
        from malsync.operations.restore import prepare_restore

        return prepare_restore(self, WriteRequest("restore", mode=mode, filters=filters, **flags), str(reference))

    def prepare_revert(
        self,
        good: str | Path,
        bad: str | Path,
        *,
        window: Window = ALWAYS,
        filters: Filters = EVERYTHING,
        **flags: Unpack[WriteFlags],
    ) -> "PreparedRun":
        """Plan the writes that take back what changed from `good` to `bad`, and keep what was done after `bad`.

        `window` limits it to what was last updated in `bad` within a time. Raises like `prepare_restore`.
        """
        from malsync.operations.restore import prepare_revert

        return prepare_revert(
            self, WriteRequest("revert", filters=filters, window=window, **flags), str(good), str(bad)
        )

    def prepare_migrate(
        self,
        reference: str | Path,
        mode: Mode = "merge",
        *,
        prefer: Prefer = "source",
        filters: Filters = EVERYTHING,
        **flags: Unpack[WriteFlags],
    ) -> "PreparedRun":
        """Plan the writes that copy the list that `reference` names, of any user, into this account.

        Raises like `prepare_restore`.
        """
        from malsync.operations.restore import prepare_restore

        request = WriteRequest("migrate", mode=mode, prefer=prefer, filters=filters, **flags)
        return prepare_restore(self, request, str(reference))

    def prepare_apply(self, path: str | Path, **flags: Unpack[WriteFlags]) -> "PreparedRun":
        """Read a plan file. Raises UsageError for a bad one, AuthError for one that was made for another MAL user."""
        from malsync.formats import plan_file
        from malsync.operations.restore import prepare_apply

        return prepare_apply(self, WriteRequest("apply", **flags), plan_file.read(Path(path)), str(path))

    def resume(
        self,
        run: int | None = None,
        **flags: Unpack[WriteFlags],
    ) -> "PreparedRun":
        """Plan what is left of an unfinished run (None: the only one). Raises UsageError where there is none."""
        from malsync.operations.resume import prepare_resume, unfinished_run

        added = WriteRequest("apply", **flags)
        with self.home.mirror() as mirror:
            return prepare_resume(self, mirror, unfinished_run(self.home, mirror, run), added)

    def undo(
        self,
        run: int | None = None,
        **flags: Unpack[WriteFlags],
    ) -> "PreparedRun":
        """Plan the writes that take back what a run wrote (None: the newest), and nothing else.

        Raises UsageError where there is no such run, or where the snapshots around it have been pruned.
        """
        from malsync.operations.resume import named_run, prepare_undo

        request = WriteRequest("undo", **flags)
        with self.home.mirror() as mirror:
            return prepare_undo(self, mirror, named_run(self.home, mirror, run), request)

    # -- checks

    def refuse_others(self, lists: Collection["ResolvedList"]) -> None:
        """Raise AuthError where one of `lists` is another MAL user's."""
        for resolved in lists:
            theirs = resolved.snapshot.user
            if not same_person(theirs, self.user):
                raise AuthError(
                    f"{resolved.reference} is a list of {theirs.name} ({theirs.origin}), and you are signed in as "
                    f"{self.user.name} ({self.user.origin}). Nothing was sent.",
                    advice="migrate instead" if len(lists) == 1 else "write to another account",
                    reference=resolved.reference,
                    account=self.name,
                )

    def refuse_run_of_another(self, run: "Run") -> None:
        """Raise AuthError where `run` wrote the lists of another MAL user."""
        if self.user.key != run.user.key:
            raise AuthError(
                f"Run {run.number} wrote the lists of {run.user.name} ({run.user.origin}), and you are signed in as "
                f"{self.user.name} ({self.user.origin}). Nothing was sent.",
                advice="sign in to that account",
                account=run.account,
            )

    def known(self, mirror: "Mirror", live: Snapshot, keys: Collection[Key]) -> Known:
        """What `live` and the catalogue of `mirror` know of these titles."""
        return known_with(live, by_key(mirror.catalogue.names, keys), by_key(mirror.catalogue.totals, keys))
