"""One writing command: who is signed in, the lists that it was given, and what it is to do."""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from malsync.cli.app import App
from malsync.cli.flags import Flags
from malsync.cli.interruption import Interruption
from malsync.errors import AuthError
from malsync.model.snapshot import Snapshot, User
from malsync.text import command_line

if TYPE_CHECKING:
    from malsync.mal.client import Client
    from malsync.mirror import JournalEntry, Mirror, Run
    from malsync.operations.references import ResolvedList
    from malsync.operations.run import Planner, RunContext
    from malsync.planning.known_titles import Known, Titles
    from malsync.planning.request import WriteRequest
    from malsync.planning.restore_plan import Key, Plan, Unwritten


class Job:
    """One writing command: who is signed in, the lists that it was given, and the mirror, open for reading."""

    mirror: "Mirror"
    client: "Client"
    user: User
    account: str

    def __init__(self, app: App, flags: Flags) -> None:
        self.app = app
        self.flags = flags
        self.lists: dict[str, ResolvedList] = {}
        self.titles: dict[str, Titles] = {}
        """By the file or the import that they are in: titles compared with MAL's, as far as the filters let them pass."""
        self.unwritten: dict[str, Unwritten] = {}
        """By the list that was named: what no plan for it writes."""
        self.interruption = Interruption(app.world.clock, app.world.unfinished)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._open()
        return self

    def _open(self) -> None:
        self.mirror = self._stack.enter_context(self.app.mirror())

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def choose(self, role: str, reference: str) -> "ResolvedList":
        """The list that `reference` names, kept for planning."""
        self.lists[role] = self.app.choose(reference, self.mirror)
        return self.lists[role]

    def sign_in(self, account: str | None) -> None:
        """As `account`, or as the one that is meant when that is None.

        Raises AuthError where it is not signed in, or its token is another user's.
        """
        from malsync.mal.credentials import FixedToken
        from malsync.operations.accounts import check

        credentials = self.app.credentials(account)
        self.client = self.app.client(credentials, self.interruption.clock)
        self.user = self.client.me()
        if account is None:
            self.account = self.app.account_for(self.user)
            return
        bound = self.app.accounts.user(account)
        check(account, bound, self.user)
        if bound is None and isinstance(credentials, FixedToken) and self.app.account_for(self.user) != account:
            raise AuthError(
                f"The account {account!r} is not signed in. Nothing was sent.",
                f"Sign in to it: {command_line('login', account)}",
            )
        self.account = account

    def sign_in_as(self, run: "Run") -> None:
        """As the MAL user whose lists `run` wrote."""
        account = self.app.named_account or run.account
        self.sign_in(None if account == self.app.account else account)
        if self.user.key != run.user.key:
            raise AuthError(
                f"Run {run.number} wrote the lists of {run.user.name} ({run.user.origin}), and you are signed in as "
                f"{self.user.name} ({self.user.origin}). Nothing was sent.",
                f"Sign in to that account: malsync --account {shlex.quote(run.account)} login",
            )

    def read(self) -> Snapshot:
        """Both live lists, read now."""
        from malsync.mal.list_reader import read_snapshot

        with self.app.output.reading() as progress:
            return read_snapshot(self.client, self.user, "backup", self.app.world.clock, progress)

    def live(self) -> Snapshot:
        """Both live lists, read now, with what the journal knows of their texts."""
        from malsync.operations.backup import judged

        return judged(self.mirror, self.read())

    def known(self, live: Snapshot, keys: "Collection[Key]") -> "Known":
        """What the live list and the catalogue know of these titles."""
        from malsync.planning.known_titles import by_key, known_with

        catalogue = self.mirror.catalogue
        return known_with(live, by_key(catalogue.names, keys), by_key(catalogue.totals, keys))

    @contextmanager
    def writing(self, told: Callable[["JournalEntry", int], object], intent: "WriteRequest") -> "Iterator[RunContext]":
        """The right to write here, and what a run needs; then the mirror is open for reading again."""
        from malsync.operations.run import RunContext

        self._stack.close()
        with self.app.at_work(None), self.interruption, self.app.mirror(write=True) as mirror:
            self.app.bind(self.account, self.user)
            yield RunContext(
                self.client,
                mirror,
                self.app.shelf,
                self.app.world.clock,
                self.read,
                told,
                self.interruption.shield,
                intent.force,
                self.flags.round_dates,
                intent.max_deletes,
            )
        self._open()


@dataclass(frozen=True)
class Task:
    """A plan beside the live lists that it was made from, and how to plan again beside later ones."""

    intent: "WriteRequest"
    plan: "Plan"
    live: Snapshot
    planner: "Planner"
    lists: Mapping[str, Any]
    known: "Known"
    undoes: "Run | None" = None
    undone: "tuple[JournalEntry, ...]" = ()
    """What the run that is to be undone had written when this was planned."""

    @property
    def undoes_number(self) -> int | None:
        """The number of the run that this takes back, if any."""
        return None if self.undoes is None else self.undoes.number

    def head(self) -> dict[str, Any]:
        """What the journal keeps of this, so that another process can go on with it."""
        from malsync.operations.references import list_document
        from malsync.planning.request import left_document

        return {
            "intent": self.intent.document(),
            "lists": dict(self.lists),
            "live": list_document("live", None, self.live),
            "left": [left_document(left) for left in self.plan.left],
        }
