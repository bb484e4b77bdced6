"""The state of a sandbox: titles, accounts and tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from malsync.sandbox.account import Account
from malsync.sandbox.catalogue import Catalogue, fixture
from malsync.sandbox.errors import SandboxError
from malsync.sandbox.generate import generated_lists
from malsync.sandbox.media import MEDIA
from malsync.sandbox.oauth import Authority, grants_from
from malsync.sandbox.state import checked_state, state_of

Clock = Callable[[], datetime]

DEMO_ACCOUNTS = ("sandbox_mika", "sandbox_theo")
FIRST_USER_ID = 9_000_001


def utc_now() -> datetime:
    return datetime.now(UTC)


class World:
    """Everything that a sandbox serves. Hold `lock` to read or change it while a sandbox runs.

    `clock` returns the time, aware and in UTC; a running sandbox calls it on a thread of its own, one request after another.
    """

    def __init__(self, catalogue: Catalogue, clock: Clock = utc_now) -> None:
        self.catalogue = catalogue
        self.clock = clock
        self.accounts: dict[str, Account] = {}
        self.authority = Authority(clock)
        self.lock = RLock()

    @classmethod
    def demo(cls, clock: Clock = utc_now) -> World:
        """Return a world of two invented users with lists of real titles; `sandbox_mika` has long ones, with every oddity."""
        world = cls(Catalogue.shipped(), clock)
        for name in DEMO_ACCOUNTS:
            world._put_account(name, fixture(f"accounts/{name}"))
        return world

    @classmethod
    def generated(cls, entries: int, seed: int = 1, clock: Clock = utc_now) -> World:
        """Return the demo, but with `entries` entries in the lists of the first account, made from `seed`.

        Of 10,900 entries 900 are manga, others in proportion. Shipped titles come first, then copies of them with ids from
        1,000,001 on. The same numbers give the same lists. Raises SandboxError for a number that is not possible.
        """
        world = cls.demo(clock)
        titles, lists = generated_lists(world.catalogue, entries, seed)
        for medium in MEDIA:
            for title in titles[medium]:
                world.catalogue.put(medium, title)
            world.first.put_list(medium, lists[medium])
        return world

    @classmethod
    def holding(
        cls,
        name: str,
        lists: Mapping[str, Iterable[Mapping[str, Any]]],
        titles: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
        clock: Clock = utc_now,
    ) -> World:
        """Return a world of one account with a copy of a user's lists, for a rehearsal.

        `lists` and `titles` are by medium; an entry is `{"node", "list_status"}` as in the API, a title is a node. A title
        that is on no list can be added only if it is in `titles` or in the shipped catalogue. Raises SandboxError for an
        invalid entry.
        """
        world = cls(Catalogue.shipped(), clock)
        world.put_state(
            {
                "titles": {medium: list(nodes) for medium, nodes in (titles or {}).items()},
                "accounts": {name: {medium: list(entries) for medium, entries in lists.items()}},
            }
        )
        return world

    @property
    def first(self) -> Account:
        return next(iter(self.accounts.values()))

    def account(self, name: str) -> Account | None:
        """Return the account of that name; case does not matter."""
        key = name.casefold()
        return next((account for account in self.accounts.values() if account.name.casefold() == key), None)

    def named(self, name: str) -> Account:
        """Return the account of that name. Raises SandboxError that lists the accounts."""
        if (account := self.account(name)) is None:
            raise SandboxError(f"there is no account {name!r}; there are: {', '.join(self.accounts)}")
        return account

    def withdraw(self, medium: str, id: int) -> None:
        """Remove a title as a moderator does: it disappears from every list, and cannot be added again."""
        self.catalogue.put(medium, {**self.catalogue.known(medium, id), "withdrawn": True})
        for account in self.accounts.values():
            if id in account.kept(medium):
                account.delete(medium, id)

    def state(self, *, tokens: bool = False) -> dict[str, Any]:
        """Return everything as one JSON value (see `state`); `tokens` only for a file that is private."""
        with self.lock:
            state = state_of(self.accounts.values(), self.catalogue)
            return {**state, "tokens": self.authority.state()} if tokens else state

    def put_state(self, value: Any) -> None:
        """Merge a state: its accounts replace those of the same name, other accounts stay.

        Parts of an account that the state does not have stay too. Raises SandboxError that names the place of the first
        error; nothing is changed then.
        """
        state = checked_state(value)
        grants = grants_from(state.get("tokens", []))
        with self.lock:
            for medium in MEDIA:
                for title in state.get("titles", {}).get(medium, []):
                    self.catalogue.put(medium, title)
            for name, account in state.get("accounts", {}).items():
                self._put_account(name, account)
            self.authority.keep(grants)

    def _put_account(self, name: str, state: Mapping[str, Any]) -> None:
        account = self.accounts.get(name) or Account(name, FIRST_USER_ID + len(self.accounts), self.catalogue)
        account.id = state.get("id", account.id)
        account.profile.update(state.get("profile", {}))
        account.private = frozenset(state.get("private", account.private))
        for medium in MEDIA:
            for entry in state.get(medium, []):
                if self.catalogue.get(medium, entry["node"]["id"]) is None:
                    self.catalogue.put(medium, entry["node"])
            if medium in state:
                account.put_list(medium, {entry["node"]["id"]: entry["list_status"] for entry in state[medium]})
        self.accounts[name] = account
