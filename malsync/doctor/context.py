"""What the checks look at, each part read once, and the results so far. Any part may be missing or damaged."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from malsync.errors import ApiError, Exit, MalsyncError
from malsync.mal.oauth import Tokens
from malsync.mal.token_store import store_of
from malsync.mirror import FILE_NAME, Mirror, SnapshotInfo
from malsync.model.snapshot import User
from malsync.model.timestamps import corrected
from malsync.operations import config
from malsync.operations.home import Home


@dataclass(frozen=True)
class Check:
    """The result of one check. `exit` is the exit code of the problem; OK: there is none."""

    name: str
    message: str
    exit: Exit = Exit.OK

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return self.exit is Exit.OK


@dataclass(frozen=True)
class Answer:
    """What the API answered: the HTTP status, the user whose token it was, and by how many seconds its clock is ahead."""

    status: int
    user: tuple[int, str] | None
    ahead: float | None

    @property
    def is_of_the_api(self) -> bool:
        """Whether this is an answer to be expected: the user, or a refusal of a missing or invalid token."""
        return self.user is not None or self.status in (400, 401, 403)


class DoctorContext:
    """A home folder, the account to check (all of them if none is named), and the greatest age of a backup.

    `mounts` is the file in which the system lists its mounted file systems.
    """

    def __init__(self, home: Home, max_age: timedelta | None = None, mounts: Path = Path("/proc/self/mounts")) -> None:
        self.home = home
        self.max_age = max_age
        self.mounts = mounts
        self.checks: list[Check] = []
        self.answer: Answer | None = None  # the API's last answer
        self.unreachable: ApiError | None = None  # why there is none; it is not asked again

    def ok(self, name: str, message: str) -> None:
        """Report that there is nothing to do."""
        self.checks.append(Check(name, message))

    def problem(self, name: str, exit_code: Exit, message: str) -> None:
        """Report a problem, and what to do about it."""
        self.checks.append(Check(name, message, exit_code))

    def name_for(self, name: str, account: str) -> str:
        """The name of a check that is made for each account."""
        return name if account == self.home.account_name else f"{name} {account}"

    @property
    def now(self) -> datetime:
        """The time by this machine's clock."""
        return self.home.world.clock.now()

    @property
    def mal_now(self) -> datetime:
        """The time by MAL's clock, which snapshots are dated by."""
        if self.answer is None or self.answer.ahead is None:
            return self.home.now
        return corrected(self.now, self.now + timedelta(seconds=self.answer.ahead))

    @cached_property
    def settings(self) -> config.Settings:
        """The settings; without config.toml if it is invalid, and the defaults if the environment is invalid too."""
        with suppress(MalsyncError):
            return self.home.settings
        with suppress(MalsyncError):
            return config.load(self.home.folder / "no such folder", self.home.world.environment)
        return config.Settings(self.home.folder)

    @cached_property
    def mirror(self) -> Mirror:
        """The mirror, opened to read. Raises MirrorError and Busy."""
        return Mirror.open_unchanged(self.home.folder / FILE_NAME, wait=1.0)

    @cached_property
    def infos(self) -> list[SnapshotInfo] | None:
        """Every snapshot, oldest first; None if the mirror cannot be read."""
        try:
            return self.mirror.infos()
        except MalsyncError:
            return None

    @property
    def accounts(self) -> dict[str, User | None]:
        """The named account; without one, every account that belongs to a user. The default one if there is none."""
        bound = self.home.accounts.all()
        name = self.home.account_name
        if self.home.named_account is not None or not bound:
            return {name: bound.get(name)}
        return {account: bound[account] for account in sorted(bound, key=name.__ne__)}

    def tokens(self, account: str) -> Tokens | None:
        """The stored tokens of the account."""
        return store_of(self.home.folder, self.settings.token_store).load(account)
