"""What the checks look at, read once: settings, mirror, accounts and the API's answer, each of which may be in a bad way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from malsync.errors import ApiError, Exit, MalsyncError
from malsync.operations.home import Home

if TYPE_CHECKING:
    from malsync.doctor.probe import Answer
    from malsync.mal.oauth import Tokens
    from malsync.mirror import SnapshotInfo
    from malsync.mirror.read_only import Look
    from malsync.model.snapshot import User
    from malsync.operations.config import Settings


@dataclass(frozen=True)
class Check:
    """What one check came to. `exit` is what it is worth where it is not ok."""

    name: str
    ok: bool
    message: str
    exit: Exit = Exit.OK


def well(name: str, message: str) -> Check:
    """All is well there, or nothing can be said."""
    return Check(name, True, message)


def ill(name: str, worth: Exit, message: str) -> Check:
    """Something is to be done."""
    return Check(name, False, message, worth)


class DoctorContext:
    """One home folder, and the account that is meant."""

    def __init__(self, app: Home, max_age: timedelta | None) -> None:
        self.app = app
        self.max_age = max_age
        self._answers: dict[str, Answer] = {}
        self._trouble: ApiError | None = None

    @property
    def now(self) -> datetime:
        """The time here."""
        return self.app.world.clock.now()

    @property
    def mal_now(self) -> datetime:
        """The time there, where the API was asked and the clocks do not agree: it is what snapshots are dated by."""
        from malsync.model.timestamps import corrected

        aheads = [answer.ahead for answer in self._answers.values() if answer.ahead is not None]
        return corrected(self.now, self.now + timedelta(seconds=aheads[-1])) if aheads else self.app.now

    @cached_property
    def settings(self) -> "Settings":
        """The settings; where config.toml cannot be read, those of the environment alone, so that the rest can be looked at."""
        from dataclasses import replace

        from malsync.operations import config

        try:
            return self.app.settings
        except MalsyncError:
            pass
        try:
            alone = config.load(self.app.home / "nowhere", self.app.world.environment)
            return replace(alone, home=self.app.home)
        except MalsyncError:
            return config.Settings(home=self.app.home)

    @cached_property
    def look(self) -> "Look":
        """The mirror. Raises MirrorError and Busy, each time that it is asked for."""
        from malsync.mirror import FILE_NAME
        from malsync.mirror.read_only import looked_at

        return looked_at(self.app.home / FILE_NAME, wait=1.0)

    @property
    def accounts(self) -> "dict[str, User | None]":
        """The account that is meant, and where none was named, every other that is bound to somebody."""
        bound = self.app.accounts.all()
        if self.app.named_account is not None:
            return {self.app.named_account: bound.get(self.app.named_account)}
        if self.app.account in bound or not bound:
            return {self.app.account: bound.get(self.app.account), **bound}
        return dict(bound)

    def tokens(self, account: str) -> "Tokens | None":
        """The account's tokens."""
        from malsync.mal.token_store import store_of

        return store_of(self.app.home, self.settings.token_store).load(account)

    @cached_property
    def infos(self) -> "list[SnapshotInfo] | None":
        """Every snapshot, oldest first; None where the mirror cannot be read, which is told by the check of it."""
        try:
            return self.look.mirror.infos()
        except MalsyncError:
            return None

    def asked(self, headers: "dict[str, str]") -> "Answer":
        """What the API answers to whoever has these headers; asked once. Raises ApiError."""
        from malsync.doctor.probe import ask
        from malsync.urls import check_url

        if self._trouble is not None:
            # It would not answer the next question either, and each may take seconds.
            raise self._trouble
        key = headers.get("Authorization", "")
        if key not in self._answers:
            url = check_url(self.settings.api_url, "MALSYNC_API_URL")
            try:
                self._answers[key] = ask(url, headers, self.settings.user_agent, self.app.world.clock.now)
            except ApiError as error:
                self._trouble = error
                raise
        return self._answers[key]

    def any_answer(self) -> "Answer":
        """An answer of the API's, whoever asked. Raises ApiError."""
        return next(iter(self._answers.values())) if self._answers and self._trouble is None else self.asked({})


def named(name: str, account: str, patient: DoctorContext) -> str:
    """The name of a check that is made for each account: the account that is meant needs no mention."""
    return name if account == patient.app.account else f"{name} {account}"


CheckOf = Callable[[DoctorContext], Iterator[Check]]
